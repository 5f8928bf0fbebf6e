// The never-events of reference/safety.md 6.4 as properties over random states and evidence, judged
// here by their own words and not by the code that decides. R6 to R9 and R16, about the record that
// is written, are judged on the record of each step.

#include "policyd/rollout/never_events.h"

#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/rollout/rollout_testing.h"

namespace dmarcate {
namespace {

constexpr uint32_t kDraws = 20'000;

class Draw {
 public:
  explicit Draw(uint32_t seed) : random_(seed) {}
  bool OneIn(uint32_t n) { return random_() % n == 0; }
  int64_t Below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint32_t>(n)); }
  int64_t From(std::initializer_list<int64_t> values) {
    return values.begin()[Below(static_cast<int64_t>(values.size()))];
  }

 private:
  std::mt19937 random_;
};

struct Scene {
  RolloutState state;
  Evidence evidence;
  absl::Time now;
};

// Mostly well, so that steps are taken at all; each thing is broken now and then.
Scene DrawScene(uint32_t seed) {
  Draw draw(seed);
  Scene scene;
  const int day = 30 + static_cast<int>(draw.Below(40));
  scene.now = Noon(day) + absl::Minutes(draw.Below(600));
  RolloutState& state = scene.state;
  state = HealthyState(kPolicyStages[static_cast<size_t>(draw.Below(5))]);
  state.mode = static_cast<RolloutMode>(draw.From({1, 2, 3, 3, 3, 3}));
  state.target = kPolicyStages[static_cast<size_t>(draw.From({1, 2, 4, 4, 4}))];
  if (draw.OneIn(3)) state.stage_start = Noon(day - static_cast<int>(draw.Below(45)));
  if (draw.OneIn(3)) state.last_up = state.stage_start;
  if (draw.OneIn(8)) state.last_auto_down = scene.now - absl::Hours(draw.Below(60));
  if (draw.OneIn(8)) {
    state.status = RolloutStatus::kPaused;
    state.pause_reason = static_cast<PauseReason>(1 + draw.Below(6));
  }
  if (draw.OneIn(12)) state.abort_to = PolicyStage::kObserve;
  if (draw.OneIn(12)) state.pending_change = "c1";
  if (draw.OneIn(3)) {
    state.confirmation = Confirmation{"ann", scene.now - absl::Hours(draw.Below(200)),
                                      kPolicyStages[static_cast<size_t>(draw.Below(5))],
                                      draw.OneIn(4) ? "e0" : "e1", draw.OneIn(2) ? 0.05 : 0};
  }
  std::vector<Traffic> traffic;
  for (int64_t i = 0, n = 1 + draw.Below(3); i < n; ++i) {
    Traffic one;
    one.id = fmt::format("s{}", i);
    one.messages = draw.From({1, 20, 300, 3000});
    if (draw.OneIn(4)) one.failing = one.messages * draw.From({1, 2, 5, 50}) / 100;
    if (draw.OneIn(5)) one.spf_only = one.messages - one.failing;
    if (draw.OneIn(6)) one.forwarded = (one.messages - one.failing) * draw.From({1, 5}) / 100;
    if (draw.OneIn(6)) one.standing = static_cast<SourceStanding>(1 + draw.Below(3));
    one.looks_legitimate = !draw.OneIn(4);
    traffic.push_back(one);
  }
  Evidence& evidence = scene.evidence;
  evidence = HealthyEvidence(state, scene.now, traffic);
  if (draw.OneIn(8)) evidence.sources[0].spf_only = true;
  for (AnchorEvidence& anchor : evidence.anchors) {
    if (draw.OneIn(10)) anchor.days.resize(static_cast<size_t>(draw.Below(60)));
    if (draw.OneIn(10)) anchor.last_report = scene.now - absl::Hours(draw.Below(200));
    if (draw.OneIn(12)) anchor.policy_seen_since.reset();
    if (draw.OneIn(20)) anchor.waived = true;
    if (draw.OneIn(20)) anchor.usual_gap = static_cast<int32_t>(draw.From({0, 7}));
  }
  if (draw.OneIn(10)) evidence.domain = "example.net";
  if (draw.OneIn(12)) evidence.control.domain_verified = false;
  if (draw.OneIn(12)) evidence.control.writable = false;
  if (draw.OneIn(5)) {
    evidence.rules.two_people = true;
    if (scene.state.confirmation.has_value()) {
      scene.state.confirmation->second_by = draw.OneIn(3) ? "" : draw.OneIn(3) ? "ann" : "bob";
    }
  }
  if (draw.OneIn(8)) {
    const absl::Time begin = scene.now - absl::Hours(draw.Below(100));
    evidence.rules.freezes = {{begin, begin + absl::Hours(1 + draw.Below(100)), "fair"}};
  }
  evidence.decisions_settled = !draw.OneIn(30);
  if (draw.OneIn(20)) evidence.records.dmarc = {"v=DMARC1; p=none; np=reject; x=1"};
  if (draw.OneIn(20)) evidence.records.looked = scene.now - absl::Hours(draw.Below(40));
  if (draw.OneIn(3)) {
    Breakage breakage;
    breakage.kind = static_cast<BreakageKind>(1 + draw.Below(3));
    breakage.source_id = draw.OneIn(3) ? "" : "s0";
    breakage.since = scene.now - absl::Minutes(draw.Below(120));
    breakage.looks = static_cast<int32_t>(draw.Below(6));
    breakage.carried = draw.OneIn(4);
    evidence.breakages.push_back(breakage);
  }
  return scene;
}

