// lib/base/log_limiter.h
// Which of many events of one kind get a line in the log, where strangers decide how many there
// are: the first of each key and minute, and so many in all. The others are counted, so that no
// event is untold:
//
//   if (const auto held_back = limiter.Admit(client, clock.Monotonic())) {
//     LogInfo("smtp_closed", {{"client", client}, {"held_back", *held_back}});
//   }

#ifndef DMARCATE_LIB_BASE_LOG_LIMITER_H_
#define DMARCATE_LIB_BASE_LOG_LIMITER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

namespace dmarcate {

// Thread-safe.
class LogLimiter {
 public:
  static constexpr absl::Duration kInterval = absl::Minutes(1);

  // `most_lines`: in an interval, whatever their keys. Memory holds so many keys, no more.
  explicit LogLimiter(size_t most_lines) : most_lines_(most_lines) {}

  // A value: this event may have a line, and so many events of any key had none since the last line
  // of any. nullopt: it is counted as one of those. `now` counts from any start and does not go
  // back.
  std::optional<int64_t> Admit(std::string_view key, absl::Duration now);

 private:
  const size_t most_lines_;
  std::mutex mutex_;
  std::deque<std::pair<absl::Duration, std::string>> lines_;  // of the last interval
  int64_t held_back_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_LOG_LIMITER_H_
