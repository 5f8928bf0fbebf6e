#include "lib/store/fake_policy_store.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {
namespace {

template <typename Key, typename Record>
std::optional<uint64_t> RevisionOf(const std::map<Key, Record>& map, const Key& key) {
  const auto found = map.find(key);
  if (found == map.end()) return std::nullopt;
  return found->second.revision;
}

template <typename Key, typename Record>
absl::StatusOr<Record> Get(const std::map<Key, Record>& map, const Key& key,
                           std::string_view what) {
  const auto found = map.find(key);
  if (found != map.end()) return found->second;
  return MakeError(absl::StatusCode::kNotFound, fmt::format("{}: no such record", what));
}

template <typename Record>
std::vector<Record> ListAfter(const std::map<std::string, Record>& map, std::string_view after,
                              size_t limit) {
  std::vector<Record> out;
  for (auto it = map.upper_bound(std::string(after)); it != map.end() && out.size() < limit; ++it) {
    out.push_back(it->second);
  }
  return out;
}

template <typename Key, typename Record>
absl::StatusOr<Record> Put(std::map<Key, Record>& map, const Key& key, Record record,
                           std::string_view what, uint64_t last = 0) {
  DMARCATE_RETURN_IF_ERROR(CheckRevision(what, record.revision, RevisionOf(map, key)));
  if (record.revision == 0) record.revision = last;  // of one that was removed
  ++record.revision;
  map[key] = record;
  return record;
}

}  // namespace

void FakePolicyStore::FailPuts(absl::Status error) {
  const std::lock_guard lock(mutex_);
  put_error_ = std::move(error);
}

void FakePolicyStore::FailDecisions(absl::Status error) {
  const std::lock_guard lock(mutex_);
  decision_error_ = std::move(error);
}

absl::StatusOr<DomainRecord> FakePolicyStore::GetDomain(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return Get(domains_, std::string(name), fmt::format("domain {}", name));
}

absl::StatusOr<std::vector<DomainRecord>> FakePolicyStore::ListDomains(std::string_view after,
                                                                       size_t limit) {
  const std::lock_guard lock(mutex_);
  return ListAfter(domains_, after, limit);
}

absl::StatusOr<DomainRecord> FakePolicyStore::PutDomain(DomainRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("domain", {record.name}));
  const std::string key = record.name;
  DMARCATE_RETURN_IF_ERROR(CheckThere(RemovedKind::kProvider, record.dns_provider));
  return Put(domains_, key, std::move(record), fmt::format("domain {}", key),
             LastRevision(RemovedKind::kDomain, key));
}

absl::StatusOr<SourceDecision> FakePolicyStore::GetDecision(std::string_view domain,
                                                            std::string_view source_id) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(decision_error_);
  return Get(decisions_, Pair(domain, source_id),
             fmt::format("decision {} of {}", source_id, domain));
}

absl::StatusOr<std::vector<SourceDecision>> FakePolicyStore::ListDecisions(
    std::string_view domain) {
  const std::lock_guard lock(mutex_);
  std::vector<SourceDecision> out;
  DMARCATE_RETURN_IF_ERROR(decision_error_);
  for (auto it = decisions_.lower_bound(Pair(domain, ""));
       it != decisions_.end() && it->first.first == domain; ++it) {
    out.push_back(it->second);
  }
  return out;
}

absl::StatusOr<SourceDecision> FakePolicyStore::PutDecision(SourceDecision record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("decision", {record.domain, record.source_id}));
  const Pair key(record.domain, record.source_id);
  DMARCATE_RETURN_IF_ERROR(CheckThere(RemovedKind::kDomain, record.domain));
  return Put(decisions_, key, std::move(record),
             fmt::format("decision {} of {}", key.second, key.first));
}

absl::StatusOr<DnsProviderRecord> FakePolicyStore::GetProvider(std::string_view id) {
  const std::lock_guard lock(mutex_);
  return Get(providers_, std::string(id), fmt::format("dns provider {}", id));
}

absl::StatusOr<std::vector<DnsProviderRecord>> FakePolicyStore::ListProviders(
    std::string_view after, size_t limit) {
  const std::lock_guard lock(mutex_);
  return ListAfter(providers_, after, limit);
}

absl::StatusOr<DnsProviderRecord> FakePolicyStore::PutProvider(DnsProviderRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("dns provider", {record.id}));
  const std::string key = record.id;
  return Put(providers_, key, std::move(record), fmt::format("dns provider {}", key),
             LastRevision(RemovedKind::kProvider, key));
}

absl::StatusOr<ChangeRecord> FakePolicyStore::GetChange(std::string_view domain,
                                                        std::string_view id) {
  const std::lock_guard lock(mutex_);
  return Get(changes_, Pair(id, domain), fmt::format("change {} of {}", id, domain));
}

