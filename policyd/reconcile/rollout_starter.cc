#include "policyd/reconcile/rollout_starter.h"

#include <optional>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_fields.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate {

absl::StatusOr<NewRollout> RolloutStarter::Prepare(RolloutState state, std::string_view principal) {
  DMARCATE_RETURN_IF_ERROR(CheckRolloutFields(state));
  NewRollout out;
  // The newest, one of which is the one that moves, come last.
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutRecord> others,
                            world_.book.List(state.domain, "", "", SIZE_MAX));
  for (const RolloutRecord& other : others) {
    DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, ToRollout(other));
    if (rollout.state.scope != state.scope) continue;
    if (rollout.state.status == RolloutStatus::kAborted) continue;
    if (rollout.state.status == RolloutStatus::kCompleted) {
      out.completed.push_back(rollout);
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
  out.evidence = world_.decider.Gather(state);
  if (out.evidence.records.looked == absl::InfinitePast()) {
    return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                             fmt::format("_dmarc.{} could not be read", state.domain));
  }
  if (const std::string& alias = out.evidence.records.alias; !alias.empty()) {
    return WrongRolloutState(
        state,
        fmt::format("_dmarc.{} is an alias (CNAME) of {}: the record there is what is moved, "
                    "by whoever has its zone; put a TXT record in place of the alias first",
                    state.domain, EscapeForTerminal(alias)));
  }
  const std::optional<DmarcRecord> live = LiveRecord(out.evidence);
  if (!live.has_value()) {
    return WrongRolloutState(state, fmt::format("_dmarc.{} has not exactly one DMARC record; "
                                                "publish p=none with a report address first",
                                                state.domain));
  }
  const std::optional<PolicyStage> stage = StageOf(*live, state.scope);
  if (!stage.has_value()) {
    return WrongRolloutState(state,
                             fmt::format("the record stands on no stage: {}",
                                         EscapeForTerminal(out.evidence.records.dmarc.front())));
  }
  state.stage = *stage;
  state.stage_start = world_.evidence.StageSince(state, now);
  out.rollout.record.domain = state.domain;
  out.rollout.record.id = state.id;
  out.rollout.record.created_by = std::string(principal);
  out.rollout.record.create_time = now;
  out.rollout.state = std::move(state);
  return out;
}

absl::StatusOr<Rollout> RolloutStarter::Start(RolloutState state, std::string_view principal) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(NewRollout prepared, Prepare(std::move(state), principal));
  Rollout& rollout = prepared.rollout;
  // One that has come to its end would take the steps of this one for drift.
  for (Rollout& old : prepared.completed) {
    old.state.status = RolloutStatus::kAborted;
    RolloutLogRecord end =
        world_.book.Entry(RolloutEvent::kPerson, principal,
                          fmt::format("ended: {} goes on from here", rollout.state.id));
    DMARCATE_RETURN_IF_ERROR(world_.book.Put(std::move(old), {std::move(end)}).status());
  }
  RolloutLogRecord entry = world_.book.Entry(
      RolloutEvent::kPerson, principal,
      fmt::format("started at {}, to {}, {}{}", ToString(rollout.state.stage),
                  ToString(rollout.state.target), ToString(rollout.state.mode),
                  rollout.state.settings.accepted_loss.empty()
                      ? ""
                      : fmt::format("; accepts: {}", rollout.state.settings.accepted_loss)));
  return world_.book.Put(std::move(rollout), {std::move(entry)});
}

}  // namespace dmarcate
