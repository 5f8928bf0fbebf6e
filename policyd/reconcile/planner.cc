#include "policyd/reconcile/planner.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/planner_draft.h"
#include "policyd/reconcile/prune_draft.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/repair_draft.h"
#include "policyd/reconcile/sts_draft.h"

namespace dmarcate {

namespace {

// Both sides of a difference, for the metadata of an error.
std::map<std::string, std::string> Difference(const RecordChangeRecord& record,
                                              const std::vector<std::string>& expected,
                                              const std::vector<std::string>& found) {
  const auto show = [](const std::vector<std::string>& records) {
    return records.empty() ? std::string("(no TXT record)") : Join(records, "\n");
  };
  return {{"owner", record.owner_name}, {"expected", show(expected)}, {"found", show(found)}};
}

// Of a change with SPF records: the one that tells what is evaluated, or the last child record.
RecordChangeRecord& SpfChangeOf(ChangeRecord& change) {
  const auto main =
      std::ranges::find(change.record_changes, change.domain, &RecordChangeRecord::owner_name);
  return main != change.record_changes.end() ? *main : change.record_changes.back();
}

std::vector<std::string> Sorted(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  return texts;
}

std::vector<std::string> RevokedOf(const DomainRecord& domain) {
  std::vector<std::string> revoked;
  for (const ReportAddressRecord& address : domain.report_addresses) {
    if (address.revoked()) revoked.push_back(address.address);
  }
  return revoked;
}

// The plan was made while the address took reports; now they would be refused there for good.
absl::Status CheckAddresses(const RecordChangeRecord& record, const DomainRecord& domain) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before, FromPresentations(record.before));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record.after));
  // Joined: a cut between two character-strings may go through the address.
  const auto names = [](const std::vector<std::string>& texts, std::string_view address) {
    return std::ranges::any_of(texts, [address](const std::string& text) {
      return text.find(address) != std::string::npos;  // no other address has 80 bits of it
    });
  };
  const std::vector<std::string> live = TextsOf(before);
  const std::vector<std::string> wanted = TextsOf(after);
  for (const ReportAddressRecord& address : domain.report_addresses) {
    if (!address.revoked() || names(live, address.address)) continue;
    if (!names(wanted, address.address)) continue;
    return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                             fmt::format("{} was revoked since; plan again", address.address),
                             {{"owner", record.owner_name}});
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GuardRefused(const GuardRecord& guard) {
  std::map<std::string, std::string> metadata = guard.metadata;
  metadata["guard"] = guard.code;
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "GUARD_REFUSED",
                           fmt::format("{}: {}", guard.code, guard.message), metadata);
}

absl::StatusOr<std::shared_ptr<DnsProvider>> Planner::OpenProvider(
    std::string_view provider_id) const {
  const auto no_provider = [](std::string_view why) {
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "NO_PROVIDER", why);
  };
  if (provider_id.empty()) return no_provider("the domain has no DNS provider");
  const absl::StatusOr<DnsProviderRecord> record = world_.store.GetProvider(provider_id);
  if (record.status().code() == absl::StatusCode::kNotFound) {
    return no_provider(fmt::format("dnsProviders/{} does not exist", provider_id));
  }
  if (!record.ok()) return record.status();
  absl::StatusOr<std::shared_ptr<DnsProvider>> provider = world_.providers.Open(*record);
  if (provider.ok()) return provider;
  return MakeReasonedError(
      absl::StatusCode::kFailedPrecondition, "PROVIDER_CREDENTIAL",
      fmt::format("dnsProviders/{}: {}", provider_id, MessageOf(provider.status())));
}

