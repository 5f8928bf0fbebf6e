// A repair is a change like any other, with two differences: nothing else goes with it, and there
// is no way back to a broken record. It writes one RRset and nothing else, is seen by every server
// before it has succeeded, and ends wherever policyd is killed.

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Texts = std::vector<std::string>;

std::string RefusalOf(const ChangeRecord& plan) {
  for (const GuardRecord& guard : plan.guards) {
    if (guard.verdict == GuardVerdict::kRefuse) return guard.code;
  }
  return "";
}
std::string CodeOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : std::string(status.message());
}
ChangeRecord PlanIn(ChangeEngine& engine, RepairKind kind, const std::string& keep = "") {
  ChangeIntent intent;
  intent.repair = kind;
  intent.repair_keep = keep;
  return engine.Plan("example.com", intent, "p").value();
}
ApplyRequest For(const ChangeRecord& plan) {
  return {plan.domain, plan.id, plan.plan_digest, plan.revision, "a"};
}

class RepairTest : public testing::Test {
 protected:
  RepairTest() {
    world_.observer = [this](const DomainName& owner, const RrSet&) { ++written_[owner.text()]; };
  }
  ChangeRecord Plan(RepairKind kind, const std::string& keep = "") {
    return PlanIn(*engine_, kind, keep);
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& plan) {
    written_.clear();
    return engine_->Apply(For(plan));
  }
  // That the plan is applied, verified by every server, and has written `owner` once and nothing
  // else.
  ChangeRecord Succeed(const ChangeRecord& plan, const DomainName& owner) {
    EXPECT_EQ(plan.state, ChangeState::kPlanned) << RefusalOf(plan);
    EXPECT_THAT(plan.record_changes, SizeIs(1));
    const absl::StatusOr<ChangeRecord> applied = Apply(plan);
    EXPECT_TRUE(applied.ok()) << applied.status();
    EXPECT_EQ(applied->state, ChangeState::kSucceeded) << applied->error_message;
    EXPECT_THAT(written_, ElementsAre(testing::Pair(owner.text(), 1)));
    EXPECT_FALSE(applied->verifications.empty());
    for (const VerificationRecord& server : applied->verifications) {
      EXPECT_TRUE(server.verified) << server.name_server << ": " << server.detail;
      EXPECT_EQ(server.owner_name, owner.text());
    }
    return *applied;
  }
  // That there is no way back, and that saying so writes nothing.
  void ExpectNoWayBack(const ChangeRecord& applied) {
    const int writes = world_.provider->writes();
    const absl::StatusOr<ChangeRecord> back =
        engine_->Rollback({applied.domain, applied.id, applied.revision, "a"});
    ASSERT_FALSE(back.ok());
    EXPECT_EQ(CodeOf(back.status()), "ROLLBACK_BLOCKED") << back.status();
    EXPECT_THAT(std::string(back.status().message()), testing::HasSubstr("there is no way back"));
    EXPECT_EQ(world_.provider->writes(), writes);
  }

  TestWorld world_;
  std::unique_ptr<ChangeEngine> engine_ = world_.MakeEngine();
  std::map<std::string, int> written_;  // by owner
};

TEST_F(RepairTest, TwoSpfRecordsBecomeOne) {
  world_.provider->SetTexts(world_.kSpf,
                            {"v=spf1 mx -all", "verification=1", "v=spf1 include:b.test ~all"});
  const Texts dmarc = world_.Texts(world_.kDmarc);
  // Nothing else can be planned there, and nothing repairs it by itself.
  EXPECT_EQ(RefusalOf(engine_->Plan("example.com", {}, "p").value()), "SPF_MULTIPLE");
  const ChangeRecord applied = Succeed(Plan(RepairKind::kSpf), world_.kSpf);
  EXPECT_THAT(world_.Texts(world_.kSpf),
              ElementsAre("v=spf1 mx include:b.test ~all", "verification=1"));
  EXPECT_EQ(world_.Texts(world_.kDmarc), dmarc);
  EXPECT_THAT(world_.managed_terms(), IsEmpty()) << "what others wrote stays theirs";
  ExpectNoWayBack(applied);
  // The next plan is an ordinary one again.
  EXPECT_EQ(engine_->Plan("example.com", {}, "p")->state, ChangeState::kPlanned);
}

