#include "policyd/reconcile/rollout_controller.h"

#include <algorithm>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/reason.h"
#include "policyd/rollout/explain.h"
#include "policyd/rollout/never_events.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPolicyd = "policyd";
constexpr size_t kPage = 500;
constexpr int kMostRestarts = 3;
constexpr absl::Duration kAfterFailure = absl::Minutes(10);
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

std::string Said(const Step& step) {
  return fmt::format("{}|{}|{}", ToString(step.action), ToString(step.to), step.reason);
}

bool Writes(const Step& step) {
  return step.action == StepAction::kStepUp || step.action == StepAction::kStepDown ||
         step.action == StepAction::kAbort;
}

bool IsOpen(const RolloutState& state) {
  return state.status == RolloutStatus::kActive || state.status == RolloutStatus::kPaused;
}

// The step that a decision took, as far as publishing it needs to know.
Step StepOf(const Decision& decision) {
  Step step;
  step.action = decision.action;
  step.to = decision.to;
  step.reason = decision.reason;
  step.ask_again = decision.time;
  step.alert = decision.to < decision.from;
  if (decision.action == StepAction::kStepDown) {
    step.pause = PauseReason::kBreakage;
    step.pause_detail = decision.reason;
  }
  return step;
}

// The stage of the record that a plan was made from.
std::optional<PolicyStage> StageBefore(const ChangeRecord& change, PolicyScope scope) {
  if (change.record_changes.size() != 1) return std::nullopt;
  const auto images = FromPresentations(change.record_changes.front().before);
  if (!images.ok()) return std::nullopt;
  Evidence before;
  before.records.dmarc = TextsOf(*images);
  const std::optional<DmarcRecord> record = LiveRecord(before);
  return record.has_value() ? StageOf(*record, scope) : std::nullopt;
}

// What passes by itself: the plan is applied with a later tick.
bool IsTransient(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  if (reason.has_value()) {
    for (const std::string_view code :
         {"CHANGE_IN_PROGRESS", "RATE_LIMITED", "SHUTTING_DOWN", "LEASE_LOST"}) {
      if (reason->code == code) return true;
    }
  }
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace

absl::StatusOr<Rollout> ToRollout(RolloutRecord record) {
  absl::StatusOr<RolloutState> state = DecodeState(record.state);
  if (!state.ok()) {
    return Annotate(state.status(), fmt::format("rollout {} of {}", record.id, record.domain));
  }
  return Rollout{std::move(record), *std::move(state)};
}

std::string RolloutController::MakeHolder() const {
  return MakeSortableId(world_.clock.Now(), world_.random);
}

RolloutLogRecord RolloutController::Entry(RolloutEvent event, std::string_view who,
                                          std::string text) const {
  RolloutLogRecord entry;
  entry.time = world_.clock.Now();
  entry.event = event;
  entry.who = std::string(who);
  entry.text = std::move(text);
  return entry;
}

absl::StatusOr<Rollout> RolloutController::Get(std::string_view domain, std::string_view id) {
  absl::StatusOr<RolloutRecord> record = world_.rollouts.GetRollout(domain, id);
  if (record.status().code() == absl::StatusCode::kNotFound) {
    return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                             fmt::format("domains/{}/rollouts/{} does not exist", domain, id));
  }
  DMARCATE_RETURN_IF_ERROR(record.status());
  return ToRollout(*std::move(record));
}

absl::StatusOr<Rollout> RolloutController::GetShown(const RolloutRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, Get(request.domain, request.id));
  if (request.revision != 0 && request.revision != rollout.record.revision) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the rollout of {} is not what was shown any more; look again",
                    request.domain));
  }
  return rollout;
}

absl::StatusOr<Rollout> RolloutController::Put(Rollout rollout, std::vector<RolloutLogRecord> log) {
  rollout.record.state = EncodeState(rollout.state);
  rollout.record.update_time = world_.clock.Now();
  absl::StatusOr<RolloutRecord> stored = world_.rollouts.PutRollout(rollout.record, std::move(log));
  if (stored.status().code() == absl::StatusCode::kAborted) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the rollout of {} has gone on meanwhile; look again", rollout.record.domain));
  }
  DMARCATE_RETURN_IF_ERROR(stored.status());
  rollout.record = *std::move(stored);
  return rollout;
}

