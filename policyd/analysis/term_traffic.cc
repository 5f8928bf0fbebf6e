#include "policyd/analysis/term_traffic.h"

#include <optional>

namespace dmarcate {
std::vector<TermShare> TrafficOfTerms(const DomainStatistics& domain,
                                      const SourceStatistics& source,
                                      const std::vector<OwnTerm>& own) {
  std::vector<TermShare> out;
  out.reserve(own.size());
  for (const OwnTerm& term : own) out.push_back({.term = term.term, .complete = term.complete});
  if (own.empty()) return out;
  const OwnTermIndex terms(own);
  bool all_known = domain.expired.messages == 0;
  for (const SourceStatistics& each : domain.sources) {
    for (const AddressStats& stats : each.addresses) {
      if (!stats.address) {
        all_known &= stats.counts.messages == 0;
        continue;
      }
      const std::optional<size_t> term = terms.TermOf(*stats.address);
      if (!term) continue;
      TermShare& traffic = out[*term];
      traffic.of_domain = SaturatingAdd(traffic.of_domain, stats.counts.messages);
      if (each.id != source.id) continue;
      traffic.of_source = SaturatingAdd(traffic.of_source, stats.counts.messages);
    }
  }
  for (TermShare& traffic : out) traffic.complete &= all_known;
  return out;
}

}  // namespace dmarcate
