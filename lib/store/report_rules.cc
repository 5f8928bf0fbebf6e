#include "lib/store/report_rules.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/store/report_codec.h"

namespace dmarcate {
namespace {

constexpr std::array kSigned = {&DayTotals::reports, &DayTotals::records};
constexpr std::array kUnsigned = {&DayTotals::messages,     &DayTotals::dmarc_pass,
                                  &DayTotals::dkim_aligned, &DayTotals::spf_aligned,
                                  &DayTotals::both_aligned, &DayTotals::disposition_none,
                                  &DayTotals::quarantine,   &DayTotals::reject,
                                  &DayTotals::pass,         &DayTotals::disposition_unknown};

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

void AddSaturating(uint64_t amount, uint64_t* sum) {
  *sum = *sum > kMax - amount ? kMax : *sum + amount;
}

bool Later(const Revision& a, const Revision& b) {
  return a.receipt != b.receipt ? a.receipt > b.receipt : a.item > b.item;
}

}  // namespace

std::string_view ChannelName(Channel channel) {
  switch (channel) {
    case Channel::kMaildir:
      return "maildir";
    case Channel::kUpload:
      return "upload";
    case Channel::kImport:
      return "import";
    case Channel::kSmtp:
      return "smtp";
    case Channel::kLmtp:
      return "lmtp";
    case Channel::kImap:
      return "imap";
    case Channel::kUnspecified:
      break;
  }
  return "";
}

int TrustRank(TrustClass trust) {
  switch (trust) {
    case TrustClass::kAnchored:
      return 5;
    case TrustClass::kAuthenticated:
      return 4;
    case TrustClass::kImported:
      return 3;
    case TrustClass::kUnverified:
      return 2;
    case TrustClass::kQuarantined:
      return 1;
    case TrustClass::kUnspecified:
      break;
  }
  return 0;
}

std::optional<ReportKey> ReportOf(ReceiptId id, const ReceiptItem& item) {
  // These name the report of another item, maybe of the same receipt.
  if (item.outcome == Outcome::kDuplicate || item.outcome == Outcome::kOverLimit) {
    return std::nullopt;
  }
  auto key = ReportKey::FromId(item.domain, item.report_name);
  if (!key || key->receipt != id) return std::nullopt;
  return key;
}

void SettleQuarantined(ReceiptItem* item) {
  item->outcome = Outcome::kAccepted;
  item->reason.clear();
  item->detail.clear();
}

bool IsImpossible(const StoredReport& report, const ReceiptItem& item) {
  // Stored before reasons were, the report has none; its item always had.
  return report.reason == TrustReason::kImpossibleCount ||
         item.reason == TrustReasonName(TrustReason::kImpossibleCount);
}

void ApplyRelease(Release release, StoredReport* report) {
  release.quarantined_for = report->reason;
  report->release = std::move(release);
  report->trust = kReleasedTrust;
  report->reason = TrustReason::kReleased;
}

bool HasRaisedTrust(const std::vector<ReceiptItem>& items) {
  return std::ranges::any_of(items,
                             [](const ReceiptItem& item) { return item.reason == kTrustRaised; });
}

void NoteRaise(ReceiptItem* item) {
  item->reason = kTrustRaised;
  item->detail = "the report counted nowhere before; this copy vouches for it";
}

bool IsFrom(const StoredFailureReport& failure, const IpAddress& address) {
  const auto source = IpAddress::Parse(failure.report.source_ip);
  return source.has_value() && *source == address;
}

bool HasRoom(const std::vector<Revision>& revisions, TrustClass trust) {
  return std::ranges::count(revisions, trust, &Revision::trust) <
         static_cast<std::ptrdiff_t>(kMaxRevisions);
}

void RefuseRevision(const ReportKey& current, ReceiptItem* item) {
  item->outcome = Outcome::kOverLimit;
  item->reason = "too_many_revisions";
  item->detail = fmt::format("{} reports with this identity are kept already", kMaxRevisions);
  item->report_name = current.ToId();
  item->domain = current.domain;
}

size_t ElectCurrent(const std::vector<Revision>& revisions) {
  // "Later with at least as many records" from one revision to the next is the largest count of
  // records, and the latest among those that have it.
  size_t best = 0;
  for (size_t i = 1; i < revisions.size(); ++i) {
    const Revision& a = revisions[i];
    const Revision& b = revisions[best];
    const int by_trust = TrustRank(a.trust) - TrustRank(b.trust);
    if (by_trust > 0 ||
        (by_trust == 0 && (a.records > b.records || (a.records == b.records && Later(a, b))))) {
      best = i;
    }
  }
  return best;
}

void AddTotals(const DayTotals& report, DayTotals* totals) {
  for (const auto field : kSigned) totals->*field += report.*field;
  for (const auto field : kUnsigned) AddSaturating(report.*field, &(totals->*field));
}

void SubtractTotals(const DayTotals& report, DayTotals* totals) {
  for (const auto field : kSigned) totals->*field -= report.*field;
  for (const auto field : kUnsigned) totals->*field -= report.*field;
}

bool IsSaturated(const DayTotals& totals) {
  return std::ranges::any_of(kUnsigned, [&](const auto field) { return totals.*field == kMax; });
}

bool Includes(const DayTotals& totals, const DayTotals& report) {
  const auto holds = [&](const auto field) { return totals.*field >= report.*field; };
  return std::ranges::all_of(kSigned, holds) && std::ranges::all_of(kUnsigned, holds);
}

void AddToTotals(const AggregateReport& report, DayTotals* totals) {
  totals->reports += 1;
  for (const AggregateRecord& record : report.records) AddToTotals(record, totals);
}

void AddToTotals(const AggregateRecord& record, DayTotals* totals) {
  totals->records += 1;
  const bool dkim = record.dkim_aligned == AlignedResult::kPass;
  const bool spf = record.spf_aligned == AlignedResult::kPass;
  AddSaturating(record.count, &totals->messages);
  if (dkim) AddSaturating(record.count, &totals->dkim_aligned);
  if (spf) AddSaturating(record.count, &totals->spf_aligned);
  if (dkim || spf) AddSaturating(record.count, &totals->dmarc_pass);
  if (dkim && spf) AddSaturating(record.count, &totals->both_aligned);
  switch (record.disposition) {
    case Disposition::kNone:
      AddSaturating(record.count, &totals->disposition_none);
      break;
    case Disposition::kQuarantine:
      AddSaturating(record.count, &totals->quarantine);
      break;
    case Disposition::kReject:
      AddSaturating(record.count, &totals->reject);
      break;
    case Disposition::kPass:
      AddSaturating(record.count, &totals->pass);
      break;
    case Disposition::kUnspecified:
      AddSaturating(record.count, &totals->disposition_unknown);
      break;
  }
}

bool IsUnreadable(Outcome outcome) {
  return outcome == Outcome::kQuarantined || outcome == Outcome::kOverLimit ||
         outcome == Outcome::kNotAReport;
}

bool HasUnreadable(const std::vector<ReceiptItem>& items) {
  return std::ranges::any_of(items, IsUnreadable, &ReceiptItem::outcome);
}

bool AddUnreadable(const Receipt& receipt, const std::vector<ReceiptItem>& items, uint32_t first,
                   size_t limit, ReportWriter::UnreadablePage* page) {
  const auto bytes_of = [](const ReportWriter::UnreadableRow& row) {
    return sizeof(row) + row.receipt.file_name.size() + row.receipt.subject.size() +
           row.receipt.from_domain.size() + row.item.reason.size() + row.item.detail.size() +
           row.item.file_name.size();
  };
  size_t bytes = 0;
  for (const ReportWriter::UnreadableRow& row : page->rows) bytes += bytes_of(row);
  for (uint32_t i = first; i < items.size(); ++i) {
    if (!IsUnreadable(items[i].outcome)) continue;
    if (page->rows.size() >= limit || bytes >= kUnreadablePageBytes) {
      page->next = {receipt.id, i};
      return false;
    }
    page->rows.push_back({receipt, items[i], i});
    bytes += bytes_of(page->rows.back());
  }
  return true;
}

namespace {

// "" if a report with these fits its place.
std::string_view WhyNot(const ReportKey& key, ReceiptId receipt, std::string_view document_sha256) {
  if (key.receipt != receipt) return "the key names another receipt";
  if (key.domain.empty()) return "no policy domain";
  if (key.day < 0 || key.day > kLastReportDay) return "day out of range";
  if (document_sha256.size() != 32) return "document_sha256 is not 32 bytes";
  return "";
}

}  // namespace

absl::Status CheckProcessed(const CommitBatch::Processed& processed) {
  std::set<uint16_t> ordinals;
  for (size_t i = 0; i < processed.items.size(); ++i) {
    const auto& [item, report, tls, failure, document] = processed.items[i];
    const int reports = (report ? 1 : 0) + (tls ? 1 : 0) + (failure ? 1 : 0);
    if (reports == 0) continue;
    const ReportKey& key = report ? report->key : tls ? tls->key : failure->key;
    std::string why(WhyNot(key, processed.receipt,
                           report ? report->document_sha256
                           : tls  ? tls->document_sha256
                                  : failure->document_sha256));
    if (reports > 1) why = "several reports";
    if (tls && item.kind != kTlsKind) why = "a TLS report, but the item is of another kind";
    if (failure && item.kind != kFailureKind) {
      why = "a failure report, but the item is of another kind";
    }
    if (!ordinals.insert(key.item).second) why = "two reports with one ordinal";
    if (report && ExpandedBytes(*report) > kMaxExpandedBytes) {
      why = fmt::format("the report takes more than {} bytes", kMaxExpandedBytes);
    }
    if (report && report->report.gone && !report->packed)
      why = "its records are in a sink, not packed";
    if (why.empty()) continue;
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("receipt {}: item {}: {}", processed.receipt, i, why));
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
