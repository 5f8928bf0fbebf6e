// policyd/plan/spf_plan.h
// Turns the live SPF record and the decisions about sources into the record that the domain should
// publish. Pure: the plan an operator approves is, byte for byte, the plan that is pushed later.
//
// Two steps, because the look-ups of the result can only be counted once there is a result:
// PlanSpf edits, the caller measures both texts (ExpandSpfText), GuardSpf judges.

#ifndef DMARCATE_POLICYD_PLAN_SPF_PLAN_H_
#define DMARCATE_POLICYD_PLAN_SPF_PLAN_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// A source that SPF shall let through.
struct ApprovedSource {
  std::string id;                  // unique within the domain: "sendgrid"
  std::vector<std::string> terms;  // what SPF must say: "include:sendgrid.net"; none: DKIM suffices
};

// What SPF has to say for an approval, term by term.
std::vector<std::string> TermsOf(const AuthorizationSpec& spec);

struct SpfPlan {
  std::string before;  // the live record, empty if there is none
  std::string after;   // equal to `before`: nothing to do
  // Every term of both, in the order of the record; removed ones where they stood.
  std::vector<TermChangeRecord> term_changes;
  std::vector<ManagedTerm> managed_after;  // ordered by source, then as the source names its terms
  std::vector<GuardRecord> guards;         // SPF_MULTIPLE, RECORD_SYNTAX: nothing can be planned
};

// `live`: all TXT texts at the domain. Terms in `managed` that no approved source needs any more
// go; terms that an approved source needs and that are not there come before `all` (or `redirect`),
// ordered by source id. Everything else keeps its bytes and its place. A term that somebody else
// wrote stays somebody else's, even where a source needs it. A record is created, ending in ~all,
// only where there is none and something is to be said. Equal input, equal bytes.
//   kInvalidArgument  a source's term is not one mechanism that lets through (all, ptr, modifiers,
//                     other qualifiers and an include of the domain itself are not)
absl::StatusOr<SpfPlan> PlanSpf(const DomainName& domain, const std::vector<std::string>& live,
                                const std::vector<ManagedTerm>& managed,
                                std::vector<ApprovedSource> approved);

// An approved source with terms of its own in SPF, whose mail passes DMARC without them.
struct SpfNotNeeded {
  std::string source_id;
  std::string evidence;  // "DKIM aligns for 990 of 1000 messages of the last 30 days"
};
// SPF_NOT_NEEDED, a warning, for each of these that `changes` keep or put into the record; with
// what its terms take.
std::vector<GuardRecord> TellNotNeeded(const std::vector<SpfNotNeeded>& sources,
                                       const std::vector<TermChangeRecord>& changes);

// What evaluating a record takes, reduced to what decides.
struct SpfMeasure {
  int lookups = 0;
  int void_lookups = 0;           // for a sender with an IPv4 address
  int void_lookups_ipv6 = 0;      // with an IPv6 address: names without AAAA count
  bool complete = true;           // false: the counts are lower bounds
  std::string incomplete_reason;  // why not
  std::string permerror;          // empty, or what every receiver stumbles over
  std::string permerror_term;     // the term of our record below which that is
  std::map<std::string, int, std::less<>> cost_by_term;  // top level, as written
};
SpfMeasure MeasureOf(const SpfTree& tree);

// Writes the look-up costs into the term changes.
void FillCosts(const SpfMeasure& before, const SpfMeasure& after,
               std::vector<TermChangeRecord>& changes);

// SPF_LOOKUP_LIMIT, SPF_LOOKUP_MARGIN, SPF_VOID_LIMIT, DANGLING_INCLUDE. What could not be counted
// is refused: unknown is never zero. Void look-ups of senders with an IPv6 address are refused only
// where this change brings them over the limit; what is so already is only told.
std::vector<GuardRecord> GuardSpfCost(const SpfMeasure& before, const SpfMeasure& after);

// SPF_PLUS_ALL alone.
GuardRecord GuardPlusAll(const std::string& after);

// SPF_PLUS_ALL, SPF_MULTIPLE and UNMANAGED_TERM_LOSS, from the texts alone: the terms that are not
// managed are the same before and after, in bytes and order. Independent of how `after` was made.
std::vector<GuardRecord> GuardSpfText(const std::vector<std::string>& before,
                                      const std::vector<std::string>& after,
                                      const std::vector<ManagedTerm>& managed_before,
                                      const std::vector<ManagedTerm>& managed_after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_PLAN_H_
