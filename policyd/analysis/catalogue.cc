#include "policyd/analysis/catalogue.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "policyd/analysis/catalogue_file.h"

namespace dmarcate {
namespace {

bool Declares(const MailService& service, const MailService& other) {
  return std::ranges::find(service.shares, other.id) != service.shares.end();
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

absl::Status Catalogue::Add(Index& index, const std::vector<std::string>& keys,
                            const MailService& service, std::string_view field, bool shareable) {
  for (const std::string& key : keys) {
    const auto [it, inserted] = index.emplace(AsciiLower(key), &service);
    if (inserted || it->second == &service) continue;
    const MailService& other = *it->second;
    if (shareable && Declares(service, other)) continue;
    if (shareable && Declares(other, service)) {
      it->second = &service;  // who came first only shares it
      continue;
    }
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("service {}: {}: '{}' is that of service {} already{}", service.id,
                                 field, EscapeForTerminal(key), other.id,
                                 shareable ? "; name it in `shares` if both are right" : ""));
  }
  return absl::OkStatus();
}

absl::Status Catalogue::Build(std::vector<MailService> services) {
  services_ = std::move(services);
  for (const MailService& service : services_) {
    if (!by_id_.emplace(service.id, &service).second) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("service {}: the id occurs twice", service.id));
    }
  }
  for (const MailService& service : services_) {
    for (const std::string& other : service.shares) {
      if (!by_id_.contains(other) || other == service.id) {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         fmt::format("service {}: shares: '{}' is no other service", service.id,
                                     EscapeForTerminal(other)));
      }
    }
    DMARCATE_RETURN_IF_ERROR(Add(by_dkim_, service.dkim_domains, service, "dkim_domains", false));
    DMARCATE_RETURN_IF_ERROR(
        Add(by_envelope_, service.envelope_domains, service, "envelope_domains", false));
    DMARCATE_RETURN_IF_ERROR(
        Add(by_reverse_, service.reverse_names, service, "reverse_names", false));
    DMARCATE_RETURN_IF_ERROR(Add(by_mx_, service.mx_names, service, "mx_names", false));
    DMARCATE_RETURN_IF_ERROR(Add(by_include_, service.spf_includes, service, "spf_includes", true));
    std::vector<std::string> whole;
    for (const std::string& selector : service.selectors) {
      if (selector.find('#') == std::string::npos) {
        whole.push_back(selector);
        continue;
      }
      for (const auto& [pattern, other] : selector_patterns_) {
        if (other != &service && EqualsIgnoreCase(pattern, selector)) {
          return MakeError(absl::StatusCode::kInvalidArgument,
                           fmt::format("service {}: selectors: '{}' is that of service {} already",
                                       service.id, EscapeForTerminal(selector), other->id));
        }
      }
      selector_patterns_.emplace_back(selector, &service);
    }
    DMARCATE_RETURN_IF_ERROR(Add(by_selector_, whole, service, "selectors", false));
    for (const std::string& text : service.ranges) {
      const auto network = IpNetwork::Parse(text);
      if (!network) {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         fmt::format("service {}: ranges: '{}': want 192.0.2.0/24", service.id,
                                     EscapeForTerminal(text)));
      }
      ranges_.push_back({*network, &service});
    }
  }
  // A selector that one service names in full and another one's pattern matches, too.
  for (const auto& [selector, service] : by_selector_) {
    for (const auto& [pattern, other] : selector_patterns_) {
      if (other != service && MatchesSelector(pattern, selector)) {
        return MakeError(absl::StatusCode::kInvalidArgument,
                         fmt::format("service {}: selectors: '{}' matches '{}' of service {}",
                                     service->id, selector, pattern, other->id));
      }
    }
  }
  std::ranges::stable_sort(ranges_, [](const Range& a, const Range& b) {
    return a.network.prefix_length > b.network.prefix_length;
  });
  return absl::OkStatus();
}

Catalogue::Catalogue(std::vector<MailService> services) {
  const absl::Status status = Build(std::move(services));
  if (status.ok()) return;
  const std::string text(MessageOf(status));  // our own data: a bug, found by the first test
  std::fprintf(stderr, "catalogue: %s\n", text.c_str());
  std::abort();
}

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::Make(std::vector<MailService> services) {
  std::unique_ptr<Catalogue> out(new Catalogue());
  DMARCATE_RETURN_IF_ERROR(out->Build(std::move(services)));
  return out;
}

absl::StatusOr<std::unique_ptr<Catalogue>> Catalogue::Extended(std::vector<MailService> own) {
  std::vector<MailService> all;
  for (const MailService& service : Default().services()) {
    if (std::ranges::find(own, service.id, &MailService::id) == own.end()) all.push_back(service);
  }
  for (MailService& service : own) all.push_back(std::move(service));
  return Make(std::move(all));
}

const Catalogue& Catalogue::Default() {
  static const Catalogue* const instance = new Catalogue(ShippedServices());
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

const MailService* Catalogue::FindByReverseName(std::string_view name) const {
  return FindAtOrAbove(by_reverse_, name);
}

const MailService* Catalogue::FindByMx(std::string_view host) const {
  return FindAtOrAbove(by_mx_, host);
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
