#include "policyd/analysis/term_traffic.h"

#include <algorithm>
#include <optional>

namespace dmarcate {
namespace {

std::optional<size_t> FirstTerm(const std::vector<OwnTerm>& own, const IpAddress& address) {
  const auto found = std::ranges::find_if(own, [&address](const OwnTerm& term) {
    return std::ranges::any_of(
        term.networks, [&address](const IpNetwork& network) { return network.Contains(address); });
  });
  if (found == own.end()) return std::nullopt;
  return static_cast<size_t>(found - own.begin());
}

}  // namespace

std::vector<TermShare> TrafficOfTerms(const DomainStatistics& domain,
                                      const SourceStatistics& source,
                                      const std::vector<OwnTerm>& own) {
  std::vector<TermShare> out;
  out.reserve(own.size());
  for (const OwnTerm& term : own) out.push_back({.term = term.term, .complete = term.complete});
  if (own.empty()) return out;
  bool all_known = domain.expired.messages == 0;
  for (const SourceStatistics& each : domain.sources) {
    for (const AddressStats& stats : each.addresses) {
      if (!stats.address) {
        all_known &= stats.counts.messages == 0;
        continue;
      }
      const std::optional<size_t> term = FirstTerm(own, *stats.address);
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
