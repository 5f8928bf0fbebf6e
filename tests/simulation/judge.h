// tests/simulation/judge.h
// What must never happen (reference/safety.md 6.4, R1 to R16), as properties of a simulated run:
// judged at every write of policyd, from the truth of the world and from the records as texts. It
// asks none of the code that it judges: no gate, no CheckNeverEvents, no plan, no parser of
// records.
//
// Besides R1 to R16, R17 and R18 (people.h). And "T": what the failure table of safety.md 6.3 asks
// for at a write (nothing moves up while the intake is behind, a store is full, an operator has
// paused it; nothing is written over what somebody else wrote and nobody has looked at).

#ifndef DMARCATE_TESTS_SIMULATION_JUDGE_H_
#define DMARCATE_TESTS_SIMULATION_JUDGE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "tests/simulation/sim_world.h"

namespace dmarcate::simulation {

// One record as its tags, in order: names in lower case, values as they stand.
using TagList = std::vector<std::pair<std::string, std::string>>;
TagList ReadTags(const std::string& text);

// The rung of the record, told from its tags: 0 none, 1 quarantine in test, 2 quarantine, 3 reject
// in test, 4 reject; -1: no record, or several.
int RungOf(const std::vector<std::string>& texts);

struct Violation {
  std::string rule;  // "R2"
  std::string text;
};

class Judge {
 public:
  // Watches `world` from now on; the world outlives it.
  explicit Judge(SimWorld& world);

  // What can be judged only in the end: that each lowering was told, that each decision is in the
  // log with its reason and can be made again.
  void CheckEnd();

  const std::vector<Violation>& violations() const { return violations_; }
  int64_t writes() const { return writes_; }
  int64_t ups() const { return ups_; }
  int64_t downs() const { return downs_; }
  int64_t replayed() const { return replayed_; }
  // When the record of a site came to stand where it stands.
  absl::Duration StageSince(const SimWorld::Site& site) const;
  // The days on which a report may mix two policies.
  std::set<DayNumber> MixedDays(const SimWorld::Site& site) const;

 private:
  struct Move {
    absl::Duration time;
    int from = 0, to = 0;
    bool ours = false, automatic_down = false;
  };
  struct Lowering {
    std::string domain, rollout, change;
    absl::Duration time;
  };

  void OnWrite(SimWorld::Site& site, const std::string& owner,
               const std::vector<std::string>& before, const std::vector<std::string>& after);
  void OnForeign(SimWorld::Site& site, const std::string& owner,
                 const std::vector<std::string>& before, const std::vector<std::string>& after);
  void OnDmarc(SimWorld::Site& site, const std::vector<std::string>& before,
               const std::vector<std::string>& after);
  void OnSpf(SimWorld::Site& site, const std::vector<std::string>& before,
             const std::vector<std::string>& after);
  void OnUp(SimWorld::Site& site, int from, int to, const TagList& tags);
  void OnDown(SimWorld::Site& site, int from, int to, const ChangeRecord* change);
  void CheckSenders(SimWorld::Site& site, int to);
  void CheckEvidence(SimWorld::Site& site, const std::string& change_id);
  void Break(const SimWorld::Site& site, std::string rule, std::string text);

  SimWorld& world_;
  std::map<std::string, std::vector<Move>> moves_;  // by domain
  std::vector<Lowering> lowerings_;
  std::vector<Violation> violations_;
  int64_t writes_ = 0, ups_ = 0, downs_ = 0, replayed_ = 0;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_JUDGE_H_
