// Going back: on request, and by itself.

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
using testing::IsEmpty;

// Rolling back takes the new address out; the old one, which stays, was revoked meanwhile.
TEST_F(ChangeEngineTest, ARollbackToARevokedAddressWarns) {
  static constexpr char kOld[] = "r-0000000000000000@reports.test";
  world.provider->SetTexts(TestWorld::kDmarc,
                           {std::string("v=DMARC1; p=reject; rua=mailto:") + kOld});
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox = "";
  domain.report_addresses = {{kOld, world.clock.Now()},
                             {"r-1111111111111111@reports.test", world.clock.Now()}};
  (void)world.store.PutDomain(domain).value();
  const auto warns = [](const ChangeRecord& change) {
    return std::ranges::any_of(change.guards, [](const GuardRecord& guard) {
      return guard.code == "DMARC_RUA_REVOKED" && guard.verdict == GuardVerdict::kWarn &&
             guard.metadata.at("addresses") == kOld;
    });
  };
  const ChangeRecord plan = Plan({.dmarc_report_address = true});
  EXPECT_FALSE(warns(plan));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord applied, Apply(plan));
  domain = world.store.GetDomain("example.com").value();
  domain.report_addresses[0].revoke_time = world.clock.Now();
  (void)world.store.PutDomain(domain).value();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(applied));
  EXPECT_TRUE(warns(rollback));
  EXPECT_NE(rollback.state, ChangeState::kRefused);
}

TEST_F(ChangeEngineTest, RollbackRestoresTheExactBytes) {
  std::vector<TxtRecord> oddly_cut = world.provider->Get(TestWorld::kSpf).records;
  oddly_cut[1].strings = {"verifi", "cation=1"};
  world.provider->Set(TestWorld::kSpf, oddly_cut, 777);
  const ChangeRecord change = Applied();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord dry, Rollback(change, RunMode::kValidateOnly));
  EXPECT_EQ(dry.revision, 0u);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_EQ(rollback.rollback_of, change.id);
  ExpectOldZone();
  EXPECT_EQ(world.provider->Get(TestWorld::kSpf).records, oddly_cut);
  EXPECT_EQ(world.provider->Get(TestWorld::kSpf).ttl_seconds, 777u);
  EXPECT_THAT(world.managed_terms(), IsEmpty());
  const ChangeRecord original = world.store.GetChange("example.com", change.id).value();
  EXPECT_EQ(original.state, ChangeState::kRolledBack);
  EXPECT_EQ(original.rolled_back_by, rollback.id);
  // Again: the same answer, no write. Applying the original again is over.
  const int writes = world.provider->writes();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord again, Rollback(original));
  EXPECT_EQ(again.id, rollback.id);
  EXPECT_EQ(CodeOf(Apply(original).status()), "CHANGE_STATE");
  EXPECT_EQ(world.provider->writes(), writes);
}

TEST_F(ChangeEngineTest, RollbackDoesNotTouchWhatOthersChanged) {
  const ChangeRecord change = Applied();
  world.provider->SetTexts(TestWorld::kDmarc, {"v=DMARC1; p=none"});
  const absl::StatusOr<ChangeRecord> rollback = Rollback(change);
  ASSERT_EQ(CodeOf(rollback.status()), "ROLLBACK_BLOCKED");
  EXPECT_THAT(ErrorReasonOf(rollback.status())->metadata.at("found"), HasSubstr("p=none"));
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(CodeOf(Rollback(Plan()).status()), "CHANGE_STATE");
}

// Else nobody could settle a change of unknown outcome at a name where others write, too.
TEST_F(ChangeEngineTest, WhatIsBackAlreadyIsLeftAsItIsWhateverStandsBesideIt) {
  const RrSet dmarc = world.provider->Get(TestWorld::kDmarc);
  const ChangeRecord change = Applied();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=2", "another"});
  world.provider->Set(TestWorld::kDmarc, dmarc.records, dmarc.ttl_seconds);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_EQ(world.store.GetChange("example.com", change.id).value().state,
            ChangeState::kRolledBack);
  EXPECT_THAT(world.Texts(TestWorld::kSpf),
              ElementsAre(TestWorld::kOldSpf, "verification=2", "another"));
}

// Three tries of the write of one RRset fail with an outcome that nobody knows.
TEST_F(ChangeEngineTest, APartlyWrittenChangeGoesBackAsFarAsItCame) {
  for (int written = 0; written < 3; ++written) {
    SCOPED_TRACE(testing::Message() << written << " written");
    TestWorld partly;
    const std::unique_ptr<ChangeEngine> runs = partly.MakeEngine();
    const ChangeRecord plan = runs->Plan("example.com", {}, "p").value();
    partly.provider->Inject(
        {.status = absl::UnknownError("reset"), .skip = written, .times = 1'000});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, runs->Apply(For(plan)));
    ASSERT_EQ(change.state, ChangeState::kNeedsAttention);
    ASSERT_EQ(partly.provider->writes(), written);
    partly.provider->ClearFaults();
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        const ChangeRecord rollback,
        runs->Rollback({change.domain, change.id, change.revision, "tokens/a"}));
    EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
    EXPECT_EQ(rollback.record_changes.size(), static_cast<size_t>(written));
    EXPECT_EQ(partly.provider->writes(), 2 * written);
    EXPECT_EQ(partly.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1"}));
    EXPECT_EQ(partly.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
    EXPECT_EQ(partly.Texts(TestWorld::kReport), Texts{});
    EXPECT_THAT(partly.managed_terms(), IsEmpty());
    EXPECT_EQ(partly.store.GetChange("example.com", change.id)->rolled_back_by, rollback.id);
  }
}

TEST_F(ChangeEngineTest, ARollbackAskedForAgainIsJoined) {
  const ChangeRecord change = Applied();
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  const RollbackRequest request{change.domain, change.id, change.revision, "tokens/a"};
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord first,
                                engine->Rollback(request, absl::ZeroDuration()));
  reached.get_future().wait();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord second,
                                engine->Rollback(request, absl::ZeroDuration()));
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.state, ChangeState::kApplying);
  go_on.set_value();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord third, engine->Rollback(request));
  EXPECT_EQ(third.id, first.id);
  EXPECT_EQ(third.state, ChangeState::kSucceeded);
  EXPECT_EQ(world.provider->writes(), 6);
  EXPECT_EQ(world.store.ListChanges("example.com", "", 10)->size(), 2u);
}

