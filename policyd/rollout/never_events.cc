#include "policyd/rollout/never_events.h"

#include <algorithm>

#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {
namespace {

// Floors of CheckSettings: what no setting can undercut.
constexpr int32_t kLeastDays = 3;
constexpr int32_t kLeastAnchors = 2;
constexpr absl::Duration kStalest = absl::Hours(31 * 24);
constexpr double kLeastAligned = 0.97;
constexpr int64_t kFloor = 500;
constexpr int32_t kLeastLooks = 2;
constexpr DayNumber kLongestSilence = 30;  // of a source whose breakage counts

absl::Status Never(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, what);
}

absl::Status CheckUp(const RolloutState& state, const Evidence& evidence, PolicyStage to,
                     absl::Time now) {
  // R2. A test stage may be left out where it would lower another tag (DESIGN 13.10).
  for (const PolicyStage stage : kPolicyStages) {
    if (stage > state.stage && stage < to && !IsTestStage(stage)) {
      return Never(fmt::format("R2: from {} to {} skips {}", ToString(state.stage), ToString(to),
                               ToString(stage)));
    }
  }
  if (to <= state.stage) return Never("R2: a step up that goes nowhere");
  if (DayOf(now) - DayOf(state.last_up) <= kLeastDays && state.last_up != absl::InfinitePast()) {
    return Never("R2: two steps up within the dwell");
  }
  // R3.
  const DayNumber stage_day = DayOf(state.stage_start);
  int32_t anchors = 0;
  absl::Time newest = absl::InfinitePast();
  for (const AnchorEvidence& anchor : evidence.anchors) {
    const bool since = std::ranges::any_of(
        anchor.days, [&](DayNumber day) { return day > stage_day && day < DayOf(now); });
    if (!since) continue;
    ++anchors;
    newest = std::max(newest, anchor.last_report);
  }
  if (anchors < kLeastAnchors) return Never(fmt::format("R3: {} anchors in this stage", anchors));
  if (now - newest > kStalest) return Never("R3: stale evidence");
  if (state.mode == RolloutMode::kAdvise) return Never("R14: this rollout only advises");
  if (state.mode == RolloutMode::kConfirm && !state.confirmation.has_value()) {
    return Never("R11: nobody has confirmed the step");
  }
  if (evidence.rules.two_people) {
    const std::optional<Confirmation>& yes = state.confirmation;
    if (!yes.has_value() || yes->by.empty() || yes->second_by.empty() ||
        yes->by == yes->second_by) {
      return Never("R17: two people are wanted, and not two have said yes");
    }
  }
  for (const FreezeWindow& freeze : evidence.rules.freezes) {
    if (freeze.begin <= now && now < freeze.end) {
      return Never(fmt::format("R18: frozen until {}", FormatRfc3339(freeze.end)));
    }
  }
  if (state.status != RolloutStatus::kActive) return Never("R2: a rollout that is not active");
  if (to > state.target) return Never("R2: beyond the target");
  if (RequestedBy(to) == DmarcPolicy::kNone) return absl::OkStatus();
  for (const SourceEvidence& source : evidence.sources) {
    if (source.standing != SourceStanding::kApproved) continue;
    int64_t direct = 0;
    int64_t aligned = 0;
    int64_t dkim = 0;
    for (const SourceDay& day : source.days) {
      const bool excluded =
          std::ranges::find(evidence.excluded_days, day.day) != evidence.excluded_days.end();
      if (day.day >= DayOf(now) || day.day < DayOf(now) - 30 || day.day == stage_day || excluded) {
        continue;
      }
      direct += day.messages - day.forwarded;
      aligned += day.aligned;
      dkim += day.dkim_aligned;
    }
    // R1, here for every enforced policy.
    if (direct >= kFloor &&
        static_cast<double>(aligned) < kLeastAligned * static_cast<double>(direct)) {
      return Never(fmt::format("R1: {} has {} of {} messages aligned", source.id, aligned, direct));
    }
    // R10.
    if (RequestedBy(to) == DmarcPolicy::kReject && (source.spf_only || (direct > 0 && dkim == 0))) {
      return Never(fmt::format("R10: {} passes by SPF only", source.id));
    }
  }
  return absl::OkStatus();
}

// A floor below what NextStep asks for: more than one look, of what an approved source that still
// sends needs and nothing makes up for.
bool IsSeenBroken(const Breakage& breakage, const Evidence& evidence, absl::Time now) {
  if (breakage.carried || breakage.looks < kLeastLooks || breakage.since > now) return false;
  return breakage.source_id.empty() ||
         std::ranges::any_of(evidence.sources, [&](const SourceEvidence& source) {
           return source.id == breakage.source_id && source.standing == SourceStanding::kApproved &&
                  std::ranges::any_of(source.days, [now](const SourceDay& day) {
                    return day.messages > 0 && day.day >= DayOf(now) - kLongestSilence;
                  });
         });
}

absl::Status CheckDown(const RolloutState& state, const Evidence& evidence, PolicyStage to,
                       absl::Time now) {
  if (to >= state.stage) return Never("R5: a step down that does not go down");
  if (state.mode != RolloutMode::kAutomatic)
    return Never("R4: only AUTOMATIC steps down by itself");
  if (std::ranges::none_of(evidence.breakages, [&](const Breakage& breakage) {
        return IsSeenBroken(breakage, evidence, now);
      })) {
    return Never("R4: nothing that we saw ourselves");
  }
  if (now - state.last_auto_down < absl::Hours(24)) return Never("R5: the second within 24 hours");
  for (const PolicyStage stage : kPolicyStages) {
    if (stage > to && stage < state.stage && !IsTestStage(stage)) {
      return Never(
          fmt::format("R5: more than one stage, {} to {}", ToString(state.stage), ToString(to)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNeverEvents(const RolloutState& state, const Evidence& evidence, const Step& step,
                              absl::Time now) {
  if (step.reason.empty()) return Never("R11: a decision without a reason");
  const bool writes = step.action == StepAction::kStepUp || step.action == StepAction::kStepDown ||
                      step.action == StepAction::kAbort;
  if (!writes) return absl::OkStatus();
  if (evidence.domain != state.domain) return Never("R12: evidence of another domain");
  if (!evidence.control.domain_verified) return Never("R13: an unproven domain");
  if (!evidence.control.writable) return Never("R14: a restored backup, a demo or a dry run");
  if (evidence.control.suspended && step.action != StepAction::kAbort) {
    return Never("R14: a domain that is suspended");
  }
  if (step.to < state.stage && !step.alert) return Never("R15: a policy lowered without an alert");
  switch (step.action) {
    case StepAction::kStepUp:
      return CheckUp(state, evidence, step.to, now);
    case StepAction::kStepDown:
      return CheckDown(state, evidence, step.to, now);
    case StepAction::kAbort:
      if (state.abort_to != step.to) return Never("R11: an abort that nobody asked for");
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

}  // namespace dmarcate
