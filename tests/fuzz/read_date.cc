// A point in time that was read is one that can be written: in both forms it reads back as itself,
// and the readers of reports and of mails agree on it. The two edges of an interval differ by the
// second that a fraction is rounded to, at most.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

#include "lib/mail/header_value.h"
#include "lib/report/date_text.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string Written(int64_t seconds, const char* format) {
  return absl::FormatTime(format, absl::FromUnixSeconds(seconds), absl::UTCTimeZone());
}

void ReadsBack(int64_t seconds) {
  const int64_t year =
      absl::ToCivilYear(absl::FromUnixSeconds(seconds), absl::UTCTimeZone()).year();
  Require(year >= -1 && year <= 10'000);  // four digits, and a zone
  if (year < 1970 || year > 9999) return;
  Require(dmarcate::ReadDateText(Written(seconds, "%Y-%m-%dT%H:%M:%SZ")) == seconds);
  const std::string mail = Written(seconds, "%a, %d %b %Y %H:%M:%S +0000");
  Require(dmarcate::ReadDateText(mail) == seconds);
  if (year < 2100) Require(dmarcate::ParseMailDate(mail) == absl::FromUnixSeconds(seconds));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const std::optional<int64_t> seconds = dmarcate::ReadDateText(text)) ReadsBack(*seconds);
  if (const std::optional<absl::Time> time = dmarcate::ParseMailDate(text)) {
    Require(*time > absl::InfinitePast() && *time < absl::InfiniteFuture());
  }
  const auto begin = dmarcate::ReadDate(text, dmarcate::DateEdge::kBegin);
  const auto end = dmarcate::ReadDate(text, dmarcate::DateEdge::kEnd);
  Require(begin.has_value() == end.has_value());
  if (!begin.has_value()) return 0;
  Require(begin->form == end->form);
  const int64_t rounded = end->seconds - begin->seconds;
  Require(rounded == 0 || (rounded == 1 && begin->form == dmarcate::DateForm::kFraction));
  if (begin->form == dmarcate::DateForm::kText) {
    ReadsBack(begin->seconds);
  } else {
    Require(begin->seconds > 0 && begin->seconds <= 100'000'000'000);
  }
  return 0;
}
