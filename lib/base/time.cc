#include "lib/base/time.h"

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {
constexpr int64_t kDaySeconds = 86400;
}  // namespace

DayNumber DayOfUnix(int64_t seconds) {
  int64_t day = seconds / kDaySeconds;
  if (seconds % kDaySeconds < 0) --day;
  return static_cast<DayNumber>(day);
}

DayNumber DayOf(absl::Time time) { return DayOfUnix(absl::ToUnixSeconds(time)); }

absl::Time StartOfDay(DayNumber day) { return absl::FromUnixSeconds(day * kDaySeconds); }

absl::CivilDay ToCivil(DayNumber day) { return absl::CivilDay(1970, 1, 1) + day; }

DayNumber FromCivil(absl::CivilDay day) {
  return static_cast<DayNumber>(day - absl::CivilDay(1970, 1, 1));
}

std::string FormatDay(DayNumber day) {
  const absl::CivilDay civil = ToCivil(day);
  return fmt::format("{:04}-{:02}-{:02}", civil.year(), civil.month(), civil.day());
}

absl::StatusOr<DayNumber> ParseDay(std::string_view text) {
  absl::CivilDay day;
  if (text.size() != 10 || !absl::ParseCivilTime(ToAbsl(text), &day)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("day '{}': want YYYY-MM-DD", text));
  }
  return FromCivil(day);
}

std::string FormatRfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("time '{}': want RFC 3339, {}", text, error));
  }
  return time;
}

}  // namespace dmarcate
