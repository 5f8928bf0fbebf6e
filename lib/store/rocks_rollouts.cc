// Rollouts in the policy database.

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_readable.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;

constexpr int kFamily = 0;

template <typename Record>
absl::StatusOr<std::optional<Record>> Find(const RocksDb& db, const std::string& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kFamily, key));
  if (!value) return std::nullopt;
  Record record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

template <typename Record>
absl::StatusOr<std::vector<Record>> List(const RocksDb& db, const std::string& from,
                                         const std::string& to, Direction direction, size_t limit) {
  std::vector<Record> out;
  if (limit == 0 || from >= to) return out;
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, value, &out.emplace_back()));
    return out.size() < limit;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(kFamily, from, to, direction, add));
  return out;
}

}  // namespace

absl::StatusOr<RolloutRecord> RocksPolicyStore::GetRollout(std::string_view domain,
                                                           std::string_view id) {
  DMARCATE_ASSIGN_OR_RETURN(auto record, Find<RolloutRecord>(*db_, keys::Rollout(domain, id)));
  if (record) return *std::move(record);
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("rollout {} of {}: no such record", id, domain));
}

absl::StatusOr<std::vector<RolloutRecord>> RocksPolicyStore::ListRollouts(
    std::string_view domain, std::string_view after_domain, std::string_view after_id,
    size_t limit) {
  const std::string prefix = domain == "-" ? keys::Tag(keys::kRolloutTag) : keys::Rollouts(domain);
  std::string from = prefix;
  if (!after_domain.empty()) {
    from = std::max(from, KeyAfterPrefix(keys::Rollout(after_domain, after_id)));
  }
  // One that does not decode must not keep the others from being paused or lowered.
  return ListReadable<RolloutRecord>(*db_, kFamily, "rollout_unreadable", from,
                                     KeyAfterPrefix(prefix), Direction::kForward, limit);
}

absl::StatusOr<RolloutRecord> RocksPolicyStore::PutRollout(RolloutRecord record,
                                                           std::vector<RolloutLogRecord> log) {
  DMARCATE_RETURN_IF_ERROR(CheckKey("rollout", {record.domain, record.id}));
  const std::lock_guard lock(put_mutex_);
  const std::string key = keys::Rollout(record.domain, record.id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<RolloutRecord>(*db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision("rollout", record.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++record.revision;
  WriteSet changes(1);
  changes.Put(kFamily, key, EncodeRecord(key, record));
  for (size_t i = 0; i < log.size(); ++i) {
    log[i].id = RolloutLogId(record.revision, i);
    std::string log_key = keys::RolloutLog(record.domain, record.id, log[i].id);
    std::string value = EncodeRecord(log_key, log[i]);
    changes.Put(kFamily, std::move(log_key), std::move(value));
  }
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::StatusOr<std::vector<RolloutLogRecord>> RocksPolicyStore::ListRolloutLog(
    std::string_view domain, std::string_view id, std::string_view before, size_t limit) {
  const std::string prefix = keys::RolloutLogs(domain, id);
  const std::string to =
      before.empty() ? KeyAfterPrefix(prefix) : keys::RolloutLog(domain, id, before);
  return List<RolloutLogRecord>(*db_, prefix, to, Direction::kBackward, limit);
}

absl::Status RocksPolicyStore::ForgetRolloutLog(std::string_view domain, std::string_view id,
                                                const std::vector<std::string>& entries) {
  if (entries.empty()) return absl::OkStatus();
  WriteSet changes(1);
  for (const std::string& entry : entries) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("entry of a rollout's log", {domain, id, entry}));
    changes.Delete(kFamily, keys::RolloutLog(domain, id, entry));
  }
  return Write(changes);
}

absl::StatusOr<RolloutLease> RocksPolicyStore::GetRolloutLease() {
  DMARCATE_ASSIGN_OR_RETURN(auto lease, Find<RolloutLease>(*db_, keys::RolloutLease()));
  return lease.value_or(RolloutLease());
}

absl::StatusOr<RolloutLease> RocksPolicyStore::PutRolloutLease(RolloutLease lease) {
  const std::lock_guard lock(put_mutex_);
  const std::string key = keys::RolloutLease();
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<RolloutLease>(*db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision("rollout lease", lease.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++lease.revision;
  WriteSet changes(1);
  changes.Put(kFamily, key, EncodeRecord(key, lease));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return lease;
}

}  // namespace dmarcate
