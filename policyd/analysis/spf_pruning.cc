#include "policyd/analysis/spf_pruning.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "lib/base/binomial.h"
#include "lib/base/text.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/analysis/counts.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSourcesNamed = 20;

// The most days in a row without a report, the edges of the range included.
int32_t LongestHole(const std::set<DayNumber>& days, const DayRange& range) {
  int32_t longest = 0;
  DayNumber last = range.first - 1;
  for (const DayNumber day : days) {
    longest = std::max(longest, day - last - 1);
    last = day;
  }
  return std::max(longest, range.last - last);
}

struct MonthEnds {
  int32_t months = 0, quarters = 0;
};
// A month's end is seen if the last day or the first of the next month is.
MonthEnds SeenEnds(const std::set<DayNumber>& days, const DayRange& range) {
  MonthEnds ends;
  for (DayNumber day = range.first; day < range.last; ++day) {
    const absl::CivilDay next = ToCivil(day + 1);
    if (next.day() != 1 || (!days.contains(day) && !days.contains(day + 1))) continue;
    ++ends.months;
    if (next.month() % 3 == 1) ++ends.quarters;
  }
  return ends;
}

// All days but those that one anchor alone covers, whichever makes the longest hole.
int32_t LongestHoleWithoutOne(const SpfTraffic& traffic) {
  int32_t longest = 0;
  for (const auto& [left_out, its_days] : traffic.anchors) {
    std::set<DayNumber> days;
    for (const auto& [anchor, of_anchor] : traffic.anchors) {
      if (anchor != left_out) days.insert(of_anchor.begin(), of_anchor.end());
    }
    longest = std::max(longest, LongestHole(days, traffic.range));
  }
  return longest;
}

std::string Percent(double share) { return fmt::format("{:.1f} %", share * 100); }

std::vector<std::string> MostFirst(const std::map<std::string, int64_t>& sources) {
  std::vector<std::pair<int64_t, std::string>> sorted;
  for (const auto& [id, messages] : sources) sorted.emplace_back(-messages, id);
  std::ranges::sort(sorted);
  std::vector<std::string> out;
  for (const auto& [messages, id] : sorted) {
    if (out.size() == kMaxSourcesNamed) break;
    out.push_back(id);
  }
  return out;
}

bool Moves(SpfKind kind) {
  return kind == SpfKind::kInclude || kind == SpfKind::kA || kind == SpfKind::kMx;
}

class Judge {
 public:
  explicit Judge(const PruningInput& input) : input_(input) {
    for (const auto& [anchor, days] : traffic().anchors) covered_.insert(days.begin(), days.end());
    ends_ = SeenEnds(covered_, traffic().range);
    std::vector<int64_t> passed;
    for (const auto& [anchor, messages] : traffic().passed_by) passed.push_back(messages);
    std::ranges::sort(passed, std::greater<>());
    for (size_t i = 1; i < passed.size(); ++i) vouched_ = SaturatingAdd(vouched_, passed[i]);
  }

  PruningReview Review() {
    PruningReview review;
    review.missing = Missing();
    review.covered_days = static_cast<int32_t>(covered_.size());
    review.month_ends = ends_.months;
    const std::vector<TermReach> reaches = ReachOfTerms(input_.tree);
    std::set<std::string> seen;
    for (size_t i = 0; i < reaches.size(); ++i) {
      const SpfNode& node = input_.tree.root.children[i];
      TermReview& term = review.terms.emplace_back();
      term.term = node.term;
      term.lookup_cost = node.lookup_cost;
      term.managed = SourceOfManaged(node.term).has_value();
      if (!seen.insert(node.term).second) {
        term.reason = "the same term stands before it";
        continue;
      }
      JudgeTerm(node, reaches[i], traffic().terms[i], review.missing, term);
    }
    return review;
  }

 private:
  const SpfTraffic& traffic() const { return input_.traffic; }