TEST_F(RepairTest, TermsOfOursStayOurs) {
  ASSERT_EQ(engine_->Apply(For(engine_->Plan("example.com", {}, "p").value()))->state,
            ChangeState::kSucceeded);
  ASSERT_THAT(world_.managed_terms(), SizeIs(1));
  world_.provider->SetTexts(world_.kSpf, {world_.kNewSpf, "verification=1", "v=spf1 a ~all"});
  Succeed(Plan(RepairKind::kSpf), world_.kSpf);
  EXPECT_THAT(world_.Texts(world_.kSpf),
              ElementsAre("v=spf1 mx ip4:203.0.113.9 include:a.test a ~all", "verification=1"));
  EXPECT_EQ(world_.managed_terms(), (std::vector<ManagedTerm>{{"include:a.test", "a"}}));
}

TEST_F(RepairTest, WhatIsNearlyARecordBecomesOne) {
  world_.provider->SetTexts(world_.kDmarc, {"v=DMARC1, p=quarantine", "x"});
  const Texts spf = world_.Texts(world_.kSpf);
  const ChangeRecord applied = Succeed(Plan(RepairKind::kDmarc), world_.kDmarc);
  EXPECT_THAT(world_.Texts(world_.kDmarc), ElementsAre("v=DMARC1; p=quarantine", "x"));
  EXPECT_EQ(world_.Texts(world_.kSpf), spf);
  ExpectNoWayBack(applied);
}

TEST_F(RepairTest, AChoiceIsAPersons) {
  world_.provider->SetTexts(world_.kDmarc, {"v=DMARC1; p=none", "v=DMARC1; p=reject"});
  const ChangeRecord refused = Plan(RepairKind::kDmarc);
  EXPECT_EQ(refused.state, ChangeState::kRefused);
  EXPECT_EQ(RefusalOf(refused), "REPAIR_CHOICE");
  EXPECT_EQ(CodeOf(Apply(refused).status()), "GUARD_REFUSED");
  EXPECT_THAT(written_, IsEmpty());
  const ChangeRecord applied =
      Succeed(Plan(RepairKind::kDmarc, "v=DMARC1; p=reject"), world_.kDmarc);
  EXPECT_THAT(world_.Texts(world_.kDmarc), ElementsAre("v=DMARC1; p=reject"));
  ExpectNoWayBack(applied);
}

TEST_F(RepairTest, WhatIsNotBrokenNeedsNothing) {
  const ChangeRecord plan = Plan(RepairKind::kSpf);
  EXPECT_EQ(plan.state, ChangeState::kSucceeded);
  EXPECT_THAT(plan.record_changes, IsEmpty());
}

// The broken record is in a zone that Dmarcate does not write.
TEST_F(RepairTest, InDelegatedModeItIsRefusedWithWhatAPersonHasToDo) {
  DomainRecord domain = world_.store.GetDomain("example.com").value();
  domain.delegation_zone = "ops.test";
  ASSERT_TRUE(world_.store.PutDomain(domain).ok());
  for (const RepairKind kind : {RepairKind::kSpf, RepairKind::kDmarc}) {
    const ChangeRecord plan = Plan(kind);
    EXPECT_EQ(plan.state, ChangeState::kRefused);
    EXPECT_EQ(RefusalOf(plan), "DELEGATION");
    ASSERT_FALSE(plan.guards.empty());
    EXPECT_THAT(plan.guards[0].message, testing::HasSubstr("by hand"));
    EXPECT_THAT(plan.guards[0].message, testing::HasSubstr("ops.test"));
    EXPECT_THAT(plan.record_changes, IsEmpty());
  }
}

TEST_F(RepairTest, AZoneThatMovedOnIsNotWrittenOver) {
  world_.provider->SetTexts(world_.kSpf, {"v=spf1 mx -all", "v=spf1 a -all"});
  const ChangeRecord plan = Plan(RepairKind::kSpf);
  world_.provider->SetTexts(world_.kSpf, {"v=spf1 mx -all"});
  EXPECT_EQ(CodeOf(Apply(plan).status()), "STALE_PLAN");
  EXPECT_EQ(world_.Texts(world_.kSpf), Texts{"v=spf1 mx -all"});
  EXPECT_THAT(written_, IsEmpty());
}

