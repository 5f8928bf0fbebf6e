// policyd/analysis/term_traffic.h
// How much mail each term of a domain's own SPF record lets through, as the reports have it: what a
// source would lose with a term, and which terms carry nothing. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_TERM_TRAFFIC_H_
#define DMARCATE_POLICYD_ANALYSIS_TERM_TRAFFIC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "policyd/analysis/service_ranges.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

struct TermShare {
  std::string term;
  int64_t of_source = 0, of_domain = 0;  // messages
  // All addresses are known, of the term and of the mail: else no messages are no proof of none.
  bool complete = false;
};
// One for each of `own`, in its order. Mail counts for the first term that holds its address, as a
// receiver evaluates the record (RFC 7208 section 4.6.2), whatever the envelope domain was: of an
// address that a forwarder uses, too, the record says pass. `source` is one of `domain`'s, or one
// without mail.
std::vector<TermShare> TrafficOfTerms(const DomainStatistics& domain,
                                      const SourceStatistics& source,
                                      const std::vector<OwnTerm>& own);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_TERM_TRAFFIC_H_
