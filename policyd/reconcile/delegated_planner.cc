// What Planner does for a domain in delegated mode (policyd/plan/delegation.h).

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/guard.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

std::string OnlySpfOf(const std::vector<TxtRecord>& records) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  return selection.outcome == SpfSelection::Outcome::kOne ? texts[selection.indexes.front()] : "";
}

absl::StatusOr<DomainName> Name(std::string_view text, std::string_view what) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  if (name.ok()) return name;
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("{}: {}", what, MessageOf(name.status())));
}

}  // namespace

bool IsDelegated(const DomainRecord& domain) { return !domain.delegation_zone.empty(); }

absl::StatusOr<Delegated> Planner::ReadDelegated(const DomainRecord& domain, RecordRole role,
                                                 DnsProvider& provider) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, Name(domain.name, "stored domain"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainName zone,
                            Name(domain.delegation_zone, "stored delegation zone"));
  const absl::StatusOr<DomainName> target = DelegatedOwner(role, name, zone);
  if (!target.ok()) {
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "ZONE_NOT_BOUND",
                             fmt::format("delegation: {}", MessageOf(target.status())));
  }
  DomainName owner = name;
  if (role != RecordRole::kSpf) {
    DMARCATE_ASSIGN_OR_RETURN(owner, name.Child("_dmarc"));
  }
  Delegated out;
  DMARCATE_ASSIGN_OR_RETURN(const AuthoritativeAnswer servers, reader_.ReadOwn(role, owner));
  // An alias at the target is not followed: it may lead back.
  DMARCATE_ASSIGN_OR_RETURN(const AuthoritativeAnswer at_target,
                            reader_.ReadOwn(RecordRole::kDmarc, *target));
  out.sight = JudgeDelegation(role, owner, *target, servers, at_target);
  if (FindRefusal(out.sight.guards) != nullptr) return out;
  DMARCATE_ASSIGN_OR_RETURN(out.live, reader_.Read(provider, *target));
  return out;
}

AliasRecord AliasOf(const DelegationSight& sight) {
  return {sight.owner.text(), sight.in_place, ToPresentations(sight.held)};
}

absl::Status Planner::CheckDelegation(const RecordChangeRecord& record,
                                      const DomainRecord& domain) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName target, Name(record.owner_name, "stored owner"));
  const RecordRole role = RoleOf(target);
  const bool delegated = !record.alias.name.empty();
  const bool may_be = role == RecordRole::kSpf || role == RecordRole::kDmarc;
  if (may_be && delegated != IsDelegated(domain)) {
    return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                             "the domain was put into or out of delegated mode since; plan again",
                             {{"owner", record.owner_name}});
  }
  if (!delegated) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, Name(record.alias.name, "stored alias"));
  DMARCATE_ASSIGN_OR_RETURN(const AuthoritativeAnswer servers, reader_.ReadOwn(role, owner));
  const DelegationSight now = JudgeDelegation(role, owner, target, servers, {});
  if (const GuardRecord* refusal = FindRefusal(now.guards)) return GuardRefused(*refusal);
  const AliasRecord seen = AliasOf(now);
  if (seen.in_place == record.alias.in_place && (seen.in_place || seen.held == record.alias.held)) {
    return absl::OkStatus();
  }
  return MakeReasonedError(
      absl::StatusCode::kAborted, "STALE_PLAN",
      seen.in_place == record.alias.in_place
          ? fmt::format("{} holds another record now; plan again", owner.text())
          : fmt::format("{} {} lead to {} now; plan again", owner.text(),
                        seen.in_place ? "does" : "does not", target.text()),
      {{"owner", owner.text()}, {"target", target.text()}});
}

absl::StatusOr<std::optional<SpfMeasures>> Planner::MeasureDelegated(
    const RecordChangeRecord& record) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, Name(record.alias.name, "stored alias"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainName target, Name(record.owner_name, "stored owner"));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before, FromPresentations(record.before));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record.after));
  const absl::StatusOr<DnsAnswer> live = world_.resolver.Lookup(owner, RrType::kTxt);
  if (!live.ok()) {
    return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                             fmt::format("spf of {}: {}", owner.text(), MessageOf(live.status())));
  }
  const std::string text = OnlySpfOf(live->txt);
  // What receivers will evaluate once the include is there; as long as it is not, that is what the
  // operator is told to set.
  absl::StatusOr<std::string> led = WithInclude(text, target);
  if (!led.ok()) {
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "RECORD_SYNTAX",
                             fmt::format("spf of {}: {}", owner.text(), MessageOf(led.status())));
  }
  return SpfMeasures{reader_.Measure(owner, text, {{target, OnlySpfOf(before)}}),
                     reader_.Measure(owner, *led, {{target, OnlySpfOf(after)}}), std::nullopt};
}

}  // namespace dmarcate
