// policyd/plan/repair_plan.h
// Makes one record of what receivers take for an error or for none: two SPF records (permerror, RFC
// 7208 section 4.5), two DMARC records (both are ignored, RFC 9989 section 4.10), or a text that is
// nearly a DMARC record. Merged where that takes no choice; else a person names the record that
// stays. Never part of another plan, for what was not in force comes into force by it. Pure.

#ifndef DMARCATE_POLICYD_PLAN_REPAIR_PLAN_H_
#define DMARCATE_POLICYD_PLAN_REPAIR_PLAN_H_

#include <string>
#include <string_view>
#include <vector>

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {

struct RepairPlan {
  std::vector<std::string> replaced;  // live texts that go; none: nothing is broken, nothing to do
  std::string after;                  // the one record in their place
  std::vector<TermChangeRecord> term_changes;  // each term or tag of all of them
  std::vector<ManagedTerm> managed_after;      // of SPF: our terms that are still there
  std::vector<GuardRecord> guards;  // REPAIR_CHOICE, RECORD_SYNTAX: why it cannot be done like that
};

// `live`: all TXT texts at the domain. `keep`: the record that stays, exactly as it is live, or
// empty: the terms of all, in order, each once, and the softest `all`. They are not merged where
// the order of terms decides (a qualifier other than pass before `all`) or where two modifiers
// contradict each other.
RepairPlan PlanSpfRepair(const DomainName& domain, const std::vector<std::string>& live,
                         const std::vector<ManagedTerm>& managed, std::string_view keep);

// `live`: all TXT texts at `_dmarc.<domain>`. Merged are records that agree in what decides about
// mail, absent tags included, and in every other tag that both have; report addresses are all kept.
RepairPlan PlanDmarcRepair(const DomainName& domain, const std::vector<std::string>& live,
                           std::string_view keep);

// `image` with the records that say `plan.replaced` gone and `plan.after` where the first of them
// stood. Its bytes stay, if it stays.
RecordChangeRecord ReplaceBroken(const TxtImage& image, const RepairPlan& plan);

// Whether the images are what the repair that `change` is for comes to, and what that means for
// receivers (SPF_REPAIR, DMARC_REPAIR); instead of the guards by which nothing of others' changes.
// `before` and `after`: all texts at the name.
std::vector<GuardRecord> GuardRepair(const ChangeRecord& change, const DomainName& domain,
                                     const std::vector<std::string>& before,
                                     const std::vector<std::string>& after);

// `before` without the texts that a repair of DMARC takes for a record: what is left beside the
// records are siblings, which stay.
std::vector<TxtRecord> WithoutNearMisses(const std::vector<TxtRecord>& records);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_REPAIR_PLAN_H_
