#include "policyd/service/authorization.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "fmt/format.h"

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/spf_record.h"
#include "lib/rpc/errors.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

absl::Status Forbidden(std::string_view field, std::string_view term, std::string_view why) {
  return ReasonError(Reason::kSpfTermForbidden,
                     fmt::format("{}: \"{}\" {}", field, EscapeForTerminal(term), why),
                     {{"field", std::string(field)}, {"term", std::string(term.substr(0, 300))}});
}

// Addresses that are nobody's on the Internet. The ranges for documentation are not among them:
// they hurt nobody, and every example uses them.
const std::vector<IpNetwork>& UnroutableNetworks() {
  static const auto* const networks = [] {
    auto* list = new std::vector<IpNetwork>;
    for (const char* text : {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
                             "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4",
                             "240.0.0.0/4", "::/8", "fc00::/7", "fe80::/10", "ff00::/8"}) {
      list->push_back(*IpNetwork::Parse(text));
    }
    return list;
  }();
  return *networks;
}

absl::StatusOr<std::string> ReadRangeText(const std::string& text) {
  constexpr std::string_view kField = "authorization.spf_addresses.ranges";
  const std::optional<IpNetwork> network = IpNetwork::Parse(text);
  if (!network) {
    return FieldError(
        kField, fmt::format("\"{}\" is no address range", EscapeForTerminal(text.substr(0, 100))));
  }
  const int widest = network->address.is_v4() ? kWidestIpv4Prefix : kWidestIpv6Prefix;
  if (network->prefix_length < widest) {
    return Forbidden(kField, text, fmt::format("is wider than /{}", widest));
  }
  for (const IpNetwork& unroutable : UnroutableNetworks()) {
    if (unroutable.address.is_v4() == network->address.is_v4() && unroutable.Contains(*network)) {
      return Forbidden(kField, text,
                       fmt::format("lies in {}, which is not routed", unroutable.ToString()));
    }
  }
  return network->prefix_length == network->address.bits() ? network->address.ToString()
                                                           : network->ToString();
}

// Letters, digits, '-' and '_': DomainName takes any octet that the DNS does, a term among them.
bool IsHostName(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

absl::StatusOr<std::string> ReadIncludeName(const std::string& text, std::string_view domain) {
  constexpr std::string_view kField = "authorization.spf_include.domain";
  if (text.empty()) return FieldRequired(kField);
  if (text.find('%') != std::string::npos) {
    return Forbidden(kField, text, "holds a macro: what it lets through depends on the sender");
  }
  if (const auto term = ParseSpfTerm(text);
      term.ok() && (term->kind == SpfKind::kAll || term->kind == SpfKind::kPtr)) {
    return Forbidden(kField, text, "lets strangers send as the domain");
  }
  const auto name = DomainName::Parse(text);
  // The plan writes it as a term: what SPF would not take there (a top-level label of digits) must
  // not get that far, since it would hold up the whole record.
  if (!name.ok() || name->label_count() < 2 || !IsHostName(name->text()) ||
      !ParseSpfTerm("include:" + name->text()).ok()) {
    return FieldError(kField, fmt::format("\"{}\" is no host name; write it without \"include:\"",
                                          EscapeForTerminal(text.substr(0, 300))));
  }
  if (name->text() == domain) return Forbidden(kField, text, "is the domain itself");
  return name->text();
}

}  // namespace

absl::StatusOr<AuthorizationSpec> ReadAuthorization(const v1::Authorization& authorization,
                                                    std::string_view domain) {
  AuthorizationSpec spec;
  switch (authorization.mechanism_case()) {
    case v1::Authorization::kDkimOnly:
      spec.kind = AuthorizationSpec::Kind::kDkimOnly;
      break;
    case v1::Authorization::kAlreadyAuthorized:
      spec.kind = AuthorizationSpec::Kind::kAlreadyAuthorized;
      break;
    case v1::Authorization::kSpfInclude: {
      spec.kind = AuthorizationSpec::Kind::kSpfInclude;
      DMARCATE_ASSIGN_OR_RETURN(spec.include_domain,
                                ReadIncludeName(authorization.spf_include().domain(), domain));
      break;
    }
    case v1::Authorization::kSpfAddresses: {
      constexpr std::string_view kField = "authorization.spf_addresses.ranges";
      spec.kind = AuthorizationSpec::Kind::kSpfAddresses;
      const auto& ranges = authorization.spf_addresses().ranges();
      if (ranges.empty()) return FieldRequired(kField);
      if (static_cast<size_t>(ranges.size()) > kMaxRanges) {
        return FieldError(kField, fmt::format("{} ranges, limit {}", ranges.size(), kMaxRanges));
      }
      for (const std::string& text : ranges) {
        DMARCATE_ASSIGN_OR_RETURN(std::string range, ReadRangeText(text));
        spec.ranges.push_back(std::move(range));
      }
      std::ranges::sort(spec.ranges);
      const auto repeated = std::ranges::unique(spec.ranges);
      spec.ranges.erase(repeated.begin(), repeated.end());
      break;
    }
    case v1::Authorization::MECHANISM_NOT_SET:
      return FieldRequired("authorization.mechanism");
  }
  return spec;
}

absl::Status CheckInclude(const AuthorizationSpec& spec, Resolver& resolver) {
  if (spec.kind != AuthorizationSpec::Kind::kSpfInclude) return absl::OkStatus();
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(spec.include_domain));
  const absl::StatusOr<DnsAnswer> answer = resolver.Lookup(name, RrType::kTxt);
  if (!answer.ok()) return absl::OkStatus();  // nothing was learned
  std::vector<std::string> texts;
  for (const TxtRecord& record : answer->txt) texts.push_back(record.Joined());
  if (SelectSpf(texts).outcome != SpfSelection::Outcome::kNone) return absl::OkStatus();
  const std::string_view why = answer->outcome == DnsOutcome::kNxDomain
                                   ? "does not exist: whoever registers it could send as you"
                                   : "has no SPF record";
  return ReasonError(Reason::kDanglingInclude, fmt::format("include:{} {}", name.text(), why),
                     {{"include", name.text()}});
}

}  // namespace dmarcate
