// policyd dies at every point of a transaction: before and after each write to the store and to the
// zone. A new engine over the same store and zone must bring every change to its end.

#include <atomic>
#include <functional>

#include <gtest/gtest.h>

#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using Texts = std::vector<std::string>;

// Counts effects; from the given point on nothing has an effect any more.
class Killer {
 public:
  void Arm(int points) { left_ = points; }
  void Disarm() { left_ = -1; }
  bool dead() const { return left_ == 0; }
  // One point in time. True: dead from here on.
  bool Tick() {
    if (left_ > 0) --left_;
    return left_ == 0;
  }

 private:
  std::atomic<int> left_ = -1;
};

absl::Status Dead() { return absl::UnavailableError("dead"); }

// A store that dies with the process; reads die, too.
class MortalStore final : public PolicyStore {
 public:
  MortalStore(PolicyStore& store, Killer& killer) : store_(store), killer_(killer) {}

  absl::StatusOr<DomainRecord> GetDomain(std::string_view name) override {
    return Read([&] { return store_.GetDomain(name); });
  }
  absl::StatusOr<std::vector<DomainRecord>> ListDomains(std::string_view a, size_t n) override {
    return Read([&] { return store_.ListDomains(a, n); });
  }
  absl::StatusOr<SourceDecision> GetDecision(std::string_view d, std::string_view s) override {
    return Read([&] { return store_.GetDecision(d, s); });
  }
  absl::StatusOr<std::vector<SourceDecision>> ListDecisions(std::string_view d) override {
    return Read([&] { return store_.ListDecisions(d); });
  }
  absl::StatusOr<DnsProviderRecord> GetProvider(std::string_view id) override {
    return Read([&] { return store_.GetProvider(id); });
  }
  absl::StatusOr<std::vector<DnsProviderRecord>> ListProviders(std::string_view a,
                                                               size_t n) override {
    return Read([&] { return store_.ListProviders(a, n); });
  }
  absl::StatusOr<ChangeRecord> GetChange(std::string_view d, std::string_view id) override {
    return Read([&] { return store_.GetChange(d, id); });
  }
  absl::StatusOr<std::vector<ChangeRecord>> ListChanges(std::string_view d, std::string_view b,
                                                        size_t n) override {
    return Read([&] { return store_.ListChanges(d, b, n); });
  }
  absl::StatusOr<std::vector<ChangeRecord>> OpenChanges() override {
    return Read([&] { return store_.OpenChanges(); });
  }
  absl::StatusOr<std::optional<RequestRecord>> FindRequest(std::string_view c,
                                                           std::string_view id) override {
    return Read([&] { return store_.FindRequest(c, id); });
  }
  absl::StatusOr<DomainRecord> PutDomain(DomainRecord r) override {
    return Write([&] { return store_.PutDomain(r); });
  }
  absl::StatusOr<SourceDecision> PutDecision(SourceDecision r) override {
    return Write([&] { return store_.PutDecision(r); });
  }
  absl::StatusOr<DnsProviderRecord> PutProvider(DnsProviderRecord r) override {
    return Write([&] { return store_.PutProvider(r); });
  }
  absl::StatusOr<ChangeRecord> PutChange(ChangeRecord r) override {
    return Write([&] { return store_.PutChange(r); });
  }
  absl::Status PutChangeAndDomain(ChangeRecord c, DomainRecord d) override {
    return Write([&] { return store_.PutChangeAndDomain(c, d); });
  }
  absl::Status PutRequest(RequestRecord r) override {
    return Write([&] { return store_.PutRequest(r); });
  }

 private:
  template <typename F>
  auto Read(F read) -> decltype(read()) {
    if (killer_.dead()) return Dead();
    return read();
  }
  template <typename F>
  auto Write(F write) -> decltype(write()) {
    if (killer_.Tick()) return Dead();
    auto result = write();
    if (killer_.Tick()) return Dead();
    return result;
  }

  PolicyStore& store_;
  Killer& killer_;
};

