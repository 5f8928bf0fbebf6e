#include "lib/store/fake_fleet_store.h"

#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {
namespace {

absl::Status NoFleet(std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("fleet change {}: no such record", id));
}

}  // namespace

absl::StatusOr<FleetRecord> FakeFleetStore::GetFleet(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = fleets_.find(id);
  if (found == fleets_.end()) return NoFleet(id);
  return found->second.record;
}

absl::StatusOr<std::vector<FleetRecord>> FakeFleetStore::ListFleets(std::string_view before,
                                                                    size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<FleetRecord> out;
  auto it = before.empty() ? fleets_.end() : fleets_.lower_bound(before);
  while (it != fleets_.begin() && out.size() < limit) out.push_back((--it)->second.record);
  return out;
}

absl::StatusOr<std::vector<FleetMemberRecord>> FakeFleetStore::ListFleetMembers(
    std::string_view id, std::string_view after, size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<FleetMemberRecord> out;
  const auto found = fleets_.find(id);
  if (found == fleets_.end()) return out;
  const auto& members = found->second.members;
  for (auto it = members.upper_bound(after); it != members.end() && out.size() < limit; ++it) {
    out.push_back(it->second);
  }
  return out;
}

absl::StatusOr<FleetRecord> FakeFleetStore::PutFleet(
    FleetRecord record, const std::vector<FleetMemberRecord>& members) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("fleet change", {record.id}));
  for (const FleetMemberRecord& member : members) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("member of a fleet change", {member.domain}));
  }
  const auto found = fleets_.find(record.id);
  DMARCATE_RETURN_IF_ERROR(CheckRevision(
      fmt::format("fleet change {}", record.id), record.revision,
      found == fleets_.end() ? std::nullopt : std::optional(found->second.record.revision)));
  ++record.revision;
  Kept& kept = fleets_[record.id];
  kept.record = record;
  for (const FleetMemberRecord& member : members) kept.members[member.domain] = member;
  return record;
}

absl::Status FakeFleetStore::PutFleetMember(std::string_view id, const FleetMemberRecord& member) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("member of a fleet change", {member.domain}));
  const auto found = fleets_.find(id);
  if (found == fleets_.end()) return NoFleet(id);
  found->second.members[member.domain] = member;
  return absl::OkStatus();
}

}  // namespace dmarcate
