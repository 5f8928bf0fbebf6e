#include "policyd/service/spf_follower.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/plan/change_plan.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/service/handler.h"
#include "policyd/watch/insight_finding.h"

namespace dmarcate {
namespace {

// How many changes of a domain are looked at for the last plan; newest first. What nobody applies
// is planned anew each day.
constexpr size_t kChangesLookedAt = 200;

const ChangeRecord* LastPlan(const std::vector<ChangeRecord>& changes) {
  const auto found = std::ranges::find(changes, kSpfFollower, &ChangeRecord::requested_by);
  return found == changes.end() ? nullptr : &*found;
}

// The domain's own SPF record before and after; nothing: the change leaves it alone.
std::optional<SpfTexts> TextsIn(const ChangeRecord& change) {
  const absl::StatusOr<std::optional<SpfTexts>> texts = SpfTextsOf(change);
  return texts.ok() ? *texts : std::nullopt;
}

// Child records are named after what they say, so equal texts are equal addresses. Digests tell
// more apart: a change that went back leaves its children in the book.
bool PublishTheSame(const ChangeRecord& a, const ChangeRecord& b) {
  if (a.plan_digest == b.plan_digest) return true;
  const std::optional<SpfTexts> one = TextsIn(a);
  const std::optional<SpfTexts> other = TextsIn(b);
  return one.has_value() && other.has_value() && one->before == other->before &&
         one->after == other->after;
}

// Whether there is nothing to add to what was planned before: it waits, it was refused as it would
// be now, a person has said no, or it has just failed.
bool Stands(const ChangeRecord& last, const ChangeRecord& now, absl::Time time) {
  switch (last.state) {
    case ChangeState::kPlanned:
      return last.plan_digest == now.plan_digest && time <= last.plan_expire_time;
    case ChangeState::kRefused:
      return last.plan_digest == now.plan_digest;
    case ChangeState::kCancelled:
      return PublishTheSame(last, now);
    case ChangeState::kExpired:
    case ChangeState::kSucceeded:
      return false;
    default:  // it did not work out; not again and again
      return PublishTheSame(last, now) && time <= last.create_time + kSpfFollowLifetime;
  }
}

// Whether the last change of the record published what `plan` would, or took exactly that back: so
// it was undone since, by somebody at the host or by a rollback. Who did that is not fought with.
bool WasUndone(const std::vector<ChangeRecord>& changes, const ChangeRecord& plan) {
  const std::optional<SpfTexts> wanted = TextsIn(plan);
  if (!wanted.has_value()) return false;
  for (const ChangeRecord& change : changes) {
    if (change.apply_time == absl::InfinitePast() || change.state == ChangeState::kFailed) continue;
    if (change.state == ChangeState::kRolledBack && change.rolled_back_by.empty()) continue;
    const std::optional<SpfTexts> texts = TextsIn(change);
    if (!texts.has_value()) continue;
    const bool back = !change.intent.rollback_of.empty();
    return (back ? texts->before : texts->after) == wanted->after;
  }
  return false;
}

}  // namespace

bool MayFollowAlone(const ChangeRecord& change) {
  const absl::StatusOr<DomainName> domain = DomainName::Parse(change.domain);
  const absl::StatusOr<std::optional<SpfTexts>> texts = SpfTextsOf(change);
  if (!domain.ok() || !texts.ok() || !texts->has_value()) return false;
  if (UnflattenedText(*domain, (*texts)->before, change.managed_before) !=
      UnflattenedText(*domain, (*texts)->after, change.managed_after)) {
    return false;  // approvals that nobody has applied yet, say
  }
  return std::ranges::none_of(change.guards, [](const GuardRecord& guard) {
    if (guard.verdict == GuardVerdict::kRefuse) return true;
    if (guard.code != guard_code::kSpfVendorChanged) return false;
    const auto why = guard.metadata.find("needs_person");
    return why == guard.metadata.end() || !why->second.empty();
  });
}

void SpfFollower::Tick() {
  if (mode_ == SpfFollowMode::kInsight) return;
  const absl::StatusOr<std::vector<DomainRecord>> domains = AllDomains(policies_);
  if (!domains.ok()) {
    LogError("spf_follow_failed", {{"error", domains.status()}});
    return;
  }
  for (const DomainRecord& domain : *domains) {
    const absl::StatusOr<Step> step = Follow(domain);
    if (!step.ok()) {
      LogWarn("spf_follow_failed", {{"domain", domain.name}, {"error", step.status()}});
    } else if (*step != Step::kNothing) {
      LogInfo("spf_vendor_followed",
              {{"domain", domain.name}, {"step", *step == Step::kApplied ? "applied" : "planned"}});
    }
  }
}

absl::StatusOr<SpfFollower::Step> SpfFollower::Follow(const DomainRecord& domain) {
  if (!std::ranges::any_of(domain.managed_terms, &ManagedTerm::flattened)) return Step::kNothing;
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> insights,
                            insights_.ListInsights(domain.name));
  // One that a person has put aside is put aside here, too.
  const bool changed = std::ranges::any_of(insights, [](const InsightRecord& insight) {
    return insight.code == insight_code::kSpfVendorChanged &&
           insight.state == InsightState::kActive;
  });
  if (!changed) return Step::kNothing;
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            policies_.ListChanges(domain.name, "", kChangesLookedAt));
  const bool busy = std::ranges::any_of(changes, [](const ChangeRecord& change) {
    return !IsEndState(change.state) &&
           (change.state != ChangeState::kPlanned || change.scheduled());
  });
  if (busy) return Step::kNothing;

  const ChangeIntent intent{.spf_from_decisions = true, .flatten = FlattenMode::kIfNeeded};
  DMARCATE_ASSIGN_OR_RETURN(
      ChangeRecord plan, engine_.Plan(domain.name, intent, kSpfFollower, RunMode::kValidateOnly, {},
                                      kSpfFollowLifetime));
  if (plan.record_changes.empty()) return Step::kNothing;
  const ChangeRecord* last = LastPlan(changes);
  Step step = Step::kNothing;
  if (last != nullptr && Stands(*last, plan, clock_.Now())) {
    plan = *last;
  } else {
    DMARCATE_ASSIGN_OR_RETURN(plan, engine_.Plan(domain.name, intent, kSpfFollower,
                                                 RunMode::kExecute, {}, kSpfFollowLifetime));
    step = Step::kPlanned;
  }
  if (mode_ != SpfFollowMode::kApply || plan.state != ChangeState::kPlanned ||
      !MayFollowAlone(plan) || WasUndone(changes, plan)) {
    return step;
  }
  // It goes on by itself; what becomes of it is in the change.
  DMARCATE_RETURN_IF_ERROR(engine_
                               .Apply({.domain = plan.domain,
                                       .id = plan.id,
                                       .plan_digest = plan.plan_digest,
                                       .revision = plan.revision,
                                       .principal = std::string(kSpfFollower)},
                                      absl::ZeroDuration())
                               .status());
  return Step::kApplied;
}

}  // namespace dmarcate
