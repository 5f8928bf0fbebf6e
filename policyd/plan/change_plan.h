// policyd/plan/change_plan.h
// A change as a whole: what is judged about it whoever made it, and the digest by which what was
// shown is what is applied. Pure.

#ifndef DMARCATE_POLICYD_PLAN_CHANGE_PLAN_H_
#define DMARCATE_POLICYD_PLAN_CHANGE_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/store/policy_store.h"
#include "policyd/plan/spf_plan.h"
#include "policyd/plan/spf_proof.h"

namespace dmarcate {

// What evaluating the SPF record takes, before and after.
struct SpfMeasures {
  SpfMeasure before, after;
  std::optional<SpfProof> proof;  // needed where NeedsProof
};

// Whether terms are flattened before or after it, so that what the record means does not follow
// from its text. Never of a rollback, which brings back what was there.
bool NeedsProof(const ChangeRecord& change);
// The change's child records (spf_children.h), in the order of writing.
std::vector<const RecordChangeRecord*> SpfChildChangesOf(const ChangeRecord& change);

// Every guard that follows from the images alone, independent of how they came about: run when a
// plan is made and again right before it is written. `measures` are needed if an RRset holds SPF.
// In a rollback the guards about cost (look-ups, size, +all) only warn.
//   kDataLoss  the images do not parse
absl::StatusOr<std::vector<GuardRecord>> JudgeChange(const ChangeRecord& change,
                                                     const std::optional<SpfMeasures>& measures);

// DMARC_RUA_REVOKED, a warning, for a DMARC record that the change writes and that names addresses
// of `revoked` (in lower case): reports to them are refused. Whether it would be the change that
// puts them there makes no difference to those who read the record afterwards.
//   kDataLoss  the images do not parse
absl::StatusOr<std::vector<GuardRecord>> WarnOfRevoked(const ChangeRecord& change,
                                                       const std::vector<std::string>& revoked);

// The SPF text before and after, if the change holds the SPF RRset of the domain itself; empty
// text: no record.
struct SpfTexts {
  std::string before, after;
};
absl::StatusOr<std::optional<SpfTexts>> SpfTextsOf(const ChangeRecord& change);

// 64 hex digits over base, result, guards and intent: SHA-256 of their fields, each with its
// length. Not over ids, times and people: the same plan made twice has the same digest.
std::string PlanDigest(const ChangeRecord& change);

// Whether the RRset of `change` is a child record that it creates. Once the record that leads to it
// may have been seen it stays, whatever becomes of the change: that record may be in caches.
bool BringsSpfChild(const ChangeRecord& change, const RecordChangeRecord& record);
// Whether it is one that it takes away.
bool TakesSpfChild(const ChangeRecord& change, const RecordChangeRecord& record);

// The book after `change` is undone, given what it is now: what the change put in is out and what
// it took out is in, and what was changed since stays as it is. Child records stay ours.
std::vector<ManagedTerm> ManagedAfterRollback(const ChangeRecord& change,
                                              const std::vector<ManagedTerm>& managed_now);

// Both books in one, where nobody knows which is right: what either says is ours. A term that is
// flattened in both had the addresses of one or the other; it has those of both then.
std::vector<ManagedTerm> UniteTerms(const std::vector<ManagedTerm>& a,
                                    const std::vector<ManagedTerm>& b);

// The change that restores what `change` replaced: images swapped, in reverse order, child records
// that come back first; those that the change brought stay. Managed terms go back with the SPF
// record; `managed_now` is what the domain has.
ChangeRecord PlanRollback(const ChangeRecord& change, const std::vector<ManagedTerm>& managed_now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_CHANGE_PLAN_H_