bool RolloutController::HoldsLease() {
  absl::StatusOr<RolloutLease> lease = world_.rollouts.GetRolloutLease();
  if (!lease.ok()) {
    LogError("rollout_lease_unreadable", {{"error", lease.status()}});
    return false;
  }
  const bool free = lease->revision == 0 || lease->holder == holder_ ||
                    options_.store_use == StoreUse::kExclusive;
  if (!free) {
    const std::lock_guard lock(mutex_);
    const absl::Duration now = world_.clock.Monotonic();
    if (lease->revision != lease_seen_) {
      lease_seen_ = lease->revision;
      lease_since_ = now;
    }
    if (now - lease_since_ < options_.lease) return false;
  }
  lease->holder = holder_;
  return world_.rollouts.PutRolloutLease(*lease).ok();
}

bool RolloutController::IsDue(const Rollout& rollout) {
  if (!rollout.state.pending_change.empty()) return true;
  if (rollout.state.status == RolloutStatus::kAborted) return false;
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find({rollout.record.domain, rollout.record.id});
  if (found == asked_.end()) return true;
  const absl::Time now = world_.clock.Now();
  // A clock that was set back must not keep from asking.
  return found->second.revision != rollout.record.revision || now >= found->second.again ||
         now < found->second.at;
}

absl::Status RolloutController::Tick() {
  if (!HoldsLease()) return absl::OkStatus();
  absl::Status first_error;
  std::string domain;
  std::string id;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutRecord> page,
                              world_.rollouts.ListRollouts("-", domain, id, kPage));
    for (const RolloutRecord& record : page) {
      absl::StatusOr<Rollout> rollout = ToRollout(record);
      if (rollout.ok() && IsDue(*rollout)) rollout = Work(*std::move(rollout));
      if (rollout.ok()) continue;
      LogWarn("rollout_not_worked_on",
              {{"domain", record.domain}, {"rollout", record.id}, {"error", rollout.status()}});
      first_error.Update(rollout.status());
    }
    if (page.size() < kPage) return first_error;
    domain = page.back().domain;
    id = page.back().id;
  }
}

Evidence RolloutController::Gather(const RolloutState& state) {
  if (state.abort_to.has_value()) return world_.evidence.GatherControl(state, world_.clock.Now());
  const std::lock_guard lock(work_mutex_);
  Evidence evidence;
  for (int i = 0; i < kMostRestarts; ++i) {
    evidence = world_.evidence.Gather(state, world_.clock.Now());
    // What was approved or rejected meanwhile is part of the question.
    if (world_.evidence.DecisionsEtag(state.domain) == evidence.decisions_etag) break;
  }
  return evidence;
}

absl::StatusOr<Rollout> RolloutController::Work(Rollout rollout) {
  if (!rollout.state.pending_change.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(rollout, Settle(std::move(rollout)));
    if (!rollout.state.pending_change.empty()) return rollout;
  }
  if (rollout.state.status == RolloutStatus::kAborted) return rollout;
  const Evidence evidence = Gather(rollout.state);
  const Step step = NextStep(rollout.state, evidence, world_.clock.Now());
  {
    const std::lock_guard lock(mutex_);
    Asked& asked = asked_[{rollout.record.domain, rollout.record.id}];
    asked.at = world_.clock.Now();
    asked.again = Writes(step) ? asked.at + kAfterFailure : step.ask_again;
    asked.revision = rollout.record.revision;
  }
  if (!Writes(step)) return WriteDown(std::move(rollout), evidence, step);
  return Act(std::move(rollout), evidence, step);
}

