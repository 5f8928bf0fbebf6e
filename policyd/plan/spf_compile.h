// policyd/plan/spf_compile.h
// From the SPF record that should be published to one that receivers can evaluate: terms of ours
// are replaced by the addresses that they have now where, and only where, the record would take
// more look-ups than there may be. Pure; PlanSpf makes the record, the caller looks it up,
// CompileSpf decides, ProveSpf judges (spf_proof.h).
//
// What may be flattened (reference/spf.md section 8): include, a and mx of approved sources, whose
// result depends on the address alone. Never what somebody else wrote, exists, ptr, macros, what
// ends in an error, what lets everybody through, and names whose operator asks not to. Addresses
// that a vendor excludes are subtracted. A vendor that cannot be read keeps the addresses it had.
//
// In the record an include of the first child (spf_children.h), the carrier, stands for all
// flattened terms, where the first of them stood. What others wrote may stand between them and
// decide about some of their addresses first ("-ip4:192.0.2.4"): those are left out of the
// children, so that it goes on deciding (spf_carrier.h). The book of managed terms keeps each
// flattened term with the addresses it had, so that the watch knows what to follow; and the carrier
// with the record that it stands for, every term in its place, so that a later plan and each proof
// know what is meant.

#ifndef DMARCATE_POLICYD_PLAN_SPF_COMPILE_H_
#define DMARCATE_POLICYD_PLAN_SPF_COMPILE_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/spf_record.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/spf_children.h"
#include "policyd/plan/spf_plan.h"

namespace dmarcate {

struct SpfCompileOptions {
  FlattenMode flatten = FlattenMode::kIfNeeded;
  int max_lookups = kMaxSpfLookups;
  size_t child_octets = 450;
  // Whether the watch sees when an address of a name changes, and not only TXT records. Without
  // that no term is flattened below which `a` or `mx` stands: nobody would follow it.
  bool addresses_followed = false;
  // Targets of includes that are never flattened, because their operator asks so.
  std::set<std::string> never_flatten;
};

// The record with every flattened term back in its place, and what is decided put in and taken out.
struct SpfDraft {
  std::string live;      // the record as it is, empty if there is none
  std::string intended;  // with nothing flattened; may take any number of look-ups
  SpfPlan plan;          // as PlanSpf; `before` is `live` with nothing flattened
};
//   kInvalidArgument  as PlanSpf
absl::StatusOr<SpfDraft> DraftSpf(const DomainName& domain, const std::vector<std::string>& live,
                                  const std::vector<ManagedTerm>& managed,
                                  std::vector<ApprovedSource> approved);

// A term that stands in the child records, and why it or another does not.
struct FlattenedTerm {
  std::string term, source_id;
  int lookup_cost = 0;  // as a term
  std::vector<std::string> networks;
  std::vector<std::string> networks_before = {};  // in the book; none: it is flattened only now
  bool remembered = false;  // its vendor could not be read; these are those it had
};

struct SpfCompiled {
  SpfPlan plan;  // of the record itself: `before` is live, `after` what is published
  // What `after` leads to, in the order of writing, all before the record itself; those that are
  // there already among them. Records that are no longer led to stay, since a receiver may have the
  // old record in its cache: PlanSpfCleanup takes them, later (spf_cleanup.h).
  std::vector<SpfChild> writes;
  std::vector<FlattenedTerm> flattened;
  std::vector<std::string> kept;  // "include:a.test: depends on the sender", where it was needed
  int lookups_unflattened = 0;
};

// `intended`: the tree of draft.intended. `children`: the live child records of the domain that are
// in the book. `taken`: names of children that hold something else.
SpfCompiled CompileSpf(const DomainName& domain, const SpfDraft& draft, const SpfTree& intended,
                       const std::vector<ManagedTerm>& managed,
                       const std::vector<SpfChild>& children, const std::set<DomainName>& taken,
                       const SpfCompileOptions& options = {});

// The names of the child records in the book.
std::vector<DomainName> SpfChildrenOf(const DomainName& domain,
                                      const std::vector<ManagedTerm>& managed);

// `published` with the terms back that the book says are flattened: what it means. Exactly the
// record that its carrier stands for, if nobody changed the published one since; else each
// flattened term stands behind the nearest term before it that is still there. For DraftSpf, and
// for ProveSpf over what a plan writes.
std::string UnflattenedText(const DomainName& domain, const std::string& published,
                            const std::vector<ManagedTerm>& managed);
// The book as it would be for the unflattened text.
std::vector<ManagedTerm> UnflattenedTerms(const std::vector<ManagedTerm>& managed);
// Puts the addresses in the book into those flattened terms of `tree` whose vendor cannot be read,
// or no longer flattened.
void PutRemembered(const std::vector<ManagedTerm>& managed, SpfTree& tree);

// For a plan of which nobody said how: what is flattened may stay so, nothing else is.
FlattenMode FlattenAsNow(const std::vector<ManagedTerm>& managed);

// What each flattened term costs, had it stayed a term.
void FillFlattenedCosts(const SpfCompiled& compiled, std::vector<TermChangeRecord>& changes);

// SPF_FLATTENED, SPF_NOT_FLATTENED, SPF_VENDOR_CHANGED, SPF_VENDOR_UNREADABLE: what a person should
// know.
std::vector<GuardRecord> TellFlattening(const SpfCompiled& compiled, int lookups_after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_COMPILE_H_
