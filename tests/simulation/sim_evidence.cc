#include "tests/simulation/sim_evidence.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "fmt/format.h"

#include "policyd/analysis/catalogue_file.h"
#include "policyd/evidence/record_evidence.h"
#include "policyd/evidence/spf_breakage.h"
#include "policyd/reconcile/rollout_control.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate::simulation {
namespace {

constexpr size_t kChangesLookedAt = 50;

// The services of which simulated mail comes: of two hundred, each row would be compared with each.
const Catalogue& SomeServices() {
  static const Catalogue* const kCatalogue = [] {
    std::vector<MailService> services;
    for (MailService& service : ShippedServices()) {
      for (const std::string_view id :
           {"sendgrid", "salesforce", "mailgun", "amazon-ses", "zendesk", "mailchimp"}) {
        if (service.id == id) services.push_back(std::move(service));
      }
    }
    return new Catalogue(std::move(services));  // NOLINT: lives as long as the program
  }();
  return *kCatalogue;
}

}  // namespace

std::string SimEvidence::DecisionsEtag(std::string_view domain) {
  const auto decisions = policies_.ListDecisions(domain);
  return decisions.ok() ? DecisionsEtagOf(*decisions) : std::string();
}

Evidence SimEvidence::Control(const RolloutState& state) {
  Evidence evidence;
  evidence.domain = state.domain;
  evidence.decisions_etag = DecisionsEtag(state.domain);
  evidence.control = ReadControl(state, policies_);
  const auto site = sites_.find(state.domain);
  AddStandingRules(rules_, clock_.Now(), evidence);
  if (site == sites_.end()) return evidence;
  const Surroundings& around = site->second.around;
  evidence.control.suspended = evidence.control.suspended || around.suspended;
  evidence.control.writable = around.writable;
  evidence.control.domain_verified = evidence.control.domain_verified && around.proven;
  return evidence;
}

Evidence SimEvidence::GatherControl(const RolloutState& state, absl::Time now) {
  Evidence evidence = Control(state);
  if (spoil_) spoil_(state, now, evidence);
  return evidence;
}

absl::Time SimEvidence::StageSince(const RolloutState& state, absl::Time now) {
  const auto site = sites_.find(state.domain);
  if (site == sites_.end()) return now;
  site->second.watch.CatchUp();
  return StageSinceOf(site->second.watch.History("_dmarc." + state.domain, RecordKind::kDmarc),
                      state.scope, state.stage, now);
}

void SimEvidence::AddRecords(const Site& site, const RolloutState& state, absl::Time now,
                             Cache& cache, Evidence& evidence) {
  const std::string key = dns_.Settled() ? fmt::format("{}", dns_.generation()) : std::string();
  if (key.empty() || key != cache.records_key) {
    const DomainName domain = DomainName::Parse(evidence.domain).value();
    cache.spf = InspectSpf(domain, dns_, dns_, clock_);
    cache.dmarc = InspectDmarc(domain, dns_, dns_);
    cache.records_key = key;
  }
  evidence.records = JudgeRecords(cache.spf, cache.dmarc, now, site.watch.Insights(),
                                  std::max(state.create_time, state.resume_time));
}

void SimEvidence::AddReports(const Site& site, absl::Time now, Cache& cache, Evidence& evidence) {
  IngestEvidence& ingest = evidence.ingest;
  ingest.disk_full = site.around.disk_full;
  ingest.longest_gap = absl::InfiniteDuration();
  ingest.queued = std::numeric_limits<int64_t>::max();
  const auto decisions = policies_.ListDecisions(evidence.domain);
  if (!site.around.reports_readable || !decisions.ok()) return;
  evidence.decisions_etag = DecisionsEtagOf(*decisions);
  ReportEvidenceInput input{evidence.domain, *decisions, {}, LiveRecord(evidence), now};
  input.policy_changes =
      PolicyChangesOf(site.watch.History("_dmarc." + evidence.domain, RecordKind::kDmarc));
  const auto changes = policies_.ListChanges(evidence.domain, "", kChangesLookedAt);
  if (changes.ok()) {
    std::ranges::move(PolicyMovesOf(*changes), std::back_inserter(input.policy_changes));
  }
  std::string key = fmt::format("{} {} {} {}", site.shelf.version(), evidence.decisions_etag,
                                DayOf(now), input.live ? input.live->Render() : "");
  for (const auto& [from, to] : input.policy_changes) {
    key += fmt::format(" {}", absl::ToUnixNanos(from) ^ absl::ToUnixNanos(to));
  }
  if (key != cache.key) {
    ReportEvidenceBuilder builder(std::move(input), SomeServices());
    for (const StoredReport& report : site.shelf.reports()) builder.Add(report);
    cache.reports = builder.Finish();
    cache.key = std::move(key);
    ++built_;
  }
  const ReportEvidence& reports = cache.reports;
  evidence.sources = reports.sources;
  evidence.anchors = reports.anchors;
  evidence.excluded_days = reports.excluded_days;
  evidence.advisories = reports.advisories;
  ingest.queued = site.around.queued;
  ingest.quarantined_unreviewed = reports.quarantined_in_anchors_names;
  ingest.longest_gap = LongestGap(reports.received, now);
  evidence.breakages = FindBreakages(evidence.domain, reports.selectors, site.watch.KeyHistories(),
                                     SimWatch::kInterval, now);
  const std::optional<Breakage> broken = FindSpfBreakage(
      evidence.domain, reports.selectors, site.watch.SpfHistories(), SimWatch::kInterval, now);
  if (broken.has_value()) evidence.breakages.push_back(*broken);
}

Evidence SimEvidence::Gather(const RolloutState& state, absl::Time now) {
  ++gathered_;
  Evidence evidence = Control(state);
  const auto site = sites_.find(state.domain);
  if (site == sites_.end()) return evidence;
  site->second.watch.CatchUp();
  Cache& cache = caches_[state.domain];
  AddRecords(site->second, state, now, cache, evidence);
  AddReports(site->second, now, cache, evidence);
  if (spoil_) spoil_(state, now, evidence);
  return evidence;
}

}  // namespace dmarcate::simulation
