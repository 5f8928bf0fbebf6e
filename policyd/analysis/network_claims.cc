#include "policyd/analysis/network_claims.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxClaimsOfAKind = 5;

// Messages by what speaks for them, and an example.
struct Group {
  int64_t messages = 0;
  std::string example;
};
using Groups = std::map<std::string, Group, std::less<>>;

void Add(Groups& groups, std::string_view key, int64_t messages, std::string_view example) {
  auto group = groups.find(key);
  if (group == groups.end()) group = groups.emplace(std::string(key), Group()).first;
  group->second.messages = SaturatingAdd(group->second.messages, messages);
  // Addresses come with most messages first, so the first example is the best.
  if (group->second.example.empty()) group->second.example = std::string(example);
}

// Most messages first.
std::vector<std::pair<std::string, Group>> Largest(const Groups& groups) {
  std::vector<std::pair<std::string, Group>> out(groups.begin(), groups.end());
  std::ranges::stable_sort(
      out, [](const auto& a, const auto& b) { return a.second.messages > b.second.messages; });
  out.resize(std::min(out.size(), kMaxClaimsOfAKind));
  return out;
}

std::string Verdict(const SourceStatistics& source, const MailService* service) {
  if (service == nullptr) return "neutral";
  if (source.service == nullptr) return "neutral";
  return source.service->id == service->id ? "supports" : "contradicts";
}

}  // namespace

std::vector<EvidenceItem> NetworkClaims(const SourceStatistics& source,
                                        const NetworkEvidence& network,
                                        const std::vector<OwnTerm>& own,
                                        const Catalogue& catalogue) {
  const OwnTermIndex own_terms(own);
  Groups ranges, terms, services_by_name, names;
  int64_t nameless = 0, unasked = 0;
  for (const AddressStats& stats : source.addresses) {
    if (!stats.address) continue;
    const int64_t messages = stats.counts.messages;
    if (const std::string_view id = network.ServiceOf(*stats.address); !id.empty()) {
      Add(ranges, id, messages, stats.address->ToString());
    }
    if (const auto term = own_terms.TermOf(*stats.address)) {
      Add(terms, own[*term].term, messages, stats.address->ToString());
    }
    const std::string_view name = network.ConfirmedNameOf(*stats.address);
    if (!name.empty()) {
      const MailService* const service = catalogue.FindByReverseName(name);
      if (service != nullptr) {
        Add(services_by_name, service->id, messages, name);
      } else {
        Add(names, "", messages, name);
      }
    } else if (network.IsNameless(*stats.address)) {
      nameless = SaturatingAdd(nameless, messages);
    } else {
      unasked = SaturatingAdd(unasked, messages);
    }
  }

  std::vector<EvidenceItem> out;
  for (const auto& [id, group] : Largest(ranges)) {
    const MailService* const service = catalogue.FindById(id);
    if (service == nullptr) continue;
    out.push_back({.claim = fmt::format("{} messages come from addresses that {} sends from, such "
                                        "as {}",
                                        group.messages, service->name, group.example),
                   .checked_against = fmt::format("the live SPF record of {}",
                                                  fmt::join(service->spf_includes, ", ")),
                   .verdict = Verdict(source, service),
                   .messages = group.messages});
  }
  for (const auto& [term, group] : Largest(terms)) {
    out.push_back({.claim = fmt::format("{} messages come from addresses that {} lets through, "
                                        "such as {}",
                                        group.messages, EscapeForTerminal(term), group.example),
                   .checked_against = "your live SPF record",
                   .verdict = "supports",
                   .messages = group.messages});
  }
  for (const auto& [id, group] : Largest(services_by_name)) {
    const MailService* const service = catalogue.FindById(id);
    out.push_back({.claim = fmt::format("{} messages come from addresses named such as {}",
                                        group.messages, EscapeForTerminal(group.example)),
                   .checked_against = fmt::format("catalogue entry {}: names of its addresses, "
                                                  "confirmed both ways",
                                                  id),
                   .verdict = Verdict(source, service),
                   .messages = group.messages});
  }
  for (const auto& [key, group] : Largest(names)) {
    out.push_back({.claim = fmt::format("{} messages come from addresses named such as {}",
                                        group.messages, EscapeForTerminal(group.example)),
                   .checked_against = "the DNS, both ways; no catalogue entry",
                   .verdict = "neutral",
                   .messages = group.messages});
  }
  if (nameless > 0) {
    out.push_back({.claim = fmt::format("{} messages come from addresses without a name that is "
                                        "confirmed both ways",
                                        nameless),
                   .checked_against = "the DNS",
                   .verdict = "neutral",
                   .messages = nameless});
  }
  if (unasked > 0) {
    out.push_back({.claim = fmt::format("nothing is known about the names of the addresses of {} "
                                        "messages",
                                        unasked),
                   .checked_against = "the DNS, not asked yet or silent",
                   .verdict = "neutral",
                   .messages = unasked});
  }
  return out;
}

}  // namespace dmarcate
