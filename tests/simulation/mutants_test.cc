// The simulator can fail: worlds in which one thing of the product is broken are caught, each by
// the rule that it breaks. What stands before the judge in the product (CheckNeverEvents, the
// guards of a plan) is broken along with it, as each would hide what the next one is for.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "policyd/rollout/codec.h"
#include "tests/policyd/reconcile/forwarding_rollouts.h"
#include "tests/simulation/random_run.h"

namespace dmarcate::simulation {
namespace {

constexpr uint64_t kMostSeeds = 60;

// Takes what it is told out of each entry of a rollout's log.
class ForgetfulRollouts final : public ForwardingRollouts {
 public:
  ForgetfulRollouts(RolloutStore& store, std::function<void(RolloutLogRecord&)> forget)
      : ForwardingRollouts(store), forget_(std::move(forget)) {}
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override {
    for (RolloutLogRecord& entry : log) forget_(entry);
    return store_.PutRollout(std::move(record), std::move(log));
  }

 private:
  const std::function<void(RolloutLogRecord&)> forget_;
};

// Writes other texts than it was given.
class WrongProvider final : public DnsProvider {
 public:
  WrongProvider(DnsProvider& provider, std::function<void(std::vector<TxtRecord>&)> change)
      : provider_(provider), change_(std::move(change)) {}
  ProviderClass provider_class() const override { return provider_.provider_class(); }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
    return provider_.FindZone(owner);
  }
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_.ListZones(); }
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
    return provider_.ReadRrSet(zone, owner);
  }
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
    RrSetChange wrong = change;
    change_(wrong.after);
    return provider_.Apply(zone, wrong);
  }
  ProviderTest Test() override { return provider_.Test(); }

 private:
  DnsProvider& provider_;
  const std::function<void(std::vector<TxtRecord>&)> change_;
};

void Replace(std::vector<TxtRecord>& records, const std::string& what, const std::string& with) {
  for (TxtRecord& record : records) {
    std::string text = record.Joined();
    const size_t at = text.find(what);
    if (at != std::string::npos) record = MakeTxtRecord(text.replace(at, what.size(), with));
  }
}

using Spoil = std::function<void(SimWorld&)>;
Spoil Evidenced(std::function<void(SimWorld&, const RolloutState&, absl::Time, Evidence&)> change) {
  return [change = std::move(change)](SimWorld& world) {
    world.evidence.Spoil(
        [&world, change](const RolloutState& state, absl::Time now, Evidence& evidence) {
          change(world, state, now, evidence);
        });
  };
}
// The rollout's settings, below every floor.
std::function<void(SimWorld&, SimWorld::Site&)> Settings(
    std::function<void(RolloutSettings&)> change) {
  return [change = std::move(change)](SimWorld& world, SimWorld::Site& site) {
    Rollout rollout = *world.RolloutOf(site);
    change(rollout.state.settings);
    rollout.record.state = EncodeState(rollout.state);
    (void)world.rollouts.PutRollout(rollout.record, {});
  };
}
Spoil Logged(std::function<void(RolloutLogRecord&)> forget) {
  return [forget = std::move(forget)](SimWorld& world) {
    world.wrap_rollouts = [forget](RolloutStore& store) {
      return std::make_unique<ForgetfulRollouts>(store, forget);
    };
  };
}
Spoil Written(std::function<void(std::vector<TxtRecord>&)> change) {
  return [change = std::move(change)](SimWorld& world) {
    world.wrap_provider = [change](DnsProvider& provider) {
      return std::make_unique<WrongProvider>(provider, change);
    };
  };
}

struct Mutant {
  std::string name;
  std::string rule;  // that catches it
  Spoil world = {};
  std::function<void(SimWorld&, SimWorld::Site&)> rollout = {};
  Honesty honesty = Honesty::kEither;
  bool go_on = false;
};

void ToReject(SimWorld& world, SimWorld::Site& site) {
  Rollout rollout = *world.RolloutOf(site);
  rollout.state.mode = RolloutMode::kAutomatic;
  rollout.state.target = PolicyStage::kReject;
  rollout.state.settings.accepted_loss = "mail through lists";
  rollout.record.state = EncodeState(rollout.state);
  (void)world.rollouts.PutRollout(rollout.record, {});
}