TEST_F(ChangeEngineTest, ARollbackThatNobodyRunsIsShownNotPlannedAgain) {
  const ChangeRecord change = Applied();
  // The provider goes down, and policyd with it.
  world.provider->Inject({.status = absl::UnavailableError("down"),
                          .hook = [&] { world.pacer->Stop(); },
                          .times = 1'000'000});
  EXPECT_FALSE(Rollback(change).ok());
  engine.reset();
  engine = world.MakeEngine();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord open, Rollback(change));
  EXPECT_EQ(open.rollback_of, change.id);
  EXPECT_EQ(open.state, ChangeState::kApplying);
  world.provider->ClearFaults();
  ASSERT_TRUE(engine->Resume().ok());
  engine->WaitIdle();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord ended, Rollback(change));
  EXPECT_EQ(ended.id, open.id);
  EXPECT_EQ(ended.state, ChangeState::kSucceeded);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, ARefusedRollbackLeavesNoPlanBehind) {
  const ChangeRecord change = Applied();
  world.Decide("b", SourceState::kApproved, "b.test");
  const ChangeRecord other = Plan();
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord running,
                                engine->Apply(For(other), absl::ZeroDuration()));
  reached.get_future().wait();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CodeOf(Rollback(change).status()), "CHANGE_IN_PROGRESS");
  }
  EXPECT_EQ(world.store.ListChanges("example.com", "", 10)->size(), 2u);
  go_on.set_value();
  engine->WaitIdle();
  // Stored, and then no worker takes it.
  engine->Stop();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kNewSpf, "verification=1"});
  EXPECT_EQ(CodeOf(Rollback(change).status()), "SHUTTING_DOWN");
  const auto changes = world.store.ListChanges("example.com", "", 10);
  ASSERT_TRUE(changes.ok()) << changes.status();
  for (const ChangeRecord& one : *changes) {
    EXPECT_NE(one.state, ChangeState::kPlanned);
  }
}

TEST_F(ChangeEngineTest, GoesBackWhenReceiversFailOnWhatIsLive) {
  const ChangeRecord plan = Plan();
  // The vendor's record goes away between the count and the proof.
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.resolver.Remove(Name("a.test")); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "DANGLING_INCLUDE");
  ExpectOldZone();
  EXPECT_THAT(world.managed_terms(), IsEmpty());
}

TEST_F(ChangeEngineTest, GoesBackWhenSignaturesBreak) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook =
                              [&] {
                                world.resolver.Fail(TestWorld::kSpf, RrType::kTxt,
                                                    absl::DataLossError("bogus"));
                              },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "DNSSEC_BOGUS");
  EXPECT_GE(change.end_time - change.apply_time, ChangeEngineOptions().verdict_period);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AStepDownIsNotTakenBackByItself) {
  const ChangeRecord plan = Plan({.policy = PolicyMove{PolicyScope::kDomain, PolicyStage::kObserve,
                                                       PolicyDirection::kDown, "r"}});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] {
                            world.resolver.Fail(TestWorld::kDmarc, RrType::kTxt,
                                                absl::DataLossError("bogus"));
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention) << "p=reject again, without a gate";
  EXPECT_EQ(change.error_reason, "DNSSEC_BOGUS");
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(HasSubstr("p=none")));
}

TEST_F(ChangeEngineTest, DoesNotGoBackBecauseOfABadMoment) {
  FlakyResolver flaky(world.resolver, TestWorld::kSpf);
  const ChangeRecord plan = Plan();
  ChangeEngine looks_again({world.store, world.factory, flaky, world.fleet, *world.suffixes,
                            world.clock, world.random, *world.pacer});
  world.provider->Inject(
      {.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] { flaky.FailNext(3); }, .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, looks_again.Apply(For(plan)));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_EQ(flaky.left(), 0);
  ExpectNewZone();
}

TEST_F(ChangeEngineTest, WritesOfAStalePrefixGoBack) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore,
                          .hook = [&] { world.provider->SetTexts(TestWorld::kSpf, {"foreign"}); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "STALE_PLAN");
  EXPECT_EQ(world.Texts(TestWorld::kSpf), Texts{"foreign"});
  EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
  EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{});
}

TEST_F(ChangeEngineTest, ARollbackWhoseProviderIsDownIsNeverForgotten) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.resolver.Remove(Name("a.test")); },
                          .skip = 2});
  world.provider->Inject({.status = absl::UnavailableError("down"), .skip = 2, .times = 1'000'000});
  EXPECT_FALSE(Apply(plan).ok());
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kRollingBack);
  world.provider->ClearFaults();
  ASSERT_TRUE(engine->Resume().ok());
  engine->WaitIdle();
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kRolledBack);
  ExpectOldZone();
}

}  // namespace
}  // namespace dmarcate
