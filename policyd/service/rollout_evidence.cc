#include "policyd/service/rollout_evidence.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <system_error>

#include "fmt/format.h"

#include "lib/base/log.h"
#include "lib/base/time.h"
#include "lib/inspect/posture.h"
#include "lib/store/pending_reader.h"
#include "policyd/evidence/record_evidence.h"
#include "policyd/evidence/spf_breakage.h"
#include "policyd/reconcile/rollout_control.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate {
namespace {

constexpr size_t kChangesLookedAt = 50;
constexpr int64_t kMostWaitingCounted = 1000;
constexpr uintmax_t kLeastRoomBytes = 64 << 20;
constexpr absl::Duration kLongGap = absl::Hours(48);  // gate G7
constexpr size_t kMostOtherDomains = 200;             // asked about gaps
constexpr size_t kHeadsPerRead = 1000;
constexpr int64_t kUnknownCount = std::numeric_limits<int64_t>::max();

std::string DmarcOwner(const std::string& domain) { return "_dmarc." + domain; }

}  // namespace

std::string RolloutEvidence::DecisionsEtag(std::string_view domain) {
  const auto decisions = from_.policies.ListDecisions(domain);
  return decisions.ok() ? DecisionsEtagOf(*decisions) : std::string();
}

Evidence RolloutEvidence::GatherControl(const RolloutState& state, absl::Time now) {
  Evidence evidence;
  evidence.domain = state.domain;
  evidence.decisions_etag = DecisionsEtag(state.domain);
  evidence.control = ReadControl(state, from_.policies);
  if (from_.rules != nullptr) AddStandingRules(*from_.rules, now, evidence);
  if (from_.read_only) {
    evidence.control.writable = false;
    evidence.control.why =
        "this policyd is read-only (changes.read_only): a demo, a dry run or a "
        "restored backup";
  }
  return evidence;
}

absl::Time RolloutEvidence::StageSince(const RolloutState& state, absl::Time now) {
  const auto history =
      from_.observations.GetHistory(state.domain, {DmarcOwner(state.domain), RecordKind::kDmarc});
  if (!history.ok()) return now;
  return StageSinceOf(*history, state.scope, state.stage, now);
}

void RolloutEvidence::AddRecords(const RolloutState& state, absl::Time now, Evidence& evidence) {
  const absl::StatusOr<DomainName> domain = DomainName::Parse(state.domain);
  if (!domain.ok()) return;
  const SpfPosture spf = InspectSpf(*domain, from_.resolver, from_.authoritative, from_.clock);
  const DmarcPosture dmarc = InspectDmarc(*domain, from_.resolver, from_.authoritative);
  absl::StatusOr<std::vector<InsightRecord>> insights = from_.insights.ListInsights(state.domain);
  evidence.records =
      JudgeRecords(spf, dmarc, now, insights.ok() ? *insights : std::vector<InsightRecord>(),
                   std::max(state.create_time, state.resume_time));
  if (!insights.ok()) evidence.records.last_drift = now;  // nobody can say that there was none
}

void RolloutEvidence::AddBreakages(const RolloutState& state, absl::Time now,
                                   const std::vector<SourceSelectors>& selectors,
                                   Evidence& evidence) {
  std::map<std::string, std::vector<Observation>> histories;
  for (const SourceSelectors& source : selectors) {
    for (const std::string& selector : source.selectors) {
      const std::string name = selector + "._domainkey." + state.domain;
      auto history = from_.observations.GetHistory(state.domain, {name, RecordKind::kDkim});
      if (history.ok()) histories[name] = *std::move(history);
    }
  }
  evidence.breakages = FindBreakages(state.domain, selectors, histories, from_.watch_interval, now);
  histories.clear();
  auto spf = from_.observations.GetHistory(state.domain, {state.domain, RecordKind::kSpf});
  if (!spf.ok()) return;
  for (const std::string& target : SpfTargetsOf(*spf)) {
    auto history = from_.observations.GetHistory(state.domain, {target, RecordKind::kSpf});
    if (history.ok()) histories[target] = *std::move(history);
  }
  histories[state.domain] = *std::move(spf);
  const std::optional<Breakage> broken =
      FindSpfBreakage(state.domain, selectors, histories, from_.watch_interval, now);
  if (broken.has_value()) evidence.breakages.push_back(*broken);
}

