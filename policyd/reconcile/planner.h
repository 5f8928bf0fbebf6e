// policyd/reconcile/planner.h
// Gathers for a plan, and lets policyd/plan decide. Writes nothing, neither store nor zone.

#ifndef DMARCATE_POLICYD_RECONCILE_PLANNER_H_
#define DMARCATE_POLICYD_RECONCILE_PLANNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"
#include "policyd/plan/change_plan.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/dmarc_plan.h"
#include "policyd/plan/spf_children.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/live_reader.h"

namespace dmarcate {

// Where a record of a domain in delegated mode stands, and what leads there.
struct Delegated {
  LiveRrSet live;  // at the target, in the operator's zone; not read if a guard of `sight` refuses
  DelegationSight sight;
};
bool IsDelegated(const DomainRecord& domain);
AliasRecord AliasOf(const DelegationSight& sight);

// Thread-safe.
class Planner {
 public:
  Planner(const ChangeWorld& world, const ChangeEngineOptions& options, const LiveReader& reader)
      : world_(world), options_(options), reader_(reader) {}

  // As ChangeEngine::Plan, revision 0.
  absl::StatusOr<ChangeRecord> Plan(const DomainRecord& domain, ChangeIntent intent,
                                    std::string_view principal, const ReportFacts& facts) const;
  // The change that undoes `change`, as far as the zone holds what that wrote: RRsets that hold
  // what was there before need nothing, and are not in it.
  //   kFailedPrecondition ROLLBACK_BLOCKED  an RRset holds neither; with both images
  absl::StatusOr<ChangeRecord> PlanRollbackOf(const ChangeRecord& change,
                                              const DomainRecord& domain,
                                              std::string_view principal) const;

  // The provider that the domain is bound to.
  absl::StatusOr<std::shared_ptr<DnsProvider>> OpenProvider(std::string_view provider_id) const;

  // The guards again over live data, and whether the zone still holds what `change` was made from:
  // what a plan must pass right before it is written.
  //   kAborted STALE_PLAN, kFailedPrecondition GUARD_REFUSED, or a read's error
  absl::Status Check(const ChangeRecord& change, const DomainRecord& domain,
                     DnsProvider& provider) const;
  // Only the guards, over live data: for what is left to write after a restart.
  absl::StatusOr<std::vector<GuardRecord>> Judge(const ChangeRecord& change) const;

 private:
  struct Draft;
  absl::Status CheckDecisions(const ChangeRecord& change, const DomainRecord& domain,
                              const std::vector<std::string>& live) const;
  absl::Status DraftSpfRecords(const DomainRecord& domain, FlattenMode flatten,
                               DnsProvider& provider, Draft& draft) const;
  // Child records that nothing leads to, if no cache can lead to them any more.
  absl::Status DraftSpfCleanup(const DomainRecord& domain, uint32_t ttl_seconds,
                               std::vector<SpfChild> children,
                               const std::map<DomainName, LiveRrSet>& images, Draft& draft) const;
  // That child records which the change takes away are not led to, by caches neither.
  absl::Status CheckUnused(const ChangeRecord& change, DnsProvider& provider) const;
  // That the child records are there to which the record leads that `rollback` brings back.
  absl::Status CheckLedTo(const ChangeRecord& rollback, DnsProvider& provider) const;
  // The domain's record of that role in the operator's zone (delegated_planner.cc).
  absl::StatusOr<Delegated> ReadDelegated(const DomainRecord& domain, RecordRole role,
                                          DnsProvider& provider) const;
  // Whether the domain's own zone leads to the record as it did when the plan was made.
  //   kAborted STALE_PLAN, kFailedPrecondition GUARD_REFUSED
  absl::Status CheckDelegation(const RecordChangeRecord& record, const DomainRecord& domain) const;
  // What the domain's SPF record takes with what it leads to, before and after.
  absl::StatusOr<std::optional<SpfMeasures>> MeasureDelegated(
      const RecordChangeRecord& record) const;
  absl::Status DraftDelegatedSpf(const DomainRecord& domain, DnsProvider& provider,
                                 Draft& draft) const;
  absl::Status DraftDmarc(const DomainRecord& domain, DnsProvider& provider, Draft& draft) const;
  absl::Status DraftPolicy(const PolicyMove& move, DnsProvider& provider, Draft& draft) const;
  absl::StatusOr<ReportHostFacts> GatherReportHost(const DomainRecord& domain,
                                                   DnsProvider& provider, Draft& draft) const;
  // Over one set of answers, from what the change writes and the book alone.
  absl::StatusOr<SpfProof> Prove(const ChangeRecord& change, const DomainName& domain,
                                 const SpfTexts& texts) const;
  absl::StatusOr<std::optional<SpfMeasures>> MeasureBoth(const ChangeRecord& change) const;
  void Stamp(std::string_view principal, ChangeRecord& change) const;

  const ChangeWorld& world_;
  const ChangeEngineOptions& options_;
  const LiveReader& reader_;
};

// GUARD_REFUSED with the guard's code, message and numbers.
absl::Status GuardRefused(const GuardRecord& guard);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_PLANNER_H_
