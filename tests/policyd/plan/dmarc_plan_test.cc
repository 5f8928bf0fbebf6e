#include "policyd/plan/dmarc_plan.h"

#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/policyd/plan/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing_support::IsOkAndHolds;
using testing_support::StatusIs;

struct Case {
  std::string name;
  std::vector<std::string> live;
  std::string want;
  std::string want_changes;
  std::string want_guards = "";
};
const Case kCases[] = {
    {"Created",
     {},
     "v=DMARC1; p=none; rua=mailto:r@reports.test",
     "+p=none +rua=mailto:r@reports.test"},
    {"BesideWhatIsThere",
     {"v=DMARC1; p=reject; rua=mailto:x@other.test; adkim=s"},
     "v=DMARC1; p=reject; rua=mailto:x@other.test,mailto:r@reports.test; adkim=s",
     "p=reject *rua=mailto:x@other.test=>rua=mailto:x@other.test,mailto:r@reports.test adkim=s"},
    {"UnknownTagsOrderAndBlanksStay",
     {"v=DMARC1;p=none ;  future=1;fo=1;"},
     "",  // checked by parts below
     ""},
    {"AlreadyThere",
     {"v=DMARC1; p=none; rua=mailto:R@Reports.test"},
     "v=DMARC1; p=none; rua=mailto:R@Reports.test",
     "p=none rua=mailto:R@Reports.test"},
    {"TwoRecords", {"v=DMARC1; p=none", "v=DMARC1; p=reject"}, "", "", "DMARC_MULTIPLE:refuse"},
    {"NearlyARecordIsRepairedFirst", {"x", " v=DMARC1; p=reject"}, "", "", "RECORD_SYNTAX:refuse"},
    {"DuplicateTag",
     {"v=DMARC1; p=none; p=reject"},
     "v=DMARC1; p=none; p=reject",
     "",
     "RECORD_SYNTAX:refuse"},
    {"SiblingsAreNoDmarc",
     {"verification=1", "v=DMARC1; p=none"},
     "v=DMARC1; p=none; rua=mailto:r@reports.test",
     "p=none +rua=mailto:r@reports.test"},
};
class PlanDmarcRuaTest : public testing::TestWithParam<Case> {};
TEST_P(PlanDmarcRuaTest, Case) {
  const Case& c = GetParam();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcPlan plan,
                                PlanDmarcRua(Name("example.com"), c.live, "r@reports.test"));
  EXPECT_EQ(ToText(plan.guards), c.want_guards);
  if (c.name == "UnknownTagsOrderAndBlanksStay") {
    EXPECT_TRUE(plan.after.starts_with("v=DMARC1;p=none ;  future=1;fo=1;")) << plan.after;
    EXPECT_TRUE(plan.after.find("rua=mailto:r@reports.test") != std::string::npos) << plan.after;
  } else {
    EXPECT_EQ(plan.after, c.want);
    EXPECT_EQ(ToText(plan.tag_changes), c.want_changes);
  }
  if (plan.after == plan.before) return;
  const auto list = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  };
  EXPECT_EQ(ToText(GuardDmarcText(list(plan.before), list(plan.after), DmarcDirection::kForward)),
            "");
  EXPECT_EQ(ToText(GuardDmarcText(list(plan.after), list(plan.before), DmarcDirection::kRollback)),
            "");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcPlan again,
                                PlanDmarcRua(Name("example.com"), {plan.after}, "r@reports.test"));
  EXPECT_EQ(again.after, plan.after);
}
INSTANTIATE_TEST_SUITE_P(All, PlanDmarcRuaTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(PlanDmarcRuaTest, DoesNotWeakenWhatIsInherited) {
  const InheritedDmarc reject{Name("example.com"), DmarcPolicy::kReject};
  DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcPlan refused,
                                PlanDmarcRua(Name("a.example.com"), {}, "r@reports.test", reject));
  EXPECT_EQ(ToText(refused.guards), "DMARC_POLICY_CHANGED:refuse");
  EXPECT_EQ(refused.after, "");
  const InheritedDmarc none{Name("example.com"), DmarcPolicy::kNone};
  DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcPlan created,
                                PlanDmarcRua(Name("a.example.com"), {}, "r@reports.test", none));
  EXPECT_EQ(created.after, "v=DMARC1; p=none; rua=mailto:r@reports.test");
}

