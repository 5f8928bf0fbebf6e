#include "policyd/fleet/fleet_plan.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "fmt/format.h"

#include "lib/base/digest.h"

namespace dmarcate {

FleetCounts CountMembers(const std::vector<FleetMemberRecord>& members) {
  FleetCounts counts{};
  for (const FleetMemberRecord& member : members) ++counts[static_cast<size_t>(member.state)];
  return counts;
}

bool IsFailure(FleetMemberState state) {
  return state == FleetMemberState::kFailed || state == FleetMemberState::kRolledBack ||
         state == FleetMemberState::kNeedsAttention;
}

uint32_t CountFailures(const FleetCounts& counts) {
  return CountOf(counts, FleetMemberState::kFailed) +
         CountOf(counts, FleetMemberState::kRolledBack) +
         CountOf(counts, FleetMemberState::kNeedsAttention);
}

std::vector<FleetGroup> GroupMembers(const std::vector<FleetMemberRecord>& members) {
  std::map<std::pair<FleetMemberState, std::string_view>, FleetGroup> groups;
  for (const FleetMemberRecord& member : members) {
    FleetGroup& group = groups[{member.state, member.reason}];
    if (group.count++ == 0) {
      group.state = member.state;
      group.reason = member.reason;
      group.message = member.message;
    }
    if (group.domains.size() < FleetGroup::kExamples) group.domains.push_back(member.domain);
  }
  std::vector<FleetGroup> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::ranges::stable_sort(out, [](const FleetGroup& a, const FleetGroup& b) {
    return std::tuple(a.state, b.count) < std::tuple(b.state, a.count);
  });
  return out;
}

void ChooseCanaries(uint32_t count, std::vector<FleetMemberRecord>& members) {
  std::map<std::string_view, std::vector<FleetMemberRecord*>> accounts;
  for (FleetMemberRecord& member : members) {
    member.canary = false;
    if (member.state == FleetMemberState::kPlanned)
      accounts[member.dns_provider].push_back(&member);
  }
  for (size_t turn = 0; count > 0; ++turn) {
    bool any = false;
    for (auto& [account, planned] : accounts) {
      if (turn >= planned.size() || count == 0) continue;
      planned[turn]->canary = true;
      any = true;
      --count;
    }
    if (!any) return;
  }
}

std::string FleetDigest(const FleetRecord& fleet, const std::vector<FleetMemberRecord>& members) {
  std::string bytes;
  const auto add = [&bytes](std::string_view field) {
    bytes += fmt::format("{}:", field.size());
    bytes += field;
  };
  add("fleet");
  add(fleet.selection.rollback_of);
  add(fleet.intent.spf_from_decisions ? "spf" : "");
  add(fleet.intent.dmarc_report_address ? "dmarc" : "");
  add(std::to_string(static_cast<int>(fleet.intent.flatten)));
  for (const FleetMemberRecord& member : members) {
    add(member.domain);
    add(std::to_string(static_cast<int>(member.state)));
    add(member.plan_digest);
    add(member.reason);
  }
  return Sha256Hex(bytes);
}

}  // namespace dmarcate
