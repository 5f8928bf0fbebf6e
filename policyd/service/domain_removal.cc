#include "policyd/service/domain_removal.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/policy_ladder.h"
#include "lib/rpc/errors.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/state.h"
#include "policyd/plan/removal_plan.h"
#include "policyd/rollout/codec.h"
#include "policyd/rollout/state.h"
#include "policyd/service/mta_sts_rollout_view.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr size_t kPage = 500;
constexpr size_t kMostShown = 1000;

absl::Status InProgress(std::string_view kind, const std::string& resource, std::string_view why) {
  return ReasonError(Reason::kChangeInProgress, fmt::format("{} {}", resource, why),
                     {{std::string(kind), resource}});
}

absl::Status CheckChanges(const std::string& domain, PolicyStore& policies) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> open, policies.OpenChanges());
  for (const ChangeRecord& change : open) {
    if (change.domain != domain) continue;
    const std::string name = DomainChildResource(domain, kChanges, change.id);
    return InProgress(
        "change", name,
        change.scheduled()
            ? fmt::format("is scheduled; withdraw it first: dmarcate changes cancel {}", name)
            : fmt::format("is under way; wait for it, or take it back: dmarcate "
                          "changes show {}",
                          name));
  }
  return absl::OkStatus();
}

// The stage at which the rollout can be ended: where it stands, or below a test.
std::string_view EndingStage(PolicyStage stage) {
  switch (stage) {
    case PolicyStage::kQuarantine:
    case PolicyStage::kRejectTest:
      return "quarantine";
    case PolicyStage::kReject:
      return "reject";
    default:
      return "none";
  }
}

// Calls `check` with each rollout of the domain until one gives an error.
template <typename Check>
absl::Status CheckEach(const std::string& domain, RolloutStore& rollouts, Check check) {
  std::string after;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(
        const std::vector<RolloutRecord> page,
        rollouts.ListRollouts(domain, after.empty() ? "" : domain, after, kPage));
    for (const RolloutRecord& rollout : page) DMARCATE_RETURN_IF_ERROR(check(rollout));
    if (page.size() < kPage) return absl::OkStatus();
    after = page.back().id;
  }
}

// `state`: of the rollout `name`; `end`: the command that ends it.
template <typename State>
absl::Status CheckEnded(const std::string& name, const absl::StatusOr<State>& state,
                        std::string_view moves, const std::string& end) {
  if (!state.ok()) {
    return ReasonError(Reason::kRolloutState, fmt::format("{} cannot be read", name),
                       {{"rollout", name}});
  }
  if (state->status == RolloutStatus::kAborted && state->pending_change.empty()) {
    return absl::OkStatus();
  }
  return ReasonError(Reason::kRolloutState,
                     fmt::format("{} is {} and may still move the {}; end it: {}", name,
                                 ToString(state->status), moves, end),
                     {{"rollout", name}});
}

absl::Status CheckRollouts(const std::string& domain, const DomainStores& stores) {
  DMARCATE_RETURN_IF_ERROR(
      CheckEach(domain, stores.rollouts, [&domain](const RolloutRecord& rollout) {
        const absl::StatusOr<RolloutState> state = DecodeState(rollout.state);
        return CheckEnded(DomainChildResource(domain, kRollouts, rollout.id), state, "policy",
                          fmt::format("dmarcate rollout abort {} --to {}", domain,
                                      state.ok() ? EndingStage(state->stage) : ""));
      }));
  return CheckEach(domain, stores.mta_sts_rollouts, [&domain](const RolloutRecord& rollout) {
    const absl::StatusOr<StsState> state = DecodeStsState(rollout.state);
    return CheckEnded(DomainChildResource(domain, kMtaStsRollouts, rollout.id), state,
                      "MTA-STS policy",
                      fmt::format("dmarcate mta-sts abort {} --to testing, or off", domain));
  });
}

// Whether the fleet change has still something to do, or a person has with it.
bool HasWork(const FleetRecord& fleet, absl::Time now) {
  if (fleet.state == FleetState::kPlanned) return now <= fleet.plan_expire_time;
  return IsOpen(fleet.state);
}

absl::StatusOr<bool> IsWaiting(FleetStore& fleets, const std::string& id,
                               const std::string& domain) {
  std::string after;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetMemberRecord> page,
                              fleets.ListFleetMembers(id, after, kPage));
    for (const FleetMemberRecord& member : page) {
      if (member.domain == domain) {
        return member.state == FleetMemberState::kUnplanned ||
               member.state == FleetMemberState::kPlanned;
      }
    }
    if (page.size() < kPage || page.back().domain > domain) return false;
    after = page.back().domain;
  }
}

