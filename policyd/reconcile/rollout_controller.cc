#include "policyd/reconcile/rollout_controller.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_calls.h"
#include "policyd/reconcile/rollout_fields.h"
#include "policyd/reconcile/two_people.h"
#include "policyd/rollout/explain.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kWatchSlack = absl::Hours(24);

// The yes of `request`, and of who said it to the same before.
absl::StatusOr<Confirmation> SayYes(const RolloutState& state, const AdvanceRequest& request,
                                    const Evidence& evidence, absl::Time now) {
  const std::string& who = request.rollout.principal;
  Confirmation yes{who, now, request.stage, evidence.decisions_etag, request.accepted_bound};
  const bool said = evidence.rules.two_people && IsSaidYes(state, evidence, request.stage, now);
  return JoinYes(said ? &*state.confirmation : nullptr, std::move(yes), ToString(request.stage),
                 [&state](std::string why) { return WrongRolloutState(state, std::move(why)); });
}

}  // namespace

RolloutController::RolloutController(const RolloutWorld& world,
                                     const RolloutControllerOptions& options)
    : world_(world),
      book_(world.rollouts, world.clock),
      memory_(world.clock),
      lease_(world.rollouts, world.clock, world.random,
             {.store_use = options.store_use, .lease = options.lease}),
      decider_({world.evidence, book_, memory_, world.clock}, options.log_again),
      executor_({world.policies, world.engine, decider_, book_, memory_, world.clock},
                options.patience),
      starter_({world.evidence, decider_, book_, world.clock, world.random}),
      pruner_(world.rollouts, world.clock) {}

absl::StatusOr<Rollout> RolloutController::GetShown(const RolloutRequest& request) {
  return book_.Get(request.domain, request.id, request.revision);
}

absl::Status RolloutController::Tick() {
  if (!lease_.Hold()) return absl::OkStatus();
  return WorkOnRollouts(world_.rollouts, stopping_, "rollout_not_worked_on",
                        [this](const RolloutRecord& record) -> absl::Status {
                          if (const absl::Status pruned = pruner_.Prune(record); !pruned.ok()) {
                            LogWarn("rollout_log_not_pruned",
                                    {{"rollout", record.id}, {"error", pruned}});
                          }
                          DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, ToRollout(record));
                          if (!IsDue(rollout)) return absl::OkStatus();
                          return Work(std::move(rollout)).status();
                        });
}

bool RolloutController::IsDue(const Rollout& rollout) {
  if (!rollout.state.pending_change.empty()) return true;
  return rollout.state.status != RolloutStatus::kAborted && memory_.IsDue(rollout);
}

absl::StatusOr<Rollout> RolloutController::Work(Rollout rollout) {
  if (!rollout.state.pending_change.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(rollout, executor_.Settle(std::move(rollout)));
    if (!rollout.state.pending_change.empty()) return rollout;
    // What came to nothing is not tried again at once.
    if (!memory_.IsDue(rollout)) return rollout;
  }
  if (rollout.state.status == RolloutStatus::kAborted) return rollout;
  const RolloutAnswer answer = decider_.Decide(rollout.state);
  const bool publishes = Publishes(answer.step);
  memory_.Asked(rollout, publishes ? world_.clock.Now() + RolloutMemory::kAfterFailure
                                   : answer.step.ask_again);
  return publishes ? executor_.Execute(std::move(rollout), answer)
                   : decider_.WriteDown(std::move(rollout), answer);
}

absl::StatusOr<RolloutExplanation> RolloutController::Explain(std::string_view domain,
                                                              std::string_view id) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  RolloutExplanation out;
  DMARCATE_ASSIGN_OR_RETURN(out.rollout, book_.Get(domain, id));
  RolloutAnswer answer = decider_.Decide(out.rollout.state);
  out.evidence = std::move(answer.evidence);
  out.step = std::move(answer.step);
  out.time = answer.time;
  out.text = ExplainStep(out.rollout.state, out.step);
  return out;
}

