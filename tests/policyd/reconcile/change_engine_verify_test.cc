// What counts as live.

#include <atomic>
#include <map>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/change_engine_world.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

// Behind each address stand many machines; one of them shows `texts` for the SPF record in the
// second look after the write, and is met by nobody else.
class ManyMachines final : public AuthoritativeResolver {
 public:
  ManyMachines(AuthoritativeResolver& fleet, Texts texts)
      : fleet_(fleet), texts_(std::move(texts)) {}
  void Begin() { looks_ = 0; }
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override {
    absl::StatusOr<AuthoritativeAnswer> answer = fleet_.LookupAll(owner, type, over_tcp);
    if (owner != TestWorld::kSpf || looks_ < 0 || !answer.ok() || ++looks_ != 2) return answer;
    answer->servers[1].answer->txt.clear();
    for (const std::string& text : texts_) {
      answer->servers[1].answer->txt.push_back(MakeTxtRecord(text));
    }
    return answer;
  }
  int looks() const { return looks_; }

 private:
  AuthoritativeResolver& fleet_;
  const Texts texts_;
  std::atomic<int> looks_ = -1'000'000;
};

TEST_F(ChangeEngineTest, OneLookAtTheServersIsNoProof) {
  for (const bool third : {false, true}) {
    SCOPED_TRACE(third);
    TestWorld fresh;
    const std::string behind = third ? "v=spf1 +all" : TestWorld::kOldSpf;
    ManyMachines machines(fresh.fleet, {behind, "verification=1"});
    ChangeEngine looks({fresh.store, fresh.factory, fresh.resolver, machines, *fresh.suffixes,
                        fresh.clock, fresh.random, *fresh.pacer});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord plan,
                                  looks.Plan("example.com", {}, "tokens/p"));
    fresh.provider->Inject(
        {.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] { machines.Begin(); }, .skip = 2});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, looks.Apply(For(plan)));
    if (third) {
      EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
      EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
      continue;
    }
    EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
    EXPECT_EQ(machines.looks(), 4) << "two that agree, one after the other";
  }
}

TEST_F(ChangeEngineTest, VoidLookUpsOverIpv6ThatWereThereBeforeHoldNothingUp) {
  for (const std::string name : {"x.test", "y.test", "z.test"}) {
    world.resolver.SetA(Name(name), {"192.0.2.1"});
  }
  world.provider->SetTexts(TestWorld::kSpf, {"v=spf1 a:x.test a:y.test a:z.test ~all"});
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  EXPECT_TRUE(std::ranges::any_of(plan.guards, [](const GuardRecord& guard) {
    return guard.code == "SPF_VOID_LIMIT" && guard.verdict == GuardVerdict::kWarn;
  }));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
}

TEST_F(ChangeEngineTest, WaitsForServersThatAreBehind) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Seconds(40)});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_GE(change.end_time - change.apply_time, absl::Seconds(40));
}

TEST_F(ChangeEngineTest, ServersThatAreLongBehindAreAskedAgainLater) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Minutes(40)});
  const absl::Time start = world.clock.Now();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord waiting, Apply(plan));
  EXPECT_EQ(waiting.state, ChangeState::kVerifying);
  EXPECT_LE(world.clock.Now() - start, absl::Minutes(2));  // nobody is kept for longer
  const ChangeRecord change = TakeUpUntilItEnds(plan.id);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_GE(change.end_time - start, absl::Minutes(40));
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(world.managed_terms(), change.managed_after);
}

TEST_F(ChangeEngineTest, TheTtlSaysHowLongServersMayBeBehind) {
  for (const auto& [ttl_seconds, limit] : std::map<uint32_t, absl::Duration>{
           {5, absl::Minutes(1)}, {600, absl::Minutes(10)}, {86'400, absl::Hours(1)}}) {
    SCOPED_TRACE(ttl_seconds);
    TestWorld behind;
    behind.provider->Set(TestWorld::kSpf, behind.provider->Get(TestWorld::kSpf).records,
                         ttl_seconds);
    std::unique_ptr<ChangeEngine> runs = behind.MakeEngine();
    const ChangeRecord spf = runs->Plan("example.com", {.spf_from_decisions = true}, "p").value();
    behind.fleet.Configure(3, {.lag = absl::Hours(48)});
    const absl::Time start = behind.clock.Now();
    DMARCATE_ASSERT_OK_AND_ASSIGN(ChangeRecord change, runs->Apply(For(spf)));
    while (change.state == ChangeState::kVerifying) {
      behind.clock.Advance(absl::Seconds(30));
      ASSERT_TRUE(runs->Resume().ok());
      runs->WaitIdle();
      change = behind.store.GetChange("example.com", spf.id).value();
    }
    EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
    EXPECT_GE(change.end_time - start, limit - absl::Seconds(30));
    EXPECT_LE(change.end_time - start, limit + absl::Seconds(60));
  }
}

TEST_F(ChangeEngineTest, ServersThatStayBehindNeedAttentionAndNoRollback) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Hours(48)});
  ASSERT_TRUE(Apply(plan).ok());
  const ChangeRecord change = TakeUpUntilItEnds(plan.id);
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
  EXPECT_THAT(change.error_message, HasSubstr("ns4.test"));
  ExpectNewZone();
  // What was written is ours: a later plan can take it out again.
  EXPECT_EQ(world.managed_terms(), change.managed_after);
  world.fleet.Configure(3, {});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AThirdValueAtAServerNeedsAttention) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.fleet.Configure(1, {.lie = Texts{"v=spf1 +all"}}); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
}

}  // namespace
}  // namespace dmarcate