  std::vector<std::string> Missing() const {
    const DayRange& range = traffic().range;
    std::vector<std::string> missing;
    const auto lacks = [&](bool lacking, std::string text) {
      if (lacking) missing.push_back(std::move(text));
    };
    lacks(range.days() < kPruneLeastDays,
          fmt::format("{} days are looked at; {} are needed", range.days(), kPruneLeastDays));
    lacks(traffic().anchors.size() < kPruneAnchors,
          fmt::format("{} ANCHORED reporters; {} are needed, since one alone proves nothing",
                      traffic().anchors.size(), kPruneAnchors));
    const int32_t hole = LongestHole(covered_, range);
    lacks(hole > kPruneLongestHole,
          fmt::format("{} days in a row without an ANCHORED report; {} may be", hole,
                      kPruneLongestHole));
    if (traffic().anchors.size() >= kPruneAnchors) {
      const int32_t others = LongestHoleWithoutOne(traffic());
      lacks(others > kPruneLongestHoleOfOthers,
            fmt::format("without one of the reporters {} days in a row have no ANCHORED report; {} "
                        "may have none",
                        others, kPruneLongestHoleOfOthers));
    }
    lacks(ends_.months < kPruneMonthEnds || ends_.quarters < 1,
          fmt::format("{} month ends and {} quarter ends were seen; {} and 1 are needed",
                      ends_.months, ends_.quarters, kPruneMonthEnds));
    lacks(Bound() > kPruneShare,
          fmt::format(
              "{} messages passed SPF by the record without those that the largest ANCHORED "
              "reporter saw; {} are needed to say that a term carries at most {}",
              vouched_, TrialsNeeded(0, kPruneShare, kPruneConfidence), Percent(kPruneShare)));
    return missing;
  }

  // Of the part of the mail that comes through a term that none came through.
  double Bound() const { return UpperBound(0, vouched_, kPruneConfidence); }

  // As people have grouped them.
  std::string SourceOf(const MailService& service) const {
    return input_.regrouping == nullptr ? std::string(service.id)
                                        : input_.regrouping->SourceOf(service.id, std::nullopt);
  }

  std::optional<std::string> SourceOfManaged(const std::string& term) const {
    const auto found = std::ranges::find(input_.managed, term, &ManagedTerm::term);
    if (found == input_.managed.end()) return std::nullopt;
    return found->source_id;
  }

  // Approved sources that the term is for: by what they say, by whom it was put there for, or by
  // the catalogue. Those that are approved with DKIM only ask nothing of SPF.
  std::vector<std::string> ApprovedFor(const SpfNode& node) const {
    std::vector<std::string> out;
    const absl::StatusOr<SpfTerm> term = ParseSpfTerm(node.term);
    const std::optional<std::string> managed_for = SourceOfManaged(node.term);
    const MailService* service = node.kind == SpfKind::kInclude
                                     ? input_.catalogue.FindByInclude(AsciiLower(node.target))
                                     : nullptr;
    for (const SpfClaim& claim : input_.approved) {
      if (claim.kind == AuthorizationSpec::Kind::kDkimOnly) continue;
      const bool says_so = std::ranges::any_of(claim.terms, [&](const std::string& text) {
        const absl::StatusOr<SpfTerm> wanted = ParseSpfTerm(text);
        return term.ok() && wanted.ok() && *wanted == *term;
      });
      if (says_so || managed_for == claim.source_id ||
          (service != nullptr &&
           (service->id == claim.source_id || SourceOf(*service) == claim.source_id))) {
        out.push_back(claim.source_id);
      }
    }
    return out;
  }

  // Approved sources of which nobody knows by which terms they pass, since they sent nothing.
  std::vector<std::string> SilentAuthorized() const {
    std::vector<std::string> out;
    for (const SpfClaim& claim : input_.approved) {
      if (claim.kind == AuthorizationSpec::Kind::kAlreadyAuthorized &&
          !traffic().sources.contains(claim.source_id)) {
        out.push_back(claim.source_id);
      }
    }
    return out;
  }

