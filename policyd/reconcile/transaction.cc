#include "policyd/reconcile/transaction.h"

#include <algorithm>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// Marks in the details of steps: what goes back is told from what goes forward.
constexpr std::string_view kForward = "";
constexpr std::string_view kBack = " (back)";
constexpr std::string_view kChildren = "children";  // of step::kVerifying, before the record

bool IsRollback(const ChangeRecord& change) { return !change.intent.rollback_of.empty(); }

bool HasSpf(const std::vector<Transition>& transitions) {
  return std::ranges::any_of(transitions, [](const Transition& transition) {
    return RoleOf(transition.owner) == RecordRole::kSpf;
  });
}

}  // namespace

absl::Status Transaction::OpenAndParse() {
  transitions_.clear();
  for (const RecordChangeRecord& record : change().record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(Transition transition, TransitionOf(record));
    transitions_.push_back(std::move(transition));
  }
  DMARCATE_ASSIGN_OR_RETURN(provider_, planner_.OpenProvider(change().dns_provider));
  return absl::OkStatus();
}

void Transaction::TakeLease() {
  journal_.change().lease_holder = holder_;
  journal_.Step(step::kLeased, fmt::format("fence {}", ++journal_.change().fence));
}

absl::Status Transaction::Begin(std::string_view principal,
                                const std::function<absl::Status()>& last_look) {
  DMARCATE_RETURN_IF_ERROR(OpenAndParse());
  if (PlanDigest(change()) != change().plan_digest) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("change {}: what is stored is not the plan that was shown; plan "
                                 "again",
                                 change().id));
  }
  const ChangeRecord planned = change();
  TakeLease();
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord domain, world_.store.GetDomain(change().domain));
  const absl::Status checked = planner_.Check(change(), domain, *provider_);
  if (const auto reason = ErrorReasonOf(checked); reason && reason->code == "STALE_PLAN") {
    journal_.change().error_metadata = reason->metadata;
    DMARCATE_RETURN_IF_ERROR(Fail(reason->code, MessageOf(checked)));
  }
  if (!checked.ok()) return checked;
  journal_.Step(step::kRead, "");
  journal_.Step(step::kCompared, "");
  journal_.Step(step::kLinted, "");
  journal_.change().state = ChangeState::kApplying;
  journal_.change().applied_by = std::string(principal);
  journal_.change().apply_time = world_.clock.Now();
  journal_.Step(step::kJournaled, "");
  DMARCATE_RETURN_IF_ERROR(journal_.Save());
  if (const absl::Status alone = last_look(); !alone.ok()) {
    const ChangeRecord withdrawn = change();
    journal_.change() = planned;
    journal_.change().revision = withdrawn.revision;
    journal_.change().fence = withdrawn.fence;
    DMARCATE_RETURN_IF_ERROR(journal_.Save());
    return alone;
  }
  return Forward();
}

absl::Status Transaction::Resume() {
  DMARCATE_RETURN_IF_ERROR(OpenAndParse());
  if (!IsEndState(change().state) && change().lease_holder != holder_) {
    TakeLease();
    DMARCATE_RETURN_IF_ERROR(journal_.Save());  // from here on the other one cannot save any more
  }
  switch (change().state) {
    case ChangeState::kApplying: {
      if (IsByHand()) return AwaitPerson();
      DMARCATE_ASSIGN_OR_RETURN(const bool go_on, Survey());
      return go_on ? Forward() : absl::OkStatus();
    }
    case ChangeState::kVerifying:
      return Verify();
    case ChangeState::kRollingBack:
      return RollBack();
    default:
      return absl::OkStatus();
  }
}

