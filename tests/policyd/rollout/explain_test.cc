// Explanations as golden files: each gate names what was measured, what is required, since when,
// and the command that shows the evidence.

#include "policyd/rollout/explain.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/rollout/rollout_testing.h"
#include "tests/testing/golden.h"

namespace dmarcate {
namespace {

using testing_support::MatchesGolden;

struct Case {
  std::string name;
  PolicyStage stage = PolicyStage::kObserve;
  std::function<void(RolloutState&, Evidence&)> change;
};

SourceEvidence Add(const Traffic& traffic, const Evidence& evidence) {
  const DayNumber last = evidence.anchors[0].days.back();
  return SourceOf(traffic, last - 59, last);
}

const Case kCases[] = {
    {"step_up", PolicyStage::kObserve, [](auto&, auto&) {}},
    {"all_closed", PolicyStage::kQuarantine,
     [](RolloutState& state, Evidence& evidence) {
       state.stage_start = Noon(30);
       state.settings.ordinary_mailboxes = true;
       evidence.rules.freezes = {{Noon(40), Noon(50), "year end"}};
       state.mode = RolloutMode::kConfirm;
       evidence.anchors[2].days.resize(50);
       for (AnchorEvidence& anchor : evidence.anchors) anchor.policy_seen_since.reset();
       evidence.sources = {
           Add({.messages = 1000, .failing = 10, .spf_only = 100, .forwarded = 20}, evidence)};
       evidence.sources.push_back(
           Add({.id = "crm", .standing = SourceStanding::kPending, .messages = 20}, evidence));
       evidence.sources.push_back({.id = "payroll", .standing = SourceStanding::kApproved});
       evidence.records.spf_lookups = 12;
       evidence.records.dangling = {"gone.test"};
       evidence.ingest.queued = 2;
     }},
    {"ready_for_a_person", PolicyStage::kObserve,
     [](RolloutState& state, Evidence& evidence) {
       state.mode = RolloutMode::kConfirm;
       evidence.sources.push_back(Add({.id = "spoofer",
                                       .standing = SourceStanding::kPending,
                                       .messages = 400,
                                       .failing = 400,
                                       .looks_legitimate = false},
                                      evidence));
     }},
    {"one_of_two", PolicyStage::kObserve,
     [](RolloutState& state, Evidence& evidence) {
       state.mode = RolloutMode::kConfirm;
       evidence.rules.two_people = true;
       state.confirmation = Confirmation{"token/ann", Noon(44), PolicyStage::kQuarantineTest, "e1"};
     }},
    {"small_domain", PolicyStage::kObserve,
     [](RolloutState& state, Evidence& evidence) {
       state.mode = RolloutMode::kConfirm;
       evidence.sources = {Add({.messages = 10}, evidence)};
     }},
    {"mailboxes_stay", PolicyStage::kQuarantine,
     [](RolloutState& state, Evidence&) {
       state.settings.ordinary_mailboxes = true;
       state.target = PolicyStage::kQuarantine;
     }},
    {"drift", PolicyStage::kQuarantine,
     [](RolloutState&, Evidence& evidence) { evidence.records.dmarc = {"v=DMARC1; p=none"}; }},
    {"step_down", PolicyStage::kReject,
     [](RolloutState&, Evidence& evidence) {
       evidence.breakages = {{BreakageKind::kSelectorGone, "exchange", "s1._domainkey.example.com",
                              Noon(44), 5, false}};
     }},
};

class ExplainTest : public testing::TestWithParam<Case> {};
TEST_P(ExplainTest, Case) {
  RolloutState state = HealthyState(GetParam().stage);
  Evidence evidence = HealthyEvidence(state, Noon(45));
  GetParam().change(state, evidence);
  const Step step = NextStep(state, evidence, Noon(45));
  for (const Gate& gate : step.gates) {
    EXPECT_FALSE(gate.measured.empty() || gate.required.empty() || gate.command.empty());
  }
  EXPECT_THAT(ExplainStep(state, step), MatchesGolden("rollout/" + GetParam().name + ".want.txt"));
}
INSTANTIATE_TEST_SUITE_P(All, ExplainTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace dmarcate
