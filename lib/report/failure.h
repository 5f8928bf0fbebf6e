// lib/report/failure.h
// Reads the machine-readable part of a failure report: RFC 5965 (ARF), RFC 6591, RFC 9991, with the
// leniencies of report-quirks section 15. Bodies and subjects are never kept, local parts only
// where FailureReport says so.

#ifndef DMARCATE_LIB_REPORT_FAILURE_H_
#define DMARCATE_LIB_REPORT_FAILURE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/report/model.h"

namespace dmarcate {

struct FailureLimits {
  size_t field_bytes = 256 * 1024;  // of `fields`, and of `original_headers`; the rest is not read
  size_t stored_text_bytes = 4096;  // a longer value is cut, with a repair
  size_t auth_failures = 16;        // values of Auth-Failure kept
  int repairs = 200;                // more are counted, not kept
};

// What surrounds the part and may fill gaps, never override it.
struct FailureHints {
  // The header section of the message the report is about (message/rfc822, text/rfc822-headers),
  // or empty. Read for From, Return-Path and Message-ID only.
  std::string_view original_headers;
  absl::Time mail_date;  // of the carrying mail; stands in for a missing Arrival-Date
};

// Never an error by Status: bad input is data. `report` is set for the kAccepted* outcomes.
struct ParsedFailureReport {
  Outcome outcome = Outcome::kQuarantined;
  std::optional<FailureReport> report;
  std::vector<Repair> repairs;
  int64_t repairs_dropped = 0;
  // For kNotAReport: "arf_not_auth_failure" (an abuse complaint or another ARF type),
  // "not_a_failure_report" (no Feedback-Type within the first lines); for kQuarantined:
  // "reported_domain_missing".
  std::string reason;
  std::string detail;
};

// True if a Feedback-Type field stands within the first lines of `text`, whatever its type label
// says.
bool LooksLikeFeedbackReport(std::string_view text);

// `fields` is the decoded text of the message/feedback-report part. Thread-safe.
ParsedFailureReport ParseFailureFields(std::string_view fields, const FailureHints& hints,
                                       const FailureLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_FAILURE_H_
