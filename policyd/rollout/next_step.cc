#include "policyd/rollout/next_step.h"

#include <algorithm>
#include <utility>

#include "lib/base/binomial.h"
#include "lib/base/status_macros.h"
#include "policyd/rollout/figures.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kRecheck = absl::Hours(1);
constexpr absl::Duration kBetweenStepsDown = absl::Hours(24);
// Breakage counts when it was seen so often in a row, over so long: a zone transfer or a vendor's
// maintenance is none.
constexpr int32_t kLooksOfBreakage = 3;
constexpr absl::Duration kAgeOfBreakage = absl::Minutes(30);
constexpr absl::Duration kFreshLook = absl::Hours(6);
constexpr double kNewSourceShare = 0.2;
constexpr absl::Duration kUnsettled = absl::Minutes(1);

Step Make(const RolloutState& state, StepAction action, std::string reason, absl::Time ask_again) {
  Step step;
  step.action = action;
  step.to = state.stage;
  step.reason = std::move(reason);
  step.ask_again = ask_again;
  return step;
}

Step Hold(const RolloutState& state, absl::Time now, std::string reason) {
  return Make(state, StepAction::kHold, std::move(reason), now + kRecheck);
}

// A rollout that is paused already stays as it is.
Step Pause(const RolloutState& state, absl::Time now, PauseReason why, std::string detail) {
  if (state.status == RolloutStatus::kPaused) {
    return Hold(state, now,
                fmt::format("paused ({}): {}", ToString(state.pause_reason), state.pause_detail));
  }
  Step step = Make(state, StepAction::kPause, fmt::format("pause ({}): {}", ToString(why), detail),
                   now + kRecheck);
  step.pause = why;
  step.pause_detail = std::move(detail);
  step.alert = true;
  step.next_commands = {fmt::format("dmarcate rollout explain {}", state.domain),
                        fmt::format("dmarcate rollout resume {}", state.domain)};
  return step;
}

bool IsEnforced(PolicyStage stage) { return AppliedBy(stage) != DmarcPolicy::kNone; }

std::string_view Describe(BreakageKind kind) {
  switch (kind) {
    case BreakageKind::kSelectorGone:
      return "its DKIM key is gone";
    case BreakageKind::kIncludeBroken:
      return "an SPF include leads nowhere";
    case BreakageKind::kSpfPermerror:
      return "the SPF record is a permerror";
  }
  return "broken";
}

// Whether a source has sent within the last `days`, by reports. A vendor that was left takes its
// key away, too: that breaks nothing.
bool HasSent(const SourceEvidence& source, int32_t days, absl::Time now) {
  return std::ranges::any_of(source.days, [first = DayOf(now) - days](const SourceDay& day) {
    return day.messages > 0 && day.day >= first;
  });
}

// Whether mail that is lost by it was sent within the last `days`. What is of all sources is not
// found where none needs it (policyd/evidence).
bool IsInUse(const Breakage& breakage, const Evidence& evidence, int32_t days, absl::Time now) {
  return breakage.source_id.empty() ||
         std::ranges::any_of(evidence.sources, [&](const SourceEvidence& source) {
           return source.id == breakage.source_id && HasSent(source, days, now);
         });
}

// The first breakage that is proved, of an approved source that sends, and `carried` by the other
// mechanism or not.
const Breakage* FindBreakage(const RolloutState& state, const Evidence& evidence, bool carried,
                             absl::Time now) {
  for (const Breakage& breakage : evidence.breakages) {
    if (breakage.carried != carried || breakage.looks < kLooksOfBreakage ||
        now - breakage.since < kAgeOfBreakage) {
      continue;
    }
    // What was shown to who resumed is known.
    if (state.status != RolloutStatus::kPaused && breakage.since <= state.resume_time) continue;
    const bool approved =
        breakage.source_id.empty() ||
        std::ranges::any_of(evidence.sources, [&breakage](const SourceEvidence& source) {
          return source.id == breakage.source_id && source.standing == SourceStanding::kApproved;
        });
    if (approved && IsInUse(breakage, evidence, kGateWindowDays, now)) return &breakage;
  }
  return nullptr;
}

