#include "lib/store/fake_rollout_store.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {
namespace {

std::optional<uint64_t> Stored(uint64_t revision) {
  return revision == 0 ? std::nullopt : std::optional(revision);
}

}  // namespace

std::string RolloutLogId(uint64_t revision, size_t ordinal) {
  return fmt::format("{:016x}-{:03}", revision, ordinal);
}

absl::StatusOr<RolloutRecord> FakeRolloutStore::GetRollout(std::string_view domain,
                                                           std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = rollouts_.find(Key(domain, id));
  if (found != rollouts_.end()) return found->second;
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("rollout {} of {}: no such record", id, domain));
}

absl::StatusOr<std::vector<RolloutRecord>> FakeRolloutStore::ListRollouts(
    std::string_view domain, std::string_view after_domain, std::string_view after_id,
    size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<RolloutRecord> out;
  for (const auto& [key, rollout] : rollouts_) {
    if (out.size() == limit) break;
    if (key > Key(after_domain, after_id) && (domain == "-" || key.first == domain)) {
      out.push_back(rollout);
    }
  }
  return out;
}

absl::StatusOr<RolloutRecord> FakeRolloutStore::PutRollout(RolloutRecord record,
                                                           std::vector<RolloutLogRecord> log) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("rollout", {record.domain, record.id}));
  const Key key(record.domain, record.id);
  const auto found = rollouts_.find(key);
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision("rollout", record.revision,
                    found == rollouts_.end() ? std::nullopt : Stored(found->second.revision)));
  ++record.revision;
  for (size_t i = 0; i < log.size(); ++i) {
    log[i].id = RolloutLogId(record.revision, i);
    logs_[key].push_back(std::move(log[i]));
  }
  rollouts_[key] = record;
  return record;
}

absl::StatusOr<std::vector<RolloutLogRecord>> FakeRolloutStore::ListRolloutLog(
    std::string_view domain, std::string_view id, std::string_view before, size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<RolloutLogRecord> out;
  const auto found = logs_.find(Key(domain, id));
  if (found == logs_.end()) return out;
  for (auto entry = found->second.rbegin(); entry != found->second.rend(); ++entry) {
    if (out.size() == limit) break;
    if (before.empty() || entry->id < before) out.push_back(*entry);
  }
  return out;
}

absl::Status FakeRolloutStore::ForgetRolloutLog(std::string_view domain, std::string_view id,
                                                const std::vector<std::string>& entries) {
  const std::lock_guard lock(mutex_);
  const auto found = logs_.find(Key(domain, id));
  if (found == logs_.end()) return absl::OkStatus();
  std::erase_if(found->second, [&entries](const RolloutLogRecord& entry) {
    return std::ranges::find(entries, entry.id) != entries.end();
  });
  return absl::OkStatus();
}

absl::StatusOr<RolloutLease> FakeRolloutStore::GetRolloutLease() {
  const std::lock_guard lock(mutex_);
  return lease_;
}

absl::StatusOr<RolloutLease> FakeRolloutStore::PutRolloutLease(RolloutLease lease) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckRevision("rollout lease", lease.revision, Stored(lease_.revision)));
  ++lease.revision;
  lease_ = lease;
  return lease;
}

}  // namespace dmarcate
