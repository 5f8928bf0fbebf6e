// Whether what was written is there, at every server, and does what it should. Part of Transaction.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/transaction.h"

namespace dmarcate {
namespace {

bool IsRollback(const ChangeRecord& change) { return !change.intent.rollback_of.empty(); }

bool LowersPolicy(const ChangeRecord& change) {
  return change.intent.policy.has_value() &&
         change.intent.policy->direction == PolicyDirection::kDown;
}

}  // namespace

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
    case ServerVerification::Outcome::kVerified:
      break;
    case ServerVerification::Outcome::kTimeout:
      if (may_converge) return absl::OkStatus();
      return NeedAttention("VERIFY_TIMEOUT", result.message);
    case ServerVerification::Outcome::kConflict:
      return NeedAttention("VERIFY_CONFLICT", result.message);
    case ServerVerification::Outcome::kStopped:
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

}  // namespace dmarcate
