// Flattening as a transaction: example.com is at 11 look-ups, and what stands in child records is
// there for everybody who is led to it, at every moment and in every cache.

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/guard.h"
#include "policyd/plan/spf_children.h"
#include "policyd/reconcile/lease_watch.h"
#include "policyd/reconcile/live_reader.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/flatten_world.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string ReasonOf(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : status.ToString();
}

using FlattenTest = FlattenFixture;

TEST_F(FlattenTest, ElevenLookUpsBecomeTen) {
  const ChangeRecord change = Applied();
  ASSERT_THAT(change.record_changes, SizeIs(2));
  EXPECT_EQ(change.record_changes[1].owner_name, "example.com");
  EXPECT_EQ(change.record_changes[1].lookups_before, 9);
  EXPECT_EQ(change.record_changes[1].lookups_after, 10);
  EXPECT_TRUE(Has(change, guard_code::kSpfFlattenProof, GuardVerdict::kPass));
  ASSERT_THAT(LiveChildren(), SizeIs(1));
  EXPECT_THAT(Live(), HasSubstr("include:" + LiveChildren()[0].text()));
  EXPECT_EQ(Receive(Live(), children, kKept), SpfResult::kPass);
  EXPECT_EQ(Receive(Live(), children, kNever), SpfResult::kFail) << "somebody's -ip4 is before it";
  EXPECT_EQ(Receive(Live(), children, "203.0.113.1"), SpfResult::kSoftFail);
  EXPECT_THAT(world.managed_terms(), SizeIs(2));
  EXPECT_THAT(Plan().record_changes, IsEmpty()) << "nothing is left to do";
}

TEST_F(FlattenTest, TheRecordIsWrittenOnceEveryServerShowsItsChildren) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Seconds(40)});
  bool looked = false;
  on_write = [&](const DomainName& owner) {
    if (owner != TestWorld::kSpf) return;
    looked = true;
    const AuthoritativeAnswer answer =
        world.fleet.LookupAll(LiveChildren().at(0), RrType::kTxt, true).value();
    for (const ServerAnswer& server : answer.servers) {
      EXPECT_THAT(server.answer->txt, SizeIs(1)) << server.name_server.text();
    }
  };
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_TRUE(looked);
}

TEST_F(FlattenTest, ServersThatAreLongBehindWithAChildHoldTheRecordUp) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Minutes(4)});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord waiting, Apply(plan));
  EXPECT_EQ(waiting.state, ChangeState::kApplying);
  EXPECT_EQ(Live(), live_);
  EXPECT_THAT(LiveChildren(), SizeIs(1));
  const ChangeRecord change = TakeUpUntilItEnds(plan);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
}

TEST_F(FlattenTest, AChildThatAServerNeverShowsGoesAsItCame) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Hours(48)});
  ASSERT_TRUE(Apply(plan).ok());
  for (int i = 0; i < 60 && Stored(plan).state == ChangeState::kApplying; ++i) {
    world.clock.Advance(absl::Seconds(30));
    ASSERT_TRUE(engine->Resume().ok());
    engine->WaitIdle();
  }
  world.fleet.Configure(3, {});
  const ChangeRecord change = TakeUpUntilItEnds(plan);
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
  EXPECT_THAT(change.error_message, HasSubstr("ns4.test"));
  EXPECT_EQ(Live(), live_);
  EXPECT_THAT(records, SizeIs(1)) << "the record was never written";
  EXPECT_THAT(LiveChildren(), IsEmpty());
  EXPECT_THAT(world.managed_terms(), IsEmpty());
}

TEST_F(FlattenTest, NoCacheLosesAnAddressWhenAVendorChanges) {
  (void)Applied();
  SetVendor(" ip4:203.0.113.0/24");
  // After each write: every record that was ever live, with the children of now or of then.
  std::vector<std::map<DomainName, std::string>> moments = {children};
  on_write = [&](const DomainName&) {
    moments.push_back(children);
    for (const std::string& record : records) {
      if (record == live_) continue;
      for (const auto& old : moments) {
        TxtOverlay have = children;
        for (const auto& [owner, text] : old) have[owner] = text;
        EXPECT_EQ(Receive(record, have, kKept), SpfResult::kPass) << record;
        EXPECT_EQ(Receive(record, have, kNever), SpfResult::kFail) << record;
      }
    }
  };
  const std::map<DomainName, std::string> before = children;
  const ChangeRecord change = Applied();
  EXPECT_TRUE(Has(change, guard_code::kSpfVendorChanged, GuardVerdict::kWarn));
  EXPECT_EQ(Receive(Live(), children, "203.0.113.9"), SpfResult::kPass);
  for (const auto& [owner, text] : before) {
    EXPECT_EQ(children[owner], text) << owner.text() << " has changed, and caches have it";
  }
}

