#include "lib/inspect/spf_check.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {

absl::StatusOr<DnsAnswer> ResolverSpfDns::Lookup(const std::string& name, RrType type) {
  const auto parsed = DomainName::Parse(name);
  if (!parsed.ok()) return DnsAnswer{};  // NXDOMAIN
  if (clock_.Monotonic() >= end_) return absl::CancelledError("no time is left for this check");
  return resolver_.Lookup(*parsed, type);
}

absl::StatusOr<std::vector<std::string>> ResolverSpfDns::LookupTxt(const std::string& name) {
  DMARCATE_ASSIGN_OR_RETURN(DnsAnswer answer, Lookup(name, RrType::kTxt));
  std::vector<std::string> texts;
  texts.reserve(answer.txt.size());
  for (TxtRecord& txt : answer.txt) {
    texts.push_back(txt.strings.size() == 1 ? std::move(txt.strings[0]) : txt.Joined());
  }
  return texts;
}

absl::StatusOr<std::vector<IpAddress>> ResolverSpfDns::LookupAddresses(const std::string& name,
                                                                       RrType type) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, Lookup(name, type));
  std::vector<IpAddress> addresses;
  for (const std::string& text : answer.texts) {
    if (const auto address = IpAddress::Parse(text)) addresses.push_back(*address);
  }
  return addresses;
}

absl::StatusOr<std::vector<IpAddress>> ResolverSpfDns::LookupA(const std::string& name) {
  return LookupAddresses(name, RrType::kA);
}

absl::StatusOr<std::vector<IpAddress>> ResolverSpfDns::LookupAaaa(const std::string& name) {
  return LookupAddresses(name, RrType::kAaaa);
}

absl::StatusOr<std::vector<DomainName>> ResolverSpfDns::LookupMx(const std::string& name) {
  DMARCATE_ASSIGN_OR_RETURN(DnsAnswer answer, Lookup(name, RrType::kMx));
  std::ranges::sort(answer.mx);
  std::vector<DomainName> exchanges;
  for (const MxRecord& mx : answer.mx) exchanges.push_back(mx.exchange);
  return exchanges;
}

absl::StatusOr<std::vector<DomainName>> ResolverSpfDns::LookupPtr(const IpAddress& address) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, Lookup(ReverseName(address), RrType::kPtr));
  std::vector<DomainName> names;
  for (const std::string& text : answer.texts) {
    if (const auto name = DomainName::Parse(text); name.ok()) names.push_back(*name);
  }
  return names;
}

SpfEvaluation CheckHost(const SpfRequest& request, Resolver& resolver, const Clock& clock,
                        absl::Duration max_time) {
  ResolverSpfDns dns(resolver, clock, max_time);
  return CheckHost(request, dns);
}

std::string ReverseName(const IpAddress& address) {
  std::string name;
  if (address.is_v4()) {
    for (size_t i = 16; i-- > 12;) name += fmt::format("{}.", address.bytes()[i]);
    return name + "in-addr.arpa";
  }
  for (size_t i = 16; i-- > 0;) {
    name += fmt::format("{:x}.{:x}.", address.bytes()[i] & 0xf, address.bytes()[i] >> 4);
  }
  return name + "ip6.arpa";
}

}  // namespace dmarcate