absl::StatusOr<Rollout> RolloutController::Create(RolloutState state, std::string_view principal,
                                                  RunMode mode) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  if (mode == RunMode::kExecute) return starter_.Start(std::move(state), principal);
  DMARCATE_ASSIGN_OR_RETURN(NewRollout prepared, starter_.Prepare(std::move(state), principal));
  return std::move(prepared.rollout);
}

absl::StatusOr<RolloutExplanation> RolloutController::Preview(RolloutState state,
                                                              std::string_view principal) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(NewRollout prepared, starter_.Prepare(std::move(state), principal));
  RolloutExplanation out;
  out.rollout = std::move(prepared.rollout);
  out.evidence = std::move(prepared.evidence);
  out.time = world_.clock.Now();
  out.step = NextStep(out.rollout.state, out.evidence, out.time);
  out.text = ExplainStep(out.rollout.state, out.step);
  return out;
}

absl::StatusOr<Rollout> RolloutController::Edit(const RolloutRequest& request,
                                                const RolloutEdit& edit) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  DMARCATE_ASSIGN_OR_RETURN(EditedRollout edited, EditRollout(rollout.state, edit));
  rollout.state = std::move(edited.state);
  if (request.mode == RunMode::kValidateOnly || edited.told.empty()) return rollout;
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, request.principal, fmt::format("set {}", edited.told));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Advance(const AdvanceRequest& request) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request.rollout));
  const RolloutState& state = rollout.state;
  if (!state.pending_change.empty()) {
    return WrongRolloutState(state, fmt::format("change {} is on its way", state.pending_change));
  }
  if (state.status != RolloutStatus::kActive) {
    return WrongRolloutState(state, fmt::format("it is {}", ToString(state.status)));
  }
  if (state.mode == RolloutMode::kAdvise) {
    return WrongRolloutState(state, "it only advises; start one in mode confirm to take steps");
  }
  const Evidence evidence = decider_.Gather(state);
  if (!request.decisions_etag.empty() && request.decisions_etag != evidence.decisions_etag) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("sources of {} were approved or rejected since it was explained; look again",
                    state.domain));
  }
  const absl::Time now = world_.clock.Now();
  RolloutState confirmed = state;
  DMARCATE_ASSIGN_OR_RETURN(confirmed.confirmation, SayYes(state, request, evidence, now));
  const bool another = evidence.rules.two_people && confirmed.confirmation->second_by.empty();
  // The first of two is told now what the second one would be.
  RolloutState supposed = confirmed;
  if (another) supposed.confirmation->second_by = kAnotherPerson;
  const Step step = NextStep(supposed, evidence, now);
  const bool possible = step.action == StepAction::kStepUp || step.action == StepAction::kReady;
  if (possible && step.to != request.stage) {
    return RolloutFieldInvalid("stage", fmt::format("the next stage is {}", ToString(step.to)));
  }
  if (step.action != StepAction::kStepUp) {
    std::map<std::string, std::string> metadata = {{"reason", step.reason}};
    for (const Gate& gate : step.gates) {
      if (!gate.holds) metadata[std::string(ToString(gate.id))] = gate.measured;
    }
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "GATE_UNMET", step.reason,
                             metadata);
  }
  if (request.rollout.mode == RunMode::kValidateOnly) return rollout;
  rollout.state = std::move(confirmed);
  RolloutLogRecord entry = book_.Entry(
      RolloutEvent::kPerson, request.rollout.principal,
      fmt::format("said yes to {}{}{}", ToString(request.stage),
                  request.accepted_bound > 0 ? fmt::format(", and to a loss of up to {:.2f} %",
                                                           100 * request.accepted_bound)
                                             : "",
                  another ? "; another person is wanted" : ""));
  DMARCATE_ASSIGN_OR_RETURN(rollout, book_.Put(std::move(rollout), {std::move(entry)}));
  if (another) return rollout;
  return executor_.Execute(std::move(rollout), {evidence, step, now});
}

absl::StatusOr<Rollout> RolloutController::Pause(const RolloutRequest& request,
                                                 std::string_view why) {
  return EvenIfOvertaken(request.revision, [&] { return PauseOnce(request, why); });
}

