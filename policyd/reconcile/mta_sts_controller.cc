#include "policyd/reconcile/mta_sts_controller.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/reconcile/mta_sts_adopt.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_calls.h"
#include "policyd/reconcile/two_people.h"

namespace dmarcate {
namespace {

absl::Status WrongState(const StsState& state, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
                           fmt::format("mta-sts rollout of {}: {}", state.domain, why));
}

absl::Status FieldInvalid(std::string_view field, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                           fmt::format("{}: {}", field, why), {{"field", std::string(field)}});
}

bool IsOpen(const StsState& state) {
  return state.status == RolloutStatus::kActive || state.status == RolloutStatus::kPaused;
}

absl::Status CheckWanted(const StsState& state) {
  if (const absl::Status settings = CheckStsSettings(state.settings); !settings.ok()) {
    return FieldInvalid("settings", MessageOf(settings));
  }
  if (state.target != StsStage::kTesting && state.target != StsStage::kEnforce) {
    return FieldInvalid("target", "testing or enforce");
  }
  return absl::OkStatus();
}

absl::Status CheckBelowTarget(const StsState& state) {
  if (state.stage != StsStage::kEnforce || state.target == StsStage::kEnforce) {
    return absl::OkStatus();
  }
  return WrongState(state, fmt::format("it stands at enforce, above the target; dmarcate mta-sts "
                                       "abort {} --to testing lowers it",
                                       state.domain));
}

// What a rollout that has ended leaves to the next one: what was served and announced, and how long
// senders keep it.
void GoOnFrom(const StsState& last, StsState& state) {
  state.stage = last.stage;
  state.stage_start = last.stage_start;
  state.file = last.file;
  state.record_id = last.record_id;
  state.serial = last.serial;
  state.cached_until = last.cached_until;
  state.abandoned_age = last.abandoned_age;
  state.last_auto_down = last.last_auto_down;
  if (last.move.has_value()) {
    state.abandoned_age = std::max(state.abandoned_age, StsFileAge(last.move->file));
  }
}

// An id after that of `last`, also where the clock was set back since: the last one by id is the
// one whose file is served, and which keeps another one from being started.
std::string NextId(absl::Time now, const std::optional<StsRollout>& last, Random& random) {
  std::string id = MakeSortableId(now, random);
  if (!last.has_value()) return id;
  const absl::Time from = std::max(now, last->record.create_time);
  for (absl::Duration ahead = absl::Milliseconds(1);
       id <= last->record.id && ahead < absl::Hours(24 * 36'500); ahead *= 2) {
    id = MakeSortableId(from + ahead, random);
  }
  return id;
}

}  // namespace

MtaStsController::MtaStsController(const StsWorld& world, const RolloutControllerOptions& options)
    : world_(world),
      book_(world.rollouts, world.clock),
      memory_(world.clock),
      lease_(world.rollouts, world.clock, world.random,
             {.store_use = options.store_use, .lease = options.lease}),
      decider_({world.evidence, book_, memory_, world.clock}, options.log_again),
      executor_({world.policies, world.engine, decider_, book_, memory_, world.clock},
                options.patience) {}

absl::StatusOr<StsRollout> MtaStsController::GetShown(const RolloutRequest& request) {
  return book_.Get(request.domain, request.id, request.revision);
}

absl::Status MtaStsController::Tick() {
  if (!lease_.Hold()) return absl::OkStatus();
  return WorkOnRollouts(world_.rollouts, stopping_, "mta_sts_not_worked_on",
                        [this](const RolloutRecord& record) -> absl::Status {
                          DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, ToStsRollout(record));
                          if (!IsDue(rollout)) return absl::OkStatus();
                          return Work(std::move(rollout)).status();
                        });
}

bool MtaStsController::IsDue(const StsRollout& rollout) {
  if (!rollout.state.pending_change.empty()) return true;
  return rollout.state.status != RolloutStatus::kAborted && memory_.IsDue(rollout.record);
}

