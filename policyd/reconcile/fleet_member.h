// policyd/reconcile/fleet_member.h
// One turn at one domain of a change of many: it is planned, applied, looked at again or withdrawn,
// by the change engine, as any change is. There is no other way to the DNS. What the turn came to
// follows from the domain's ChangeRecord, so a turn that was cut short by a kill is simply taken
// again: a change that has succeeded is not written a second time.

#ifndef DMARCATE_POLICYD_RECONCILE_FLEET_MEMBER_H_
#define DMARCATE_POLICYD_RECONCILE_FLEET_MEMBER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

#include "lib/store/fleet_store.h"
#include "policyd/reconcile/change_engine.h"

namespace dmarcate {

struct FleetTurn {
  enum class After : uint8_t {
    kDone,     // `member` has its new state
    kBusy,     // another change is in the way, or too many run: again soon, for as long as it takes
    kTrouble,  // provider or DNS cannot be reached, nothing was written: again later, some times
    kOpen,     // begun, and not ended yet: to be looked at again
    kStopped,  // policyd is stopping
  };
  After after = After::kDone;
  FleetMemberRecord member;
  absl::Status error;  // of kBusy and kTrouble
};

// Thread-safe.
class FleetMemberRunner {
 public:
  // All outlive it.
  FleetMemberRunner(PolicyStore& store, ChangeEngine& engine, const Clock& clock)
      : store_(store), engine_(engine), clock_(clock) {}

  FleetTurn Plan(const FleetRecord& fleet, FleetMemberRecord member) const;
  // Applies it, or looks what has become of it.
  FleetTurn Apply(const FleetRecord& fleet, FleetMemberRecord member) const;
  // Whether its change has gone on from its plan, by what the store knows.
  bool HasBegun(const FleetRecord& fleet, const FleetMemberRecord& member) const;
  // Withdraws a plan that has not begun; one that has is left as it is (kOpen).
  FleetTurn Withdraw(const FleetRecord& fleet, FleetMemberRecord member) const;
  // As `state`, because of `error`.
  FleetTurn GiveUp(FleetMemberRecord member, FleetMemberState state,
                   const absl::Status& error) const;

 private:
  FleetTurn PlanRollback(const FleetRecord& fleet, FleetMemberRecord member) const;
  FleetTurn ApplyRollback(const FleetRecord& fleet, FleetMemberRecord member) const;
  std::optional<ChangeRecord> FindRollback(const FleetRecord& fleet,
                                           const FleetMemberRecord& member) const;
  // By what the change is now.
  FleetTurn Ended(FleetMemberRecord member, const ChangeRecord& change) const;
  // By an error of the engine; `failed` is what the member is if it is no passing one.
  FleetTurn Failed(FleetMemberRecord member, FleetMemberState failed,
                   const absl::Status& error) const;

  PolicyStore& store_;
  ChangeEngine& engine_;
  const Clock& clock_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_FLEET_MEMBER_H_