absl::StatusOr<Rollout> RolloutController::PauseOnce(const RolloutRequest& request,
                                                     std::string_view why) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  if (rollout.state.status == RolloutStatus::kAborted) {
    return WrongRolloutState(rollout.state, "it was aborted");
  }
  if (rollout.state.status == RolloutStatus::kPaused || request.mode == RunMode::kValidateOnly) {
    return rollout;
  }
  rollout.state.status = RolloutStatus::kPaused;
  rollout.state.pause_reason = PauseReason::kOperator;
  rollout.state.pause_detail =
      why.empty() ? request.principal : fmt::format("{}: {}", request.principal, why);
  rollout.state.pause_time = world_.clock.Now();
  rollout.state.confirmation.reset();
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, request.principal,
                  why.empty() ? std::string("paused") : fmt::format("paused: {}", why));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Resume(const RolloutRequest& request) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  if (rollout.state.status != RolloutStatus::kPaused) {
    return WrongRolloutState(rollout.state,
                             fmt::format("it is {}, not paused", ToString(rollout.state.status)));
  }
  if (!rollout.state.pending_change.empty()) {
    return WrongRolloutState(rollout.state,
                             fmt::format("change {} is on its way", rollout.state.pending_change));
  }
  const Evidence evidence = decider_.Gather(rollout.state);
  if (!evidence.control.attention_change.empty()) {
    return WrongRolloutState(rollout.state, fmt::format("change {} needs attention first",
                                                        evidence.control.attention_change));
  }
  const std::optional<DmarcRecord> live =
      evidence.records.alias.empty() ? LiveRecord(evidence) : std::nullopt;
  const std::optional<PolicyStage> stage =
      live.has_value() ? StageOf(*live, rollout.state.scope) : std::nullopt;
  if (!stage.has_value()) {
    return WrongRolloutState(
        rollout.state, fmt::format("the record of _dmarc.{} stands on no stage, or could not be "
                                   "read; put it right first",
                                   request.domain));
  }
  if (request.mode == RunMode::kValidateOnly) return rollout;
  const absl::Time now = world_.clock.Now();
  std::string text = "resumed";
  if (*stage != rollout.state.stage) {
    text += fmt::format("; adopts {}, which somebody else published", ToString(*stage));
    rollout.state.stage = *stage;
    rollout.state.stage_start = now;
  } else {
    // Days on which somebody else's policy was live are none of this stage. The watch sees a record
    // up to an interval after it was published.
    const absl::Time since = world_.evidence.StageSince(rollout.state, now);
    if (since > rollout.state.stage_start + kWatchSlack) rollout.state.stage_start = since;
  }
  rollout.state.status = RolloutStatus::kActive;
  rollout.state.pause_reason = PauseReason::kNone;
  rollout.state.pause_detail.clear();
  rollout.state.resume_time = now;
  RolloutLogRecord entry = book_.Entry(RolloutEvent::kPerson, request.principal, std::move(text));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Abort(const RolloutRequest& request, PolicyStage to) {
  return EvenIfOvertaken(request.revision, [&] { return AbortOnce(request, to); });
}

absl::StatusOr<Rollout> RolloutController::AbortOnce(const RolloutRequest& request,
                                                     PolicyStage to) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  if (rollout.state.status == RolloutStatus::kAborted) return rollout;
  if (IsTestStage(to)) return RolloutFieldInvalid("stage", "none, or quarantine");
  if (to > rollout.state.stage) {
    return RolloutFieldInvalid("stage", fmt::format("{} is above {}, where it stands", ToString(to),
                                                    ToString(rollout.state.stage)));
  }
  if (request.mode == RunMode::kValidateOnly) return rollout;
  if (rollout.state.abort_to == to) return Work(std::move(rollout));  // asked for already
  rollout.state.abort_to = to;
  rollout.state.confirmation.reset();
  RolloutLogRecord entry = book_.Entry(RolloutEvent::kPerson, request.principal,
                                       fmt::format("asked to abort to {}", ToString(to)));
  entry.alert = true;
  entry.lowered = to < rollout.state.stage;
  DMARCATE_ASSIGN_OR_RETURN(rollout, book_.Put(std::move(rollout), {std::move(entry)}));
  return Work(std::move(rollout));
}

}  // namespace dmarcate
