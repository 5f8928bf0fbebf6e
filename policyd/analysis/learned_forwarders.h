// policyd/analysis/learned_forwarders.h
// Forwarders that the mail of one domain alone does not show. Who passes on mail with its signature
// intact gives itself away at the domains that sign; at a domain whose signature it breaks, or that
// does not sign, the same source looks like any unknown sender. Pure.
//
// Only what can be concluded counts (trusted.h): two anchors or more, or reports that were handed
// in. Nothing is learned from the domain that asks, and nothing of a source that looks like a
// sender at more than a few of the others: one domain, whoever holds it, teaches nothing.

#ifndef DMARCATE_POLICYD_ANALYSIS_LEARNED_FORWARDERS_H_
#define DMARCATE_POLICYD_ANALYSIS_LEARNED_FORWARDERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "policyd/analysis/statistics.h"

namespace dmarcate {

inline constexpr int64_t kFewestForwarded = 10;    // messages at a domain, for it to count
inline constexpr size_t kDomainsToLearn = 3;       // other than the one that asks
inline constexpr size_t kMaxNotedOfDomain = 200;   // sources, those with most messages
inline constexpr int kMostForwardersOfSender = 4;  // as many times as often a forwarder as a sender

// What has been learned at some time; nobody changes it any more.
class LearnedForwarders {
 public:
  // At how many managed domains but `domain` the source is seen to pass on mail; 0: it is not, or
  // at too few, or it sends for itself as well.
  size_t DomainsOf(std::string_view source_id, std::string_view domain) const;
  bool empty() const { return seen_.empty(); }
  friend bool operator==(const LearnedForwarders&, const LearnedForwarders&) = default;

 private:
  friend class ForwarderLedger;
  struct Seen {
    std::set<std::string, std::less<>> forwards, sends;  // domains
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::map<std::string, Seen, std::less<>> seen_;  // of those at enough domains
};

// What each domain shows. Not thread-safe.
class ForwarderLedger {
 public:
  // In place of what it showed before.
  void Note(const DomainStatistics& month);
  // What is said of domains that `managed` has not.
  void KeepOnly(const std::set<std::string, std::less<>>& managed);
  LearnedForwarders Learn() const;

 private:
  struct Shown {
    std::set<std::string> forwards, sends;  // source ids
  };
  std::map<std::string, Shown, std::less<>> domains_;
};

// Unknown sources that are learned to be forwarders become that, with SourceStatistics::learned_at.
// Suspicious ones stay: that others see it forward makes no claim true.
void ApplyLearned(const LearnedForwarders& learned, DomainStatistics* statistics);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_LEARNED_FORWARDERS_H_
