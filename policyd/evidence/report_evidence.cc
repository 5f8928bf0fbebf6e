#include "policyd/evidence/report_evidence.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/time.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/regroup.h"
#include "policyd/analysis/reporter_ledger.h"
#include "policyd/rollout/figures.h"

namespace dmarcate {
namespace {

constexpr double kPasses = 0.99;
constexpr int64_t kAdvisoryFloor = 50;

Policy ToReported(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::kNone:
      return Policy::kNone;
    case DmarcPolicy::kQuarantine:
      return Policy::kQuarantine;
    case DmarcPolicy::kReject:
      return Policy::kReject;
  }
  return Policy::kUnspecified;
}

struct Sums {
  int64_t messages = 0, aligned = 0, dkim_aligned = 0, spf_aligned = 0, forwarded = 0;
  void Add(int64_t count, const RowFacts& facts, bool passed_on) {
    messages = SaturatingAdd(messages, count);
    if (facts.dmarc_pass()) aligned = SaturatingAdd(aligned, count);
    if (facts.dkim_aligned()) dkim_aligned = SaturatingAdd(dkim_aligned, count);
    if (facts.spf_aligned()) spf_aligned = SaturatingAdd(spf_aligned, count);
    if (!facts.dmarc_pass() && passed_on) forwarded = SaturatingAdd(forwarded, count);
  }
  void Add(const Sums& other) {
    messages = SaturatingAdd(messages, other.messages);
    aligned = SaturatingAdd(aligned, other.aligned);
    dkim_aligned = SaturatingAdd(dkim_aligned, other.dkim_aligned);
    spf_aligned = SaturatingAdd(spf_aligned, other.spf_aligned);
    forwarded = SaturatingAdd(forwarded, other.forwarded);
  }
};

struct Source {
  std::map<std::pair<DayNumber, std::string>, Sums> days;  // by day and anchor
  Sums others;                                             // of other classes, 30 days
  std::set<std::string> selectors;
  bool looks_legitimate = false;
};

struct Anchor {
  std::map<DayNumber, bool> days;  // whether each report of it shows the policy
  absl::Time last_report = absl::InfinitePast();
  int64_t messages = 0;
};

bool IsIdentity(Rule rule) {
  switch (rule) {
    case Rule::kCatalogueDkim:
    case Rule::kCatalogueSelector:
    case Rule::kCatalogueEnvelope:
    case Rule::kCatalogueRange:
    case Rule::kCatalogueReverseName:
    case Rule::kOwnDkim:
    case Rule::kOwnEnvelope:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct ReportEvidenceBuilder::Impl {
  Impl(ReportEvidenceInput given, const Catalogue& known)
      : input(std::move(given)),
        catalogue(known),
        regrouping(input.groupings),
        today(DayOf(input.now)),
        first(today - kLongestWindowDays) {
    for (const SourceDecision& decision : input.decisions)
      decisions[decision.source_id] = &decision;
  }

  void AddRows(const StoredReport& report, bool anchored, const std::string& anchor) {
    const DayNumber day = report.key.day;
    for (const AggregateRecord& record : report.report.records) {
      Attribution who = Attribute(record, input.domain, catalogue);
      Regroup(record, catalogue, &regrouping, &who);
      const RowFacts facts(record);
      const int64_t count = MessagesOf(record);
      const bool passed_on =
          who.forward_hint != ForwardHint::kNone || who.rule == Rule::kForwarderEnvelope;
      // Our intact signature tells who wrote what a forwarder sent: it is our own mail, and what
      // passes is no evidence against the forwarder.
      const bool ours_passed_on =
          passed_on && who.own_signature && facts.dkim_aligned() && !IsIdentity(who.rule);
      Source& source =
          ours_passed_on ? passed[std::string(who.own_selector)] : sources[who.source_id];
      if (!anchored) {
        if (day >= today - kGateWindowDays) source.others.Add(count, facts, passed_on);
        continue;
      }
      source.days[{day, anchor}].Add(count, facts, passed_on);
      if (IsIdentity(who.rule) || ours_passed_on) source.looks_legitimate = true;
      if (who.own_signature && !passed_on && !who.own_selector.empty()) {
        source.selectors.emplace(who.own_selector);
      }
    }
  }

  void Exclude(const StoredReport& report) {
    const absl::Time begin = absl::FromUnixSeconds(report.report.metadata.begin);
    const absl::Time end = absl::FromUnixSeconds(report.report.metadata.end);
    for (const auto& [from, to] : input.policy_changes) {
      if (begin >= to || end <= from) continue;
      // Never more than the window, whatever a report says of its period.
      const DayNumber last = std::min(DayOf(end - absl::Seconds(1)), today);
      for (DayNumber day = std::max(DayOf(begin), first); day <= last; ++day) excluded.insert(day);
      excluded.insert(report.key.day);
    }
  }

  SourceStanding StandingOf(const std::string& id) const {
    const auto found = decisions.find(id);
    if (found == decisions.end()) return SourceStanding::kPending;
    switch (found->second->state) {
      case SourceState::kApproved:
        return SourceStanding::kApproved;
      case SourceState::kRejected:
        return SourceStanding::kRejected;
      case SourceState::kPending:
        break;
    }
    return SourceStanding::kPending;
  }

  // Whose key signed, if an approved source is known to sign with it; else our own servers'.
  void TakeBackPassedOn() {
    for (auto& [selector, mail] : passed) {
      std::string id = MakeSourceId("own-", input.domain);
      for (const auto& [candidate, source] : sources) {
        if (StandingOf(candidate) == SourceStanding::kApproved &&
            source.selectors.contains(selector)) {
          id = candidate;
          break;
        }
      }
      Source& author = sources[id];
      author.looks_legitimate = author.looks_legitimate || mail.looks_legitimate;
      author.others.Add(mail.others);
      for (const auto& [key, sums] : mail.days) author.days[key].Add(sums);
    }
    passed.clear();
  }

  // No DKIM key of ours is known with which it signs: neither in reports, nor by what was decided.
  bool IsSpfOnly(const std::string& id, const Source& source) const {
    if (!source.selectors.empty()) return false;
    for (const auto& [key, sums] : source.days) {
      if (sums.dkim_aligned > 0) return false;
    }
    return decisions.at(id)->authorization.kind != AuthorizationSpec::Kind::kDkimOnly;
  }

  ReportEvidenceInput input;
  const Catalogue& catalogue;
  const Regrouping regrouping;
  DayNumber today, first;
  std::map<std::string, const SourceDecision*> decisions;
  std::map<std::string, Source> sources;
  std::map<std::string, Source> passed;   // of ours that forwarders sent, by our selector
  std::map<std::string, Anchor> anchors;  // by reporter key
  std::map<std::string, int64_t> quarantined;
  std::set<DayNumber> excluded;
  std::vector<absl::Time> received;
  int64_t other_reports = 0;
};

bool ShowsPolicy(const PublishedPolicy& published, const DmarcRecord& live) {
  const DmarcVerdict& now = live.Verdict(DmarcStandard::kRfc9989);
  const DmarcVerdict& old = live.Verdict(DmarcStandard::kRfc7489);
  const Policy p = ToReported(now.Requested(DmarcSubject::kDomain));
  const Policy sp = ToReported(now.Requested(DmarcSubject::kSubdomain));
  const Policy np = ToReported(now.Requested(DmarcSubject::kNonExistent));
  if (published.p != p) return false;
  // Some write out sp where the record leaves it to follow p.
  if (published.sp.has_value() ? *published.sp != sp : live.Find("sp") != nullptr) return false;
  if (published.np.has_value() && *published.np != np) return false;
  if (p == Policy::kNone && sp == Policy::kNone && np == Policy::kNone) return true;
  if (published.testing.has_value()) return *published.testing == now.testing;
  if (published.pct.has_value()) return *published.pct == old.pct;
  return !now.testing;  // both tags are left out where they have their defaults
}

std::vector<PolicyChange> PolicyMovesOf(const std::vector<ChangeRecord>& changes) {
  std::vector<PolicyChange> out;
  for (const ChangeRecord& change : changes) {
    const bool moved = change.intent.policy.has_value() &&
                       change.apply_time != absl::InfinitePast() &&
                       change.end_time != absl::InfinitePast();
    if (moved) out.emplace_back(change.apply_time, change.end_time);
  }
  return out;
}

absl::Duration LongestGap(std::vector<absl::Time> received, absl::Time now) {
  const absl::Time begin = now - absl::Hours(24 * kGateWindowDays);
  // What came while the clock was ahead is no gap now.
  std::erase_if(received, [begin, now](absl::Time time) { return time < begin || time > now; });
  if (received.empty()) return absl::InfiniteDuration();
  std::ranges::sort(received);
  absl::Duration longest = now - received.back();
  for (size_t i = 1; i < received.size(); ++i) {
    longest = std::max(longest, received[i] - received[i - 1]);
  }
  return longest;
}

std::string DecisionsEtagOf(const std::vector<SourceDecision>& decisions) {
  std::vector<std::string> lines;
  for (const SourceDecision& decision : decisions) {
    lines.push_back(fmt::format("{}:{} {} {}", decision.source_id.size(), decision.source_id,
                                static_cast<int>(decision.state), decision.revision));
  }
  std::ranges::sort(lines);
  std::string bytes = "dmarcate decisions\n";
  for (const std::string& line : lines) bytes += line + "\n";
  return Sha256Hex(bytes).substr(0, 32);
}

ReportEvidenceBuilder::ReportEvidenceBuilder(ReportEvidenceInput input, const Catalogue& catalogue)
    : impl_(std::make_unique<Impl>(std::move(input), catalogue)) {}
ReportEvidenceBuilder::~ReportEvidenceBuilder() = default;

void ReportEvidenceBuilder::Add(const StoredReport& report) {
  const DayNumber day = report.key.day;
  if (day < impl_->first || day > impl_->today) return;
  if (report.trust == TrustClass::kQuarantined) {
    if (day >= impl_->today - kGateWindowDays) ++impl_->quarantined[report.reporter_key];
    return;
  }
  if (!IsCounted(report.trust)) return;
  impl_->received.push_back(report.received_time);
  const bool anchored = report.trust == TrustClass::kAnchored;
  impl_->AddRows(report, anchored, report.reporter_key);
  if (!anchored) {
    if (day >= impl_->today - kGateWindowDays) ++impl_->other_reports;
    return;
  }
  impl_->Exclude(report);
  Anchor& anchor = impl_->anchors[report.reporter_key];
  const bool shows =
      impl_->input.live.has_value() && ShowsPolicy(report.report.policy, *impl_->input.live);
  const auto [known, is_new] = anchor.days.emplace(day, shows);
  if (!is_new) known->second = known->second && shows;
  anchor.last_report = std::max(anchor.last_report, report.received_time);
  if (day >= impl_->today - kGateWindowDays) {
    for (const AggregateRecord& record : report.report.records) {
      anchor.messages = SaturatingAdd(anchor.messages, MessagesOf(record));
    }
  }
}

ReportEvidence ReportEvidenceBuilder::Finish() {
  ReportEvidence out;
  std::map<std::string, int32_t> index;
  // By id, as the ids are what is shown and compared.
  std::map<std::string, const std::string*> by_id;
  for (const auto& [key, anchor] : impl_->anchors) by_id[ReporterId(key)] = &key;
  for (const auto& [id, key] : by_id) {
    const Anchor& anchor = impl_->anchors.at(*key);
    index[*key] = static_cast<int32_t>(out.anchors.size());
    AnchorEvidence& evidence = out.anchors.emplace_back();
    evidence.id = id;
    evidence.last_report = anchor.last_report;
    evidence.messages = anchor.messages;
    for (const auto& [day, shows] : anchor.days) {
      evidence.days.push_back(day);
      if (!shows) evidence.policy_seen_since.reset();
      if (shows && !evidence.policy_seen_since.has_value()) evidence.policy_seen_since = day;
    }
    if (evidence.days.size() >= static_cast<size_t>(kFewestDaysOfRhythm)) {
      evidence.usual_gap = RhythmOf(evidence.days, impl_->today).usual_gap;
    }
    const auto quarantined = impl_->quarantined.find(*key);
    if (quarantined != impl_->quarantined.end()) {
      out.quarantined_in_anchors_names += quarantined->second;
    }
  }
  for (const auto& [id, decision] : impl_->decisions) {
    if (decision->state == SourceState::kApproved) impl_->sources[id];
  }
  impl_->TakeBackPassedOn();
  for (const auto& [id, source] : impl_->sources) {
    const SourceStanding standing = impl_->StandingOf(id);
    const bool approved = standing == SourceStanding::kApproved;
    if (approved && source.others.messages >= kAdvisoryFloor) {
      const int64_t direct = source.others.messages - source.others.forwarded;
      if (static_cast<double>(source.others.aligned) < kPasses * static_cast<double>(direct)) {
        out.advisories.push_back(fmt::format(
            "{}: {} of {} messages fail by reports that are not from anchors; no gate reads them",
            id, direct - source.others.aligned, direct));
      }
    }
    if (source.days.empty() && !approved) continue;
    SourceEvidence& evidence = out.sources.emplace_back();
    evidence.id = id;
    evidence.standing = standing;
    evidence.looks_legitimate = source.looks_legitimate;
    evidence.spf_only = approved && impl_->IsSpfOnly(id, source);
    Sums recent;
    for (const auto& [key, sums] : source.days) {
      evidence.days.push_back({key.first, index.at(key.second), sums.messages, sums.aligned,
                               sums.dkim_aligned, sums.forwarded});
      if (key.first < impl_->today - kGateWindowDays) continue;
      recent.messages = SaturatingAdd(recent.messages, sums.messages - sums.forwarded);
      recent.spf_aligned = SaturatingAdd(recent.spf_aligned, sums.spf_aligned);
      recent.dkim_aligned = SaturatingAdd(recent.dkim_aligned, sums.dkim_aligned);
    }
    std::ranges::sort(evidence.days, {},
                      [](const SourceDay& day) { return std::tuple(day.day, day.anchor); });
    if (!approved) continue;
    const double most = kPasses * static_cast<double>(recent.messages);
    out.selectors.push_back(
        {id, source.selectors,
         recent.messages > 0 && static_cast<double>(recent.spf_aligned) >= most,
         recent.messages > 0 && static_cast<double>(recent.dkim_aligned) < most});
  }
  out.excluded_days = {impl_->excluded.begin(), impl_->excluded.end()};
  if (impl_->other_reports > 0) {
    out.advisories.push_back(
        fmt::format("{} reports of the last {} days are not from anchors; no gate reads them",
                    impl_->other_reports, kGateWindowDays));
  }
  out.received = std::move(impl_->received);
  std::ranges::sort(out.received);
  return out;
}

}  // namespace dmarcate