std::string Tell(const Breakage& breakage) {
  return fmt::format("{}: {} ({}), seen {} times since {}",
                     breakage.source_id.empty() ? "approved sources" : breakage.source_id,
                     Describe(breakage.kind), breakage.name, breakage.looks,
                     FormatRfc3339(breakage.since));
}

Step OnBreakage(const RolloutState& state, const Evidence& evidence, const DmarcRecord& live,
                const Breakage& breakage, absl::Time now) {
  const std::string detail = Tell(breakage);
  const bool may_step =
      IsInUse(breakage, evidence, kRecentDays, now) && state.mode == RolloutMode::kAutomatic &&
      state.settings.step_down &&
      (state.status != RolloutStatus::kPaused || state.pause_reason == PauseReason::kBreakage);
  const std::optional<PolicyStage> below = StageBelow(live, state.scope, state.stage);
  if (!may_step || !below.has_value()) return Pause(state, now, PauseReason::kBreakage, detail);
  if (now < state.last_auto_down + kBetweenStepsDown) {
    Step step = Pause(state, now, PauseReason::kBreakage, detail);
    step.reason += "; one stage down in 24 hours is the most";
    return step;
  }
  Step step = Make(state, StepAction::kStepDown,
                   fmt::format("step down to {}: {}", ToString(*below), detail), now + kRecheck);
  step.to = *below;
  step.pause = PauseReason::kBreakage;
  step.pause_detail = detail;
  step.alert = true;
  step.next_commands = {fmt::format("dmarcate records lint {}", state.domain),
                        fmt::format("dmarcate rollout explain {}", state.domain)};
  return step;
}

// What anchors say of the last days: an approved source whose mail fails for certain, or much mail
// of a legitimate-looking source that nobody has decided about.
std::optional<Step> OnTrouble(const RolloutState& state, const Evidence& evidence, absl::Time now) {
  const DayFilter filter(state, evidence, now);
  DayNumber first = filter.last() - kRecentDays + 1;
  if (state.resume_time != absl::InfinitePast()) {
    first = std::max(first, DayOf(state.resume_time) + 1);
  }
  int64_t all = 0;
  for (const SourceEvidence& source : evidence.sources) {
    if (source.standing == SourceStanding::kApproved || source.looks_legitimate) {
      all += CountDays(source, filter, first, filter.last()).messages;
    }
  }
  const int64_t floor = state.settings.gates.source_floor;
  for (const SourceEvidence& source : evidence.sources) {
    const SourceCounts counts = CountDays(source, filter, first, filter.last());
    if (source.standing == SourceStanding::kApproved) {
      const double least = LowerBound(counts.failing(), counts.direct(), kLookConfidence);
      const double allowed = std::max(kAllowedLoss, 1 - state.settings.gates.source_aligned);
      if (least <= allowed) continue;
      return Pause(state, now, PauseReason::kSourceFailing,
                   fmt::format("{}: {} of {} messages in {} days fail, by anchors' reports",
                               source.id, counts.failing(), counts.direct(), kRecentDays));
    }
    if (source.standing != SourceStanding::kPending || !source.looks_legitimate) continue;
    const auto share =
        static_cast<double>(counts.messages) / static_cast<double>(std::max<int64_t>(all, 1));
    if (counts.messages < floor || share < kNewSourceShare) continue;
    return Pause(state, now, PauseReason::kNewSource,
                 fmt::format("{}: {} of {} messages in {} days, and nobody has decided about it",
                             source.id, counts.messages, all, kRecentDays));
  }
  return std::nullopt;
}

