// policyd/plan/spf_diff.h
// The difference of two SPF records, term by term. Pure. Internal to CompileSpf.

#ifndef DMARCATE_POLICYD_PLAN_SPF_DIFF_H_
#define DMARCATE_POLICYD_PLAN_SPF_DIFF_H_

#include <string>
#include <vector>

#include "lib/store/policy_store.h"

namespace dmarcate {

// Every term of both in the order of the record, removed ones where they stood; then the terms that
// stand in child records. Empty if a record does not parse.
std::vector<TermChangeRecord> DiffSpf(const std::string& before, const std::string& after,
                                      const std::vector<ManagedTerm>& managed_before,
                                      const std::vector<ManagedTerm>& managed_after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_DIFF_H_