// One record, without flattening: what it takes is counted over the domain's own.
absl::Status Planner::DraftDelegatedSpf(const DomainRecord& domain, DnsProvider& provider,
                                        Draft& draft) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            world_.store.ListDecisions(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const Delegated delegated,
                            ReadDelegated(domain, RecordRole::kSpf, provider));
  const TxtImage& image = delegated.live.image;
  absl::StatusOr<SpfDraft> drafted =
      DraftSpf(draft.domain, TextsOf(image.records), domain.managed_terms, ApprovedOf(decisions));
  if (!drafted.ok()) {
    return MakeReasonedError(absl::StatusCode::kInvalidArgument, "SPF_TERM_FORBIDDEN",
                             MessageOf(drafted.status()));
  }
  Append(draft.guards, delegated.sight.guards);
  if (FindRefusal(delegated.sight.guards) != nullptr) return absl::OkStatus();
  Append(draft.guards, GuardZone(image, delegated.live.servers));
  Append(draft.guards, drafted->plan.guards);
  draft.managed_after = drafted->plan.managed_after;
  SpfPlan& plan = drafted->plan;
  if (plan.before.empty() && plan.after.empty() && plan.guards.empty()) {
    // Whoever is told to set the include sets it today, and without a record to find it would be an
    // error for all mail (RFC 7208 section 5.2). This one lets nobody through and decides nothing.
    plan.after = "v=spf1 ~all";
    plan.term_changes.push_back({TermAction::kAdd, "~all", "", "", 0});
  }
  if (plan.after == plan.before) return absl::OkStatus();
  draft.spf = ReplaceText(image, plan.before, plan.after);
  draft.spf->term_changes = plan.term_changes;
  draft.spf->alias = AliasOf(delegated.sight);
  return absl::OkStatus();
}

void Planner::Stamp(std::string_view principal, ChangeRecord& change) const {
  change.create_time = world_.clock.Now();
  change.plan_expire_time = change.create_time + options_.plan_lifetime;
  change.id = MakeSortableId(change.create_time, world_.random);
  change.requested_by = std::string(principal);
  change.plan_digest = PlanDigest(change);
}

absl::StatusOr<ChangeRecord> Planner::Plan(const DomainRecord& domain, ChangeIntent intent,
                                           std::string_view principal,
                                           const ReportFacts& facts) const {
  const bool alone = intent.repair != RepairKind::kNone || !intent.prune.empty();
  if (intent.policy.has_value() || intent.mta_sts.has_value()) {
    intent.spf_from_decisions = intent.dmarc_report_address = false;  // it stands alone
  } else if (!intent.spf_from_decisions && !intent.dmarc_report_address && !alone) {
    intent.spf_from_decisions = true;
    intent.dmarc_report_address = !MailboxForReports(domain).empty();
  }
  if (intent.dmarc_report_address && MailboxForReports(domain).empty()) {
    return MakeReasonedError(
        absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
        fmt::format("{} has no report mailbox and no report address", domain.name),
        {{"field", "intent.dmarc_report_address"}});
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::shared_ptr<DnsProvider> provider,
                            OpenProvider(domain.dns_provider));
  Draft draft;
  DMARCATE_ASSIGN_OR_RETURN(draft.domain, StoredName(domain.name));
  draft.managed_after = domain.managed_terms;
  if (!intent.prune.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(PruneDraft drafted, DraftPrune(domain, intent, facts.prune,
                                                             world_.store, reader_, *provider));
    draft.managed_after = std::move(drafted.managed_after);
    Append(draft.guards, std::move(drafted.guards));
    draft.spf = std::move(drafted.record);  // the only one there is
  } else if (intent.repair != RepairKind::kNone) {
    DMARCATE_ASSIGN_OR_RETURN(RepairDraft drafted, DraftRepair(domain, intent, reader_, *provider));
    draft.managed_after = std::move(drafted.managed_after);
    Append(draft.guards, std::move(drafted.guards));
    draft.spf = std::move(drafted.record);  // the only one there is
  }
  if (intent.dmarc_report_address) {
    DMARCATE_RETURN_IF_ERROR(DraftDmarc(domain, *provider, draft));
  }
  if (intent.policy.has_value()) {
    if (IsDelegated(domain)) {
      return MakeReasonedError(
          absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
          fmt::format("{}: its DMARC record lies in {}; a rollout does not move it there yet",
                      domain.name, domain.delegation_zone));
    }
    DMARCATE_RETURN_IF_ERROR(DraftPolicy(*intent.policy, *provider, draft));
  }
  if (intent.mta_sts.has_value()) {
    DMARCATE_ASSIGN_OR_RETURN(StsDraft drafted, DraftStsRecord(draft.domain, *intent.mta_sts,
                                                               world_, reader_, *provider));
    draft.sts = std::move(drafted.record);
    Append(draft.guards, std::move(drafted.guards));
  }
  if (intent.spf_from_decisions && IsDelegated(domain)) {
    DMARCATE_RETURN_IF_ERROR(DraftDelegatedSpf(domain, *provider, draft));
  } else if (intent.spf_from_decisions) {
    DMARCATE_RETURN_IF_ERROR(DraftSpfRecords(domain, intent.flatten, *provider, draft));
  }

  ChangeRecord change;
  change.domain = domain.name;
  change.intent = intent;
  change.dns_provider = domain.dns_provider;
  change.provider_class = static_cast<uint8_t>(provider->provider_class());
  change.by_hand = provider->writer() == ProviderWriter::kPerson;
  change.managed_before = domain.managed_terms;
  change.managed_after = draft.managed_after;
  change.guards = draft.guards;
  for (std::optional<RecordChangeRecord>* record :
       {&draft.authorization, &draft.dmarc, &draft.sts}) {
    if (record->has_value()) change.record_changes.push_back(*std::move(*record));
  }
  std::ranges::move(draft.children, std::back_inserter(change.record_changes));
  if (draft.spf.has_value()) change.record_changes.push_back(*std::move(draft.spf));
  std::ranges::move(draft.unused, std::back_inserter(change.record_changes));
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<SpfMeasures> measures, MeasureBoth(change));
  if (measures.has_value()) {
    RecordChangeRecord& spf = SpfChangeOf(change);
    spf.lookups_before = measures->before.lookups;
    spf.lookups_after = measures->after.lookups;
    if (spf.term_changes.empty() && draft.compiled.has_value()) {
      spf.term_changes = draft.compiled->plan.term_changes;
    }
    FillCosts(measures->before, measures->after, spf.term_changes);
    if (draft.compiled.has_value()) FillFlattenedCosts(*draft.compiled, spf.term_changes);
  }
  if (draft.compiled.has_value()) {
    Append(change.guards,
           TellFlattening(*draft.compiled, measures.has_value() ? measures->after.lookups : 0));
    Append(change.guards, TellNotNeeded(facts.not_needed, draft.compiled->plan.term_changes));
  }
  DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> judged, JudgeChange(change, measures));
  Append(change.guards, std::move(judged));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> warned,
                            WarnOfRevoked(change, RevokedOf(domain)));
  Append(change.guards, std::move(warned));

  Stamp(principal, change);
  if (FindRefusal(change.guards) != nullptr) {
    change.state = ChangeState::kRefused;
    change.managed_after = change.managed_before;
    change.end_time = change.create_time;
  } else if (change.record_changes.empty()) {
    change.state = ChangeState::kSucceeded;
    change.end_time = change.create_time;
  }
  return change;
}

