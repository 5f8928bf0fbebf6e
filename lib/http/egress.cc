#include "lib/http/egress.h"

#include <algorithm>
#include <array>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxAddressesTried = 2;

struct SpecialNetwork {
  std::string_view network;
  std::string_view purpose;
};

// https://www.iana.org/assignments/iana-ipv4-special-registry, seen 2026-11. Where one entry lies
// in another, the wider one stands for both.
constexpr SpecialNetwork kSpecialV4[] = {
    {"0.0.0.0/8", "this network"},
    {"10.0.0.0/8", "private use"},
    {"100.64.0.0/10", "shared address space"},
    {"127.0.0.0/8", "loopback"},
    {"168.63.129.16/32", "metadata of a cloud"},  // Azure's, in the middle of public space
    {"169.254.0.0/16", "link local"},
    {"172.16.0.0/12", "private use"},
    {"192.0.0.0/24", "protocol assignments"},
    {"192.0.2.0/24", "documentation"},
    {"192.31.196.0/24", "AS112"},
    {"192.52.193.0/24", "AMT"},
    {"192.88.99.0/24", "6to4 relays"},
    {"192.168.0.0/16", "private use"},
    {"192.175.48.0/24", "AS112"},
    {"198.18.0.0/15", "benchmarking"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved"},
};

// https://www.iana.org/assignments/iana-ipv6-special-registry: what lies in 2000::/3, and words for
// what does not.
constexpr SpecialNetwork kSpecialV6[] = {
    {"::/96", "loopback, unspecified or IPv4-compatible"},
    {"64:ff9b:1::/48", "NAT64 of a site"},
    {"100::/64", "discard only"},
    {"2001::/23", "protocol assignments"},  // Teredo, benchmarking, ORCHID and others
    {"2001:db8::/32", "documentation"},
    {"2002::/16", "6to4"},
    {"2620:4f:8000::/48", "AS112"},
    {"3fff::/20", "documentation"},
    {"5f00::/16", "segment routing"},
    {"fc00::/7", "unique local"},
    {"fe80::/10", "link local"},
    {"fec0::/10", "site local"},
    {"ff00::/8", "multicast"},
};

struct ParsedNetwork {
  IpNetwork network;
  std::string_view purpose;
};

template <size_t Count>
std::array<ParsedNetwork, Count> ParseAll(const SpecialNetwork (&networks)[Count]) {
  std::array<ParsedNetwork, Count> out;
  for (size_t i = 0; i < Count; ++i) {
    out[i] = {IpNetwork::Parse(networks[i].network).value(), networks[i].purpose};
  }
  return out;
}

std::string_view PurposeIn(const IpAddress& address, const auto& networks) {
  for (const ParsedNetwork& special : networks) {
    if (special.network.Contains(address)) return special.purpose;
  }
  return "";
}

std::string_view PurposeV4(const IpAddress& address) {
  static const auto networks = ParseAll(kSpecialV4);
  return PurposeIn(address, networks);
}

std::string_view PurposeV6(const IpAddress& address) {
  static const auto networks = ParseAll(kSpecialV6);
  static const IpNetwork unicast = IpNetwork::Parse("2000::/3").value();
  const std::string_view purpose = PurposeIn(address, networks);
  if (!purpose.empty()) return purpose;
  return unicast.Contains(address) ? "" : "reserved";
}

std::string ConnectTo(const IpAddress& address, uint16_t port) {
  return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), address.ToString(), port);
}

}  // namespace

std::string_view SpecialPurpose(const IpAddress& address) {
  static const IpNetwork nat64 = IpNetwork::Parse("64:ff9b::/96").value();
  if (address.is_v4()) return PurposeV4(address);
  if (!nat64.Contains(address)) return PurposeV6(address);
  uint32_t embedded = 0;
  for (size_t i = 12; i < 16; ++i) embedded = embedded << 8 | address.bytes()[i];
  return PurposeV4(IpAddress::FromV4(embedded));
}

absl::Status EgressGuard::Check(const IpAddress& address) const {
  const bool allowed = std::ranges::any_of(
      allow, [&address](const IpNetwork& network) { return network.Contains(address); });
  const std::string_view purpose = SpecialPurpose(address);
  if (allowed || purpose.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied,
                   fmt::format("{}: {}", address.ToString(), purpose));
}

absl::StatusOr<HttpResponse> SendGuarded(HttpTransport& http, HttpRequest request,
                                         const std::vector<IpAddress>& addresses, uint16_t port,
                                         const EgressGuard& guard) {
  if (!StartsWithIgnoreCase(request.url, "https://")) {
    return MakeError(absl::StatusCode::kInvalidArgument, "only https is sent to strangers");
  }
  if (addresses.empty() || !request.connect_to.empty()) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     addresses.empty() ? "no address to connect to" : "pinned already");
  }
  for (const IpAddress& address : addresses) DMARCATE_RETURN_IF_ERROR(guard.Check(address));
  absl::StatusOr<HttpResponse> response = absl::UnknownError("not sent");
  const size_t tries = std::min(addresses.size(), kMaxAddressesTried);
  request.deadline /= static_cast<int64_t>(tries);
  for (size_t i = 0; i < tries; ++i) {
    request.connect_to = ConnectTo(addresses[i], port);
    response = http.Send(request);
    if (!absl::IsUnavailable(response.status())) break;  // the next one only if nothing was sent
  }
  return response;
}

}  // namespace dmarcate
