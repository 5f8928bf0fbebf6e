#include "ingestd/pipeline/convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "ingestd/pipeline/convert_tls.h"
#include "lib/base/text.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

constexpr size_t kItemsLimit =
    std::numeric_limits<uint16_t>::max();  // ordinals are 16 bits at rest
constexpr size_t kDetailLimitBytes = 1024;
constexpr size_t kFileNameLimitBytes = 255;
constexpr size_t kRepairsTold = 3;

std::string_view KindName(ReportKind kind) {
  switch (kind) {
    case ReportKind::kAggregate:
      return kAggregateKind;
    case ReportKind::kFailure:
      return kFailureKind;
    case ReportKind::kTls:
      return kTlsKind;
    case ReportKind::kUnknown:
      break;
  }
  return "";
}

int64_t ToSigned(uint64_t count) {
  return static_cast<int64_t>(std::min<uint64_t>(count, std::numeric_limits<int64_t>::max()));
}

std::string Cut(std::string_view text, size_t limit) { return ToValidUtf8(text.substr(0, limit)); }

// Which material repairs there are, and where: "root_unclosed; count_assumed at
// record[3]/row/count".
std::string MaterialText(const std::vector<Repair>& repairs) {
  std::vector<std::string> told;
  size_t more = 0;
  for (const Repair& repair : repairs) {
    if (!repair.material) continue;
    if (told.size() == kRepairsTold) {
      ++more;
    } else if (repair.path.empty()) {
      told.push_back(repair.code);
    } else {
      told.push_back(fmt::format("{} at {}", repair.code, repair.path));
    }
  }
  if (more > 0) told.push_back(fmt::format("and {} more", more));
  return Join(told, "; ");
}

StoredReport ToStored(const Receipt& receipt, UnpackedReport found, TrustVerdict verdict) {
  StoredReport out;
  out.report = *std::move(found.aggregate);
  out.sink = std::move(found.sink);
  const ReportMetadata& metadata = out.report.metadata;
  out.key.domain = out.report.policy.domain;
  out.key.day = std::clamp<DayNumber>(MidpointDay(metadata.begin, metadata.end), 0, kLastReportDay);
  out.key.receipt = receipt.id;
  out.outcome = found.outcome;
  out.repairs = std::move(found.repairs);
  out.trust = verdict.trust;
  out.reason = verdict.reason;
  out.reporter_key = std::move(verdict.reporter);
  out.document_sha256 = std::move(found.document_sha256);
  out.received_time = receipt.received_time;
  out.channel = receipt.channel;
  return out;
}

// One item, but for a TLS report about several domains.
std::vector<ProcessedItem> ToItems(const Receipt& receipt, UnpackedReport found,
                                   const CarrierInfo& carrier, std::string_view subject,
                                   const TrustJudge& judge, const FailurePrivacy& privacy) {
  const bool accepted = IsAccepted(found.outcome);
  if (accepted) found.detail = MaterialText(found.repairs);
  if (accepted && found.tls.has_value()) {
    const TrustVerdict verdict = judge(found, carrier);
    return ToTlsItems(receipt, std::move(found), subject, verdict);
  }
  std::vector<ProcessedItem> items(1);
  ProcessedItem& item = items.front();
  if (accepted && found.failure.has_value()) {
    const TrustVerdict verdict = judge(found, carrier);
    item = ToFailureItem(receipt, std::move(found), verdict, privacy);
    return items;
  }
  item.item.outcome = found.outcome;
  item.item.kind = KindName(found.kind);
  item.item.reason = std::move(found.reason);
  item.item.detail = Cut(found.detail, kDetailLimitBytes);
  item.item.findings = static_cast<int64_t>(found.repairs.size());
  item.document_sha256 = found.document_sha256;
  if (found.aggregate.has_value()) {
    item.item.domain = found.aggregate->policy.domain;
    const RecordSums sums = found.aggregate->sums();
    item.item.records = sums.records;
    item.item.messages = ToSigned(sums.messages);
    if (accepted) {
      TrustVerdict verdict = judge(found, carrier);
      if (!IsCounted(verdict.trust)) {
        if (verdict.trust == TrustClass::kQuarantined) item.item.outcome = Outcome::kQuarantined;
        item.item.reason = TrustReasonName(verdict.reason);
        item.item.detail = Cut(verdict.detail, kDetailLimitBytes);
      }
      item.report = ToStored(receipt, std::move(found), std::move(verdict));
    }
  }
  return items;
}

}  // namespace

bool IsAccepted(Outcome outcome) {
  return outcome == Outcome::kAccepted || outcome == Outcome::kAcceptedCosmetic ||
         outcome == Outcome::kAcceptedMaterial;
}

bool IsEnclosed(const UnpackedReport& report) {
  return std::ranges::count(report.container, "mail") > 1;
}

bool IsUnverified(const ReceiptItem& item) {
  return IsAccepted(item.outcome) && !item.reason.empty();
}

CommitBatch::Processed ToProcessed(const Receipt& receipt, Unpacked unpacked,
                                   const TrustJudge& judge, const FailurePrivacy& privacy) {
  CommitBatch::Processed out;
  out.receipt = receipt.id;
  out.subject = Cut(unpacked.carrier.subject, kDetailLimitBytes);
  out.from_domain = Cut(unpacked.carrier.from_domain, kFileNameLimitBytes);
  for (UnpackedReport& found : unpacked.reports) {
    const std::string file_name = Cut(found.file_name, kFileNameLimitBytes);
    for (ProcessedItem& item :
         ToItems(receipt, std::move(found), unpacked.carrier, out.subject, judge, privacy)) {
      const auto ordinal = static_cast<uint16_t>(out.items.size());
      if (item.report) item.report->key.item = ordinal;
      if (item.tls) item.tls->key.item = ordinal;
      if (item.failure) item.failure->key.item = ordinal;
      item.item.file_name = file_name;
      out.items.push_back(std::move(item));
      if (out.items.size() < kItemsLimit) continue;
      ProcessedItem& last = out.items.back();
      last = {};
      last.item.outcome = Outcome::kOverLimit;
      last.item.reason = "too_many_items";
      last.item.detail = fmt::format("over {} reports in one input", kItemsLimit - 1);
      Withhold(privacy, &out);
      return out;
    }
  }
  Withhold(privacy, &out);
  return out;
}

CommitBatch::Processed ToQuarantined(const Receipt& receipt, std::string reason,
                                     std::string_view detail) {
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
    if (item.reason == kTrustRaised) item.reason.clear();  // then, and not now
  }
  return items;
}

}  // namespace dmarcate
