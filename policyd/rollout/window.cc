#include "policyd/rollout/window.h"

#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {

WindowVerdict JudgeWindow(const RolloutSettings& settings, absl::Time now) {
  for (const FreezeWindow& freeze : settings.freezes) {
    if (freeze.begin <= now && now < freeze.end) {
      return {false,
              fmt::format("frozen until {}: {}", FormatRfc3339(freeze.end),
                          EscapeForTerminal(freeze.reason)),
              freeze.end};
    }
  }
  const WorkingHours& hours = settings.hours;
  const absl::Time local = now + absl::Minutes(hours.utc_offset_minutes);
  const absl::CivilDay day = absl::ToCivilDay(local, absl::UTCTimeZone());
  const int64_t minute = (local - absl::FromCivil(day, absl::UTCTimeZone())) / absl::Minutes(1);
  const auto weekday = static_cast<size_t>(absl::GetWeekday(day));  // Monday is 0
  if (hours.days[weekday] && minute >= hours.from_minute && minute < hours.to_minute) {
    return {true, "working hours, no freeze", now};
  }
  return {false, "outside of working hours", now + absl::Hours(1)};
}

}  // namespace dmarcate
