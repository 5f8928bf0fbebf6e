#include "lib/base/log_limiter.h"

#include <algorithm>

namespace dmarcate {

std::optional<int64_t> LogLimiter::Admit(std::string_view key, absl::Duration now) {
  const std::lock_guard lock(mutex_);
  while (!lines_.empty() && now - lines_.front().first >= kInterval) lines_.pop_front();
  const bool told = std::ranges::any_of(lines_, [key](const auto& l) { return l.second == key; });
  if (told || lines_.size() >= most_lines_) {
    ++held_back_;
    return std::nullopt;
  }
  lines_.emplace_back(now, key);
  return std::exchange(held_back_, 0);
}

}  // namespace dmarcate
