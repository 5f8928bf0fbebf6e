#include "policyd/service/mta_sts_status.h"

#include <cstdint>
#include <string>

#include "lib/base/text.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/service/convert.h"
#include "policyd/service/mta_sts_rollout_view.h"

namespace dmarcate {

v1::MtaStsStatus MtaStsStatusOf(const StsRollout& rollout,
                                const std::vector<RolloutLogRecord>& log) {
  v1::MtaStsStatus out;
  *out.mutable_rollout() = ToMessage(rollout);
  for (const RolloutLogRecord& entry : log) {
    if (entry.decision.empty()) continue;
    const absl::StatusOr<StsDecision> decision = DecodeStsDecision(entry.decision);
    if (!decision.ok()) return out;
    out.set_decision(std::string(ToString(decision->action)));
    out.set_reason(ToValidUtf8(decision->reason));
    *out.mutable_decide_time() = ToTimestamp(decision->time);
    if (decision->from != rollout.state.stage) return out;
    const absl::StatusOr<StsDecisionInput> input = DecodeStsInput(decision->input);
    if (!input.ok()) return out;
    const StsStep step = NextStep(input->state, input->evidence, input->now);
    const StsGate* nearest = nullptr;
    int32_t closed = 0;
    for (const StsGate& gate : step.gates) {
      if (gate.holds) continue;
      ++closed;
      if (nearest == nullptr || (nearest->waits_for_person && !gate.waits_for_person)) {
        nearest = &gate;
      }
    }
    out.set_closed_gate_count(closed);
    if (nearest != nullptr) *out.mutable_nearest_gate() = ToMessage(*nearest);
    return out;
  }
  return out;
}

}  // namespace dmarcate
