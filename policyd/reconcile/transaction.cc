#include "policyd/reconcile/transaction.h"

#include <algorithm>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// Marks in the details of steps: what goes back is told from what goes forward.
constexpr std::string_view kForward = "";
constexpr std::string_view kBack = " (back)";
constexpr std::string_view kChildren = "children";  // of step::kVerifying, before the record

std::string Detail(const Transition& transition, std::string_view mark) {
  return fmt::format("{}{}", transition.owner.text(), mark);
}

bool IsRollback(const ChangeRecord& change) { return !change.intent.rollback_of.empty(); }

bool LowersPolicy(const ChangeRecord& change) {
  return change.intent.policy.has_value() &&
         change.intent.policy->direction == PolicyDirection::kDown;
}

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
      case Content::kTo:
        if (journal_.HasStep(step::kWriting, owner)) journal_.Step(step::kReadBack, owner);
        break;
      case Content::kFrom:
        missing = true;
        if (journal_.HasStep(step::kWriting, owner) && !HoldsNew(transition)) {
          announced = &transition;
        }
        break;
      case Content::kThird:
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
    case Verification::Outcome::kVerified:
      return true;
    case Verification::Outcome::kTimeout:
      if (may_converge) return false;  // Resume() looks again
      break;
    case Verification::Outcome::kConflict:
      reason = "VERIFY_CONFLICT";
      break;
    case Verification::Outcome::kStopped:
      return MakeError(absl::StatusCode::kUnavailable, result.message);
  }
  // Nothing leads to them yet, so they go as they came.
  DMARCATE_RETURN_IF_ERROR(TurnBack(reason, result.message));
  return false;
}

Transaction::Written Transaction::WriteOne(const Transition& transition, std::string_view mark) {
  const absl::Duration end = world_.clock.Monotonic() + options_.read_deadline;
  absl::Duration pause = options_.first_pause;
  bool repeated = false;
  // The provider says that nothing was changed; the zone, if it can be read, is believed more. A
  // first try of unknown outcome may still arrive: then nothing is certain.
  const auto refused = [&](std::string_view reason) {
    const absl::StatusOr<RrSet> now = provider_->ReadRrSet(transition.zone, transition.owner);
    if (now.ok() && Compare(transition, now->records) == Content::kTo) {
      journal_.Step(step::kReadBack, Detail(transition, mark));
      return Written::kYes;
    }
    reason_ = repeated ? "WRITE_OUTCOME_UNKNOWN" : std::string(reason);
    return repeated ? Written::kAttention : Written::kNo;
  };
  while (true) {
    // Ahead of the write, and the fence: who lost the lease cannot save.
    journal_.Step(step::kWriting, Detail(transition, mark));
    later_ = journal_.Save();
    if (!later_.ok()) return Written::kLater;
    const absl::Status applied = provider_->Apply(
        transition.zone, {transition.owner, transition.from, transition.to, transition.ttl_to});
    message_ = std::string(MessageOf(applied));
    switch (applied.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kUnknown:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kDataLoss:
      case absl::StatusCode::kAborted:
        break;  // what the zone holds decides
      case absl::StatusCode::kUnavailable:
        if (world_.clock.Monotonic() + pause > end) return refused("PROVIDER_UNAVAILABLE");
        if (!world_.pacer.Wait(pause)) return Written::kLater;
        pause = std::min(pause * 2, options_.longest_pause);
        continue;
      case absl::StatusCode::kPermissionDenied:
        return refused("PROVIDER_CREDENTIAL");
      default:
        return refused("PROVIDER_REJECTED");
    }
    if (!applied.ok()) journal_.Step(step::kUnknown, EscapeForTerminal(message_));
    const Written settled = Settle(transition, mark);
    if (settled != Written::kNo) {
      // Refused because the zone holds something else: that is no write of ours.
      const bool conflict =
          settled == Written::kAttention && applied.code() == absl::StatusCode::kAborted;
      return conflict ? refused("STALE_PLAN") : settled;
    }
    if (std::exchange(repeated, true)) {
      reason_ = "WRITE_OUTCOME_UNKNOWN";
      message_ =
          fmt::format("{} still holds what was there, after two tries: {}", transition.owner.text(),
                      message_.empty() ? "the provider reported success" : message_);
      return Written::kAttention;
    }
  }
}

