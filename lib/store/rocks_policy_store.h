// lib/store/rocks_policy_store.h
// The policy store, the history of records, the insights, the alerts, the changes of many domains,
// the rollouts and what was removed, one RocksDB. Keys and values are documented in docs/store.md.

#ifndef DMARCATE_LIB_STORE_ROCKS_POLICY_STORE_H_
#define DMARCATE_LIB_STORE_ROCKS_POLICY_STORE_H_

#include <memory>
#include <mutex>
#include <string>

#include "lib/store/alert_store.h"
#include "lib/store/fleet_store.h"
#include "lib/store/grouping_store.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/own_service_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/removal_store.h"
#include "lib/store/rocks_rollout_store.h"
#include "lib/store/rollout_rules_store.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace dmarcate {

class RocksDb;
class WriteSet;

class RocksPolicyStore final : public PolicyStore,
                               public ObservationStore,
                               public InsightStore,
                               public FleetStore,
                               public AlertStore,
                               public RocksRolloutStore,
                               public RolloutRulesStore,
                               public GroupingStore,
                               public OwnServiceStore,
                               public RemovalStore {
 public:
  // Opens or creates the database in `directory`.
  //   kFailedPrecondition  another process has it open, or a newer program wrote it
  //   kDataLoss            its files are damaged
  // `env`: see RocksDb::Open().
  static absl::StatusOr<std::unique_ptr<RocksPolicyStore>> Open(const std::string& directory,
                                                                rocksdb::Env* env = nullptr);
  ~RocksPolicyStore() override;

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

  absl::StatusOr<std::vector<ObservedName>> ListObserved(std::string_view domain) override;
  absl::StatusOr<std::vector<Observation>> GetHistory(std::string_view domain,
                                                      const ObservedName& name) override;
  absl::Status UpdateHistory(std::string_view domain, const ObservedName& name,
                             const HistoryUpdate& update) override;

  absl::StatusOr<std::vector<InsightRecord>> ListInsights(std::string_view domain) override;
  absl::StatusOr<InsightRecord> GetInsight(std::string_view domain, std::string_view id) override;
  absl::StatusOr<std::optional<InsightLookRecord>> GetInsightLook(std::string_view domain) override;
  absl::Status UpdateInsights(std::string_view domain, const InsightUpdate& update,
                              InsightSync sync) override;

  absl::StatusOr<FleetRecord> GetFleet(std::string_view id) override;
  absl::StatusOr<std::vector<FleetRecord>> ListFleets(std::string_view before,
                                                      size_t limit) override;
  absl::StatusOr<std::vector<FleetMemberRecord>> ListFleetMembers(std::string_view id,
                                                                  std::string_view after,
                                                                  size_t limit) override;
  absl::StatusOr<FleetRecord> PutFleet(FleetRecord record,
                                       const std::vector<FleetMemberRecord>& members) override;
  absl::Status PutFleetMember(std::string_view id, const FleetMemberRecord& member) override;

  absl::StatusOr<std::vector<AlertChannelRecord>> ListAlertChannels() override;
  absl::StatusOr<AlertChannelRecord> GetAlertChannel(std::string_view id) override;
  absl::StatusOr<AlertChannelRecord> PutAlertChannel(AlertChannelRecord record) override;
  absl::Status DeleteAlertChannel(std::string_view id, uint64_t revision) override;
  absl::StatusOr<std::vector<DeliveryRecord>> ListDeliveries(
      const std::optional<std::pair<absl::Time, std::string>>& before, size_t limit) override;
  absl::StatusOr<std::vector<ToldRecord>> ListTold() override;
  absl::StatusOr<std::optional<absl::Time>> LastDigest() override;
  absl::Status UpdateAlerts(const AlertUpdate& update) override;

  // The rollouts of MTA-STS policies; those of DMARC policies are the store itself.
  RolloutStore& mta_sts_rollouts() { return mta_sts_rollouts_; }

  absl::StatusOr<RolloutRules> GetRolloutRules(std::string_view domain) override;
  absl::StatusOr<RolloutRules> PutRolloutRules(RolloutRules rules) override;

  absl::StatusOr<SourceGroupings> GetGroupings(std::string_view domain) override;
  absl::StatusOr<SourceGroupings> PutGroupings(SourceGroupings groupings) override;

  absl::Status RemoveDomain(const RemovalRequest& request) override;
  absl::Status RemoveProvider(const RemovalRequest& request) override;
  absl::StatusOr<std::optional<RemovalRecord>> FindRemoval(RemovedKind kind,
                                                           std::string_view id) override;
  absl::StatusOr<std::vector<RemovalRecord>> ListRemovals(RemovedKind kind) override;

  absl::StatusOr<std::vector<OwnServiceRecord>> ListOwnServices() override;
  absl::StatusOr<OwnServiceRecord> GetOwnService(std::string_view id) override;
  absl::StatusOr<OwnServiceRecord> PutOwnService(OwnServiceRecord record) override;
  absl::Status DeleteOwnService(std::string_view id, uint64_t revision) override;

 private:
  explicit RocksPolicyStore(std::unique_ptr<RocksDb> db);

  // Of a new record (`revision` 0): the last one that one of its name had which was removed, or 0.
  absl::StatusOr<uint64_t> LastRevision(RemovedKind kind, std::string_view id,
                                        uint64_t revision) const;
  // Check the revision, raise it and add to `changes` what is to be written.
  absl::Status Stage(DomainRecord* record, WriteSet* changes) const;
  absl::Status Stage(ChangeRecord* record, WriteSet* changes) const;
  // Deletes requests that are older than the lifetime at `now`, some at a time.
  absl::Status StageForgetting(absl::Time now, WriteSet* changes) const;
  absl::Status Write(const WriteSet& changes);

  std::unique_ptr<RocksDb> db_;
  RocksRolloutStore mta_sts_rollouts_;
  std::mutex put_mutex_;  // from reading a revision to having written the next
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ROCKS_POLICY_STORE_H_
