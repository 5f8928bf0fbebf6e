// lib/store/report_rules.h
// What every report store decides alike, as pure functions: which of several revisions counts, and
// whether a batch makes sense. Used by the fake and by RocksDB.

#ifndef DMARCATE_LIB_STORE_REPORT_RULES_H_
#define DMARCATE_LIB_STORE_REPORT_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "lib/store/report_store.h"

namespace dmarcate {

// The days a report may belong to: 1970-01-01 to 9999-12-31, so that its id has one form.
inline constexpr DayNumber kLastReportDay = 2932896;

// Higher is better: kAnchored 5, kAuthenticated 4, kImported 3, kUnverified 2, kQuarantined 1, 0.
int TrustRank(TrustClass trust);

// So many revisions of one identity and trust are kept: who may send one may send a million.
inline constexpr size_t kMaxRevisions = 64;

// One report of those that share domain, reporter, report id, begin and end.
struct Revision {
  ReceiptId receipt = 0;
  uint16_t item = 0;
  TrustClass trust = TrustClass::kUnspecified;
  int64_t records = 0;
};

// The index of the one that counts (report-quirks D4): the more trusted; at equal trust the later
// received, if it has at least as many records. Depends on the set only, not on its order.
// `revisions` is not empty.
size_t ElectCurrent(const std::vector<Revision>& revisions);

// Where the report of `item` lies, if the receipt `id` gave one.
std::optional<ReportKey> ReportOf(ReceiptId id, const ReceiptItem& item);
// The item of a report that trust had quarantined, and to which a copy has lent more.
void SettleQuarantined(ReceiptItem* item);

// What a released report counts as: a person vouches for it, as for what is handed in.
inline constexpr TrustClass kReleasedTrust = TrustClass::kImported;
// Whether the report is in quarantine, as `item`, for numbers that cannot be.
bool IsImpossible(const StoredReport& report, const ReceiptItem& item);
// Gives the report, which trust has quarantined, kReleasedTrust.
void ApplyRelease(Release release, StoredReport* report);

// The reason of a duplicate that lent the stored report its trust: what counted nowhere before
// counts from now on.
inline constexpr std::string_view kTrustRaised = "trust_raised";
bool HasRaisedTrust(const std::vector<ReceiptItem>& items);
// Whether a stored aggregate or TLS report counts: by its trust, and as the current one of its
// revisions.
template <typename Stored>
bool Counts(const Stored& report) {
  return report.current && IsCounted(report.trust);
}
// Says so in the item of the copy, if that is what became of the stored report: it was `before` and
// is `now`. Failure reports count for nothing at any time.
void NoteRaise(ReceiptItem* item);
template <typename Stored>
void NoteRaise(const Stored& before, const Stored& now, ReceiptItem* item) {
  if (!Counts(before) && Counts(now)) NoteRaise(item);
}

// Whether one more of this trust may be kept beside `revisions`.
bool HasRoom(const std::vector<Revision>& revisions, TrustClass trust);
// What is said of a report that found no room beside `current`: kOverLimit, too_many_revisions.
void RefuseRevision(const ReportKey& current, ReceiptItem* item);

// Whether the failure report is about mail from `address`.
bool IsFrom(const StoredFailureReport& failure, const IpAddress& address);

// What `report` and `totals` add up to, and `totals` without `report`. Subtracting is exact unless
// a count had reached its largest number; IsSaturated() tells, and then only a recount helps.
void AddTotals(const DayTotals& report, DayTotals* totals);
void SubtractTotals(const DayTotals& report, DayTotals* totals);
bool IsSaturated(const DayTotals& totals);
// Whether `report` can be subtracted from `totals`: else these are wrong, and a recount helps.
bool Includes(const DayTotals& totals, const DayTotals& report);

// Outcomes that leave something for a person to look at: ReportWriter::ListUnreadable shows them.
bool IsUnreadable(Outcome outcome);

bool HasUnreadable(const std::vector<ReceiptItem>& items);

// Adds the unreadable ones among `items` from `first` on to `page`, as ListUnreadable() promises.
// False, with page->next set, where it is full.
bool AddUnreadable(const Receipt& receipt, const std::vector<ReceiptItem>& items, uint32_t first,
                   size_t limit, ReportWriter::UnreadablePage* page);

// kInvalidArgument: an item with a report whose key names another receipt, the ordinal of another
// item, no domain, or a day out of range; whose document_sha256 is not 32 bytes; that takes more
// than kMaxExpandedBytes; or of a kind that the item does not name.
absl::Status CheckProcessed(const CommitBatch::Processed& processed);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_RULES_H_
