// Terms that a person named go out of the record through the transaction, and come back the same
// way; wherever policyd is killed.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/guard.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/flatten_world.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

constexpr char kLive[] = "v=spf1  mx include:b.test ip4:203.0.113.9 ~all";
constexpr char kPruned[] = "v=spf1  mx ip4:203.0.113.9 ~all";

ReportFacts Facts(const std::string& term, const std::string& verdict = "unused",
                  std::vector<std::string> sources = {}) {
  return {.prune = {{term, verdict, "none of 900 messages", std::move(sources)}}};
}
ChangeIntent Prune(std::vector<std::string> terms) {
  ChangeIntent intent;
  intent.prune = std::move(terms);
  return intent;
}
ChangeRecord PlanIn(ChangeEngine& engine, const std::string& term = "include:b.test",
                    std::vector<std::string> sources = {}) {
  return engine
      .Plan("example.com", Prune({term}), "p", RunMode::kExecute,
            Facts(term, "unused", std::move(sources)))
      .value();
}
ApplyRequest For(const ChangeRecord& plan) {
  return {plan.domain, plan.id, plan.plan_digest, plan.revision, "a"};
}
std::string CodeOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}

class PruneTest : public testing::Test {
 protected:
  PruneTest() { world_.provider->SetTexts(world_.kSpf, {kLive, "verification=1"}); }

  TestWorld world_;
  std::unique_ptr<ChangeEngine> engine_ = world_.MakeEngine();
};

TEST_F(PruneTest, TakesOutExactlyThatAndPutsItBack) {
  const Texts dmarc = world_.Texts(world_.kDmarc);
  const ChangeRecord plan = PlanIn(*engine_);
  ASSERT_EQ(plan.state, ChangeState::kPlanned);
  ASSERT_EQ(plan.record_changes.size(), 1U);
  EXPECT_EQ(plan.record_changes[0].lookups_before, 2);
  EXPECT_EQ(plan.record_changes[0].lookups_after, 1);
  const auto told = std::ranges::find(plan.guards, guard_code::kSpfPrune, &GuardRecord::code);
  ASSERT_NE(told, plan.guards.end());
  EXPECT_THAT(told->message, HasSubstr("include:b.test goes (unused): none of 900 messages"));
  const absl::StatusOr<ChangeRecord> applied = engine_->Apply(For(plan));
  ASSERT_TRUE(applied.ok()) << applied.status();
  ASSERT_EQ(applied->state, ChangeState::kSucceeded) << applied->error_message;
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre(kPruned, "verification=1"));
  EXPECT_EQ(world_.Texts(world_.kDmarc), dmarc);
  EXPECT_THAT(world_.managed_terms(), IsEmpty());

  const absl::StatusOr<ChangeRecord> back =
      engine_->Rollback({applied->domain, applied->id, applied->revision, "a"});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->state, ChangeState::kSucceeded) << back->error_message;
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre(kLive, "verification=1"));
  // And that can be undone, too.
  const absl::StatusOr<ChangeRecord> again =
      engine_->Rollback({back->domain, back->id, back->revision, "a"});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre(kPruned, "verification=1"));
  EXPECT_EQ(world_.provider->writes(), 3);
}

TEST_F(PruneTest, DecisionsThatWaitAreNoPartOfIt) {
  // "a" is approved and not in the record yet.
  const ChangeRecord plan = PlanIn(*engine_);
  ASSERT_EQ(engine_->Apply(For(plan))->state, ChangeState::kSucceeded);
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre(kPruned, "verification=1"));
  const ChangeRecord next = engine_->Plan("example.com", {}, "p").value();
  ASSERT_EQ(engine_->Apply(For(next))->state, ChangeState::kSucceeded);
  EXPECT_THAT(world_.Texts(world_.kSpf),
              ElementsAre("v=spf1  mx ip4:203.0.113.9 include:a.test ~all", "verification=1"));
}

struct Refused {
  std::string name, term;
  ReportFacts facts;
  std::string want;
};
TEST_F(PruneTest, RefusesWhatAnApprovedSourceNeedsAndWhatNobodyLookedAt) {
  ASSERT_EQ(engine_->Apply(For(engine_->Plan("example.com", {}, "p").value()))->state,
            ChangeState::kSucceeded);
  const std::vector<Refused> cases = {
      {"OfOurs", "include:a.test", Facts("include:a.test"), "SPF_PRUNE_TERM"},
      {"ItsMailPassesThroughIt", "ip4:203.0.113.9", Facts("ip4:203.0.113.9", "used", {"a"}),
       "SPF_PRUNE_APPROVED"},
      {"NotThere", "include:c.test", Facts("include:c.test"), "SPF_PRUNE_TERM"},
      {"NobodyLooked", "include:b.test", {}, "SPF_PRUNE_TERM"}};
  for (const Refused& tested : cases) {
    SCOPED_TRACE(tested.name);
    const ChangeRecord plan =
        engine_->Plan("example.com", Prune({tested.term}), "p", RunMode::kExecute, tested.facts)
            .value();
    EXPECT_EQ(plan.state, ChangeState::kRefused);
    const GuardRecord* refusal = FindRefusal(plan.guards);
    ASSERT_NE(refusal, nullptr);
    EXPECT_EQ(refusal->code, tested.want);
    EXPECT_EQ(CodeOf(engine_->Apply(For(plan)).status()), "GUARD_REFUSED");
  }
}

