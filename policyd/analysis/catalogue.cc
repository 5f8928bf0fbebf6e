#include "policyd/analysis/catalogue.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace dmarcate {
namespace {

// Our own data contradicts itself: a bug, found by the first test that runs.
[[noreturn]] void Contradiction(std::string_view service, std::string_view what) {
  std::fprintf(stderr, "catalogue: %.*s: %.*s\n", static_cast<int>(service.size()), service.data(),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

void Index(StringMap<const MailService*>& map, std::string_view key, const MailService& service) {
  const auto [it, inserted] = map.emplace(AsciiLower(key), &service);
  if (!inserted && it->second != &service) Contradiction(service.id, key);
}

// The entry for `domain` or its nearest ancestor.
const MailService* FindAtOrAbove(const StringMap<const MailService*>& map,
                                 std::string_view domain) {
  for (;;) {
    if (const auto it = map.find(domain); it != map.end()) return it->second;
    const size_t dot = domain.find('.');
    if (dot == std::string_view::npos) return nullptr;
    domain.remove_prefix(dot + 1);
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view ToString(ServiceKind kind) {
  switch (kind) {
    case ServiceKind::kMailbox:
      return "mailbox";
    case ServiceKind::kDelivery:
      return "delivery";
    case ServiceKind::kMarketing:
      return "marketing";
    case ServiceKind::kApplication:
      return "application";
    case ServiceKind::kGateway:
      return "gateway";
    case ServiceKind::kForwarder:
      return "forwarder";
  }
  return "";
}

bool MatchesSelector(std::string_view pattern, std::string_view text) {
  size_t at = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '#') {
      const size_t first = at;
      while (at < text.size() && IsDigit(text[at])) ++at;
      if (at == first) return false;
    } else if (at == text.size() || AsciiLower(text[at]) != AsciiLower(pattern[i])) {
      return false;
    } else {
      ++at;
    }
  }
  return at == text.size();
}

Catalogue::Catalogue(std::vector<MailService> services) : services_(std::move(services)) {
  for (const MailService& service : services_) {
    if (!by_id_.emplace(std::string(service.id), &service).second) {
      Contradiction(service.id, "the id occurs twice");
    }
    for (std::string_view domain : service.dkim_domains) Index(by_dkim_, domain, service);
    for (std::string_view domain : service.envelope_domains) Index(by_envelope_, domain, service);
    for (std::string_view domain : service.spf_includes) Index(by_include_, domain, service);
    for (std::string_view selector : service.selectors) {
      if (selector.find('#') == std::string_view::npos) {
        Index(by_selector_, selector, service);
      } else {
        selector_patterns_.emplace_back(selector, &service);
      }
    }
    for (std::string_view text : service.ranges) {
      const auto network = IpNetwork::Parse(text);
      if (!network) Contradiction(service.id, text);
      ranges_.push_back({*network, &service});
    }
  }
  std::ranges::stable_sort(ranges_, [](const Range& a, const Range& b) {
    return a.network.prefix_length > b.network.prefix_length;
  });
}

const Catalogue& Catalogue::Default() {
  static const Catalogue* const instance = [] {
    std::vector<MailService> all;
    for (auto&& table : {catalogue::MailboxServices(), catalogue::DeliveryServices(),
                         catalogue::MarketingServices(), catalogue::ApplicationServices(),
                         catalogue::GatewayServices(), catalogue::ForwarderServices()}) {
      all.insert(all.end(), table.begin(), table.end());
    }
    return new Catalogue(std::move(all));
  }();
  return *instance;
}

const MailService* Catalogue::FindById(std::string_view id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

const MailService* Catalogue::FindByDkimDomain(std::string_view domain) const {
  return FindAtOrAbove(by_dkim_, domain);
}

const MailService* Catalogue::FindByEnvelopeDomain(std::string_view domain) const {
  return FindAtOrAbove(by_envelope_, domain);
}

const MailService* Catalogue::FindBySelector(std::string_view selector) const {
  if (const auto it = by_selector_.find(AsciiLower(selector)); it != by_selector_.end()) {
    return it->second;
  }
  for (const auto& [pattern, service] : selector_patterns_) {
    if (MatchesSelector(pattern, selector)) return service;
  }
  return nullptr;
}

const MailService* Catalogue::FindByAddress(const IpAddress& address) const {
  for (const Range& range : ranges_) {
    if (range.network.Contains(address)) return range.service;
  }
  return nullptr;
}

const MailService* Catalogue::FindByInclude(std::string_view domain) const {
  const auto it = by_include_.find(AsciiLower(domain));
  return it == by_include_.end() ? nullptr : it->second;
}

}  // namespace dmarcate
