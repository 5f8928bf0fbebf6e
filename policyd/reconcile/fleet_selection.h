// policyd/reconcile/fleet_selection.h
// Which domains a change of many is about.

#ifndef DMARCATE_POLICYD_RECONCILE_FLEET_SELECTION_H_
#define DMARCATE_POLICYD_RECONCILE_FLEET_SELECTION_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/store/fleet_store.h"
#include "policyd/reconcile/fleet_engine.h"

namespace dmarcate {

// One member for each domain, by domain, nothing planned yet. Of a rollback they name the changes
// that are to be undone.
//   kInvalidArgument FIELD_INVALID    none, over `max_members`, one twice, or a fleet change that
//                                     has not ended
//   kNotFound RESOURCE_NOT_FOUND      one is not managed here, or there is no such fleet change
absl::StatusOr<std::vector<FleetMemberRecord>> SelectFleetMembers(const FleetRequest& request,
                                                                  size_t max_members,
                                                                  FleetStore& fleets,
                                                                  PolicyStore& store);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_FLEET_SELECTION_H_
