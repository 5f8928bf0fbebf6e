#include "policyd/watch/look.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "policyd/watch/history.h"

namespace dmarcate {
namespace {

ObservedOutcome OutcomeOf(DnsOutcome outcome) {
  switch (outcome) {
    case DnsOutcome::kRecords:
      return ObservedOutcome::kRecords;
    case DnsOutcome::kNoData:
      return ObservedOutcome::kNoData;
    case DnsOutcome::kNxDomain:
      return ObservedOutcome::kNxDomain;
  }
  return ObservedOutcome::kServfail;
}

// What servers are compared by: round trips, TTLs that differ by a second and serials do not count.
using Said = std::pair<ObservedOutcome, std::vector<std::string>>;
Said SaidBy(const DnsAnswer& answer) { return {OutcomeOf(answer.outcome), ValuesOf(answer)}; }

// What most servers say; null: none answered.
const DnsAnswer* MostSaid(const RecordView& view) {
  if (!view.servers.ok()) return nullptr;
  std::map<Said, std::vector<const DnsAnswer*>> groups;
  for (const ServerAnswer& server : view.servers->servers) {
    if (server.answer.ok()) groups[SaidBy(*server.answer)].push_back(&*server.answer);
  }
  const std::vector<const DnsAnswer*>* best = nullptr;
  bool best_agrees = false;
  for (const auto& [said, answers] : groups) {
    const bool agrees = view.resolver.ok() && SaidBy(*view.resolver) == said;
    const bool better = best == nullptr || answers.size() > best->size() ||
                        (answers.size() == best->size() && agrees && !best_agrees);
    if (!better) continue;
    best = &answers;
    best_agrees = agrees;
  }
  if (best == nullptr) return nullptr;
  // Servers may differ in the TTL alone; the same one is to be seen at every look.
  return *std::ranges::max_element(*best, {}, &DnsAnswer::ttl_seconds);
}

// Keeps what fits; nothing of a value that does not.
std::vector<std::string> Cut(std::vector<std::string> values, std::string* sha256) {
  size_t bytes = 0;
  for (const std::string& value : values) bytes += ObservedBytes(value);
  if (bytes <= kMaxObservedBytes) return values;
  std::string all;
  for (const std::string& value : values) all += fmt::format("{}:{}", value.size(), value);
  *sha256 = Sha256(all);
  std::vector<std::string> kept;
  size_t room = kMaxObservedBytes;
  for (std::string& value : values) {
    if (ObservedBytes(value) > room) continue;
    room -= ObservedBytes(value);
    kept.push_back(std::move(value));
  }
  return kept;
}

std::vector<ObservedServer> Disagreeing(const RecordView& view, const DnsAnswer& most) {
  std::vector<ObservedServer> out;
  const Said said = SaidBy(most);
  for (const ServerAnswer& server : view.servers->servers) {
    if (!server.answer.ok()) continue;
    Said own = SaidBy(*server.answer);
    if (own == said) continue;
    std::string left_out;  // the address says enough of a server that fills the entry
    out.push_back({server.name_server.IsRoot() ? std::string() : server.name_server.text(),
                   server.address, own.first, Cut(std::move(own.second), &left_out)});
  }
  std::ranges::sort(out, {}, [](const ObservedServer& server) {
    return std::tie(server.name_server, server.address);
  });
  if (out.size() > kMaxObservedServers) out.resize(kMaxObservedServers);
  return out;
}

}  // namespace

ObservedOutcome OutcomeOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return ObservedOutcome::kTimeout;
    case absl::StatusCode::kDataLoss:
      return ObservedOutcome::kBogus;
    default:
      return ObservedOutcome::kServfail;
  }
}

std::vector<std::string> ValuesOf(const DnsAnswer& answer) {
  std::vector<std::string> out;
  for (const TxtRecord& txt : answer.txt) out.push_back(txt.Joined());
  for (const MxRecord& mx : answer.mx) {
    out.push_back(fmt::format("{} {}", mx.preference, mx.exchange.ToFqdn()));
  }
  out.insert(out.end(), answer.texts.begin(), answer.texts.end());
  std::ranges::sort(out);
  out.erase(std::ranges::unique(out).begin(),
            out.end());  // an answer is a set (RFC 2181 section 5)
  return out;
}

Observation ObserveView(const RecordView& view, const Observation* known, absl::Time now) {
  Observation out;
  out.first_seen = out.last_seen = now;
  if (view.resolver.ok()) {
    out.dnssec = view.resolver->validated ? DnssecState::kSecure : DnssecState::kInsecure;
  }
  absl::Status error = view.resolver.status();
  const DnsAnswer* answer = view.servers_asked ? MostSaid(view) : nullptr;
  if (error.ok() && view.servers_asked && answer == nullptr && known != nullptr &&
      known->from_servers && now - known->last_seen < kServersWord) {
    error = view.servers.ok() ? view.servers->First().status() : view.servers.status();
  }
  if (error.code() == absl::StatusCode::kDataLoss || (answer == nullptr && !error.ok())) {
    out.outcome = OutcomeOf(error);
    out.error = std::string(MessageOf(error).substr(0, kMaxObservedErrorBytes));
    if (out.outcome == ObservedOutcome::kBogus) out.dnssec = DnssecState::kBogus;
    return out;
  }
  out.from_servers = answer != nullptr;
  if (answer == nullptr) answer = &*view.resolver;
  out.outcome = OutcomeOf(answer->outcome);
  out.ttl_seconds = answer->ttl_seconds;
  for (const DomainName& target : answer->cname_chain) out.cname_chain.push_back(target.text());
  if (out.from_servers) out.disagreeing = Disagreeing(view, *answer);
  out.values = Cut(ValuesOf(*answer), &out.values_sha256);
  return out;
}

}  // namespace dmarcate
