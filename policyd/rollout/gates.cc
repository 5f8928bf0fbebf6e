#include "policyd/rollout/gates.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/gate_scene.h"
#include "policyd/rollout/window.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kConfirmationLifetime = absl::Hours(7 * 24);
constexpr absl::Duration kFreshRecords = absl::Hours(24);
constexpr absl::Duration kQuietAfterDrift = absl::Hours(7 * 24);
constexpr absl::Duration kLongestIngestGap = absl::Hours(48);
constexpr int32_t kMaxLookups = 10;  // RFC 7208 section 4.6.4

std::string Age(absl::Time then, absl::Time now) {
  if (then == absl::InfinitePast()) return "never";
  return fmt::format("{} h ago", std::max<int64_t>(0, absl::ToInt64Hours(now - then)));
}

Gate Dwell(const GateScene& scene) {
  Gate gate{.id = GateId::kDwell, .name = "dwell"};
  const int32_t wanted = DwellDays(scene.state, scene.next);
  gate.holds = scene.coverage.since_stage >= wanted;
  gate.measured =
      fmt::format("{} days with reports at {} since {}", scene.coverage.since_stage,
                  ToString(scene.state.stage), FormatDay(DayOf(scene.state.stage_start)));
  gate.required = fmt::format("{} days", wanted);
  gate.command = scene.Command("dmarcate stats timeline {domain} --days 60");
  return gate;
}

Gate CoverageGate(const GateScene& scene) {
  const GateSettings& gates = scene.gates();
  const Coverage& coverage = scene.coverage;
  // Of a domain about which even the busiest anchor reports once a week, no report is three days
  // old.
  const absl::Duration freshness =
      std::max(gates.freshness, absl::Hours(24) * (coverage.shortest_gap + kGraceDays));
  Gate gate{.id = GateId::kCoverage, .name = "coverage"};
  const bool fresh =
      coverage.last_report != absl::InfinitePast() && scene.now - coverage.last_report <= freshness;
  gate.holds = coverage.anchors >= gates.min_anchors && coverage.covered >= gates.covered_days &&
               fresh && coverage.silent.empty();
  gate.measured =
      fmt::format("{} anchors, {} of the last {} days, newest report {}", coverage.anchors,
                  coverage.covered, kGateWindowDays, Age(coverage.last_report, scene.now));
  if (!coverage.silent.empty()) {
    gate.measured += fmt::format(", silent: {}", Names(coverage.silent));
  }
  gate.required =
      fmt::format("at least {} anchors, {} of {} days, under {} h, none silent", gates.min_anchors,
                  gates.covered_days, kGateWindowDays, absl::ToInt64Hours(freshness));
  gate.command = "dmarcate reports reporters";
  return gate;
}

Gate Records(const GateScene& scene) {
  const RecordEvidence& records = scene.evidence.records;
  Gate gate{.id = GateId::kRecords, .name = "records sound"};
  const bool fresh =
      records.looked != absl::InfinitePast() && scene.now - records.looked <= kFreshRecords;
  const bool quiet = records.last_drift == absl::InfinitePast() ||
                     scene.now - records.last_drift >= kQuietAfterDrift;
  gate.holds = fresh && quiet && records.lint_errors == 0 && records.spf_lookups <= kMaxLookups &&
               records.dangling.empty();
  gate.measured = fmt::format(
      "{} lint errors, {} look-ups, {} dangling includes{}, drift {}, "
      "looked {}",
      records.lint_errors, records.spf_lookups, records.dangling.size(),
      records.dangling.empty() ? "" : fmt::format(" ({})", Names(records.dangling)),
      Age(records.last_drift, scene.now), Age(records.looked, scene.now));
  gate.required = fmt::format(
      "0 errors, at most {} look-ups, 0 dangling, no drift for 7 days, "
      "looked within 24 h",
      kMaxLookups);
  gate.command = scene.Command("dmarcate records lint {domain}");
  return gate;
}

Gate Ingest(const GateScene& scene) {
  const IngestEvidence& ingest = scene.evidence.ingest;
  Gate gate{.id = GateId::kIngest, .name = "ingest sound"};
  gate.holds = ingest.longest_gap <= kLongestIngestGap && ingest.queued == 0 &&
               ingest.quarantined_unreviewed == 0 && !ingest.disk_full;
  gate.measured = fmt::format("longest gap {} h, {} waiting, {} quarantined in an anchor's name{}",
                              absl::ToInt64Hours(ingest.longest_gap), ingest.queued,
                              ingest.quarantined_unreviewed, ingest.disk_full ? ", disk full" : "");
  gate.required = "no gap over 48 h, 0 waiting, 0 unreviewed, room on disk";
  gate.command = "dmarcate reports quarantine list";
  return gate;
}

Gate Window(const GateScene& scene) {
  Gate gate{.id = GateId::kWindow, .name = "window"};
  const WindowVerdict verdict =
      JudgeWindow(scene.state.settings, scene.now, scene.evidence.rules.freezes);
  const std::string& change = scene.evidence.control.open_change;
  gate.holds = verdict.open && change.empty();
  gate.measured = change.empty() ? verdict.why : fmt::format("change {} is open", change);
  gate.required = "working hours, no freeze, no other change open";
  gate.command = scene.Command("dmarcate changes list {domain}");
  return gate;
}

