// policyd/plan/prune_plan.h
// Takes terms out of an SPF record that a person named: what somebody else wrote, once, and no term
// of an approved source, however long it carried nothing (safety.md R16): that source is rejected
// first, and then the next plan of decisions takes out what Dmarcate put there. Never part of
// another plan. Pure.

#ifndef DMARCATE_POLICYD_PLAN_PRUNE_PLAN_H_
#define DMARCATE_POLICYD_PLAN_PRUNE_PLAN_H_

#include <string>
#include <string_view>
#include <vector>

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// What reports say about one term of the record: gathered by who may read them.
struct PruneFact {
  std::string term;
  std::string verdict;               // "unused", "used", ...: what was proposed about it
  std::string reason;                // why, with the numbers
  std::vector<std::string> sources;  // ids of those whose mail passed through it
};

struct PrunePlan {
  std::string before;  // the live record; empty: there is none, or not one
  std::string after;   // without the terms; every other byte stays
  std::vector<TermChangeRecord> term_changes;
  std::vector<ManagedTerm> managed_after;
  std::vector<GuardRecord> guards;  // SPF_MULTIPLE, RECORD_SYNTAX, SPF_PRUNE_TERM
};

// `live`: all TXT texts at the domain; `prune`: terms, as they are live.
PrunePlan PlanPrune(const DomainName& domain, const std::vector<std::string>& live,
                    const std::vector<ManagedTerm>& managed, const std::vector<std::string>& prune);

// SPF_PRUNE, a warning, for each term: what reports say. SPF_PRUNE_APPROVED, a refusal, for one
// that an approved source needs, or through which its mail passes; and SPF_PRUNE_TERM for one about
// which nothing was gathered. The metadata of SPF_PRUNE keep `sources`.
std::vector<GuardRecord> TellPrune(const std::vector<std::string>& prune,
                                   const std::vector<PruneFact>& facts,
                                   const std::vector<SourceDecision>& decisions);

// The approved source that needs one of the terms which `change` takes out, by the decisions as
// they are now and what was told when it was planned; empty: none.
std::string ApprovedSince(const ChangeRecord& change, const std::vector<SourceDecision>& decisions);

// Whether the images are exactly what comes of taking the terms out (or, in a rollback, of putting
// them back); instead of the guard by which no term of others goes. `before` and `after`: all texts
// at the name.
std::vector<GuardRecord> GuardPrune(const ChangeRecord& change, const DomainName& domain,
                                    const std::vector<std::string>& before,
                                    const std::vector<std::string>& after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_PRUNE_PLAN_H_
