#include "policyd/plan/zone_guard.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

std::vector<std::string> SortedTexts(const std::vector<TxtRecord>& records) {
  std::vector<std::string> texts = TextsOf(records);
  std::ranges::sort(texts);
  return texts;
}

// A configured address stands for itself.
std::string NameOf(const ServerAnswer& server) {
  return server.name_server.IsRoot() ? server.address : server.name_server.text();
}

std::string DescribeTexts(const std::vector<TxtRecord>& records) {
  if (records.empty()) return "no TXT record";
  return EscapeForTerminal(fmt::format("TXT {}", Join(ToPresentations(records), ", ")));
}

}  // namespace

ServerVerdict JudgeServer(const ServerAnswer& server, const std::vector<TxtRecord>& wanted) {
  if (!server.answer.ok()) return ServerVerdict::kUnreachable;
  if (!server.answer->cname_chain.empty()) return ServerVerdict::kAlias;
  return SortedTexts(server.answer->txt) == SortedTexts(wanted) ? ServerVerdict::kHolds
                                                                : ServerVerdict::kHoldsOther;
}

std::string DescribeAnswer(const ServerAnswer& server) {
  if (!server.answer.ok()) return EscapeForTerminal(MessageOf(server.answer.status()));
  if (!server.answer->cname_chain.empty()) {
    return fmt::format("CNAME to {}", server.answer->cname_chain.front().text());
  }
  return DescribeTexts(server.answer->txt);
}

std::string DescribeServer(const ServerAnswer& server) {
  if (server.name_server.IsRoot()) return server.address;
  return fmt::format("{} {}", server.name_server.text(), server.address);
}

std::vector<std::string> SilentServers(const AuthoritativeAnswer& answer) {
  std::map<std::string, bool> answered;
  for (const ServerAnswer& server : answer.servers) {
    const std::string name = NameOf(server);
    answered[name] = answered[name] || server.answer.ok();
  }
  std::vector<std::string> silent;
  for (const auto& [name, ok] : answered) {
    if (!ok) silent.push_back(name);
  }
  return silent;
}

std::vector<GuardRecord> GuardMoved(const std::vector<GuardRecord>& planned,
                                    const std::vector<GuardRecord>& now) {
  const auto servers_of = [](const std::vector<GuardRecord>& guards) {
    std::map<std::string, std::string> servers;  // by owner
    for (const GuardRecord& guard : guards) {
      if (guard.code != guard_code::kZoneMoved) continue;
      servers[guard.metadata.at("owner")] = guard.metadata.at("servers");
    }
    return servers;
  };
  const std::map<std::string, std::string> before = servers_of(planned);
  std::vector<GuardRecord> guards;
  for (const auto& [owner, servers] : servers_of(now)) {
    const auto found = before.find(owner);
    if (found == before.end() || found->second == servers) continue;
    guards.push_back(
        Refuse(guard_code::kZoneMoved,
               fmt::format("{} was served by {} when the plan was made, and is by {} now: the zone "
                           "may have moved to another host; see that the provider still holds it, "
                           "then plan again",
                           owner, found->second, servers),
               {{"owner", owner}, {"expected", found->second}, {"found", servers}}));
  }
  return guards;
}

std::vector<GuardRecord> GuardZone(const TxtImage& image, const AuthoritativeAnswer& servers) {
  std::vector<GuardRecord> guards;
  std::map<std::string, std::string> views = {{"provider", DescribeTexts(image.records)},
                                              {"owner", image.owner.text()}};
  std::string alias;
  bool differs = false;
  for (const ServerAnswer& server : servers.servers) {
    const ServerVerdict verdict = JudgeServer(server, image.records);
    if (verdict == ServerVerdict::kAlias && alias.empty()) {
      alias = server.answer->cname_chain.front().text();
    }
    differs = differs || verdict == ServerVerdict::kHoldsOther;
    if (verdict != ServerVerdict::kHolds) views[DescribeServer(server)] = DescribeAnswer(server);
  }
  if (!alias.empty()) {
    guards.push_back(Refuse(guard_code::kCnameAtName,
                            fmt::format("{} is a CNAME to {}; what it says is changed there",
                                        image.owner.text(), alias),
                            {{"owner", image.owner.text()}, {"target", alias}}));
    return guards;
  }
  guards.push_back(
      Pass(guard_code::kCnameAtName, fmt::format("{} is no alias", image.owner.text())));
  std::set<std::string> names;
  for (const ServerAnswer& server : servers.servers) names.insert(NameOf(server));
  const std::string joined = Join(std::vector<std::string>(names.begin(), names.end()), " ");
  guards.push_back(Pass(guard_code::kZoneMoved,
                        fmt::format("{} is served by {}", image.owner.text(), joined),
                        {{"owner", image.owner.text()}, {"servers", joined}}));

  const std::vector<std::string> silent = SilentServers(servers);
  if (servers.servers.empty() || !silent.empty()) {
    guards.push_back(
        Refuse(guard_code::kZoneInconsistent,
               servers.servers.empty()
                   ? fmt::format("no authoritative server of {} is known", image.owner.text())
                   : fmt::format("not every authoritative server answers for {}: {} stay silent",
                                 image.owner.text(), Join(silent, ", ")),
               views));
  } else if (differs) {
    guards.push_back(
        Refuse(guard_code::kZoneInconsistent,
               fmt::format("the provider and the authoritative servers do not hold the same at {}",
                           image.owner.text()),
               views));
  } else if (servers.zone != image.zone) {
    guards.push_back(Refuse(guard_code::kZoneInconsistent,
                            fmt::format("the provider keeps {} in zone {}, the DNS in zone {}",
                                        image.owner.text(), image.zone.text(), servers.zone.text()),
                            views));
  } else {
    guards.push_back(Pass(guard_code::kZoneInconsistent,
                          fmt::format("the provider and {} servers hold the same at {}",
                                      servers.servers.size(), image.owner.text())));
  }
  return guards;
}

}  // namespace dmarcate
