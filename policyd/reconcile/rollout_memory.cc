#include "policyd/reconcile/rollout_memory.h"

#include <algorithm>

namespace dmarcate {

bool RolloutMemory::IsDue(const RolloutRecord& rollout) {
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(KeyOf(rollout));
  if (found == seen_.end()) return true;
  const Seen& seen = found->second;
  return seen.revision != rollout.revision || now >= seen.again || now < seen.at;
}

void RolloutMemory::Asked(const RolloutRecord& rollout, absl::Time again) {
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[KeyOf(rollout)];
  seen.at = now;
  seen.again = again;
  seen.revision = rollout.revision;
}

void RolloutMemory::Failed(const RolloutRecord& rollout, Haste haste) {
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[KeyOf(rollout)];
  absl::Duration pause = kAfterFailure;
  if (haste == Haste::kNo) {
    for (int i = 0; i < seen.failures && pause < kLongestPause; ++i) pause *= 2;
    ++seen.failures;
  }
  seen.at = now;
  seen.again = now + std::min(pause, kLongestPause);
  seen.revision = rollout.revision;
}

void RolloutMemory::Succeeded(const RolloutRecord& rollout) {
  const std::lock_guard lock(mutex_);
  seen_[KeyOf(rollout)].failures = 0;
}

bool RolloutMemory::HasSaid(const RolloutRecord& rollout, std::string_view what,
                            absl::Duration within) {
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(KeyOf(rollout));
  return found != seen_.end() && found->second.said == what && now - found->second.said_at < within;
}

void RolloutMemory::Said(const RolloutRecord& rollout, std::string what) {
  const absl::Time now = clock_.Now();
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[KeyOf(rollout)];
  seen.revision = rollout.revision;
  seen.said = std::move(what);
  seen.said_at = now;
}

}  // namespace dmarcate
