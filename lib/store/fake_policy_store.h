// lib/store/fake_policy_store.h
// A policy store in memory that keeps the contracts of policy_store.h and removal_store.h; for
// tests.

#ifndef DMARCATE_LIB_STORE_FAKE_POLICY_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_POLICY_STORE_H_

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "lib/store/policy_store.h"
#include "lib/store/removal_store.h"

namespace dmarcate {

// Thread-safe.
class FakePolicyStore final : public PolicyStore, public RemovalStore {
 public:
  // All further Puts fail with `error` and write nothing, until it is OK again.
  void FailPuts(absl::Status error);
  // All further reads of decisions fail with `error`, until it is OK again.
  void FailDecisions(absl::Status error);

  absl::StatusOr<DomainRecord> GetDomain(std::string_view name) override;
  absl::StatusOr<std::vector<DomainRecord>> ListDomains(std::string_view after,
                                                        size_t limit) override;
  absl::StatusOr<DomainRecord> PutDomain(DomainRecord record) override;
  absl::StatusOr<SourceDecision> GetDecision(std::string_view domain,
                                             std::string_view source_id) override;
  absl::StatusOr<std::vector<SourceDecision>> ListDecisions(std::string_view domain) override;
  absl::StatusOr<SourceDecision> PutDecision(SourceDecision record) override;
  absl::StatusOr<DnsProviderRecord> GetProvider(std::string_view id) override;
  absl::StatusOr<std::vector<DnsProviderRecord>> ListProviders(std::string_view after,
                                                               size_t limit) override;
  absl::StatusOr<DnsProviderRecord> PutProvider(DnsProviderRecord record) override;
  absl::StatusOr<ChangeRecord> GetChange(std::string_view domain, std::string_view id) override;
  absl::StatusOr<std::vector<ChangeRecord>> ListChanges(std::string_view domain,
                                                        std::string_view before,
                                                        size_t limit) override;
  absl::StatusOr<ChangeRecord> PutChange(ChangeRecord record) override;
  absl::StatusOr<std::vector<ChangeRecord>> OpenChanges() override;
  absl::Status PutChangeAndDomain(ChangeRecord change, DomainRecord domain) override;
  absl::StatusOr<std::optional<RequestRecord>> FindRequest(std::string_view caller,
                                                           std::string_view request_id) override;
  absl::Status PutRequest(RequestRecord record) override;
  absl::Status RemoveDomain(const RemovalRequest& request) override;
  absl::Status RemoveProvider(const RemovalRequest& request) override;
  absl::StatusOr<std::optional<RemovalRecord>> FindRemoval(RemovedKind kind,
                                                           std::string_view id) override;
  absl::StatusOr<std::vector<RemovalRecord>> ListRemovals(RemovedKind kind) override;

 private:
  using Pair = std::pair<std::string, std::string>;

  // With the mutex held.
  absl::Status CheckThere(RemovedKind kind, const std::string& id) const;
  uint64_t LastRevision(RemovedKind kind, const std::string& id) const;

  std::recursive_mutex mutex_;  // who removes may read meanwhile
  absl::Status put_error_, decision_error_;
  std::map<std::string, DomainRecord> domains_;
  std::map<Pair, SourceDecision> decisions_;  // domain, source
  std::map<std::string, DnsProviderRecord> providers_;
  std::map<Pair, ChangeRecord> changes_;  // id, domain: by time
  std::map<Pair, RequestRecord> requests_;
  std::map<std::pair<RemovedKind, std::string>, RemovalRecord> removals_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_POLICY_STORE_H_
