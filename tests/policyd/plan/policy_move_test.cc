#include "policyd/plan/policy_move.h"

#include <gtest/gtest.h>

#include "policyd/plan/change_plan.h"
#include "tests/policyd/plan/plan_testing.h"

namespace dmarcate {
namespace {

PolicyMove Up(PolicyStage to, PolicyScope scope = PolicyScope::kDomain) {
  return {scope, to, PolicyDirection::kUp, "r1"};
}
PolicyMove Down(PolicyStage to, PolicyScope scope = PolicyScope::kDomain) {
  return {scope, to, PolicyDirection::kDown, "r1"};
}

struct Case {
  std::string name;
  std::vector<std::string> live;
  PolicyMove move;
  std::string want;  // the record afterwards
  std::string want_plan_guards = "";
  std::string want_guards = "";  // of the images
};
const Case kCases[] = {
    {"TestStageAddsBothTagsAndNothingElse",
     {"v=DMARC1; p=none; rua=mailto:a@a.test; x=1"},
     Up(PolicyStage::kQuarantineTest),
     "v=DMARC1; p=quarantine; rua=mailto:a@a.test; x=1; t=y; pct=0",
     "",
     ""},
    {"LeavingTheTestTakesBothAway",
     {"v=DMARC1; p=quarantine; rua=mailto:a@a.test; t=y; pct=0"},
     Up(PolicyStage::kQuarantine),
     "v=DMARC1; p=quarantine; rua=mailto:a@a.test",
     "",
     ""},
    {"DownIsNamed",
     {"v=DMARC1; p=reject; rua=mailto:a@a.test"},
     Down(PolicyStage::kObserve),
     "v=DMARC1; p=none; rua=mailto:a@a.test",
     "",
     "DMARC_POLICY_WEAKENED:warn"},
    {"DownwardsUnderTheNameOfUpIsRefused",
     {"v=DMARC1; p=reject; rua=mailto:a@a.test"},
     Up(PolicyStage::kQuarantine),
     "v=DMARC1; p=quarantine; rua=mailto:a@a.test",
     "",
     "DMARC_POLICY_WEAKENED:refuse"},
    {"OwnLadderOfSubdomains",
     {"v=DMARC1; p=none; rua=mailto:a@a.test"},
     Up(PolicyStage::kReject, PolicyScope::kSubdomains),
     "v=DMARC1; p=none; sp=reject; rua=mailto:a@a.test",
     "",
     ""},
    {"TestStageThatWouldLowerAnother",
     {"v=DMARC1; p=none; np=reject"},
     Up(PolicyStage::kQuarantineTest),
     "v=DMARC1; p=none; np=reject",
     "DMARC_POLICY_CHANGED:refuse"},
    {"ThereAlready", {"v=DMARC1; p=none"}, Down(PolicyStage::kObserve), "v=DMARC1; p=none"},
    {"NoRecordToRaise", {}, Up(PolicyStage::kQuarantine), "", "DMARC_POLICY_CHANGED:refuse"},
    {"NoRecordToLower", {}, Down(PolicyStage::kObserve), ""},
    {"TwoRecords",
     {"v=DMARC1; p=none", "v=DMARC1; p=reject"},
     Down(PolicyStage::kObserve),
     "",
     "DMARC_MULTIPLE:refuse"},
};
class PolicyMoveTest : public testing::TestWithParam<Case> {};
TEST_P(PolicyMoveTest, Case) {
  const Case& c = GetParam();
  const DmarcPlan plan = PlanDmarcPolicy(Name("example.com"), c.live, c.move);
  EXPECT_EQ(ToText(plan.guards), c.want_plan_guards);
  EXPECT_EQ(plan.after, c.want);
  if (plan.after == plan.before) return;
  EXPECT_EQ(ToText(GuardDmarcText(c.live, {plan.after}, DmarcDirection::kForward, c.move)),
            c.want_guards);
  // Without a rollout's intent the same images are refused.
  EXPECT_EQ(ToText(GuardDmarcText(c.live, {plan.after}, DmarcDirection::kForward)),
            "DMARC_POLICY_CHANGED:refuse");
}
INSTANTIATE_TEST_SUITE_P(All, PolicyMoveTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

TEST(GuardPolicyMoveTest, NothingBesideTheStep) {
  const std::vector<std::string> before = {"v=DMARC1; p=none; rua=mailto:a@a.test"};
  for (const std::string after : {
           "v=DMARC1; p=quarantine",                                // loses rua
           "v=DMARC1; p=quarantine; rua=mailto:a@a.test; np=none",  // another tag
           "v=DMARC1; p=quarantine; rua=mailto:a@a.test; t=y",      // half a test stage
           "v=DMARC1; p=reject; rua=mailto:a@a.test",               // another stage
           "v=DMARC1; p=quarantine;  rua=mailto:a@a.test",          // a blank
       }) {
    const auto guards =
        GuardDmarcText(before, {after}, DmarcDirection::kForward, Up(PolicyStage::kQuarantine));
    EXPECT_EQ(ToText(guards), "DMARC_POLICY_CHANGED:refuse") << after;
  }
  EXPECT_EQ(ToText(GuardDmarcText(before, {}, DmarcDirection::kForward, Up(PolicyStage::kReject))),
            "DMARC_MULTIPLE:refuse");
}

// A person rolled back an abort, and the record stood at a stage that no gate had been asked about
// (rollout simulation, seed 11591).
TEST(GuardPolicyMoveTest, ARollbackGoesUpToNoTestingStageEither) {
  EXPECT_EQ(ToText(GuardDmarcText({"v=DMARC1; p=none"}, {"v=DMARC1; p=quarantine; t=y; pct=0"},
                                  DmarcDirection::kRollback, Down(PolicyStage::kObserve))),
            "DMARC_POLICY_CHANGED:refuse");
}

TEST(GuardPolicyMoveTest, ARollbackLowersAndNeverRaises) {
  const std::string none = "v=DMARC1; p=none; rua=mailto:a@a.test";
  const std::string quarantine = "v=DMARC1; p=quarantine; rua=mailto:a@a.test";
  EXPECT_EQ(ToText(GuardDmarcText({quarantine}, {none}, DmarcDirection::kRollback,
                                  Up(PolicyStage::kQuarantine))),
            "DMARC_POLICY_WEAKENED:warn");
  EXPECT_EQ(ToText(GuardDmarcText({none}, {quarantine}, DmarcDirection::kRollback,
                                  Down(PolicyStage::kObserve))),
            "DMARC_POLICY_CHANGED:refuse");
}

TEST(GuardPolicyMoveTest, TheWeakeningIsNamedForBothStandards) {
  const auto guards =
      GuardDmarcText({"v=DMARC1; p=quarantine; np=reject"}, {"v=DMARC1; p=none; np=reject"},
                     DmarcDirection::kForward, Down(PolicyStage::kObserve));
  ASSERT_EQ(guards.size(), 4u);
  EXPECT_EQ(guards.back().message,
            "the domain: quarantine becomes none; sub-domains: quarantine becomes none; names that "
            "do not exist, on RFC 7489: quarantine becomes none");
}

TEST(GuardPolicyMoveTest, TheDigestIsOverTheIntent) {
  ChangeRecord change;
  change.domain = "example.com";
  const std::string without = PlanDigest(change);
  change.intent.policy = Up(PolicyStage::kQuarantine);
  const std::string up = PlanDigest(change);
  change.intent.policy = Down(PolicyStage::kQuarantine);
  EXPECT_NE(without, up);
  EXPECT_NE(up, PlanDigest(change));
}

}  // namespace
}  // namespace dmarcate
