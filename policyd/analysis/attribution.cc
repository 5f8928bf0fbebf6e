#include "policyd/analysis/attribution.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/base/digest.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSourceIdOctets = 63;
constexpr size_t kDigestDigits = 10;

bool Passes(const DkimAuth& auth) {
  return auth.result == AuthResult::kPass && !auth.domain.empty();
}
bool Passes(const SpfAuth& auth) {
  return auth.result == AuthResult::kPass && auth.domain && !auth.domain->empty();
}

// Our domain, by name; or the parent of a managed sub-domain where the reporter found alignment.
bool IsOwn(std::string_view name, std::string_view domain, AlignedResult aligned) {
  return IsAtOrBelow(name, domain) ||
         (aligned == AlignedResult::kPass && IsAtOrBelow(domain, name));
}

// Some reporters write the ARC verdict into a comment instead of naming a forwarder.
bool SaysForwarded(const OverrideReason& reason) {
  switch (reason.type) {
    case ReasonType::kForwarded:
    case ReasonType::kTrustedForwarder:
    case ReasonType::kMailingList:
      return true;
    case ReasonType::kLocalPolicy:
      return StartsWithIgnoreCase(reason.comment, "arc=pass");
    default:
      return false;
  }
}

// What is read out of one row before any rule is tried.
struct Clues {
  const MailService* dkim_service = nullptr;
  std::string_view dkim_service_domain;
  const DkimAuth* own_dkim = nullptr;
  const MailService* selector_service = nullptr;
  const DkimAuth* other_dkim = nullptr;
  const MailService* envelope_service = nullptr;
  std::string_view envelope_service_domain;
  std::string_view own_envelope;
  std::string_view other_envelope;
  bool own_envelope_denied = false;
};

void ReadDkim(const AggregateRecord& record, std::string_view domain, const Catalogue& catalogue,
              Clues* clues) {
  for (const DkimAuth& auth : record.dkim) {
    if (!Passes(auth)) continue;
    if (IsOwn(auth.domain, domain, record.dkim_aligned)) {
      if (clues->own_dkim == nullptr) clues->own_dkim = &auth;
      if (clues->selector_service == nullptr && auth.selector) {
        clues->selector_service = catalogue.FindBySelector(*auth.selector);
        if (clues->selector_service != nullptr) clues->own_dkim = &auth;
      }
      continue;
    }
    const MailService* service = catalogue.FindByDkimDomain(auth.domain);
    if (service == nullptr) {
      if (clues->other_dkim == nullptr) clues->other_dkim = &auth;
    } else if (clues->dkim_service == nullptr ||
               (clues->dkim_service->kind == ServiceKind::kDelivery &&
                service->kind != ServiceKind::kDelivery)) {
      clues->dkim_service = service;
      clues->dkim_service_domain = auth.domain;
    }
  }
}

void ReadSpf(const AggregateRecord& record, std::string_view domain, const Catalogue& catalogue,
             Clues* clues) {
  for (const SpfAuth& auth : record.spf) {
    if (!Passes(auth)) {
      clues->own_envelope_denied |=
          (auth.result == AuthResult::kFail || auth.result == AuthResult::kSoftfail) &&
          auth.domain && IsAtOrBelow(*auth.domain, domain);
      continue;
    }
    if (IsOwn(*auth.domain, domain, record.spf_aligned)) {
      if (clues->own_envelope.empty()) clues->own_envelope = *auth.domain;
    } else if (const MailService* service = catalogue.FindByEnvelopeDomain(*auth.domain)) {
      if (clues->envelope_service == nullptr) {
        clues->envelope_service = service;
        clues->envelope_service_domain = *auth.domain;
      }
    } else if (clues->other_envelope.empty()) {
      clues->other_envelope = *auth.domain;
    }
  }
  // An aligned pass without a usable auth result: the reporter left the domain out.
  if (record.spf_aligned == AlignedResult::kPass && clues->own_envelope.empty()) {
    clues->own_envelope =
        IsAtOrBelow(record.header_from, domain) ? std::string_view(record.header_from) : domain;
  }
}

Attribution ByService(Rule rule, const MailService& service, std::string_view value) {
  return {.source_id = std::string(service.id),
          .rule = rule,
          .value = std::string(value),
          .service = &service};
}

Attribution ByDomain(Rule rule, std::string_view prefix, std::string_view value) {
  return {.source_id = MakeSourceId(prefix, value), .rule = rule, .value = std::string(value)};
}

Attribution ByAddress(const std::optional<IpAddress>& address) {
  if (!address) return {.source_id = "ip-unknown", .rule = Rule::kAddress};
  return {
      .source_id = AddressSourceId(*address), .rule = Rule::kAddress, .value = address->ToString()};
}

// By the address alone; no service: none is known by it.
Attribution ByNetwork(const IpAddress& address, const Catalogue& catalogue,
                      const NetworkEvidence* network) {
  const MailService* service = catalogue.FindByAddress(address);
  if (service == nullptr && network != nullptr) {
    service = catalogue.FindById(network->ServiceOf(address));
  }
  if (service != nullptr) return ByService(Rule::kCatalogueRange, *service, address.ToString());
  if (network == nullptr) return {};
  const std::string_view name = network->ConfirmedNameOf(address);
  service = name.empty() ? nullptr : catalogue.FindByReverseName(name);
  if (service == nullptr) return {};
  return ByService(Rule::kCatalogueReverseName, *service, name);
}

