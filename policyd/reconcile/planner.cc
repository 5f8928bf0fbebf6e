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
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

struct Planner::Draft {
  DomainName domain;
  // In the order of writing, in which every prefix is safe: who may receive reports first, then who
  // shall, and SPF, which depends on neither, last, after the child records that it leads to.
  std::optional<RecordChangeRecord> authorization, dmarc, spf;
  std::vector<RecordChangeRecord> children;  // of SPF, before it, the deepest first
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

std::string OnlySpfText(const std::vector<TxtRecord>& records) {
  const std::vector<std::string> texts = TextsOf(records);
  const SpfSelection selection = SelectSpf(texts);
  return selection.outcome == SpfSelection::Outcome::kOne ? texts[selection.indexes.front()] : "";
}

std::vector<std::string> Sorted(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  return texts;
}

absl::StatusOr<DomainName> StoredName(std::string_view text) {
  absl::StatusOr<DomainName> name = DomainName::Parse(text);
  if (!name.ok()) return MakeError(absl::StatusCode::kDataLoss, MessageOf(name.status()));
  return name;
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
    if (!text.empty() && !ParseSpfChild(text).ok()) {
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
      if (!image.image.records.empty()) {
        taken.insert(write.owner);
        all_free = false;
        break;
      }
      images.emplace(write.owner, std::move(image));
    }
    if (all_free) break;  // ends: there are 99 names
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
  return absl::OkStatus();
}

absl::StatusOr<SpfProof> Planner::Prove(const ChangeRecord& change, const DomainName& domain,
                                        const SpfTexts& texts) const {
  OnceResolver once(world_.resolver);
  const auto expand = [&](const std::string& text, const TxtOverlay& overlay) {
    OverlayResolver resolver(once, overlay);
    SpfTree none;
    none.domain = domain;
    if (text.empty()) return none;
    absl::StatusOr<SpfTree> tree = ExpandSpfText(domain, text, resolver, world_.clock);
    return tree.ok() ? *std::move(tree) : none;
  };
  TxtOverlay overlay;
  for (const RecordChangeRecord* record : SpfChildChangesOf(change)) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record->owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> before,
                              FromPresentations(record->before));
    overlay[owner] = OnlySpfText(before);
  }
  const SpfTree before = expand(texts.before, overlay);
  std::vector<SpfTree> between;
  bool main_written = false;
  for (const RecordChangeRecord& record : change.record_changes) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record.owner_name));
    main_written = main_written || owner == domain;
    const auto child = overlay.find(owner);
    if (child == overlay.end()) continue;
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> after, FromPresentations(record.after));
    child->second = OnlySpfText(after);
    between.push_back(expand(main_written ? texts.after : texts.before, overlay));
  }
  const SpfTree after = expand(texts.after, overlay);
  SpfTree meant = expand(UnflattenedText(domain, texts.after, change.managed_after), overlay);
  PutRemembered(change.managed_after, meant);
  SpfProofInput input{domain.text(), &before.root, &meant.root, &after.root, {}};
  for (const SpfTree& tree : between) input.between.push_back(&tree.root);
  return ProveSpf(input);
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
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, draft.domain.Child("_dmarc"));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader_.Read(provider, owner));
  const std::vector<std::string> texts = TextsOf(live.image.records);
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
  if (plan->after != plan->before) {
    draft.dmarc = ReplaceText(live.image, plan->before, plan->after);
    draft.dmarc->term_changes = plan->tag_changes;
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

absl::StatusOr<std::optional<SpfMeasures>> Planner::MeasureBoth(const ChangeRecord& change) const {
  DMARCATE_ASSIGN_OR_RETURN(std::optional<SpfTexts> texts, SpfTextsOf(change));
  const std::vector<const RecordChangeRecord*> children = SpfChildChangesOf(change);
  if (!texts.has_value() && children.empty()) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const DomainName domain, StoredName(change.domain));
  if (!texts.has_value()) {  // the record stays as it is; what it leads to does not
    const absl::StatusOr<DnsAnswer> live = world_.resolver.Lookup(domain, RrType::kTxt);
    if (!live.ok()) {
      return MakeReasonedError(
          absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
          fmt::format("spf of {}: {}", domain.text(), MessageOf(live.status())));
    }
    texts = SpfTexts{OnlySpfText(live->txt), OnlySpfText(live->txt)};
  }
  TxtOverlay before;
  TxtOverlay after;
  for (const RecordChangeRecord* record : children) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, StoredName(record->owner_name));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> old, FromPresentations(record->before));
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<TxtRecord> now, FromPresentations(record->after));
    before[owner] = OnlySpfText(old);
    after[owner] = OnlySpfText(now);
  }
  SpfMeasures measures{reader_.Measure(domain, texts->before, before),
                       reader_.Measure(domain, texts->after, after), std::nullopt};
  if (NeedsProof(change)) {
    DMARCATE_ASSIGN_OR_RETURN(measures.proof, Prove(change, domain, *texts));
  }
  return measures;
}

absl::StatusOr<std::vector<GuardRecord>> Planner::Judge(const ChangeRecord& change) const {
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<SpfMeasures> measures, MeasureBoth(change));
  return JudgeChange(change, measures);
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
                                           const std::vector<SpfNotNeeded>& not_needed) const {
  if (intent.policy.has_value()) {
    intent.spf_from_decisions = intent.dmarc_report_address = false;  // it stands alone
  } else if (!intent.spf_from_decisions && !intent.dmarc_report_address) {
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
  if (intent.dmarc_report_address) {
    DMARCATE_RETURN_IF_ERROR(DraftDmarc(domain, *provider, draft));
  }
  if (intent.policy.has_value()) {
    DMARCATE_RETURN_IF_ERROR(DraftPolicy(*intent.policy, *provider, draft));
  }
  if (intent.spf_from_decisions) {
    DMARCATE_RETURN_IF_ERROR(DraftSpfRecords(domain, intent.flatten, *provider, draft));
  }

  ChangeRecord change;
  change.domain = domain.name;
  change.intent = intent;
  change.dns_provider = domain.dns_provider;
  change.provider_class = static_cast<uint8_t>(provider->provider_class());
  change.managed_before = domain.managed_terms;
  change.managed_after = draft.managed_after;
  change.guards = draft.guards;
  for (std::optional<RecordChangeRecord>* record : {&draft.authorization, &draft.dmarc}) {
    if (record->has_value()) change.record_changes.push_back(*std::move(*record));
  }
  std::ranges::move(draft.children, std::back_inserter(change.record_changes));
  if (draft.spf.has_value()) change.record_changes.push_back(*std::move(draft.spf));
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<SpfMeasures> measures, MeasureBoth(change));
  if (measures.has_value()) {
    RecordChangeRecord& spf = change.record_changes.back();  // or the child that is written last
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
    Append(change.guards, TellNotNeeded(not_needed, draft.compiled->plan.term_changes));
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
    Append(rollback.guards, GuardZone(live.image, live.servers));
    rollback.record_changes.push_back(std::move(record));
  }
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
    if (change.intent.rollback_of.empty() && record.owner_name == domain.name &&
        domain.managed_terms == change.managed_before) {
      DMARCATE_RETURN_IF_ERROR(CheckDecisions(change, domain, TextsOf(live.image.records)));
    }
  }
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
