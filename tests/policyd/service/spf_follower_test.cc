// A vendor that is flattened changes: what is planned, what is applied, and what waits.

#include "policyd/service/spf_follower.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/store/fake_insight_store.h"
#include "policyd/watch/insight_finding.h"
#include "tests/policyd/reconcile/flatten_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class SpfFollowerTest : public FlattenFixture {
 protected:
  void SetUp() override {
    FlattenFixture::SetUp();
    (void)Applied();
  }
  // As the watch does.
  void Tell(InsightState state = InsightState::kActive) {
    InsightRecord insight;
    insight.id = "vendor";
    insight.code = insight_code::kSpfVendorChanged;
    insight.state = state;
    ASSERT_TRUE(
        insights.UpdateInsights("example.com", {.put = {insight}}, InsightSync::kSynced).ok());
  }
  void Tick(SpfFollowMode mode) {
    SpfFollower(world.store, insights, *engine, world.clock, mode).Tick();
    engine->WaitIdle();
  }
  // Newest first.
  std::vector<ChangeRecord> Plans() {
    std::vector<ChangeRecord> changes = world.store.ListChanges("example.com", "", 100).value();
    std::erase_if(changes,
                  [](const ChangeRecord& one) { return one.requested_by != kSpfFollower; });
    return changes;
  }
  FakeInsightStore insights;
};

TEST_F(SpfFollowerTest, NothingIsPlannedWhereNothingHasChanged) {
  Tick(SpfFollowMode::kApply);
  EXPECT_THAT(Plans(), IsEmpty());
  Tell();  // of a vendor that has changed back since
  Tick(SpfFollowMode::kApply);
  EXPECT_THAT(Plans(), IsEmpty());
}

TEST_F(SpfFollowerTest, APlanWaitsForAPersonAndIsMadeOnce) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  const std::string live = Live();
  Tick(SpfFollowMode::kInsight);
  EXPECT_THAT(Plans(), IsEmpty());
  Tick(SpfFollowMode::kPlan);
  world.clock.Advance(absl::Hours(2));
  Tick(SpfFollowMode::kPlan);
  ASSERT_THAT(Plans(), SizeIs(1));
  EXPECT_EQ(Plans()[0].state, ChangeState::kPlanned);
  EXPECT_EQ(Live(), live);
  // A person applies it, hours later.
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(Plans()[0]));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_EQ(Receive(Live(), children, "203.0.113.9"), SpfResult::kPass);
  Tick(SpfFollowMode::kPlan);
  EXPECT_THAT(Plans(), SizeIs(1));
}

TEST_F(SpfFollowerTest, AnotherChangeOfTheVendorIsAnotherPlan) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  Tick(SpfFollowMode::kPlan);
  SetVendor(" ip4:203.0.113.0/29");
  Tick(SpfFollowMode::kPlan);
  EXPECT_THAT(Plans(), SizeIs(2));
}

TEST_F(SpfFollowerTest, WhatAPersonCancelledIsNotPlannedAgain) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  Tick(SpfFollowMode::kPlan);
  const ChangeRecord plan = Plans().at(0);
  ASSERT_TRUE(engine->Cancel({plan.domain, plan.id, plan.revision, "tokens/a"}).ok());
  Tick(SpfFollowMode::kApply);
  ASSERT_THAT(Plans(), SizeIs(1));
  EXPECT_EQ(Plans()[0].state, ChangeState::kCancelled);
}

TEST_F(SpfFollowerTest, AnInsightThatIsPutAsideIsNotFollowed) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell(InsightState::kDismissed);
  Tick(SpfFollowMode::kApply);
  EXPECT_THAT(Plans(), IsEmpty());
}

TEST_F(SpfFollowerTest, APlanThatNobodyAppliedIsMadeAnew) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  Tick(SpfFollowMode::kPlan);
  world.clock.Advance(kSpfFollowLifetime + absl::Minutes(1));
  Tick(SpfFollowMode::kPlan);
  EXPECT_THAT(Plans(), SizeIs(2));
}

TEST_F(SpfFollowerTest, IfTheOperatorWantsItALittleChangeIsApplied) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  Tick(SpfFollowMode::kApply);
  ASSERT_THAT(Plans(), SizeIs(1));
  EXPECT_EQ(Plans()[0].state, ChangeState::kSucceeded) << Plans()[0].error_message;
  EXPECT_EQ(Plans()[0].applied_by, kSpfFollower);
  EXPECT_EQ(Receive(Live(), children, "203.0.113.9"), SpfResult::kPass);
}

