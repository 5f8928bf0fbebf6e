// A person sets the records, and the servers are in memory: what the time that they take, and
// servers that never catch up, come to. Real servers: tests/conformance/real_manual_test.cc.

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/provider/manual/manual_provider.h"
#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::StatusIs;

class ManualWaitTest : public testing::Test {
 protected:
  ManualWaitTest() {
    world.factory.Add("dns",
                      std::make_shared<ManualProvider>(world.fleet, std::vector<DomainName>{}));
    world.clock.Advance(absl::Hours(2));
  }
  // The one record of a plan about SPF alone.
  ChangeRecord Begin() {
    const ChangeRecord plan =
        engine->Plan("example.com", {.spf_from_decisions = true}, "tokens/p").value();
    EXPECT_TRUE(plan.by_hand);
    return engine->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "tokens/a"})
        .value();
  }
  void SetByHand() {
    world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kNewSpf, "verification=1"});
  }
  ChangeRecord Look(const ChangeRecord& change) {
    world.clock.Advance(absl::Seconds(30));
    EXPECT_TRUE(engine->Resume().ok());
    engine->WaitIdle();
    return world.store.GetChange(change.domain, change.id).value();
  }

  TestWorld world;
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
};

TEST_F(ManualWaitTest, EndsWhenAllServersShowIt) {
  ChangeRecord change = Look(Begin());
  ASSERT_EQ(change.state, ChangeState::kApplying);
  SetByHand();
  change = Look(change);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
}

TEST_F(ManualWaitTest, WhatOneServerShowsWasSet) {
  ChangeRecord change = Look(Begin());
  world.fleet.Configure(3, {.lag = absl::Hours(24 * 365)});
  SetByHand();
  change = Look(change);
  ASSERT_EQ(change.state, ChangeState::kApplying);
  EXPECT_THAT(engine->Cancel({change.domain, change.id, change.revision, "tokens/a"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is set")));
  world.clock.Advance(ChangeEngineOptions().manual_limit);
  change = Look(change);
  // "Nobody set it" would leave a term in the record that the book knows nothing of.
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
  EXPECT_EQ(world.managed_terms(), (std::vector<ManagedTerm>{{"include:a.test", "a"}}));
}

TEST_F(ManualWaitTest, WhatNobodySetLeavesTheBookAlone) {
  ChangeRecord change = Look(Begin());
  world.clock.Advance(ChangeEngineOptions().manual_limit);
  change = Look(change);
  EXPECT_EQ(change.state, ChangeState::kFailed);
  EXPECT_EQ(change.error_reason, "PLAN_EXPIRED");
  EXPECT_TRUE(world.managed_terms().empty());
}

}  // namespace
}  // namespace dmarcate
