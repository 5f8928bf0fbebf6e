#include "policyd/reconcile/lease_watch.h"

#include <algorithm>
#include <set>

#include "policyd/reconcile/journal.h"

namespace dmarcate {
namespace {

// What was asked for. A clock that was set back since then makes nobody wait longer.
absl::Duration DelayOf(const ChangeRecord& change) {
  absl::Duration delay;
  for (const StepRecord& step : change.steps) {
    if (step.step == step::kScheduled) delay = change.apply_after - step.time;
  }
  return std::max(delay, absl::ZeroDuration());
}

}  // namespace

bool LeaseWatch::IsSilent(const ChangeRecord& change, absl::Duration lease) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[{change.domain, change.id}];
  if (seen.revision != change.revision) {
    seen.revision = change.revision;
    seen.since = now;
  }
  return now - seen.since >= lease;
}

bool LeaseWatch::IsDue(const ChangeRecord& change) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[{change.domain, change.id}];
  if (seen.apply_after != change.apply_after) {
    seen.apply_after = change.apply_after;
    seen.due =
        now + std::clamp(change.apply_after - clock_.Now(), absl::ZeroDuration(), DelayOf(change));
  }
  return now >= seen.due;
}

absl::Duration LeaseWatch::Since(const ChangeRecord& change, std::string_view what) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  return now -
         seen_[{change.domain, change.id}].begun.emplace(std::string(what), now).first->second;
}

void LeaseWatch::Forget(const ChangeRecord& change) {
  const std::lock_guard lock(mutex_);
  seen_.erase({change.domain, change.id});
}

void LeaseWatch::KeepOnly(const std::vector<ChangeRecord>& open) {
  std::set<Key> keys;
  for (const ChangeRecord& change : open) keys.emplace(change.domain, change.id);
  const std::lock_guard lock(mutex_);
  std::erase_if(seen_, [&](const auto& entry) { return !keys.contains(entry.first); });
}

}  // namespace dmarcate
