// policyd/fleet/fleet_plan.h
// A change of many domains as one plan: what a person is shown of it, and the digest by which
// exactly that is what they apply. Pure.

#ifndef DMARCATE_POLICYD_FLEET_FLEET_PLAN_H_
#define DMARCATE_POLICYD_FLEET_FLEET_PLAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/store/fleet_store.h"

namespace dmarcate {

// How many members are in each state; by the number of the state.
using FleetCounts = std::array<uint32_t, static_cast<size_t>(FleetMemberState::kCancelled) + 1>;
FleetCounts CountMembers(const std::vector<FleetMemberRecord>& members);
inline uint32_t CountOf(const FleetCounts& counts, FleetMemberState state) {
  return counts[static_cast<size_t>(state)];
}
// It was to be changed, and has not been: kFailed, kRolledBack, kNeedsAttention.
bool IsFailure(FleetMemberState state);
uint32_t CountFailures(const FleetCounts& counts);

// Members that share a state and the reason for it.
struct FleetGroup {
  static constexpr size_t kExamples = 3;
  FleetMemberState state = FleetMemberState::kUnplanned;
  std::string reason;   // "SPF_MULTIPLE"; empty: none is needed
  std::string message;  // of the first of them
  uint32_t count = 0;
  std::vector<std::string> domains;  // the first ones, at most kExamples
};
// By state, the largest group first.
std::vector<FleetGroup> GroupMembers(const std::vector<FleetMemberRecord>& members);

// Marks `count` of the planned members, or all if they are fewer: by turns one of each account, so
// that the first to be changed tell something about every account. Takes other marks away.
void ChooseCanaries(uint32_t count, std::vector<FleetMemberRecord>& members);

// 64 hex digits over what is to be done and, for each member, what its plan writes or why it has
// none: SHA-256 of the fields, each with its length. `members` by domain.
std::string FleetDigest(const FleetRecord& fleet, const std::vector<FleetMemberRecord>& members);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_FLEET_FLEET_PLAN_H_
