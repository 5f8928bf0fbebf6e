#include "policyd/evidence/record_evidence.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "fmt/format.h"

#include "lib/mailauth/dkim_key.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/lint.h"

namespace dmarcate {
namespace {

std::optional<DmarcRecord> RecordOf(const Observation& observation) {
  const DmarcSelection selection = SelectDmarc(observation.values);
  if (selection.outcome != DmarcSelection::Outcome::kOne) return std::nullopt;
  absl::StatusOr<DmarcRecord> record = ParseDmarc(observation.values[selection.indexes.front()]);
  if (!record.ok()) return std::nullopt;
  return *std::move(record);
}

bool SamePolicy(const Observation& a, const Observation& b) {
  const std::optional<DmarcRecord> one = RecordOf(a);
  const std::optional<DmarcRecord> other = RecordOf(b);
  if (one.has_value() != other.has_value()) return false;
  return !one.has_value() || EffectOf(*one) == EffectOf(*other);
}

bool IsRevoked(const Observation& observation) {
  if (observation.values.size() != 1) return false;
  const absl::StatusOr<DkimKey> key = ParseDkimKey(observation.values.front());
  return key.ok() && key->revoked;
}

}  // namespace

absl::Time LastDriftOf(const InsightRecord& drift, absl::Time adopted) {
  if (drift.state == InsightState::kResolved) return drift.resolve_time;
  const absl::Time known =
      drift.state == InsightState::kActive ? adopted : std::max(adopted, drift.decide_time);
  return drift.first_seen <= known ? known : drift.last_seen;
}

RecordEvidence JudgeRecords(const SpfPosture& spf, const DmarcPosture& dmarc, absl::Time looked,
                            const std::vector<InsightRecord>& insights, absl::Time adopted) {
  RecordEvidence out;
  const auto count = [&out](const std::vector<LintFinding>& findings) {
    for (const LintFinding& finding : findings) {
      if (finding.severity == Severity::kError) ++out.lint_errors;
    }
  };
  count(spf.judgement.findings);
  count(dmarc.judgement.findings);
  if (spf.tree.has_value()) {
    out.spf_lookups = spf.tree->lookup_count;
    for (const LintFinding& finding : spf.tree->findings) {
      if (finding.code != lint_code::kSpfDangling) continue;
      const auto target = finding.metadata.find("target");
      out.dangling.push_back(target == finding.metadata.end() ? finding.path : target->second);
    }
  }
  for (const InsightRecord& insight : insights) {
    if (!insight.code.starts_with("DRIFT_")) continue;
    out.last_drift = std::max(out.last_drift, LastDriftOf(insight, adopted));
  }
  const bool spf_known = (spf.view.resolver.ok() || spf.view.servers.ok()) &&
                         (!spf.tree.has_value() || spf.tree->complete);
  if (!dmarc.view.servers.ok() || !dmarc.view.servers->consistent() || !spf_known) return out;
  const absl::StatusOr<DnsAnswer> answer = dmarc.view.servers->First();
  if (!answer.ok()) return out;
  for (const TxtRecord& record : answer->txt) out.dmarc.push_back(record.Joined());
  if (!answer->cname_chain.empty()) out.alias = answer->cname_chain.front().text();
  out.looked = looked;
  return out;
}

std::vector<Breakage> FindBreakages(
    const std::string& domain, const std::vector<SourceSelectors>& sources,
    const std::map<std::string, std::vector<Observation>>& histories, absl::Duration interval,
    absl::Time now) {
  std::vector<Breakage> out;
  for (const SourceSelectors& source : sources) {
    // One key that is left still signs; a source whose every key is gone does not.
    std::optional<Breakage> found;
    bool all_gone = !source.selectors.empty();
    for (const std::string& selector : source.selectors) {
      const std::string name = fmt::format("{}._domainkey.{}", selector, domain);
      const auto history = histories.find(name);
      if (history == histories.end() || history->second.empty()) {
        all_gone = false;
        break;
      }
      const Observation& last = history->second.front();
      const bool gone = last.from_servers && IsAnswer(last.outcome) &&
                        (last.outcome != ObservedOutcome::kRecords || IsRevoked(last));
      // An old look says nothing of now.
      if (!gone || now - last.last_seen > 3 * interval || interval <= absl::ZeroDuration()) {
        all_gone = false;
        break;
      }
      if (found.has_value() && found->since >= last.first_seen) continue;
      Breakage breakage;
      breakage.kind = BreakageKind::kSelectorGone;
      breakage.source_id = source.source_id;
      breakage.name = name;
      breakage.since = last.first_seen;
      // The watch looks once in each interval, and a look that learned nothing is another entry.
      breakage.looks = 1 + static_cast<int32_t>((last.last_seen - last.first_seen) / interval);
      breakage.carried = source.passes_by_spf;
      found = breakage;
    }
    if (all_gone && found.has_value()) out.push_back(*std::move(found));
  }
  return out;
}

std::vector<PolicyChange> PolicyChangesOf(const std::vector<Observation>& history) {
  std::vector<PolicyChange> out;
  const Observation* newer = nullptr;
  for (const Observation& observation : history) {
    if (!IsAnswer(observation.outcome)) continue;
    if (newer != nullptr && !SamePolicy(observation, *newer)) {
      out.emplace_back(observation.last_seen, newer->first_seen);
    }
    newer = &observation;
  }
  return out;
}

absl::Time StageSinceOf(const std::vector<Observation>& history, PolicyScope scope,
                        PolicyStage stage, absl::Time now) {
  absl::Time since = now;
  for (const Observation& observation : history) {
    if (!IsAnswer(observation.outcome)) continue;
    const std::optional<DmarcRecord> record = RecordOf(observation);
    if (!record.has_value() || StageOf(*record, scope) != stage) break;
    since = std::min(since, observation.first_seen);
  }
  return since;
}

}  // namespace dmarcate
