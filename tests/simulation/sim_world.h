// tests/simulation/sim_world.h
// A simulated world: virtual time, domains with mail, receivers that report, a DNS host, servers,
// and one or two policyds that run the real evidence builders, decision, plan and change code.
// Everything follows from the seed and from what is asked of it; nothing waits.
//
// True time is the world's own and only goes forward. The wall clock that policyd sees may jump.

#ifndef DMARCATE_TESTS_SIMULATION_SIM_WORLD_H_
#define DMARCATE_TESTS_SIMULATION_SIM_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_rollout_rules_store.h"
#include "lib/store/fake_rollout_store.h"
#include "policyd/provider/fake_provider.h"
#include "policyd/reconcile/rollout_controller.h"
#include "tests/simulation/dice.h"
#include "tests/simulation/mail.h"
#include "tests/simulation/policyd_life.h"
#include "tests/simulation/report_shelf.h"
#include "tests/simulation/sim_dns.h"
#include "tests/simulation/sim_evidence.h"
#include "tests/simulation/sim_watch.h"

namespace dmarcate::simulation {

struct WorldOptions {
  absl::Time begin = absl::FromUnixSeconds(1'767'571'200);  // Monday 2026-01-05
  ProviderClass provider_class = ProviderClass::kA;
  size_t policyds = 1;                         // two share the store
  std::vector<int> ticks = {9 * 60, 16 * 60};  // minutes of each true day at which policyd decides
};

// What an operator has asked for; what happens without it is policyd's own doing.
struct OperatorBook {
  std::optional<PolicyStage> abort_to;
  bool paused = false;
  struct Yes {
    std::string who;
    PolicyStage to = PolicyStage::kObserve;
    absl::Duration time;  // true
  };
  std::vector<Yes> yes;
  absl::Duration adopted = -absl::InfiniteDuration();  // last creation or resumption
};

class SimWorld {
 public:
  struct Site {
    Site(std::string name, SimDns& dns, PolicyStore& policies, const Clock& clock)
        : domain(name), watch(name, dns, policies, clock) {}
    std::string domain;
    std::vector<Sender> senders;
    Surroundings around;
    ReportShelf shelf;
    SimWatch watch;
    OperatorBook book;
    std::string rollout_id;
    // Of the reports of class ANCHORED that policyd could read, each once: what was true of them,
    // and what they claim, in messages by day.
    std::vector<Tally> delivered;
    std::map<DayNumber, int64_t> claimed;
    std::map<int32_t, std::set<DayNumber>> reported;   // by reporter
    std::map<int32_t, absl::Duration> last_delivered;  // by reporter, true time
    std::vector<MadeReport> waiting;                   // while the intake is down
    bool intake_down = false, backlog = false;         // backlog: received, and not read
  };

  SimWorld(uint64_t seed, const WorldOptions& options);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // Setting up; before the first RunTo.
  Site& AddDomain(const std::string& domain, const std::string& dmarc, const std::string& spf);
  void AddSender(Site& site, Sender sender);                      // publishes its key
  void AddName(const std::string& name, const std::string& spf);  // in a zone of others
  void AddReporter(Reporter reporter) { reporters.push_back(std::move(reporter)); }

  // Time.
  absl::Duration now() const { return clock.Monotonic(); }
  absl::Time TrueTime() const { return options_.begin + now(); }
  DayNumber Today() const { return DayOf(TrueTime()); }
  int32_t day() const { return static_cast<int32_t>(now() / absl::Hours(24)); }
  void At(absl::Duration when, std::function<void()> what);
  void RunTo(absl::Duration when);
  void RunDays(int32_t days) { RunTo(now() + absl::Hours(24 * days)); }
  // Policyd looks again soon, and some times more: something has happened.
  void Nudge();
  void TickAll();
  void JumpWall(absl::Duration away_from_truth);

