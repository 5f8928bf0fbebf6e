// Two writers, faults and rollbacks in random order: what somebody else wrote is never lost by us,
// at no step are there two records of a kind, and what is managed is what we put there.

#include <algorithm>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {
namespace {

using Call = FakeDnsProvider::Call;
using Moment = FakeDnsProvider::Moment;

constexpr uint32_t kSeeds = 300;
constexpr int kSteps = 25;

class Schedule {
 public:
  explicit Schedule(uint32_t seed) : random_(seed) {
    // Class A: what a host without a precondition may lose is in the fault matrix.
    engine_ = world_.MakeEngine();
    world_.resolver.SetTxt(Name("c.test"), {"v=spf1 ip4:203.0.113.0/24 -all"});
  }

  void Run() {
    for (int i = 0; i < kSteps && !testing::Test::HasFailure(); ++i) {
      Step();
      Check();
    }
    world_.provider->ClearFaults();
    ASSERT_TRUE(engine_->Resume().ok());
    engine_->WaitIdle();
    Check();
    EXPECT_TRUE(world_.store.OpenChanges()->empty());
  }

  // Adds how the changes ended.
  void Tally(std::map<ChangeState, int>& ends) {
    for (const std::string& id : changes_) ++ends[world_.store.GetChange("example.com", id)->state];
  }

 private:
  uint32_t Pick(uint32_t n) { return random_() % n; }

  void Step() {
    switch (Pick(8)) {
      case 0: {
        const std::string id(1, static_cast<char>('a' + Pick(3)));
        world_.Decide(id, Pick(2) == 0 ? SourceState::kApproved : SourceState::kRejected,
                      id + ".test");
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
        ASSERT_TRUE(engine_->Resume().ok());
        engine_->WaitIdle();
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
    const absl::StatusOr<ChangeRecord> plan = engine_->Plan("example.com", {}, "p");
    if (!plan.ok() || plan->state != ChangeState::kPlanned) return;
    (void)engine_->Apply({plan->domain, plan->id, plan->plan_digest, plan->revision, "a"});
    changes_.push_back(plan->id);
  }

  void RollBackSomething() {
    if (changes_.empty()) return;
    const std::string& id = changes_[Pick(static_cast<uint32_t>(changes_.size()))];
    const ChangeRecord change = world_.store.GetChange("example.com", id).value();
    (void)engine_->Rollback({change.domain, change.id, change.revision, "a"});
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
  std::unique_ptr<ChangeEngine> engine_;
  std::vector<std::string> siblings_, terms_, changes_;
  int counter_ = 0;
};

TEST(RandomScheduleTest, NothingOfOthersIsLost) {
  std::map<ChangeState, int> ends;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Schedule schedule(seed);
    schedule.Run();
    if (HasFailure()) return;
    schedule.Tally(ends);
  }
  // The schedules are worth something only if they get everywhere.
  for (const ChangeState state : {ChangeState::kSucceeded, ChangeState::kFailed,
                                  ChangeState::kRolledBack, ChangeState::kNeedsAttention}) {
    EXPECT_GT(ends[state], 10) << static_cast<int>(state);
  }
  std::printf(
      "random schedules: %u seeds of %d steps; succeeded %d, failed %d, rolled back %d, "
      "need attention %d\n",
      kSeeds, kSteps, ends[ChangeState::kSucceeded], ends[ChangeState::kFailed],
      ends[ChangeState::kRolledBack], ends[ChangeState::kNeedsAttention]);
}

}  // namespace
}  // namespace dmarcate