TEST_F(FlattenTest, ARollbackLeavesTheChildForCaches) {
  const ChangeRecord change = Applied();
  const std::string flattened = Live();
  const DomainName child = LiveChildren().at(0);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_EQ(Live(), live_);
  EXPECT_EQ(Receive(flattened, children, kKept), SpfResult::kPass) << "a cache has that record";
  ASSERT_THAT(world.managed_terms(), SizeIs(1));
  EXPECT_EQ(world.managed_terms()[0].term, "include:" + child.text()) << "ours, to take away";

  // The source is not to be approved any more; its child goes when no cache leads to it.
  world.Decide("a", SourceState::kRejected, "a.test");
  world.clock.Advance(absl::Minutes(30));
  const ChangeRecord early = Plan();
  EXPECT_THAT(early.record_changes, IsEmpty());
  EXPECT_TRUE(Has(early, guard_code::kSpfChildUnused, GuardVerdict::kWarn));
  world.clock.Advance(absl::Hours(2));
  const ChangeRecord cleanup = Applied();
  ASSERT_THAT(cleanup.record_changes, SizeIs(1));
  EXPECT_EQ(cleanup.record_changes[0].owner_name, child.text());
  EXPECT_THAT(LiveChildren(), IsEmpty());
  EXPECT_THAT(world.managed_terms(), IsEmpty());
  EXPECT_EQ(Live(), live_);
  // And back again, like any other change.
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord back, Rollback(Stored(cleanup)));
  EXPECT_EQ(back.state, ChangeState::kSucceeded) << back.error_message;
  EXPECT_THAT(LiveChildren(), SizeIs(1));
  EXPECT_THAT(world.managed_terms(), SizeIs(1));
}

TEST_F(FlattenTest, GoingBackByItselfLeavesTheChildToo) {
  const ChangeRecord plan = Plan();
  on_write = [&](const DomainName& owner) {  // receivers fail on the record that has come
    if (owner == TestWorld::kSpf) world.resolver.Remove(Name("o0.test"));
  };
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack) << change.error_message;
  EXPECT_EQ(Live(), live_);
  ASSERT_THAT(LiveChildren(), SizeIs(1));
  ASSERT_THAT(world.managed_terms(), SizeIs(1));
  EXPECT_EQ(world.managed_terms()[0].source_id, kFlattenedSourceId);
}

TEST_F(FlattenTest, OldChildrenGoOnceTheRecordsThatLedToThemAreForgotten) {
  const ChangeRecord first = Applied();
  const DomainName old_child = LiveChildren().at(0);
  SetVendor(" ip4:203.0.113.0/24");
  const ChangeRecord second = Applied();
  EXPECT_THAT(LiveChildren(), SizeIs(2));
  EXPECT_THAT(Plan().record_changes, IsEmpty());
  world.clock.Advance(absl::Hours(3));
  (void)Applied();
  ASSERT_THAT(LiveChildren(), SizeIs(1));
  EXPECT_NE(LiveChildren()[0], old_child);
  // A rollback would lead to what is gone.
  EXPECT_EQ(ReasonOf(Rollback(Stored(second)).status()), "ROLLBACK_BLOCKED");
  EXPECT_EQ(Receive(Live(), children, kKept), SpfResult::kPass);
}

TEST_F(FlattenTest, AChildIsNotTakenFromTheRecordThatIsLive) {
  const ChangeRecord change = Applied();
  const std::string flattened = Live();
  ASSERT_TRUE(Rollback(change).ok());
  world.Decide("a", SourceState::kRejected, "a.test");
  world.clock.Advance(absl::Hours(3));
  const ChangeRecord cleanup = Plan();
  ASSERT_THAT(cleanup.record_changes, SizeIs(1));
  // Somebody puts the record back that led there. A resolver has the old one yet.
  world.provider->SetTexts(TestWorld::kSpf, {flattened, "verification=1"});
  world.resolver.SetTxt(TestWorld::kSpf, {live_});
  const ChangeWorld parts = world.world();
  const ChangeEngineOptions options;
  const LiveReader reader(parts, options);
  const Planner planner(parts, options, reader);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const std::vector<GuardRecord> guards, planner.Judge(cleanup));
  const GuardRecord* refusal = FindRefusal(guards);
  ASSERT_NE(refusal, nullptr) << "counted over what a cache has";
  EXPECT_EQ(refusal->code, guard_code::kDanglingInclude);
  EXPECT_EQ(ReasonOf(Apply(cleanup).status()), "STALE_PLAN");
  EXPECT_EQ(Receive(flattened, children, kKept), SpfResult::kPass);
}