Step Decide(const RolloutState& state, const Evidence& evidence, PolicyStage next, absl::Time now) {
  std::vector<Gate> gates = EvaluateGates(state, evidence, next, now);
  std::vector<std::string> closed;
  std::vector<std::string> for_person;
  for (const Gate& gate : gates) {
    if (gate.holds) continue;
    (gate.waits_for_person ? for_person : closed).push_back(std::string(ToString(gate.id)));
  }
  // In a freeze, too: it may be taken back, and what breaks meanwhile is seen.
  Step step = Make(state, StepAction::kHold, "", now + kRecheck);
  step.to = next;
  if (!closed.empty()) {
    step.to = state.stage;
    step.reason = fmt::format("hold at {}: {} closed", ToString(state.stage), Join(closed, ", "));
    step.next_commands = {fmt::format("dmarcate rollout explain {}", state.domain)};
  } else if (state.mode == RolloutMode::kAdvise) {
    step.action = StepAction::kReady;
    step.reason = fmt::format("ready for {}; this rollout only advises", ToString(next));
    step.next_commands = {fmt::format("dmarcate rollout simulate {}", state.domain)};
  } else if (!for_person.empty()) {
    const bool by_confirmation = state.mode == RolloutMode::kConfirm;
    step.action = by_confirmation ? StepAction::kReady : StepAction::kHold;
    if (!by_confirmation) step.to = state.stage;
    step.reason =
        IsSaidYes(state, evidence, next, now) && !IsConfirmed(state, evidence, next, now)
            ? fmt::format("{} {}: {} has said yes, and another person is wanted",
                          by_confirmation ? "ready for" : "hold before", ToString(next),
                          state.confirmation->by)
            : fmt::format("{} {}: {} waits for {}", by_confirmation ? "ready for" : "hold before",
                          ToString(next), Join(for_person, ", "),
                          evidence.rules.two_people ? "two people" : "a person");
    step.next_commands = {fmt::format("dmarcate rollout simulate {}", state.domain),
                          fmt::format("dmarcate rollout advance {}", state.domain)};
  } else {
    step.action = StepAction::kStepUp;
    step.reason = fmt::format("step up to {}: all gates hold", ToString(next));
  }
  step.gates = std::move(gates);
  step.impact = MeasureImpact(state, evidence, now);
  return step;
}

std::string DescribeLive(const RecordEvidence& records) {
  if (!records.alias.empty()) {
    return fmt::format("it is an alias of {}", EscapeForTerminal(records.alias));
  }
  return records.dmarc.empty() ? std::string("no record")
                               : EscapeForTerminal(records.dmarc.front());
}

// What must be right before anything at all is published, a person's abort included. Empty: it is.
std::string Forbidden(const RolloutState& state, const Evidence& evidence) {
  const ControlEvidence& control = evidence.control;
  if (evidence.domain != state.domain) {
    return fmt::format("the evidence is of {}, not of {}", EscapeForTerminal(evidence.domain),
                       state.domain);
  }
  if (!control.writable) {
    return control.why.empty()
               ? "this policyd must not write: a demo, a dry run or a restored backup"
               : control.why;
  }
  if (!control.domain_verified) return "the proof that the domain is yours has lapsed";
  if (!state.pending_change.empty()) {
    return fmt::format("change {} is on its way", state.pending_change);
  }
  return "";
}

}  // namespace

std::string_view ToString(StepAction action) {
  switch (action) {
    case StepAction::kHold:
      return "hold";
    case StepAction::kReady:
      return "ready";
    case StepAction::kStepUp:
      return "step-up";
    case StepAction::kStepDown:
      return "step-down";
    case StepAction::kAbort:
      return "abort";
    case StepAction::kPause:
      return "pause";
    case StepAction::kComplete:
      return "complete";
  }
  return "unknown";
}

std::optional<DmarcRecord> LiveRecord(const Evidence& evidence) {
  const DmarcSelection selection = SelectDmarc(evidence.records.dmarc);
  if (selection.outcome != DmarcSelection::Outcome::kOne) return std::nullopt;
  absl::StatusOr<DmarcRecord> record =
      ParseDmarc(evidence.records.dmarc[selection.indexes.front()]);
  if (!record.ok()) return std::nullopt;
  return *std::move(record);
}

