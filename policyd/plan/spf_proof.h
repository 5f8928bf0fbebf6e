// policyd/plan/spf_proof.h
// That a plan with flattened terms does what it says, and nothing else. Pure, and made from trees
// and texts alone: how the plan came about makes no difference.
//
// For every address of both families, with the vendors' answers as they were seen:
//   - the result after the change is that of the same record with nothing flattened;
//   - where it is not what it was before, a term that comes or goes speaks about the address;
//   - while the records are being written one by one, it is the result before or the one after, and
//     the record takes no more look-ups than it may.

#ifndef DMARCATE_POLICYD_PLAN_SPF_PROOF_H_
#define DMARCATE_POLICYD_PLAN_SPF_PROOF_H_

#include <cstddef>
#include <string>
#include <vector>

#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_outcome.h"
#include "lib/inspect/spf_tree.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

struct SpfProofInput {
  std::string domain;
  const SpfNode* before = nullptr;  // the live record
  const SpfNode* intended =
      nullptr;  // what the new one means: its flattened terms as they are named
  const SpfNode* after = nullptr;
  std::vector<const SpfNode*> between;  // the record after each write but the last
};

struct SpfProof {
  bool holds = false;
  std::string failure;   // the first address that speaks against it, and how
  size_t intervals = 0;  // in which all trees were compared
  IpRangeSet gained;     // did not pass and will
  IpRangeSet lost;       // passed and will not
};
SpfProof ProveSpf(const SpfProofInput& input);

// SPF_FLATTEN_PROOF: passes with the numbers, or refuses with the counterexample.
GuardRecord GuardSpfProof(const SpfProof& proof);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_PROOF_H_
