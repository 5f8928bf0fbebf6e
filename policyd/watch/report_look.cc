#include "policyd/watch/report_look.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/binomial.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/health.h"
#include "policyd/analysis/trusted.h"
#include "policyd/watch/source_failure.h"

namespace dmarcate {
namespace {

// One end of a two-sided interval of 95 %.
constexpr double kEnd = 0.975;

// A pending source is told from this share of the mail on, and as long as it has half of it.
constexpr double kShareComes = 0.02, kShareStays = 0.01;
// Fewer are told by `sources news`; below that a share says little.
constexpr int64_t kFewestMessages = 5;
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

// `whole` is not 0; a reporter may claim any number.
int64_t Tenths(int64_t part, int64_t whole) {
  return static_cast<int64_t>(static_cast<double>(part) * 10 / static_cast<double>(whole));
}

bool IsClaim(const SourceStatistics& source) { return source.kind == SourceKind::kSuspicious; }

// Whose reports are counted.
enum class Voices : uint8_t {
  kBelieved,  // anchors, and what the operator handed in
  kAll,       // and whoever else may send reports
};
constexpr std::string_view kOnlyClaimed = "; only reporters that are no anchors say so";

template <typename Statistics>  // of a source, or of the domain
Counts CountsOf(const Statistics& statistics, Voices voices) {
  if (voices == Voices::kBelieved) return BelievedCounts(statistics.by_trust);
  Counts out;
  for (const Counts& counts : statistics.by_trust) out.Add(counts);
  return out;
}

bool IsBelievedReporter(const ReporterRow& row) {
  return row.trust[static_cast<size_t>(TrustClass::kAnchored)] > 0 ||
         row.trust[static_cast<size_t>(TrustClass::kImported)] > 0;
}

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
      learned_ = IsMailLearned();
      if (learned_) out_.learned.insert(std::string(insight_scope::kMail));
      // The largest by what can be believed first: there is room for so many, and no stranger fills
      // it.
      std::vector<const SourceStatistics*> sources;
      for (const SourceStatistics& source : sight_.recent.sources) sources.push_back(&source);
      std::ranges::stable_sort(sources, std::greater<>(), [](const SourceStatistics* source) {
        return CountsOf(*source, Voices::kBelieved).messages;
      });
      for (const SourceStatistics* source : sources) {
        Unapproved(*source);
        Failing(*source);
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

  // Whether reports that can be believed came of late; of a domain of which none ever did, any.
  bool IsMailLearned() const {
    bool ever = CountsOf(sight_.before, Voices::kBelieved).messages > 0;
    if (CountsOf(sight_.recent, Voices::kBelieved).messages > 0) return true;
    for (const ReporterRow& row : sight_.reporters.reporters) {
      if (!IsBelievedReporter(row)) continue;
      if (row.rhythm.silent <= kRecentDays) return true;  // an empty report is one, too
      ever = true;
    }
    return !ever;
  }

  // Whether reports that can be believed had come before the last days, empty ones included.
  bool WereBelievedBefore() const {
    return CountsOf(sight_.before, Voices::kBelieved).messages > 0 ||
           std::ranges::any_of(sight_.reporters.reporters, [this](const ReporterRow& row) {
             return IsBelievedReporter(row) && row.rhythm.days > sight_.recent.range.days();
           });
  }

  // Tells what `judge` finds by the voices that can be believed; if it finds nothing, by all of
  // them. While nothing can be believed what is open stays as it was told.
  template <typename Judge>
  void ByVoices(InsightFinding finding, bool open, Judge&& judge) {
    InsightFinding claimed = finding;
    if (judge(Voices::kBelieved, &finding)) return Add(std::move(finding));
    if ((open && !learned_) || !judge(Voices::kAll, &claimed)) return;
    claimed.severity = Severity::kInfo;
    claimed.message += kOnlyClaimed;
    Add(std::move(claimed));
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
    ByVoices(std::move(out), open, [&](Voices voices, InsightFinding* found) {
      const Counts counts = CountsOf(source, voices);
      const int64_t all = CountsOf(sight_.recent, voices).messages;
      const double share =
          all == 0 ? 0 : static_cast<double>(counts.messages) / static_cast<double>(all);
      const bool told = open ? share >= kShareStays : share >= kShareComes;
      if (!told || counts.messages < (open ? 1 : kFewestMessages)) return false;
      found->message = fmt::format(
          "{} sends as {} and nobody has decided about it: {} of {} messages in {} days, {} of "
          "them pass DMARC",
          DisplayName(source), domain_.text(), counts.messages, all, sight_.recent.range.days(),
          counts.dmarc_pass);
      found->fix_hint = "Look whose it is, then approve or reject it.";
      found->evidence_command = Explain(source);
      found->weight = Step(counts.messages);
      found->metadata = {{"source", source.id},
                         {"messages", std::to_string(counts.messages)},
                         {"total", std::to_string(all)}};
      return true;
    });
  }

  void Failing(const SourceStatistics& source) {
    if (StateOf(source.id) != SourceState::kApproved || source.counts.messages == 0) return;
    bool open = false;
    InsightFinding out = Begin(insight_code::kSourceFailing, Severity::kError, insight_scope::kMail,
                               "source/" + source.id, &open);
    const std::optional<SourceFailure> failure = FailureOf(source, sight_.recent.reporters, open);
    if (!failure) return;
    const Rate& rate = failure->rate;
    const int64_t failed = rate.whole - rate.part;
    out.severity = failure->severity;
    out.message = fmt::format(
        "{} is approved, and {} of its {} messages in {} days fail DMARC; at most "
        "{:.1f} % of its mail passes (95 % confidence){}",
        DisplayName(source), failed, rate.whole, sight_.recent.range.days(), rate.upper * 100,
        failure->remark);
    const SourceStatistics* before = sight_.before.FindSource(source.id);
    out.fix_hint =
        source.counts.dmarc_pass > 0 || (before != nullptr && before->counts.dmarc_pass > 0)
            ? "See what changed at the sender: its DKIM key, its signing domain, or SPF."
            : fmt::format(
                  "None of its mail has passed in {} days: it may never have been set up. See what "
                  "it needs: to sign as {}, or SPF with an envelope there.",
                  sight_.recent.range.days() + sight_.before.range.days(), domain_.text());
    out.evidence_command = Explain(source);
    // In tenths: another tenth of its mail that fails is news.
    out.weight = Tenths(failed, rate.whole);
    out.metadata = {{"source", source.id},
                    {"failed", std::to_string(failed)},
                    {"messages", std::to_string(rate.whole)}};
    Add(std::move(out));
  }

  static Span ClaimsIn(const DomainStatistics& statistics, Voices voices) {
    Span out{.days = static_cast<double>(statistics.range.days())};
    for (const SourceStatistics& source : statistics.sources) {
      if (!IsClaim(source)) continue;
      out.messages = SaturatingAdd(out.messages, CountsOf(source, voices).messages);
    }
    return out;
  }

  void Spoofing() {
    bool open = false;
    InsightFinding out = Begin(insight_code::kSpoofingBurst, Severity::kWarning,
                               insight_scope::kMail, "spoofing", &open);
    // Of a domain that is new nobody knows what is usual.
    if (!sight_.before.last_report_day) return;
    ByVoices(std::move(out), open, [&](Voices voices, InsightFinding* found) {
      if (voices == Voices::kBelieved && !WereBelievedBefore()) return false;
      const Span now = ClaimsIn(sight_.recent, voices), before = ClaimsIn(sight_.before, voices);
      if (!IsMore(now, before, open ? kTimesStays : kTimesComes)) return false;
      found->message = fmt::format(
          "{} messages in {} days claim to be {} without any support, {} in the {} days before",
          now.messages, sight_.recent.range.days(), domain_.text(), before.messages,
          sight_.before.range.days());
      found->fix_hint =
          "Nothing of yours is lost. A policy of quarantine or reject keeps such mail out.";
      found->evidence_command = fmt::format("dmarcate sources list {} --days {}", domain_.text(),
                                            sight_.recent.range.days());
      found->weight = Step(now.messages);
      found->metadata = {{"messages", std::to_string(now.messages)},
                         {"before", std::to_string(before.messages)}};
      return true;
    });
  }

  // Of what is no unsupported claim.
  static Rate RefusedIn(const DomainStatistics& statistics, Voices voices) {
    int64_t refused = 0, all = 0;
    for (const SourceStatistics& source : statistics.sources) {
      if (IsClaim(source)) continue;
      const Counts counts = CountsOf(source, voices);
      refused = SaturatingAdd(refused, SaturatingAdd(counts.quarantine, counts.reject));
      all = SaturatingAdd(all, counts.messages);
    }
    return RateOf(refused, all);
  }

  void Quarantine() {
    bool open = false;
    InsightFinding out = Begin(insight_code::kQuarantineSpike, Severity::kError,
                               insight_scope::kMail, "quarantine", &open);
    ByVoices(std::move(out), open, [&](Voices voices, InsightFinding* found) {
      const Rate now = RefusedIn(sight_.recent, voices), before = RefusedIn(sight_.before, voices);
      if (!IsLarger(now, before, open ? kTimesStays : kTimesComes)) return false;
      found->message = fmt::format(
          "receivers quarantined or refused {} of {} messages in {} days, {} of {} in the {} days "
          "before; mail that nothing supports is not counted",
          now.part, now.whole, sight_.recent.range.days(), before.part, before.whole,
          sight_.before.range.days());
      found->fix_hint = "See which source it is, and what changed there or in your policy.";
      found->evidence_command =
          fmt::format("dmarcate stats breakdown {} --by disposition --days {}", domain_.text(),
                      sight_.recent.range.days());
      found->weight = Tenths(now.part, now.whole);
      found->metadata = {{"refused", std::to_string(now.part)},
                         {"messages", std::to_string(now.whole)}};
      return true;
    });
  }

  void Reporters() {
    std::vector<const ReporterRow*> rows;
    for (const ReporterRow& row : sight_.reporters.reporters) {
      if (row.rhythm.overdue) rows.push_back(&row);
    }
    std::ranges::stable_partition(rows, [](const auto* row) { return IsBelievedReporter(*row); });
    for (const ReporterRow* overdue : rows) {
      const ReporterRow& row = *overdue;
      bool open = false;
      // That a stranger stops is no alarm.
      InsightFinding out = Begin(insight_code::kReporterSilent,
                                 IsBelievedReporter(row) ? Severity::kWarning : Severity::kInfo,
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
  bool learned_ = false;  // of mail
  InsightLook out_;
};

}  // namespace

InsightLook LookAtReports(const DomainName& domain, const ReportSight& sight) {
  return Look(domain, sight).Run();
}

}  // namespace dmarcate
