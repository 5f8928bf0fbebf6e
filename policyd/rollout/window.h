// policyd/rollout/window.h
// Whether now is a time for a step: freeze windows and working hours (gate G10). Pure.

#ifndef DMARCATE_POLICYD_ROLLOUT_WINDOW_H_
#define DMARCATE_POLICYD_ROLLOUT_WINDOW_H_

#include <string>

#include "absl/time/time.h"

#include "policyd/rollout/settings.h"

namespace dmarcate {

struct WindowVerdict {
  bool open = false;
  std::string why;   // "frozen until 2027-01-02T00:00:00Z: year end"
  absl::Time until;  // when to ask again, if it is closed
};
// `rules`: freezes beside those of the settings; of all that hold now the longest is told.
WindowVerdict JudgeWindow(const RolloutSettings& settings, absl::Time now,
                          const std::vector<FreezeWindow>& rules = {});

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_WINDOW_H_