// Which of the two is meant nobody can tell, and to receivers both are an error.
TEST_F(FlattenTest, AChildWithTwoRecordsIsNamedWithWhatToDo) {
  ASSERT_EQ(Applied().state, ChangeState::kSucceeded);
  ASSERT_THAT(LiveChildren(), SizeIs(1));
  const DomainName child = LiveChildren()[0];
  world.provider->SetTexts(child, {children[child], "v=spf1 include:other.test -all"});
  const int writes = world.provider->writes();
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  const GuardRecord* refusal = FindRefusal(plan.guards);
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->code, guard_code::kSpfChildForeign);
  EXPECT_THAT(refusal->message, HasSubstr(child.text()));
  EXPECT_THAT(refusal->message, HasSubstr("take the others away"));
  EXPECT_EQ(refusal->metadata.at("found_2"), "v=spf1 include:other.test -all");
  EXPECT_THAT(plan.record_changes, IsEmpty());
  EXPECT_EQ(world.provider->writes(), writes);
}

TEST_F(FlattenTest, AChildNeverChangesWhateverAPlanSays) {
  ChangeRecord change = Plan();
  ASSERT_THAT(change.record_changes, SizeIs(2));
  RecordChangeRecord& child = change.record_changes[0];
  child.before = {"\"v=spf1 ip4:192.0.2.1 -all\""};
  const ChangeWorld parts = world.world();
  const ChangeEngineOptions options;
  const LiveReader reader(parts, options);
  const Planner planner(parts, options, reader);
  const auto refused = [&] {
    const absl::StatusOr<std::vector<GuardRecord>> guards = planner.Judge(change);
    EXPECT_TRUE(guards.ok()) << guards.status();
    return std::ranges::any_of(*guards, [](const GuardRecord& guard) {
      return guard.code == guard_code::kSpfChildInUse && guard.verdict == GuardVerdict::kRefuse;
    });
  };
  EXPECT_TRUE(refused());
  child.before = {};
  EXPECT_FALSE(refused());
  child.owner_name = "_spf-000000000000.example.com";
  EXPECT_TRUE(refused()) << "not named after what it says";
}

// One more world beside the test's.
class AnotherWorld final : public FlattenFixture {
 public:
  AnotherWorld() { SetUp(); }
  void TestBody() override {}
  using FlattenFixture::children;
  using FlattenFixture::engine;
  using FlattenFixture::LiveChildren;
  using FlattenFixture::on_write;
  using FlattenFixture::Plan;
  using FlattenFixture::Receive;
  using FlattenFixture::records;
  using FlattenFixture::world;
};

TEST(FlattenKillTest, WhereverPolicydDiesTheRecordHasItsChildren) {
  bool died = true;
  int kills = 0;
  for (int at = 1; died; ++at) {
    SCOPED_TRACE(at);
    AnotherWorld one;
    const ChangeRecord plan = one.Plan();
    one.engine.reset();
    one.on_write = [&one](const DomainName&) {
      for (size_t i = 1; i < one.records.size(); ++i) {  // the first is from before
        EXPECT_NE(one.Receive(one.records[i], one.children, kKept), SpfResult::kPermError);
      }
    };
    ChangeEngineOptions options;
    options.max_running = 1;
    {
      Life life(one.world, options);
      life.killer.Arm(at);
      (void)life.engine().Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
      life.engine().WaitIdle();
      died = life.killer.dead();
      kills += died ? 1 : 0;
    }
    Life next(one.world, options);
    ASSERT_TRUE(next.engine().Resume().ok());
    next.engine().WaitIdle();
    const ChangeRecord change = one.world.store.GetChange("example.com", plan.id).value();
    if (change.state == ChangeState::kPlanned) {  // never begun
      EXPECT_THAT(one.LiveChildren(), IsEmpty());
      continue;
    }
    EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
    EXPECT_THAT(one.LiveChildren(), SizeIs(1));
    EXPECT_EQ(one.world.provider->writes(), 2);
    EXPECT_EQ(one.world.managed_terms(), plan.managed_after);
  }
  EXPECT_GT(kills, 10);
}

TEST(LeaseWatchTest, ForgetsWhatIsNotOpenAnyMore) {
  FakeClock clock{absl::UnixEpoch()};
  LeaseWatch watch(clock);
  std::vector<ChangeRecord> changes(3);
  for (size_t i = 0; i < changes.size(); ++i) {
    changes[i].domain = "example.com";
    changes[i].id = std::to_string(i);
    (void)watch.IsSilent(changes[i], absl::Minutes(3));
  }
  EXPECT_EQ(watch.size(), 3U);
  clock.Advance(absl::Minutes(5));
  watch.KeepOnly({changes[1]});
  EXPECT_EQ(watch.size(), 1U);
  EXPECT_TRUE(watch.IsSilent(changes[1], absl::Minutes(3))) << "what is kept goes on";
}

}  // namespace
}  // namespace dmarcate
