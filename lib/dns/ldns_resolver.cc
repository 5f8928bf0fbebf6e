#include "lib/dns/ldns_resolver.h"

#include <algorithm>
#include <utility>

#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/dns/alias.h"

namespace dmarcate {
namespace {

constexpr size_t kResolvConfLimitBytes = size_t{64} << 10;

// Whether asking again, or another server, may bring what this did not.
bool WorthAnother(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LdnsResolver>> LdnsResolver::Create(const DnsConfig& config,
                                                                   const Clock& clock,
                                                                   absl::Duration keep_errors) {
  std::vector<Group> groups;
  Group root;
  if (config.resolvers.empty()) {
    for (const DnsConfig::Stub& stub : config.stubs) {
      DMARCATE_ASSIGN_OR_RETURN(std::vector<ServerAddress> servers,
                                ParseServerAddresses(stub.servers));
      groups.push_back({stub.zone, std::move(servers), Recursion::kNone, Group::Trust::kNever});
    }
    // Deepest first, so that the first that holds a name is the right one.
    std::ranges::sort(groups, std::greater<>(),
                      [](const Group& group) { return group.zone.label_count(); });
    root.servers = ParseResolvConf(
        ReadFile("/etc/resolv.conf", kResolvConfLimitBytes).value_or(std::string()));
    root.trust = Group::Trust::kLoopbackOnly;
  } else {
    DMARCATE_ASSIGN_OR_RETURN(root.servers, ParseServerAddresses(config.resolvers));
    root.trust = Group::Trust::kAlways;
  }
  groups.push_back(std::move(root));
  return std::unique_ptr<LdnsResolver>(
      new LdnsResolver(std::move(groups), config, clock, keep_errors));
}

LdnsResolver::LdnsResolver(std::vector<Group> groups, const DnsConfig& config, const Clock& clock,
                           absl::Duration keep_errors)
    : groups_(std::move(groups)),
      timeout_(config.timeout),
      deadline_(config.deadline),
      keep_errors_(keep_errors),
      clock_(clock),
      cache_(clock) {}

absl::StatusOr<DnsAnswer> LdnsResolver::Lookup(const DomainName& name, RrType type) {
  if (auto cached = cache_.Find(name, type)) return *std::move(cached);
  absl::StatusOr<DnsAnswer> answer = Ask(name, type);
  if (answer.ok()) {
    cache_.Insert(name, *answer);
  } else {
    cache_.InsertError(name, type, answer.status(), keep_errors_);
  }
  return answer;
}

// With the aliases followed.
absl::StatusOr<DnsAnswer> LdnsResolver::Ask(const DomainName& name, RrType type) {
  const NetDeadline deadline = NetDeadlineAfter(deadline_);
  DnsAnswer answer;
  std::vector<DomainName> chain;
  bool validated = true;
  uint32_t ttl_seconds = UINT32_MAX;
  DomainName current = name;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(Response response, AskOnce(current, type, deadline));
    answer = std::move(response.answer);
    for (const DomainName& alias : answer.cname_chain) {
      DMARCATE_RETURN_IF_ERROR(AppendAlias(name, alias, chain));
    }
    validated = validated && answer.validated;
    // While the end is open only the aliases have a TTL, which the answer to come may not outlive.
    if (!response.alias_unresolved) {
      ttl_seconds = std::min(ttl_seconds, answer.ttl_seconds);
      break;
    }
    current = chain.back();
    ttl_seconds = std::min(ttl_seconds, response.alias_ttl_seconds);
  }
  answer.cname_chain = std::move(chain);
  answer.validated = validated;
  answer.ttl_seconds = ttl_seconds;
  return answer;
}

const LdnsResolver::Group& LdnsResolver::GroupFor(const DomainName& name) const {
  return *std::ranges::find_if(
      groups_, [&name](const Group& group) { return name.IsAtOrBelow(group.zone); });
}

absl::StatusOr<Response> LdnsResolver::AskOnce(const DomainName& name, RrType type,
                                               NetDeadline deadline) {
  const Group& group = GroupFor(name);
  const Question question{name, type, group.recursion, Transport::kUdpThenTcp};
  absl::Status last = absl::DeadlineExceededError("no time left");
  // Who is about to ask many questions should learn soon that nobody is there.
  const bool mute = AllPenalised(group);
  while (!IsOver(deadline)) {
    bool lost = false;
    for (const ServerAddress& server : InOrder(group)) {
      auto response = AskServer(server, question, NetDeadlineWithin(deadline, timeout_));
      if (response.status().code() != absl::StatusCode::kDeadlineExceeded) Pardon(server);
      if (response.ok()) {
        const bool trusted = group.trust == Group::Trust::kAlways ||
                             (group.trust == Group::Trust::kLoopbackOnly && server.IsLoopback());
        response->answer.validated = response->answer.validated && trusted;
        return response;
      }
      if (!WorthAnother(response.status())) return response.status();
      const bool timed_out = response.status().code() == absl::StatusCode::kDeadlineExceeded;
      if (timed_out) Penalise(server);
      lost = lost || timed_out;
      // A server that said no tells more than one that said nothing.
      if (!timed_out || last.code() == absl::StatusCode::kDeadlineExceeded) {
        last = response.status();
      }
      if (IsOver(deadline)) break;
    }
    if (!lost) break;  // all of them said no; asking again at once would not change that
    if (mute) break;
  }
  return last;
}

std::vector<ServerAddress> LdnsResolver::InOrder(const Group& group) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  std::erase_if(penalised_until_, [now](const auto& entry) { return entry.second <= now; });
  std::vector<ServerAddress> servers;
  std::vector<ServerAddress> penalised;
  for (const ServerAddress& server : group.servers) {
    (penalised_until_.contains(server) ? penalised : servers).push_back(server);
  }
  servers.insert(servers.end(), penalised.begin(), penalised.end());
  return servers;
}

bool LdnsResolver::AllPenalised(const Group& group) {
  const absl::Duration now = clock_.Monotonic();
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(group.servers, [&](const ServerAddress& server) {
    const auto found = penalised_until_.find(server);
    return found != penalised_until_.end() && found->second > now;
  });
}

void LdnsResolver::Pardon(const ServerAddress& server) {
  const std::lock_guard lock(mutex_);
  penalised_until_.erase(server);
}

void LdnsResolver::Penalise(const ServerAddress& server) {
  const absl::Duration until = clock_.Monotonic() + kPenalty;
  const std::lock_guard lock(mutex_);
  penalised_until_[server] = until;
}

}  // namespace dmarcate