TEST_F(SpfFollowerTest, WhatAPersonTookBackWaitsForAPerson) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  const std::string before = Live();
  Tick(SpfFollowMode::kApply);
  ASSERT_EQ(Plans().at(0).state, ChangeState::kSucceeded) << Plans()[0].error_message;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord back, Rollback(Plans()[0]));
  ASSERT_EQ(back.state, ChangeState::kSucceeded) << back.error_message;
  for (int day = 0; day < 5; ++day) {
    Tick(SpfFollowMode::kApply);
    EXPECT_EQ(Live(), before) << "day " << day;
    world.clock.Advance(kSpfFollowLifetime + absl::Minutes(1));
  }
  // Another change of the vendor's is another matter.
  SetVendor(" ip4:203.0.113.0/29");
  Tick(SpfFollowMode::kApply);
  EXPECT_EQ(Plans()[0].state, ChangeState::kSucceeded) << Plans()[0].error_message;
  EXPECT_NE(Live(), before);
}

TEST_F(SpfFollowerTest, WhatSomebodyPutBackAtTheHostIsNotFoughtWith) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  const std::string before = Live();
  Tick(SpfFollowMode::kApply);
  ASSERT_EQ(Plans().at(0).state, ChangeState::kSucceeded) << Plans()[0].error_message;
  // By a tool that keeps the zone as it has it.
  world.provider->SetTexts(TestWorld::kSpf, {before, "verification=1"});
  for (int minute = 0; minute < 3; ++minute) {
    world.clock.Advance(absl::Minutes(1));
    Tick(SpfFollowMode::kApply);
  }
  EXPECT_EQ(Live(), before);
  ASSERT_THAT(Plans(), SizeIs(2)) << "the plan waits for a person";
  EXPECT_EQ(Plans()[0].state, ChangeState::kPlanned);
}

TEST_F(SpfFollowerTest, WhatWentBackByItselfIsNotTriedAgainEachMinute) {
  SetVendor(" ip4:203.0.113.0/28");
  Tell();
  const std::string before = Live();
  on_write = [this](const DomainName& owner) {
    if (owner != TestWorld::kSpf) return;
    world.resolver.Fail(owner, RrType::kTxt, absl::DataLossError("bogus"));
  };
  Tick(SpfFollowMode::kApply);
  ASSERT_THAT(Plans(), SizeIs(1));
  ASSERT_EQ(Plans()[0].state, ChangeState::kRolledBack) << Plans()[0].error_message;
  on_write = nullptr;
  world.resolver.Remove(TestWorld::kSpf);
  world.resolver.SetTxt(TestWorld::kSpf, {before});
  for (int minute = 0; minute < 3; ++minute) {
    world.clock.Advance(absl::Minutes(1));
    Tick(SpfFollowMode::kApply);
  }
  EXPECT_EQ(Live(), before);
  EXPECT_THAT(Plans(), SizeIs(1));
  world.clock.Advance(kSpfFollowLifetime);
  Tick(SpfFollowMode::kApply);
  EXPECT_EQ(Plans()[0].state, ChangeState::kSucceeded) << Plans()[0].error_message;
}

TEST_F(SpfFollowerTest, MuchAtOnceWaitsForAPersonEvenThen) {
  world.resolver.SetTxt(Name("a2.test"), {"v=spf1 ip4:198.51.100.0/28 -all"});  // 112 of 191 go
  Tell();
  Tick(SpfFollowMode::kApply);
  ASSERT_THAT(Plans(), SizeIs(1));
  EXPECT_EQ(Plans()[0].state, ChangeState::kPlanned);
}

TEST_F(SpfFollowerTest, ApprovalsThatNobodyHasAppliedAreNotSweptAlong) {
  SetVendor(" ip4:203.0.113.0/28");
  world.Decide("b", SourceState::kApproved, "b.test");
  Tell();
  Tick(SpfFollowMode::kApply);
  for (const ChangeRecord& plan : Plans()) EXPECT_NE(plan.state, ChangeState::kSucceeded);
  EXPECT_EQ(Receive(Live(), children, "203.0.113.9"), SpfResult::kSoftFail);
}

}  // namespace
}  // namespace dmarcate
