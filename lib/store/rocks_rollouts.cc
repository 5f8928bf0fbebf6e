#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_readable.h"
#include "lib/store/rocks_removals.h"
#include "lib/store/rocks_rollout_store.h"

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

absl::StatusOr<RolloutRecord> RocksRolloutStore::GetRollout(std::string_view domain,
                                                            std::string_view id) {
  DMARCATE_ASSIGN_OR_RETURN(auto record,
                            Find<RolloutRecord>(db_, keys::Rollout(tags_, domain, id)));
  if (record) return *std::move(record);
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("{} {} of {}: no such record", tags_.what, id, domain));
}

absl::StatusOr<std::vector<RolloutRecord>> RocksRolloutStore::ListRollouts(
    std::string_view domain, std::string_view after_domain, std::string_view after_id,
    size_t limit) {
  const std::string prefix =
      domain == "-" ? keys::Tag(tags_.rollout) : keys::Rollouts(tags_, domain);
  std::string from = prefix;
  if (!after_domain.empty()) {
    from = std::max(from, KeyAfterPrefix(keys::Rollout(tags_, after_domain, after_id)));
  }
  // One that does not decode must not keep the others from being paused or lowered.
  return ListReadable<RolloutRecord>(db_, kFamily, "rollout_unreadable", from,
                                     KeyAfterPrefix(prefix), Direction::kForward, limit);
}

absl::StatusOr<RolloutRecord> RocksRolloutStore::PutRollout(RolloutRecord record,
                                                            std::vector<RolloutLogRecord> log) {
  DMARCATE_RETURN_IF_ERROR(CheckKey(tags_.what, {record.domain, record.id}));
  const std::lock_guard lock(mutex_);
  if (record.revision == 0) {
    DMARCATE_RETURN_IF_ERROR(CheckThere(db_, RemovedKind::kDomain, record.domain));
  }
  const std::string key = keys::Rollout(tags_, record.domain, record.id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<RolloutRecord>(db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(tags_.what, record.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++record.revision;
  WriteSet changes(1);
  changes.Put(kFamily, key, EncodeRecord(key, record));
  for (size_t i = 0; i < log.size(); ++i) {
    log[i].id = RolloutLogId(record.revision, i);
    std::string log_key = keys::RolloutLog(tags_, record.domain, record.id, log[i].id);
    std::string value = EncodeRecord(log_key, log[i]);
    changes.Put(kFamily, std::move(log_key), std::move(value));
  }
  DMARCATE_RETURN_IF_ERROR(db_.Write(changes, Sync::kYes));
  return record;
}

absl::StatusOr<std::vector<RolloutLogRecord>> RocksRolloutStore::ListRolloutLog(
    std::string_view domain, std::string_view id, std::string_view before, size_t limit) {
  const std::string prefix = keys::RolloutLogs(tags_, domain, id);
  const std::string to =
      before.empty() ? KeyAfterPrefix(prefix) : keys::RolloutLog(tags_, domain, id, before);
  return List<RolloutLogRecord>(db_, prefix, to, Direction::kBackward, limit);
}

absl::Status RocksRolloutStore::ForgetRolloutLog(std::string_view domain, std::string_view id,
                                                 const std::vector<std::string>& entries) {
  if (entries.empty()) return absl::OkStatus();
  WriteSet changes(1);
  for (const std::string& entry : entries) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("entry of a rollout's log", {domain, id, entry}));
    changes.Delete(kFamily, keys::RolloutLog(tags_, domain, id, entry));
  }
  return db_.Write(changes, Sync::kYes);
}

absl::StatusOr<RolloutLease> RocksRolloutStore::GetRolloutLease() {
  DMARCATE_ASSIGN_OR_RETURN(auto lease, Find<RolloutLease>(db_, std::string(tags_.lease)));
  return lease.value_or(RolloutLease());
}

absl::StatusOr<RolloutLease> RocksRolloutStore::PutRolloutLease(RolloutLease lease) {
  const std::lock_guard lock(mutex_);
  const std::string key(tags_.lease);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<RolloutLease>(db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(fmt::format("{} lease", tags_.what), lease.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++lease.revision;
  WriteSet changes(1);
  changes.Put(kFamily, key, EncodeRecord(key, lease));
  DMARCATE_RETURN_IF_ERROR(db_.Write(changes, Sync::kYes));
  return lease;
}

}  // namespace dmarcate
