// policyd/rollout/forecast.h
// What a rollout would do from here on if everything went on as it is: day by day through the real
// decision. Pure; nothing is published, stored or asked.
//
// It supposes, and kForecastAssumptions says so to people:
//   - the mail of the last days comes again in the same order, reported by the same anchors with
//     their usual delay;
//   - receivers see a new stage from the day after it was published;
//   - the records stay as they are but for the steps, what is waiting is read, and no change is
//   open;
//   - where a step waits for a person's yes to what it would touch, somebody says it the same day;
//   a
//     loss without proof is signed by nobody.

#ifndef DMARCATE_POLICYD_ROLLOUT_FORECAST_H_
#define DMARCATE_POLICYD_ROLLOUT_FORECAST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "policyd/rollout/evidence.h"
#include "policyd/rollout/gates.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

inline constexpr int32_t kLeastTrafficDays = 7;
inline constexpr int32_t kMostTrafficDays = 90;
inline constexpr int32_t kMostForecastDays = 400;

struct ForecastOptions {
  int32_t traffic_days = 30;  // those that come again; kLeastTrafficDays to kMostTrafficDays
  int32_t days = 180;         // how far ahead; 1 to kMostForecastDays
};

// A gate that was closed on the first look at the next stage.
struct ForecastGate {
  GateId id = GateId::kDwell;
  std::string name, measured, required;  // on that first look
  // The last day on which it was closed, while the stage lasted; absent: it still was at the end.
  std::optional<DayNumber> closed_until;
};

struct ForecastStage {
  PolicyStage stage = PolicyStage::kObserve;
  absl::Time since;                 // when it was published, or would be
  bool by_person = false;           // somebody has to say yes to it
  std::vector<ForecastGate> waits;  // for the stage above
  // What this stage would do to the mail of the 30 days before it; of the first stage: absent.
  std::optional<PolicyImpact> impact;
};

struct Forecast {
  std::vector<ForecastStage> stages;  // the first: where it stands
  bool reached = false;               // the target
  std::string reason;                 // of the last decision
  absl::Time end;                     // when that was
};

// `evidence` as it is at `now`. A rollout that is paused or aborted stays so: one stage, and why.
Forecast ForecastRollout(RolloutState state, const Evidence& evidence, absl::Time now,
                         const ForecastOptions& options = {});

// One sentence each.
std::vector<std::string> ForecastAssumptions(const ForecastOptions& options);

// Several lines; ends with a line feed.
std::string TellForecast(const RolloutState& state, const Forecast& forecast,
                         const ForecastOptions& options);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_FORECAST_H_