absl::StatusOr<StsRollout> MtaStsController::Work(StsRollout rollout) {
  if (!rollout.state.pending_change.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(rollout, executor_.Settle(std::move(rollout)));
    if (!rollout.state.pending_change.empty()) return rollout;
    // What came to nothing is not tried again at once.
    if (!memory_.IsDue(rollout.record)) return rollout;
  }
  if (rollout.state.status == RolloutStatus::kAborted) return rollout;
  const StsAnswer answer = decider_.Decide(rollout.state);
  const bool writes = WritesRecord(answer.step);
  memory_.Asked(rollout.record,
                writes ? world_.clock.Now() + RolloutMemory::kAfterFailure : answer.step.ask_again);
  return writes ? executor_.Execute(std::move(rollout), answer)
                : decider_.WriteDown(std::move(rollout), answer);
}

absl::StatusOr<StsExplanation> MtaStsController::Explain(std::string_view domain,
                                                         std::string_view id) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  StsExplanation out;
  DMARCATE_ASSIGN_OR_RETURN(out.rollout, book_.Get(domain, id));
  StsAnswer answer = decider_.Decide(out.rollout.state);
  out.evidence = std::move(answer.evidence);
  out.step = std::move(answer.step);
  out.time = answer.time;
  out.text = ExplainStep(out.rollout.state, out.step);
  return out;
}

absl::StatusOr<StsRollout> MtaStsController::Create(StsState state, std::string_view principal,
                                                    RunMode mode) {
  DMARCATE_RETURN_IF_ERROR(CheckWanted(state));
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  const std::lock_guard lock(create_mutex_);
  DMARCATE_ASSIGN_OR_RETURN(std::optional<StsRollout> last, book_.Last(state.domain));
  const absl::Time now = world_.clock.Now();
  if (last.has_value()) {
    if (IsOpen(last->state)) {
      return MakeReasonedError(absl::StatusCode::kAlreadyExists, "ROLLOUT_ACTIVE",
                               fmt::format("domains/{}/mtaStsRollouts/{} moves it already",
                                           state.domain, last->record.id),
                               {{"rollout", last->record.id}});
    }
    if (!last->state.pending_change.empty()) {
      return WrongState(state, fmt::format("change {} is on its way", last->state.pending_change));
    }
    GoOnFrom(last->state, state);
  }
  state.id = NextId(now, last, world_.random);
  state.status = RolloutStatus::kActive;
  state.create_time = now;
  if (state.stage == StsStage::kOff) state.stage_start = now;
  DMARCATE_RETURN_IF_ERROR(AdoptLive(decider_.Gather(state), now, state));
  DMARCATE_RETURN_IF_ERROR(CheckBelowTarget(state));
  StsRollout rollout;
  rollout.record.domain = state.domain;
  rollout.record.id = state.id;
  rollout.record.created_by = std::string(principal);
  rollout.record.create_time = now;
  rollout.state = std::move(state);
  if (mode == RunMode::kValidateOnly) return rollout;
  // One that has come to its end would take the steps of this one for drift. What it announced is
  // served on until this one is written.
  if (last.has_value() && last->state.status != RolloutStatus::kAborted) {
    last->state.status = RolloutStatus::kAborted;
    last->state.move.reset();
    RolloutLogRecord end =
        book_.Entry(RolloutEvent::kPerson, principal,
                    fmt::format("ended: {} goes on from here", rollout.state.id));
    DMARCATE_RETURN_IF_ERROR(book_.Put(*std::move(last), {std::move(end)}).status());
  }
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, principal,
                  fmt::format("started at {}, to {}, {}", ToString(rollout.state.stage),
                              ToString(rollout.state.target), ToString(rollout.state.mode)));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<StsRollout> MtaStsController::Advance(const StsAdvanceRequest& request) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, GetShown(request.rollout));
  const StsState& state = rollout.state;
  if (!state.pending_change.empty()) {
    return WrongState(state, fmt::format("change {} is on its way", state.pending_change));
  }
  if (state.status != RolloutStatus::kActive) {
    return WrongState(state, fmt::format("it is {}", ToString(state.status)));
  }
  if (state.abort_to.has_value()) return WrongState(state, "it is to be aborted");
  if (state.mode == RolloutMode::kAdvise) {
    return WrongState(state, "it only advises; start one in mode confirm to take steps");
  }
  const StsEvidence evidence = decider_.Gather(state);
  const absl::Time now = world_.clock.Now();
  StsState confirmed = state;
  const bool said = evidence.rules.two_people && IsStsSaidYes(state, request.stage, now) &&
                    state.confirmation->file == request.file;
  DMARCATE_ASSIGN_OR_RETURN(confirmed.confirmation,
                            JoinYes(said ? &*state.confirmation : nullptr,
                                    StsConfirmation{request.rollout.principal, now, request.stage,
                                                    request.file, request.accepted_bound},
                                    ToString(request.stage), [&state](std::string why) {
                                      return WrongState(state, std::move(why));
                                    }));
  const bool another = evidence.rules.two_people && confirmed.confirmation->second_by.empty();
  // The first of two is told now what the second one would be.
  StsState supposed = confirmed;
  if (another) supposed.confirmation->second_by = kAnotherPerson;
  const StsStep step = NextStep(supposed, evidence, now);
  if (step.action == StsAction::kServe || step.action == StsAction::kReady) {
    if (step.to != request.stage) {
      return FieldInvalid("stage", fmt::format("the next stage is {}", ToString(step.to)));
    }
    if (step.file != request.file) {
      return MakeReasonedError(
          absl::StatusCode::kAborted, "ETAG_MISMATCH",
          fmt::format("the file of {} is not what was shown any more: {}; look again",
                      ToString(step.to), DescribeStsDifference(step.file, request.file)));
    }
  }
  if (step.action != StsAction::kServe) {
    std::map<std::string, std::string> metadata = {{"reason", step.reason}};
    for (const StsGate& gate : step.gates) {
      if (!gate.holds) metadata[std::string(ToString(gate.id))] = gate.measured;
    }
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "GATE_UNMET", step.reason,
                             metadata);
  }
  if (request.rollout.mode == RunMode::kValidateOnly) return rollout;
  rollout.state = std::move(confirmed);
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, request.rollout.principal,
                  fmt::format("said yes to the file of {}{}{}", ToString(request.stage),
                              request.accepted_bound > 0
                                  ? fmt::format(", and to up to {:.2f} % of failed sessions",
                                                100 * request.accepted_bound)
                                  : "",
                              another ? "; another person is wanted" : ""));
  DMARCATE_ASSIGN_OR_RETURN(rollout, book_.Put(std::move(rollout), {std::move(entry)}));
  if (another) return rollout;
  return decider_.WriteDown(std::move(rollout), {evidence, step, now}, request.rollout.principal);
}

