#include "policyd/provider/powerdns/api_url.h"

#include <algorithm>
#include <optional>

#include "lib/base/ip_address.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Host of "host", "host:port", "[v6]" or "[v6]:port"; empty if it is none of them.
std::string_view HostOf(std::string_view authority) {
  std::string_view host = authority;
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return "";
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!IpAddress::Parse(host).has_value()) return "";
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (!port.empty()) {
    const bool digits =
        port.size() > 1 && port.size() <= 6 && port.front() == ':' &&
        std::ranges::all_of(port.substr(1), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits) return "";
  }
  return host;
}

bool IsLoopback(std::string_view host) {
  if (EqualsIgnoreCase(host, "localhost")) return true;
  const std::optional<IpAddress> address = IpAddress::Parse(host);
  if (!address.has_value()) return false;
  return address->is_v4() ? (address->v4() >> 24) == 127 : address->ToString() == "::1";
}

}  // namespace

std::string PowerDnsEndpoint::ServerUrl() const {
  return fmt::format("{}/api/v1/servers/{}", origin, server_id);
}

absl::StatusOr<PowerDnsEndpoint> ParsePowerDnsEndpoint(std::string_view api_url,
                                                       std::string_view server_id) {
  const auto refuse = [](std::string_view why) {
    return MakeError(absl::StatusCode::kInvalidArgument, fmt::format("api_url: {}", why));
  };
  if (api_url.ends_with('/')) api_url.remove_suffix(1);
  const bool https = api_url.starts_with("https://");
  if (!https && !api_url.starts_with("http://")) {
    return refuse("\"https://host:port\" is wanted, or \"http://127.0.0.1:8081\" on this machine");
  }
  const std::string_view authority = api_url.substr(https ? 8 : 7);
  const std::string_view host = HostOf(authority);
  const bool plain = std::ranges::all_of(
      host, [](char c) { return IsAlnum(c) || c == '.' || c == '-' || c == ':' || c == '_'; });
  if (host.empty() || !plain) {
    return refuse("host and port are wanted and nothing else, without /api/v1");
  }
  if (!https && !IsLoopback(host)) {
    return refuse("plain http would send the API key in clear; https, or a loopback address");
  }
  if (server_id.empty()) server_id = "localhost";
  if (server_id.size() > 64 || !std::ranges::all_of(server_id, [](char c) {
        return IsAlnum(c) || c == '.' || c == '-' || c == '_';
      })) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     "server_id: 1 to 64 of letters, digits, '.', '-' and '_'");
  }
  return PowerDnsEndpoint{std::string(api_url), std::string(server_id), IsLoopback(host)};
}

std::string PowerDnsZoneId(const DomainName& zone) {
  std::string id;
  for (const char c : zone.ToFqdn()) {
    if (IsAlnum(c) || c == '.' || c == '-') {
      id += c;
    } else {
      id += fmt::format("={:02X}", static_cast<unsigned char>(c));
    }
  }
  return id;
}

}  // namespace dmarcate