absl::StatusOr<bool> Transaction::Survey() {
  bool missing = false;
  bool foreign = false;
  const Transition* announced = nullptr;  // a write that may have gone out, and is not there
  for (const Transition& transition : transitions_) {
    DMARCATE_ASSIGN_OR_RETURN(const RrSet now,
                              reader_.ReadProvider(*provider_, transition.zone, transition.owner));
    const std::string owner = transition.owner.text();
    switch (Compare(transition, now.records)) {
      case HeldTexts::kTo:
        if (journal_.HasStep(step::kWriting, owner)) journal_.Step(step::kReadBack, owner);
        break;
      case HeldTexts::kFrom:
        missing = true;
        if (journal_.HasStep(step::kWriting, owner) && !HoldsNew(transition)) {
          announced = &transition;
        }
        break;
      case HeldTexts::kThird:
        if (journal_.HasStep(step::kWriting, owner)) {
          DMARCATE_RETURN_IF_ERROR(NeedAttention(
              "VERIFY_CONFLICT", fmt::format("{} holds neither what was there nor what the change "
                                             "writes",
                                             owner)));
          return false;
        }
        foreign = true;
        break;
    }
  }
  // From here on nothing is forced: what is written stays correct, or goes back.
  std::string reason;
  std::string message;
  if (foreign) {
    reason = "STALE_PLAN";
    message = "somebody else changed a record before it was written";
  } else if (missing) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<GuardRecord> guards, planner_.Judge(change()));
    if (const GuardRecord* refusal = FindRefusal(guards)) {
      reason = refusal->code;
      message = refusal->message;
    } else if (!AnyHoldsNew() && world_.clock.Now() > change().plan_expire_time) {
      reason = "PLAN_EXPIRED";
      message = "interrupted before the first write, and the plan has expired meanwhile";
    }
  }
  if (reason.empty()) return true;
  if (announced != nullptr) {
    // It may still arrive: that nothing was written can be said only of what was never announced.
    switch (Settle(*announced, kForward)) {
      case Written::kYes:
        if (reason == "PLAN_EXPIRED") return true;  // begun in time
        break;
      case Written::kNo:
        DMARCATE_RETURN_IF_ERROR(NeedAttention(
            "WRITE_OUTCOME_UNKNOWN",
            fmt::format("interrupted while writing {}, which still holds what was there; not gone "
                        "on with: {}",
                        announced->owner.text(), message)));
        return false;
      case Written::kAttention:
        DMARCATE_RETURN_IF_ERROR(NeedAttention(reason_, message_));
        return false;
      case Written::kLater:
        return MakeError(absl::StatusCode::kUnavailable, "policyd is stopping");
    }
  }
  DMARCATE_RETURN_IF_ERROR(AnyHoldsNew() ? TurnBack(reason, message) : Fail(reason, message));
  return false;
}

bool Transaction::IsByHand() const { return provider_->writer() == ProviderWriter::kPerson; }

absl::Status Transaction::Forward() {
  if (IsByHand()) return AwaitPerson();
  for (const Transition& transition : transitions_) {
    if (HoldsNew(transition)) continue;
    if (IsMainSpf(transition)) {
      DMARCATE_ASSIGN_OR_RETURN(const bool shown, ShowChildren());
      if (!shown) return absl::OkStatus();
    }
    switch (WriteOne(transition, kForward)) {
      case Written::kYes:
        break;
      case Written::kNo:
        return AnyHoldsNew() ? TurnBack(reason_, message_) : Fail(reason_, message_);
      case Written::kAttention:
        return NeedAttention(reason_, message_);
      case Written::kLater:
        return Later();
    }
  }
  journal_.change().state = ChangeState::kVerifying;
  journal_.Step(step::kVerifying, "");
  DMARCATE_RETURN_IF_ERROR(journal_.Save());
  return Verify();
}

absl::StatusOr<bool> Transaction::ShowChildren() {
  std::vector<Transition> children;
  for (size_t i = 0; i < transitions_.size(); ++i) {
    if (BringsSpfChild(change(), change().record_changes[i])) children.push_back(transitions_[i]);
  }
  if (children.empty()) return true;
  const auto [result, may_converge] = Prove(children, kChildren);
  std::string reason = "VERIFY_TIMEOUT";
  switch (result.outcome) {
    case ServerVerification::Outcome::kVerified:
      return true;
    case ServerVerification::Outcome::kTimeout:
      if (may_converge) return false;  // Resume() looks again
      break;
    case ServerVerification::Outcome::kConflict:
      reason = "VERIFY_CONFLICT";
      break;
    case ServerVerification::Outcome::kStopped:
      return MakeError(absl::StatusCode::kUnavailable, result.message);
  }
  // Nothing leads to them yet, so they go as they came.
  DMARCATE_RETURN_IF_ERROR(TurnBack(reason, result.message));
  return false;
}

