// policyd/watch/remembered_world.h
// What lib/inspect asks besides a resolver, for who judges a memory of the DNS. Pure.

#ifndef DMARCATE_POLICYD_WATCH_REMEMBERED_WORLD_H_
#define DMARCATE_POLICYD_WATCH_REMEMBERED_WORLD_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/status_macros.h"
#include "lib/dns/resolver.h"
#include "lib/inspect/posture.h"

namespace dmarcate {

// A memory is judged in no time: budgets of time never run out, and nothing reads a clock.
class StandingClock final : public Clock {
 public:
  explicit StandingClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_; }
  absl::Duration Monotonic() const override { return absl::ZeroDuration(); }

 private:
  const absl::Time now_;
};

// The watch keeps what most servers say; what each says is not asked again.
class NoServers final : public AuthoritativeResolver {
 public:
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName&, RrType, bool) override {
    return MakeError(absl::StatusCode::kUnavailable, "no server is asked");
  }
};

inline PostureOptions MemoryOptions() {
  PostureOptions options;
  options.server_views = ServerViews::kSkip;
  return options;
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_REMEMBERED_WORLD_H_
