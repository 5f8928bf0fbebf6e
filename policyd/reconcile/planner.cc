#include "policyd/reconcile/planner.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/base/random.h"
#include "lib/base/status_macros.h"
#include "lib/inspect/dmarc_discovery.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_cleanup.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/prune_draft.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/repair_draft.h"

namespace dmarcate {

struct Planner::Draft {
  DomainName domain;
  // In the order of writing, in which every prefix is safe: who may receive reports first, then who
  // shall, and SPF, which depends on neither, last, after the child records that it leads to.
  std::optional<RecordChangeRecord> authorization, dmarc, spf;
  std::vector<RecordChangeRecord> children;  // of SPF, before it, the deepest first
  std::vector<RecordChangeRecord> unused;    // child records that go, after it
  std::optional<SpfCompiled> compiled;
  std::vector<ManagedTerm> managed_after;
  std::vector<GuardRecord> guards;
};

namespace {

void Append(std::vector<GuardRecord>& guards, std::vector<GuardRecord> more) {
  std::ranges::move(more, std::back_inserter(guards));
}

std::vector<ApprovedSource> ApprovedOf(const std::vector<SourceDecision>& decisions) {
  std::vector<ApprovedSource> approved;
  for (const SourceDecision& decision : decisions) {
    if (decision.state != SourceState::kApproved) continue;
    approved.push_back({decision.source_id, TermsOf(decision.authorization)});
  }
  return approved;
}

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

absl::Status Planner::DraftSpfRecords(const DomainRecord& domain, FlattenMode flatten,
                                      DnsProvider& provider, Draft& draft) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<SourceDecision> decisions,
                            world_.store.ListDecisions(domain.name));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, draft.domain));
  const absl::StatusOr<SpfDraft> drafted = DraftSpf(draft.domain, TextsOf(live.image.records),
                                                    domain.managed_terms, ApprovedOf(decisions));
  if (!drafted.ok()) {
    return MakeReasonedError(absl::StatusCode::kInvalidArgument, "SPF_TERM_FORBIDDEN",
                             MessageOf(drafted.status()));
  }
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, drafted->plan.guards);

  std::map<DomainName, LiveRrSet> images;
  std::vector<SpfChild> children;
  std::set<DomainName> taken;
  for (const DomainName& name : SpfChildrenOf(draft.domain, domain.managed_terms)) {
    DMARCATE_ASSIGN_OR_RETURN(LiveRrSet image, reader_.Read(provider, name));
    const std::string text = OnlySpfText(image.image.records);
    if (!text.empty() &&
        (!ParseSpfChild(text).ok() || !IsNamedAfterText({name, text}, draft.domain))) {
      taken.insert(name);  // somebody made it theirs
      continue;
    }
    children.push_back({name, text});
    images.emplace(name, std::move(image));
  }
  const bool decided = drafted->plan.guards.empty();
  const SpfTree intended = reader_.Expand(draft.domain, decided ? drafted->intended : "");
  const SpfCompileOptions options{.flatten = flatten};
  while (true) {
    draft.compiled = CompileSpf(draft.domain, *drafted, intended, domain.managed_terms, children,
                                taken, options);
    bool all_free = true;
    for (const SpfChild& write : draft.compiled->writes) {
      if (images.contains(write.owner)) continue;
      DMARCATE_ASSIGN_OR_RETURN(LiveRrSet image, reader_.Read(provider, write.owner));
      if (!image.image.records.empty() && OnlySpfText(image.image.records) != write.text) {
        taken.insert(write.owner);
        all_free = false;
        break;
      }
      images.emplace(write.owner, std::move(image));
    }
    if (all_free) break;  // ends: each text has kSpfChildNames names
  }
  const SpfPlan& plan = draft.compiled->plan;
  draft.managed_after = plan.managed_after;
  for (const SpfChild& write : draft.compiled->writes) {
    const LiveRrSet& image = images.at(write.owner);
    const std::string text = OnlySpfText(image.image.records);
    if (text == write.text) continue;
    Append(draft.guards, GuardZone(image.image, image.servers));
    draft.children.push_back(ReplaceText(image.image, text, write.text));
  }
  if (plan.after != plan.before) {
    draft.spf = ReplaceText(live.image, plan.before, plan.after);
    draft.spf->term_changes = plan.term_changes;
  }
  if (!decided) return absl::OkStatus();
  return DraftSpfCleanup(domain, live.image.ttl_seconds, children, images, draft);
}

