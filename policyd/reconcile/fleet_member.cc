#include "policyd/reconcile/fleet_member.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// Among so many of a domain the rollback of a fleet change that is at work is found.
constexpr size_t kLatestChanges = 20;

std::string ReasonCode(const absl::Status& error) {
  if (const std::optional<ErrorReason> reason = ErrorReasonOf(error)) return reason->code;
  switch (error.code()) {
    case absl::StatusCode::kNotFound:
      return "RESOURCE_NOT_FOUND";
    case absl::StatusCode::kDataLoss:
      return "STORED_VALUE_CORRUPT";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return "DNS_UNAVAILABLE";
    default:
      return "BUG";
  }
}

FleetTurn Turn(FleetTurn::After after, FleetMemberRecord member,
               absl::Status error = absl::OkStatus()) {
  return {after, std::move(member), std::move(error)};
}

// Of a plan that was made.
void TakePlan(const ChangeRecord& change, FleetMemberRecord& member) {
  member.plan_digest = change.plan_digest;
  member.state = FleetMemberState::kPlanned;
  if (change.state == ChangeState::kSucceeded) member.state = FleetMemberState::kUnchanged;
  if (change.state == ChangeState::kRefused) {
    member.state = FleetMemberState::kRefused;
    if (const GuardRecord* refusal = FindRefusal(change.guards)) {
      member.reason = refusal->code;
      member.message = refusal->message;
    }
  }
}

}  // namespace

FleetTurn FleetMemberRunner::GiveUp(FleetMemberRecord member, FleetMemberState state,
                                    const absl::Status& error) const {
  member.state = state;
  member.reason = ReasonCode(error);
  member.message = EscapeForTerminal(MessageOf(error));
  member.end_time = clock_.Now();
  return Turn(FleetTurn::After::kDone, std::move(member));
}

FleetTurn FleetMemberRunner::Failed(FleetMemberRecord member, FleetMemberState failed,
                                    const absl::Status& error) const {
  const std::string code = ReasonCode(error);
  if (code == "SHUTTING_DOWN") return Turn(FleetTurn::After::kStopped, std::move(member), error);
  if (code == "CHANGE_IN_PROGRESS" || code == "RATE_LIMITED" || code == "LEASE_LOST" ||
      code == "ETAG_MISMATCH") {
    return Turn(FleetTurn::After::kBusy, std::move(member), error);
  }
  if (error.code() == absl::StatusCode::kUnavailable ||
      error.code() == absl::StatusCode::kDeadlineExceeded) {
    return Turn(FleetTurn::After::kTrouble, std::move(member), error);
  }
  return GiveUp(std::move(member), failed, error);
}

FleetTurn FleetMemberRunner::Ended(FleetMemberRecord member, const ChangeRecord& change) const {
  member.reason = change.error_reason;
  member.message = change.error_message;
  member.end_time = clock_.Now();
  switch (change.state) {
    case ChangeState::kSucceeded:
      member.state = FleetMemberState::kSucceeded;
      break;
    case ChangeState::kRolledBack:
      member.state = FleetMemberState::kRolledBack;
      break;
    case ChangeState::kNeedsAttention:
      member.state = FleetMemberState::kNeedsAttention;
      break;
    case ChangeState::kRefused:
      TakePlan(change, member);
      break;
    case ChangeState::kCancelled:
      member.state = FleetMemberState::kCancelled;
      break;
    case ChangeState::kFailed:
      member.state = FleetMemberState::kFailed;
      break;
    case ChangeState::kExpired:
      member.state = FleetMemberState::kFailed;
      member.reason = "PLAN_EXPIRED";
      member.message = "the plan has expired; plan again";
      break;
    default:  // it goes on
      member.end_time = absl::InfinitePast();
      return Turn(FleetTurn::After::kOpen, std::move(member));
  }
  return Turn(FleetTurn::After::kDone, std::move(member));
}

FleetTurn FleetMemberRunner::Plan(const FleetRecord& fleet, FleetMemberRecord member) const {
  if (!fleet.selection.rollback_of.empty()) return PlanRollback(fleet, std::move(member));
  const absl::StatusOr<DomainRecord> domain = store_.GetDomain(member.domain);
  if (!domain.ok()) {
    return Failed(std::move(member), FleetMemberState::kPlanFailed, domain.status());
  }
  ChangeIntent intent = fleet.intent;
  intent.flatten = FlattenAsNow(domain->managed_terms);  // whatever the others are
  const absl::StatusOr<ChangeRecord> change =
      engine_.Plan(member.domain, intent, fleet.requested_by);
  if (!change.ok()) {
    return Failed(std::move(member), FleetMemberState::kPlanFailed, change.status());
  }
  member.change_id = change->id;
  TakePlan(*change, member);
  return Turn(FleetTurn::After::kDone, std::move(member));
}

FleetTurn FleetMemberRunner::PlanRollback(const FleetRecord& fleet,
                                          FleetMemberRecord member) const {
  const absl::StatusOr<ChangeRecord> original = store_.GetChange(member.domain, member.change_id);
  if (!original.ok()) {
    return Failed(std::move(member), FleetMemberState::kPlanFailed, original.status());
  }
  const absl::StatusOr<ChangeRecord> plan = engine_.Rollback({.domain = member.domain,
                                                              .id = member.change_id,
                                                              .revision = original->revision,
                                                              .principal = fleet.requested_by,
                                                              .mode = RunMode::kValidateOnly});
  if (!plan.ok()) {
    return Failed(std::move(member), FleetMemberState::kPlanFailed, plan.status());
  }
  TakePlan(*plan, member);
  return Turn(FleetTurn::After::kDone, std::move(member));
}

