#include "policyd/mta_sts/next_step.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/mta_sts/step_parts.h"

namespace dmarcate {
namespace {

// Senders refuse servers that the policy does not vouch for, or are about to.
bool Enforces(const StsState& state) {
  return state.stage == StsStage::kEnforce ||
         (state.move.has_value() && state.move->to == StsStage::kEnforce);
}

StsStep Decide(const StsState& state, const StsEvidence& evidence, StsStage next, StsMoveKind kind,
               absl::Time now) {
  std::vector<StsGate> gates = EvaluateStsGates(state, evidence, next, now);
  std::vector<std::string> closed;
  std::vector<std::string> for_person;
  for (const StsGate& gate : gates) {
    if (gate.holds) continue;
    (gate.waits_for_person ? for_person : closed).push_back(std::string(ToString(gate.id)));
  }
  const std::string what = kind == StsMoveKind::kRefresh
                               ? fmt::format("the new file of {}", ToString(next))
                               : std::string(ToString(next));
  StsStep step = HoldSts(state, now, "");
  if (!closed.empty()) {
    step.reason = fmt::format("hold at {}: {} closed", ToString(state.stage), Join(closed, ", "));
    step.next_commands = {fmt::format("dmarcate mta-sts explain {}", state.domain)};
  } else if (state.mode == RolloutMode::kAdvise) {
    step.action = StsAction::kReady;
    step.reason = fmt::format("ready for {}; this ladder only advises", what);
    step.next_commands = {fmt::format("dmarcate mta-sts policy {}", state.domain)};
  } else if (!for_person.empty()) {
    step.action = StsAction::kReady;
    step.reason = fmt::format("ready for {}: {} waits for a person", what, Join(for_person, ", "));
    step.next_commands = {fmt::format("dmarcate mta-sts explain {}", state.domain),
                          fmt::format("dmarcate mta-sts advance {}", state.domain)};
  } else {
    step = ServeSts(state, now, next, kind, fmt::format("serve {}: all gates hold", what));
  }
  if (step.action == StsAction::kReady) {
    step.to = next;
    step.file = WantedStsFile(state.settings, next);
  }
  step.gates = std::move(gates);
  return step;
}

// What must be right before anything at all is published, a person's abort included. Empty: it is.
std::string Forbidden(const StsState& state, const StsEvidence& evidence) {
  const ControlEvidence& control = evidence.control;
  if (evidence.domain != state.domain) {
    return fmt::format("the evidence is of {}, not of {}", EscapeForTerminal(evidence.domain),
                       state.domain);
  }
  if (!control.writable) {
    return "this policyd must not write: a demo, a dry run or a restored backup";
  }
  if (!control.domain_verified) return "the proof that the domain is yours has lapsed";
  if (!state.pending_change.empty()) {
    return fmt::format("change {} is on its way", state.pending_change);
  }
  return "";
}

}  // namespace

std::string_view ToString(StsAction action) {
  switch (action) {
    case StsAction::kHold:
      return "hold";
    case StsAction::kReady:
      return "ready";
    case StsAction::kServe:
      return "serve";
    case StsAction::kPublish:
      return "publish";
    case StsAction::kRemove:
      return "remove";
    case StsAction::kPause:
      return "pause";
    case StsAction::kComplete:
      return "complete";
    case StsAction::kEnd:
      return "end";
  }
  return "unknown";
}

StsStep NextStep(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  if (state.status == RolloutStatus::kAborted) return HoldSts(state, now, "ended");
  if (const std::string why = Forbidden(state, evidence); !why.empty()) {
    return HoldSts(state, now, fmt::format("frozen: {}", why));
  }
  if (state.abort_to.has_value()) return OnStsAbort(state, evidence, now);
  const ControlEvidence& control = evidence.control;
  if (control.suspended)
    return HoldSts(
        state, now,
        fmt::format("frozen: {}", control.why.empty() ? "the domain is suspended" : control.why));
  if (evidence.disk_full) return HoldSts(state, now, "frozen: a store's disk is full");
  if (!control.attention_change.empty()) {
    return PauseSts(state, now, StsPause::kAttention,
                    fmt::format("change {} needs attention", control.attention_change));
  }
  const absl::Time looked = evidence.records.looked;
  if (looked == absl::InfinitePast() || now - looked > kFreshStsRecords) {
    return HoldSts(state, now, "the live records could not be read for 6 hours");
  }
  if (std::optional<StsStep> step = OnStsDrift(state, evidence, now)) return *std::move(step);
  if (state.move.has_value() && state.move->kind == StsMoveKind::kDown) {
    return OnStsMove(state, evidence, now);  // although it is paused, and because it is broken
  }
  if (Enforces(state)) {
    if (std::optional<StsStep> step = OnStsMxTrouble(state, evidence, now)) return *std::move(step);
  }
  if (state.status == RolloutStatus::kPaused) {
    StsStep step = HoldSts(state, now, StsPausedText(state));
    step.next_commands = {fmt::format("dmarcate mta-sts resume {}", state.domain)};
    return step;
  }
  if (Enforces(state)) {
    if (std::optional<StsStep> step = OnStsFailures(state, evidence, now)) return *std::move(step);
  }
  if (state.move.has_value()) {
    const StsMove& move = *state.move;
    // Else somebody wants to be asked since it began, or it was paused meanwhile, which takes a yes
    // back; a later yes lets it begin anew.
    const bool two = evidence.rules.two_people;
    const std::optional<StsConfirmation>& yes = state.confirmation;
    const bool said = yes.has_value() && yes->time <= move.since &&
                      (!two || (!yes->second_by.empty() && yes->second_by != yes->by));
    const bool willed = said || (state.mode == RolloutMode::kAutomatic && !two);
    if (willed && move.file == WantedStsFile(state.settings, move.to)) {
      return OnStsMove(state, evidence, now);
    }
    // Or changed the settings: the file that is on its way is not wanted any more.
    return Decide(state, evidence, move.to, move.kind, now);
  }
  if (state.stage == StsStage::kOff) {
    return Decide(state, evidence, StsStage::kTesting, StsMoveKind::kUp, now);
  }
  // Before anything else, since what was reported was about the file that is served.
  if (state.stage != StsStage::kWithdrawn &&
      WantedStsFile(state.settings, state.stage) != state.file) {
    return Decide(state, evidence, state.stage, StsMoveKind::kRefresh, now);
  }
  if (state.stage == StsStage::kTesting && state.target == StsStage::kEnforce) {
    return Decide(state, evidence, StsStage::kEnforce, StsMoveKind::kUp, now);
  }
  if (state.status == RolloutStatus::kCompleted) {
    return HoldSts(state, now, fmt::format("at {}, as wanted", ToString(state.stage)));
  }
  return MakeStsStep(state, StsAction::kComplete,
                     fmt::format("the target {} is reached", ToString(state.target)),
                     now + kStsRecheck);
}

StsState AfterDecision(StsState state, const StsStep& step, absl::Time now) {
  if (!step.gates.empty()) {
    state.gates.clear();
    for (const StsGate& gate : step.gates) {
      state.gates.push_back({gate.id, gate.holds, gate.since});
    }
  }
  const bool pauses = step.action == StsAction::kPause ||
                      (step.action == StsAction::kServe && step.kind == StsMoveKind::kDown);
  if (pauses) {
    state.status = RolloutStatus::kPaused;
    state.pause_reason = step.pause;
    state.pause_detail = step.pause_detail;
    state.pause_time = now;
    state.confirmation.reset();
  }
  switch (step.action) {
    case StsAction::kServe:
      if (state.move.has_value()) {
        state.abandoned_age = std::max(state.abandoned_age, StsFileAge(state.move->file));
      }
      state.move = StsMove{step.to, step.kind, step.file, step.id, now, step.reason};
      ++state.serial;
      if (step.kind == StsMoveKind::kDown) state.last_auto_down = now;
      break;
    case StsAction::kComplete:
      state.status = RolloutStatus::kCompleted;
      break;
    case StsAction::kEnd:
      state.status = RolloutStatus::kAborted;
      state.abort_to.reset();
      state.move.reset();
      break;
    case StsAction::kHold:
    case StsAction::kReady:
    case StsAction::kPublish:
    case StsAction::kRemove:
    case StsAction::kPause:
      break;
  }
  return state;
}

StsState AfterPublished(StsState state, const StsStep& step, absl::Time now) {
  state.pending_change.clear();
  state.confirmation.reset();
  state.gates.clear();
  // Whoever fetched what was served before, a moment ago, keeps it as long as it said.
  const absl::Duration age = std::max(StsFileAge(state.file), state.abandoned_age);
  if (age > absl::ZeroDuration()) state.cached_until = std::max(state.cached_until, now + age);
  state.abandoned_age = absl::ZeroDuration();
  state.stage = step.to;
  state.stage_start = now;
  state.move.reset();
  if (step.action == StsAction::kRemove) {
    state.file.clear();
    state.record_id.clear();
  } else {
    state.file = step.file;
    state.record_id = step.id;
  }
  const bool over = state.abort_to.has_value() && *state.abort_to == step.to;
  if (over) {
    state.status = RolloutStatus::kAborted;
    state.abort_to.reset();
  } else if (state.status == RolloutStatus::kCompleted) {
    state.status = RolloutStatus::kActive;  // a new file of the same stage: asked anew
  }
  return state;
}

}  // namespace dmarcate
