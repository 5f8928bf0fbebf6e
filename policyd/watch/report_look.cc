#include "policyd/watch/report_look.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"

#include "lib/base/binomial.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/health.h"
#include "policyd/analysis/trusted.h"

namespace dmarcate {
namespace {

// One end of a two-sided interval of 95 %.
constexpr double kEnd = 0.975;

// A pending source is told from this share of the mail on, and as long as it has half of it.
constexpr double kShareComes = 0.02, kShareStays = 0.01;
// Fewer are told by `sources news`; below that a share says little.
constexpr int64_t kFewestMessages = 5;
// An approved source: it passes less than that for certain; and until it passes that again.
constexpr double kPassComes = 0.95, kPassStays = 0.98;
// How many times as much a day as before.
constexpr double kTimesComes = 3, kTimesStays = 2;

struct Span {
  int64_t messages = 0;
  double days = 1;
};

// Whether there is at least `times` as much a day as before, and chance does not explain it: under
// equal traffic each of all messages falls into the later span with the share of its days.
bool IsMore(const Span& now, const Span& before, double times) {
  const int64_t all = SaturatingAdd(now.messages, before.messages);
  const double a_day_now = static_cast<double>(now.messages) / now.days;
  const double a_day_before = static_cast<double>(before.messages) / before.days;
  const double share = now.days / (now.days + before.days);
  return now.messages >= kFewestMessages && a_day_now >= times * a_day_before &&
         LowerBound(now.messages, all, kEnd) > share;
}

// Whether a part has grown: the intervals of both rates do not touch, and it is so many times that.
bool IsLarger(const Rate& now, const Rate& before, double times) {
  if (now.whole == 0) return false;
  const double rate_now = static_cast<double>(now.part) / static_cast<double>(now.whole);
  const double rate_before =
      before.whole == 0 ? 0 : static_cast<double>(before.part) / static_cast<double>(before.whole);
  // Where there was nothing before, nothing is known to have grown.
  return before.whole > 0 && now.part >= kFewestMessages && rate_now >= times * rate_before &&
         now.lower > before.upper;
}

// A count in steps, so that only a real change is news: 3, 7, 12 and 90 are 2, 4, 8 and 64.
int64_t Step(int64_t count) {
  int64_t step = 1;
  while (step <= count / 2) step *= 2;
  return count == 0 ? 0 : step;
}

bool IsClaim(const SourceStatistics& source) { return source.kind == SourceKind::kSuspicious; }

class Look {
 public:
  Look(const DomainName& domain, const ReportSight& sight) : domain_(domain), sight_(sight) {
    for (const SourceDecision& decision : sight.decisions) {
      states_[decision.source_id] = decision.state;
    }
  }

  InsightLook Run() {
    out_.of_reports = true;
    out_.scopes = {std::string(insight_scope::kMail), std::string(insight_scope::kReporters)};
    out_.learned.insert(std::string(insight_scope::kReporters));
    Reporters();
    // No report at all: that is what is the matter, and not that all mail is well.
    if (sight_.recent.last_report_day) {
      out_.learned.insert(std::string(insight_scope::kMail));
      for (const SourceStatistics& source : sight_.recent.sources) {
        Unapproved(source);
        Failing(source);
      }
      Spoofing();
      Quarantine();
    }
    std::ranges::sort(out_.found, {}, &InsightFinding::id);
    return std::move(out_);
  }

 private:
  SourceState StateOf(const std::string& id) const {
    const auto found = states_.find(id);
    return found == states_.end() ? SourceState::kPending : found->second;
  }

  // With an id, and whether it is there already.
  InsightFinding Begin(std::string_view code, Severity severity, std::string_view scope,
                       const std::string& place, bool* open) const {
    InsightFinding out;
    out.code = std::string(code);
    out.severity = severity;
    out.scope = std::string(scope);
    out.subject = domain_.text();
    out.path = place;
    out.id = InsightIdOf(code, out.subject, place);
    out.since = sight_.now;
    *open = sight_.open.contains(out.id);
    return out;
  }

