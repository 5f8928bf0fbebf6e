#include "policyd/reconcile/rollout_pruner.h"

#include <set>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kBetween = absl::Hours(7 * 24);
constexpr absl::Duration kPause = absl::Minutes(10);
constexpr size_t kPage = 8;  // each holds all that was decided from

}  // namespace

std::vector<std::string> EntriesToForget(const std::vector<RolloutLogRecord>& log) {
  std::set<std::string> published;
  for (const RolloutLogRecord& entry : log) {
    if (entry.event == RolloutEvent::kPublished) published.insert(entry.change_id);
  }
  std::vector<std::string> out;
  size_t quiet = 0;
  size_t trouble = 0;
  for (const RolloutLogRecord& entry : log) {
    const bool for_ever =
        entry.event == RolloutEvent::kPerson || entry.event == RolloutEvent::kPublished ||
        (entry.event == RolloutEvent::kStarted && published.contains(entry.change_id));
    if (for_ever) continue;
    const bool is_quiet = entry.event == RolloutEvent::kDecided && !entry.alert;
    const bool keep = is_quiet ? ++quiet <= kQuietEntriesKept : ++trouble <= kTroubleEntriesKept;
    if (!keep) out.push_back(entry.id);
  }
  return out;
}

bool RolloutPruner::IsTime(const RolloutRecord& rollout) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  if (now - last_ < kPause) return false;
  const auto [found, first] = pruned_.try_emplace({rollout.domain, rollout.id}, now);
  if (!first && now - found->second < kBetween) return false;
  found->second = last_ = now;
  return true;
}

absl::Status RolloutPruner::Prune(const RolloutRecord& rollout) {
  if (!IsTime(rollout)) return absl::OkStatus();
  std::vector<RolloutLogRecord> log;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<RolloutLogRecord> page,
        store_.ListRolloutLog(rollout.domain, rollout.id, log.empty() ? "" : log.back().id, kPage));
    const bool end = page.size() < kPage;
    for (RolloutLogRecord& entry : page) {
      entry.decision.clear();
      entry.explanation.clear();
      log.push_back(std::move(entry));
    }
    if (end) break;
  }
  return store_.ForgetRolloutLog(rollout.domain, rollout.id, EntriesToForget(log));
}

}  // namespace dmarcate
