// tests/policyd/reconcile/rollout_world.h
// Rollouts carried out by the real decision, plan and change code, over a provider, servers and
// evidence in memory.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_ROLLOUT_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_ROLLOUT_WORLD_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "lib/store/fake_rollout_rules_store.h"
#include "lib/store/fake_rollout_store.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/rollout_controller.h"
#include "policyd/reconcile/rollout_rules_book.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/policyd/rollout/rollout_testing.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {

inline const std::string kTail = "; x=1; rua=mailto:r@reports.test";
inline std::string Record(const std::string& policy, const std::string& test = "") {
  return "v=DMARC1; p=" + policy + kTail + test;
}
inline const std::string kTest = "; t=y; pct=0";

// Healthy reports of whatever day it is, and the record as the provider holds it.
class FakeEvidence final : public EvidenceGatherer {
 public:
  explicit FakeEvidence(TestWorld& world) : world_(world) {}
  Evidence Gather(const RolloutState& state, absl::Time now) override {
    ++gathered;
    Evidence evidence = HealthyEvidence(state, now, traffic);
    evidence.records.dmarc = world_.Texts(TestWorld::kDmarc);
    evidence.decisions_etag = etag;
    AddStandingRules(rules, now, evidence);
    if (change) change(state, now, evidence);
    return evidence;
  }
  Evidence GatherControl(const RolloutState& state, absl::Time now) override {
    Evidence evidence;
    evidence.domain = state.domain;
    evidence.decisions_etag = etag;
    AddStandingRules(rules, now, evidence);
    return evidence;
  }
  absl::Time StageSince(const RolloutState&, absl::Time now) override { return now; }
  std::string DecisionsEtag(std::string_view) override { return etag; }

  std::vector<Traffic> traffic = {Traffic{}};
  std::function<void(const RolloutState&, absl::Time, Evidence&)> change;
  std::string etag = "e1";
  std::atomic<int> gathered = 0;
  FakeRolloutRulesStore rules;

 private:
  TestWorld& world_;
};

inline std::string ReasonOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}

class RolloutWorldTest : public testing::Test {
 protected:
  RolloutWorldTest() {
    world.provider->SetTexts(TestWorld::kDmarc, {Record("none")});
    world.clock.JumpWallTo(kBegin);
    engine = world.MakeEngine();
    controller = Make(StoreUse::kExclusive);
    world.observer = [this](const DomainName& owner, const RrSet& rrset) {
      if (owner != TestWorld::kDmarc) return;
      for (const TxtRecord& record : rrset.records) published.push_back(record.Joined());
    };
  }
  std::unique_ptr<RolloutController> Make(StoreUse use) {
    return std::make_unique<RolloutController>(
        RolloutWorld{world.store, rollouts, *engine, evidence, world.clock, world.random},
        RolloutControllerOptions{.store_use = use, .patience = absl::InfiniteDuration()});
  }
  Rollout Start(RolloutMode mode, PolicyStage target = PolicyStage::kReject) {
    RolloutState state = HealthyState();
    state.mode = mode;
    state.target = target;
    auto rollout = controller->Create(state, "ann", RunMode::kExecute);
    EXPECT_THAT(rollout, testing_support::IsOk());
    return rollout.value_or(Rollout());
  }
  // So many days, with a tick each hour.
  void Days(int days) {
    for (int hour = 0; hour < 24 * days; ++hour) {
      world.clock.Advance(absl::Hours(1));
      (void)controller->Tick();
    }
  }
  RolloutState Now(const Rollout& rollout) {
    return ToRollout(rollouts.GetRollout(rollout.record.domain, rollout.record.id).value())
        .value()
        .state;
  }
  RolloutRequest Asked(const Rollout& rollout, const std::string& who = "ann") {
    return {
        .domain = rollout.record.domain,
        .id = rollout.record.id,
        .revision = rollouts.GetRollout(rollout.record.domain, rollout.record.id).value().revision,
        .principal = who};
  }
  std::vector<RolloutLogRecord> LogOf(const Rollout& rollout) {
    return rollouts.ListRolloutLog(rollout.record.domain, rollout.record.id, "", 1000).value();
  }

  TestWorld world;
  FakeRolloutStore rollouts;
  FakeEvidence evidence{world};
  std::unique_ptr<ChangeEngine> engine;
  std::unique_ptr<RolloutController> controller;
  std::vector<std::string> published;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_ROLLOUT_WORLD_H_