TEST(MailtoUriTest, EncodesWhatAListReserves) {
  EXPECT_THAT(MailtoUri("r-abc@Reports.Example"), IsOkAndHolds("mailto:r-abc@reports.example"));
  EXPECT_THAT(MailtoUri("a+b,c!d;e@x.test"), IsOkAndHolds("mailto:a+b%2Cc%21d%3Be@x.test"));
  for (const std::string bad :
       {"", "x", "@x.test", "a b@x.test", "a@", "a@localhost", "a@b@x.test", "\"a\"@x.test",
        "a\r@x.test", "a@192.0.2.1", "a@b.com,c.com", "a@b.com!1", "a@b.com;p=none", "a@b_c.test",
        "a@-b.test", "a@b-.test", "a@*.b.test", "a@b.test/c"}) {
    EXPECT_THAT(MailtoUri(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
  EXPECT_THAT(MailtoUri(std::string(65, 'a') + "@x.test"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PlanDmarcRuaTest, WhatReceiversReadIsWhatWasMeant) {
  for (const std::string mailbox : {"r@x.test", "a+b,c!d;e@x.test", "100%25@x.test",
                                    "a/b?c#d@x.test", "r@xn--bcher-kva.test", "R.S@a-b.1.test"}) {
    for (const std::vector<std::string>& live :
         {std::vector<std::string>{}, {"v=DMARC1; p=none; rua=mailto:o@o.test"}}) {
      DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcPlan plan,
                                    PlanDmarcRua(Name("example.com"), live, mailbox));
      DMARCATE_ASSERT_OK_AND_ASSIGN(const DmarcRecord record, ParseDmarc(plan.after));
      const std::vector<DmarcUri>& uris = record.Verdict(DmarcStandard::kRfc7489).rua;
      ASSERT_EQ(uris.size(), live.size() + 1) << plan.after;
      EXPECT_TRUE(EqualsIgnoreCase(uris.back().mailbox, mailbox)) << plan.after;
    }
  }
  for (const std::string bad : {"a@b.com,c.com", "a@b.com!1", "a@b.com;p=none"}) {
    EXPECT_THAT(PlanDmarcRua(Name("example.com"), {}, bad),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
}

struct GuardCase {
  std::string name;
  std::string before, after;
  DmarcDirection direction;
  std::string want;
};
const GuardCase kGuardCases[] = {
    {"PolicyChanges", "v=DMARC1; p=none", "v=DMARC1; p=reject", DmarcDirection::kForward,
     "DMARC_POLICY_CHANGED:refuse"},
    {"TestModeAppears", "v=DMARC1; p=reject", "v=DMARC1; p=reject; t=y", DmarcDirection::kForward,
     "DMARC_POLICY_CHANGED:refuse"},
    {"SubdomainPolicyVanishes", "v=DMARC1; p=none; sp=reject", "v=DMARC1; p=none",
     DmarcDirection::kForward, "DMARC_POLICY_CHANGED:refuse"},
    {"RuaOfOthersVanishes", "v=DMARC1; p=none; rua=mailto:x@a.test",
     "v=DMARC1; p=none; rua=mailto:r@b.test", DmarcDirection::kForward, "DMARC_TAG_LOSS:refuse"},
    {"UnknownTagVanishes", "v=DMARC1; p=none; z=1", "v=DMARC1; p=none; rua=mailto:r@b.test",
     DmarcDirection::kForward, "DMARC_TAG_LOSS:refuse"},
    {"RecordVanishes", "v=DMARC1; p=none", "", DmarcDirection::kForward,
     "DMARC_POLICY_CHANGED:refuse"},
    {"CreatedWithAPolicy", "", "v=DMARC1; p=reject; rua=mailto:r@b.test", DmarcDirection::kForward,
     "DMARC_POLICY_CHANGED:refuse"},
    {"RollbackTakesTheCreatedRecordAway", "v=DMARC1; p=none; rua=mailto:r@b.test", "",
     DmarcDirection::kRollback, ""},
    {"RollbackMayNotTakeAPolicyAway", "v=DMARC1; p=reject", "", DmarcDirection::kRollback,
     "DMARC_POLICY_CHANGED:refuse"},
    {"RollbackMayNotAddAnAddress", "v=DMARC1; p=none", "v=DMARC1; p=none; rua=mailto:r@b.test",
     DmarcDirection::kRollback, "DMARC_TAG_LOSS:refuse"},
};
class GuardDmarcTextTest : public testing::TestWithParam<GuardCase> {};
TEST_P(GuardDmarcTextTest, Case) {
  const GuardCase& c = GetParam();
  const auto list = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  };
  EXPECT_EQ(ToText(GuardDmarcText(list(c.before), list(c.after), c.direction)), c.want);
}
INSTANTIATE_TEST_SUITE_P(All, GuardDmarcTextTest, testing::ValuesIn(kGuardCases),
                         [](const auto& test) { return test.param.name; });

TEST(PlanReportAuthorizationTest, OnlyWhereItIsNeededAndOurs) {
  const DomainName domain = Name("example.com");
  ReportHostFacts facts;
  facts.host = Name("reports.test");
  EXPECT_TRUE(PlanReportAuthorization(domain, facts).guards.empty());

  facts.needed = true;
  AuthorizationPlan plan = PlanReportAuthorization(domain, facts);
  EXPECT_FALSE(plan.change.has_value());
  EXPECT_EQ(ToText(plan.guards), "DMARC_RUA_UNAUTHORIZED:warn");
  EXPECT_EQ(plan.guards[0].metadata.at("owner"), "example.com._report._dmarc.reports.test");

  facts.ours =
      TxtImage{Name("reports.test"), Name("example.com._report._dmarc.reports.test"), {}, 0};
  plan = PlanReportAuthorization(domain, facts);
  ASSERT_TRUE(plan.change.has_value());
  EXPECT_EQ(plan.change->after, std::vector<std::string>{"\"v=DMARC1;\""});
  EXPECT_EQ(plan.change->ttl_after, kNewRrSetTtlSeconds);
  EXPECT_EQ(ToText(plan.guards), "");

  facts.authorized = true;
  EXPECT_FALSE(PlanReportAuthorization(domain, facts).change.has_value());
}

TEST(PlanReportAuthorizationTest, ANameThatCannotBeIsToldNotWritten) {
  const std::string label(60, 'a');
  const DomainName domain = Name(fmt::format("{0}.{0}.{0}.test", label));
  ReportHostFacts facts;
  facts.needed = true;
  facts.host = Name(fmt::format("{0}.{0}.test", label));
  const AuthorizationPlan plan = PlanReportAuthorization(domain, facts);
  EXPECT_FALSE(plan.change.has_value());
  EXPECT_EQ(ToText(plan.guards), "DMARC_RUA_UNAUTHORIZED:warn");
}

}  // namespace
}  // namespace dmarcate