absl::StatusOr<Rollout> RolloutController::WriteDown(Rollout rollout, const Evidence& evidence,
                                                     const Step& step) {
  const absl::Time now = world_.clock.Now();
  const Key key(rollout.record.domain, rollout.record.id);
  const RolloutState after = AfterDecision(rollout.state, step, now);
  {
    const std::lock_guard lock(mutex_);
    const Asked& asked = asked_[key];
    const bool again = asked.said != Said(step) || now - asked.logged >= options_.log_again;
    if (!again && after == rollout.state) return rollout;
  }
  RolloutLogRecord entry = Entry(RolloutEvent::kDecided, kPolicyd, step.reason);
  entry.explanation = ExplainStep(rollout.state, step);
  entry.decision = EncodeDecision(Record({rollout.state, evidence, now}, step));
  entry.alert = step.alert;
  if (step.alert) {
    LogWarn(
        "rollout_needs_a_person",
        {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", step.reason}});
  }
  rollout.state = after;
  DMARCATE_ASSIGN_OR_RETURN(rollout, Put(std::move(rollout), {std::move(entry)}));
  const std::lock_guard lock(mutex_);
  Asked& asked = asked_[key];
  asked.revision = rollout.record.revision;
  asked.said = Said(step);
  asked.logged = now;
  return rollout;
}

absl::StatusOr<Rollout> RolloutController::Fail(Rollout rollout, std::string text) {
  const Key key(rollout.record.domain, rollout.record.id);
  {
    const std::lock_guard lock(mutex_);
    if (asked_[key].said == text) return rollout;
  }
  LogError("rollout_step_failed",
           {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry = Entry(RolloutEvent::kFailed, kPolicyd, text);
  entry.alert = true;
  DMARCATE_ASSIGN_OR_RETURN(rollout, Put(std::move(rollout), {std::move(entry)}));
  const std::lock_guard lock(mutex_);
  Asked& asked = asked_[key];
  asked.revision = rollout.record.revision;
  asked.said = std::move(text);
  return rollout;
}

absl::StatusOr<Rollout> RolloutController::Act(Rollout rollout, const Evidence& evidence,
                                               const Step& step) {
  const absl::Time now = world_.clock.Now();
  const RolloutState& state = rollout.state;
  if (const absl::Status never = CheckNeverEvents(state, evidence, step, now); !never.ok()) {
    (void)Fail(std::move(rollout), fmt::format("{}: not done: {}", step.reason, MessageOf(never)));
    return never;
  }
  ChangeIntent intent;
  intent.policy = PolicyMove{
      state.scope, step.to,
      step.action == StepAction::kStepUp ? PolicyDirection::kUp : PolicyDirection::kDown, state.id};
  const std::string who = step.action == StepAction::kStepUp && state.confirmation
                              ? state.confirmation->by
                              : std::string(kPolicyd);
  const absl::StatusOr<ChangeRecord> plan = world_.engine.Plan(state.domain, intent, who);
  if (!plan.ok()) {
    (void)Fail(std::move(rollout),
               fmt::format("{}: cannot be planned: {}", step.reason, MessageOf(plan.status())));
    return plan.status();
  }
  if (plan->state == ChangeState::kSucceeded) {
    return Publish(std::move(rollout), step, plan->id, now);
  }
  if (const GuardRecord* refusal = FindRefusal(plan->guards)) {
    (void)Fail(std::move(rollout), fmt::format("{}: change {} is refused: {}: {}", step.reason,
                                               plan->id, refusal->code, refusal->message));
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "GUARD_REFUSED",
                             fmt::format("{}: {}", refusal->code, refusal->message),
                             {{"guard", refusal->code}, {"change", plan->id}});
  }
  // Between the evidence and the plan somebody else may have changed the record.
  if (step.action != StepAction::kAbort && StageBefore(*plan, state.scope) != state.stage) {
    return Fail(std::move(rollout), fmt::format("{}: the record is not at {} any more", step.reason,
                                                ToString(state.stage)));
  }
  const Decision decision = Record({state, evidence, now}, step);
  RolloutLogRecord entry = Entry(RolloutEvent::kStarted, who, step.reason);
  entry.explanation = ExplainStep(state, step);
  entry.decision = EncodeDecision(decision);
  entry.change_id = plan->id;
  entry.lowered = step.to < state.stage;
  entry.alert = step.alert;
  if (entry.lowered) {
    LogWarn("policy_to_be_lowered", {{"domain", state.domain},
                                     {"rollout", state.id},
                                     {"change", plan->id},
                                     {"why", step.reason}});
  }
  rollout.record.pending_decision = entry.decision;
  rollout.state.pending_change = plan->id;
  DMARCATE_ASSIGN_OR_RETURN(rollout, Put(std::move(rollout), {std::move(entry)}));
  return ApplyPending(std::move(rollout), *plan);
}

absl::StatusOr<Rollout> RolloutController::ApplyPending(Rollout rollout,
                                                        const ChangeRecord& change) {
  const absl::StatusOr<ChangeRecord> applied =
      world_.engine.Apply({.domain = change.domain,
                           .id = change.id,
                           .plan_digest = change.plan_digest,
                           .revision = change.revision,
                           .principal = change.requested_by},
                          options_.patience);
  if (applied.ok()) return IsEndState(applied->state) ? Settle(std::move(rollout)) : rollout;
  if (IsTransient(applied.status())) return rollout;  // until the plan expires
  const absl::StatusOr<ChangeRecord> now = world_.policies.GetChange(change.domain, change.id);
  if (now.ok() && now->state == ChangeState::kPlanned) {
    (void)world_.engine.Cancel({.domain = now->domain,
                                .id = now->id,
                                .revision = now->revision,
                                .principal = std::string(kPolicyd)});
  }
  DMARCATE_RETURN_IF_ERROR(
      GiveUp(std::move(rollout), nullptr,
             fmt::format("change {}: {}", change.id, MessageOf(applied.status())))
          .status());
  return applied.status();
}

absl::StatusOr<Rollout> RolloutController::Settle(Rollout rollout) {
  const std::string id = rollout.state.pending_change;
  const absl::StatusOr<ChangeRecord> change = world_.policies.GetChange(rollout.record.domain, id);
  if (change.status().code() == absl::StatusCode::kNotFound) {
    return GiveUp(std::move(rollout), nullptr, fmt::format("change {} is gone", id));
  }
  DMARCATE_RETURN_IF_ERROR(change.status());
  DMARCATE_ASSIGN_OR_RETURN(const Decision decision,
                            DecodeDecision(rollout.record.pending_decision));
  switch (change->state) {
    case ChangeState::kSucceeded:
      return Publish(std::move(rollout), StepOf(decision), id, change->end_time);
    case ChangeState::kApplying:
    case ChangeState::kVerifying:
    case ChangeState::kRollingBack:
      return rollout;
    case ChangeState::kPlanned:
      break;
    default:
      return GiveUp(std::move(rollout), &*change,
                    fmt::format("change {} ended otherwise{}{}", id,
                                change->error_message.empty() ? "" : ": ", change->error_message));
  }
  // Planned and not begun: policyd was killed in between, or the zone was busy. What was decided
  // then is decided again on what is known now.
  Rollout without = rollout;
  without.state.pending_change.clear();
  const Evidence evidence = Gather(without.state);
  const absl::Time now = world_.clock.Now();
  const Step step = NextStep(without.state, evidence, now);
  const bool same = step.action == decision.action && step.to == decision.to &&
                    CheckNeverEvents(without.state, evidence, step, now).ok();
  if (same && now <= change->plan_expire_time) return ApplyPending(std::move(rollout), *change);
  (void)world_.engine.Cancel({.domain = change->domain,
                              .id = change->id,
                              .revision = change->revision,
                              .principal = std::string(kPolicyd)});
  return GiveUp(std::move(rollout), nullptr,
                fmt::format("change {} was not begun in time, or is not wanted any more: {}", id,
                            step.reason));
}

absl::StatusOr<Rollout> RolloutController::GiveUp(Rollout rollout, const ChangeRecord* change,
                                                  std::string text) {
  rollout.state.pending_change.clear();
  rollout.record.pending_decision.clear();
  const bool withdrawn = change != nullptr && change->state == ChangeState::kCancelled;
  const bool back = change != nullptr && change->state == ChangeState::kRolledBack;
  // NEEDS_ATTENTION is part of the evidence, and pauses there.
  if ((withdrawn || back) && rollout.state.status == RolloutStatus::kActive) {
    rollout.state.status = RolloutStatus::kPaused;
    rollout.state.pause_reason = withdrawn ? PauseReason::kOperator : PauseReason::kAttention;
    rollout.state.pause_detail = text;
    rollout.state.pause_time = world_.clock.Now();
    rollout.state.confirmation.reset();
  }
  LogWarn("rollout_change_ended_otherwise",
          {{"domain", rollout.record.domain}, {"rollout", rollout.record.id}, {"why", text}});
  RolloutLogRecord entry = Entry(RolloutEvent::kFailed, kPolicyd, std::move(text));
  entry.alert = true;
  if (change != nullptr) entry.change_id = change->id;
  return Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Publish(Rollout rollout, const Step& step,
                                                   const std::string& change_id, absl::Time when) {
  RolloutLogRecord entry = Entry(RolloutEvent::kPublished, kPolicyd,
                                 fmt::format("{} is live on every server", ToString(step.to)));
  entry.change_id = change_id;
  entry.lowered = step.to < rollout.state.stage;
  entry.alert = entry.lowered;
  if (entry.lowered) {
    LogWarn("policy_lowered", {{"domain", rollout.record.domain},
                               {"rollout", rollout.record.id},
                               {"from", ToString(rollout.state.stage)},
                               {"to", ToString(step.to)},
                               {"why", step.reason}});
  }
  rollout.state = AfterPublished(std::move(rollout.state), step, when);
  rollout.record.pending_decision.clear();
  return Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<RolloutExplanation> RolloutController::Explain(std::string_view domain,
                                                              std::string_view id) {
  RolloutExplanation out;
  DMARCATE_ASSIGN_OR_RETURN(out.rollout, Get(domain, id));
  out.evidence = Gather(out.rollout.state);
  out.step = NextStep(out.rollout.state, out.evidence, world_.clock.Now());
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
  const std::lock_guard lock(create_mutex_);
  std::vector<Rollout> completed;
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutRecord> others,
                            world_.rollouts.ListRollouts(state.domain, "", "", kPage));
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
  const Evidence evidence = Gather(state);
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
    RolloutLogRecord end = Entry(RolloutEvent::kPerson, principal,
                                 fmt::format("ended: {} goes on from here", rollout.state.id));
    DMARCATE_RETURN_IF_ERROR(Put(std::move(old), {std::move(end)}).status());
  }
  RolloutLogRecord entry =
      Entry(RolloutEvent::kPerson, principal,
            fmt::format("started at {}, to {}, {}{}", ToString(rollout.state.stage),
                        ToString(rollout.state.target), ToString(rollout.state.mode),
                        rollout.state.settings.accepted_loss.empty()
                            ? ""
                            : fmt::format("; accepts: {}", rollout.state.settings.accepted_loss)));
  return Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Advance(const AdvanceRequest& request) {
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
  const Evidence evidence = Gather(state);
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
  RolloutLogRecord entry = Entry(
      RolloutEvent::kPerson, request.rollout.principal,
      fmt::format("said yes to {}{}", ToString(request.stage),
                  request.accepted_bound > 0 ? fmt::format(", and to a loss of up to {:.2f} %",
                                                           100 * request.accepted_bound)
                                             : ""));
  DMARCATE_ASSIGN_OR_RETURN(rollout, Put(std::move(rollout), {std::move(entry)}));
  return Act(std::move(rollout), evidence, step);
}

absl::StatusOr<Rollout> RolloutController::Pause(const RolloutRequest& request,
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
      Entry(RolloutEvent::kPerson, request.principal,
            why.empty() ? std::string("paused") : fmt::format("paused: {}", why));
  return Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Resume(const RolloutRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  if (rollout.state.status != RolloutStatus::kPaused) {
    return WrongState(rollout.state,
                      fmt::format("it is {}, not paused", ToString(rollout.state.status)));
  }
  if (!rollout.state.pending_change.empty()) {
    return WrongState(rollout.state,
                      fmt::format("change {} is on its way", rollout.state.pending_change));
  }
  const Evidence evidence = Gather(rollout.state);
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
  RolloutLogRecord entry = Entry(RolloutEvent::kPerson, request.principal, std::move(text));
  return Put(std::move(rollout), {std::move(entry)});
}

absl::StatusOr<Rollout> RolloutController::Abort(const RolloutRequest& request, PolicyStage to) {
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, GetShown(request));
  if (rollout.state.status == RolloutStatus::kAborted) return rollout;
  if (IsTestStage(to)) return FieldInvalid("stage", "none, or quarantine");
  if (to > rollout.state.stage) {
    return FieldInvalid("stage", fmt::format("{} is above {}, where it stands", ToString(to),
                                             ToString(rollout.state.stage)));
  }
  if (request.mode == RunMode::kValidateOnly) return rollout;
  rollout.state.abort_to = to;
  rollout.state.confirmation.reset();
  RolloutLogRecord entry = Entry(RolloutEvent::kPerson, request.principal,
                                 fmt::format("asked to abort to {}", ToString(to)));
  entry.alert = true;
  entry.lowered = to < rollout.state.stage;
  DMARCATE_ASSIGN_OR_RETURN(rollout, Put(std::move(rollout), {std::move(entry)}));
  return Work(std::move(rollout));
}

}  // namespace dmarcate
