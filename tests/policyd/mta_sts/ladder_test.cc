// Whole ladders in a small world of values: a web server that is slow or wrong, MX hosts that
// break, reporters, people who pause, resume, abort and change the patterns. What must hold is
// stated anew here, from what the world has seen, and not from what the code keeps.

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/mta_sts/never_events.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kTick = absl::Hours(6);

class World {
 public:
  World(uint64_t seed, bool honest) : random_(seed), honest_(honest) {
    state_ = HealthySts(StsStage::kOff);
    state_.mode = OneOf(3) == 0 ? RolloutMode::kConfirm : RolloutMode::kAutomatic;
    for (const std::string& host : state_.settings.mx) hosts_[host] = {};
    slowness_ = OneOf(8);
  }

  void Run(int days) {
    for (int tick = 0; tick < days * 4; ++tick) {
      now_ += kTick;
      if (!honest_) Happen();
      Work();
      if (testing::Test::HasFailure()) return;
    }
  }

  const StsState& state() const { return state_; }
  absl::Time now() const { return now_; }
  absl::Time reached() const { return reached_; }
  void AbortTo(StsStage stage) { state_.abort_to = stage; }

 private:
  struct Host {
    std::vector<MxFault> faults;
    absl::Time since;
  };

  uint32_t OneOf(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  void Happen() {
    if (OneOf(40) == 0) {  // a server breaks, or is mended
      auto host = hosts_.begin();
      std::advance(host, OneOf(static_cast<uint32_t>(hosts_.size())));
      host->second.since = now_;
      host->second.faults.clear();
      if (OneOf(3) == 0) {
        host->second.faults = {static_cast<MxFault>(1 + OneOf(8))};
      }
    }
    if (OneOf(120) == 0) {  // an MX host comes or goes
      const std::string name = fmt::format("mx{}.example.com", 1 + OneOf(4));
      if (hosts_.contains(name) && hosts_.size() > 1) {
        hosts_.erase(name);
      } else {
        hosts_[name].since = now_;
      }
    }
    if (OneOf(150) == 0) foreign_file_ = !foreign_file_;
    if (OneOf(300) == 0) foreign_record_ = !foreign_record_;
    if (OneOf(60) == 0) failing_ = OneOf(3) == 0 ? OneOf(20) : 0;  // sessions of 100
    if (OneOf(50) == 0 && state_.status == RolloutStatus::kPaused) {
      state_.status = RolloutStatus::kActive;
      state_.resume_time = now_;
    }
    if (OneOf(200) == 0 && state_.status != RolloutStatus::kAborted) {
      state_.settings.mx.clear();
      for (const auto& [name, host] : hosts_) state_.settings.mx.push_back(name);
    }
    if (OneOf(1200) == 0 && state_.status != RolloutStatus::kAborted) {
      state_.abort_to = OneOf(2) == 0 ? StsStage::kOff : StsStage::kTesting;
      if (state_.stage == StsStage::kWithdrawn) state_.abort_to = StsStage::kOff;
    }
  }

  StsEvidence Look() {
    StsEvidence evidence;
    evidence.domain = state_.domain;
    for (int i = 0; i < 3; ++i) {
      StsReporter reporter{fmt::format("reporter{}.test", i), {}};
      for (const auto& [day, failed] : days_) reporter.days.push_back({day, 100, failed});
      evidence.reporters.push_back(std::move(reporter));
    }
    evidence.mx.looked = now_;
    for (const auto& [name, host] : hosts_) {
      MxHost mx;
      mx.name = name;
      mx.faults = host.faults;
      mx.since = host.since;
      mx.looks = static_cast<int32_t>((now_ - host.since) / kTick) + 1;
      evidence.mx.hosts.push_back(std::move(mx));
    }
    evidence.file.looked = now_;
    const std::string body = foreign_file_ ? "<html>" : served_;
    evidence.file.sight = body.empty() ? FileSight::kMissing : FileSight::kServed;
    evidence.file.body = body;
    if (body != last_body_) {
      last_body_ = body;
      body_since_ = now_;
    }
    evidence.file.since = body_since_;
    evidence.file.looks = static_cast<int32_t>((now_ - body_since_) / kTick) + 1;
    evidence.records.looked = now_;
    if (foreign_record_) evidence.records.mta_sts = {"v=STSv1; id=foreign;"};
    if (!foreign_record_ && !record_.empty()) evidence.records.mta_sts = {StsRecordText(record_)};
    evidence.records.tls_rpt = {"v=TLSRPTv1; rua=mailto:t@reports.test"};
    return evidence;
  }

  // Senders fetch on each tick what is served, if a record announces anything.
  void Send() {
    const DayNumber day = DayOf(now_);
    if (!record_.empty() && !foreign_record_ && !foreign_file_ && served_ == announced_) {
      days_[day] = failing_;
    }
    if (record_.empty() || foreign_file_) return;
    if (const auto policy = ParseMtaStsPolicy(served_); policy.ok()) {
      if (policy->mode != MtaStsMode::kNone) {
        cached_until_ = std::max(cached_until_, now_ + policy->max_age);
      }
    }
  }

  void Work() {
    Send();
    const StsEvidence evidence = Look();
    if (state_.mode == RolloutMode::kConfirm) SayYes(evidence);
    const StsStep step = NextStep(state_, evidence, now_);
    ASSERT_FALSE(step.reason.empty());
    const bool acts = step.action != StsAction::kHold && step.action != StsAction::kReady;
    if (acts || OneOf(20) == 0) {
      ASSERT_TRUE(Replay(Record({state_, evidence, now_}, step)).ok());
    }
    const absl::Status never = CheckNeverEvents(state_, evidence, step, now_);
    ASSERT_TRUE(never.ok()) << never << " " << step.reason;
    Judge(step);
    state_ = AfterDecision(std::move(state_), step, now_);
    if (step.action == StsAction::kServe) {
      wanted_ = step.file;
      wanted_since_ = now_;
    }
    // Whoever hosts the file takes his time.
    if (!wanted_.empty() && now_ - wanted_since_ >= kTick * slowness_) served_ = wanted_;
    if (step.action == StsAction::kPublish) {
      record_ = step.id;
      announced_ = step.file;
      days_.clear();  // reports are about the live policy
      state_ = AfterPublished(std::move(state_), step, now_);
    }
    if (step.action == StsAction::kRemove) {
      record_.clear();
      served_.clear();
      wanted_.clear();
      state_ = AfterPublished(std::move(state_), step, now_);
    }
    if (step.action == StsAction::kComplete && reached_ == absl::InfiniteFuture()) reached_ = now_;
  }

  void SayYes(const StsEvidence& evidence) {
    const StsStep step = NextStep(state_, evidence, now_);
    if (step.action != StsAction::kReady) return;
    state_.confirmation = StsConfirmation{"ann", now_, step.to, step.file, 0};
  }

  // The promises, from what this world saw.
  void Judge(const StsStep& step) {
    if (step.action == StsAction::kPublish) {
      ASSERT_EQ(served_, step.file) << "an id without its file";
      ASSERT_FALSE(foreign_file_);
      ASSERT_FALSE(foreign_record_) << "over somebody else's record";
      ASSERT_NE(step.id, record_) << "senders would not look again";
      const auto policy = ParseMtaStsPolicy(step.file);
      ASSERT_TRUE(policy.ok());
      const bool up = step.kind == StsMoveKind::kUp || step.kind == StsMoveKind::kRefresh;
      if (policy->mode == MtaStsMode::kEnforce) {
        ASSERT_TRUE(up);
        for (const auto& [name, host] : hosts_) {
          ASSERT_TRUE(host.faults.empty()) << name;
          ASSERT_TRUE(policy->AllowsMx(DomainName::Parse(name).value())) << name;
        }
      }
    }
    if (step.action == StsAction::kServe && step.to == StsStage::kEnforce &&
        step.kind == StsMoveKind::kUp) {
      ASSERT_GE(days_.size(), 14u) << "testing was too short";
    }
    if (step.action == StsAction::kServe && step.kind == StsMoveKind::kDown) {
      const bool out_of_date = std::ranges::any_of(hosts_, [](const auto& host) {
        return host.second.faults == std::vector<MxFault>{MxFault::kExpired};
      });
      ASSERT_TRUE(out_of_date);
    }
    if (step.action == StsAction::kRemove) {
      ASSERT_GE(now_, cached_until_) << "a sender still has a policy in its cache";
      ASSERT_EQ(ParseMtaStsPolicy(served_)->mode, MtaStsMode::kNone);
    }
  }

  std::mt19937_64 random_;
  const bool honest_;
  StsState state_;
  absl::Time now_ = kBegin;
  absl::Time reached_ = absl::InfiniteFuture();
  std::map<std::string, Host> hosts_;
  std::map<DayNumber, int64_t> days_;  // with sessions, and how many of 100 failed
  uint32_t slowness_ = 0;
  int64_t failing_ = 0;
  bool foreign_file_ = false, foreign_record_ = false;
  std::string served_, wanted_, record_, announced_, last_body_;
  absl::Time wanted_since_, body_since_ = kBegin;
  absl::Time cached_until_ = absl::InfinitePast();
};

TEST(StsLadderTest, KeepsItsPromisesInAnyWorld) {
  int enforced = 0;
  int ended = 0;
  constexpr int kSeeds = 150;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World world(seed, false);
    world.Run(200);
    if (HasFailure()) return;
    enforced += world.reached() != absl::InfiniteFuture() ? 1 : 0;
    ended += world.state().status == RolloutStatus::kAborted ? 1 : 0;
  }
  std::printf("%d worlds of 200 days: 0 never-events, %d reached enforce, %d were ended\n", kSeeds,
              enforced, ended);
  EXPECT_GT(enforced, 30);  // else nothing was tried
  EXPECT_GT(ended, 30);
}

TEST(StsLadderTest, ReachesEnforceWhereAllIsWell) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World world(seed, true);
    world.Run(40);
    ASSERT_FALSE(HasFailure());
    EXPECT_LE(world.reached() - kBegin, absl::Hours(24 * 25));
    EXPECT_EQ(world.state().stage, StsStage::kEnforce);
  }
}

// RFC 8461 section 8.3: mode none, then the longest age ever served, then nothing.
TEST(StsLadderTest, IsWithdrawnOnlyAfterTheCaches) {
  World world(3, true);
  world.Run(40);
  ASSERT_EQ(world.state().stage, StsStage::kEnforce);
  world.AbortTo(StsStage::kOff);
  world.Run(5);
  EXPECT_EQ(world.state().stage, StsStage::kWithdrawn);
  world.Run(20);
  EXPECT_EQ(world.state().stage, StsStage::kWithdrawn);
  world.Run(15);
  EXPECT_EQ(world.state().stage, StsStage::kOff);
  EXPECT_EQ(world.state().status, RolloutStatus::kAborted);
  EXPECT_TRUE(world.state().record_id.empty());
}

}  // namespace
}  // namespace dmarcate
