// policyd/plan/policy_move.h
// What a rollout's step may do to the DMARC record: exactly the tags of the planned stage, and
// nothing else. Pure. PlanDmarcPolicy and the entry to GuardPolicyMove are in dmarc_plan.h.

#ifndef DMARCATE_POLICYD_PLAN_POLICY_MOVE_H_
#define DMARCATE_POLICYD_PLAN_POLICY_MOVE_H_

#include <string>
#include <vector>

#include "lib/store/policy_store.h"
#include "policyd/plan/dmarc_plan.h"

namespace dmarcate {

// As GuardDmarcText with a `move`: DMARC_MULTIPLE, DMARC_POLICY_CHANGED, and DMARC_POLICY_WEAKENED
// where receivers on either standard would do less to failing mail of any subject: a warning on the
// way down, a refusal on the way up. A refusal, too, where a rollback would raise a policy, as that
// is a step without gates.
std::vector<GuardRecord> GuardPolicyMove(const std::vector<std::string>& before,
                                         const std::vector<std::string>& after,
                                         DmarcDirection direction, const PolicyMove& move);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_POLICY_MOVE_H_
