#include "lib/store/rocks_policy_store.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_removals.h"
#include "lib/store/value_codec.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;

constexpr uint64_t kLayout = 1;  // docs/store.md: when to raise it
constexpr int kFamily = 0;
constexpr size_t kMaxForgottenAtOnce = 1000;

std::vector<FamilySpec> Families() { return {{"default", FamilyKind::kSmall}}; }

template <typename Record>
absl::StatusOr<std::optional<Record>> Find(const RocksDb& db, const std::string& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kFamily, key));
  if (!value) return std::nullopt;
  Record record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

template <typename Record>
absl::StatusOr<Record> Get(const RocksDb& db, const std::string& key, std::string_view what) {
  DMARCATE_ASSIGN_OR_RETURN(auto record, Find<Record>(db, key));
  if (record) return *std::move(record);
  return MakeError(absl::StatusCode::kNotFound, fmt::format("{}: no such record", what));
}

// Records with keys in [from, to), at most `limit`.
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

// The changes that index keys in [from, to) name.
absl::StatusOr<std::vector<ChangeRecord>> ListIndexed(const RocksDb& db, const std::string& from,
                                                      const std::string& to, Direction direction,
                                                      size_t limit) {
  std::vector<ChangeRecord> out;
  if (limit == 0 || from >= to) return out;
  const auto add = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    const auto id = keys::ParseChangeId(key);
    if (!id) return MakeError(absl::StatusCode::kDataLoss, "policy store: a key does not decode");
    DMARCATE_ASSIGN_OR_RETURN(auto change,
                              Find<ChangeRecord>(db, keys::Change(id->second, id->first)));
    if (!change) {
      return MakeError(absl::StatusCode::kDataLoss,
                       fmt::format("change {} of {}: an index names it, but it is not there",
                                   id->first, id->second));
    }
    out.push_back(*std::move(change));
    return out.size() < limit;
  };
  DMARCATE_RETURN_IF_ERROR(db.Scan(kFamily, from, to, direction, add));
  return out;
}

// Checks the revision of `record` against the stored one, raises it and adds it to `changes`. A new
// record goes on after revision `last`, of one that was removed.
template <typename Record>
absl::Status StageRecord(const RocksDb& db, const std::string& key, std::string_view what,
                         Record* record, WriteSet* changes, uint64_t last = 0) {
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<Record>(db, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(what, record->revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  if (!stored) record->revision = last;
  ++record->revision;
  changes->Put(kFamily, key, EncodeRecord(key, *record));
  return absl::OkStatus();
}

}  // namespace

RocksPolicyStore::RocksPolicyStore(std::unique_ptr<RocksDb> db)
    : RocksRolloutStore(*db, put_mutex_, keys::kDmarcRollouts),
      db_(std::move(db)),
      mta_sts_rollouts_(*db_, put_mutex_, keys::kMtaStsRollouts) {}
RocksPolicyStore::~RocksPolicyStore() = default;

absl::StatusOr<std::unique_ptr<RocksPolicyStore>> RocksPolicyStore::Open(
    const std::string& directory, rocksdb::Env* env) {
  DMARCATE_ASSIGN_OR_RETURN(auto db, RocksDb::Open(directory, Families(), env));
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db->Get(kFamily, keys::kFormat));
  if (!value) {
    WriteSet first(1);
    first.Put(kFamily, std::string(keys::kFormat), EncodeNumber(keys::kFormat, kLayout));
    DMARCATE_RETURN_IF_ERROR(db->Write(first, Sync::kYes));
  } else {
    DMARCATE_ASSIGN_OR_RETURN(const uint64_t layout, DecodeNumber(keys::kFormat, *value));
    if (layout != kLayout) {
      return MakeError(absl::StatusCode::kFailedPrecondition,
                       fmt::format("{}: layout {}, this program knows {}; a newer one wrote it",
                                   directory, layout, kLayout));
    }
  }
  return std::unique_ptr<RocksPolicyStore>(new RocksPolicyStore(std::move(db)));
}

absl::Status RocksPolicyStore::Write(const WriteSet& changes) {
  return db_->Write(changes, Sync::kYes);
}

absl::StatusOr<DomainRecord> RocksPolicyStore::GetDomain(std::string_view name) {
  return Get<DomainRecord>(*db_, keys::Domain(name), fmt::format("domain {}", name));
}

absl::StatusOr<std::vector<DomainRecord>> RocksPolicyStore::ListDomains(std::string_view after,
                                                                        size_t limit) {
  return List<DomainRecord>(*db_, keys::Domain(after) + '\0',
                            KeyAfterPrefix(keys::Tag(keys::kDomainTag)), Direction::kForward,
                            limit);
}

absl::Status RocksPolicyStore::Stage(DomainRecord* record, WriteSet* changes) const {
  DMARCATE_RETURN_IF_ERROR(CheckKey("domain", {record->name}));
  if (!record->dns_provider.empty()) {
    DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kProvider, record->dns_provider));
  }
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t last,
                            LastRevision(RemovedKind::kDomain, record->name, record->revision));
  return StageRecord(*db_, keys::Domain(record->name), fmt::format("domain {}", record->name),
                     record, changes, last);
}

