// ingestd/stoppable_resolver.h
// A resolver that can be told to end: one mail may ask two hundred questions, and a daemon that
// shuts down waits for none but the one in flight.

#ifndef DMARCATE_INGESTD_STOPPABLE_RESOLVER_H_
#define DMARCATE_INGESTD_STOPPABLE_RESOLVER_H_

#include <atomic>

#include "lib/base/status_macros.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

// Thread-safe. `resolver` outlives it.
class StoppableResolver final : public Resolver {
 public:
  explicit StoppableResolver(Resolver& resolver) : resolver_(resolver) {}
  // From now on nothing is learned: kUnavailable.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    if (stopped_) return MakeError(absl::StatusCode::kUnavailable, "the daemon is shutting down");
    return resolver_.Lookup(name, type);
  }

 private:
  Resolver& resolver_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_STOPPABLE_RESOLVER_H_
