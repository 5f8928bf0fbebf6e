// policyd/provider/api/pace.h
// How fast one account may be asked, over all threads and all openings of it: the host's documented
// rate is kept from here, and when the host throttles one request all others wait as well, for as
// long as it asks. A change of many domains would otherwise meet the limit with each of them.

#ifndef DMARCATE_POLICYD_PROVIDER_API_PACE_H_
#define DMARCATE_POLICYD_PROVIDER_API_PACE_H_

#include <mutex>
#include <string_view>

#include "absl/time/time.h"

namespace dmarcate {

// At most `requests` in any span of `window`. Zero requests: the host documents none, only its
// throttling counts.
struct RateLimit {
  int requests = 0;
  absl::Duration window = absl::Seconds(1);
};

// What is kept of `limit`: of its requests a fifth, 20 at most and one at least, may go out at
// once, the others evenly, so that burst + rate * window never passes the limit.
struct PaceShape {
  int burst = 1;
  absl::Duration interval = absl::ZeroDuration();  // between two, once the burst is used up
};
PaceShape ShapeOf(const RateLimit& limit);

// The documented limit of a type of account ("cloudflare"); docs/providers.md has the sources.
RateLimit DocumentedRate(std::string_view type);

// Thread-safe. All times are monotonic ones of one clock.
class AccountPace {
 public:
  explicit AccountPace(const RateLimit& limit) : shape_(ShapeOf(limit)) {}

  // Takes a place for one request: how long to wait before it is sent. A place that is further away
  // than `patience` is not taken, and nothing may be sent; the answer is then the wait all the
  // same, longer than `patience`.
  absl::Duration Reserve(absl::Duration now, absl::Duration patience);
  // The host has throttled: nothing goes out before `now` + `wait`.
  void HoldFor(absl::Duration now, absl::Duration wait);
  // How long nothing goes out; zero: the account is free.
  absl::Duration HeldFor(absl::Duration now) const;

 private:
  const PaceShape shape_;
  mutable std::mutex mutex_;
  // The theoretical arrival of the next request if all had come evenly (GCRA, ITU-T I.371).
  absl::Duration next_ = -absl::InfiniteDuration();
  absl::Duration held_until_ = -absl::InfiniteDuration();
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_PACE_H_