absl::Status Transaction::RollBack() {
  for (auto it = transitions_.rbegin(); it != transitions_.rend(); ++it) {
    const Transition& transition = *it;
    if (!HoldsNew(transition) || Stays(transition)) continue;  // never ours; or led to by caches
    const Transition back = Reverse(transition);
    const absl::StatusOr<RrSet> now =
        reader_.ReadProvider(*provider_, transition.zone, transition.owner);
    if (!now.ok()) return now.status();  // stays open: never forgotten
    const HeldTexts content = Compare(back, now->records);
    if (content == HeldTexts::kTo) continue;
    if (content == HeldTexts::kThird) {
      return NeedAttention("ROLLBACK_BLOCKED",
                           fmt::format("{} no longer holds what the change wrote; not touched",
                                       transition.owner.text()));
    }
    switch (WriteOne(back, kBack)) {
      case Written::kYes:
        break;
      case Written::kNo:
        if (reason_ == "PROVIDER_UNAVAILABLE" || reason_ == "PROVIDER_CREDENTIAL") {
          return MakeError(absl::StatusCode::kUnavailable, message_);
        }
        return NeedAttention("ROLLBACK_BLOCKED", message_);
      case Written::kAttention:
        return NeedAttention("ROLLBACK_BLOCKED", message_);
      case Written::kLater:
        return Later();
    }
  }
  std::vector<Transition> back;
  for (const Transition& transition : transitions_) {
    if (HoldsNew(transition) && !Stays(transition)) back.push_back(Reverse(transition));
  }
  const auto [result, may_converge] = Prove(back, "back");
  switch (result.outcome) {
    case ServerVerification::Outcome::kVerified:
      break;
    case ServerVerification::Outcome::kTimeout:
      if (may_converge) return absl::OkStatus();
      return NeedAttention("VERIFY_TIMEOUT", fmt::format("going back: {}", result.message));
    case ServerVerification::Outcome::kConflict:
      return NeedAttention("VERIFY_CONFLICT", fmt::format("going back: {}", result.message));
    case ServerVerification::Outcome::kStopped:
      return MakeError(absl::StatusCode::kUnavailable, result.message);
  }
  journal_.change().state = ChangeState::kRolledBack;
  journal_.change().end_time = world_.clock.Now();
  const bool child_stays = std::ranges::any_of(transitions_, [&](const Transition& transition) {
    return HoldsNew(transition) && Stays(transition);
  });
  if (!child_stays) return journal_.Save();
  // They are ours, and for a later plan to take away.
  return journal_.SaveWithTerms(ManagedAfterRollback(change(), change().managed_after));
}

bool Transaction::IsMainSpf(const Transition& transition) const {
  return transition.owner.text() == change().domain;
}

bool Transaction::Stays(const Transition& transition) const {
  for (size_t i = 0; i < transitions_.size(); ++i) {
    if (transitions_[i].owner != transition.owner) continue;
    return BringsSpfChild(change(), change().record_changes[i]) &&
           journal_.HasStep(step::kWriting, change().domain);
  }
  return false;
}

bool Transaction::HoldsNew(const Transition& transition) const {
  return journal_.HasStep(step::kReadBack, transition.owner.text());
}

bool Transaction::AnyHoldsNew() const {
  return std::ranges::any_of(transitions_,
                             [&](const Transition& transition) { return HoldsNew(transition); });
}

void Transaction::SetError(std::string_view reason, std::string_view message) {
  journal_.change().error_reason = std::string(reason);
  journal_.change().error_message = EscapeForTerminal(message);
}

// The change that this one undoes is marked first: killed in between, this one is still open and
// does both again.
absl::Status Transaction::MarkOriginal() {
  if (!IsRollback(change())) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord original,
                            world_.store.GetChange(change().domain, change().intent.rollback_of));
  if (original.rolled_back_by == change().id) return absl::OkStatus();
  original.state = ChangeState::kRolledBack;
  original.rolled_back_by = change().id;
  return world_.store.PutChange(std::move(original)).status();
}

absl::Status Transaction::Succeed() {
  DMARCATE_RETURN_IF_ERROR(MarkOriginal());
  journal_.change().state = ChangeState::kSucceeded;
  journal_.change().end_time = world_.clock.Now();
  // A rollback may find the SPF record back already, and only the book of terms wrong.
  if (!HasSpf(transitions_) && change().managed_after == change().managed_before) {
    return journal_.Save();
  }
  return journal_.SaveWithTerms(change().managed_after);
}

absl::Status Transaction::Fail(std::string_view reason, std::string_view message) {
  SetError(reason, message);
  journal_.change().state = ChangeState::kFailed;
  journal_.change().end_time = world_.clock.Now();
  return journal_.Save();
}

absl::Status Transaction::NeedAttention(std::string_view reason, std::string_view message) {
  SetError(reason, message);
  journal_.change().state = ChangeState::kNeedsAttention;
  journal_.change().end_time = world_.clock.Now();
  LogError("change_needs_attention", {{"domain", change().domain},
                                      {"change", change().id},
                                      {"reason", change().error_reason},
                                      {"message", change().error_message}});
  if (!HasSpf(transitions_)) return journal_.Save();
  return journal_.SaveWithTerms(UniteTerms(change().managed_before, change().managed_after));
}

absl::Status Transaction::TurnBack(std::string_view reason, std::string_view message) {
  if (IsByHand()) {  // whoever set the records has to set them back, and is told to
    return NeedAttention(reason,
                         fmt::format("{}; changes rollback shows what was there before", message));
  }
  SetError(reason, message);
  journal_.change().state = ChangeState::kRollingBack;
  LogWarn("change_rolling_back", {{"domain", change().domain},
                                  {"change", change().id},
                                  {"reason", change().error_reason},
                                  {"message", change().error_message}});
  DMARCATE_RETURN_IF_ERROR(journal_.Save());
  return RollBack();
}

}  // namespace dmarcate