bool RolloutEvidence::AddReports(const RolloutState& state, absl::Time now, Evidence& evidence) {
  const absl::StatusOr<ReportReader*> reader = from_.reports.Reader();
  const absl::StatusOr<std::vector<SourceDecision>> decisions =
      from_.policies.ListDecisions(state.domain);
  if (!reader.ok() || !decisions.ok()) return false;
  evidence.decisions_etag = DecisionsEtagOf(*decisions);
  ReportEvidenceInput input{state.domain, *decisions, {}, LiveRecord(evidence), now};
  if (from_.groupings != nullptr) {
    absl::StatusOr<SourceGroupings> groupings = from_.groupings->GetGroupings(state.domain);
    // Without them, approved mail would look like a stranger's.
    if (!groupings.ok()) return false;
    input.groupings = std::move(groupings->rules);
  }
  const auto history =
      from_.observations.GetHistory(state.domain, {DmarcOwner(state.domain), RecordKind::kDmarc});
  if (history.ok()) input.policy_changes = PolicyChangesOf(*history);
  // The watch comes by later than the change itself.
  const auto changes = from_.policies.ListChanges(state.domain, "", kChangesLookedAt);
  if (changes.ok()) {
    std::ranges::move(PolicyMovesOf(*changes), std::back_inserter(input.policy_changes));
  }
  const CatalogueView services =
      from_.book == nullptr ? CatalogueView{UnownedCatalogue(from_.catalogue)} : from_.book->Get();
  ReportEvidenceBuilder builder(std::move(input), *services.catalogue);
  const DayNumber today = DayOf(now);
  const absl::Status read = (*reader)->ForEachReport(state.domain, today - kLongestWindowDays,
                                                     today, [&builder](const StoredReport& report) {
                                                       builder.Add(report);
                                                       return true;
                                                     });
  if (!read.ok()) {
    // A sum over some of the reports would be a wrong number.
    LogWarn("rollout_reports_unreadable", {{"domain", state.domain}, {"error", read}});
    return false;
  }
  const ReportEvidence reports = builder.Finish();
  evidence.sources = reports.sources;
  evidence.anchors = reports.anchors;
  evidence.excluded_days = reports.excluded_days;
  evidence.advisories = reports.advisories;
  AddIngest(state, now, &reports, evidence);
  AddBreakages(state, now, reports.selectors, evidence);
  return true;
}

void RolloutEvidence::AddIngest(const RolloutState& state, absl::Time now,
                                const ReportEvidence* reports, Evidence& evidence) {
  IngestEvidence& ingest = evidence.ingest;
  for (const std::string& directory : from_.directories) {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(directory, error);
    if (error || space.available < kLeastRoomBytes) ingest.disk_full = true;
  }
  ingest.longest_gap = absl::InfiniteDuration();
  ingest.queued = kUnknownCount;
  if (reports == nullptr) return;
  ingest.quarantined_unreviewed = reports->quarantined_in_anchors_names;
  const absl::StatusOr<ReportReader*> reader = from_.reports.Reader();
  if (!reader.ok()) return;
  if (auto* const pending = dynamic_cast<PendingReader*>(*reader)) {
    const absl::StatusOr<int64_t> waiting = pending->CountPending(kMostWaitingCounted);
    if (waiting.ok()) ingest.queued = *waiting;
  }
  std::vector<absl::Time> received = reports->received;
  ingest.longest_gap = LongestGap(received, now);
  if (ingest.longest_gap <= kLongGap) return;
  // A domain with little mail is silent for days; what comes about others shows that ingestd works.
  const auto domains = (*reader)->ListDomains("", kMostOtherDomains);
  if (!domains.ok()) return;
  const DayNumber today = DayOf(now);
  for (const auto& [name, last] : *domains) {
    if (name == state.domain || last < today - kGateWindowDays) continue;
    std::optional<ReportKey> from;
    do {
      const auto page =
          (*reader)->ListReports(name, today - kGateWindowDays, today, from, kHeadsPerRead);
      if (!page.ok()) break;
      for (const StoredReport& report : page->reports) received.push_back(report.received_time);
      from = page->next;
    } while (from.has_value());
    ingest.longest_gap = LongestGap(received, now);
    if (ingest.longest_gap <= kLongGap) return;
  }
}

Evidence RolloutEvidence::Gather(const RolloutState& state, absl::Time now) {
  Evidence evidence = GatherControl(state, now);
  AddRecords(state, now, evidence);
  if (!AddReports(state, now, evidence)) AddIngest(state, now, nullptr, evidence);
  const std::optional<DmarcRecord> live = LiveRecord(evidence);
  if (state.scope == PolicyScope::kDomain && live.has_value() && live->Find("np") == nullptr) {
    evidence.advisories.push_back(
        fmt::format("mail in names that do not exist is nobody's: np may go to reject first, on a "
                    "ladder of its own (dmarcate rollout start {} --scope np --target reject "
                    "--no-mailboxes)",
                    state.domain));
  }
  return evidence;
}

}  // namespace dmarcate