Gate ReceiverProof(const GateScene& scene) {
  Gate gate{.id = GateId::kReceiverProof, .name = "receiver proof"};
  int64_t all = 0;
  int64_t seen = 0;
  int64_t heaviest = 0;  // of those that have seen it: one anchor alone proves nothing
  std::vector<std::string> waiting;
  for (const AnchorEvidence& anchor : scene.evidence.anchors) {
    if (anchor.waived || anchor.days.empty()) continue;
    // One message more each, so that anchors with empty reports can prove it, too.
    const int64_t weight = std::clamp<int64_t>(anchor.messages, 0, int64_t{1} << 40) + 1;
    all += weight;
    const bool has_seen =
        anchor.policy_seen_since.has_value() && *anchor.policy_seen_since <= scene.filter.last();
    if (has_seen) {
      seen += weight;
      heaviest = std::max(heaviest, weight);
    } else {
      waiting.push_back(anchor.id);
    }
  }
  const int64_t rest = all - heaviest;
  const double share =
      rest == 0 ? 0 : static_cast<double>(seen - heaviest) / static_cast<double>(rest);
  gate.holds = all > 0 && share >= scene.gates().receiver_proof;
  gate.measured = fmt::format(
      "{} of the volume, the largest anchor left out, is reported under the "
      "published policy{}",
      Percent(share), waiting.empty() ? "" : fmt::format("; not yet: {}", Names(waiting)));
  gate.required = fmt::format("at least {}", Percent(scene.gates().receiver_proof));
  gate.command = "dmarcate reports reporters";
  return gate;
}

}  // namespace

double PolicyImpact::share() const {
  return wanted == 0 ? 0 : static_cast<double>(wanted_touched) / static_cast<double>(wanted);
}

int32_t DwellDays(const RolloutState& state, PolicyStage next) {
  const GateSettings& gates = state.settings.gates;
  int32_t days = 0;
  switch (state.stage) {
    case PolicyStage::kObserve:
      days = gates.observe_days;
      break;
    case PolicyStage::kQuarantineTest:
    case PolicyStage::kRejectTest:
      days = gates.test_days;
      break;
    case PolicyStage::kQuarantine:
    case PolicyStage::kReject:
      days = gates.quarantine_days;
      break;
  }
  for (const PolicyStage stage : kPolicyStages) {
    if (stage > state.stage && stage < next && IsTestStage(stage)) days += gates.test_days;
  }
  return days;
}

bool IsSaidYes(const RolloutState& state, const Evidence& evidence, PolicyStage next,
               absl::Time now) {
  const std::optional<Confirmation>& yes = state.confirmation;
  return yes.has_value() && !yes->by.empty() && yes->stage == next &&
         yes->decisions_etag == evidence.decisions_etag && yes->time <= now &&
         now - yes->time <= kConfirmationLifetime && yes->time >= state.stage_start;
}

bool IsConfirmed(const RolloutState& state, const Evidence& evidence, PolicyStage next,
                 absl::Time now) {
  if (!IsSaidYes(state, evidence, next, now)) return false;
  const Confirmation& yes = *state.confirmation;
  return !evidence.rules.two_people || (!yes.second_by.empty() && yes.second_by != yes.by);
}

PolicyImpact MeasureImpact(const RolloutState& state, const Evidence& evidence, absl::Time now) {
  PolicyImpact impact;
  const DayFilter filter(state, evidence, now);
  for (const SourceView& view : ViewSources(evidence, filter, kGateWindowDays)) {
    const SourceEvidence* source = view.source;
    const SourceCounts& counts = view.total;
    const int64_t touched = counts.messages - counts.aligned;
    impact.messages += counts.messages;
    impact.touched += touched;
    const bool wanted = source->standing == SourceStanding::kApproved ||
                        (source->standing == SourceStanding::kPending && source->looks_legitimate);
    if (wanted) {
      impact.wanted += counts.messages;
      impact.wanted_touched += touched;
    }
    if (touched > 0) {
      impact.sources.push_back(
          {source->id, source->standing, counts.messages, touched, counts.forwarded});
    }
  }
  std::ranges::sort(impact.sources, [](const SourceImpact& a, const SourceImpact& b) {
    if (a.touched != b.touched) return a.touched > b.touched;
    return a.source_id < b.source_id;
  });
  return impact;
}

std::vector<Gate> EvaluateGates(const RolloutState& state, const Evidence& evidence,
                                PolicyStage next, absl::Time now) {
  const DayFilter filter(state, evidence, now);
  std::vector<SourceView> recent = ViewSources(evidence, filter, kGateWindowDays);
  std::vector<int32_t> leave_out = AnchorsToLeaveOut(evidence, recent);
  const GateScene scene{state,
                        evidence,
                        next,
                        now,
                        filter,
                        MeasureCoverage(state, evidence, filter),
                        MeasureLoss(evidence, filter),
                        MeasureImpact(state, evidence, now),
                        std::move(recent),
                        std::move(leave_out)};
  std::vector<Gate> gates = {
      Dwell(scene),           CoverageGate(scene),     JudgeSources(scene), JudgeDkim(scene),
      JudgeUnknown(scene),    JudgeRareSenders(scene), Records(scene),      Ingest(scene),
      JudgeForwarding(scene), JudgeBlastRadius(scene), Window(scene),       JudgeLossBound(scene),
      ReceiverProof(scene)};
  for (Gate& gate : gates) {
    gate.since = now;
    for (const GateMemory& memory : state.gates) {
      if (memory.id == gate.id && memory.holds == gate.holds) gate.since = memory.since;
    }
  }
  return gates;
}

}  // namespace dmarcate
