#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/report_transaction.h"
#include "lib/store/tls_codec.h"

namespace dmarcate {

absl::Status ReportTransaction::StoreTls(StoredTlsReport report, ReceiptItem* item) {
  DMARCATE_ASSIGN_OR_RETURN(auto same, FindTlsDocument(report.document_sha256));
  if (!same) {
    DMARCATE_ASSIGN_OR_RETURN(const auto revisions, GetRevisions(TlsIdentityIndexKey(report)));
    if (!HasRoom(revisions, report.trust)) {
      const Revision& current = revisions[ElectCurrent(revisions)];
      RefuseRevision({report.key.domain, report.key.day, current.receipt, current.item}, item);
      return absl::OkStatus();
    }
    item->report_name = report.key.ToId();
    item->domain = report.key.domain;
    return InsertTls(std::move(report));
  }
  item->outcome = Outcome::kDuplicate;
  item->report_name = same->key.ToId();
  item->domain = same->key.domain;
  if (TrustRank(report.trust) <= TrustRank(same->trust)) return absl::OkStatus();
  StoredTlsReport lent = *same;
  lent.trust = report.trust;
  lent.reason = report.reason;
  lent.reporter_key = std::move(report.reporter_key);
  DMARCATE_ASSIGN_OR_RETURN(const auto others, GetRevisions(TlsIdentityIndexKey(lent)));
  if (!HasRoom(others, lent.trust)) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(RemoveTls(same->key));
  DMARCATE_RETURN_IF_ERROR(InsertTls(std::move(lent)));
  DMARCATE_ASSIGN_OR_RETURN(const auto raised, GetTls(same->key, ReportParts::kHead));
  if (raised) NoteRaise(*same, *raised, item);
  return absl::OkStatus();
}

absl::Status ReportTransaction::InsertTls(StoredTlsReport report) {
  const std::string index_key = TlsIdentityIndexKey(report);
  DMARCATE_ASSIGN_OR_RETURN(std::vector<Revision> revisions, GetRevisions(index_key));
  DMARCATE_RETURN_IF_ERROR(EraseMissing(kTlsFamily, report.key, &revisions));
  std::optional<Revision> before;
  if (!revisions.empty()) before = revisions[ElectCurrent(revisions)];
  revisions.push_back({report.key.receipt, report.key.item, report.trust,
                       static_cast<int64_t>(report.report.policies.size())});
  report.current = ElectCurrent(revisions) == revisions.size() - 1;
  if (report.current && before) {
    DMARCATE_RETURN_IF_ERROR(SetCurrentTls(report.key, *before, false));
  }
  changes_.Put(kIndexFamily, index_key, EncodeRevisions(index_key, revisions));
  const std::string document_key = TlsDocumentIndexKey(report.document_sha256);
  changes_.Put(kIndexFamily, document_key, EncodeRef(document_key, report.key));
  changes_.Put(kTlsFamily, ReportDbKey(report.key), EncodeTlsReport(report));
  return absl::OkStatus();
}

absl::Status ReportTransaction::RemoveTls(const ReportKey& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto report, GetTls(key));
  if (!report) return absl::OkStatus();  // it went with the revision that superseded it
  changes_.Delete(kTlsFamily, ReportDbKey(key));
  changes_.Delete(kIndexFamily, TlsDocumentIndexKey(report->document_sha256));
  const std::string index_key = TlsIdentityIndexKey(*report);
  DMARCATE_ASSIGN_OR_RETURN(std::vector<Revision> revisions, GetRevisions(index_key));
  std::erase_if(revisions, [&key](const Revision& revision) {
    return revision.receipt == key.receipt && revision.item == key.item;
  });
  DMARCATE_RETURN_IF_ERROR(EraseMissing(kTlsFamily, key, &revisions));
  PutRevisions(index_key, revisions);
  if (!report->current || revisions.empty()) return absl::OkStatus();
  return SetCurrentTls(key, revisions[ElectCurrent(revisions)], true);
}

absl::Status ReportTransaction::DiscardTls(const ReportKey& key) {
  absl::Status removed = RemoveTls(key);
  if (!absl::IsDataLoss(removed)) return removed;
  LogError("report_discarded",
           {{"domain", key.domain}, {"report", key.ToId()}, {"error", removed}});
  changes_.Delete(kTlsFamily, ReportDbKey(key));
  return absl::OkStatus();
}

absl::Status ReportTransaction::ExpireTls(const ReportKey& key, ExpiryResult* result) {
  const auto stored = GetTls(key, ReportParts::kHead);
  if (!stored.ok() && !absl::IsDataLoss(stored.status())) return stored.status();
  if (stored.ok() && !*stored) return absl::OkStatus();
  if (stored.ok() && (*stored)->current) {
    // None of the others may count instead. Last comes the one that has none beside it.
    DMARCATE_ASSIGN_OR_RETURN(const auto revisions, GetRevisions(TlsIdentityIndexKey(**stored)));
    for (const Revision& revision : revisions) {
      ReportKey other = key;
      other.receipt = revision.receipt;
      other.item = revision.item;
      if (other == key) continue;
      ++result->reports;
      DMARCATE_RETURN_IF_ERROR(DiscardTls(other));
    }
  }
  ++result->reports;
  return DiscardTls(key);
}

absl::Status ReportTransaction::PurgeTls(const ReportKey& key, PurgeResult* result) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kTlsFamily, ReportDbKey(key)));
  if (!value) return absl::OkStatus();
  ++result->reports;
  return DiscardTls(key);
}

absl::Status ReportTransaction::SetCurrentTls(const ReportKey& alike, const Revision& revision,
                                              bool current) {
  ReportKey key = alike;  // revisions share domain and day
  key.receipt = revision.receipt;
  key.item = revision.item;
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetTls(key));
  if (!report) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("TLS report {} of {}: the index of revisions does not fit it",
                                 key.ToId(), key.domain));
  }
  if (report->current == current) return absl::OkStatus();  // another one was discarded
  report->current = current;
  changes_.Put(kTlsFamily, ReportDbKey(key), EncodeTlsReport(*report));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<StoredTlsReport>> ReportTransaction::GetTls(const ReportKey& key,
                                                                         ReportParts parts) const {
  const std::string db_key = ReportDbKey(key);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kTlsFamily, db_key));
  if (!value) return std::nullopt;
  StoredTlsReport report;
  DMARCATE_RETURN_IF_ERROR(DecodeTlsReport(db_key, *value, parts, &report));
  return report;
}

absl::StatusOr<std::optional<StoredTlsReport>> ReportTransaction::FindTlsDocument(
    std::string_view document_sha256) const {
  const std::string key = TlsDocumentIndexKey(document_sha256);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, Get(kIndexFamily, key));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey report_key, DecodeRef(key, *value));
  DMARCATE_ASSIGN_OR_RETURN(auto report, GetTls(report_key));
  // It did not decode and was discarded; or they share 80 bits.
  if (!report || report->document_sha256 != document_sha256) return std::nullopt;
  return report;
}

}  // namespace dmarcate
