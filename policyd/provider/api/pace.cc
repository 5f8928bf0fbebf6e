#include "policyd/provider/api/pace.h"

#include <algorithm>
#include <string_view>

namespace dmarcate {
namespace {

constexpr int kLargestBurst = 20;

struct Documented {
  std::string_view type;
  RateLimit limit;
};

// reference/providers.md, November 2026; the strictest one where a host documents several. Hosts
// without an entry document none, or one by zone that a single change does not meet.
constexpr int kMinute = 60;
constexpr int kHour = 3600;
const Documented kDocumented[] = {
    {"cloudflare", {1200, absl::Seconds(5 * kMinute)}}, {"route53", {5, absl::Seconds(1)}},
    {"digitalocean", {5000, absl::Seconds(kHour)}},     {"hetzner", {3600, absl::Seconds(kHour)}},
    {"gandi", {1000, absl::Seconds(kMinute)}},          {"desec", {50, absl::Seconds(kMinute)}},
    {"linode", {200, absl::Seconds(kMinute)}},  // lists; other calls may be more
    {"dnsimple", {2400, absl::Seconds(kHour)}},         {"vultr", {30, absl::Seconds(1)}},
    {"porkbun", {1, absl::Milliseconds(1200)}},  // "about one a second"
};

}  // namespace

PaceShape ShapeOf(const RateLimit& limit) {
  if (limit.requests <= 0) return {};
  const int burst = std::clamp(limit.requests / 5, 1, kLargestBurst);
  return {burst, limit.window / std::max(limit.requests - burst, 1)};
}

RateLimit DocumentedRate(std::string_view type) {
  const auto* const found = std::ranges::find(kDocumented, type, &Documented::type);
  return found == std::end(kDocumented) ? RateLimit{} : found->limit;
}

absl::Duration AccountPace::Reserve(absl::Duration now, absl::Duration patience) {
  const std::lock_guard lock(mutex_);
  const absl::Duration arrival = std::max(next_, now);
  const absl::Duration by_rate = arrival - (shape_.burst - 1) * shape_.interval;
  const absl::Duration wait = std::max(std::max(by_rate, held_until_) - now, absl::ZeroDuration());
  if (wait > patience) return wait;
  next_ = std::max(arrival, held_until_) + shape_.interval;
  return wait;
}

void AccountPace::HoldFor(absl::Duration now, absl::Duration wait) {
  const std::lock_guard lock(mutex_);
  held_until_ = std::max(held_until_, now + wait);
  // Those who waited do not come all at once: from its end on evenly, without a burst.
  next_ = std::max(next_, held_until_ + (shape_.burst - 1) * shape_.interval);
}

absl::Duration AccountPace::HeldFor(absl::Duration now) const {
  const std::lock_guard lock(mutex_);
  return std::max(held_until_ - now, absl::ZeroDuration());
}

}  // namespace dmarcate