  void JudgeTerm(const SpfNode& node, const TermReach& reach, const TermTraffic& mail,
                 const std::vector<std::string>& missing, TermReview& out) const {
    const auto say = [&](TermVerdict verdict, std::string reason) {
      out.verdict = verdict;
      out.reason = std::move(reason);
    };
    if (input_.lead_to_ours.contains(node.term)) {
      return say(TermVerdict::kNotJudged, "it leads to records of Dmarcate");
    }
    if (!reach.judged) return say(TermVerdict::kNotJudged, reach.why_not);
    out.sources = ApprovedFor(node);
    if (mail.anchored > 0 || mail.others > 0) {
      out.sources = MostFirst(mail.sources);
      return say(TermVerdict::kUsed, Used(mail));
    }
    if (!out.sources.empty()) {
      return say(TermVerdict::kAdvised,
                 fmt::format("{}, and {} is approved: its term stays. If it sends no more, reject "
                             "it, and the next plan takes out what Dmarcate put there",
                             Nothing(mail), Join(out.sources, ", ")));
    }
    if (out.managed) {
      return say(
          TermVerdict::kAdvised,
          fmt::format("{}; Dmarcate put it there for {}, which is not approved any more: the "
                      "next plan of decisions takes it out",
                      Nothing(mail), *SourceOfManaged(node.term)));
    }
    if (std::string open = WhyOpen(node, reach, missing); !open.empty()) {
      return say(TermVerdict::kOpen, fmt::format("{}, but {}", Nothing(mail), open));
    }
    say(TermVerdict::kUnused,
        fmt::format("{}; with 95 % confidence at most {} of the mail needs it. Reports of {} "
                    "ANCHORED reporters on {} days, {} month ends among them. Who sends once a "
                    "year is not seen in that time",
                    Nothing(mail), Percent(Bound()), traffic().anchors.size(), covered_.size(),
                    ends_.months));
  }

  static std::string Used(const TermTraffic& mail) {
    const std::string last = mail.last_day.has_value() ? FormatDay(*mail.last_day) : "";
    if (mail.anchored == 0) {
      return fmt::format(
          "no ANCHORED report has mail that passed through it; others claim {} "
          "messages, the last on {}, and that keeps it",
          mail.others, last);
    }
    std::string others;
    if (mail.others > 0) others = fmt::format(", and {} by other reports", mail.others);
    return fmt::format("{} messages passed through it{}, the last on {}", mail.anchored, others,
                       last);
  }

  std::string Nothing(const TermTraffic& mail) const {
    std::string behind;
    if (mail.behind > 0) {
      behind = fmt::format(" ({} came from its addresses, and an earlier term let them through)",
                           mail.behind);
    }
    return fmt::format("none of {} messages that passed SPF in {} days came through it{}",
                       traffic().passed, traffic().range.days(), behind);
  }

  // Why silence does not speak for this one; empty: it does.
  std::string WhyOpen(const SpfNode& node, const TermReach& reach,
                      const std::vector<std::string>& missing) const {
    if (!reach.certain) {
      return fmt::format("not all of its addresses are known: {}", reach.uncertain);
    }
    if (traffic().unexplained > 0 && Moves(node.kind)) {
      return fmt::format(
          "{} messages passed from addresses that no term covers today ({}): this "
          "one may have let them through",
          traffic().unexplained, Join(traffic().unexplained_addresses, ", "));
    }
    if (const std::vector<std::string> silent = SilentAuthorized(); !silent.empty()) {
      return fmt::format(
          "{} is approved as authorized already and sent nothing: this may be its "
          "term. Decide about it first",
          Join(silent, ", "));
    }
    if (!traffic().sources_known) return "there were too many sources to keep apart";
    return Join(missing, "; ");
  }

  const PruningInput& input_;
  int64_t vouched_ = 0;  // messages that passed, without those of the anchor with the most
  std::set<DayNumber> covered_;
  MonthEnds ends_;
};

}  // namespace

std::string_view ToString(TermVerdict verdict) {
  switch (verdict) {
    case TermVerdict::kUsed:
      return "used";
    case TermVerdict::kUnused:
      return "unused";
    case TermVerdict::kAdvised:
      return "advised";
    case TermVerdict::kOpen:
      return "open";
    case TermVerdict::kNotJudged:
      return "not judged";
  }
  return "";
}

PruningReview ReviewSpfTerms(const PruningInput& input) { return Judge(input).Review(); }

}  // namespace dmarcate
