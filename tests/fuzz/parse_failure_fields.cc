// The same bytes as the feedback part and as the original header: an outcome with a reason, or a
// report without local parts.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/base/text.h"
#include "lib/report/failure.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dmarcate::LooksLikeFeedbackReport(text);
  dmarcate::FailureHints hints;
  hints.original_headers = text;
  const auto parsed = dmarcate::ParseFailureFields(text, hints, {});
  if (parsed.report.has_value() != parsed.reason.empty()) std::abort();
  if (!parsed.report.has_value()) return 0;
  const dmarcate::FailureReport& report = *parsed.report;
  if (report.reported_domain.empty() || !dmarcate::IsValidUtf8(report.reported_domain))
    std::abort();
  if (report.original_from_domain.find('@') != std::string::npos) std::abort();
  if (report.original_mail_from_domain.find('@') != std::string::npos) std::abort();
  return 0;
}