int Distance(PolicyStage a, PolicyStage b) { return static_cast<int>(b) - static_cast<int>(a); }

void JudgeUp(const Scene& scene, const Step& step) {
  const RolloutState& state = scene.state;
  const Evidence& evidence = scene.evidence;
  const bool np = evidence.records.dmarc[0].find("np=reject") != std::string::npos;
  ASSERT_EQ(Distance(state.stage, step.to), np && !IsTestStage(state.stage) ? 2 : 1) << "R2";
  ASSERT_GE(scene.now - state.stage_start, absl::Hours(24 * 7)) << "R2";
  int anchors = 0;
  for (const AnchorEvidence& anchor : evidence.anchors) {
    if (anchor.days.size() >= 25 && scene.now - anchor.last_report < absl::Hours(24 * 10)) {
      ++anchors;
    }
  }
  ASSERT_GE(anchors, 2) << "R3";
  for (const SourceEvidence& source : evidence.sources) {
    int64_t messages = 0;
    int64_t passed = 0;
    int64_t dkim = 0;
    for (const SourceDay& day : source.days) {
      if (day.day < DayOf(scene.now) - 30 || day.day == DayOf(state.stage_start)) continue;
      messages += day.messages - day.forwarded;
      passed += day.aligned;
      dkim += day.dkim_aligned;
    }
    if (source.standing != SourceStanding::kApproved) continue;
    if (messages >= state.settings.gates.source_floor) {
      ASSERT_GE(passed * 100, messages * 99) << "R1 " << source.id;
    }
    if (RequestedBy(step.to) == DmarcPolicy::kReject) {
      ASSERT_FALSE(source.spf_only) << "R10";
      ASSERT_TRUE(messages == 0 || dkim > 0) << "R10";
    }
  }
  ASSERT_EQ(state.status, RolloutStatus::kActive);
  ASSERT_NE(state.mode, RolloutMode::kAdvise);
  if (evidence.rules.two_people) {
    ASSERT_TRUE(state.confirmation.has_value()) << "R17";
    ASSERT_NE(state.confirmation->second_by, "") << "R17";
    ASSERT_NE(state.confirmation->second_by, state.confirmation->by) << "R17";
  }
  for (const FreezeWindow& freeze : evidence.rules.freezes) {
    ASSERT_FALSE(freeze.begin <= scene.now && scene.now < freeze.end) << "R18";
  }
  ASSERT_TRUE(evidence.decisions_settled);
  if (state.mode == RolloutMode::kConfirm) {
    ASSERT_TRUE(state.confirmation.has_value());
    ASSERT_EQ(state.confirmation->stage, step.to);
    ASSERT_EQ(state.confirmation->decisions_etag, "e1");
  }
}

