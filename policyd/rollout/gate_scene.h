// policyd/rollout/gate_scene.h
// What every gate of one decision looks at, gathered once, and how their texts say numbers. For
// gates.cc and mail_gates.cc only.

#ifndef DMARCATE_POLICYD_ROLLOUT_GATE_SCENE_H_
#define DMARCATE_POLICYD_ROLLOUT_GATE_SCENE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "fmt/format.h"

#include "policyd/rollout/figures.h"
#include "policyd/rollout/gates.h"

namespace dmarcate {

struct GateScene {
  const RolloutState& state;
  const Evidence& evidence;
  PolicyStage next;
  absl::Time now;
  DayFilter filter;
  Coverage coverage;
  Loss loss;
  PolicyImpact impact;
  std::vector<SourceView> recent;  // of the gate window
  std::vector<int32_t> leave_out;  // -1 first

  const GateSettings& gates() const { return state.settings.gates; }
  std::string Command(std::string_view format) const {
    return fmt::format(fmt::runtime(format), fmt::arg("domain", state.domain));
  }
};

std::string Percent(double share);                         // "1.25 %"
std::string Names(const std::vector<std::string>& names);  // "one, two, three and 4 more"
// "" or " without google.com".
std::string WithoutText(const GateScene& scene, int32_t without);

// Gates about mail; each must hold without any one anchor as well.
Gate JudgeSources(const GateScene& scene);      // G2
Gate JudgeDkim(const GateScene& scene);         // G3
Gate JudgeUnknown(const GateScene& scene);      // G4
Gate JudgeRareSenders(const GateScene& scene);  // G5
Gate JudgeForwarding(const GateScene& scene);   // G8
Gate JudgeBlastRadius(const GateScene& scene);  // G9
Gate JudgeLossBound(const GateScene& scene);    // DESIGN 13.9

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_GATE_SCENE_H_
