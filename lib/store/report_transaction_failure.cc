#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/failure_codec.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_transaction.h"

namespace dmarcate {

absl::Status ReportTransaction::StoreFailure(const StoredFailureReport& report, ReceiptItem* item) {
  const std::string document_key = FailureDocumentIndexKey(report.document_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto known, Get(kIndexFamily, document_key));
  if (known) {
    DMARCATE_ASSIGN_OR_RETURN(const ReportKey first, DecodeRef(document_key, *known));
    DMARCATE_ASSIGN_OR_RETURN(auto same, GetFailure(first));
    // It may not be there: it did not decode, and was discarded.
    if (same && same->document_sha256 == report.document_sha256) {
      item->outcome = Outcome::kDuplicate;
      item->report_name = first.ToId();
      item->domain = first.domain;
      if (TrustRank(report.trust) <= TrustRank(same->trust)) return absl::OkStatus();
      same->trust = report.trust;  // and counts for nothing, as before
      same->reason = report.reason;
      changes_.Put(kFailuresFamily, ReportDbKey(first), EncodeFailureReport(*same));
      return absl::OkStatus();
    }
  }
  item->report_name = report.key.ToId();
  item->domain = report.key.domain;
  changes_.Put(kIndexFamily, document_key, EncodeRef(document_key, report.key));
  changes_.Put(kFailuresFamily, ReportDbKey(report.key), EncodeFailureReport(report));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<StoredFailureReport>> ReportTransaction::GetFailure(
    const ReportKey& key) const {
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kFailuresFamily, db_key));
  if (!value) return std::nullopt;
  return DecodeFailureReport(db_key, *value);
}

absl::Status ReportTransaction::RemoveFailure(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto report, GetFailure(key));
  if (!report) return absl::OkStatus();  // retention has taken it
  changes_.Delete(kFailuresFamily, ReportDbKey(key));
  changes_.Delete(kIndexFamily, FailureDocumentIndexKey(report->document_sha256));
  return absl::OkStatus();
}

absl::Status ReportTransaction::DiscardFailure(const ReportKey& key) {
  absl::Status removed = RemoveFailure(key);
  if (!absl::IsDataLoss(removed)) return removed;
  LogError("report_discarded",
           {{"domain", key.domain}, {"report", key.ToId()}, {"error", removed}});
  changes_.Delete(kFailuresFamily, ReportDbKey(key));
  return absl::OkStatus();
}

absl::Status ReportTransaction::ExpireFailureReport(const ReportKey& key, ExpiryResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kFailuresFamily, ReportDbKey(key)));
  if (!value) return absl::OkStatus();
  ++result->reports;
  return DiscardFailure(key);
}

absl::Status ReportTransaction::PurgeFailure(const ReportKey& key, PurgeResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kFailuresFamily, ReportDbKey(key)));
  if (!value) return absl::OkStatus();
  ++result->reports;
  return DiscardFailure(key);
}

absl::Status ReportTransaction::WithholdRaw(Receipt* receipt) {
  DMARCATE_ASSIGN_OR_RETURN(auto first, FirstReceipt(RawHashKey(receipt->raw_sha256)));
  if (!first || first->receipt.raw_sha256 != receipt->raw_sha256) return absl::OkStatus();
  const Receipt& bearer = first->receipt;
  // Others brought the same bytes. Whoever of them is still to be read needs them, and lets them
  // go.
  DMARCATE_ASSIGN_OR_RETURN(std::vector<ReceiptId> alike, Copies(bearer));
  alike.push_back(bearer.id);
  for (const ReceiptId id : alike) {
    if (id == receipt->id) continue;
    DMARCATE_ASSIGN_OR_RETURN(const auto other, GetReceipt(id));
    if (other && !other->receipt.processed) return absl::OkStatus();
  }
  DeleteRaw(bearer);
  std::erase_if(large_raw_, [&bearer](const auto& raw) { return raw.first == bearer.id; });
  receipt->raw_gone = true;
  if (bearer.id == receipt->id) return absl::OkStatus();
  first->receipt.raw_gone = true;
  const std::string key = ReceiptDbKey(kReceiptTag, first->receipt.id);
  changes_.Put(kMainFamily, key, EncodeReceipt(key, *first));
  return absl::OkStatus();
}

absl::Status ReportTransaction::Link(std::string_view document_sha256, ReceiptItem* item) const {
  if (document_sha256.size() != 32) return absl::OkStatus();
  std::optional<ReportKey> key;
  if (item->kind == kTlsKind) {
    DMARCATE_ASSIGN_OR_RETURN(const auto report, FindTlsDocument(document_sha256));
    if (report) key = report->key;
  } else if (item->kind == kFailureKind) {
    const std::string document_key = FailureDocumentIndexKey(document_sha256);
    DMARCATE_ASSIGN_OR_RETURN(const auto known, Get(kIndexFamily, document_key));
    if (known) {
      DMARCATE_ASSIGN_OR_RETURN(key, DecodeRef(document_key, *known));
    }
  } else {
    DMARCATE_ASSIGN_OR_RETURN(const auto report, FindDocument(document_sha256));
    if (report) key = report->key;
  }
  if (!key) return absl::OkStatus();
  item->report_name = key->ToId();
  item->domain = key->domain;
  return absl::OkStatus();
}

}  // namespace dmarcate
