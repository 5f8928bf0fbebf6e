// policyd/analysis/health.h
// How a source does, and what is new about it, as far as the counts bear it out. Rates come with
// exact bounds (binomial.h), and nothing is told that chance alone could have made: with few
// messages little is told, and there is no threshold below which nothing ever is. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_HEALTH_H_
#define DMARCATE_POLICYD_ANALYSIS_HEALTH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policyd/analysis/counts.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// Of an interval that is told, at both ends together.
inline constexpr double kHealthConfidence = 0.95;

struct Rate {
  int64_t part = 0, whole = 0;
  double lower = 0, upper = 1;  // of the true rate, with kHealthConfidence

  friend bool operator==(const Rate&, const Rate&) = default;
};
Rate RateOf(int64_t part, int64_t whole);

struct SourceHealth {
  Rate dmarc, dkim, spf;  // of messages: pass; aligned
};
SourceHealth HealthOf(const Counts& counts);

enum class SourceNews : uint8_t {
  kNew,       // had no mail in the span before
  kVanished,  // has no mail in this one, and had enough for that to be no chance
  kWorse,     // its pass rate fell: the two intervals do not touch
  kBetter,
  kMore,  // at least twice the messages a day, and no chance
  kLess,  // at most half
};
std::string_view ToString(SourceNews news);  // "vanished"

struct SourceChange {
  std::string id;
  SourceNews news = SourceNews::kNew;
  Counts before, after;
  std::string sentence;  // what happened, with the numbers
  bool claimed = false;  // nobody who can be believed has seen the source
};

// What is new about the sources of a domain in `after`, beside `before`; the ranges may differ in
// length. By what can be believed (IsBelieved), so that no stranger makes a source look worse or
// silent; of what nobody who can be has seen, by what is claimed, after all others. The gravest
// kind of news first (kWorse, kVanished, kNew, kLess, kMore, kBetter), then most messages, then by
// id. One source may have two: less mail, and worse.
std::vector<SourceChange> CompareSources(const DomainStatistics& before,
                                         const DomainStatistics& after);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_HEALTH_H_