absl::StatusOr<DomainRecord> RocksPolicyStore::PutDomain(DomainRecord record) {
  const std::lock_guard lock(put_mutex_);
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(Stage(&record, &changes));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::StatusOr<SourceDecision> RocksPolicyStore::GetDecision(std::string_view domain,
                                                             std::string_view source_id) {
  return Get<SourceDecision>(*db_, keys::Decision(domain, source_id),
                             fmt::format("decision {} of {}", source_id, domain));
}

absl::StatusOr<std::vector<SourceDecision>> RocksPolicyStore::ListDecisions(
    std::string_view domain) {
  const std::string prefix = keys::Decisions(domain);
  return List<SourceDecision>(*db_, prefix, KeyAfterPrefix(prefix), Direction::kForward, SIZE_MAX);
}

absl::StatusOr<SourceDecision> RocksPolicyStore::PutDecision(SourceDecision record) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("decision", {record.domain, record.source_id}));
  DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, record.domain));
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(StageRecord(
      *db_, keys::Decision(record.domain, record.source_id),
      fmt::format("decision {} of {}", record.source_id, record.domain), &record, &changes));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::StatusOr<DnsProviderRecord> RocksPolicyStore::GetProvider(std::string_view id) {
  return Get<DnsProviderRecord>(*db_, keys::Provider(id), fmt::format("dns provider {}", id));
}

absl::StatusOr<std::vector<DnsProviderRecord>> RocksPolicyStore::ListProviders(
    std::string_view after, size_t limit) {
  return List<DnsProviderRecord>(*db_, keys::Provider(after) + '\0',
                                 KeyAfterPrefix(keys::Tag(keys::kProviderTag)), Direction::kForward,
                                 limit);
}

absl::StatusOr<DnsProviderRecord> RocksPolicyStore::PutProvider(DnsProviderRecord record) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("dns provider", {record.id}));
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t last,
                            LastRevision(RemovedKind::kProvider, record.id, record.revision));
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(StageRecord(*db_, keys::Provider(record.id),
                                       fmt::format("dns provider {}", record.id), &record, &changes,
                                       last));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::StatusOr<ChangeRecord> RocksPolicyStore::GetChange(std::string_view domain,
                                                         std::string_view id) {
  return Get<ChangeRecord>(*db_, keys::Change(domain, id),
                           fmt::format("change {} of {}", id, domain));
}

absl::StatusOr<std::vector<ChangeRecord>> RocksPolicyStore::ListChanges(std::string_view domain,
                                                                        std::string_view before,
                                                                        size_t limit) {
  if (domain == "-") {
    const std::string all = keys::Tag(keys::kChangeIdTag);
    const std::string to = before.empty() ? KeyAfterPrefix(all) : keys::ChangeId(before, "");
    return ListIndexed(*db_, all, to, Direction::kBackward, limit);
  }
  const std::string prefix = keys::Changes(domain);
  const std::string to = before.empty() ? KeyAfterPrefix(prefix) : keys::Change(domain, before);
  return List<ChangeRecord>(*db_, prefix, to, Direction::kBackward, limit);
}

absl::Status RocksPolicyStore::Stage(ChangeRecord* record, WriteSet* changes) const {
  DMARCATE_RETURN_IF_ERROR(CheckKey("change", {record->id, record->domain}));
  if (record->revision == 0 || IsOpen(*record)) {
    DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, record->domain));
  }
  DMARCATE_RETURN_IF_ERROR(StageRecord(*db_, keys::Change(record->domain, record->id),
                                       fmt::format("change {} of {}", record->id, record->domain),
                                       record, changes));
  changes->Put(kFamily, keys::ChangeId(record->id, record->domain), "");
  std::string open = keys::OpenChange(record->id, record->domain);
  if (IsOpen(*record)) {
    changes->Put(kFamily, std::move(open), "");
  } else {
    changes->Delete(kFamily, std::move(open));
  }
  return absl::OkStatus();
}

absl::StatusOr<ChangeRecord> RocksPolicyStore::PutChange(ChangeRecord record) {
  const std::lock_guard lock(put_mutex_);
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(Stage(&record, &changes));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::StatusOr<std::vector<ChangeRecord>> RocksPolicyStore::OpenChanges() {
  const std::string prefix = keys::Tag(keys::kOpenTag);
  return ListIndexed(*db_, prefix, KeyAfterPrefix(prefix), Direction::kForward, SIZE_MAX);
}

absl::Status RocksPolicyStore::PutChangeAndDomain(ChangeRecord change, DomainRecord domain) {
  const std::lock_guard lock(put_mutex_);
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(Stage(&change, &changes));
  DMARCATE_RETURN_IF_ERROR(Stage(&domain, &changes));
  return Write(changes);
}

absl::StatusOr<std::optional<RequestRecord>> RocksPolicyStore::FindRequest(
    std::string_view caller, std::string_view request_id) {
  return Find<RequestRecord>(*db_, keys::Request(caller, request_id));
}

absl::Status RocksPolicyStore::PutRequest(RequestRecord record) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("request", {record.caller, record.request_id}));
  const std::string key = keys::Request(record.caller, record.request_id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find<RequestRecord>(*db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRequest(record, stored));
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(StageForgetting(record.time, &changes));
  if (stored) {
    changes.Delete(kFamily, keys::RequestTime(stored->time, record.caller, record.request_id));
  }
  changes.Put(kFamily, keys::RequestTime(record.time, record.caller, record.request_id), "");
  changes.Put(kFamily, key, EncodeRecord(key, record));
  return Write(changes);
}

absl::Status RocksPolicyStore::StageForgetting(absl::Time now, WriteSet* changes) const {
  size_t forgotten = 0;
  const auto forget = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
    const auto request = keys::ParseRequestTime(key);
    if (!request) {
      return MakeError(absl::StatusCode::kDataLoss, "policy store: a key does not decode");
    }
    changes->Delete(kFamily, std::string(key));
    changes->Delete(kFamily, keys::Request(request->first, request->second));
    return ++forgotten < kMaxForgottenAtOnce;
  };
  return db_->Scan(kFamily, keys::Tag(keys::kRequestTimeTag),
                   keys::RequestsUntil(now - kRequestLifetime), Direction::kForward, forget);
}

}  // namespace dmarcate
