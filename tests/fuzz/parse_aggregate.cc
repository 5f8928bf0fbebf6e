// Whatever the bytes: an outcome with a reason, or a report that keeps what reports promise: valid
// UTF-8, a policy domain and an id, a header_from and at most 100 signatures in each record. A
// material repair shows in the outcome, and reading again gives the same.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/base/text.h"
#include "lib/report/aggregate.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckRecord(const dmarcate::AggregateRecord& record) {
  Require(record.dkim.size() <= 100 && record.spf.size() <= 100 && record.reasons.size() <= 100);
  Require(!record.header_from.empty() && dmarcate::IsValidUtf8(record.header_from));
  for (const auto& d : record.dkim) {
    Require(dmarcate::IsValidUtf8(d.domain) && dmarcate::IsValidUtf8(d.human_result));
  }
  for (const auto& s : record.spf) Require(dmarcate::IsValidUtf8(s.domain.value_or("")));
  for (const auto& r : record.reasons) Require(dmarcate::IsValidUtf8(r.comment));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string document(reinterpret_cast<const char*>(data), size);
  dmarcate::ReportHints hints;
  hints.received_time = absl::FromUnixSeconds(1'700'100'000);
  dmarcate::AggregateLimits limits;
  limits.records = 1000;
  const auto results = dmarcate::ParseAggregate(document, hints, limits);
  Require(!results.empty());
  for (const dmarcate::ParsedAggregate& parsed : results) {
    Require(parsed.report.has_value() == parsed.reason.empty());
    Require(std::ssize(parsed.repairs) <= limits.repairs + 64);
    for (const dmarcate::Repair& repair : parsed.repairs) {
      Require(!repair.code.empty() && dmarcate::IsValidUtf8(repair.raw) &&
              dmarcate::IsValidUtf8(repair.chosen) && repair.raw.size() <= 256);
      Require(!repair.material || !parsed.report.has_value() ||
              parsed.outcome == dmarcate::Outcome::kAcceptedMaterial);
    }
    if (!parsed.report.has_value()) continue;
    Require(!parsed.report->policy.domain.empty() && !parsed.report->metadata.report_id.empty());
    Require(dmarcate::IsValidUtf8(parsed.report->metadata.org_name) &&
            dmarcate::IsValidUtf8(parsed.report->policy.domain) &&
            dmarcate::IsValidUtf8(parsed.report->metadata.report_id));
    for (const dmarcate::AggregateRecord& record : parsed.report->records) CheckRecord(record);
  }
  const auto again = dmarcate::ParseAggregate(document, hints, limits);
  Require(again.size() == results.size() && again[0].report == results[0].report &&
          again[0].repairs == results[0].repairs);
  return 0;
}
