#include "policyd/rollout/report_evidence.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "policyd/analysis/attribution.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/reporter_ledger.h"
#include "policyd/analysis/spread.h"
#include "policyd/analysis/statistics.h"
#include "policyd/rollout/figures.h"

namespace dmarcate {
namespace {

constexpr int64_t kAdvisoryMessages = 50;

struct AnchorBuild {
  std::set<DayNumber> days;
  std::map<DayNumber, bool> showed;  // whether every report of the day showed the live policy
  std::map<DayNumber, int64_t> messages;
  absl::Time last_report = absl::InfinitePast();
};

struct SourceBuild {
  bool looks_legitimate = false;
  std::map<std::pair<DayNumber, std::string>, SourceDay> days;  // by day and anchor
  int64_t other_messages = 0, other_failing = 0;                // in reports that are not ANCHORED
};

std::optional<DmarcPolicy> ToDmarc(std::optional<Policy> policy) {
  if (!policy.has_value()) return {};
  switch (*policy) {
    case Policy::kNone:
      return DmarcPolicy::kNone;
    case Policy::kQuarantine:
      return DmarcPolicy::kQuarantine;
    case Policy::kReject:
      return DmarcPolicy::kReject;
    default:
      return {};
  }
}

// Whether policy_published is what the record says. Reporters fill in defaults, so what is absent
// on either side says nothing.
bool Shows(const PublishedPolicy& reported, const DmarcRecord& live) {
  const DmarcVerdict& verdict = live.Verdict(DmarcStandard::kRfc9989);
  if (ToDmarc(reported.p) != verdict.p) return false;
  if (reported.testing.has_value() && *reported.testing != verdict.testing) return false;
  if (!reported.pct.has_value()) return true;
  return *reported.pct == live.Verdict(DmarcStandard::kRfc7489).pct;
}

// Nine of ten reports come at most so long after the one before.
int32_t UsualGap(const std::set<DayNumber>& days) {
  if (std::ssize(days) < kFewestDaysOfRhythm) return 0;
  std::vector<int32_t> gaps;
  for (auto it = std::next(days.begin()); it != days.end(); ++it) {
    gaps.push_back(*it - *std::prev(it));
  }
  std::ranges::sort(gaps);
  return gaps[(gaps.size() * 9 - 1) / 10];
}

}  // namespace

struct ReportEvidenceBuilder::Impl {
  Impl(ReportEvidenceInput in, const Catalogue& known)
      : input(std::move(in)),
        catalogue(known),
        range{input.last - kLongestWindowDays + 1, input.last} {}

  const ReportEvidenceInput input;
  const Catalogue& catalogue;
  const DayRange range;
  std::map<std::string, AnchorBuild> anchors;
  std::map<std::string, SourceBuild> sources;
  std::set<DayNumber> excluded;