  // What people do.
  absl::Status Start(Site& site, RolloutState state);
  // A yes to what is shown, if it waits for one.
  absl::Status Advance(Site& site, const std::string& who = "ann");
  // Rules of a domain, or of all (kRulesOfAll).
  void WantTwoPeople(const std::string& of);
  void Suspend(const std::string& of, bool suspended);
  // A freeze that begins in a while, by policyd's clock; its id, or empty: it was refused.
  std::string Freeze(const std::string& of, absl::Duration in, absl::Duration length);
  void Thaw(const std::string& of, const std::string& id);
  absl::Status Pause(Site& site);
  absl::Status Resume(Site& site);
  absl::Status Abort(Site& site, PolicyStage to);
  void Decide(Site& site, const std::string& source_id, SourceState state,
              AuthorizationSpec authorization = {.kind = AuthorizationSpec::Kind::kDkimOnly});
  // Writes a record by hand, beside Dmarcate.
  void WriteByHand(const std::string& owner, const std::vector<std::string>& texts);
  std::optional<Rollout> RolloutOf(const Site& site);
  absl::StatusOr<RolloutExplanation> Explain(const Site& site);

  // Accidents.
  void SetKey(Site& site, const std::string& selector, bool there);
  enum class Intake : uint8_t { kDown, kBacklog };
  void StopIntake(Site& site, Intake how);
  void StartIntake(Site& site);
  void Kill(size_t index, int effects);  // after so many more
  void Revive(size_t index);
  bool IsDead(size_t index) const { return lives_[index]->killer.dead(); }
  size_t policyds() const { return lives_.size(); }
  PolicydLife& life(size_t index) { return *lives_[index]; }

  // Called for every change of a record by policyd, with what it was and is.
  std::function<void(Site&, const std::string& owner, const std::vector<std::string>& before,
                     const std::vector<std::string>& after)>
      on_write;
  // The same for what is written by hand.
  std::function<void(Site&, const std::string& owner, const std::vector<std::string>& before,
                     const std::vector<std::string>& after)>
      on_foreign;
  // Puts something between the zone and policyd, before the first life; for mutants.
  std::function<std::unique_ptr<DnsProvider>(DnsProvider&)> wrap_provider;
  std::function<std::unique_ptr<RolloutStore>(RolloutStore&)> wrap_rollouts;
  // The DNS accounts are opened for writing whether or not policyd may write; for mutants.
  bool writes_anyway = false;

  // Taken apart by judges and tests.
  FakeClock clock;
  Dice dice;
  std::vector<Reporter> reporters;
  std::map<std::string, std::unique_ptr<Site>> sites;
  FakePolicyStore policies;
  FakeRolloutStore rollouts;
  FakeRolloutRulesStore rules;
  // Every freeze that was asked for, by policyd's clock.
  struct Frozen {
    std::string of, id;
    absl::Time added, begin, end, taken_back = absl::InfiniteFuture();
  };
  std::vector<Frozen> frozen;
  SimDns dns{clock};
  std::shared_ptr<FakeDnsProvider> provider;
  SimEvidence evidence{policies, rules, dns, clock};
  int64_t ticks = 0, reports_delivered = 0, kills = 0;

 private:
  void Changed(const DomainName& owner, const RrSet& rrset);
  void BeginDay();
  void Make(Site& site, size_t reporter, absl::Duration begin);
  void Deliver(Site& site, const MadeReport& report, size_t reporter);
  void Take(Site& site, const MadeReport& report);
  bool MayWrite() const;  // read-only as a whole, if any site is not to be written
  void Build(size_t index);
  RolloutController* Alive();
  Site* SiteOf(std::string_view owner);

  const WorldOptions options_;
  SeededRandom random_;
  SeededRandom rules_random_;  // apart: rules leave the ids of changes as they are
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<DnsProvider> wrapped_provider_;
  std::unique_ptr<RolloutStore> wrapped_rollouts_;
  std::vector<std::unique_ptr<PolicydLife>> lives_;
  std::multimap<absl::Duration, std::function<void()>> agenda_;
  std::map<std::string, std::vector<std::string>> texts_;  // by owner, as last seen
  bool by_hand_ = false;
  bool begun_ = false;
  absl::Duration nudged_ = -absl::InfiniteDuration();
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_SIM_WORLD_H_
