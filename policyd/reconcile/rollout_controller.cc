#include "policyd/reconcile/rollout_controller.h"

#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_calls.h"
#include "policyd/rollout/explain.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kWatchSlack = absl::Hours(24);

absl::Status WrongState(const RolloutState& state, std::string_view why) {
  return MakeReasonedError(
      absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
      fmt::format("rollout of {} ({}): {}", state.domain, ToString(state.scope), why));
}

absl::Status FieldInvalid(std::string_view field, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                           fmt::format("{}: {}", field, why), {{"field", std::string(field)}});
}

bool IsOpen(const RolloutState& state) {
  return state.status == RolloutStatus::kActive || state.status == RolloutStatus::kPaused;
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
                options.patience) {}

absl::StatusOr<Rollout> RolloutController::GetShown(const RolloutRequest& request) {
  return book_.Get(request.domain, request.id, request.revision);
}

absl::Status RolloutController::Tick() {
  if (!lease_.Hold()) return absl::OkStatus();
  return WorkOnRollouts(world_.rollouts, stopping_, "rollout_not_worked_on",
                        [this](const RolloutRecord& record) -> absl::Status {
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
  if (const absl::Status settings = CheckSettings(state.settings); !settings.ok()) {
    return FieldInvalid("settings", MessageOf(settings));
  }
  if (state.target == PolicyStage::kObserve || IsTestStage(state.target)) {
    return FieldInvalid("target", "quarantine or reject");
  }
  if (state.target == PolicyStage::kReject && state.settings.ordinary_mailboxes &&
      state.settings.accepted_loss.empty()) {
    return FieldInvalid("accepted_loss",
                        "reject for a domain whose people write to mailing lists needs a sentence "
                        "that names what is lost (RFC 9989 section 7.4); or say that it has none");
  }
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  const std::lock_guard lock(create_mutex_);
  std::vector<Rollout> completed;
  // The newest, one of which is the one that moves, come last.
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutRecord> others,
                            book_.List(state.domain, "", "", SIZE_MAX));
  for (const RolloutRecord& other : others) {
    DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, ToRollout(other));
    if (rollout.state.scope != state.scope) continue;
    if (rollout.state.status == RolloutStatus::kAborted) continue;
    if (!IsOpen(rollout.state)) {
      completed.push_back(rollout);
      continue;
    }
    return MakeReasonedError(absl::StatusCode::kAlreadyExists, "ROLLOUT_ACTIVE",
                             fmt::format("domains/{}/rollouts/{} moves {} already", state.domain,
                                         other.id, ToString(state.scope)),
                             {{"rollout", other.id}});
  }
  const absl::Time now = world_.clock.Now();
  state.id = MakeSortableId(now, world_.random);
  state.status = RolloutStatus::kActive;
  state.create_time = now;
  state.stage_start = now;
  const Evidence evidence = decider_.Gather(state);
  if (evidence.records.looked == absl::InfinitePast()) {
    return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                             fmt::format("_dmarc.{} could not be read", state.domain));
  }
  const std::optional<DmarcRecord> live = LiveRecord(evidence);
  if (!live.has_value()) {
    return WrongState(state, fmt::format("_dmarc.{} has not exactly one DMARC record; publish "
                                         "p=none with a report address first",
                                         state.domain));
  }
  const std::optional<PolicyStage> stage = StageOf(*live, state.scope);
  if (!stage.has_value()) {
    return WrongState(state, fmt::format("the record stands on no stage: {}",
                                         EscapeForTerminal(evidence.records.dmarc.front())));
  }
  state.stage = *stage;
  state.stage_start = world_.evidence.StageSince(state, now);
  Rollout rollout;
  rollout.record.domain = state.domain;
  rollout.record.id = state.id;
  rollout.record.created_by = std::string(principal);
  rollout.record.create_time = now;
  rollout.state = std::move(state);
  if (mode == RunMode::kValidateOnly) return rollout;
  // One that has come to its end would take the steps of this one for drift.
  for (Rollout& old : completed) {
    old.state.status = RolloutStatus::kAborted;
    RolloutLogRecord end =
        book_.Entry(RolloutEvent::kPerson, principal,
                    fmt::format("ended: {} goes on from here", rollout.state.id));
    DMARCATE_RETURN_IF_ERROR(book_.Put(std::move(old), {std::move(end)}).status());
  }
  RolloutLogRecord entry = book_.Entry(
      RolloutEvent::kPerson, principal,
      fmt::format("started at {}, to {}, {}{}", ToString(rollout.state.stage),
                  ToString(rollout.state.target), ToString(rollout.state.mode),
                  rollout.state.settings.accepted_loss.empty()
                      ? ""
                      : fmt::format("; accepts: {}", rollout.state.settings.accepted_loss)));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Advance(const AdvanceRequest& request) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request.rollout));
  const RolloutState& state = rollout.state;
  if (!state.pending_change.empty()) {
    return WrongState(state, fmt::format("change {} is on its way", state.pending_change));
  }
  if (state.status != RolloutStatus::kActive) {
    return WrongState(state, fmt::format("it is {}", ToString(state.status)));
  }
  if (state.mode == RolloutMode::kAdvise) {
    return WrongState(state, "it only advises; start one in mode confirm to take steps");
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
  confirmed.confirmation = Confirmation{request.rollout.principal, now, request.stage,
                                        evidence.decisions_etag, request.accepted_bound};
  const Step step = NextStep(confirmed, evidence, now);
  const bool possible = step.action == StepAction::kStepUp || step.action == StepAction::kReady;
  if (possible && step.to != request.stage) {
    return FieldInvalid("stage", fmt::format("the next stage is {}", ToString(step.to)));
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
      fmt::format("said yes to {}{}", ToString(request.stage),
                  request.accepted_bound > 0 ? fmt::format(", and to a loss of up to {:.2f} %",
                                                           100 * request.accepted_bound)
                                             : ""));
  DMARCATE_ASSIGN_OR_RETURN(rollout, book_.Put(std::move(rollout), {std::move(entry)}));
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
    return WrongState(rollout.state, "it was aborted");
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
    return WrongState(rollout.state,
                      fmt::format("it is {}, not paused", ToString(rollout.state.status)));
  }
  if (!rollout.state.pending_change.empty()) {
    return WrongState(rollout.state,
                      fmt::format("change {} is on its way", rollout.state.pending_change));
  }
  const Evidence evidence = decider_.Gather(rollout.state);
  if (!evidence.control.attention_change.empty()) {
    return WrongState(rollout.state, fmt::format("change {} needs attention first",
                                                 evidence.control.attention_change));
  }
  const std::optional<DmarcRecord> live = LiveRecord(evidence);
  const std::optional<PolicyStage> stage =
      live.has_value() ? StageOf(*live, rollout.state.scope) : std::nullopt;
  if (!stage.has_value()) {
    return WrongState(rollout.state,
                      fmt::format("the record of _dmarc.{} stands on no stage, or could not be "
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
  if (IsTestStage(to)) return FieldInvalid("stage", "none, or quarantine");
  if (to > rollout.state.stage) {
    return FieldInvalid("stage", fmt::format("{} is above {}, where it stands", ToString(to),
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