absl::Status CheckFleets(const std::string& domain, FleetStore& fleets, absl::Time now) {
  std::string before;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetRecord> page,
                              fleets.ListFleets(before, kPage));
    for (const FleetRecord& fleet : page) {
      if (!HasWork(fleet, now)) continue;
      DMARCATE_ASSIGN_OR_RETURN(const bool waiting, IsWaiting(fleets, fleet.id, domain));
      if (!waiting) continue;
      const std::string name = FleetResource(fleet.id);
      return InProgress("fleet_change", name,
                        fmt::format("still has to do with {}; wait for it, or withdraw it: "
                                    "dmarcate fleet cancel {}",
                                    domain, name));
    }
    if (page.size() < kPage) return absl::OkStatus();
    before = page.back().id;
  }
}

absl::StatusOr<std::vector<ChangeRecord>> ChangesOf(const std::string& domain,
                                                    PolicyStore& policies) {
  std::vector<ChangeRecord> out;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<ChangeRecord> page,
        policies.ListChanges(domain, out.empty() ? "" : out.back().id, kPage));
    const bool last = page.size() < kPage;
    std::ranges::move(page, std::back_inserter(out));
    if (last) return out;
  }
}

void ToMessage(const LeftRecord& from, v1::RecordLeftBehind* to) {
  to->set_owner_name(from.owner_name);
  to->set_type(from.type);
  to->set_zone(from.zone);
  for (const std::string& value : from.values) to->add_values(value);
  for (const std::string& value : from.values_before) to->add_values_before(value);
  if (!from.dns_provider.empty()) to->set_dns_provider(ProviderResource(from.dns_provider));
  to->set_consequence(from.consequence);
}

}  // namespace

absl::Status CheckRemovable(const std::string& domain, PolicyStore& policies,
                            const DomainStores& stores, absl::Time now) {
  DMARCATE_RETURN_IF_ERROR(CheckChanges(domain, policies));
  DMARCATE_RETURN_IF_ERROR(CheckRollouts(domain, stores));
  return CheckFleets(domain, stores.fleets, now);
}

absl::Status CheckNoneBegun(const std::string& domain, PolicyStore& policies) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> open, policies.OpenChanges());
  for (const ChangeRecord& change : open) {
    if (change.domain != domain || change.scheduled()) continue;
    const std::string name = DomainChildResource(domain, kChanges, change.id);
    return InProgress("change", name,
                      fmt::format("is under way, and keeps the account and the zone that it began "
                                  "with; wait for it: dmarcate changes show {}",
                                  name));
  }
  return absl::OkStatus();
}

absl::Status RemoveDomain(const DomainRecord& domain, const v1::DeleteDomainRequest& in,
                          std::string_view principal, absl::Time now, PolicyStore& policies,
                          const DomainStores& stores, v1::DeleteDomainResponse* out) {
  DMARCATE_RETURN_IF_ERROR(CheckRemovable(domain.name, policies, stores, now));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            ChangesOf(domain.name, policies));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            policies.ListDecisions(domain.name));
  const RemovalPlan plan = PlanRemoval(domain, changes);
  for (const LeftRecord& left : plan.left) {
    if (static_cast<size_t>(out->left_behind_size()) == kMostShown) break;
    ToMessage(left, out->add_left_behind());
  }
  for (const std::string& id : plan.undo) {
    if (static_cast<size_t>(out->undo_changes_size()) == kMostShown) break;
    out->add_undo_changes(DomainChildResource(domain.name, kChanges, id));
  }
  out->set_decision_count(static_cast<int32_t>(decisions.size()));
  out->set_revoked_address_count(static_cast<int32_t>(
      std::ranges::count(domain.report_addresses, false, &ReportAddressRecord::revoked)));
  if (in.validate_only()) return absl::OkStatus();
  if (!plan.left.empty() && in.record_policy() != v1::DeleteDomainRequest::RECORD_POLICY_LEAVE) {
    return ReasonError(
        Reason::kGuardRefused,
        fmt::format("RECORDS_LEFT_BEHIND: {} records that Dmarcate wrote would stay in the DNS, {} "
                    "first; say that they may (record_policy LEAVE), or roll the changes back",
                    plan.left.size(), plan.left.front().owner_name),
        {{"guard", "RECORDS_LEFT_BEHIND"},
         {"owner", plan.left.front().owner_name},
         {"records", fmt::format("{}", plan.left.size())}});
  }
  absl::Status in_the_way;  // what began since it was looked; nothing can begin while this is asked
  const absl::Status removed =
      stores.removals.RemoveDomain({domain.name, domain.revision, now, std::string(principal), [&] {
                                      in_the_way =
                                          CheckRemovable(domain.name, policies, stores, now);
                                      return in_the_way;
                                    }});
  DMARCATE_RETURN_IF_ERROR(in_the_way);
  if (removed.code() == absl::StatusCode::kAborted) {
    return WithReason(removed, Reason::kEtagMismatch);
  }
  DMARCATE_RETURN_IF_ERROR(removed);
  LogInfo("domain_removed", {{"domain", domain.name},
                             {"by", principal},
                             {"records_left", plan.left.size()},
                             {"decisions", decisions.size()}});
  return absl::OkStatus();
}

}  // namespace dmarcate