absl::StatusOr<ChangeRecord> Planner::PlanRollbackOf(const ChangeRecord& change,
                                                     const DomainRecord& domain,
                                                     std::string_view principal) const {
  if (change.intent.repair != RepairKind::kNone) return NoWayBack(change);
  DMARCATE_ASSIGN_OR_RETURN(const std::shared_ptr<DnsProvider> provider,
                            OpenProvider(change.dns_provider));
  ChangeRecord rollback = PlanRollback(change, domain.managed_terms);
  rollback.provider_class = static_cast<uint8_t>(provider->provider_class());
  rollback.by_hand = provider->writer() == ProviderWriter::kPerson;
  std::vector<RecordChangeRecord> records;
  records.swap(rollback.record_changes);
  for (RecordChangeRecord& record : records) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record.owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(*provider, owner));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> ours, FromPresentations(record.before));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> wanted, FromPresentations(record.after));
    if (!SameTexts(live.image.records, ours)) {
      // What the change did not get to, or what is back already, is left as it is, whatever others
      // have put beside it.
      if (SameOwn(RoleOf(owner), live.image.records, wanted)) continue;
      return MakeReasonedError(
          absl::StatusCode::kFailedPrecondition, "ROLLBACK_BLOCKED",
          fmt::format("{} no longer holds what the change wrote", record.owner_name),
          Difference(record, record.before, ToPresentations(live.image.records)));
    }
    // A host may cut strings its own way; a prerequisite wants them as they are kept.
    record.before = ToPresentations(live.image.records);
    if (!record.alias.name.empty()) {
      DMARCATE_ASSIGN_OR_RETURN(const DomainName alias, StoredName(record.alias.name));
      DMARCATE_ASSIGN_OR_RETURN(const AuthoritativeAnswer servers,
                                reader_.ReadOwn(RoleOf(owner), alias));
      const DelegationSight sight =
          JudgeDelegation(RoleOf(owner), alias, owner, servers, live.servers);
      Append(rollback.guards, sight.guards);
      record.alias = AliasOf(sight);
    }
    Append(rollback.guards, GuardZone(live.image, live.servers));
    rollback.record_changes.push_back(std::move(record));
  }
  DMARCATE_RETURN_IF_ERROR(CheckLedTo(rollback, *provider));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> judged, Judge(rollback));
  Append(rollback.guards, std::move(judged));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> warned,
                            WarnOfRevoked(rollback, RevokedOf(domain)));
  Append(rollback.guards, std::move(warned));
  Stamp(principal, rollback);
  if (FindRefusal(rollback.guards) != nullptr) {
    rollback.state = ChangeState::kRefused;
    rollback.end_time = rollback.create_time;
  }
  return rollback;
}

