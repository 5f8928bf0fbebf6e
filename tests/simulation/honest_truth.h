// tests/simulation/honest_truth.h
// Whether a gate that holds a rollout up is truly unmet: from what was sent and delivered in the
// simulated world, by other arithmetic than the gate's own.

#ifndef DMARCATE_TESTS_SIMULATION_HONEST_TRUTH_H_
#define DMARCATE_TESTS_SIMULATION_HONEST_TRUTH_H_

#include <string>

#include "policyd/rollout/state.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/sim_world.h"

namespace dmarcate::simulation {

bool IsTrulyUnmet(GateId gate, const SimWorld& world, const SimWorld::Site& site,
                  const RolloutState& state, const Judge& judge);
// The same for why it paused.
bool IsTruePause(PauseReason reason, const SimWorld& world, const SimWorld::Site& site);

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_HONEST_TRUTH_H_