absl::StatusOr<StsRollout> MtaStsController::Update(
    const RolloutRequest& request, std::string_view what,
    const std::function<absl::Status(StsState&)>& edit) {
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, GetShown(request));
  if (rollout.state.status == RolloutStatus::kAborted) {
    return WrongState(rollout.state, "it was aborted");
  }
  if (rollout.state.abort_to.has_value()) {
    return WrongState(rollout.state, "it is to be aborted");
  }
  const StsState before = rollout.state;
  StsState& state = rollout.state;
  DMARCATE_RETURN_IF_ERROR(edit(state));
  DMARCATE_RETURN_IF_ERROR(CheckWanted(state));
  DMARCATE_RETURN_IF_ERROR(CheckBelowTarget(state));
  if (state.mode == RolloutMode::kAdvise && state.move.has_value() && before.mode != state.mode) {
    return WrongState(state, "a file is on its way; abort it, or let it be published first");
  }
  if (state == before || request.mode == RunMode::kValidateOnly) return rollout;
  // There is something to reach again.
  if (state.status == RolloutStatus::kCompleted) state.status = RolloutStatus::kActive;
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, request.principal, fmt::format("changed {}", what));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<StsRollout> MtaStsController::Pause(const RolloutRequest& request,
                                                   std::string_view why) {
  return EvenIfOvertaken(request.revision, [&] { return PauseOnce(request, why); });
}