void JudgeDown(const Scene& scene, const Step& step) {
  ASSERT_LE(Distance(step.to, scene.state.stage), 2) << "R5";
  ASSERT_GE(scene.now - scene.state.last_auto_down, absl::Hours(24)) << "R5";
  ASSERT_EQ(scene.state.mode, RolloutMode::kAutomatic) << "R4";
  ASSERT_FALSE(scene.evidence.breakages.empty()) << "R4";
  ASSERT_FALSE(scene.evidence.breakages[0].carried) << "R4";
  ASSERT_GE(scene.evidence.breakages[0].looks, 3) << "R4";
}

void JudgeRecord(const Scene& scene, const Step& step) {
  const std::optional<DmarcRecord> before = LiveRecord(scene.evidence);
  if (!before.has_value()) return;
  const auto after = WithStage(*before, scene.state.scope, step.to);
  if (!after.ok()) {  // then the change is refused, and nothing is written
    ASSERT_EQ(step.action, StepAction::kAbort) << after.status();
    return;
  }
  ASSERT_EQ(SelectDmarc({after->Render()}).outcome, DmarcSelection::Outcome::kOne) << "R7";
  for (const DmarcTag& tag : before->tags()) {
    if (tag.name == "p" || tag.name == "t" || tag.name == "pct") continue;
    ASSERT_NE(after->Find(tag.name), nullptr) << "R6 " << tag.name;
    ASSERT_EQ(after->Find(tag.name)->text, tag.text) << "R6";
  }
}

TEST(NeverEventsTest, RandomEvidence) {
  std::map<std::string_view, int> actions;
  for (uint32_t seed = 1; seed <= kDraws; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Scene scene = DrawScene(seed);
    const Step step = NextStep(scene.state, scene.evidence, scene.now);
    ++actions[ToString(step.action)];
    ASSERT_EQ(step, NextStep(scene.state, scene.evidence, scene.now));
    ASSERT_FALSE(step.reason.empty()) << "R11";
    const absl::Status never = CheckNeverEvents(scene.state, scene.evidence, step, scene.now);
    ASSERT_TRUE(never.ok()) << never;
    const bool writes = step.action == StepAction::kStepUp ||
                        step.action == StepAction::kStepDown || step.action == StepAction::kAbort;
    if (!writes) continue;
    ASSERT_EQ(scene.evidence.domain, scene.state.domain) << "R12";
    ASSERT_TRUE(scene.evidence.control.domain_verified) << "R13";
    ASSERT_TRUE(scene.evidence.control.writable) << "R14";
    ASSERT_TRUE(step.to >= scene.state.stage || step.alert) << "R15";
    ASSERT_TRUE(scene.state.pending_change.empty());
    if (step.action == StepAction::kStepUp) JudgeUp(scene, step);
    if (step.action == StepAction::kStepDown) JudgeDown(scene, step);
    JudgeRecord(scene, step);
    if (HasFatalFailure()) return;
  }
  for (const StepAction action :
       {StepAction::kHold, StepAction::kReady, StepAction::kStepUp, StepAction::kStepDown,
        StepAction::kAbort, StepAction::kPause, StepAction::kComplete}) {
    EXPECT_GT(actions[ToString(action)], 50) << ToString(action);
  }
  std::printf("never-events: %u draws, 0 violations;", kDraws);
  for (const auto& [action, count] : actions) {
    std::printf(" %s %d", std::string(action).c_str(), count);
  }
  std::printf("\n");
}

