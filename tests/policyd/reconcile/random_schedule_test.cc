// Two engines on one store, a foreign writer, faults, kills, clock jumps, delayed plans, cancels
// and rollbacks in random order: what somebody else wrote is never lost by us, the invariants hold
// at each write (invariants.h), what is managed is what we put there, and everything ends.
//
// DMARCATE_SUITE=simulation runs 50,000 seeds; DMARCATE_SEED=N only that one.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/invariants.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;

constexpr uint32_t kSeeds = 500;
constexpr uint32_t kSeedsOfTheSuite = 50'000;
constexpr int kSteps = 25;

uint32_t NumberFrom(const char* variable) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? 0 : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

ChangeEngineOptions Shared() {
  ChangeEngineOptions options;
  options.max_running = 1;
  options.store_use = StoreUse::kShared;
  return options;
}

class Schedule {
 public:
  explicit Schedule(uint32_t seed) : random_(seed) {
    // Class A: what a host without a precondition may lose is in the fault matrix.
    for (std::unique_ptr<Life>& life : lives_) life = std::make_unique<Life>(world_, Shared());
    world_.resolver.SetTxt(Name("c.test"), {"v=spf1 ip4:203.0.113.0/24 -all"});
  }

  void Run() {
    for (int i = 0; i < kSteps && !testing::Test::HasFailure(); ++i) {
      Step();
      Check();
    }
    // Whatever was left behind is taken over once its holder's lease is over, and ends.
    world_.provider->ClearFaults();
    for (size_t i = 0; i < lives_.size(); ++i) Revive(i);
    for (int round = 0; round < 10 && !world_.store.OpenChanges()->empty(); ++round) {
      for (std::unique_ptr<Life>& life : lives_) TakeUp(*life);
      world_.clock.Advance(absl::Minutes(20));
    }
    Check();
    invariants_.CheckEnd();
  }
  int kills() const { return kills_; }
  int taken_over() {
    int count = 0;
    for (const std::string& id : changes_) {
      if (world_.store.GetChange("example.com", id)->fence > 1) ++count;
    }
    return count;
  }

  // Adds how the changes ended.
  void Tally(std::map<ChangeState, int>& ends) {
    for (const std::string& id : changes_) ++ends[world_.store.GetChange("example.com", id)->state];
  }

 private:
  uint32_t Pick(uint32_t n) { return random_() % n; }

  Life& Any() { return *lives_[Pick(lives_.size())]; }

  static void TakeUp(Life& life) {
    (void)life.engine().Resume();  // a zone that the other one holds is not ours
    life.engine().WaitIdle();
  }

  // The process is gone, and another one starts.
  void Revive(size_t i) { lives_[i] = std::make_unique<Life>(world_, Shared()); }

  void Step() {
    switch (Pick(13)) {
      case 0: {
        const std::string id(1, static_cast<char>('a' + Pick(3)));
        world_.Decide(id, Pick(2) == 0 ? SourceState::kApproved : SourceState::kRejected,
                      id + ".test");
        invariants_.DecisionsChanged();
        break;
      }
      case 1:
        WriteAsSomebodyElse();
        break;
      case 2:
        InjectFault();
        break;
      case 3:
        RollBackSomething();
        break;
      case 4:
        world_.provider->ClearFaults();
        TakeUp(Any());
        break;
      case 5:
        // A kill is noticed by what has no effect any more; then the next life begins.
        Any().killer.Arm(1 + static_cast<int>(Pick(14)));
        break;
      case 6:
        for (size_t i = 0; i < lives_.size(); ++i) {
          if (!lives_[i]->killer.dead()) continue;
          ++kills_;
          Revive(i);
        }
        break;
      case 7: {
        constexpr int kDays[] = {-366, -1, 0, 1, 366};
        world_.clock.JumpWallTo(kStart + absl::Hours(24 * kDays[Pick(5)]) +
                                world_.clock.Monotonic());
        break;
      }
      case 8:
        world_.clock.Advance(absl::Minutes(1 + Pick(8)));
        break;
      case 9:
        CancelSomething();
        break;
      default:
        PlanAndApply();
    }
  }

  // Adds a sibling, or a term of its own at the front of the SPF record.
  void WriteAsSomebodyElse() {
    std::vector<TxtRecord> records = world_.provider->Get(TestWorld::kSpf).records;
    if (Pick(2) == 0) {
      const std::string sibling = "sibling=" + std::to_string(++counter_);
      siblings_.push_back(sibling);
      records.push_back(MakeTxtRecord(sibling));
    } else {
      for (TxtRecord& record : records) {
        std::string text = record.Joined();
        if (!IsSpfText(text)) continue;
        const std::string term = "ip4:192.0.2." + std::to_string(Pick(200));
        text.insert(6, " " + term);
        terms_.insert(terms_.begin(), term);
        record = MakeTxtRecord(text);
      }
    }
    world_.provider->Set(TestWorld::kSpf, records);
  }