absl::StatusOr<StsRollout> MtaStsController::PauseOnce(const RolloutRequest& request,
                                                       std::string_view why) {
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, GetShown(request));
  if (rollout.state.status == RolloutStatus::kAborted) {
    return WrongState(rollout.state, "it was aborted");
  }
  if (rollout.state.status == RolloutStatus::kPaused || request.mode == RunMode::kValidateOnly) {
    return rollout;
  }
  rollout.state.status = RolloutStatus::kPaused;
  rollout.state.pause_reason = StsPause::kOperator;
  rollout.state.pause_detail =
      why.empty() ? request.principal : fmt::format("{}: {}", request.principal, why);
  rollout.state.pause_time = world_.clock.Now();
  rollout.state.confirmation.reset();
  RolloutLogRecord entry =
      book_.Entry(RolloutEvent::kPerson, request.principal,
                  why.empty() ? std::string("paused") : fmt::format("paused: {}", why));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<StsRollout> MtaStsController::Resume(const RolloutRequest& request) {
  const EvidenceWait waiting(waiting_, kMostWaiting);
  DMARCATE_RETURN_IF_ERROR(waiting.status());
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, GetShown(request));
  StsState& state = rollout.state;
  if (state.status != RolloutStatus::kPaused) {
    return WrongState(state, fmt::format("it is {}, not paused", ToString(state.status)));
  }
  if (!state.pending_change.empty()) {
    return WrongState(state, fmt::format("change {} is on its way", state.pending_change));
  }
  const StsEvidence evidence = decider_.Gather(state);
  if (!evidence.control.attention_change.empty()) {
    return WrongState(
        state, fmt::format("change {} needs attention first", evidence.control.attention_change));
  }
  const absl::Time now = world_.clock.Now();
  const StsStage before = state.stage;
  const std::string id = state.record_id;
  DMARCATE_RETURN_IF_ERROR(AdoptLive(evidence, now, state));
  DMARCATE_RETURN_IF_ERROR(CheckBelowTarget(state));
  if (request.mode == RunMode::kValidateOnly) return GetShown(request);
  std::string text = "resumed";
  if (state.stage != before || state.record_id != id) {
    text += fmt::format("; adopts {}, which somebody else published", ToString(state.stage));
  }
  state.status = RolloutStatus::kActive;
  state.pause_reason = StsPause::kNone;
  state.pause_detail.clear();
  state.resume_time = now;
  RolloutLogRecord entry = book_.Entry(RolloutEvent::kPerson, request.principal, std::move(text));
  return book_.Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<StsRollout> MtaStsController::Abort(const RolloutRequest& request, StsStage to) {
  return EvenIfOvertaken(request.revision, [&] { return AbortOnce(request, to); });
}

absl::StatusOr<StsRollout> MtaStsController::AbortOnce(const RolloutRequest& request, StsStage to) {
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, GetShown(request));
  const StsState& state = rollout.state;
  if (state.status == RolloutStatus::kAborted) return rollout;
  if (to != StsStage::kTesting && to != StsStage::kOff) {
    return FieldInvalid("stage", "testing, or off");
  }
  const bool below = state.stage == StsStage::kOff || state.stage == StsStage::kWithdrawn;
  if (to == StsStage::kTesting && below) {
    return FieldInvalid("stage",
                        fmt::format("testing is above {}, where it stands", ToString(state.stage)));
  }
  if (request.mode == RunMode::kValidateOnly) return rollout;
  if (state.abort_to == to) return Work(std::move(rollout));  // asked for already
  rollout.state.abort_to = to;
  rollout.state.confirmation.reset();
  RolloutLogRecord entry = book_.Entry(RolloutEvent::kPerson, request.principal,
                                       fmt::format("asked to abort to {}", ToString(to)));
  entry.alert = true;
  entry.lowered = rollout.state.stage == StsStage::kEnforce;
  DMARCATE_ASSIGN_OR_RETURN(rollout, book_.Put(std::move(rollout), {std::move(entry)}));
  return Work(std::move(rollout));
}

}  // namespace dmarcate