FleetTurn FleetMemberRunner::Apply(const FleetRecord& fleet, FleetMemberRecord member) const {
  if (!fleet.selection.rollback_of.empty()) return ApplyRollback(fleet, std::move(member));
  const absl::StatusOr<ChangeRecord> now = store_.GetChange(member.domain, member.change_id);
  if (!now.ok()) return Failed(std::move(member), FleetMemberState::kFailed, now.status());
  if (now->state != ChangeState::kPlanned) return Ended(std::move(member), *now);
  if (clock_.Now() > fleet.apply_expire_time) {
    return GiveUp(std::move(member), FleetMemberState::kFailed,
                  MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PLAN_EXPIRED",
                                    "its turn came too late; plan again"));
  }
  const absl::StatusOr<ChangeRecord> change =
      engine_.Apply({.domain = member.domain,
                     .id = member.change_id,
                     .plan_digest = member.plan_digest,
                     .revision = now->revision,
                     .principal = fleet.applied_by,
                     .valid_until = fleet.apply_expire_time});
  if (change.ok()) return Ended(std::move(member), *change);
  // An error says that nothing was written, or that the journal keeps what was: the record knows.
  const absl::StatusOr<ChangeRecord> then = store_.GetChange(member.domain, member.change_id);
  if (then.ok() && then->state != ChangeState::kPlanned) return Ended(std::move(member), *then);
  return Failed(std::move(member), FleetMemberState::kFailed, change.status());
}

FleetTurn FleetMemberRunner::ApplyRollback(const FleetRecord& fleet,
                                           FleetMemberRecord member) const {
  const absl::StatusOr<ChangeRecord> original = store_.GetChange(member.domain, member.change_id);
  if (!original.ok()) {
    return Failed(std::move(member), FleetMemberState::kFailed, original.status());
  }
  if (clock_.Now() > fleet.apply_expire_time && original->rolled_back_by.empty()) {
    return GiveUp(std::move(member), FleetMemberState::kFailed,
                  MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PLAN_EXPIRED",
                                    "its turn came too late; plan again"));
  }
  // Joins the rollback that is under way, or gives the one that has been.
  const absl::StatusOr<ChangeRecord> rollback =
      engine_.Rollback({.domain = member.domain,
                        .id = member.change_id,
                        .revision = original->revision,
                        .principal = fleet.applied_by,
                        .plan_digest = member.plan_digest});
  if (!rollback.ok()) {
    return Failed(std::move(member), FleetMemberState::kFailed, rollback.status());
  }
  FleetTurn turn = Ended(std::move(member), *rollback);
  if (turn.after == FleetTurn::After::kDone) turn.member.change_id = rollback->id;
  return turn;
}

bool FleetMemberRunner::HasBegun(const FleetRecord& fleet, const FleetMemberRecord& member) const {
  if (member.state != FleetMemberState::kPlanned) return false;
  if (fleet.selection.rollback_of.empty()) {
    const absl::StatusOr<ChangeRecord> change = store_.GetChange(member.domain, member.change_id);
    return change.ok() && change->state != ChangeState::kPlanned;
  }
  return FindRollback(fleet, member).has_value();
}

// A rollback is stored when it begins.
std::optional<ChangeRecord> FleetMemberRunner::FindRollback(const FleetRecord& fleet,
                                                            const FleetMemberRecord& member) const {
  absl::StatusOr<std::vector<ChangeRecord>> changes =
      store_.ListChanges(member.domain, "", kLatestChanges);
  if (!changes.ok()) return std::nullopt;
  for (ChangeRecord& change : *changes) {
    const bool found =
        change.intent.rollback_of == member.change_id && change.create_time >= fleet.apply_time;
    if (found) return std::move(change);
  }
  return std::nullopt;
}

FleetTurn FleetMemberRunner::Withdraw(const FleetRecord& fleet, FleetMemberRecord member) const {
  const auto cancelled = [&] {
    member.state = FleetMemberState::kCancelled;
    member.end_time = clock_.Now();
    return Turn(FleetTurn::After::kDone, std::move(member));
  };
  if (member.change_id.empty()) return cancelled();
  if (!fleet.selection.rollback_of.empty()) {
    const std::optional<ChangeRecord> begun = FindRollback(fleet, member);
    return begun.has_value() ? Ended(std::move(member), *begun) : cancelled();
  }
  const absl::StatusOr<ChangeRecord> now = store_.GetChange(member.domain, member.change_id);
  if (!now.ok()) return Failed(std::move(member), FleetMemberState::kFailed, now.status());
  if (now->state != ChangeState::kPlanned) return Ended(std::move(member), *now);
  const absl::StatusOr<ChangeRecord> change = engine_.Cancel(
      {.domain = member.domain,
       .id = member.change_id,
       .revision = now->revision,
       .principal = fleet.applied_by.empty() ? fleet.requested_by : fleet.applied_by});
  if (!change.ok()) return Failed(std::move(member), FleetMemberState::kFailed, change.status());
  return cancelled();
}

}  // namespace dmarcate