// Kept as it was planned, a change could put back a source that has been rejected since.
absl::Status Planner::CheckDecisions(const ChangeRecord& change, const DomainRecord& domain,
                                     const std::vector<std::string>& live) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, StoredName(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            world_.store.ListDecisions(domain.name));
  const absl::StatusOr<SpfDraft> drafted =
      DraftSpf(name, live, domain.managed_terms, ApprovedOf(decisions));
  const auto terms = [](const std::vector<ManagedTerm>& managed) {
    std::set<std::pair<std::string, std::string>> out;
    for (const ManagedTerm& term : managed) {
      if (term.source_id != kFlattenedSourceId) out.emplace(term.term, term.source_id);
    }
    return out;
  };
  if (drafted.ok() && terms(drafted->plan.managed_after) == terms(change.managed_after)) {
    return absl::OkStatus();
  }
  return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                           "sources were approved or rejected since; plan again",
                           {{"owner", change.domain}});
}

absl::Status Planner::Check(const ChangeRecord& change, const DomainRecord& domain,
                            DnsProvider& provider) const {
  if (domain.dns_provider != change.dns_provider) {
    return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                             "the domain is bound to another provider now; plan again",
                             {{"owner", change.domain}});
  }
  std::vector<GuardRecord> guards;
  bool has_terms = change.managed_after != change.managed_before;
  for (const RecordChangeRecord& record : change.record_changes) {
    if (change.intent.rollback_of.empty()) {  // a rollback brings back what was there
      DMARCATE_RETURN_IF_ERROR(CheckAddresses(record, domain));
    }
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record.owner_name));
    has_terms = has_terms || RoleOf(owner) == RecordRole::kSpf;
    DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, owner));
    const std::vector<std::string> found = ToPresentations(live.image.records);
    if (live.image.zone.text() != record.zone || Sorted(found) != Sorted(record.before)) {
      return MakeReasonedError(
          absl::StatusCode::kAborted, "STALE_PLAN",
          fmt::format("{} is not what the plan was made from; plan again", record.owner_name),
          Difference(record, record.before, found));
    }
    Append(guards, GuardZone(live.image, live.servers));
    DMARCATE_RETURN_IF_ERROR(CheckDelegation(record, domain));
    const bool holds_terms = record.owner_name == domain.name || record.alias.name == domain.name;
    if (holds_terms && !change.intent.prune.empty()) {
      DMARCATE_RETURN_IF_ERROR(CheckPrune(change, TextsOf(live.image.records), world_.store));
      continue;
    }
    // A repair does not follow from decisions.
    if (change.intent.rollback_of.empty() && change.intent.repair == RepairKind::kNone &&
        holds_terms && domain.managed_terms == change.managed_before) {
      DMARCATE_RETURN_IF_ERROR(CheckDecisions(change, domain, TextsOf(live.image.records)));
    }
  }
  if (change.intent.mta_sts.has_value() && change.intent.rollback_of.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName name, StoredName(domain.name));
    Append(guards, GuardStsLive(name, *change.intent.mta_sts, world_));
  }
  DMARCATE_RETURN_IF_ERROR(CheckUnused(change, provider));
  if (has_terms && domain.managed_terms != change.managed_before) {
    return MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN",
                             "another change has changed which terms are managed; plan again",
                             {{"owner", change.domain}});
  }
  DMARCATE_ASSIGN_OR_RETURN(std::vector<GuardRecord> judged, Judge(change));
  Append(guards, std::move(judged));
  Append(guards, GuardMoved(change.guards, guards));
  if (const GuardRecord* refusal = FindRefusal(guards)) return GuardRefused(*refusal);
  return absl::OkStatus();
}

}  // namespace dmarcate
