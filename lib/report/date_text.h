// lib/report/date_text.h
// Points in time as reporters write them (report-quirks R11 to R14), without locale or host zone.

#ifndef DMARCATE_LIB_REPORT_DATE_TEXT_H_
#define DMARCATE_LIB_REPORT_DATE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace dmarcate {

enum class DateForm {
  kSeconds,   // "1538413632"
  kFraction,  // "1538413632.5": floor at the begin of an interval, ceiling at its end
  kScaled,    // milli-, micro- or nanoseconds, told by their size
  kText,      // RFC 3339 or RFC 5322; no zone means UTC
};
enum class DateEdge { kBegin, kEnd };

struct DateValue {
  int64_t seconds = 0;  // since 1970 UTC
  DateForm form = DateForm::kSeconds;
};

// nullopt for what is no date, for 0 and for negative numbers. `text` is trimmed.
std::optional<DateValue> ReadDate(std::string_view text, DateEdge edge);

// RFC 3339 ("2025-05-23T00:00:00Z", fraction and zone optional, blank for T, or the day alone) and
// RFC 5322
// ("Fri, 28 Sep 2018 16:48:42 +0800 (CST)", day of the week and seconds optional).
std::optional<int64_t> ReadDateText(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_DATE_TEXT_H_
