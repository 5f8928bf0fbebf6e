#include "lib/dns/fake_resolver.h"

#include <algorithm>
#include <cstdlib>

#include "lib/base/status_macros.h"
#include "lib/dns/alias.h"

namespace dmarcate {

void FakeResolver::Set(const DomainName& name, RrType type, RrSet rrset) {
  const std::lock_guard lock(mutex_);
  rrsets_[{name, type}] = std::move(rrset);
}

void FakeResolver::SetTxt(const DomainName& name, const std::vector<std::string>& texts) {
  std::vector<TxtRecord> records;
  for (const std::string& text : texts) records.push_back(MakeTxtRecord(text));
  SetTxtRecords(name, std::move(records));
}

void FakeResolver::SetTxtRecords(const DomainName& name, std::vector<TxtRecord> records) {
  Set(name, RrType::kTxt, {.txt = std::move(records), .texts = {}, .mx = {}});
}

void FakeResolver::SetA(const DomainName& name, std::vector<std::string> addresses) {
  SetTexts(name, RrType::kA, std::move(addresses));
}

void FakeResolver::SetAaaa(const DomainName& name, std::vector<std::string> addresses) {
  SetTexts(name, RrType::kAaaa, std::move(addresses));
}

void FakeResolver::SetMx(const DomainName& name, std::vector<MxRecord> records) {
  Set(name, RrType::kMx, {.txt = {}, .texts = {}, .mx = std::move(records)});
}

void FakeResolver::SetCname(const DomainName& name, const DomainName& target) {
  SetTexts(name, RrType::kCname, {target.text()});
}

void FakeResolver::SetTexts(const DomainName& name, RrType type, std::vector<std::string> texts) {
  Set(name, type, {.txt = {}, .texts = std::move(texts), .mx = {}});
}

void FakeResolver::Remove(const DomainName& name) {
  const std::lock_guard lock(mutex_);
  std::erase_if(rrsets_, [&](const auto& entry) { return entry.first.first == name; });
  std::erase_if(failures_, [&](const auto& entry) { return entry.first.first == name; });
}

void FakeResolver::Fail(const DomainName& name, RrType type, absl::Status error) {
  const std::lock_guard lock(mutex_);
  failures_[{name, type}] = std::move(error);
}

void FakeResolver::FailAll(absl::Status error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

void FakeResolver::SetValidated(bool validated) {
  const std::lock_guard lock(mutex_);
  validated_ = validated;
}

void FakeResolver::SetTtl(uint32_t seconds) {
  const std::lock_guard lock(mutex_);
  ttl_seconds_ = seconds;
}

void FakeResolver::SetServer(std::string server) {
  const std::lock_guard lock(mutex_);
  server_ = std::move(server);
}

bool FakeResolver::Exists(const DomainName& name) const {
  return std::ranges::any_of(
      rrsets_, [&](const auto& entry) { return entry.first.first.IsAtOrBelow(name); });
}

void FakeResolver::Before(std::function<void(const Query& query)> call) {
  const std::lock_guard lock(mutex_);
  before_ = std::move(call);
}

absl::StatusOr<DnsAnswer> FakeResolver::Lookup(const DomainName& name, RrType type) {
  std::function<void(const Query&)> before;
  {
    const std::lock_guard lock(mutex_);
    before = before_;
  }
  if (before) before({name, type});
  const std::lock_guard lock(mutex_);
  queries_.push_back({name, type});
  DMARCATE_RETURN_IF_ERROR(failure_);
  DnsAnswer answer;
  answer.type = type;
  answer.validated = validated_;
  answer.server = server_;
  answer.ttl_seconds = ttl_seconds_;
  DomainName current = name;
  while (true) {
    if (const auto failure = failures_.find({current, type}); failure != failures_.end()) {
      DMARCATE_RETURN_IF_ERROR(failure->second);
    }
    if (const auto found = rrsets_.find({current, type});
        found != rrsets_.end() && !found->second.empty()) {
      answer.outcome = DnsOutcome::kRecords;
      answer.txt = found->second.txt;
      answer.texts = found->second.texts;
      answer.mx = found->second.mx;
      return answer;
    }
    const auto alias = rrsets_.find({current, RrType::kCname});
    if (type == RrType::kCname || alias == rrsets_.end() || alias->second.empty()) break;
    DMARCATE_ASSIGN_OR_RETURN(current, DomainName::Parse(alias->second.texts.front()));
    DMARCATE_RETURN_IF_ERROR(AppendAlias(name, current, answer.cname_chain));
  }
  answer.outcome = Exists(current) ? DnsOutcome::kNoData : DnsOutcome::kNxDomain;
  return answer;
}

std::vector<FakeResolver::Query> FakeResolver::queries() const {
  const std::lock_guard lock(mutex_);
  return queries_;
}

void FakeResolver::ClearQueries() {
  const std::lock_guard lock(mutex_);
  queries_.clear();
}

void FakeAuthoritativeResolver::AddZone(const DomainName& zone, size_t servers) {
  const std::lock_guard lock(mutex_);
  Servers& list = zones_[zone];
  for (size_t i = list.size(); i < servers; ++i) {
    list.push_back(std::make_unique<FakeResolver>());
    list.back()->SetServer(fmt::format("192.0.2.{}:53", i + 1));
    list.back()->SetTexts(zone, RrType::kSoa, {"ns1 hostmaster 1 3600 600 86400 60"});
  }
}

std::map<DomainName, FakeAuthoritativeResolver::Servers>::iterator FakeAuthoritativeResolver::Find(
    const DomainName& name) {
  for (DomainName zone = name;; zone = zone.Parent()) {
    const auto found = zones_.find(zone);
    if (found != zones_.end() || zone.IsRoot()) return found;
  }
}

FakeResolver& FakeAuthoritativeResolver::server(const DomainName& zone, size_t index) {
  const std::lock_guard lock(mutex_);
  const auto found = zones_.find(zone);
  if (found == zones_.end() || index >= found->second.size()) std::abort();
  return *found->second[index];
}

void FakeAuthoritativeResolver::SetTxt(const DomainName& name,
                                       const std::vector<std::string>& texts) {
  const std::lock_guard lock(mutex_);
  const auto zone = Find(name);
  if (zone == zones_.end()) std::abort();
  for (const auto& server : zone->second) server->SetTxt(name, texts);
}

void FakeAuthoritativeResolver::SetCname(const DomainName& name, const DomainName& target) {
  const std::lock_guard lock(mutex_);
  const auto zone = Find(name);
  if (zone == zones_.end()) std::abort();
  for (const auto& server : zone->second) server->SetCname(name, target);
}

void FakeAuthoritativeResolver::Fail(const DomainName& name, RrType type, absl::Status error) {
  const std::lock_guard lock(mutex_);
  failures_[{name, type}] = std::move(error);
}

absl::StatusOr<AuthoritativeAnswer> FakeAuthoritativeResolver::LookupAll(const DomainName& owner,
                                                                         RrType type, bool) {
  const std::lock_guard lock(mutex_);
  queries_.push_back({owner, type});
  if (const auto failure = failures_.find({owner, type}); failure != failures_.end()) {
    DMARCATE_RETURN_IF_ERROR(failure->second);
  }
  DomainName current = owner;
  std::vector<DomainName> chain;
  while (true) {
    const auto zone = Find(current);
    if (zone == zones_.end()) {
      return MakeError(absl::StatusCode::kUnavailable,
                       fmt::format("{}: no zone found", current.text()));
    }
    AuthoritativeAnswer out;
    out.zone = zone->first;
    size_t index = 0;
    for (const auto& server : zone->second) {
      ServerAnswer& one = out.servers.emplace_back();
      ++index;
      if (const auto name = zone->first.Child(fmt::format("ns{}", index)); name.ok()) {
        one.name_server = *name;
      }
      one.address = fmt::format("192.0.2.{}:53", index);
      one.answer = server->Lookup(current, type);
      if (!one.answer.ok()) continue;
      one.answer->authoritative = true;
      one.answer->cname_chain.insert(one.answer->cname_chain.begin(), chain.begin(), chain.end());
    }
    // An alias that leads out of the zone is asked of the target's zone.
    const auto first = out.First();
    if (!first.ok() || first->cname_chain.size() == chain.size() ||
        first->cname_chain.back().IsAtOrBelow(zone->first)) {
      return out;
    }
    if (first->cname_chain.size() > kMaxAliases) {
      return MakeError(absl::StatusCode::kResourceExhausted,
                       fmt::format("{}: more than {} aliases", owner.text(), kMaxAliases));
    }
    chain = first->cname_chain;
    current = chain.back();
  }
}

std::vector<FakeResolver::Query> FakeAuthoritativeResolver::queries() const {
  const std::lock_guard lock(mutex_);
  return queries_;
}

}  // namespace dmarcate