absl::Status Transaction::Later() const {
  if (!later_.ok()) return later_;
  return MakeError(absl::StatusCode::kUnavailable, message_);
}

// Reads until the provider shows the new records. kNo: it kept showing the old ones.
Transaction::Written Transaction::Settle(const Transition& transition, std::string_view mark) {
  const absl::Duration end = world_.clock.Monotonic() + options_.settle_deadline;
  absl::Duration pause = options_.first_pause;
  while (true) {
    const absl::StatusOr<RrSet> now =
        reader_.ReadProvider(*provider_, transition.zone, transition.owner);
    if (now.ok()) {
      switch (Compare(transition, now->records)) {
        case Content::kTo:
          if (!now->records.empty() && now->ttl_seconds != transition.ttl_to) {
            journal_.Step(step::kReadBack,
                          fmt::format("{}: TTL {} s, asked for {} s", transition.owner.text(),
                                      now->ttl_seconds, transition.ttl_to));
          }
          journal_.Step(step::kReadBack, Detail(transition, mark));
          return Written::kYes;
        case Content::kThird:
          reason_ = "VERIFY_CONFLICT";
          message_ = fmt::format("{} holds neither what was there nor what the change writes",
                                 transition.owner.text());
          journal_.change().error_metadata = {
              {"owner", transition.owner.text()},
              {"expected", Join(ToPresentations(transition.from), "\n")},
              {"found", Join(ToPresentations(now->records), "\n")}};
          return Written::kAttention;
        case Content::kFrom:
          break;
      }
    } else if (const auto why = ErrorReasonOf(now.status()); why && why->code == "SHUTTING_DOWN") {
      return Written::kLater;
    }
    if (world_.clock.Monotonic() + pause > end) {
      if (now.ok()) return Written::kNo;
      reason_ = "WRITE_OUTCOME_UNKNOWN";
      message_ = std::string(MessageOf(now.status()));
      return Written::kAttention;
    }
    if (!world_.pacer.Wait(pause)) return Written::kLater;
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

Transaction::Proof Transaction::Prove(const std::vector<Transition>& transitions,
                                      std::string_view direction) {
  if (!journal_.HasStep(step::kVerifying, direction)) journal_.Step(step::kVerifying, direction);
  const absl::Duration waited = watch_.Since(change(), direction);
  uint32_t ttl_seconds = 0;
  for (const Transition& transition : transitions) {
    ttl_seconds = std::max({ttl_seconds, transition.ttl_from, transition.ttl_to});
  }
  const absl::Duration limit = std::max(
      options_.verify_deadline, std::min(absl::Seconds(ttl_seconds), options_.verify_limit));
  // At first somebody waits for it. Later one look each time that this is taken up again.
  const absl::Duration patience = std::max(absl::ZeroDuration(), options_.verify_deadline - waited);
  Proof proof{VerifyServers(world_, options_, transitions,
                            std::min(patience, options_.verify_deadline),
                            [&](std::vector<VerificationRecord> records) {
                              journal_.change().verifications = std::move(records);
                              return journal_.Save();
                            })};
  proof.may_converge = watch_.Since(change(), direction) + options_.longest_pause < limit;
  return proof;
}

absl::Status Transaction::Verify() {
  const auto [result, may_converge] = Prove(transitions_, "");
  switch (result.outcome) {
    case Verification::Outcome::kVerified:
      break;
    case Verification::Outcome::kTimeout:
      if (may_converge) return absl::OkStatus();
      return NeedAttention("VERIFY_TIMEOUT", result.message);
    case Verification::Outcome::kConflict:
      return NeedAttention("VERIFY_CONFLICT", result.message);
    case Verification::Outcome::kStopped:
      return MakeError(absl::StatusCode::kUnavailable, result.message);
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::string broken, JudgeLiveAgainAndAgain());
  if (!broken.empty()) {
    // Going back from going back, or to what was broken before, would only swap one evil for
    // another; and back from a step down is up, without a gate.
    if (IsRollback(change()) || change().intent.repair != RepairKind::kNone ||
        LowersPolicy(change())) {
      return NeedAttention(reason_, broken);
    }
    return TurnBack(reason_, broken);
  }
  return Succeed();
}

// One bad look proves little: a resolver says SERVFAIL while it cannot reach a key, a vendor's
// record is gone while it is being replaced. Going back on that would take a good record away.
absl::StatusOr<std::string> Transaction::JudgeLiveAgainAndAgain() {
  const absl::Duration end = world_.clock.Monotonic() + options_.verdict_period;
  absl::Duration pause = options_.first_pause;
  while (true) {
    std::string broken = JudgeLive();
    if (broken.empty() || world_.clock.Monotonic() >= end) return broken;
    pause = std::min(pause, end - world_.clock.Monotonic());
    if (!world_.pacer.Wait(pause)) {
      return MakeError(absl::StatusCode::kUnavailable, "policyd is stopping");
    }
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

// The SPF record of `domain`, as it is, with `text` at the name that it includes.
SpfMeasure Transaction::MeasureThrough(const DomainName& domain, const DomainName& target,
                                       const std::string& text,
                                       const absl::StatusOr<DnsAnswer>& seen) const {
  SpfMeasure nothing;
  nothing.complete = false;  // proves nothing against the record
  if (!seen.ok()) return nothing;
  const std::vector<std::string> texts = TextsOf(seen->txt);
  const SpfSelection selection = SelectSpf(texts);
  if (selection.outcome != SpfSelection::Outcome::kOne) return nothing;
  return reader_.Measure(domain, texts[selection.indexes.front()], {{target, text}});
}

std::string Transaction::JudgeLive() {
  for (const Transition& transition : transitions_) {
    // As receivers do: in delegated mode through the alias.
    const DomainName& asked = transition.alias.value_or(transition.owner);
    const absl::StatusOr<DnsAnswer> seen = world_.resolver.Lookup(asked, RrType::kTxt);
    if (seen.status().code() == absl::StatusCode::kDataLoss) {
      reason_ = "DNSSEC_BOGUS";
      return fmt::format("{}: {}", asked.text(), MessageOf(seen.status()));
    }
    if (RoleOf(transition.owner) != RecordRole::kSpf || IsRollback(change())) continue;
    const std::vector<std::string> texts = TextsOf(transition.to);
    const SpfSelection selection = SelectSpf(texts);
    if (selection.indexes.empty()) continue;
    const std::string& text = texts[selection.indexes.front()];
    const SpfMeasure measure = transition.alias.has_value()
                                   ? MeasureThrough(*transition.alias, transition.owner, text, seen)
                                   : reader_.Measure(transition.owner, text);
    // What could not be counted proves nothing against the record.
    if (!measure.complete && measure.lookups <= kMaxSpfLookups) continue;
    // Whether this change brought the void look-ups over IPv6 was judged before it was written.
    SpfMeasure before;
    before.void_lookups_ipv6 = measure.void_lookups_ipv6;
    const std::vector<GuardRecord> guards = GuardSpfCost(before, measure);
    if (const GuardRecord* refusal = FindRefusal(guards)) {
      reason_ = refusal->code;
      return refusal->message;
    }
  }
  return "";
}

absl::Status Transaction::RollBack() {
  for (auto it = transitions_.rbegin(); it != transitions_.rend(); ++it) {
    const Transition& transition = *it;
    if (!HoldsNew(transition) || Stays(transition)) continue;  // never ours; or led to by caches
    const Transition back = Reverse(transition);
    const absl::StatusOr<RrSet> now =
        reader_.ReadProvider(*provider_, transition.zone, transition.owner);
    if (!now.ok()) return now.status();  // stays open: never forgotten
    const Content content = Compare(back, now->records);
    if (content == Content::kTo) continue;
    if (content == Content::kThird) {
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
    case Verification::Outcome::kVerified:
      break;
    case Verification::Outcome::kTimeout:
      if (may_converge) return absl::OkStatus();
      return NeedAttention("VERIFY_TIMEOUT", fmt::format("going back: {}", result.message));
    case Verification::Outcome::kConflict:
      return NeedAttention("VERIFY_CONFLICT", fmt::format("going back: {}", result.message));
    case Verification::Outcome::kStopped:
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