  void Add(InsightFinding finding) {
    int& count = told_[finding.code];
    if (static_cast<size_t>(++count) > kMaxReportFindings) {
      ++out_.findings_left_out;
      return;
    }
    finding.message = finding.message.substr(0, kMaxInsightMessageBytes);
    finding.content = Sha256Hex(finding.code + " " + finding.path).substr(0, 16);
    out_.found.push_back(std::move(finding));
  }

  std::string Explain(const SourceStatistics& source) const {
    return fmt::format("dmarcate sources explain {} --domain {}", ShellWordOf(source.id),
                       domain_.text());
  }

  void Unapproved(const SourceStatistics& source) {
    if (StateOf(source.id) != SourceState::kPending || IsClaim(source) ||
        source.kind == SourceKind::kForwarder || source.rule == Rule::kOverflow) {
      return;
    }
    bool open = false;
    InsightFinding out = Begin(insight_code::kSourceUnapproved, Severity::kWarning,
                               insight_scope::kMail, "source/" + source.id, &open);
    const int64_t all = sight_.recent.total.messages;
    const int64_t messages = source.counts.messages;
    const double share = all == 0 ? 0 : static_cast<double>(messages) / static_cast<double>(all);
    const bool told = open ? share >= kShareStays : share >= kShareComes;
    if (!told || messages < (open ? 1 : kFewestMessages)) return;
    out.message = fmt::format(
        "{} sends as {} and nobody has decided about it: {} of {} messages in "
        "{} days, {} of them pass DMARC",
        DisplayName(source), domain_.text(), messages, all, sight_.recent.range.days(),
        source.counts.dmarc_pass);
    out.fix_hint = "Look whose it is, then approve or reject it.";
    out.evidence_command = Explain(source);
    out.weight = Step(messages);
    out.metadata = {{"source", source.id},
                    {"messages", std::to_string(messages)},
                    {"total", std::to_string(all)}};
    Add(std::move(out));
  }

  void Failing(const SourceStatistics& source) {
    if (StateOf(source.id) != SourceState::kApproved || source.counts.messages == 0) return;
    bool open = false;
    InsightFinding out = Begin(insight_code::kSourceFailing, Severity::kError, insight_scope::kMail,
                               "source/" + source.id, &open);
    // An alarm needs who can be believed; what others claim is told as that.
    const TrustedEvidence trusted = TrustedOf(source);
    const Counts& counts = trusted.conclusive() ? trusted.counts : source.counts;
    if (!trusted.conclusive()) out.severity = Severity::kInfo;
    const Rate rate = RateOf(counts.dmarc_pass, counts.messages);
    const bool told =
        open ? static_cast<double>(rate.part) < kPassStays * static_cast<double>(rate.whole)
             : rate.upper < kPassComes;
    if (!told) return;
    const int64_t failed = rate.whole - rate.part;
    out.message = fmt::format(
        "{} is approved, and {} of its {} messages in {} days fail DMARC; at most "
        "{:.1f} % of its mail passes (95 % confidence)",
        DisplayName(source), failed, rate.whole, sight_.recent.range.days(), rate.upper * 100);
    if (!trusted.conclusive()) out.message += "; fewer than two anchors say so";
    out.fix_hint = "See what changed at the sender: its DKIM key, its signing domain, or SPF.";
    out.evidence_command = Explain(source);
    // In tenths: another tenth of its mail that fails is news.
    out.weight = failed * 10 / rate.whole;
    out.metadata = {{"source", source.id},
                    {"failed", std::to_string(failed)},
                    {"messages", std::to_string(rate.whole)}};
    Add(std::move(out));
  }

  static Span ClaimsIn(const DomainStatistics& statistics) {
    Span out{.days = static_cast<double>(statistics.range.days())};
    for (const SourceStatistics& source : statistics.sources) {
      if (IsClaim(source)) out.messages = SaturatingAdd(out.messages, source.counts.messages);
    }
    return out;
  }

