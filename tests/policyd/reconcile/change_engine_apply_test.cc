// How a plan is written, once, with whoever asks for it.

#include <future>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/change_engine_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ChangeEngineTest, ApplyWritesVerifiesAndRemembersItsTerms) {
  const ChangeRecord change = Applied();
  ExpectNewZone();
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(change.applied_by, "tokens/a");
  EXPECT_EQ(change.verifications.size(), 3 * FakeFleet::kServers);
  for (const VerificationRecord& record : change.verifications) EXPECT_TRUE(record.verified);
  EXPECT_EQ(world.managed_terms(), change.managed_after);
  std::vector<std::string> steps;
  for (const StepRecord& step : change.steps) {
    if (steps.empty() || steps.back() != step.step) steps.push_back(step.step);
  }
  EXPECT_THAT(
      steps, ElementsAre("LEASED", "READ", "COMPARED", "LINTED", "JOURNALED", "WRITING",
                         "READ_BACK", "WRITING", "READ_BACK", "WRITING", "READ_BACK", "VERIFYING"));
}

TEST_F(ChangeEngineTest, ApplyTwiceIsOneWrite) {
  const ChangeRecord plan = Plan();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord first, Apply(plan));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord second, Apply(plan));
  EXPECT_EQ(second.state, ChangeState::kSucceeded);
  EXPECT_EQ(second.revision, first.revision);
  EXPECT_EQ(world.provider->writes(), 3);
}

TEST_F(ChangeEngineTest, AForeignWriteBetweenReadAndWriteIsKept) {
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kDuring, .hook = [&] {
                            world.provider->SetTexts(TestWorld::kSpf,
                                                     {TestWorld::kOldSpf, "verification=1", "new"});
                          }});
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_EQ(CodeOf(applied.status()), "STALE_PLAN");
  EXPECT_THAT(ErrorReasonOf(applied.status())->metadata.at("found"), HasSubstr("new"));
  EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1", "new"}));
}

TEST_F(ChangeEngineTest, ALostAnswerIsReadBackNotRepeated) {
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .status = absl::UnknownError("connection reset")});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_EQ(world.provider->writes(), 1);
  EXPECT_TRUE(std::ranges::any_of(change.steps,
                                  [](const StepRecord& step) { return step.step == "UNKNOWN"; }));
}

TEST_F(ChangeEngineTest, CallerMayLeaveAndOthersHaveToWait) {
  world.PutDomain("www.example.com", "");
  const ChangeRecord plan = Plan();
  const ChangeRecord other = Plan({.spf_from_decisions = true});
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord running,
                                engine->Apply(For(plan), absl::ZeroDuration()));
  reached.get_future().wait();
  const absl::StatusOr<ChangeRecord> refused = Apply(other);
  EXPECT_EQ(CodeOf(refused.status()), "CHANGE_IN_PROGRESS");
  EXPECT_THAT(ErrorReasonOf(refused.status())->metadata.at("change"), HasSubstr(plan.id));
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kApplying);
  std::future<absl::StatusOr<ChangeRecord>> joined =
      std::async(std::launch::async, [&] { return Apply(plan); });
  go_on.set_value();
  EXPECT_EQ(joined.get()->state, ChangeState::kSucceeded);
  engine->WaitIdle();
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(CodeOf(Apply(other).status()), "STALE_PLAN");
}

TEST_F(ChangeEngineTest, ConcurrentAppliesAreOneWrite) {
  const ChangeRecord plan = Plan();
  std::vector<std::future<absl::StatusOr<ChangeRecord>>> applies;
  for (int i = 0; i < 8; ++i) {
    applies.push_back(std::async(std::launch::async, [&] { return Apply(plan); }));
  }
  for (auto& apply : applies) {
    const absl::StatusOr<ChangeRecord> change = apply.get();
    if (change.ok()) {
      EXPECT_EQ(change->state, ChangeState::kSucceeded);
    } else {
      EXPECT_EQ(CodeOf(change.status()), "ETAG_MISMATCH");
    }
  }
  EXPECT_EQ(world.provider->writes(), 3);
  ExpectNewZone();
}

TEST_F(ChangeEngineTest, AFullDiskStopsBeforeTheFirstWrite) {
  const ChangeRecord plan = Plan();
  world.store.FailPuts(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(Apply(plan), testing_support::StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(world.provider->writes(), 0);
  world.store.FailPuts(absl::OkStatus());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
}

TEST_F(ChangeEngineTest, AStoppedEngineTakesNoWork) {
  const ChangeRecord plan = Plan();
  engine->Stop();
  EXPECT_EQ(CodeOf(Apply(plan).status()), "SHUTTING_DOWN");
  ExpectOldZone();
}

}  // namespace
}  // namespace dmarcate
