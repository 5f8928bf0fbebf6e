// lib/report/tls.h
// Reads an SMTP TLS report (RFC 8460 section 4, JSON) with the leniencies of report-quirks
// section 16. One bad value never loses a policy, one bad policy never loses the report.

#ifndef DMARCATE_LIB_REPORT_TLS_H_
#define DMARCATE_LIB_REPORT_TLS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/report/model.h"

namespace dmarcate {

struct TlsLimits {
  size_t document_bytes = 10 << 20;
  int json_depth = 32;
  size_t json_values = 500'000;  // some 9 a failure detail
  size_t policies = 10'000;
  size_t failure_details = 100'000;  // of one report; more are dropped, with a repair
  size_t strings = 1'000;            // of one list: policy-string, mx-host
  size_t stored_text_bytes = 4096;   // a longer text is cut, with a repair
  int repairs = 200;                 // more are counted, not kept
  int64_t model_bytes = 128 << 20;   // of the report, as ModelBytes() counts it
};

// Never an error by Status: bad input is data. `report` is set for the kAccepted* outcomes.
struct ParsedTlsReport {
  Outcome outcome = Outcome::kQuarantined;
  std::optional<TlsReport> report;
  std::vector<Repair> repairs;
  int64_t repairs_dropped = 0;
  // kQuarantined: "empty_payload", "json_not_well_formed", "json_duplicate_key" (RFC 8460 asks for
  // I-JSON, RFC 7493); kOverLimit: "document_too_large", "json_too_deep", "too_many_values",
  // "too_many_policies", "model_too_large"; kNotAReport: "not_a_tls_report". And a sentence with
  // the position and the limit.
  std::string reason;
  std::string detail;
};

// True if `text`, after blanks and a byte order mark, begins as a JSON object does. Content decides
// the type of a report, never its label (report-quirks G10).
bool LooksLikeTlsReport(std::string_view text);

// `document` is the decompressed bytes; no tree is made of them, so that reading takes little
// beside them and the report. Thread-safe.
ParsedTlsReport ParseTlsReport(std::string_view document, const TlsLimits& limits);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_TLS_H_
