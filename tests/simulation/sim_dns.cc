#include "tests/simulation/sim_dns.h"

#include <algorithm>

namespace dmarcate::simulation {

void SimDns::Note(const DomainName& owner, const std::vector<std::string>& texts) {
  const std::lock_guard lock(mutex_);
  names_[owner].push_back({clock_.Monotonic(), texts});
  last_change_ = clock_.Monotonic();
  ++generation_;
}

void SimDns::AddZone(const DomainName& zone) {
  const std::lock_guard lock(mutex_);
  zones_.insert(zone);
}

void SimDns::Configure(size_t index, Server server) {
  const std::lock_guard lock(mutex_);
  servers_.at(index) = std::move(server);
  ++generation_;
}

void SimDns::SetDown(bool down) {
  const std::lock_guard lock(mutex_);
  down_ = down;
  ++generation_;
}

const std::vector<std::string>* SimDns::Find(const DomainName& owner, absl::Duration when) const {
  const auto name = names_.find(owner);
  if (name == names_.end()) return nullptr;
  const std::vector<std::string>* texts = nullptr;
  for (const Change& change : name->second) {
    // What was there when the world began is everywhere.
    if (change.time <= when || change.time == absl::ZeroDuration()) texts = &change.texts;
  }
  return texts;
}

std::vector<std::string> SimDns::Texts(const DomainName& owner) const {
  return TextsAt(owner, clock_.Monotonic());
}

std::vector<std::string> SimDns::TextsAt(const DomainName& owner, absl::Duration when) const {
  const std::lock_guard lock(mutex_);
  const std::vector<std::string>* texts = Find(owner, when);
  return texts == nullptr ? std::vector<std::string>() : *texts;
}

uint64_t SimDns::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

bool SimDns::Settled() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(servers_, [&](const Server& server) {
    return clock_.Monotonic() - last_change_ >= server.lag;
  });
}

DnsAnswer SimDns::Answer(const DomainName& owner, RrType type, absl::Duration when) const {
  DnsAnswer answer;
  answer.type = type;
  answer.ttl_seconds = 300;
  const std::vector<std::string>* texts = Find(owner, when);
  if (texts == nullptr || texts->empty()) {
    answer.outcome = zones_.contains(owner) ? DnsOutcome::kNoData : DnsOutcome::kNxDomain;
    return answer;
  }
  if (type != RrType::kTxt) {
    answer.outcome = DnsOutcome::kNoData;
    return answer;
  }
  for (const std::string& text : *texts) answer.txt.push_back(MakeTxtRecord(text));
  answer.outcome = DnsOutcome::kRecords;
  return answer;
}

absl::StatusOr<DnsAnswer> SimDns::Lookup(const DomainName& name, RrType type) {
  const std::lock_guard lock(mutex_);
  if (down_) return absl::DeadlineExceededError("no answer");
  DnsAnswer answer = Answer(name, type, clock_.Monotonic() - servers_[0].lag);
  answer.server = "127.0.0.1:53";
  return answer;
}

absl::StatusOr<AuthoritativeAnswer> SimDns::LookupAll(const DomainName& owner, RrType type,
                                                      bool /*over_tcp*/) {
  const std::lock_guard lock(mutex_);
  if (down_) return absl::DeadlineExceededError("no answer");
  AuthoritativeAnswer all;
  bool found = false;
  for (const DomainName& zone : zones_) {
    if (!owner.IsAtOrBelow(zone) || (found && zone.label_count() < all.zone.label_count())) {
      continue;
    }
    all.zone = zone;
    found = true;
  }
  if (!found) return absl::UnavailableError("no zone cut found");
  for (size_t i = 0; i < kServers; ++i) {
    const Server& behaviour = servers_[i];
    ServerAnswer server;
    server.name_server = DomainName::Parse("ns" + std::to_string(i + 1) + ".test").value();
    server.address = "192.0.2." + std::to_string(i + 1) + ":53";
    if (behaviour.silent) {
      server.answer = absl::DeadlineExceededError("no answer");
    } else {
      DnsAnswer answer = Answer(owner, type, clock_.Monotonic() - behaviour.lag);
      if (behaviour.lie.has_value() && type == RrType::kTxt) {
        answer.txt.clear();
        for (const std::string& text : *behaviour.lie) answer.txt.push_back(MakeTxtRecord(text));
        answer.outcome = answer.txt.empty() ? DnsOutcome::kNoData : DnsOutcome::kRecords;
      }
      answer.authoritative = true;
      answer.server = server.address;
      server.answer = std::move(answer);
    }
    all.servers.push_back(std::move(server));
  }
  return all;
}

}  // namespace dmarcate::simulation
