// tests/simulation/people.h
// What people of a simulated domain set for its rollouts (two people, freezes), and who of them
// says yes. Has dice of its own: a seed whose people set nothing is the same run as without this.

#ifndef DMARCATE_TESTS_SIMULATION_PEOPLE_H_
#define DMARCATE_TESTS_SIMULATION_PEOPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "policyd/rollout/codec.h"
#include "tests/simulation/judge.h"
#include "tests/simulation/sim_world.h"

namespace dmarcate::simulation {

class People {
 public:
  // `world` and `site` outlive it.
  People(uint64_t seed, SimWorld& world, SimWorld::Site& site)
      : dice_(seed * 2 + 7919), world_(world), site_(site) {}

  // Before the rollout begins.
  void SetRules(RolloutMode mode, bool honest);
  // Freezes that will be, of the domain and of all, some taken back early; how many.
  int PlanFreezes();
  bool two() const { return two_; }
  // Whether somebody looks today, of a rollout that goes on by itself where one is enough.
  bool Look() { return two_ && dice_.Happens(0.6); }
  // A yes by as many as are wanted; some try to be two. Whether a yes was taken.
  bool SayYes();

 private:
  Dice dice_;
  SimWorld& world_;
  SimWorld::Site& site_;
  bool two_ = false;
};

// R17: a step up for which two people are wanted has the yes of two different ones; R18: none was
// decided on in a freeze. From what people did, not from what the rollout kept of it.
std::vector<Violation> JudgePeople(SimWorld& world, const SimWorld::Site& site,
                                   const RolloutLogRecord& started, const Decision& decision);

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_PEOPLE_H_
