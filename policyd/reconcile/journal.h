// policyd/reconcile/journal.h
// The journal of one change: the ChangeRecord itself, written ahead of what it announces. Every
// Save is synced by the store, and names the revision it was read at: who was overtaken cannot go
// on.

#ifndef DMARCATE_POLICYD_RECONCILE_JOURNAL_H_
#define DMARCATE_POLICYD_RECONCILE_JOURNAL_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

namespace step {
inline constexpr std::string_view kLeased = "LEASED";  // detail: the fencing number
inline constexpr std::string_view kRead = "READ";
inline constexpr std::string_view kCompared = "COMPARED";
inline constexpr std::string_view kLinted = "LINTED";
inline constexpr std::string_view kJournaled = "JOURNALED";
inline constexpr std::string_view kWriting = "WRITING";      // detail: the owner name
inline constexpr std::string_view kUnknown = "UNKNOWN";      // detail: what the provider said
inline constexpr std::string_view kReadBack = "READ_BACK";   // detail: the owner that holds it now
inline constexpr std::string_view kVerifying = "VERIFYING";  // detail: empty, "children" or "back"
inline constexpr std::string_view kWaiting = "WAITING";      // for a person to set the records
inline constexpr std::string_view kScheduled = "SCHEDULED";  // detail: when, and by whom
inline constexpr std::string_view kCancelled = "CANCELLED";  // detail: by whom
}  // namespace step

// Owned by the one thread that runs the change.
class Journal {
 public:
  static constexpr size_t kMaxSteps = 200;  // a rollback whose provider is down for weeks

  Journal(PolicyStore& store, const Clock& clock, ChangeRecord change)
      : store_(store), clock_(clock), change_(std::move(change)) {}

  ChangeRecord& change() { return change_; }
  const ChangeRecord& change() const { return change_; }

  // In memory; the next Save makes it durable.
  void Step(std::string_view name, std::string_view detail);
  bool HasStep(std::string_view name, std::string_view detail) const;

  //   kAborted LEASE_LOST  somebody else has gone on with this change
  //   otherwise            the store's own error; nothing was written
  absl::Status Save();
  // The same, with the terms that the domain manages from now on, in one atomic write.
  absl::Status SaveWithTerms(const std::vector<ManagedTerm>& managed_terms);

 private:
  absl::Status Explain(const absl::Status& status) const;

  PolicyStore& store_;
  const Clock& clock_;
  ChangeRecord change_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_JOURNAL_H_
