#include "ingestd/pipeline/convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
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
                      const PublicSuffixList& suffixes) {
  StoredReport out;
  out.report = *std::move(found.aggregate);
  const ReportMetadata& metadata = out.report.metadata;
  out.key.domain = out.report.policy.domain;
  out.key.day = std::clamp<DayNumber>(MidpointDay(metadata.begin, metadata.end), 0, kLastReportDay);
  out.key.receipt = receipt.id;
  out.key.item = ordinal;
  out.outcome = found.outcome;
  out.repairs = std::move(found.repairs);
  out.trust = TrustClass::kImported;
  out.reporter_key = ReporterKey(metadata, suffixes);
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

std::string ReporterKey(const ReportMetadata& metadata, const PublicSuffixList& suffixes) {
  if (const size_t at = metadata.email.rfind('@'); at != std::string::npos) {
    const auto domain = DomainName::Parse(std::string_view(metadata.email).substr(at + 1));
    if (domain.ok() && !domain->IsRoot()) return suffixes.OrganizationalDomain(*domain).text();
  }
  std::string folded;
  for (const char c : AsciiLower(TrimAscii(metadata.org_name))) {
    const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!blank) folded.push_back(c);
    if (blank && folded.back() != ' ') folded.push_back(' ');
  }
  return folded.empty() ? "unknown" : folded;
}

CommitBatch::Processed ToProcessed(const Receipt& receipt, Unpacked unpacked,
                                   const PublicSuffixList& suffixes) {
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
        item.report = ToStored(receipt, ordinal, std::move(found), suffixes);
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
