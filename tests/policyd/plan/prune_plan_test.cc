#include "policyd/plan/prune_plan.h"

#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/change_plan.h"
#include "policyd/plan/guard.h"
#include "tests/policyd/plan/plan_testing.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using Texts = std::vector<std::string>;

const DomainName kDomain = Name("example.com");

struct Case {
  std::string name;
  Texts live;
  Texts prune;
  std::string want;     // the record that is left; empty: refused
  std::string refused;  // code, and a part of its message behind a blank
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

const std::vector<ManagedTerm> kManaged = {
    {"include:ours.test", "ours"},
    {"include:_spf-0123456789ab.example.com", std::string(kFlattenedSourceId)}};

class PrunePlanTest : public testing::TestWithParam<Case> {};
TEST_P(PrunePlanTest, Case) {
  const Case& tested = GetParam();
  const PrunePlan plan = PlanPrune(kDomain, tested.live, kManaged, tested.prune);
  const GuardRecord* refusal = FindRefusal(plan.guards);
  if (tested.refused.empty()) {
    ASSERT_EQ(refusal, nullptr) << refusal->message;
    EXPECT_EQ(plan.after, tested.want);
    EXPECT_EQ(plan.managed_after, kManaged);
    return;
  }
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(plan.before, plan.after);
  const size_t blank = tested.refused.find(' ');
  EXPECT_EQ(refusal->code, tested.refused.substr(0, blank));
  EXPECT_THAT(refusal->message, HasSubstr(tested.refused.substr(blank + 1)));
}
INSTANTIATE_TEST_SUITE_P(
    All, PrunePlanTest,
    testing::Values(
        Case{"EveryOtherByteStays",
             {"x", "V=SPF1  mx   include:a.test  +ip4:192.0.2.1 -all  "},
             {"include:a.test"},
             "V=SPF1  mx  +ip4:192.0.2.1 -all  ",
             ""},
        Case{"Several",
             {"v=spf1 mx include:a.test ip4:192.0.2.1 ip6:2001:db8::/32 a -all"},
             {"ip6:2001:db8::/32", "mx", "a"},
             "v=spf1 include:a.test ip4:192.0.2.1 -all",
             ""},
        Case{"EachTimeThatItStands",
             {"v=spf1 mx include:a.test mx -all"},
             {"mx"},
             "v=spf1 include:a.test -all",
             ""},
        Case{"TheLastOneToo", {"v=spf1 mx -all"}, {"mx"}, "v=spf1 -all", ""},
        Case{"ByItsBytes",
             {"v=spf1 MX -all"},
             {"mx"},
             "",
             "SPF_PRUNE_TERM mx: the record has no such term"},
        Case{"OneOfThemIsNotThere",
             {"v=spf1 mx -all"},
             {"mx", "a"},
             "",
             "SPF_PRUNE_TERM a: the record has no such term"},
        Case{"NeverAll", {"v=spf1 mx -all"}, {"-all"}, "", "SPF_PRUNE_TERM -all: only include"},
        Case{"NoRedirect",
             {"v=spf1 redirect=a.test"},
             {"redirect=a.test"},
             "",
             "SPF_PRUNE_TERM redirect=a.test: only include"},
        Case{"NothingThatDenies",
             {"v=spf1 -ip4:192.0.2.1 mx -all"},
             {"-ip4:192.0.2.1"},
             "",
             "SPF_PRUNE_TERM -ip4:192.0.2.1: only include"},
        Case{"WhatDmarcatePutThere",
             {"v=spf1 mx include:ours.test -all"},
             {"include:ours.test"},
             "",
             "SPF_PRUNE_TERM include:ours.test: Dmarcate put it there for ours; reject that"},
        Case{"WhatLeadsToChildRecords",
             {"v=spf1 mx include:_spf-0123456789ab.example.com -all"},
             {"include:_spf-0123456789ab.example.com"},
             "",
             "SPF_PRUNE_TERM include:_spf-0123456789ab.example.com: it leads to child records"},
        Case{"NoRecord", {"x"}, {"mx"}, "", "SPF_PRUNE_TERM mx: there is no SPF record"},
        Case{"TwoRecords",
             {"v=spf1 mx -all", "v=spf1 -all"},
             {"mx"},
             "",
             "SPF_MULTIPLE example.com has 2 SPF records; make one of them first"},
        Case{"NoSyntax", {"v=spf1 mx foo -all"}, {"mx"}, "", "RECORD_SYNTAX does not parse"}),
    [](const auto& one) { return one.param.name; });

TEST(PrunePlanTest, ShowsEachTermAndWhoseItIs) {
  const PrunePlan plan =
      PlanPrune(kDomain, {"v=spf1 mx include:ours.test a -all"}, kManaged, {"mx"});
  EXPECT_EQ(ToText(plan.term_changes), "-mx include:ours.test(ours) a -all");
}

TEST(PrunePlanTest, WhatACarrierStandsForLosesThemToo) {
  std::vector<ManagedTerm> managed = kManaged;
  managed[1].stands_for = "v=spf1 mx include:ours.test include:flat.test -all";
  const PrunePlan plan =
      PlanPrune(kDomain, {"v=spf1 mx include:ours.test include:_spf-0123456789ab.example.com -all"},
                managed, {"mx"});
  EXPECT_EQ(plan.managed_after[1].stands_for, "v=spf1 include:ours.test include:flat.test -all");
}

SourceDecision Decision(const std::string& id, SourceState state, AuthorizationSpec::Kind kind,
                        const std::string& include = "") {
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = id;
  decision.state = state;
  decision.authorization.kind = kind;
  decision.authorization.include_domain = include;
  return decision;
}

struct Told {
  std::string name;
  PruneFact fact;
  std::vector<SourceDecision> decisions;
  std::string want;
};
void PrintTo(const Told& told, std::ostream* out) { *out << told.name; }
using Kind = AuthorizationSpec::Kind;

class TellPruneTest : public testing::TestWithParam<Told> {};
TEST_P(TellPruneTest, Case) {
  const std::vector<GuardRecord> guards =
      TellPrune({"include:a.test"}, {GetParam().fact}, GetParam().decisions);
  EXPECT_EQ(ToText(guards), GetParam().want);
  // And what was told is what a later look goes by.
  ChangeRecord change;
  change.intent.prune = {"include:a.test"};
  change.guards = guards;
  const bool told = GetParam().want == "SPF_PRUNE:warn";
  if (told) {
    EXPECT_EQ(ApprovedSince(change, GetParam().decisions), "");
  }
}
const PruneFact kUnused = {"include:a.test", "unused", "none of 9", {}};
const PruneFact kUsed = {"include:a.test", "used", "7 messages", {"x", "sender"}};
INSTANTIATE_TEST_SUITE_P(
    All, TellPruneTest,
    testing::Values(Told{"Unused", kUnused, {}, "SPF_PRUNE:warn"},
                    Told{"UsedByNobodyWhoIsApproved",
                         kUsed,
                         {Decision("sender", SourceState::kRejected, Kind::kSpfInclude, "a.test")},
                         "SPF_PRUNE:warn"},
                    Told{"TheTermOfAnApprovedSource",
                         kUnused,
                         {Decision("sender", SourceState::kApproved, Kind::kSpfInclude, "A.test")},
                         "SPF_PRUNE_APPROVED:refuse"},
                    Told{"MailOfAnApprovedSourcePassesThroughIt",
                         kUsed,
                         {Decision("sender", SourceState::kApproved, Kind::kAlreadyAuthorized)},
                         "SPF_PRUNE_APPROVED:refuse"},
                    Told{"WhoIsApprovedWithDkimOnlyDoesNotNeedIt",
                         kUsed,
                         {Decision("sender", SourceState::kApproved, Kind::kDkimOnly)},
                         "SPF_PRUNE:warn"},
                    Told{"NobodyAskedTheReports",
                         {"include:b.test", "unused", "", {}},
                         {},
                         "SPF_PRUNE_TERM:refuse"}),
    [](const auto& one) { return one.param.name; });

TEST(TellPruneTest, AnApprovalSinceThePlanIsSeen) {
  ChangeRecord change;
  change.intent.prune = {"include:a.test"};
  change.guards = TellPrune(change.intent.prune, {kUsed}, {});
  EXPECT_EQ(ApprovedSince(change, {}), "");
  EXPECT_EQ(
      ApprovedSince(change, {Decision("sender", SourceState::kApproved, Kind::kAlreadyAuthorized)}),
      "sender");
  EXPECT_EQ(ApprovedSince(change,
                          {Decision("other", SourceState::kApproved, Kind::kSpfInclude, "a.test")}),
            "other");
}

// Judged by the images, however they were made.
struct Judged {
  std::string name;
  std::string before, after;
  bool rollback = false;
  bool want = false;
};
void PrintTo(const Judged& judged, std::ostream* out) { *out << judged.name; }
class GuardPruneTest : public testing::TestWithParam<Judged> {};
TEST_P(GuardPruneTest, Case) {
  ChangeRecord change;
  change.intent.prune = {"mx"};
  if (GetParam().rollback) change.intent.rollback_of = "01";
  const auto guards = GuardPrune(change, kDomain, {GetParam().before}, {GetParam().after});
  EXPECT_EQ(FindRefusal(guards) == nullptr, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(
    All, GuardPruneTest,
    testing::Values(
        Judged{"ExactlyThat", "v=spf1 mx a -all", "v=spf1 a -all", false, true},
        Judged{"MoreThanThat", "v=spf1 mx a -all", "v=spf1 -all", false, false},
        Judged{"LessThanThat", "v=spf1 mx a -all", "v=spf1 mx a -all", false, false},
        Judged{"Another", "v=spf1 mx a -all", "v=spf1 mx -all", false, false},
        Judged{"WithAChangeBeside", "v=spf1 mx a -all", "v=spf1 a ~all", false, false},
        Judged{"OnlyARollbackPutsBack", "v=spf1 a -all", "v=spf1 mx a -all", false, false},
        Judged{"ARollbackPutsBack", "v=spf1 a -all", "v=spf1 mx a -all", true, true},
        Judged{"NothingElse", "v=spf1 a -all", "v=spf1 mx ptr a -all", true, false},
        Judged{"AndItsRollbackTakesOut", "v=spf1 mx a -all", "v=spf1 a -all", true, true}),
    [](const auto& one) { return one.param.name; });

TEST(GuardPruneTest, TheBookStaysAsItIs) {
  ChangeRecord change;
  change.intent.prune = {"mx"};
  change.managed_before = kManaged;
  change.managed_after = {kManaged[0]};
  EXPECT_NE(FindRefusal(GuardPrune(change, kDomain, {"v=spf1 mx -all"}, {"v=spf1 -all"})), nullptr);
  change.managed_after = kManaged;
  EXPECT_EQ(FindRefusal(GuardPrune(change, kDomain, {"v=spf1 mx -all"}, {"v=spf1 -all"})), nullptr);
}

TEST(GuardPruneTest, TheDigestIsOverTheTerms) {
  ChangeRecord change;
  change.intent.prune = {"mx"};
  ChangeRecord other = change;
  other.intent.prune = {"mx", "a"};
  EXPECT_NE(PlanDigest(change), PlanDigest(other));
  EXPECT_NE(PlanDigest(change), PlanDigest({}));
  // Undone, it is still about these terms.
  EXPECT_EQ(PlanRollback(change, {}).intent.prune, change.intent.prune);
}

}  // namespace
}  // namespace dmarcate