  void Spoofing() {
    bool open = false;
    InsightFinding out = Begin(insight_code::kSpoofingBurst, Severity::kWarning,
                               insight_scope::kMail, "spoofing", &open);
    const Span now = ClaimsIn(sight_.recent), before = ClaimsIn(sight_.before);
    // Of a domain that is new nobody knows what is usual.
    if (!sight_.before.last_report_day) return;
    if (!IsMore(now, before, open ? kTimesStays : kTimesComes)) return;
    out.message = fmt::format(
        "{} messages in {} days claim to be {} without any support, {} in the {} days before",
        now.messages, sight_.recent.range.days(), domain_.text(), before.messages,
        sight_.before.range.days());
    out.fix_hint =
        "Nothing of yours is lost. A policy of quarantine or reject keeps such mail out.";
    out.evidence_command = fmt::format("dmarcate sources list {} --days {}", domain_.text(),
                                       sight_.recent.range.days());
    out.weight = Step(now.messages);
    out.metadata = {{"messages", std::to_string(now.messages)},
                    {"before", std::to_string(before.messages)}};
    Add(std::move(out));
  }

  // Of what is no unsupported claim.
  static Rate RefusedIn(const DomainStatistics& statistics) {
    int64_t refused = 0, all = 0;
    for (const SourceStatistics& source : statistics.sources) {
      if (IsClaim(source)) continue;
      refused =
          SaturatingAdd(refused, SaturatingAdd(source.counts.quarantine, source.counts.reject));
      all = SaturatingAdd(all, source.counts.messages);
    }
    return RateOf(refused, all);
  }

  void Quarantine() {
    bool open = false;
    InsightFinding out = Begin(insight_code::kQuarantineSpike, Severity::kError,
                               insight_scope::kMail, "quarantine", &open);
    const Rate now = RefusedIn(sight_.recent), before = RefusedIn(sight_.before);
    if (!IsLarger(now, before, open ? kTimesStays : kTimesComes)) return;
    out.message = fmt::format(
        "receivers quarantined or refused {} of {} messages in {} days, {} of {} in the {} days "
        "before; mail that nothing supports is not counted",
        now.part, now.whole, sight_.recent.range.days(), before.part, before.whole,
        sight_.before.range.days());
    out.fix_hint = "See which source it is, and what changed there or in your policy.";
    out.evidence_command = fmt::format("dmarcate stats breakdown {} --by disposition --days {}",
                                       domain_.text(), sight_.recent.range.days());
    out.weight = now.part * 10 / now.whole;
    out.metadata = {{"refused", std::to_string(now.part)}, {"messages", std::to_string(now.whole)}};
    Add(std::move(out));
  }

  void Reporters() {
    for (const ReporterRow& row : sight_.reporters.reporters) {
      if (!row.rhythm.overdue) continue;
      bool open = false;
      InsightFinding out = Begin(insight_code::kReporterSilent, Severity::kWarning,
                                 insight_scope::kReporters, "reporter/" + row.id, &open);
      out.message = fmt::format(
          "{} has sent no report for {} days; before, the longest pause in {} days with reports "
          "was "
          "{} days",
          EscapeForTerminal(row.organizations.empty() ? row.key : row.organizations.front()),
          row.rhythm.silent, row.rhythm.days, row.rhythm.longest_gap);
      out.fix_hint = fmt::format(
          "If others are silent, too, see whether reports still arrive: dmarcate reports list {}",
          domain_.text());
      out.evidence_command =
          fmt::format("dmarcate reports reporters {} --days {}", domain_.text(), kRhythmDays);
      out.metadata = {{"reporter", row.id}, {"silent_days", std::to_string(row.rhythm.silent)}};
      Add(std::move(out));
    }
  }

  const DomainName& domain_;
  const ReportSight& sight_;
  std::map<std::string, SourceState> states_;
  std::map<std::string, int> told_;
  InsightLook out_;
};

}  // namespace

InsightLook LookAtReports(const DomainName& domain, const ReportSight& sight) {
  return Look(domain, sight).Run();
}

}  // namespace dmarcate