Step NextStep(const RolloutState& state, const Evidence& evidence, absl::Time now) {
  if (state.status == RolloutStatus::kAborted) return Hold(state, now, "aborted");
  if (const std::string why = Forbidden(state, evidence); !why.empty()) {
    return Hold(state, now, fmt::format("frozen: {}", why));
  }
  // Before anything that needs evidence: it must work while all else is broken. The change itself
  // compares before it writes.
  if (state.abort_to.has_value()) {
    Step step =
        Make(state, StepAction::kAbort,
             fmt::format("abort to {}: asked for", ToString(*state.abort_to)), now + kRecheck);
    step.to = *state.abort_to;
    step.alert = true;
    return step;
  }
  const ControlEvidence& control = evidence.control;
  if (control.suspended) {
    return Hold(state, now,
                control.why.empty() ? std::string("frozen: the domain is suspended")
                                    : fmt::format("frozen: {}", EscapeForTerminal(control.why)));
  }
  if (!evidence.decisions_settled) {
    Step step = Hold(state, now, "sources were approved or rejected while this was decided");
    step.ask_again = now + kUnsettled;
    return step;
  }
  if (evidence.ingest.disk_full) return Hold(state, now, "frozen: a store's disk is full");
  if (!control.attention_change.empty()) {
    return Pause(state, now, PauseReason::kAttention,
                 fmt::format("change {} needs attention", control.attention_change));
  }
  if (evidence.records.looked == absl::InfinitePast() ||
      now - evidence.records.looked > kFreshLook) {
    return Hold(state, now, "the live records could not be read for 6 hours");
  }
  const std::optional<DmarcRecord> live = LiveRecord(evidence);
  if (!live.has_value() || !evidence.records.alias.empty() ||
      StageOf(*live, state.scope) != state.stage) {
    return Pause(state, now, PauseReason::kDrift,
                 fmt::format("_dmarc.{} is not at {} any more: {}", state.domain,
                             ToString(state.stage), DescribeLive(evidence.records)));
  }
  if (IsEnforced(state.stage)) {
    if (const Breakage* breakage = FindBreakage(state, evidence, false, now)) {
      return OnBreakage(state, evidence, *live, *breakage, now);
    }
    // SPF that broke while all approved mail is signed loses nothing; it is no time to go on
    // either.
    const Breakage* const carried = FindBreakage(state, evidence, true, now);
    if (carried != nullptr && carried->kind != BreakageKind::kSelectorGone) {
      return Pause(state, now, PauseReason::kBreakage,
                   fmt::format("{}; all approved mail passes by DKIM", Tell(*carried)));
    }
  }
  if (state.status == RolloutStatus::kPaused) {
    Step step =
        Hold(state, now,
             fmt::format("paused ({}): {}", ToString(state.pause_reason), state.pause_detail));
    step.next_commands = {fmt::format("dmarcate rollout resume {}", state.domain)};
    return step;
  }
  if (IsEnforced(state.stage)) {
    if (std::optional<Step> step = OnTrouble(state, evidence, now)) return *std::move(step);
  }
  const std::optional<PolicyStage> next = StageAbove(*live, state.scope, state.stage);
  // A test stage beyond the target tests nothing that is wanted.
  if (!next.has_value() || *next > state.target) {
    if (state.status == RolloutStatus::kCompleted) {
      return Hold(state, now, fmt::format("at {}, as wanted", ToString(state.stage)));
    }
    return Make(state, StepAction::kComplete,
                fmt::format("the target {} is reached", ToString(state.target)), now + kRecheck);
  }
  return Decide(state, evidence, *next, now);
}

RolloutState AfterDecision(RolloutState state, const Step& step, absl::Time now) {
  if (!step.gates.empty()) {
    state.gates.clear();
    for (const Gate& gate : step.gates) state.gates.push_back({gate.id, gate.holds, gate.since});
  }
  if (step.action == StepAction::kPause) {
    state.status = RolloutStatus::kPaused;
    state.pause_reason = step.pause;
    state.pause_detail = step.pause_detail;
    state.pause_time = now;
    state.confirmation.reset();
  }
  if (step.action == StepAction::kComplete) state.status = RolloutStatus::kCompleted;
  return state;
}

RolloutState AfterPublished(RolloutState state, const Step& step, absl::Time now) {
  state.pending_change.clear();
  state.confirmation.reset();
  state.gates.clear();
  state.stage = step.to;
  state.stage_start = now;
  switch (step.action) {
    case StepAction::kStepUp:
      state.last_up = now;
      break;
    case StepAction::kStepDown:
      state.last_auto_down = now;
      state.status = RolloutStatus::kPaused;
      state.pause_reason = step.pause;
      state.pause_detail = step.pause_detail;
      state.pause_time = now;
      break;
    case StepAction::kAbort:
      state.status = RolloutStatus::kAborted;
      state.abort_to.reset();
      break;
    case StepAction::kHold:
    case StepAction::kReady:
    case StepAction::kPause:
    case StepAction::kComplete:
      break;
  }
  return state;
}

}  // namespace dmarcate
