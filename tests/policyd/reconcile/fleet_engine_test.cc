#include "policyd/reconcile/fleet_engine.h"

#include <atomic>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/fleet_world.h"

namespace dmarcate {
namespace {

using State = FleetMemberState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string CodeOf(const absl::Status& status) {
  const auto reason = ErrorReasonOf(status);
  return reason ? reason->code : "";
}
uint32_t Count(const FleetProgress& progress, State state) {
  return CountOf(progress.counts, state);
}
std::vector<std::string> DomainsOf(FleetEngine& engine, const std::string& id, State state) {
  std::vector<std::string> out;
  const std::vector<FleetMemberRecord> members = engine.Members(id, "", 1000).value();
  for (const FleetMemberRecord& member : members) {
    if (member.state == state) out.push_back(member.domain);
  }
  return out;
}

TEST(FleetEngineTest, PlansTellsAndAppliesManyDomains) {
  FleetTestWorld world(40);
  // One is right already, one cannot be planned, one is refused.
  world.provider->SetTexts(world.DmarcOf("d001.test"), {world.New("d001.test")});
  world.provider->SetTexts(world.DmarcOf("d002.test"), {world.kOld, world.kOld});
  DomainRecord homeless;
  homeless.name = "homeless.test";
  homeless.report_mailbox = "r@homeless.test";
  ASSERT_TRUE(world.store.PutDomain(homeless).ok());
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  ASSERT_EQ(fleet.state, FleetState::kPlanned);
  EXPECT_EQ(fleet.member_count, 41U);
  EXPECT_EQ(fleet.plan_digest.size(), 64U);
  EXPECT_EQ(world.provider->writes(), 0);
  FleetProgress progress = life.engine().Look(fleet.id).value();
  EXPECT_EQ(Count(progress, State::kPlanned), 38U);
  EXPECT_EQ(Count(progress, State::kUnchanged), 1U);
  ASSERT_EQ(progress.groups.size(), 4U);
  EXPECT_EQ(progress.groups[2].reason, "DMARC_MULTIPLE");
  EXPECT_THAT(progress.groups[2].domains, ElementsAre("d002.test"));
  EXPECT_THAT(progress.groups[2].message, HasSubstr("2"));
  EXPECT_EQ(progress.groups[3].reason, "NO_PROVIDER");

  progress = life.Apply(fleet, {.canaries = 3, .max_failures = 0});
  EXPECT_EQ(progress.record.state, FleetState::kSucceeded);
  EXPECT_EQ(Count(progress, State::kSucceeded), 38U);
  EXPECT_EQ(world.provider->writes(), 38);
  for (int i = 3; i < 40; ++i) EXPECT_TRUE(world.HoldsNew(world.NameOf(i))) << i;
  EXPECT_EQ(world.Texts("d002.test").size(), 2U) << "what was refused is as it was";
  // Once more is no work.
  EXPECT_TRUE(life.engine().Apply(life.For(fleet)).ok());
  life.engine().WaitIdle();
  EXPECT_EQ(world.provider->writes(), 38);
  // And a new plan has nothing to do but what it could not do before.
  const FleetRecord again = life.Plan();
  EXPECT_EQ(again.state, FleetState::kFailed);
  EXPECT_EQ(Count(life.engine().Look(again.id).value(), State::kUnchanged), 39U);
}

TEST(FleetEngineTest, TakesExactlyWhatWasShown) {
  FleetTestWorld world(3);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  FleetApplyRequest request = life.For(fleet);
  request.plan_digest = "other";
  EXPECT_EQ(CodeOf(life.engine().Apply(request).status()), "PLAN_DIGEST_MISMATCH");
  request = life.For(fleet);
  request.revision += 1;
  EXPECT_EQ(CodeOf(life.engine().Apply(request).status()), "ETAG_MISMATCH");
  request = life.For(fleet);
  request.id = "none";
  EXPECT_EQ(CodeOf(life.engine().Apply(request).status()), "RESOURCE_NOT_FOUND");
  request = life.For(fleet);
  request.mode = RunMode::kValidateOnly;
  EXPECT_TRUE(life.engine().Apply(request).ok());
  EXPECT_EQ(life.engine().Look(fleet.id)->record.state, FleetState::kPlanned);
  EXPECT_EQ(world.provider->writes(), 0);
}

TEST(FleetEngineTest, APlanThatIsTooOldIsNotApplied) {
  FleetTestWorld world(2);
  FleetEngineOptions options = FleetLife::Quick();
  options.plan_lifetime = absl::ZeroDuration();
  FleetLife life(world, options);
  const FleetRecord fleet = life.Plan();
  EXPECT_EQ(CodeOf(life.engine().Apply(life.For(fleet)).status()), "PLAN_EXPIRED");
}

TEST(FleetEngineTest, NobodyBeginsTooLate) {
  FleetTestWorld world(2);
  FleetEngineOptions options = FleetLife::Quick();
  options.apply_lifetime = -absl::Seconds(1);
  FleetLife life(world, options);
  const FleetProgress progress = life.Apply(life.Plan(), {.max_failures = 9});
  EXPECT_EQ(progress.record.state, FleetState::kFailed);
  EXPECT_EQ(progress.groups.at(0).reason, "PLAN_EXPIRED");
  EXPECT_EQ(world.provider->writes(), 0);
}

TEST(FleetEngineTest, SelectsByNameProviderAndPlace) {
  FleetTestWorld world(8);
  world.AddDomain("sub.d000.test", "a");
  FleetLife life(world);
  const auto select = [&](FleetSelection selection, std::vector<std::string> domains = {}) {
    FleetRequest request;
    request.selection = std::move(selection);
    request.selection.named = !domains.empty();
    request.domains = std::move(domains);
    request.mode = RunMode::kValidateOnly;
    const absl::StatusOr<FleetRecord> fleet = life.engine().Create(request);
    return fleet.ok() ? std::to_string(fleet->member_count) : CodeOf(fleet.status());
  };
  EXPECT_EQ(select({}), "9");
  EXPECT_EQ(select({.dns_provider = "b"}), "2");
  EXPECT_EQ(select({.under = "d000.test"}), "2");
  EXPECT_EQ(select({.under = "000.test"}), "FIELD_INVALID");
  EXPECT_EQ(select({}, {"d001.test", "d003.test"}), "2");
  EXPECT_EQ(select({.dns_provider = "b"}, {"d001.test", "d003.test"}), "1");
  EXPECT_EQ(select({}, {"d001.test", "d001.test"}), "FIELD_INVALID");
  EXPECT_EQ(select({}, {"strange.test"}), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(select({.retry_of = "none"}), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(select({.retry_of = "x", .rollback_of = "y"}), "FIELD_INVALID");
}

TEST(FleetEngineTest, AFailedCanaryStopsItBeforeTheOthers) {
  FleetTestWorld world(20);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  world.provider->Inject(
      {.call = FakeDnsProvider::Call::kApply, .status = absl::InvalidArgumentError("no")});
  FleetProgress progress = life.Apply(fleet, {.canaries = 2, .max_failures = 9});
  EXPECT_EQ(progress.record.state, FleetState::kPaused);
  EXPECT_EQ(progress.record.pause_reason, "CANARY_FAILED");
  EXPECT_EQ(Count(progress, State::kFailed), 1U);
  EXPECT_EQ(Count(progress, State::kSucceeded), 1U);
  EXPECT_EQ(world.provider->writes(), 1);
  // A person has looked; the others go on.
  ASSERT_TRUE(life.engine().Resume({fleet.id, progress.record.revision, "a"}).ok());
  life.engine().WaitIdle();
  progress = life.engine().Look(fleet.id).value();
  EXPECT_EQ(progress.record.state, FleetState::kFailed);
  EXPECT_EQ(Count(progress, State::kSucceeded), 19U);
  // What failed is kept with its reason, and can be tried again alone.
  const std::vector<std::string> failed = DomainsOf(life.engine(), fleet.id, State::kFailed);
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(progress.groups.at(1).reason, "PROVIDER_REJECTED");
  const FleetRecord retry = life.Plan({.retry_of = fleet.id});
  EXPECT_EQ(retry.member_count, 1U);
  EXPECT_EQ(life.Apply(retry).record.state, FleetState::kSucceeded);
  EXPECT_TRUE(world.HoldsNew(failed[0]));
}

TEST(FleetEngineTest, MoreFailuresThanAllowedPauseIt) {
  FleetTestWorld world(30);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  world.provider->Inject({.call = FakeDnsProvider::Call::kApply,
                          .status = absl::InvalidArgumentError("no"),
                          .times = 1000});
  const FleetProgress progress = life.Apply(fleet, {.max_failures = 3, .parallel = 2});
  EXPECT_EQ(progress.record.state, FleetState::kPaused);
  EXPECT_EQ(progress.record.pause_reason, "FAILURE_BUDGET");
  EXPECT_GE(Count(progress, State::kFailed), 4U);
  EXPECT_LE(Count(progress, State::kFailed), 4U + 2U) << "and those that had begun";
  EXPECT_EQ(world.provider->writes(), 0);
}

TEST(FleetEngineTest, AProviderThatIsDownIsAskedAgain) {
  FleetTestWorld world(4);
  FleetEngineOptions options = FleetLife::Quick();
  options.apply_patience = absl::Minutes(1);
  FleetLife life(world, options);
  const FleetRecord fleet = life.Plan();
  // Longer than a transaction asks, not longer than a fleet does.
  world.provider->Inject({.call = FakeDnsProvider::Call::kRead,
                          .status = absl::UnavailableError("down"),
                          .times = 60});
  const FleetProgress progress = life.Apply(fleet, {.max_failures = 0});
  EXPECT_EQ(progress.record.state, FleetState::kSucceeded) << progress.record.pause_message;
  EXPECT_EQ(world.provider->pending_faults(), 0U);
}

TEST(FleetEngineTest, AProviderThatStaysDownIsGivenUp) {
  FleetTestWorld world(4);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  world.provider->Inject({.call = FakeDnsProvider::Call::kRead,
                          .status = absl::UnavailableError("down"),
                          .times = 1'000'000});
  const FleetProgress progress = life.Apply(fleet, {.max_failures = 9});
  EXPECT_EQ(world.provider->writes(), 0);
  EXPECT_EQ(progress.record.state, FleetState::kFailed);
  EXPECT_EQ(progress.groups.at(0).reason, "PROVIDER_UNAVAILABLE");
  EXPECT_EQ(progress.groups.at(0).count, 4U);
}

TEST(FleetEngineTest, PausesAndGoesOn) {
  FleetTestWorld world(60);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  std::atomic<int> written = 0;
  world.on_write = [&](const DomainName&) {
    if (++written != 5) return;
    const FleetRecord now = life.engine().Look(fleet.id)->record;
    EXPECT_TRUE(life.engine().Pause({fleet.id, now.revision, "somebody"}).ok());
  };
  FleetProgress progress = life.Apply(fleet, {.max_failures = 0, .parallel = 2});
  EXPECT_EQ(progress.record.state, FleetState::kPaused);
  EXPECT_EQ(progress.record.pause_reason, "OPERATOR");
  EXPECT_THAT(progress.record.pause_message, HasSubstr("somebody"));
  EXPECT_GE(Count(progress, State::kSucceeded), 5U);
  EXPECT_LE(world.provider->writes(), 5 + 2);
  EXPECT_EQ(progress.running, 0U);
  world.on_write = nullptr;
  ASSERT_TRUE(life.engine().Resume({fleet.id, progress.record.revision, "a"}).ok());
  life.engine().WaitIdle();
  EXPECT_EQ(life.engine().Look(fleet.id)->record.state, FleetState::kSucceeded);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(world.WritesOf(world.NameOf(i)), 1) << i;
}

TEST(FleetEngineTest, CancellingWithdrawsWhatHasNotBegun) {
  FleetTestWorld world(60);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  std::atomic<int> written = 0;
  world.on_write = [&](const DomainName&) {
    if (++written != 5) return;
    const FleetRecord now = life.engine().Look(fleet.id)->record;
    EXPECT_TRUE(life.engine().Cancel({fleet.id, now.revision, "a"}).ok());
  };
  const FleetProgress progress = life.Apply(fleet, {.max_failures = 0, .parallel = 2});
  world.on_write = nullptr;
  EXPECT_EQ(progress.record.state, FleetState::kCancelled);
  const uint32_t done = Count(progress, State::kSucceeded);
  EXPECT_GE(done, 5U);
  EXPECT_LE(done, 7U);
  EXPECT_EQ(Count(progress, State::kCancelled), 60U - done);
  EXPECT_EQ(world.provider->writes(), static_cast<int>(done));
  for (const std::string& domain : DomainsOf(life.engine(), fleet.id, State::kCancelled)) {
    EXPECT_TRUE(world.HoldsOld(domain));
    EXPECT_EQ(world.store.ListChanges(domain, "", 1)->at(0).state, ChangeState::kCancelled);
  }
  EXPECT_EQ(CodeOf(life.engine().Resume({fleet.id, progress.record.revision, "a"}).status()),
            "CHANGE_STATE");
}

TEST(FleetEngineTest, IsUndoneByAFleetOfRollbacks) {
  FleetTestWorld world(12);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  ASSERT_EQ(life.Apply(fleet).record.state, FleetState::kSucceeded);
  // Meanwhile somebody changed one of them.
  world.provider->SetTexts(world.DmarcOf("d004.test"), {"v=DMARC1; p=none"});
  const FleetRecord back = life.Plan({.rollback_of = fleet.id});
  ASSERT_EQ(back.state, FleetState::kPlanned);
  EXPECT_NE(back.plan_digest, fleet.plan_digest);
  const FleetProgress progress = life.Apply(back, {.canaries = 2});
  EXPECT_EQ(progress.record.state, FleetState::kSucceeded);
  EXPECT_EQ(Count(progress, State::kSucceeded), 11U);
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(world.HoldsOld(world.NameOf(i)), i != 4) << i;
  }
  EXPECT_THAT(DomainsOf(life.engine(), back.id, State::kPlanFailed), ElementsAre("d004.test"));
  EXPECT_EQ(world.Texts("d004.test"), std::vector<std::string>{"v=DMARC1; p=none"});
  // The members name the changes that undid the others.
  const std::vector<FleetMemberRecord> members = life.engine().Members(back.id, "", 99).value();
  for (const FleetMemberRecord& member : members) {
    if (member.state != State::kSucceeded) continue;
    EXPECT_FALSE(
        world.store.GetChange(member.domain, member.change_id)->intent.rollback_of.empty());
  }
}

TEST(FleetEngineTest, AForeignEditBetweenPlanAndApplyIsNotOverwritten) {
  FleetTestWorld world(6);
  FleetLife life(world);
  const FleetRecord fleet = life.Plan();
  world.provider->SetTexts(world.DmarcOf("d002.test"), {"v=DMARC1; p=none"});
  const FleetProgress progress = life.Apply(fleet, {.max_failures = 1});
  EXPECT_EQ(progress.record.state, FleetState::kFailed);
  EXPECT_EQ(Count(progress, State::kSucceeded), 5U);
  EXPECT_EQ(progress.groups.at(1).reason, "STALE_PLAN");
  EXPECT_EQ(world.Texts("d002.test"), std::vector<std::string>{"v=DMARC1; p=none"});
}

TEST(FleetEngineTest, ABusyZoneIsWaitedFor) {
  FleetTestWorld world(1);
  // Two domains in one zone: a transaction holds the zone.
  for (int i = 0; i < 10; ++i) {
    DomainRecord domain;
    domain.name = fmt::format("s{}.d000.test", i);
    domain.dns_provider = i % 2 == 0 ? "a" : "b";
    domain.report_mailbox = "r@d000.test";
    world.provider->SetTexts(world.DmarcOf(domain.name), {world.kOld});
    ASSERT_TRUE(world.store.PutDomain(domain).ok());
  }
  FleetLife life(world);
  const FleetProgress progress = life.Apply(life.Plan(), {.max_failures = 0});
  EXPECT_EQ(progress.record.state, FleetState::kSucceeded) << progress.record.pause_message;
  EXPECT_EQ(Count(progress, State::kSucceeded), 11U);
}

TEST(FleetEngineTest, NoMoreAtOnceThanAllowed) {
  FleetTestWorld world(60);
  FleetEngineOptions options = FleetLife::Quick();
  options.bounds.parallel = 6;
  options.bounds.per_account = 3;
  FleetLife life(world, options);
  const FleetRecord fleet = life.Plan();
  uint32_t most = 0;
  std::mutex mutex;
  world.on_write = [&](const DomainName&) {
    const uint32_t running = life.engine().Look(fleet.id)->running;
    const std::lock_guard lock(mutex);
    most = std::max(most, running);
    absl::SleepFor(absl::Milliseconds(1));
  };
  EXPECT_EQ(life.Apply(fleet).record.state, FleetState::kSucceeded);
  world.on_write = nullptr;
  EXPECT_GT(most, 1U);
  EXPECT_LE(most, 6U);
}

// Each holds up to 10,000 domains in memory.
TEST(FleetEngineTest, SoManyAreAtWorkAndNoMore) {
  FleetTestWorld world(1);
  FleetEngineOptions options = FleetLife::Quick();
  options.plan_patience = absl::InfiniteDuration();
  world.provider->Inject({.call = FakeDnsProvider::Call::kFindZone,
                          .status = absl::UnavailableError("down"),
                          .times = 1'000'000});
  FleetLife life(world, options);
  FleetRequest request;
  request.intent.dmarc_report_address = true;
  FleetRecord last;
  for (int i = 0; i < 16; ++i) {
    const absl::StatusOr<FleetRecord> fleet = life.engine().Create(request);
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    last = *fleet;
  }
  EXPECT_EQ(CodeOf(life.engine().Create(request).status()), "RATE_LIMITED");
  ASSERT_TRUE(life.engine().Cancel({.id = last.id, .revision = last.revision}).ok());
  uint64_t news = 0;
  while (life.engine().Look(last.id)->record.state != FleetState::kCancelled) {
    news = life.engine().AwaitNews(news, absl::Seconds(9));
  }
  EXPECT_TRUE(life.engine().Create(request).ok());
  world.provider->ClearFaults();
  life.engine().WaitIdle();
}

TEST(FleetEngineTest, WatchersHearOfIt) {
  FleetTestWorld world(5);
  FleetLife life(world);
  const uint64_t before = life.engine().AwaitNews(0, absl::ZeroDuration());
  EXPECT_EQ(life.engine().AwaitNews(before, absl::Milliseconds(1)), before);
  const FleetRecord fleet = life.Plan();
  EXPECT_NE(life.engine().AwaitNews(before, absl::Seconds(9)), before);
  const FleetProgress progress = life.Apply(fleet);
  EXPECT_EQ(progress.running + progress.open + progress.retrying, 0U);
  EXPECT_EQ(life.engine().Members(fleet.id, "d002.test", 1)->at(0).domain, "d003.test");
}

// One whose members cannot be read stays where it is; policyd starts, and the others go on.
TEST(FleetEngineTest, OneThatCannotBeReadHoldsUpNoOther) {
  class Damaged final : public FleetStore {
   public:
    explicit Damaged(FleetStore& store) : store_(store) {}
    absl::StatusOr<FleetRecord> GetFleet(std::string_view id) override {
      return store_.GetFleet(id);
    }
    absl::StatusOr<std::vector<FleetRecord>> ListFleets(std::string_view b, size_t n) override {
      return store_.ListFleets(b, n);
    }
    absl::StatusOr<std::vector<FleetMemberRecord>> ListFleetMembers(std::string_view id,
                                                                    std::string_view a,
                                                                    size_t n) override {
      if (id == "zz") return absl::DataLossError("does not decode");
      return store_.ListFleetMembers(id, a, n);
    }
    absl::StatusOr<FleetRecord> PutFleet(FleetRecord r,
                                         const std::vector<FleetMemberRecord>& m) override {
      return store_.PutFleet(std::move(r), m);
    }
    absl::Status PutFleetMember(std::string_view id, const FleetMemberRecord& m) override {
      return store_.PutFleetMember(id, m);
    }

   private:
    FleetStore& store_;
  };
  FleetTestWorld world(2);
  Damaged fleets(world.fleets);
  FleetRecord damaged;
  damaged.id = "zz";  // the newest: it comes first
  damaged.state = FleetState::kApplying;
  ASSERT_TRUE(fleets.PutFleet(damaged, {}).ok());
  FleetRecord fleet;
  {
    FleetLife life(world, fleets);
    fleet = life.Plan();
  }
  fleet = fleets.GetFleet(fleet.id).value();
  fleet.state = FleetState::kApplying;
  fleet.apply_time = world.clock.Now();
  fleet.apply_expire_time = world.clock.Now() + absl::Hours(1);
  ASSERT_TRUE(fleets.PutFleet(fleet, {}).ok());
  FleetLife next(world, fleets);
  ASSERT_TRUE(next.engine().TakeUp().ok());
  next.engine().WaitIdle();
  EXPECT_EQ(next.engine().Look(fleet.id)->record.state, FleetState::kSucceeded);
  EXPECT_TRUE(world.HoldsNew(world.NameOf(1)));
}

}  // namespace
}  // namespace dmarcate
