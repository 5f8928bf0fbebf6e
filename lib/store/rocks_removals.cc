// Removals in the policy database.

#include "lib/store/rocks_removals.h"

#include <utility>

#include "fmt/format.h"

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;
namespace pb = storage::v1;

constexpr int kFamily = 0;

// All keys with `prefix` go.
absl::Status StageDeletion(const RocksDb& db, const std::string& prefix, WriteSet* changes) {
  const auto remove = [changes](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    changes->Delete(kFamily, std::string(key));
    return true;
  };
  return db.Scan(kFamily, prefix, KeyAfterPrefix(prefix), Direction::kForward, remove);
}

// The record that `request` is about, if it is the one that was read.
template <typename Record>
absl::StatusOr<Record> FindAtRevision(const RocksDb& db, const std::string& key,
                                      std::string_view what, const RemovalRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kFamily, key));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("{}: no such record", what));
  }
  Record record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(what, request.revision, record.revision));
  return record;
}

// Without the id, which is in the key.
std::string EncodeRemoval(std::string_view key, const RemovalRecord& record) {
  pb::Removal out;
  out.set_revision(record.revision);
  out.set_uid(record.uid);
  out.set_create_time_us(ToStoredTime(record.create_time));
  out.set_remove_time_us(ToStoredTime(record.remove_time));
  out.set_removed_by(record.removed_by);
  for (const ReportAddressRecord& address : record.report_addresses) {
    pb::ReportAddress* const stored = out.add_report_addresses();
    stored->set_address(address.address);
    stored->set_create_time_us(ToStoredTime(address.create_time));
    stored->set_revoke_time_us(ToStoredTime(address.revoke_time));
  }
  return SealMessage(key, out);
}

absl::Status DecodeRemoval(std::string_view key, std::string_view value, RemovalRecord* record) {
  pb::Removal in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto id = keys::ParseRemoval(key);
  if (!id) return DoesNotDecode(key);
  *record = {*std::move(id),
             in.uid(),
             in.revision(),
             FromStoredTime(in.create_time_us()),
             FromStoredTime(in.remove_time_us()),
             in.removed_by(),
             {}};
  for (const pb::ReportAddress& stored : in.report_addresses()) {
    record->report_addresses.push_back({stored.address(), FromStoredTime(stored.create_time_us()),
                                        FromStoredTime(stored.revoke_time_us())});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<RemovalRecord>> RocksPolicyStore::FindRemoval(RemovedKind kind,
                                                                           std::string_view id) {
  const std::string key = keys::Removal(ToString(kind), id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (!value) return std::nullopt;
  RemovalRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRemoval(key, *value, &record));
  return record;
}

absl::StatusOr<std::vector<RemovalRecord>> RocksPolicyStore::ListRemovals(RemovedKind kind) {
  std::vector<RemovalRecord> out;
  const std::string prefix = keys::Removals(ToString(kind));
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeRemoval(key, value, &out.emplace_back()));
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      db_->Scan(kFamily, prefix, KeyAfterPrefix(prefix), Direction::kForward, add));
  return out;
}

absl::Status CheckThere(const RocksDb& db, RemovedKind kind, std::string_view id) {
  DMARCATE_ASSIGN_OR_RETURN(const auto removed, db.Get(kFamily, keys::Removal(ToString(kind), id)));
  if (!removed) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(
      const auto again,
      db.Get(kFamily, kind == RemovedKind::kDomain ? keys::Domain(id) : keys::Provider(id)));
  return again ? absl::OkStatus() : WasRemoved(kind, id);
}

absl::StatusOr<uint64_t> RocksPolicyStore::LastRevision(RemovedKind kind, std::string_view id,
                                                        uint64_t revision) const {
  if (revision != 0) return 0;
  const std::string key = keys::Removal(ToString(kind), id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (!value) return 0;
  RemovalRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRemoval(key, *value, &record));
  return record.revision;
}

absl::Status RocksPolicyStore::RemoveDomain(const RemovalRequest& request) {
  const std::lock_guard lock(put_mutex_);
  const std::string& name = request.id;
  const std::string key = keys::Domain(name);
  DMARCATE_ASSIGN_OR_RETURN(
      const DomainRecord domain,
      FindAtRevision<DomainRecord>(*db_, key, fmt::format("domain {}", name), request));
  DMARCATE_RETURN_IF_ERROR(request.check());
  WriteSet changes(1);
  changes.Delete(kFamily, key);
  changes.Delete(kFamily, keys::InsightLook(name));
  changes.Delete(kFamily, keys::Groupings(name));
  changes.Delete(kFamily, keys::RolloutRules(name));
  for (const std::string& prefix : {keys::Decisions(name), keys::Insights(name),
                                    keys::Observations(name), keys::ToldOf(name)}) {
    DMARCATE_RETURN_IF_ERROR(StageDeletion(*db_, prefix, &changes));
  }
  std::string removal = keys::Removal(ToString(RemovedKind::kDomain), name);
  std::string value = EncodeRemoval(removal, RemovalOf(domain, request));
  changes.Put(kFamily, std::move(removal), std::move(value));
  return Write(changes);
}

absl::Status RocksPolicyStore::RemoveProvider(const RemovalRequest& request) {
  const std::lock_guard lock(put_mutex_);
  const std::string key = keys::Provider(request.id);
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord provider,
                            FindAtRevision<DnsProviderRecord>(
                                *db_, key, fmt::format("dns provider {}", request.id), request));
  DMARCATE_RETURN_IF_ERROR(request.check());
  WriteSet changes(1);
  changes.Delete(kFamily, key);
  std::string removal = keys::Removal(ToString(RemovedKind::kProvider), request.id);
  std::string value = EncodeRemoval(removal, RemovalOf(provider, request));
  changes.Put(kFamily, std::move(removal), std::move(value));
  return Write(changes);
}

}  // namespace dmarcate
