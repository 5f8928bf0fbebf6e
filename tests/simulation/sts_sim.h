// tests/simulation/sts_sim.h
// One domain on its way through MTA-STS in virtual time, from a seed: the real decision, plan and
// change code and the real controller, among slow and wrong web servers, mail servers that break,
// senders with caches, reporters, people, strangers who edit the zone, outages, and deaths of
// policyd. What must hold is stated from what this world has seen, and not from what the code
// keeps (policyd/mta_sts/never_events.h has the numbers).

#ifndef DMARCATE_TESTS_SIMULATION_STS_SIM_H_
#define DMARCATE_TESTS_SIMULATION_STS_SIM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/time.h"
#include "lib/store/fake_rollout_store.h"
#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/state.h"
#include "policyd/reconcile/mta_sts_served.h"
#include "policyd/reconcile/sts_evidence_gatherer.h"
#include "policyd/reconcile/sts_file_source.h"
#include "tests/policyd/reconcile/sts_life.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/simulation/dice.h"

namespace dmarcate::simulation {

class StsSim final : public StsFileSource, public StsEvidenceGatherer {
 public:
  static constexpr absl::Duration kTick = absl::Hours(6);

  // `honest`: nothing goes wrong but that policyd dies.
  StsSim(uint64_t seed, bool honest);

  // So many days with everything that may happen.
  void Run(int days);
  // From now on nothing goes wrong, and a person resumes what is paused.
  void Heal(int days);
  // Each decision that was written down, made again.
  void ReplayAll();

  // Never-events, with the time; empty: none.
  const std::vector<std::string>& violations() const { return violations_; }
  // Of the last rollout; nothing: none was ever made.
  std::optional<StsRollout> Last();
  std::vector<std::string> Live() const { return world_.Texts(owner_); }
  std::optional<std::string> Served();
  // Of all sessions under the policy of its stage, since that began.
  double FailedShare();
  // What the last rollout would do now, and why.
  std::string Explanation();
  bool idle() { return world_.store.OpenChanges()->empty(); }
  absl::Time begin() const { return begin_; }

  int64_t kills = 0, announced = 0, removed = 0, steps_down = 0, replayed = 0, refused = 0;
  absl::Time enforced = absl::InfiniteFuture();  // the first time

  absl::StatusOr<ServedStsFile> Fetch(const DomainName& domain) override;
  StsEvidence Gather(const StsState& state, absl::Time now) override;

 private:
  struct Host {
    std::vector<MxFault> faults;
    absl::Time since;
  };
  enum class Web : uint8_t { kOurs, kForeign, kMissing, kSilent };

  void Tick();
  void Happen();
  void BreakSomething();
  void People(StsLife& life);
  bool RollBack(StsLife& life, const ChangeRecord& change);
  void PutBack(const ChangeRecord& change);
  void SayYes(StsLife& life, const StsRollout& rollout);
  void Steer(StsLife& life, const StsRollout& rollout);
  void Lookers();  // the web server's owner, senders and reporters
  void NewLife();
  void Strangers(std::vector<std::string> texts);
  void SetHosts();
  void PutRecordBack();
  RolloutRequest Asked(const StsRollout& rollout) const;
  StsState Wanted();

  void OnWrite(const RrSet& rrset);
  void JudgeAnnounced(const StsRollout& rollout, const std::string& before,
                      const std::string& after);
  void JudgeRemoved();
  void Violation(std::string text);

  const DomainName domain_, owner_;
  Dice dice_;
  const bool honest_;
  bool healed_ = false;
  TestWorld world_;
  FakeRolloutStore rollouts_;
  MtaStsServed served_by_policyd_;
  std::unique_ptr<StsLife> life_;
  absl::Time begin_;

  // The world.
  std::map<std::string, Host> hosts_;
  // Sessions under each policy: on which days, and how many of 100 failed.
  std::map<std::string, std::map<DayNumber, int64_t>> sessions_;
  int64_t failing_ = 0;
  Web web_ = Web::kOurs;
  int64_t slowness_ = 0;  // ticks until who hosts the file puts it there; 0: policyd serves it
  std::string hosted_, wanted_;
  absl::Time wanted_since_;
  bool blind_ = false;   // no look-up succeeds
  bool reports_ = true;  // reach ingestd
  bool mx_looked_ = true;
  absl::Time last_drift_ = absl::InfinitePast();
  std::string last_body_;
  absl::Time body_since_;

  // What was seen.
  bool not_policyd_ = false;  // somebody else writes
  std::vector<std::string> texts_;
  std::string announced_file_;
  std::set<std::string> yes_;  // files that a person said yes to
  absl::Time cached_until_ = absl::InfinitePast();
  absl::Time expired_ = absl::InfinitePast();  // when a certificate was out of date, and no more
  std::vector<std::string> violations_;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_STS_SIM_H_
