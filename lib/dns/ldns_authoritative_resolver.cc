#include "lib/dns/ldns_authoritative_resolver.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/dns/alias.h"

namespace dmarcate {
namespace {

constexpr int kAttempts = 3;

// Calls work(0) to work(count - 1), at most `in_parallel` at once, and returns when all are done.
void ForEachInParallel(size_t count, size_t in_parallel, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> threads;  // joined at the end of the scope
  for (size_t i = 1; i < std::min(count, in_parallel); ++i) threads.emplace_back(run);
  run();
}

// Of one name server: its addresses, or why there are none.
struct Addresses {
  std::vector<IpAddress> addresses;
  absl::Status error;
};

Addresses ResolveServer(Resolver& resolver, const DomainName& name_server, NetDeadline deadline) {
  Addresses out;
  for (const RrType type : {RrType::kA, RrType::kAaaa}) {
    const auto answer = IsOver(deadline) ? absl::DeadlineExceededError("no time left")
                                         : resolver.Lookup(name_server, type);
    if (!answer.ok()) {
      out.error = answer.status();
      continue;
    }
    for (const std::string& text : answer->texts) {
      if (const auto address = IpAddress::Parse(text)) out.addresses.push_back(*address);
    }
  }
  if (out.addresses.empty() && out.error.ok()) {
    out.error = MakeError(absl::StatusCode::kUnavailable,
                          fmt::format("name server {} has no address", name_server.text()));
  }
  return out;
}

// A name server that is left out counts as silent: what it says is not known.
ServerAnswer NotAsked(const DomainName& name_server, std::string address, std::string_view why) {
  return {name_server, std::move(address),
          MakeError(absl::StatusCode::kUnavailable,
                    fmt::format("name server {}: {}", name_server.text(), why))};
}

using Responses = std::vector<std::optional<absl::StatusOr<Response>>>;

// The shortest chain that a server left unresolved, if those of all that answered begin with it.
std::vector<DomainName> WayOut(const Responses& responses) {
  const std::vector<DomainName>* way_out = nullptr;
  for (const auto& response : responses) {
    if (!response->ok() || !(*response)->alias_unresolved) continue;
    const auto& chain = (*response)->answer.cname_chain;
    if (way_out == nullptr || chain.size() < way_out->size()) way_out = &chain;
  }
  if (way_out == nullptr) return {};
  for (const auto& response : responses) {
    if (!response->ok()) continue;
    const auto& chain = (*response)->answer.cname_chain;
    if (chain.size() < way_out->size() ||
        !std::equal(way_out->begin(), way_out->end(), chain.begin())) {
      return {};
    }
  }
  return *way_out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LdnsAuthoritativeResolver>> LdnsAuthoritativeResolver::Create(
    const DnsConfig& config, Resolver& resolver, uint16_t port) {
  std::vector<Stub> stubs;
  for (const DnsConfig::Stub& stub : config.stubs) {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<ServerAddress> servers,
                              ParseServerAddresses(stub.servers));
    stubs.push_back({stub.zone, std::move(servers)});
  }
  std::ranges::sort(stubs, std::greater<>(),
                    [](const Stub& stub) { return stub.zone.label_count(); });
  return std::unique_ptr<LdnsAuthoritativeResolver>(
      new LdnsAuthoritativeResolver(std::move(stubs), config, resolver, port));
}

LdnsAuthoritativeResolver::LdnsAuthoritativeResolver(std::vector<Stub> stubs,
                                                     const DnsConfig& config, Resolver& resolver,
                                                     uint16_t port)
    : stubs_(std::move(stubs)),
      timeout_(config.timeout),
      deadline_(config.deadline),
      resolver_(resolver),
      port_(port) {}

absl::StatusOr<AuthoritativeAnswer> LdnsAuthoritativeResolver::LookupAll(const DomainName& owner,
                                                                         RrType type,
                                                                         bool over_tcp) {
  const NetDeadline deadline = NetDeadlineAfter(deadline_);
  Question question{owner, type, Recursion::kNone,
                    over_tcp ? Transport::kTcp : Transport::kUdpThenTcp};
  std::vector<DomainName> chain;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(Round round, AskAll(question, deadline));
    if (round.way_out.empty()) {
      for (ServerAnswer& server : round.answer.servers) {
        if (!server.answer.ok()) continue;
        auto& aliases = server.answer->cname_chain;
        aliases.insert(aliases.begin(), chain.begin(), chain.end());
        if (aliases.size() > kMaxAliases) {
          return MakeError(absl::StatusCode::kResourceExhausted,
                           fmt::format("{}: more than {} aliases", owner.text(), kMaxAliases));
        }
      }
      return std::move(round.answer);
    }
    // All that answered agree on where the alias leads: the target's zone has the records.
    for (const DomainName& alias : round.way_out) {
      DMARCATE_RETURN_IF_ERROR(AppendAlias(owner, alias, chain));
    }
    question.name = chain.back();
  }
}

absl::StatusOr<DomainName> LdnsAuthoritativeResolver::FindZone(const DomainName& owner,
                                                               NetDeadline deadline) {
  for (DomainName candidate = owner; !candidate.IsRoot(); candidate = candidate.Parent()) {
    if (IsOver(deadline)) {
      return MakeError(absl::StatusCode::kDeadlineExceeded,
                       fmt::format("zone of {} not found in time", owner.text()));
    }
    const auto soa = resolver_.Lookup(candidate, RrType::kSoa);
    if (!soa.ok()) {
      return Annotate(soa.status(), fmt::format("zone of {} not found", owner.text()));
    }
    // An alias is never an apex (RFC 1034 section 3.6.2): the SOA is that of its target.
    if (soa->outcome == DnsOutcome::kRecords && soa->cname_chain.empty()) return candidate;
  }
  return MakeError(absl::StatusCode::kUnavailable,
                   fmt::format("zone of {} not found", owner.text()));
}

absl::StatusOr<LdnsAuthoritativeResolver::ZoneServers> LdnsAuthoritativeResolver::FindServers(
    const DomainName& owner, NetDeadline deadline) {
  ZoneServers out;
  for (const Stub& stub : stubs_) {
    if (!owner.IsAtOrBelow(stub.zone)) continue;
    out.zone = stub.zone;
    for (const ServerAddress& server : stub.servers) out.targets.push_back({DomainName(), server});
    return out;
  }
  DMARCATE_ASSIGN_OR_RETURN(out.zone, FindZone(owner, deadline));
  auto name_servers = resolver_.Lookup(out.zone, RrType::kNs);
  if (!name_servers.ok()) {
    return Annotate(name_servers.status(), fmt::format("servers of {}", out.zone.text()));
  }
  std::vector<std::string> names = std::move(name_servers->texts);
  std::ranges::sort(names);
  std::vector<DomainName> parsed;
  for (const std::string& name : names) {
    if (auto one = DomainName::Parse(name); one.ok()) parsed.push_back(*std::move(one));
  }
  if (parsed.size() > kMaxNameServers) {
    out.not_asked.push_back(NotAsked(
        parsed[kMaxNameServers], "",
        fmt::format("{} name servers, the limit is {}: this one and those after it are not asked",
                    parsed.size(), kMaxNameServers)));
    parsed.erase(parsed.begin() + kMaxNameServers, parsed.end());
  }
  std::vector<Addresses> found(parsed.size());
  ForEachInParallel(parsed.size(), kInParallel,
                    [&](size_t i) { found[i] = ResolveServer(resolver_, parsed[i], deadline); });
  size_t looked_at = 0;
  for (size_t i = 0; i < parsed.size(); ++i) {
    const std::vector<IpAddress>& addresses = found[i].addresses;
    if (addresses.empty()) {
      out.not_asked.push_back({parsed[i], std::string(), found[i].error});
      continue;
    }
    const size_t end = std::min(addresses.size(), kMaxAddresses - looked_at);
    looked_at += end;
    const size_t targets_before = out.targets.size();
    for (size_t k = 0; k < end; ++k) {
      const ServerAddress address{addresses[k], port_};
      if (HasRoute(address)) out.targets.push_back({parsed[i], address});
    }
    if (end < addresses.size()) {
      out.not_asked.push_back(
          NotAsked(parsed[i], ServerAddress{addresses[end], port_}.ToString(),
                   fmt::format("over {} addresses: this one and those after it are not asked",
                               kMaxAddresses)));
    } else if (out.targets.size() == targets_before) {
      out.not_asked.push_back(
          NotAsked(parsed[i], ServerAddress{addresses.front(), port_}.ToString(), "no route"));
    }
  }
  if (out.targets.empty()) {
    return out.not_asked.empty()
               ? MakeError(absl::StatusCode::kUnavailable,
                           fmt::format("zone {} has no name servers", out.zone.text()))
               : Annotate(out.not_asked.front().answer.status(),
                          fmt::format("servers of {}", out.zone.text()));
  }
  return out;
}

absl::StatusOr<Response> LdnsAuthoritativeResolver::AskOne(const Target& target,
                                                           const Question& question,
                                                           NetDeadline deadline) const {
  absl::StatusOr<Response> response = absl::DeadlineExceededError("no time left");
  for (int attempt = 0; attempt < kAttempts && !IsOver(deadline); ++attempt) {
    Question now = question;
    // Where UDP is lost for good (a firewall, fragments), TCP may get through.
    if (attempt == kAttempts - 1) now.transport = Transport::kTcp;
    response = AskServer(target.address, now, NetDeadlineWithin(deadline, timeout_));
    if (response.status().code() != absl::StatusCode::kDeadlineExceeded) break;
  }
  return response;
}

absl::StatusOr<LdnsAuthoritativeResolver::Round> LdnsAuthoritativeResolver::AskAll(
    const Question& question, NetDeadline deadline) {
  DMARCATE_ASSIGN_OR_RETURN(ZoneServers servers, FindServers(question.name, deadline));
  const size_t count = servers.targets.size();
  Responses responses(count);
  ForEachInParallel(count, kInParallel, [&](size_t i) {
    responses[i] = AskOne(servers.targets[i], question, deadline);
  });

  Round round;
  round.answer.zone = servers.zone;
  round.answer.servers = std::move(servers.not_asked);
  round.way_out = WayOut(responses);
  for (size_t i = 0; i < count; ++i) {
    ServerAnswer server{servers.targets[i].name_server, servers.targets[i].address.ToString()};
    absl::StatusOr<Response>& response = *responses[i];
    if (!response.ok()) {
      server.answer = response.status();
    } else if (response->alias_unresolved && round.way_out.empty()) {
      server.answer =
          MakeError(absl::StatusCode::kUnavailable,
                    fmt::format("{}: alias to {} at this server, not at others",
                                question.name.text(), response->answer.cname_chain.back().text()));
    } else {
      server.answer = std::move(response->answer);
    }
    round.answer.servers.push_back(std::move(server));
  }
  return round;
}

}  // namespace dmarcate
