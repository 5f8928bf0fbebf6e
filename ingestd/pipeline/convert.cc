#include "ingestd/pipeline/convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

constexpr size_t kItemsLimit =
    std::numeric_limits<uint16_t>::max();  // ordinals are 16 bits at rest
constexpr size_t kDetailLimitBytes = 1024;
constexpr size_t kFileNameLimitBytes = 255;

std::string_view KindName(ReportKind kind) {
  switch (kind) {
    case ReportKind::kAggregate:
      return "aggregate";
    case ReportKind::kFailure:
      return "failure";
    case ReportKind::kTls:
      return "tls";
    case ReportKind::kUnknown:
      break;
  }
  return "";
}

int64_t ToSigned(uint64_t count) {
  return static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max()));
}

std::string Cut(std::string_view text, size_t limit) { return ToValidUtf8(text.substr(0, limit)); }

StoredReport ToStored(const Receipt& receipt, uint16_t ordinal, UnpackedReport found,
                      TrustVerdict verdict) {
  StoredReport out;
  out.report = *std::move(found.aggregate);
  const ReportMetadata& metadata = out.report.metadata;
  out.key.domain = out.report.policy.domain;
  out.key.day = std::clamp<DayNumber>(MidpointDay(metadata.begin, metadata.end), 0, kLastReportDay);
  out.key.receipt = receipt.id;
  out.key.item = ordinal;
  out.outcome = found.outcome;
  out.repairs = std::move(found.repairs);
  out.trust = verdict.trust;
  out.reporter_key = std::move(verdict.reporter);
  out.document_sha256 = std::move(found.document_sha256);
  out.raw_sha256 = receipt.raw_sha256;
  out.received_time = receipt.received_time;
  out.channel = receipt.channel;
  return out;
}

}  // namespace

bool IsAccepted(Outcome outcome) {
  return outcome == Outcome::kAccepted || outcome == Outcome::kAcceptedCosmetic ||
         outcome == Outcome::kAcceptedMaterial;
}

bool IsUnverified(const ReceiptItem& item) {
  return IsAccepted(item.outcome) && !item.reason.empty();
}

CommitBatch::Processed ToProcessed(const Receipt& receipt, Unpacked unpacked,
                                   const TrustJudge& judge) {
  CommitBatch::Processed out;
  out.receipt = receipt.id;
  out.subject = Cut(unpacked.carrier.subject, kDetailLimitBytes);
  out.from_domain = Cut(unpacked.carrier.from_domain, kFileNameLimitBytes);
  for (UnpackedReport& found : unpacked.reports) {
    const auto ordinal = static_cast<uint16_t>(out.items.size());
    ProcessedItem& item = out.items.emplace_back();
    item.item.outcome = found.outcome;
    item.item.kind = KindName(found.kind);
    item.item.reason = std::move(found.reason);
    item.item.detail = Cut(found.detail, kDetailLimitBytes);
    item.item.file_name = Cut(found.file_name, kFileNameLimitBytes);
    item.item.findings = static_cast<int64_t>(found.repairs.size());
    item.document_sha256 = found.document_sha256;
    if (found.aggregate.has_value()) {
      item.item.domain = found.aggregate->policy.domain;
      item.item.records = static_cast<int64_t>(found.aggregate->records.size());
      item.item.messages = ToSigned(found.aggregate->messages());
      if (IsAccepted(found.outcome)) {
        TrustVerdict verdict = judge(found, unpacked.carrier);
        if (!IsCounted(verdict.trust)) {
          if (verdict.trust == TrustClass::kQuarantined) item.item.outcome = Outcome::kQuarantined;
          item.item.reason = verdict.reason;
          item.item.detail = Cut(verdict.detail, kDetailLimitBytes);
        }
        item.report = ToStored(receipt, ordinal, std::move(found), std::move(verdict));
      }
    }
    if (out.items.size() < kItemsLimit) continue;
    item = {};
    item.item.outcome = Outcome::kOverLimit;
    item.item.reason = "too_many_items";
    item.item.detail =
        fmt::format("{} reports in one input, limit {}", unpacked.reports.size(), kItemsLimit - 1);
    break;
  }
  return out;
}

CommitBatch::Processed ToQuarantined(const Receipt& receipt, std::string reason,
                                     std::string detail) {
  CommitBatch::Processed out;
  out.receipt = receipt.id;
  ReceiptItem& item = out.items.emplace_back().item;
  item.outcome = Outcome::kQuarantined;
  item.reason = std::move(reason);
  item.detail = Cut(detail, kDetailLimitBytes);
  item.file_name = receipt.file_name;
  return out;
}

std::vector<ReceiptItem> AsSeenBefore(std::vector<ReceiptItem> items) {
  for (ReceiptItem& item : items) {
    if (IsAccepted(item.outcome)) item.outcome = Outcome::kDuplicate;
  }
  return items;
}

}  // namespace dmarcate