class MortalProvider final : public DnsProvider {
 public:
  MortalProvider(DnsProvider& provider, Killer& killer) : provider_(provider), killer_(killer) {}
  ProviderClass provider_class() const override { return provider_.provider_class(); }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
    if (killer_.dead()) return Dead();
    return provider_.FindZone(owner);
  }
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_.ListZones(); }
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
    if (killer_.dead()) return Dead();
    return provider_.ReadRrSet(zone, owner);
  }
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
    if (killer_.Tick()) return Dead();
    absl::Status status = provider_.Apply(zone, change);
    if (killer_.Tick()) return Dead();
    return status;
  }
  ProviderTest Test() override { return provider_.Test(); }

 private:
  DnsProvider& provider_;
  Killer& killer_;
};

// The dead do not wait.
class MortalPacer final : public Pacer {
 public:
  MortalPacer(FakeClock& clock, const Killer& killer) : pacer_(clock), killer_(killer) {}
  bool Wait(absl::Duration duration) override { return pacer_.Wait(duration) && !killer_.dead(); }
  void Stop() override { pacer_.Stop(); }

 private:
  FakePacer pacer_;
  const Killer& killer_;
};

class KillTest : public testing::Test {
 protected:
  // One life of policyd: an engine over the surviving store and zone, which dies after `points`
  // (never, if 0). Returns whether it died.
  bool Live(TestWorld& world, int points,
            const std::function<void(ChangeEngine&, PolicyStore&)>& work) {
    Killer killer;
    MortalStore store(world.store, killer);
    FakeProviderFactory factory;
    factory.Add("dns", std::make_shared<MortalProvider>(*world.provider, killer));
    MortalPacer pacer(world.clock, killer);
    const ChangeWorld mortal{store,           factory,     world.resolver, world.fleet,
                             *world.suffixes, world.clock, world.random,   pacer};
    ChangeEngineOptions options;
    options.max_running = 1;
    ChangeEngine engine(mortal, options);
    if (points > 0) killer.Arm(points);
    work(engine, store);
    engine.WaitIdle();
    return killer.dead();
  }

  static void ResumeAll(ChangeEngine& engine, PolicyStore&) { (void)engine.Resume(); }

  static bool HoldsOld(const TestWorld& world) {
    return world.Texts(TestWorld::kSpf) == Texts{TestWorld::kOldSpf, "verification=1"} &&
           world.Texts(TestWorld::kDmarc) == Texts{TestWorld::kOldDmarc} &&
           world.Texts(TestWorld::kReport).empty();
  }
  static bool HoldsNew(const TestWorld& world) {
    return world.Texts(TestWorld::kSpf) == Texts{TestWorld::kNewSpf, "verification=1"} &&
           world.Texts(TestWorld::kDmarc) == Texts{TestWorld::kNewDmarc} &&
           world.Texts(TestWorld::kReport) == Texts{TestWorld::kAuthorization};
  }
  static ChangeRecord Planned(TestWorld& world) {
    return world.MakeEngine()->Plan("example.com", {}, "p").value();
  }
  static ApplyRequest For(const ChangeRecord& change) {
    return {change.domain, change.id, change.plan_digest, change.revision, "a"};
  }
};

