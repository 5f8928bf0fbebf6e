// Explanations as golden files: each gate names what was measured, what is required, since when,
// and the command that shows the evidence.

#include "policyd/mta_sts/explain.h"

#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/mta_sts/mta_sts_testing.h"
#include "tests/testing/golden.h"

namespace dmarcate {
namespace {

using testing_support::MatchesGolden;

struct Case {
  std::string name;
  StsStage stage = StsStage::kTesting;
  std::function<void(StsState&, StsEvidence&)> change;
};

const Case kCases[] = {
    {"to_testing", StsStage::kOff, [](auto&, auto&) {}},
    {"to_enforce", StsStage::kTesting,
     [](StsState& state, StsEvidence&) { state.mode = RolloutMode::kConfirm; }},
    {"all_closed", StsStage::kTesting,
     [](StsState& state, StsEvidence& evidence) {
       state.mode = RolloutMode::kConfirm;
       state.stage_start = Noon(17);
       state.settings.freezes = {{Noon(19), Noon(30), "year end"}};
       state.gates = {{StsGateId::kMx, false, Noon(18)}};
       evidence.reporters.resize(1);
       evidence.reporters[0].days = {{DayOf(Noon(18)), 300, 12}, {DayOf(Noon(19)), 200, 9}};
       evidence.failures = {
           {DayOf(Noon(18)), 0, "certificate-host-mismatch", "mx2.example.com", 12},
           {DayOf(Noon(19)), 0, "certificate-host-mismatch", "mx2.example.com", 7},
           {DayOf(Noon(19)), 0, "new-kind", "", 2}};
       evidence.advisories = {"40 sessions were of senders that found no policy"};
       evidence.mx.hosts[1].faults = {MxFault::kWrongName};
       evidence.mx.hosts[1].detail = "the certificate is for mail.example.org";
       evidence.mx.hosts[0].expires = Noon(25);
       evidence.mx.hosts.push_back({.name = "backup.example.net"});
       evidence.file.body = "version: STSv1\nmode: testing\n";
       evidence.file.looks = 1;
       evidence.records.last_drift = Noon(16);
       evidence.records.tls_rpt.clear();
       evidence.control.open_change = "c1";
     }},
    {"small_domain", StsStage::kTesting,
     [](StsState& state, StsEvidence& evidence) {
       state.mode = RolloutMode::kConfirm;
       state.stage_start = Noon(-20);
       evidence = HealthyStsEvidence(state, Noon(20), {.sessions = 2});
     }},
    {"file_on_its_way", StsStage::kTesting,
     [](StsState& state, StsEvidence& evidence) {
       const std::string file = WantedStsFile(state.settings, StsStage::kEnforce);
       state.move = StsMove{StsStage::kEnforce, StsMoveKind::kUp, file,
                            StsId(file, 2),     Noon(19),         "serve enforce: all gates hold"};
       evidence.file.body = state.file;
     }},
    {"step_down", StsStage::kEnforce,
     [](StsState&, StsEvidence& evidence) {
       evidence.mx.hosts[0].faults = {MxFault::kExpired};
       evidence.mx.hosts[0].since = Noon(19);
       evidence.mx.hosts[0].looks = 5;
     }},
    {"drift", StsStage::kEnforce,
     [](StsState&, StsEvidence& evidence) {
       evidence.records.mta_sts = {"v=STSv1; id=20260101;"};
     }},
};

class StsExplainTest : public testing::TestWithParam<Case> {};
TEST_P(StsExplainTest, Case) {
  StsState state = HealthySts(GetParam().stage);
  StsEvidence evidence = HealthyStsEvidence(state, Noon(20));
  GetParam().change(state, evidence);
  const StsStep step = NextStep(state, evidence, Noon(20));
  for (const StsGate& gate : step.gates) {
    EXPECT_FALSE(gate.measured.empty() || gate.required.empty() || gate.command.empty());
  }
  EXPECT_THAT(ExplainStep(state, step), MatchesGolden("mta_sts/" + GetParam().name + ".want.txt"));
}
INSTANTIATE_TEST_SUITE_P(All, StsExplainTest, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace dmarcate