absl::StatusOr<std::vector<ChangeRecord>> FakePolicyStore::ListChanges(std::string_view domain,
                                                                       std::string_view before,
                                                                       size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<ChangeRecord> out;
  for (auto it = changes_.rbegin(); it != changes_.rend() && out.size() < limit; ++it) {
    const auto& [id, name] = it->first;
    if ((domain != "-" && name != domain) || (!before.empty() && id >= before)) continue;
    out.push_back(it->second);
  }
  return out;
}

absl::StatusOr<ChangeRecord> FakePolicyStore::PutChange(ChangeRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("change", {record.id, record.domain}));
  const Pair key(record.id, record.domain);
  if (record.revision == 0 || IsOpen(record)) {
    DMARCATE_RETURN_IF_ERROR(CheckThere(RemovedKind::kDomain, record.domain));
  }
  return Put(changes_, key, std::move(record),
             fmt::format("change {} of {}", key.first, key.second));
}

absl::StatusOr<std::vector<ChangeRecord>> FakePolicyStore::OpenChanges() {
  const std::lock_guard lock(mutex_);
  std::vector<ChangeRecord> out;
  for (const auto& [key, change] : changes_) {
    if (IsOpen(change)) out.push_back(change);
  }
  return out;
}

absl::Status FakePolicyStore::PutChangeAndDomain(ChangeRecord change, DomainRecord domain) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("change", {change.id, change.domain}));
  DMARCATE_RETURN_IF_ERROR(CheckKey("domain", {domain.name}));
  const Pair change_key(change.id, change.domain);
  const std::string domain_key = domain.name;
  const std::string change_name = fmt::format("change {} of {}", change.id, change.domain);
  const std::string domain_name = fmt::format("domain {}", domain.name);
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(change_name, change.revision, RevisionOf(changes_, change_key)));
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(domain_name, domain.revision, RevisionOf(domains_, domain_key)));
  DMARCATE_RETURN_IF_ERROR(Put(changes_, change_key, std::move(change), change_name).status());
  return Put(domains_, domain_key, std::move(domain), domain_name).status();
}

absl::StatusOr<std::optional<RequestRecord>> FakePolicyStore::FindRequest(
    std::string_view caller, std::string_view request_id) {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(Pair(caller, request_id));
  if (found == requests_.end()) return std::nullopt;
  return found->second;
}

absl::Status FakePolicyStore::PutRequest(RequestRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("request", {record.caller, record.request_id}));
  const Pair key(record.caller, record.request_id);
  std::optional<RequestRecord> stored;
  if (const auto found = requests_.find(key); found != requests_.end()) stored = found->second;
  DMARCATE_RETURN_IF_ERROR(CheckRequest(record, stored));
  std::erase_if(requests_, [&record](const auto& entry) {
    return record.time - entry.second.time >= kRequestLifetime;
  });
  requests_[key] = std::move(record);
  return absl::OkStatus();
}

absl::Status FakePolicyStore::CheckThere(RemovedKind kind, const std::string& id) const {
  if (!removals_.contains({kind, id})) return absl::OkStatus();
  const bool again = kind == RemovedKind::kDomain ? domains_.contains(id) : providers_.contains(id);
  return again ? absl::OkStatus() : WasRemoved(kind, id);
}

uint64_t FakePolicyStore::LastRevision(RemovedKind kind, const std::string& id) const {
  const auto found = removals_.find({kind, id});
  return found == removals_.end() ? 0 : found->second.revision;
}

absl::Status FakePolicyStore::RemoveDomain(const RemovalRequest& request) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  const std::string what = fmt::format("domain {}", request.id);
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord domain, Get(domains_, request.id, what));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(what, request.revision, domain.revision));
  DMARCATE_RETURN_IF_ERROR(request.check());
  domains_.erase(request.id);
  std::erase_if(decisions_, [&](const auto& entry) { return entry.first.first == request.id; });
  removals_[{RemovedKind::kDomain, request.id}] = RemovalOf(domain, request);
  return absl::OkStatus();
}

absl::Status FakePolicyStore::RemoveProvider(const RemovalRequest& request) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(put_error_);
  const std::string what = fmt::format("dns provider {}", request.id);
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord provider, Get(providers_, request.id, what));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(what, request.revision, provider.revision));
  DMARCATE_RETURN_IF_ERROR(request.check());
  providers_.erase(request.id);
  removals_[{RemovedKind::kProvider, request.id}] = RemovalOf(provider, request);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<RemovalRecord>> FakePolicyStore::FindRemoval(RemovedKind kind,
                                                                          std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = removals_.find({kind, std::string(id)});
  if (found == removals_.end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<std::vector<RemovalRecord>> FakePolicyStore::ListRemovals(RemovedKind kind) {
  const std::lock_guard lock(mutex_);
  std::vector<RemovalRecord> out;
  for (const auto& [key, removal] : removals_) {
    if (key.first == kind) out.push_back(removal);
  }
  return out;
}

}  // namespace dmarcate
