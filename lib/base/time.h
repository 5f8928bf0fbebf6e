// lib/base/time.h
// UTC days and RFC 3339 text, independent of locale and host zone.

#ifndef DMARCATE_LIB_BASE_TIME_H_
#define DMARCATE_LIB_BASE_TIME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace dmarcate {

// Days since 1970-01-01 UTC; negative before.
using DayNumber = int32_t;

DayNumber DayOf(absl::Time time);
DayNumber DayOfUnix(int64_t seconds);
absl::Time StartOfDay(DayNumber day);
absl::CivilDay ToCivil(DayNumber day);
DayNumber FromCivil(absl::CivilDay day);
// "2026-11-24"
std::string FormatDay(DayNumber day);
// kInvalidArgument unless YYYY-MM-DD of a real day.
absl::StatusOr<DayNumber> ParseDay(std::string_view text);
// "2026-11-24T17:55:50Z"
std::string FormatRfc3339(absl::Time time);
absl::StatusOr<absl::Time> ParseRfc3339(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_TIME_H_
