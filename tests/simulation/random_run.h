// tests/simulation/random_run.h
// One random run of a rollout from a seed: the domain, its mail, its receivers, its operator, and
// in most runs what goes wrong. docs/rollout.md says how to repeat one.

#ifndef DMARCATE_TESTS_SIMULATION_RANDOM_RUN_H_
#define DMARCATE_TESTS_SIMULATION_RANDOM_RUN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/judge.h"
#include "tests/simulation/sim_world.h"

namespace dmarcate::simulation {

enum class Honesty : uint8_t { kEither, kHonest, kTroubled };

struct RunOptions {
  Honesty honesty = Honesty::kEither;
  // Called once the world is built and before its first day; for mutants.
  std::function<void(SimWorld&)> spoil;
  // And once its rollout is there.
  std::function<void(SimWorld&, SimWorld::Site&)> spoil_rollout;
  bool go_on = false;  // an honest run does not end with its target
  bool print = false;  // the steps of the run
};

struct RunResult {
  uint64_t seed = 0;
  bool honest = false;     // nothing goes wrong, and nobody lies
  bool reached = false;    // the target
  int32_t days = 0;        // simulated
  int32_t reached_on = 0;  // day
  std::string waits_for;   // what the last explanation names: "G1 loss-bound", "pause new-source"
  std::string truth;       // which of it is not so; empty: it is all truly unmet
  std::vector<Violation> violations;
  int64_t writes = 0, ups = 0, downs = 0, kills = 0, replayed = 0, ticks = 0;
  std::map<std::string, int> troubles;  // what went wrong, how often
};

RunResult RunSeed(uint64_t seed, const RunOptions& options = {});

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_RANDOM_RUN_H_
