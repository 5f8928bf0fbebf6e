#include "policyd/watch/schedule.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "policyd/watch/history.h"

namespace dmarcate {
namespace {

// 0.9 to 1.1, the same for the same look.
double Spread(std::string_view domain, const ObservedName& name, absl::Time last) {
  const std::string hash = Sha256(fmt::format(
      "{} {} {} {}", domain, name.owner, static_cast<int>(name.kind), absl::ToUnixMicros(last)));
  const int number = static_cast<uint8_t>(hash[0]) * 256 + static_cast<uint8_t>(hash[1]);
  return 0.9 + 0.2 * number / 65535;
}

}  // namespace

absl::Time NextLook(const std::vector<Observation>& history, std::string_view domain,
                    const ObservedName& name, absl::Duration interval, absl::Time now) {
  const Observation* last = LastLook(history);
  if (last == nullptr) return absl::InfinitePast();
  if (last->last_seen > now) return now;
  absl::Duration pause = interval;
  if (!IsAnswer(last->outcome)) {
    pause =
        std::clamp(last->last_seen - last->first_seen, std::min(kFirstRetry, interval), interval);
  }
  return last->last_seen + pause * Spread(domain, name, last->last_seen);
}

}  // namespace dmarcate
