// policyd/reconcile/planner_draft.h
// What Planner has gathered of a plan so far. Internal to Planner, whose parts lie in several
// files.

#ifndef DMARCATE_POLICYD_RECONCILE_PLANNER_DRAFT_H_
#define DMARCATE_POLICYD_RECONCILE_PLANNER_DRAFT_H_

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/spf_plan.h"
#include "policyd/reconcile/planner.h"

namespace dmarcate {

struct Planner::Draft {
  DomainName domain;
  // In the order of writing, in which every prefix is safe: who may receive reports first, then who
  // shall, and SPF, which depends on neither, last, after the child records that it leads to.
  std::optional<RecordChangeRecord> authorization, dmarc, spf;
  std::optional<RecordChangeRecord> sts;     // of MTA-STS, and nothing else
  std::vector<RecordChangeRecord> children;  // of SPF, before it, the deepest first
  std::vector<RecordChangeRecord> unused;    // child records that go, after it
  std::optional<SpfCompiled> compiled;
  std::vector<ManagedTerm> managed_after;
  std::vector<GuardRecord> guards;
};

inline void Append(std::vector<GuardRecord>& guards, std::vector<GuardRecord> more) {
  std::ranges::move(more, std::back_inserter(guards));
}

inline std::vector<ApprovedSource> ApprovedOf(const std::vector<SourceDecision>& decisions) {
  std::vector<ApprovedSource> approved;
  for (const SourceDecision& decision : decisions) {
    if (decision.state != SourceState::kApproved) continue;
    approved.push_back({decision.source_id, TermsOf(decision.authorization)});
  }
  return approved;
}

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_PLANNER_DRAFT_H_