absl::Status Planner::DraftSpfCleanup(const DomainRecord& domain, uint32_t ttl_seconds,
                                      std::vector<SpfChild> children,
                                      const std::map<DomainName, LiveRrSet>& images,
                                      Draft& draft) const {
  const SpfPlan& plan = draft.compiled->plan;
  for (const SpfChild& write : draft.compiled->writes) {
    if (std::ranges::find(children, write.owner, &SpfChild::owner) == children.end()) {
      children.push_back(write);
    }
  }
  const std::vector<SpfChild> unused = SpfChildrenNotLedTo(children, {plan.before, plan.after});
  if (unused.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const SpfChild& child : unused) names.push_back(child.owner.text());
  const std::map<std::string, std::string> metadata = {{"children", Join(names, " ")}};
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> changes,
                            world_.store.ListChanges(domain.name, "", kSpfCleanupHistory));
  const std::optional<absl::Time> forgotten =
      SpfForgottenAt(draft.domain, plan.before, ttl_seconds, changes);
  if (!forgotten.has_value() || world_.clock.Now() < *forgotten) {
    draft.guards.push_back(Warn(
        guard_code::kSpfChildUnused,
        fmt::format("nothing leads to {} any more; {}", Join(names, ", "),
                    forgotten.has_value()
                        ? fmt::format("a plan from {} on takes them away: until then receivers may "
                                      "have a record that leads there in their caches",
                                      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", *forgotten,
                                                       absl::UTCTimeZone()))
                        : "they stay until a change of Dmarcate's has written the record"),
        metadata));
    return absl::OkStatus();
  }
  // The shallowest first: what is there leads to what is there.
  for (const SpfChild& child : unused) {
    const LiveRrSet& image = images.at(child.owner);
    Append(draft.guards, GuardZone(image.image, image.servers));
    draft.unused.push_back(ReplaceText(image.image, child.text, ""));
    std::erase_if(draft.managed_after, [&](const ManagedTerm& term) {
      return term.source_id == kFlattenedSourceId &&
             term.term == fmt::format("include:{}", child.owner.text());
    });
  }
  draft.guards.push_back(Warn(guard_code::kSpfChildUnused,
                              fmt::format("{} go: nothing leads to them any more, and no receiver "
                                          "has a record that does",
                                          Join(names, ", ")),
                              metadata));
  return absl::OkStatus();
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
  if (drafted->plan.after == drafted->plan.before) return absl::OkStatus();
  draft.spf = ReplaceText(image, drafted->plan.before, drafted->plan.after);
  draft.spf->term_changes = drafted->plan.term_changes;
  draft.spf->alias = AliasOf(delegated.sight);
  return absl::OkStatus();
}

absl::StatusOr<ReportHostFacts> Planner::GatherReportHost(const DomainRecord& domain,
                                                          DnsProvider& provider,
                                                          Draft& draft) const {
  ReportHostFacts facts;
  DMARCATE_ASSIGN_OR_RETURN(facts.host, HostOfMailbox(MailboxForReports(domain)));
  facts.needed = world_.suffixes.OrganizationalDomain(facts.host) !=
                 world_.suffixes.OrganizationalDomain(draft.domain);
  if (!facts.needed) return facts;
  const absl::StatusOr<DomainName> owner = AuthorizationOwner(draft.domain, facts.host);
  if (!owner.ok()) return facts;
  const absl::StatusOr<DnsAnswer> seen = world_.resolver.Lookup(*owner, RrType::kTxt);
  if (seen.ok()) {
    facts.authorized = std::ranges::any_of(
        seen->txt, [](const TxtRecord& record) { return IsReportAuthorization(record.Joined()); });
  }
  if (facts.authorized) return facts;
  // Ours is only what is managed here and bound to the same account: nobody's credential writes
  // into the zone of a domain that was not put under management.
  for (DomainName name = facts.host; !name.IsRoot(); name = name.Parent()) {
    const absl::StatusOr<DomainRecord> managed = world_.store.GetDomain(name.text());
    if (!managed.ok() || managed->dns_provider != domain.dns_provider) continue;
    DMARCATE_ASSIGN_OR_RETURN(LiveRrSet live, reader_.Read(provider, *owner));
    facts.authorized = std::ranges::any_of(live.image.records, [](const TxtRecord& record) {
      return IsReportAuthorization(record.Joined());
    });
    if (!facts.authorized) {
      Append(draft.guards, GuardZone(live.image, live.servers));
      facts.ours = std::move(live.image);
    }
    break;
  }
  return facts;
}

