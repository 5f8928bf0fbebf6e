// lib/view/report_view.h
// A report as read, as the messages of the API: the same for ReportService and for `dmarcate
// parse`.

#ifndef DMARCATE_LIB_VIEW_REPORT_VIEW_H_
#define DMARCATE_LIB_VIEW_REPORT_VIEW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dmarcate/v1/report.pb.h"
#include "lib/report/model.h"

namespace dmarcate {

// Organisation, period, day, policy, counts and dialect; no name, no trust, no receipt.
void ToMessage(const AggregateReport& report, v1::AggregateReport* out);
// Seconds since the epoch, as reports say them: anything. Clamped to the years 1 to 9999, which are
// all that a Timestamp has; another is refused by JSON.
void ToMessage(int64_t begin, int64_t end, v1::Interval* out);
void ToMessage(const AggregateRecord& record, v1::AggregateRecord* out);
void ToMessage(const Repair& repair, v1::ParseFinding* out);
v1::AggregateReport::Outcome ToMessage(Outcome outcome);  // unspecified for what is no report
v1::PolicyKind ToMessage(const std::optional<Policy>& policy);
// A stranger's text, cut at 4 KiB.
void ToMessage(std::string_view text, v1::UntrustedText* out);

// "none", "quarantine", "reject", "pass"; empty for kUnspecified.
std::string_view ToText(Disposition disposition);
std::string_view ToText(AlignedResult result);
std::string_view ToText(AuthResult result);
std::string_view ToText(ReasonType type);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_VIEW_REPORT_VIEW_H_