// The assertion before each write finds what it is there for, also if the decision were wrong.
TEST(NeverEventsTest, WrongStepsAreRefused) {
  const absl::Time now = Noon(45);
  const auto check = [&](PolicyStage from, StepAction action, PolicyStage to, bool alert,
                         const std::function<void(RolloutState&, Evidence&)>& change) {
    RolloutState state = HealthyState(from);
    Evidence evidence = HealthyEvidence(state, now);
    Step step;
    step.action = action;
    step.to = to;
    step.reason = "because";
    step.alert = alert;
    change(state, evidence);
    return std::string(MessageOf(CheckNeverEvents(state, evidence, step, now)));
  };
  const auto nothing = [](auto&, auto&) {};
  using testing::StartsWith;
  const PolicyStage observe = PolicyStage::kObserve;
  const PolicyStage quarantine = PolicyStage::kQuarantine;
  const PolicyStage reject = PolicyStage::kReject;
  EXPECT_EQ(check(observe, StepAction::kStepUp, quarantine, false, nothing), "");
  EXPECT_THAT(check(observe, StepAction::kStepUp, reject, false, nothing), StartsWith("R2"));
  EXPECT_THAT(check(quarantine, StepAction::kStepUp, reject, false,
                    [&](auto& s, auto&) { s.last_up = now - absl::Hours(30); }),
              StartsWith("R2"));
  EXPECT_THAT(check(quarantine, StepAction::kStepUp, reject, false,
                    [](auto&, auto& e) { e.anchors.resize(1); }),
              StartsWith("R3"));
  EXPECT_THAT(check(quarantine, StepAction::kStepUp, reject, false,
                    [](auto&, auto& e) { e.sources[0].spf_only = true; }),
              StartsWith("R10"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false,
                    [](auto&, auto& e) {
                      for (SourceDay& day : e.sources[0].days) day.aligned = day.messages / 2;
                    }),
              StartsWith("R1:"));
  EXPECT_THAT(check(reject, StepAction::kStepDown, PolicyStage::kRejectTest, true, nothing),
              StartsWith("R4"));
  const auto broken = [](auto&, auto& e) {
    e.breakages = {{.kind = BreakageKind::kSpfPermerror, .since = absl::UnixEpoch(), .looks = 2}};
  };
  // What was seen once, is made up for, or is of a source that nobody approved.
  for (const auto& change : std::vector<std::function<void(Breakage&)>>{
           [](Breakage& b) { b.looks = 1; }, [](Breakage& b) { b.carried = true; },
           [](Breakage& b) { b.source_id = "nobody"; }}) {
    const auto not_quite = [&](auto& s, auto& e) {
      broken(s, e);
      change(e.breakages.front());
    };
    EXPECT_THAT(check(reject, StepAction::kStepDown, PolicyStage::kRejectTest, true, not_quite),
                StartsWith("R4"));
  }
  EXPECT_THAT(check(reject, StepAction::kStepDown, observe, true, broken), StartsWith("R5"));
  EXPECT_THAT(check(reject, StepAction::kStepDown, PolicyStage::kRejectTest, false, broken),
              StartsWith("R15"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false,
                    [](auto&, auto& e) { e.domain = "b.test"; }),
              StartsWith("R12"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false,
                    [](auto&, auto& e) { e.control.domain_verified = false; }),
              StartsWith("R13"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false,
                    [](auto&, auto& e) { e.control.writable = false; }),
              StartsWith("R14"));
  EXPECT_THAT(check(reject, StepAction::kAbort, observe, true, nothing), StartsWith("R11"));
  const auto said = [&](std::string by, std::string second) {
    return [=](auto& s, auto& e) {
      e.rules.two_people = true;
      if (by.empty()) return;
      s.confirmation = Confirmation{by, now, quarantine, "e1", 0, second, now};
    };
  };
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false, said("", "")),
              StartsWith("R17"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false, said("ann", "")),
              StartsWith("R17"));
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false, said("ann", "ann")),
              StartsWith("R17"));
  EXPECT_EQ(check(observe, StepAction::kStepUp, quarantine, false, said("ann", "bob")), "");
  EXPECT_THAT(check(observe, StepAction::kStepUp, quarantine, false,
                    [&](auto&, auto& e) { e.rules.freezes = {{now, now + absl::Hours(1), "x"}}; }),
              StartsWith("R18"));
  EXPECT_THAT(check(reject, StepAction::kStepDown, PolicyStage::kRejectTest, true,
                    [&](auto& s, auto& e) {
                      broken(s, e);
                      e.control.suspended = true;
                    }),
              StartsWith("R14"));
  // A source that has not sent for a month breaks nothing.
  EXPECT_THAT(check(reject, StepAction::kStepDown, PolicyStage::kRejectTest, true,
                    [&](auto& s, auto& e) {
                      broken(s, e);
                      e.breakages.front().source_id = "exchange";
                      std::erase_if(e.sources[0].days, [&](const SourceDay& day) {
                        return day.day >= DayOf(now) - 30;
                      });
                    }),
              StartsWith("R4"));
}

}  // namespace
}  // namespace dmarcate
