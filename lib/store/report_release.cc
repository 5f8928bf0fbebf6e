// What ReportTransaction lets out of quarantine because a person says so.

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_transaction.h"

namespace dmarcate {

absl::StatusOr<ReleaseResult> ReportTransaction::Release(ReleasedReport released) {
  const ReportKey& key = released.report;
  ReleaseResult result;
  DMARCATE_ASSIGN_OR_RETURN(auto stored, GetReceipt(key.receipt));
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetReport(key, ReportParts::kHead));
  if (!stored || !report) return result;
  if (report->trust != TrustClass::kQuarantined) {
    if (!report->release) return result;
    result.outcome = ReleaseOutcome::kAlready;
    result.report = *std::move(report);
    return result;
  }
  std::vector<ReceiptItem>& items = stored->items;
  const auto item = std::ranges::find_if(items, [&key](const ReceiptItem& each) {
    return each.outcome == Outcome::kQuarantined && ReportOf(key.receipt, each) == key;
  });
  if (item == items.end()) return result;
  if (IsImpossible(*report, *item)) {
    result.outcome = ReleaseOutcome::kImpossible;
    return result;
  }
  // No revision of its identity has counted and expired: it would have gone with it.
  DMARCATE_ASSIGN_OR_RETURN(const auto revisions, GetRevisions(IdentityIndexKey(*report)));
  if (!HasRoom(revisions, kReleasedTrust)) {
    result.outcome = ReleaseOutcome::kNoRoom;
    return result;
  }
  DMARCATE_ASSIGN_OR_RETURN(report, GetReport(key));
  DMARCATE_RETURN_IF_ERROR(Remove(key));
  ApplyRelease(std::move(released.release), &*report);
  DMARCATE_RETURN_IF_ERROR(Insert(*std::move(report)));
  SettleQuarantined(&*item);
  DMARCATE_RETURN_IF_ERROR(PutSettled(*std::move(stored)));
  DMARCATE_ASSIGN_OR_RETURN(report, GetReport(key, ReportParts::kHead));
  result.outcome = ReleaseOutcome::kReleased;
  result.report = *std::move(report);
  return result;
}

absl::Status ReportTransaction::PutSettled(StoredReceipt stored) {
  Receipt& receipt = stored.receipt;
  if (!HasUnreadable(stored.items)) {
    receipt.subject.clear();
    receipt.from_domain.clear();
    changes_.Delete(kMainFamily, ReceiptDbKey(kUnreadableTag, receipt.id));
    // It was passed by while it was in quarantine.
    DMARCATE_ASSIGN_OR_RETURN(const auto raw_passed,
                              ReadNumber(db_, kMainFamily, ExpiryCursorKey(kRawExpiry)));
    if (raw_passed.value_or(0) >= receipt.id) {
      DMARCATE_RETURN_IF_ERROR(LetRawGo(&receipt, nullptr));
    }
  }
  const std::string key = ReceiptDbKey(kReceiptTag, receipt.id);
  changes_.Put(kMainFamily, key, EncodeReceipt(key, stored));
  return absl::OkStatus();
}

}  // namespace dmarcate