absl::Status Planner::DraftDmarc(const DomainRecord& domain, DnsProvider& provider,
                                 Draft& draft) const {
  LiveRrSet live;
  AliasRecord alias;
  std::vector<std::string> texts;
  bool copied = false;  // the domain's own record is to stand in the operator's zone, too
  if (IsDelegated(domain)) {
    DMARCATE_ASSIGN_OR_RETURN(Delegated delegated,
                              ReadDelegated(domain, RecordRole::kDmarc, provider));
    Append(draft.guards, delegated.sight.guards);
    if (FindRefusal(delegated.sight.guards) != nullptr) return absl::OkStatus();
    live = std::move(delegated.live);
    alias = AliasOf(delegated.sight);
    texts = TextsOf(live.image.records);
    Append(draft.guards, TellPrepared(delegated.sight, texts));
    if (!alias.in_place && SelectDmarc(texts).outcome == DmarcSelection::Outcome::kNone) {
      texts = TextsOf(delegated.sight.held);
      copied = true;
    }
  } else {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, draft.domain.Child("_dmarc"));
    DMARCATE_ASSIGN_OR_RETURN(live, reader_.Read(provider, owner));
    texts = TextsOf(live.image.records);
  }
  std::optional<InheritedDmarc> inherited;
  if (SelectDmarc(texts).outcome == DmarcSelection::Outcome::kNone) {
    const absl::StatusOr<DmarcDiscovery> found = DiscoverDmarc(draft.domain, world_.resolver);
    if (!found.ok()) {
      return MakeReasonedError(absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
                               fmt::format("policy that {} inherits: {}", draft.domain.text(),
                                           MessageOf(found.status())));
    }
    if (found->record.has_value() && found->policy_domain.has_value() &&
        *found->policy_domain != draft.domain) {
      const auto asked = [&](DmarcStandard standard) {
        return found->record->Verdict(standard).Requested(found->subject);
      };
      inherited = InheritedDmarc{*found->policy_domain, std::max(asked(DmarcStandard::kRfc9989),
                                                                 asked(DmarcStandard::kRfc7489))};
    }
  }
  const absl::StatusOr<DmarcPlan> plan =
      PlanDmarcRua(draft.domain, texts, MailboxForReports(domain), inherited);
  if (!plan.ok()) {
    return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                             MessageOf(plan.status()), {{"field", "report_mailbox"}});
  }
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, plan->guards);
  if (plan->after != plan->before || (copied && !plan->after.empty())) {
    draft.dmarc = ReplaceText(live.image, copied ? "" : plan->before, plan->after);
    draft.dmarc->term_changes = plan->tag_changes;
    draft.dmarc->alias = alias;
  }
  DMARCATE_ASSIGN_OR_RETURN(const ReportHostFacts facts, GatherReportHost(domain, provider, draft));
  AuthorizationPlan authorization = PlanReportAuthorization(draft.domain, facts);
  Append(draft.guards, std::move(authorization.guards));
  draft.authorization = std::move(authorization.change);
  return absl::OkStatus();
}

absl::Status Planner::DraftPolicy(const PolicyMove& move, DnsProvider& provider,
                                  Draft& draft) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, draft.domain.Child("_dmarc"));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, owner));
  const DmarcPlan plan = PlanDmarcPolicy(draft.domain, TextsOf(live.image.records), move);
  Append(draft.guards, GuardZone(live.image, live.servers));
  Append(draft.guards, plan.guards);
  if (plan.after != plan.before) {
    draft.dmarc = ReplaceText(live.image, plan.before, plan.after);
    draft.dmarc->term_changes = plan.tag_changes;
  }
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
  if (intent.policy.has_value()) {
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
  for (std::optional<RecordChangeRecord>* record : {&draft.authorization, &draft.dmarc}) {
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
      // What the change did not get to, or what is back already, is left as it is.
      if (SameTexts(live.image.records, wanted)) continue;
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
