#include "policyd/reconcile/fleet_selection.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/fleet/fleet_plan.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

constexpr size_t kPage = 1000;

absl::Status BadField(std::string_view field, std::string_view message) {
  return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                           fmt::format("{}: {}", field, message), {{"field", std::string(field)}});
}

bool IsAtOrBelow(std::string_view name, std::string_view top) {
  return name == top || (name.size() > top.size() && name.ends_with(top) &&
                         name[name.size() - top.size() - 1] == '.');
}

absl::StatusOr<std::vector<DomainRecord>> NamedDomains(const std::vector<std::string>& names,
                                                       PolicyStore& store) {
  std::vector<DomainRecord> domains;
  std::set<std::string_view> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) return BadField("domains", fmt::format("{} twice", name));
    absl::StatusOr<DomainRecord> domain = store.GetDomain(name);
    if (domain.status().code() == absl::StatusCode::kNotFound) {
      return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                               fmt::format("domains/{} does not exist", name));
    }
    DMARCATE_RETURN_IF_ERROR(domain.status());
    domains.push_back(*std::move(domain));
  }
  return domains;
}

absl::StatusOr<std::vector<DomainRecord>> AllDomains(PolicyStore& store) {
  std::vector<DomainRecord> domains;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainRecord> page,
                              store.ListDomains(domains.empty() ? "" : domains.back().name, kPage));
    if (page.empty()) return domains;
    std::ranges::move(page, std::back_inserter(domains));
  }
}

// What was known of the domains of an earlier fleet change, by domain.
absl::StatusOr<std::map<std::string, FleetMemberRecord>> Earlier(std::string_view field,
                                                                 const std::string& id,
                                                                 FleetStore& fleets) {
  const absl::StatusOr<FleetRecord> fleet = fleets.GetFleet(id);
  if (fleet.status().code() == absl::StatusCode::kNotFound) {
    return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                             fmt::format("fleetChanges/{} does not exist", id));
  }
  DMARCATE_RETURN_IF_ERROR(fleet.status());
  if (IsOpen(fleet->state) && fleet->state != FleetState::kPaused) {
    return BadField(field, "it has not ended; pause or cancel it, or wait");
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetMemberRecord> members,
                            fleets.ListFleetMembers(id, "", SIZE_MAX));
  std::map<std::string, FleetMemberRecord> out;
  for (const FleetMemberRecord& member : members) out[member.domain] = member;
  return out;
}

bool IsToRetry(FleetMemberState state) {
  return state != FleetMemberState::kSucceeded && state != FleetMemberState::kUnchanged;
}

// What may stand in the DNS because of it.
bool IsToUndo(FleetMemberState state) {
  return state == FleetMemberState::kSucceeded || state == FleetMemberState::kNeedsAttention;
}

}  // namespace

absl::StatusOr<std::vector<FleetMemberRecord>> SelectFleetMembers(const FleetRequest& request,
                                                                  size_t max_members,
                                                                  FleetStore& fleets,
                                                                  PolicyStore& store) {
  const FleetSelection& selection = request.selection;
  if (!selection.retry_of.empty() && !selection.rollback_of.empty()) {
    return BadField("selection.retry_of", "not together with rollback_of");
  }
  DMARCATE_ASSIGN_OR_RETURN(
      std::vector<DomainRecord> domains,
      selection.named ? NamedDomains(request.domains, store) : AllDomains(store));
  std::map<std::string, FleetMemberRecord> earlier;
  if (!selection.retry_of.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(earlier, Earlier("selection.retry_of", selection.retry_of, fleets));
  } else if (!selection.rollback_of.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(earlier,
                              Earlier("selection.rollback_of", selection.rollback_of, fleets));
  }
  std::vector<FleetMemberRecord> members;
  for (const DomainRecord& domain : domains) {
    if (!selection.dns_provider.empty() && domain.dns_provider != selection.dns_provider) continue;
    if (!selection.under.empty() && !IsAtOrBelow(domain.name, selection.under)) continue;
    FleetMemberRecord member;
    member.domain = domain.name;
    member.dns_provider = domain.dns_provider;
    if (!selection.retry_of.empty() || !selection.rollback_of.empty()) {
      const auto before = earlier.find(domain.name);
      if (before == earlier.end()) continue;
      const bool rollback = !selection.rollback_of.empty();
      if (!(rollback ? IsToUndo : IsToRetry)(before->second.state)) continue;
      if (rollback) member.change_id = before->second.change_id;
    }
    members.push_back(std::move(member));
  }
  if (members.empty()) return BadField("selection", "no domain is left of it");
  if (members.size() > max_members) {
    return BadField("selection", fmt::format("{} domains, limit {}", members.size(), max_members));
  }
  std::ranges::sort(members, {}, &FleetMemberRecord::domain);
  return members;
}

}  // namespace dmarcate