Attribution Decide(const AggregateRecord& record, std::string_view domain, const Clues& clues,
                   const Catalogue& catalogue, const NetworkEvidence* network, ForwardHint hint) {
  if (clues.dkim_service != nullptr) {
    return ByService(Rule::kCatalogueDkim, *clues.dkim_service, clues.dkim_service_domain);
  }
  if (clues.selector_service != nullptr) {
    return ByService(Rule::kCatalogueSelector, *clues.selector_service, *clues.own_dkim->selector);
  }
  if (clues.envelope_service != nullptr) {
    return ByService(Rule::kCatalogueEnvelope, *clues.envelope_service,
                     clues.envelope_service_domain);
  }
  // Mailbox services forward from the addresses they send from: what was passed on says nothing
  // about whose customer its author is.
  if (record.source_ip && hint == ForwardHint::kNone) {
    if (Attribution found = ByNetwork(*record.source_ip, catalogue, network);
        found.service != nullptr) {
      return found;
    }
  }
  if (!clues.other_envelope.empty() && hint != ForwardHint::kNone) {
    return ByDomain(Rule::kForwarderEnvelope, "spf-", clues.other_envelope);
  }
  if (clues.own_dkim != nullptr) return ByDomain(Rule::kOwnDkim, "own-", clues.own_dkim->domain);
  if (record.dkim_aligned == AlignedResult::kPass) return ByDomain(Rule::kOwnDkim, "own-", domain);
  if (!clues.own_envelope.empty()) return ByDomain(Rule::kOwnEnvelope, "own-", clues.own_envelope);
  if (clues.other_dkim != nullptr) {
    return ByDomain(Rule::kOtherDkim, "dkim-", clues.other_dkim->domain);
  }
  if (!clues.other_envelope.empty()) {
    return ByDomain(Rule::kOtherEnvelope, "spf-", clues.other_envelope);
  }
  return ByAddress(record.source_ip);
}

}  // namespace

std::string_view ToString(Rule rule) {
  switch (rule) {
    case Rule::kCatalogueDkim:
      return "catalogue_dkim";
    case Rule::kCatalogueSelector:
      return "catalogue_selector";
    case Rule::kCatalogueEnvelope:
      return "catalogue_envelope";
    case Rule::kCatalogueRange:
      return "catalogue_range";
    case Rule::kCatalogueReverseName:
      return "catalogue_reverse_name";
    case Rule::kOwnDkim:
      return "own_dkim";
    case Rule::kOwnEnvelope:
      return "own_envelope";
    case Rule::kForwarderEnvelope:
      return "forwarder_envelope";
    case Rule::kOtherDkim:
      return "other_dkim";
    case Rule::kOtherEnvelope:
      return "other_envelope";
    case Rule::kAddress:
      return "address";
    case Rule::kOverflow:
      return "overflow";
  }
  return "";
}

bool IsAtOrBelow(std::string_view candidate, std::string_view domain) {
  return !domain.empty() && candidate.ends_with(domain) &&
         (candidate.size() == domain.size() ||
          candidate[candidate.size() - domain.size() - 1] == '.');
}

std::string AddressSourceId(const IpAddress& address) {
  std::string id = "ip-" + address.ToString();
  std::ranges::replace(id, '.', '-');
  std::ranges::replace(id, ':', '-');
  return id;
}

std::string MakeSourceId(std::string_view prefix, std::string_view text) {
  std::string id(prefix);
  bool lossy = false;
  for (const char c : text) {
    const bool safe = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    lossy |= !safe;
    id += safe ? c : '-';
  }
  if (!lossy && id.size() <= kMaxSourceIdOctets) return id;
  id.resize(std::min(id.size(), kMaxSourceIdOctets - 1 - kDigestDigits));
  return id + "-" + Sha256Hex(text).substr(0, kDigestDigits);
}

Attribution Attribute(const AggregateRecord& record, std::string_view domain,
                      const Catalogue& catalogue, const NetworkEvidence* network) {
  Clues clues;
  ReadDkim(record, domain, catalogue, &clues);
  ReadSpf(record, domain, catalogue, &clues);

  const bool own_signature =
      clues.own_dkim != nullptr || record.dkim_aligned == AlignedResult::kPass;
  ForwardHint hint = ForwardHint::kNone;
  if (std::ranges::any_of(record.reasons, SaysForwarded)) {
    hint = ForwardHint::kOverride;
  } else if (own_signature && !record.spf.empty() && clues.own_envelope.empty() &&
             clues.envelope_service == nullptr) {
    hint = ForwardHint::kBrokenSpf;
  }

  Attribution result = Decide(record, domain, clues, catalogue, network, hint);
  result.forward_hint = hint;
  result.own_signature = own_signature;
  result.own_envelope_denied = clues.own_envelope_denied;
  if (clues.own_dkim != nullptr && clues.own_dkim->selector) {
    result.own_selector = *clues.own_dkim->selector;
  }
  return result;
}

}  // namespace dmarcate
