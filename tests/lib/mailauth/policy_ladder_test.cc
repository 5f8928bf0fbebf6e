#include "lib/mailauth/policy_ladder.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dmarcate {
namespace {

DmarcRecord Parse(std::string_view text) { return ParseDmarc(text).value(); }

struct StageCase {
  std::string name, text;
  PolicyScope scope = PolicyScope::kDomain;
  std::optional<PolicyStage> want;
};
const StageCase kStageCases[] = {
    {"Observe", "v=DMARC1; p=none", PolicyScope::kDomain, PolicyStage::kObserve},
    {"TestOfNoneIsObserve", "v=DMARC1; p=none; t=y", PolicyScope::kDomain, PolicyStage::kObserve},
    {"QuarantineTest", "v=DMARC1; p=quarantine; t=y; pct=0", PolicyScope::kDomain,
     PolicyStage::kQuarantineTest},
    {"Reject", "v=DMARC1; p=reject; pct=100", PolicyScope::kDomain, PolicyStage::kReject},
    {"OnlyNewReceiversTest", "v=DMARC1; p=reject; t=y", PolicyScope::kDomain, {}},
    {"OnlyOldReceiversTest", "v=DMARC1; p=reject; pct=0", PolicyScope::kDomain, {}},
    {"AShareIsNoStage", "v=DMARC1; p=reject; pct=50", PolicyScope::kDomain, {}},
    {"SpFollowsP", "v=DMARC1; p=reject", PolicyScope::kSubdomains, PolicyStage::kReject},
    {"SpOfItsOwn", "v=DMARC1; p=none; sp=quarantine", PolicyScope::kSubdomains,
     PolicyStage::kQuarantine},
    {"NpOfItsOwn", "v=DMARC1; p=none; np=reject", PolicyScope::kNonExistent, PolicyStage::kReject},
    {"BadTagIsNoStage",
     "v=DMARC1; p=reject; sp=typo; rua=mailto:a@b.test",
     PolicyScope::kDomain,
     {}},
};
class StageOfTest : public testing::TestWithParam<StageCase> {};
TEST_P(StageOfTest, Case) {
  EXPECT_EQ(StageOf(Parse(GetParam().text), GetParam().scope), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, StageOfTest, testing::ValuesIn(kStageCases),
                         [](const auto& one) { return one.param.name; });

struct EditCase {
  std::string name, text;
  PolicyScope scope = PolicyScope::kDomain;
  PolicyStage stage = PolicyStage::kQuarantineTest;
  std::string want;  // empty: refused
};
const EditCase kEditCases[] = {
    {"TagsOfOthersKeepTheirBytes", "v=DMARC1;p=none;  x=1 ; rua=mailto:a@b.test",
     PolicyScope::kDomain, PolicyStage::kQuarantineTest,
     "v=DMARC1;p=quarantine;  x=1 ; rua=mailto:a@b.test;t=y;pct=0"},
    {"BothTestTagsGoAtOnce", "v=DMARC1; p=quarantine; t=y; pct=0; rua=mailto:a@b.test",
     PolicyScope::kDomain, PolicyStage::kQuarantine, "v=DMARC1; p=quarantine; rua=mailto:a@b.test"},
    {"AnEnforcedNpForbidsATest", "v=DMARC1; p=none; np=reject", PolicyScope::kDomain,
     PolicyStage::kQuarantineTest, ""},
    {"ItDoesNotForbidTheStageItself", "v=DMARC1; p=none; np=reject", PolicyScope::kDomain,
     PolicyStage::kQuarantine, "v=DMARC1; p=quarantine; np=reject"},
    {"AnSpOfNoneForbidsNothing", "v=DMARC1; p=none; sp=none", PolicyScope::kDomain,
     PolicyStage::kQuarantineTest, "v=DMARC1; p=quarantine; sp=none; t=y; pct=0"},
    {"LeavingTheTestWouldRaiseSp", "v=DMARC1; p=quarantine; sp=quarantine; t=y; pct=0",
     PolicyScope::kDomain, PolicyStage::kQuarantine, ""},
    {"NpGoesFirst", "v=DMARC1; p=none; rua=mailto:a@b.test", PolicyScope::kNonExistent,
     PolicyStage::kReject, "v=DMARC1; p=none; np=reject; rua=mailto:a@b.test"},
    {"SpWhilePIsEnforced", "v=DMARC1; p=reject; sp=none", PolicyScope::kSubdomains,
     PolicyStage::kQuarantineTest, ""},
};
class WithStageTest : public testing::TestWithParam<EditCase> {};
TEST_P(WithStageTest, Case) {
  const EditCase& c = GetParam();
  const absl::StatusOr<DmarcRecord> got = WithStage(Parse(c.text), c.scope, c.stage);
  EXPECT_EQ(got.ok() ? got->Render() : "", c.want) << got.status();
}
INSTANTIATE_TEST_SUITE_P(All, WithStageTest, testing::ValuesIn(kEditCases),
                         [](const auto& one) { return one.param.name; });

TEST(PolicyLadderTest, BothStandardsDoTheSameOnEveryRung) {
  DmarcRecord record = Parse("v=DMARC1; p=none");
  for (const PolicyStage stage : kPolicyStages) {
    record = WithStage(record, PolicyScope::kDomain, stage).value();
    const PolicyEffect effect = EffectOf(record);
    EXPECT_EQ(effect.rfc9989, effect.rfc7489) << record.Render();
    EXPECT_EQ(effect.rfc9989[0], AppliedBy(stage)) << record.Render();
    EXPECT_EQ(StageOf(record, PolicyScope::kDomain), stage);
  }
}

// Every record of tags that a ladder may meet: what WithStage makes is on that rung, and whom it
// does not move sees no difference.
TEST(PolicyLadderTest, OthersSeeNoDifference) {
  const std::vector<std::string> policies = {"", "none", "quarantine", "reject"};
  int edited = 0;
  for (const std::string p : {"none", "quarantine", "reject"}) {
    for (const std::string& sp : policies) {
      for (const std::string& np : policies) {
        for (const std::string test : {"", "; t=y; pct=0", "; t=y", "; pct=0"}) {
          const std::string text = "v=DMARC1; p=" + p + (sp.empty() ? "" : "; sp=" + sp) +
                                   (np.empty() ? "" : "; np=" + np) + test;
          const DmarcRecord before = Parse(text);
          for (const PolicyStage stage : kPolicyStages) {
            const auto after = WithStage(before, PolicyScope::kDomain, stage);
            if (!after.ok()) continue;
            ++edited;
            const PolicyEffect was = EffectOf(before);
            const PolicyEffect is = EffectOf(*after);
            EXPECT_EQ(is.rfc9989[0], AppliedBy(stage)) << text;
            EXPECT_EQ(is.rfc7489[0], AppliedBy(stage)) << text;
            EXPECT_TRUE(sp.empty() || is.rfc9989[1] == was.rfc9989[1]) << text;
            EXPECT_TRUE(sp.empty() || is.rfc7489[1] == was.rfc7489[1]) << text;
            EXPECT_TRUE(np.empty() || is.rfc9989[2] == was.rfc9989[2]) << text;
          }
        }
      }
    }
  }
  EXPECT_GT(edited, 200);
}

TEST(PolicyLadderTest, ATestStageThatCannotBeIsLeftOut) {
  const DmarcRecord free = Parse("v=DMARC1; p=none");
  const DmarcRecord bound = Parse("v=DMARC1; p=none; np=reject");
  EXPECT_EQ(StageAbove(free, PolicyScope::kDomain, PolicyStage::kObserve),
            PolicyStage::kQuarantineTest);
  EXPECT_EQ(StageAbove(bound, PolicyScope::kDomain, PolicyStage::kObserve),
            PolicyStage::kQuarantine);
  const DmarcRecord top = Parse("v=DMARC1; p=reject; np=reject");
  EXPECT_EQ(StageBelow(top, PolicyScope::kDomain, PolicyStage::kReject), PolicyStage::kQuarantine);
  EXPECT_EQ(StageAbove(top, PolicyScope::kDomain, PolicyStage::kReject), std::nullopt);
}

TEST(PolicyLadderTest, AnOwnTagIsWhatWasInherited) {
  const auto own = WithOwnTag(Parse("v=DMARC1; p=quarantine"), PolicyScope::kSubdomains);
  EXPECT_EQ(own->Render(), "v=DMARC1; p=quarantine; sp=quarantine");
  EXPECT_TRUE(Weakens(EffectOf(*own), EffectOf(Parse("v=DMARC1; p=quarantine; sp=none"))));
  EXPECT_FALSE(Weakens(EffectOf(*own), EffectOf(Parse("v=DMARC1; p=reject; sp=quarantine"))));
}

}  // namespace
}  // namespace dmarcate
