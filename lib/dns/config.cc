#include "lib/dns/config.h"

#include <charconv>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxSystemResolvers = 3;  // MAXNS of resolv.conf(5)
constexpr size_t kMaxServers = 16;         // in one list; every one may cost a timeout

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace

std::string ServerAddress::ToString() const {
  return address.is_v4() ? fmt::format("{}:{}", address.ToString(), port)
                         : fmt::format("[{}]:{}", address.ToString(), port);
}

bool ServerAddress::IsLoopback() const {
  static const IpNetwork v4 = *IpNetwork::Parse("127.0.0.0/8");
  static const IpAddress v6 = *IpAddress::Parse("::1");
  return v4.Contains(address) || address == v6;
}

absl::StatusOr<ServerAddress> ParseServerAddress(std::string_view text) {
  const auto bad = [text] {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("server address '{}': want \"192.0.2.53:53\" or "
                                 "\"[2001:db8::53]:53\"",
                                 EscapeForTerminal(text)));
  };
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return bad();
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    has_port = rest.starts_with(':');
    if (!rest.empty() && !has_port) return bad();
    if (host.find(':') == std::string_view::npos) return bad();
    if (has_port) port = rest.substr(1);
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos && colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
  }
  const auto address = IpAddress::Parse(host);
  if (!address) return bad();
  ServerAddress out{*address, kDnsPort};
  if (has_port) {
    const auto number = ParsePort(port);
    if (!number) return bad();
    out.port = *number;
  }
  return out;
}

absl::StatusOr<std::vector<ServerAddress>> ParseServerAddresses(
    const std::vector<std::string>& texts) {
  if (texts.size() > kMaxServers) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{} servers, limit {}", texts.size(), kMaxServers));
  }
  std::vector<ServerAddress> out;
  for (const std::string& text : texts) {
    DMARCATE_ASSIGN_OR_RETURN(const ServerAddress server, ParseServerAddress(text));
    out.push_back(server);
  }
  return out;
}

DnsConfig LoadDnsConfig(TomlConfig& file) {
  DnsConfig config;
  config.resolvers = file.Strings("dns.resolvers", {});
  if (const auto parsed = ParseServerAddresses(config.resolvers); !parsed.ok()) {
    file.Reject("dns.resolvers", MessageOf(parsed.status()));
  }
  config.timeout = file.Duration("dns.timeout", config.timeout);
  config.deadline = file.Duration("dns.deadline", config.deadline);
  if (config.timeout < absl::Milliseconds(10)) file.Reject("dns.timeout", "under 10ms");
  if (config.deadline < config.timeout) file.Reject("dns.deadline", "shorter than dns.timeout");
  for (TomlConfig* const table : file.Tables("dns.stub")) {
    DnsConfig::Stub stub;
    const auto zone = DomainName::Parse(table->String("zone", ""));
    if (zone.ok()) {
      stub.zone = *zone;
    } else {
      table->Reject("zone", MessageOf(zone.status()));
    }
    stub.servers = table->Strings("servers", {});
    const auto servers = ParseServerAddresses(stub.servers);
    if (!servers.ok()) {
      table->Reject("servers", MessageOf(servers.status()));
    } else if (servers->empty()) {
      table->Reject("servers", "a stub needs at least one server");
    }
    config.stubs.push_back(std::move(stub));
  }
  return config;
}

std::vector<ServerAddress> ParseResolvConf(std::string_view text) {
  std::vector<ServerAddress> out;
  for (std::string_view line : Split(text, '\n')) {
    constexpr std::string_view kKeyword = "nameserver";
    if (!line.starts_with(kKeyword)) continue;
    const std::string_view rest = line.substr(kKeyword.size());
    if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) continue;
    // A scoped link-local address ("fe80::1%eth0") does not parse and is left out.
    const auto address = IpAddress::Parse(TrimAscii(rest));
    if (address && out.size() < kMaxSystemResolvers) out.push_back({*address, kDnsPort});
  }
  if (out.empty()) out.push_back({*IpAddress::Parse("127.0.0.1"), kDnsPort});
  return out;
}

}  // namespace dmarcate