TEST_F(KillTest, ApplyEndsWhereverItWasKilledTwice) {
  int kills = 0;
  for (int first = 1;; ++first) {
    bool died_first = false;
    for (int second = 1;; ++second) {
      SCOPED_TRACE(testing::Message() << "killed at " << first << ", then at " << second);
      TestWorld world;
      const ChangeRecord plan = Planned(world);
      died_first = Live(world, first,
                        [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
      if (!died_first) break;
      ++kills;
      const bool died_second = Live(world, second, ResumeAll);
      Live(world, 0, ResumeAll);
      ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
      if (change.state == ChangeState::kPlanned) {
        ASSERT_TRUE(HoldsOld(world));
        Live(world, 0, [&](ChangeEngine& engine, PolicyStore&) {
          EXPECT_TRUE(engine.Apply(For(plan)).ok());
        });
        change = world.store.GetChange("example.com", plan.id).value();
      }
      ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
      ASSERT_TRUE(HoldsNew(world));
      ASSERT_EQ(world.provider->writes(), 3);
      ASSERT_EQ(world.managed_terms(), plan.managed_after);
      ASSERT_TRUE(world.store.OpenChanges()->empty());
      if (!died_second) break;
    }
    if (!died_first) break;
  }
  std::printf("killed while applying: %d times\n", kills);
}

// Long after: nothing is called "failed, nothing written" once a write was announced.
TEST_F(KillTest, AnExpiredPlanFailsOnlyIfNothingWasAnnounced) {
  int failed = 0;
  int unknown = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    const bool died = Live(
        world, point, [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
    if (!died) break;
    const ChangeRecord left = world.store.GetChange("example.com", plan.id).value();
    const bool announced = std::ranges::any_of(
        left.steps, [](const StepRecord& step) { return step.step == "WRITING"; });
    const int writes = world.provider->writes();
    world.clock.Advance(absl::Hours(1));
    Live(world, 0, ResumeAll);
    const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
    if (left.state == ChangeState::kPlanned) {
      ASSERT_EQ(change.state, ChangeState::kPlanned);
    } else if (writes > 0) {
      ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
    } else if (announced) {
      ASSERT_EQ(change.state, ChangeState::kNeedsAttention);
      ASSERT_EQ(change.error_reason, "WRITE_OUTCOME_UNKNOWN");
      ++unknown;
    } else {
      ASSERT_EQ(change.state, ChangeState::kFailed);
      ASSERT_EQ(change.error_reason, "PLAN_EXPIRED");
      ++failed;
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(unknown, 0);
}

TEST_F(KillTest, AutomaticRollbackEndsWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                            .hook = [&] { world.resolver.Remove(Name("a.test")); },
                            .skip = 2});
    const bool died = Live(
        world, point, [&](ChangeEngine& engine, PolicyStore&) { (void)engine.Apply(For(plan)); });
    Live(world, 0, ResumeAll);
    const ChangeRecord change = world.store.GetChange("example.com", plan.id).value();
    const bool ended = change.state == ChangeState::kRolledBack ||
                       change.state == ChangeState::kSucceeded ||
                       change.state == ChangeState::kPlanned;
    ASSERT_TRUE(ended) << static_cast<int>(change.state) << change.error_message;
    if (change.state == ChangeState::kSucceeded) {
      // Killed before the third write, which then went through unharmed by the fault.
      ASSERT_TRUE(HoldsNew(world));
    } else {
      ASSERT_TRUE(HoldsOld(world));
      ASSERT_TRUE(world.managed_terms().empty());
    }
    if (!died) {
      ASSERT_EQ(change.state, ChangeState::kRolledBack);
      break;
    }
    ++kills;
  }
  std::printf("killed while going back: %d times\n", kills);
}

TEST_F(KillTest, RollbackEndsWhereverItWasKilled) {
  int kills = 0;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(testing::Message() << "killed at " << point);
    TestWorld world;
    const ChangeRecord plan = Planned(world);
    Live(world, 0,
         [&](ChangeEngine& engine, PolicyStore&) { ASSERT_TRUE(engine.Apply(For(plan)).ok()); });
    const auto roll_back = [&](ChangeEngine& engine, PolicyStore& store) {
      const absl::StatusOr<ChangeRecord> now = store.GetChange("example.com", plan.id);
      if (now.ok()) (void)engine.Rollback({now->domain, now->id, now->revision, "a"});
    };
    const bool died = Live(world, point, roll_back);
    Live(world, 0, ResumeAll);
    Live(world, 0, roll_back);  // the operator asks again
    const ChangeRecord original = world.store.GetChange("example.com", plan.id).value();
    ASSERT_EQ(original.state, ChangeState::kRolledBack);
    ASSERT_EQ(world.store.GetChange("example.com", original.rolled_back_by)->state,
              ChangeState::kSucceeded);
    ASSERT_TRUE(HoldsOld(world));
    ASSERT_TRUE(world.managed_terms().empty());
    ASSERT_EQ(world.provider->writes(), 6);
    ASSERT_TRUE(world.store.OpenChanges()->empty());
    if (!died) break;
    ++kills;
  }
  std::printf("killed while rolling back: %d times\n", kills);
}

}  // namespace
}  // namespace dmarcate
