#include "policyd/analysis/health.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

#include "lib/base/binomial.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/trusted.h"

namespace dmarcate {
namespace {

// One end of a two-sided interval.
constexpr double kEnd = 1 - (1 - kHealthConfidence) / 2;

int Gravity(SourceNews news) {
  switch (news) {
    case SourceNews::kWorse:
      return 0;
    case SourceNews::kVanished:
      return 1;
    case SourceNews::kNew:
      return 2;
    case SourceNews::kLess:
      return 3;
    case SourceNews::kMore:
      return 4;
    case SourceNews::kBetter:
      return 5;
  }
  return 6;
}

// Compares one source that has mail in at least one of the spans.
class SourceComparison {
 public:
  SourceComparison(const SourceStatistics* before, const SourceStatistics* after,
                   const DayRange& days_before, const DayRange& days_after)
      : days_before_(days_before), days_after_(days_after) {
    const SourceStatistics& any = after != nullptr ? *after : *before;
    id_ = any.id;
    name_ = DisplayName(any);
    if (before != nullptr) before_ = BelievedCounts(before->by_trust);
    if (after != nullptr) after_ = BelievedCounts(after->by_trust);
    if (before_.messages > 0 || after_.messages > 0) return;
    claimed_ = true;
    if (before != nullptr) before_ = before->counts;
    if (after != nullptr) after_ = after->counts;
  }

  void Tell(std::vector<SourceChange>* out) const {
    // Under equal traffic each message falls into the later span with this probability.
    const double share = static_cast<double>(days_after_.days()) /
                         static_cast<double>(days_before_.days() + days_after_.days());
    const int64_t all = SaturatingAdd(before_.messages, after_.messages);
    if (before_.messages == 0) {
      Add(SourceNews::kNew,
          fmt::format("{} is new: {} messages in {} days, none in the {} days before", name_,
                      after_.messages, days_after_.days(), days_before_.days()),
          out);
      return;
    }
    if (after_.messages == 0) {
      if (UpperBound(0, all, kEnd) < share) {
        Add(SourceNews::kVanished,
            fmt::format("{} fell silent: no mail in {} days, {} messages in the {} days before",
                        name_, days_after_.days(), before_.messages, days_before_.days()),
            out);
      }
      return;
    }
    TellRate(out);
    const double a_day_before =
        static_cast<double>(before_.messages) / static_cast<double>(days_before_.days());
    const double a_day_after =
        static_cast<double>(after_.messages) / static_cast<double>(days_after_.days());
    if (a_day_after >= 2 * a_day_before && LowerBound(after_.messages, all, kEnd) > share) {
      Add(SourceNews::kMore, Volume("sends more", a_day_before, a_day_after), out);
    }
    if (2 * a_day_after <= a_day_before && UpperBound(after_.messages, all, kEnd) < share) {
      Add(SourceNews::kLess, Volume("sends less", a_day_before, a_day_after), out);
    }
  }

 private:
  void Add(SourceNews news, std::string sentence, std::vector<SourceChange>* out) const {
    if (claimed_) sentence += "; only reporters that are no anchors say so";
    out->push_back({id_, news, before_, after_, std::move(sentence), claimed_});
  }
  std::string Volume(std::string_view what, double before, double after) const {
    return fmt::format("{} {}: {:.1f} messages a day after {:.1f}", name_, what, after, before);
  }
  void TellRate(std::vector<SourceChange>* out) const {
    const Rate then = HealthOf(before_).dmarc, now = HealthOf(after_).dmarc;
    const bool worse = now.upper < then.lower;
    if (!worse && then.upper >= now.lower) return;
    Add(worse ? SourceNews::kWorse : SourceNews::kBetter,
        fmt::format("{} passes {}: {} of {} messages (95 %: {:.1f} to {:.1f} %), after {} of {} "
                    "({:.1f} to {:.1f} %)",
                    name_, worse ? "less often" : "more often", now.part, now.whole,
                    100 * now.lower, 100 * now.upper, then.part, then.whole, 100 * then.lower,
                    100 * then.upper),
        out);
  }

  DayRange days_before_, days_after_;
  std::string id_, name_;
  Counts before_, after_;
  bool claimed_ = false;
};

}  // namespace

std::string_view ToString(SourceNews news) {
  switch (news) {
    case SourceNews::kNew:
      return "new";
    case SourceNews::kVanished:
      return "vanished";
    case SourceNews::kWorse:
      return "worse";
    case SourceNews::kBetter:
      return "better";
    case SourceNews::kMore:
      return "more";
    case SourceNews::kLess:
      return "less";
  }
  return "";
}

Rate RateOf(int64_t part, int64_t whole) {
  return {part, whole, LowerBound(part, whole, kEnd), UpperBound(part, whole, kEnd)};
}

SourceHealth HealthOf(const Counts& counts) {
  return {RateOf(counts.dmarc_pass, counts.messages), RateOf(counts.dkim_aligned, counts.messages),
          RateOf(counts.spf_aligned, counts.messages)};
}

std::vector<SourceChange> CompareSources(const DomainStatistics& before,
                                         const DomainStatistics& after) {
  std::vector<SourceChange> out;
  StringMap<const SourceStatistics*> then;
  for (const SourceStatistics& source : before.sources) then.emplace(source.id, &source);
  for (const SourceStatistics& source : after.sources) {
    const auto it = then.find(source.id);
    SourceComparison(it == then.end() ? nullptr : it->second, &source, before.range, after.range)
        .Tell(&out);
    if (it != then.end()) then.erase(it);
  }
  for (const auto& [id, source] : then) {
    SourceComparison(source, nullptr, before.range, after.range).Tell(&out);
  }
  std::ranges::sort(out, [](const SourceChange& a, const SourceChange& b) {
    if (a.claimed != b.claimed) return b.claimed;
    if (a.news != b.news) return Gravity(a.news) < Gravity(b.news);
    const int64_t size_a = std::max(a.before.messages, a.after.messages);
    const int64_t size_b = std::max(b.before.messages, b.after.messages);
    return size_a != size_b ? size_a > size_b : a.id < b.id;
  });
  return out;
}

}  // namespace dmarcate
