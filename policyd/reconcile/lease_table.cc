#include "policyd/reconcile/lease_table.h"

#include <set>

#include "lib/base/status_macros.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

std::set<std::string> KeysOf(const ChangeRecord& change) {
  std::set<std::string> keys = {fmt::format("domain {}", change.domain)};
  for (const RecordChangeRecord& record : change.record_changes) {
    keys.insert(fmt::format("zone {}", record.zone));
  }
  return keys;
}

std::string NameOf(const ChangeRecord& change) {
  return fmt::format("domains/{}/changes/{}", change.domain, change.id);
}

}  // namespace

absl::Status LeaseTable::Acquire(const ChangeRecord& change) {
  const std::set<std::string> keys = KeysOf(change);
  const std::string name = NameOf(change);
  const std::lock_guard lock(mutex_);
  for (const std::string& key : keys) {
    const auto holder = holders_.find(key);
    if (holder != holders_.end() && holder->second != name) return ChangeInProgress(holder->second);
  }
  for (const std::string& key : keys) holders_[key] = name;
  return absl::OkStatus();
}

void LeaseTable::Release(const ChangeRecord& change) {
  const std::string name = NameOf(change);
  const std::lock_guard lock(mutex_);
  std::erase_if(holders_, [&](const auto& entry) { return entry.second == name; });
}

bool Overlap(const ChangeRecord& a, const ChangeRecord& b) {
  const std::set<std::string> keys = KeysOf(a);
  for (const std::string& key : KeysOf(b)) {
    if (keys.contains(key)) return true;
  }
  return false;
}

absl::Status ChangeInProgress(std::string_view holder) {
  return MakeReasonedError(absl::StatusCode::kAborted, "CHANGE_IN_PROGRESS",
                           fmt::format("{} is being applied", holder),
                           {{"change", std::string(holder)}});
}

}  // namespace dmarcate
