#include "ingestd/pipeline/convert_failure.h"

#include <algorithm>
#include <utility>

#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/report/date_text.h"
#include "lib/report/domain_text.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

// Nothing reports on mail from before there were such reports.
constexpr int64_t kEarliestArrival = 1262304000;  // 2010-01-01
constexpr int64_t kDaySeconds = 86400;

DayNumber DayOf(const FailureReport& report, absl::Time received_time) {
  const int64_t received = absl::ToUnixSeconds(received_time);
  int64_t day = received;
  if (const auto arrival = ReadDateText(report.arrival_date)) {
    if (*arrival >= kEarliestArrival && *arrival <= received + kDaySeconds) day = *arrival;
  }
  return static_cast<DayNumber>(std::clamp<int64_t>(day / kDaySeconds, 0, kLastReportDay));
}

}  // namespace

ProcessedItem ToFailureItem(const Receipt& receipt, UnpackedReport found,
                            const TrustVerdict& verdict, const FailurePrivacy& privacy) {
  ProcessedItem out;
  out.item.kind = kFailureKind;
  out.item.outcome = found.outcome;
  out.item.detail = ToValidUtf8(found.detail);
  out.item.findings = static_cast<int64_t>(found.repairs.size());
  if (privacy.tokens != nullptr) {
    RedactFailureReport(*privacy.tokens, &*found.failure);
    RedactRepairs(*privacy.tokens, &found.repairs);
  }
  const std::string domain = found.failure->reported_domain;
  if (!IsHostName(domain)) {
    out.item.outcome = Outcome::kQuarantined;
    out.item.reason = "reported_domain_invalid";
    out.item.detail = "the reported domain is no host name";
    return out;
  }
  out.item.domain = domain;
  out.item.records = 1;
  StoredFailureReport& stored = out.failure.emplace();
  stored.key.domain = domain;
  stored.key.day = DayOf(*found.failure, receipt.received_time);
  stored.key.receipt = receipt.id;
  stored.report = *std::move(found.failure);
  stored.outcome = found.outcome;
  stored.repairs = std::move(found.repairs);
  stored.trust = verdict.trust;
  stored.reason = verdict.reason;
  stored.document_sha256 = std::move(found.document_sha256);
  stored.received_time = receipt.received_time;
  stored.channel = receipt.channel;
  stored.redacted = privacy.tokens != nullptr;
  return out;
}

void Withhold(const FailurePrivacy& privacy, CommitBatch::Processed* processed) {
  if (privacy.tokens == nullptr) return;
  for (ProcessedItem& item : processed->items) {
    if (item.item.kind != kFailureKind) continue;
    processed->subject.clear();
    item.item.file_name.clear();
    item.item.detail = privacy.tokens->Replace(item.item.detail);
    if (item.failure && privacy.raw == FailurePrivacy::Raw::kAsReceived) {
      processed->withhold_raw = true;
    }
  }
}

}  // namespace dmarcate