TEST_F(PruneTest, AnApprovalSinceThePlanStopsIt) {
  world_.Decide("b", SourceState::kPending, "b.test");
  const ChangeRecord plan = PlanIn(*engine_);
  world_.Decide("b", SourceState::kApproved, "b.test");
  EXPECT_EQ(CodeOf(engine_->Apply(For(plan)).status()), "STALE_PLAN");
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre(kLive, "verification=1"));
  // Also of one whose mail was seen to pass through the term, whatever its own terms are.
  const ChangeRecord other = PlanIn(*engine_, "ip4:203.0.113.9", {"c"});
  world_.Decide("c", SourceState::kApproved, "c.test");
  EXPECT_EQ(CodeOf(engine_->Apply(For(other)).status()), "STALE_PLAN");
  EXPECT_EQ(world_.provider->writes(), 0);
}

TEST_F(PruneTest, EndsWhereverItWasKilled) {
  int kills = 0;
  for (const bool undo : {false, true}) {
    for (int point = 1;; ++point) {
      SCOPED_TRACE(testing::Message() << (undo ? "undone" : "applied") << ", killed at " << point);
      TestWorld world;
      world.provider->SetTexts(world.kSpf, {kLive, "verification=1"});
      const ChangeRecord plan = PlanIn(*world.MakeEngine());
      ASSERT_EQ(plan.state, ChangeState::kPlanned);
      const auto live = [&](int points, auto work) {
        ChangeEngineOptions options;
        options.max_running = 1;
        Life life(world, options);
        if (points > 0) life.killer.Arm(points);
        work(life.engine());
        life.engine().WaitIdle();
        return life.killer.dead();
      };
      const auto apply = [&](ChangeEngine& engine) { (void)engine.Apply(For(plan)); };
      const auto roll_back = [&](ChangeEngine& engine) {
        const ChangeRecord now = world.store.GetChange("example.com", plan.id).value();
        (void)engine.Rollback({now.domain, now.id, now.revision, "a"});
      };
      const auto resume = [](ChangeEngine& engine) { (void)engine.Resume(); };
      if (undo) live(0, apply);
      const bool died = undo ? live(point, roll_back) : live(point, apply);
      live(0, resume);
      if (undo) {
        live(0, roll_back);  // the operator asks again
      } else {
        live(0, apply);
      }
      const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
      ASSERT_EQ(change.state, undo ? ChangeState::kRolledBack : ChangeState::kSucceeded)
          << change.error_message;
      ASSERT_THAT(world.Texts(world.kSpf), ElementsAre(undo ? kLive : kPruned, "verification=1"));
      ASSERT_EQ(world.provider->writes(), undo ? 2 : 1);
      ASSERT_TRUE(world.store.OpenChanges()->empty());
      if (!died) break;
      ++kills;
    }
  }
  EXPECT_GT(kills, 10);
  std::printf("killed while pruning and undoing: %d times\n", kills);
}

// Terms that are flattened stay so, and what the record means is proved.
using PruneFlattenedTest = FlattenFixture;
TEST_F(PruneFlattenedTest, FlattenedTermsStayFlattened) {
  Applied();
  const std::string flattened = Live();
  const ChangeRecord plan = PlanIn(*engine, "include:o3.test");
  const GuardRecord* refusal = FindRefusal(plan.guards);
  ASSERT_EQ(refusal, nullptr) << refusal->message;
  EXPECT_TRUE(Has(plan, guard_code::kSpfFlattenProof, GuardVerdict::kPass));
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_TRUE(applied.ok()) << applied.status();
  ASSERT_EQ(applied->state, ChangeState::kSucceeded) << applied->error_message;
  std::string want = flattened;
  want.erase(want.find(" include:o3.test"), std::string(" include:o3.test").size());
  EXPECT_EQ(Live(), want);
  EXPECT_EQ(Receive(Live(), {}, kKept), SpfResult::kPass);
  EXPECT_EQ(Receive(Live(), {}, "10.0.3.1"), SpfResult::kSoftFail);
  EXPECT_EQ(Receive(Live(), {}, "10.0.4.1"), SpfResult::kPass);
  // The limit forces it no more: the next plan puts the terms back where they were meant.
  const ChangeRecord next = Plan();
  ASSERT_EQ(next.record_changes.size(), 1U);
  EXPECT_THAT(next.record_changes[0].after[0], HasSubstr("-ip4:192.0.2.78 include:a.test ~all"))
      << next.record_changes[0].after[0];

  const absl::StatusOr<ChangeRecord> back = Rollback(*applied);
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->state, ChangeState::kSucceeded) << back->error_message;
  EXPECT_EQ(Live(), flattened);
}

}  // namespace
}  // namespace dmarcate
