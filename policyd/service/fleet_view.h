// policyd/service/fleet_view.h
// A FleetChange of the API: which domains, how far it is, and why some have not succeeded.

#ifndef DMARCATE_POLICYD_SERVICE_FLEET_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_FLEET_VIEW_H_

#include "absl/time/time.h"

#include "dmarcate/v1/fleet_change.pb.h"
#include "lib/store/fleet_store.h"
#include "policyd/reconcile/fleet_engine.h"

namespace dmarcate {

// Without progress and groups. A plan whose time is up is shown as STATE_EXPIRED, whatever is
// stored.
v1::FleetChange ToMessage(const FleetRecord& record, absl::Time now);
v1::FleetChange ToMessage(const FleetProgress& progress, absl::Time now);
v1::FleetMember ToMessage(const FleetMemberRecord& member);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_FLEET_VIEW_H_