const Mutant kMutants[] = {
    {"AGateThatHasNoThreshold", "R1",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       for (SourceEvidence& source : evidence.sources) {
         for (SourceDay& day : source.days) day.aligned = day.dkim_aligned = day.messages;
       }
     })},
    {"NoDwell", "R2", {}, Settings([](RolloutSettings& settings) {
       settings.gates.observe_days = settings.gates.test_days = 4;
       settings.gates.quarantine_days = 4;
     })},
    {"AStageIsSkipped", "R2", Written([](auto& records) { Replace(records, "; t=y; pct=0", ""); })},
    {"StrangersCount", "R3",
     [](SimWorld& world) {
       // What a stranger reports is taken for a known receiver's, wherever it is kept.
       world.evidence.Spoil([](const RolloutState&, absl::Time, Evidence& evidence) {
         for (SourceEvidence& source : evidence.sources) {
           for (SourceDay& day : source.days)
             day.messages += 40, day.aligned += 40, day.dkim_aligned += 40;
         }
       });
     }},
    {"ReportsAloneStepDown", "R4",
     Evidenced([](SimWorld&, const RolloutState& state, absl::Time now, Evidence& evidence) {
       if (AppliedBy(state.stage) == DmarcPolicy::kNone) return;
       evidence.breakages = {{BreakageKind::kSelectorGone, "own-example.com", "s1._domainkey",
                              now - absl::Hours(2), 5, false}};
     })},
    {"TwoStepsDownADay", "R5",
     Evidenced([](SimWorld&, const RolloutState& state, absl::Time, Evidence&) {
       // Nothing is remembered of the step before.
       const_cast<RolloutState&>(state).last_auto_down = absl::InfinitePast();  // NOLINT: a mutant
     }),
     [](SimWorld& world, SimWorld::Site& site) {
       ToReject(world, site);
       world.At(absl::Hours(24 * 104), [&world, &site] { world.SetKey(site, "k1", false); });
       for (int hour = 6; hour < 48; hour += 6) {
         world.At(absl::Hours(24 * 104 + hour), [&world] { world.Nudge(); });
       }
     },
     Honesty::kHonest, true},
    {"AForeignTagIsLost", "R6", Written([](auto& records) { Replace(records, "; fo=1", ""); })},
    {"ASecondRecord", "R7", Written([](auto& records) {
       if (!records.empty() && records.front().Joined().starts_with("v=DMARC1")) {
         records.push_back(MakeTxtRecord("v=DMARC1; p=none"));
       }
     })},
    {"AnUnmanagedTermIsMoved",
     "R9",
     Written([](auto& records) { Replace(records, "ip4:198.51.100.0/24 ", ""); }),
     {},
     Honesty::kTroubled},
    {"RejectOfWhatIsNeverSigned", "R10",
     [](SimWorld& world) {
       Sender& own = world.sites.begin()->second->senders.front();
       own.selector.clear();
       own.unsigned_share = 1;
       world.evidence.Spoil([](const RolloutState&, absl::Time, Evidence& evidence) {
         for (SourceEvidence& source : evidence.sources) {
           source.spf_only = false;
           for (SourceDay& day : source.days) day.dkim_aligned = day.aligned;
         }
       });
     },
     ToReject, Honesty::kHonest},
    {"ADecisionWithoutItsReason", "R11",
     Logged([](RolloutLogRecord& entry) { entry.explanation.clear(); })},
    {"EvidenceOfAnotherDomain", "R3",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       if (evidence.sources.empty()) return;
       evidence.sources.push_back(evidence.sources.front());
       evidence.sources.back().id = "of-another";
     })},
    {"TheProofOfOwnershipIsNotAsked", "R13",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       evidence.control.domain_verified = true;
     }),
     [](SimWorld&, SimWorld::Site& site) { site.around.proven = false; }},
    {"ADryRunWrites", "R14",  // each of its two locks would do alone
     Evidenced([](SimWorld& world, const RolloutState&, absl::Time, Evidence& evidence) {
       evidence.control.writable = true;
       world.writes_anyway = true;
     }),
     [](SimWorld&, SimWorld::Site& site) { site.around.writable = false; }},
    {"OnePersonIsEnough", "R17",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       evidence.rules.two_people = false;
     }),
     [](SimWorld& world, SimWorld::Site& site) {
       world.WantTwoPeople(site.domain);
       ToReject(world, site);
     },
     Honesty::kHonest},
    {"AFreezeIsNotSeen", "R18",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       evidence.rules.freezes.clear();
     }),
     [](SimWorld& world, SimWorld::Site& site) {
       (void)world.Freeze(std::string(kRulesOfAll), absl::Hours(1), absl::Hours(24 * 300));
       ToReject(world, site);
     },
     Honesty::kHonest},
    {"NobodyIsTold",
     "R15",
     Logged([](RolloutLogRecord& entry) { entry.alert = false; }),
     {},
     Honesty::kTroubled},
    {"ABacklogIsNotSeen", "T5",
     Evidenced([](SimWorld&, const RolloutState&, absl::Time, Evidence& evidence) {
       evidence.ingest.queued = 0;
     }),
     [](SimWorld&, SimWorld::Site& site) { site.around.queued = 7; }},
};

class MutantTest : public testing::TestWithParam<Mutant> {};

TEST_P(MutantTest, IsCaught) {
  const Mutant& mutant = GetParam();
  RunOptions options;
  options.honesty = mutant.honesty;
  options.go_on = mutant.go_on;
  options.spoil = mutant.world;
  options.spoil_rollout = mutant.rollout;
  std::set<std::string> rules;
  for (uint64_t seed = 1; seed <= kMostSeeds; ++seed) {
    const RunResult run = RunSeed(seed, options);
    for (const Violation& violation : run.violations) {
      rules.insert(violation.rule);
      if (violation.rule != mutant.rule) continue;
      std::printf("%s: seed %lu: %s: %s\n", mutant.name.c_str(), seed, violation.rule.c_str(),
                  violation.text.c_str());
      return;
    }
  }
  ADD_FAILURE() << "not caught by " << mutant.rule << " in " << kMostSeeds << " seeds; by "
                << testing::PrintToString(rules);
}

INSTANTIATE_TEST_SUITE_P(All, MutantTest, testing::ValuesIn(kMutants),
                         [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace dmarcate::simulation