// There is no record to go back to: a person has to look.
TEST_F(RepairTest, WhereReceiversStillFailItStaysAndAPersonIsAsked) {
  world_.provider->SetTexts(world_.kSpf, {"v=spf1 mx -all", "v=spf1 include:b.test ~all"});
  const ChangeRecord plan = Plan(RepairKind::kSpf);
  world_.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                           .hook = [&] { world_.resolver.Remove(Name("b.test")); }});
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->state, ChangeState::kNeedsAttention) << ToString(applied->state);
  EXPECT_THAT(world_.Texts(world_.kSpf), ElementsAre("v=spf1 mx include:b.test ~all"));
  EXPECT_EQ(world_.provider->writes(), 1);
}

// policyd dies before and after each write to the store and to the zone, twice.
struct Killed {
  std::string name;
  RepairKind kind;
  DomainName owner;
  Texts broken, whole;
};
void PrintTo(const Killed& killed, std::ostream* out) { *out << killed.name; }

class RepairKillTest : public testing::TestWithParam<Killed> {
 protected:
  template <typename Work>
  static bool Live(TestWorld& world, int points, Work work) {
    ChangeEngineOptions options;
    options.max_running = 1;
    Life life(world, options);
    if (points > 0) life.killer.Arm(points);
    work(life.engine());
    life.engine().WaitIdle();
    return life.killer.dead();
  }
  static void Resume(ChangeEngine& engine) { (void)engine.Resume(); }
};

TEST_P(RepairKillTest, EndsWhereverItWasKilled) {
  const Killed& tested = GetParam();
  int kills = 0;
  for (int first = 1;; ++first) {
    bool died_first = false;
    for (int second = 1;; ++second) {
      SCOPED_TRACE(testing::Message() << "killed at " << first << ", then at " << second);
      TestWorld world;
      world.provider->SetTexts(tested.owner, tested.broken);
      std::map<std::string, Texts> others;
      for (const DomainName& owner : {world.kSpf, world.kDmarc, world.kReport}) {
        if (owner != tested.owner) others[owner.text()] = world.Texts(owner);
      }
      const ChangeRecord plan = PlanIn(*world.MakeEngine(), tested.kind);
      ASSERT_EQ(plan.state, ChangeState::kPlanned) << RefusalOf(plan);
      // In no instant does the name hold anything but one or the other.
      world.observer = [&](const DomainName& owner, const RrSet&) {
        EXPECT_EQ(owner, tested.owner);
        EXPECT_EQ(world.Texts(owner), tested.whole);
      };
      const auto apply = [&](ChangeEngine& engine) { (void)engine.Apply(For(plan)); };
      died_first = Live(world, first, apply);
      if (!died_first) break;
      ++kills;
      const bool died_second = Live(world, second, Resume);
      Live(world, 0, Resume);
      ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
      if (change.state == ChangeState::kPlanned) {
        ASSERT_EQ(world.Texts(tested.owner), tested.broken);
        Live(world, 0, apply);
        change = world.store.GetChange("example.com", plan.id).value();
      }
      ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
      ASSERT_EQ(world.Texts(tested.owner), tested.whole);
      ASSERT_EQ(world.provider->writes(), 1);
      for (const auto& [owner, texts] : others) ASSERT_EQ(world.Texts(Name(owner)), texts);
      ASSERT_TRUE(world.store.OpenChanges()->empty());
      // And whoever asks for the way back afterwards is told that there is none.
      Live(world, 0, [&](ChangeEngine& engine) {
        EXPECT_EQ(
            CodeOf(engine.Rollback({change.domain, change.id, change.revision, "a"}).status()),
            "ROLLBACK_BLOCKED");
      });
      ASSERT_EQ(world.Texts(tested.owner), tested.whole);
      if (!died_second) break;
    }
    if (!died_first) break;
  }
  EXPECT_GT(kills, 10);
  std::printf("%s: killed while repairing: %d times\n", tested.name.c_str(), kills);
}

INSTANTIATE_TEST_SUITE_P(
    All, RepairKillTest,
    testing::Values(Killed{"Spf",
                           RepairKind::kSpf,
                           TestWorld::kSpf,
                           {"v=spf1 mx -all", "verification=1", "v=spf1 include:b.test ~all"},
                           {"v=spf1 mx include:b.test ~all", "verification=1"}},
                    Killed{"Dmarc",
                           RepairKind::kDmarc,
                           TestWorld::kDmarc,
                           {" v=DMARC1; p=none", "x"},
                           {"v=DMARC1; p=none", "x"}}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace dmarcate