  SourceBuild& Source(const std::string& id) {
    const auto it = sources.find(id);
    if (it != sources.end()) return it->second;
    return sources[sources.size() < kMaxSources ? id : std::string(kOverflowSourceId)];
  }
  void AddRow(const AggregateRecord& record, const std::string* anchor, DaySpread& spread);
};

void ReportEvidenceBuilder::Impl::AddRow(const AggregateRecord& record, const std::string* anchor,
                                         DaySpread& spread) {
  const int64_t messages = MessagesOf(record);
  if (messages == 0) return;
  const RowFacts facts(record);
  const Attribution attribution = Attribute(record, input.domain, catalogue);
  SourceBuild& source = Source(attribution.source_id);
  if (anchor == nullptr) {
    source.other_messages = SaturatingAdd(source.other_messages, messages);
    if (!facts.dmarc_pass()) source.other_failing = SaturatingAdd(source.other_failing, messages);
    return;
  }
  const bool known_sender =
      attribution.service != nullptr && attribution.service->kind != ServiceKind::kForwarder;
  const bool forwarded = !facts.dmarc_pass() && attribution.forward_hint != ForwardHint::kNone;
  source.looks_legitimate = source.looks_legitimate || facts.dmarc_pass() || known_sender ||
                            (attribution.rule == Rule::kOwnEnvelope && !forwarded);
  AnchorBuild& reporter = anchors[*anchor];
  spread.Deal(messages, [&](DayNumber day, int64_t share) {
    SourceDay& one = source.days[{day, *anchor}];
    one.day = day;
    one.messages = SaturatingAdd(one.messages, share);
    if (facts.dmarc_pass()) one.aligned = SaturatingAdd(one.aligned, share);
    if (facts.dkim_aligned()) one.dkim_aligned = SaturatingAdd(one.dkim_aligned, share);
    if (forwarded) one.forwarded = SaturatingAdd(one.forwarded, share);
    reporter.messages[day] = SaturatingAdd(reporter.messages[day], share);
  });
}

ReportEvidenceBuilder::ReportEvidenceBuilder(ReportEvidenceInput input, const Catalogue& catalogue)
    : impl_(std::make_unique<Impl>(std::move(input), catalogue)) {}
ReportEvidenceBuilder::~ReportEvidenceBuilder() = default;

void ReportEvidenceBuilder::Add(const StoredReport& report) {
  if (!report.current || report.key.domain != impl_->input.domain ||
      !impl_->range.Contains(report.key.day) || !IsCounted(report.trust)) {
    return;
  }
  const bool anchored = report.trust == TrustClass::kAnchored;
  const ReportMetadata& metadata = report.report.metadata;
  DaySpread spread(metadata.begin, metadata.end, report.key.day, impl_->range);
  if (anchored) {
    AnchorBuild& anchor = impl_->anchors[report.reporter_key];
    anchor.last_report = std::max(anchor.last_report, report.received_time);
    const bool shows =
        impl_->input.published.has_value() && Shows(report.report.policy, *impl_->input.published);
    const bool mixed = std::ranges::any_of(impl_->input.policy_changes, [&](absl::Time change) {
      return absl::FromUnixSeconds(metadata.begin) <= change &&
             change <= absl::FromUnixSeconds(metadata.end);
    });
    for (DayNumber day = spread.days().first; day <= spread.days().last; ++day) {
      anchor.days.insert(day);
      const auto [it, inserted] = anchor.showed.try_emplace(day, shows);
      it->second = it->second && shows;
      if (mixed) impl_->excluded.insert(day);
    }
  }
  for (const AggregateRecord& record : report.report.records) {
    impl_->AddRow(record, anchored ? &report.reporter_key : nullptr, spread);
  }
}

void ReportEvidenceBuilder::Finish(Evidence& evidence) {
  evidence.anchors.clear();
  evidence.sources.clear();
  evidence.advisories.clear();
  evidence.excluded_days.assign(impl_->excluded.begin(), impl_->excluded.end());
  std::map<std::string, int32_t> index;
  for (const auto& [id, build] : impl_->anchors) {
    index[id] = static_cast<int32_t>(evidence.anchors.size());
    AnchorEvidence anchor;
    anchor.id = id;
    anchor.days.assign(build.days.begin(), build.days.end());
    anchor.usual_gap = UsualGap(build.days);
    anchor.last_report = build.last_report;
    for (const auto& [day, messages] : build.messages) {
      if (day > impl_->input.last - kGateWindowDays) {
        anchor.messages = SaturatingAdd(anchor.messages, messages);
      }
    }
    for (auto it = build.showed.rbegin(); it != build.showed.rend() && it->second; ++it) {
      anchor.policy_seen_since = it->first;
    }
    evidence.anchors.push_back(std::move(anchor));
  }
  for (const auto& [id, standing] : impl_->input.decisions) {
    if (standing == SourceStanding::kApproved) impl_->sources[id];
  }
  for (auto& [id, build] : impl_->sources) {
    const auto decision = impl_->input.decisions.find(id);
    SourceEvidence source;
    source.id = id;
    if (decision != impl_->input.decisions.end()) source.standing = decision->second;
    source.looks_legitimate = build.looks_legitimate;
    for (auto& [key, day] : build.days) {
      day.anchor = index[key.second];
      source.days.push_back(day);
    }
    if (source.standing == SourceStanding::kApproved && build.other_messages >= kAdvisoryMessages &&
        build.other_failing > build.other_messages / 20) {
      evidence.advisories.push_back(
          fmt::format("{}: {} of {} messages fail, by reports that are not anchored", id,
                      build.other_failing, build.other_messages));
    }
    const bool wanted = source.standing == SourceStanding::kApproved || !source.days.empty();
    if (wanted) evidence.sources.push_back(std::move(source));
  }
}

}  // namespace dmarcate
