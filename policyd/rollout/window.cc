#include "policyd/rollout/window.h"

#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {

WindowVerdict JudgeWindow(const RolloutSettings& settings, absl::Time now,
                          const std::vector<FreezeWindow>& rules) {
  const FreezeWindow* frozen = nullptr;
  for (const std::vector<FreezeWindow>* freezes : {&settings.freezes, &rules}) {
    for (const FreezeWindow& freeze : *freezes) {
      const bool holds = freeze.begin <= now && now < freeze.end;
      if (holds && (frozen == nullptr || freeze.end > frozen->end)) frozen = &freeze;
    }
  }
  if (frozen != nullptr) {
    return {false,
            fmt::format("frozen until {}: {}", FormatRfc3339(frozen->end),
                        EscapeForTerminal(frozen->reason)),
            frozen->end};
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