  void InjectFault() {
    const absl::Status statuses[] = {absl::UnavailableError("503"), absl::UnknownError("reset"),
                                     absl::PermissionDeniedError("401"), absl::OkStatus()};
    FakeDnsProvider::Fault fault;
    fault.call = Pick(3) == 0 ? Call::kRead : Call::kApply;
    fault.status = statuses[Pick(4)];
    fault.moment = static_cast<Moment>(Pick(3));
    // A provider that says "nothing was changed" after it was is in the fault matrix.
    if (!fault.status.ok() && fault.status.code() != absl::StatusCode::kUnknown) {
      fault.moment = Moment::kBefore;
    }
    fault.skip = static_cast<int>(Pick(4));
    fault.times = 1 + static_cast<int>(Pick(2));
    if (Pick(3) == 0) fault.hook = [this] { WriteAsSomebodyElse(); };
    world_.provider->Inject(fault);
  }

  void PlanAndApply() {
    Life& life = Any();
    const absl::StatusOr<ChangeRecord> plan = life.engine().Plan("example.com", {}, "p");
    if (!plan.ok() || plan->state != ChangeState::kPlanned) return;
    ApplyRequest request{plan->domain, plan->id, plan->plan_digest, plan->revision, "a"};
    if (Pick(4) == 0) request.delay = absl::Minutes(1 + Pick(20));
    (void)life.engine().Apply(request);
    changes_.push_back(plan->id);
  }

  ChangeRecord AnyChange() {
    const std::string& id = changes_[Pick(static_cast<uint32_t>(changes_.size()))];
    return world_.store.GetChange("example.com", id).value();
  }

  void RollBackSomething() {
    if (changes_.empty()) return;
    const ChangeRecord change = AnyChange();
    RollbackRequest request;
    request.domain = change.domain;
    request.id = change.id;
    request.revision = change.revision;
    request.principal = "a";
    (void)Any().engine().Rollback(request);
  }

  void CancelSomething() {
    if (changes_.empty()) return;
    const ChangeRecord change = AnyChange();
    (void)Any().engine().Cancel({change.domain, change.id, change.revision, "a"});
  }

  void Check() {
    const std::vector<std::string> texts = world_.Texts(TestWorld::kSpf);
    const SpfSelection selection = SelectSpf(texts);
    ASSERT_EQ(selection.outcome, SpfSelection::Outcome::kOne);
    for (const std::string& sibling : siblings_) {
      ASSERT_EQ(std::ranges::count(texts, sibling), 1) << sibling;
    }
    // Terms of others, in their order; ours are the includes of a, b and c.
    const absl::StatusOr<SpfRecord> record = ParseSpf(texts[selection.indexes.front()]);
    ASSERT_TRUE(record.ok()) << record.status();
    std::vector<std::string> foreign;
    std::vector<std::string> ours;
    for (const SpfTerm& term : record->terms) {
      (term.kind == SpfKind::kInclude ? ours : foreign).push_back(term.text);
    }
    std::vector<std::string> want = terms_;
    want.insert(want.end(), {"mx", "ip4:203.0.113.9", "~all"});
    ASSERT_EQ(foreign, want);
    const std::vector<std::string> dmarc = world_.Texts(TestWorld::kDmarc);
    ASSERT_TRUE(dmarc == std::vector<std::string>{TestWorld::kOldDmarc} ||
                dmarc == std::vector<std::string>{TestWorld::kNewDmarc});
    // No term of ours is in the record that could not be taken out again.
    if (!world_.store.OpenChanges()->empty()) return;
    for (const std::string& term : ours) {
      const std::vector<ManagedTerm> managed = world_.managed_terms();
      ASSERT_TRUE(std::ranges::any_of(managed, [&](const ManagedTerm& one) {
        return one.term == term;
      })) << term;
    }
  }

  TestWorld world_;
  std::mt19937 random_;
  static constexpr absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
  Invariants invariants_{world_};
  std::array<std::unique_ptr<Life>, 2> lives_;
  std::vector<std::string> siblings_, terms_, changes_;
  int counter_ = 0;
  int kills_ = 0;
};

TEST(RandomScheduleTest, NothingOfOthersIsLost) {
  const uint32_t only = NumberFrom("DMARCATE_SEED");
  const bool suite = std::getenv("DMARCATE_SUITE") != nullptr;
  const uint32_t first = only != 0 ? only : 1;
  const uint32_t last = only != 0 ? only : suite ? kSeedsOfTheSuite : kSeeds;
  std::map<ChangeState, int> ends;
  int kills = 0;
  int taken_over = 0;
  for (uint32_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Schedule schedule(seed);
    schedule.Run();
    if (HasFailure()) {
      std::printf(
          "failing seed: %u; again: DMARCATE_SEED=%u build/tests/reconcile_test "
          "--gtest_filter=RandomScheduleTest.*\n",
          seed, seed);
      return;
    }
    schedule.Tally(ends);
    kills += schedule.kills();
    taken_over += schedule.taken_over();
  }
  std::printf("random schedules: %u seeds of %d steps, %d kills, %d changes taken over;",
              last - first + 1, kSteps, kills, taken_over);
  for (const auto& [state, count] : ends) {
    std::printf(" %s %d", ToString(state).c_str(), count);
  }
  std::printf("\n");
  if (only != 0) return;
  // The schedules are worth something only if they get everywhere.
  for (const ChangeState state :
       {ChangeState::kSucceeded, ChangeState::kFailed, ChangeState::kRolledBack,
        ChangeState::kNeedsAttention, ChangeState::kCancelled, ChangeState::kExpired}) {
    EXPECT_GT(ends[state], 10) << ToString(state);
  }
  EXPECT_GT(kills, 100);
  EXPECT_GT(taken_over, 10);
}

}  // namespace
}  // namespace dmarcate
