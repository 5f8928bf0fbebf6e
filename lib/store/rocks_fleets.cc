// Fleet changes in the policy database.

#include <optional>
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

absl::Status StageMember(std::string_view id, const FleetMemberRecord& member, WriteSet* changes) {
  DMARCATE_RETURN_IF_ERROR(CheckKey("member of a fleet change", {member.domain}));
  std::string key = keys::FleetMember(id, member.domain);
  std::string value = EncodeRecord(key, member);
  changes->Put(kFamily, std::move(key), std::move(value));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<FleetRecord>> Find(const RocksDb& db, std::string_view id) {
  const std::string key = keys::Fleet(id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kFamily, key));
  if (!value) return std::nullopt;
  FleetRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

absl::Status NoFleet(std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("fleet change {}: no such record", id));
}

}  // namespace

absl::StatusOr<FleetRecord> RocksPolicyStore::GetFleet(std::string_view id) {
  DMARCATE_ASSIGN_OR_RETURN(auto record, Find(*db_, id));
  if (!record) return NoFleet(id);
  return *std::move(record);
}

absl::StatusOr<std::vector<FleetRecord>> RocksPolicyStore::ListFleets(std::string_view before,
                                                                      size_t limit) {
  const std::string all = keys::Tag(keys::kFleetTag);
  // One that does not decode must not keep the others from going on after a start.
  return ListReadable<FleetRecord>(*db_, kFamily, "fleet_change_unreadable", all,
                                   before.empty() ? KeyAfterPrefix(all) : keys::Fleet(before),
                                   Direction::kBackward, limit);
}

absl::StatusOr<std::vector<FleetMemberRecord>> RocksPolicyStore::ListFleetMembers(
    std::string_view id, std::string_view after, size_t limit) {
  std::vector<FleetMemberRecord> out;
  if (limit == 0) return out;
  const std::string prefix = keys::FleetMembers(id);
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, value, &out.emplace_back()));
    return out.size() < limit;
  };
  DMARCATE_RETURN_IF_ERROR(db_->Scan(kFamily,
                                     after.empty() ? prefix : keys::FleetMember(id, after) + '\0',
                                     KeyAfterPrefix(prefix), Direction::kForward, add));
  return out;
}

absl::StatusOr<FleetRecord> RocksPolicyStore::PutFleet(
    FleetRecord record, const std::vector<FleetMemberRecord>& members) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("fleet change", {record.id}));
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find(*db_, record.id));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(fmt::format("fleet change {}", record.id), record.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++record.revision;
  WriteSet changes(1);
  std::string key = keys::Fleet(record.id);
  std::string value = EncodeRecord(key, record);
  changes.Put(kFamily, std::move(key), std::move(value));
  for (const FleetMemberRecord& member : members) {
    DMARCATE_RETURN_IF_ERROR(StageMember(record.id, member, &changes));
  }
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::Status RocksPolicyStore::PutFleetMember(std::string_view id,
                                              const FleetMemberRecord& member) {
  DMARCATE_ASSIGN_OR_RETURN(const auto fleet, Find(*db_, id));
  if (!fleet) return NoFleet(id);
  WriteSet changes(1);
  DMARCATE_RETURN_IF_ERROR(StageMember(id, member, &changes));
  return Write(changes);
}

}  // namespace dmarcate
