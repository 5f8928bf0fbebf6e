#include "policyd/plan/spf_plan.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "lib/mailauth/spf_record.h"
#include "policyd/plan/guard.h"
#include "tests/policyd/plan/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

struct Case {
  std::string name;
  std::vector<std::string> live;
  std::vector<ManagedTerm> managed;
  std::vector<ApprovedSource> approved;
  std::string want;  // the record afterwards
  std::string want_changes;
  std::string want_managed;
  std::string want_guards = "";
};

const Case kCases[] = {
    {"ForeignTermsStay",
     {"v=spf1 mx ~all"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 mx include:a.test ~all",
     "mx +include:a.test(a) ~all",
     "a=include:a.test"},
    {"NothingApprovedChangesNothing", {"v=spf1 mx ~all"}, {}, {}, "v=spf1 mx ~all", "mx ~all", ""},
    {"NoRecordAndNothingToSay", {"other"}, {}, {{"dkim", {}}}, "", "", ""},
    {"NoRecordIsCreatedWithSoftFail",
     {},
     {},
     {{"b", {"ip4:192.0.2.0/24"}}, {"a", {"include:a.test"}}},
     "v=spf1 include:a.test ip4:192.0.2.0/24 ~all",
     "+include:a.test(a) +ip4:192.0.2.0/24(b) +~all",
     "a=include:a.test b=ip4:192.0.2.0/24"},
    {"SourcesComeInOrderOfTheirIds",
     {"v=spf1 -all"},
     {},
     {{"z", {"include:z.test"}}, {"a", {"include:a.test"}}},
     "v=spf1 include:a.test include:z.test -all",
     "+include:a.test(a) +include:z.test(z) -all",
     "a=include:a.test z=include:z.test"},
    {"BytesOfOthersStay",
     {"V=SPF1  +A   ip4:192.0.2.1/32  ?all  "},
     {},
     {{"a", {"include:a.test"}}},
     "V=SPF1  +A   ip4:192.0.2.1/32 include:a.test  ?all  ",
     "+A ip4:192.0.2.1/32 +include:a.test(a) ?all",
     "a=include:a.test"},
    {"BeforeRedirect",
     {"v=spf1 redirect=_spf.b.test"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 include:a.test redirect=_spf.b.test",
     "+include:a.test(a) redirect=_spf.b.test",
     "a=include:a.test"},
    {"NeitherAllNorRedirect",
     {"v=spf1 mx"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 mx include:a.test",
     "mx +include:a.test(a)",
     "a=include:a.test"},
    {"ATermOfOthersIsNotTakenOver",
     {"v=spf1 include:a.test ~all"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 include:a.test ~all",
     "include:a.test ~all",
     ""},
    {"ATermInOtherLettersIsThere",
     {"v=spf1 +include:A.Test ~all"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 +include:A.Test ~all",
     "+include:A.Test ~all",
     ""},
    {"BehindAllIsNotThere",
     {"v=spf1 ~all include:a.test"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 include:a.test ~all include:a.test",
     "+include:a.test(a) ~all include:a.test",
     "a=include:a.test"},
    {"RemovedApprovalTakesExactlyItsTerms",
     {"v=spf1 mx include:a.test include:b.test ~all"},
     {{"include:a.test", "a"}, {"include:b.test", "b"}},
     {{"b", {"include:b.test"}}},
     "v=spf1 mx include:b.test ~all",
     "mx -include:a.test(a) include:b.test(b) ~all",
     "b=include:b.test"},
    {"ASharedTermStaysForTheOther",
     {"v=spf1 include:g.test ~all"},
     {{"include:g.test", "a"}, {"include:g.test", "b"}},
     {{"b", {"include:g.test"}}},
     "v=spf1 include:g.test ~all",
     "include:g.test(b) ~all",
     "b=include:g.test"},
    {"TwoSourcesWantOneTerm",
     {"v=spf1 ~all"},
     {},
     {{"a", {"include:g.test"}}, {"b", {"include:g.test"}}},
     "v=spf1 include:g.test ~all",
     "+include:g.test(a) ~all",
     "a=include:g.test b=include:g.test"},
    {"ATermThatSomebodyRewroteIsTheirs",
     {"v=spf1 ?include:a.test ~all"},
     {{"include:a.test", "a"}},
     {},
     "v=spf1 ?include:a.test ~all",
     "?include:a.test ~all",
     ""},
    {"ATermThatSomebodyTookOutComesBackWhileApproved",
     {"v=spf1 ~all"},
     {{"include:a.test", "a"}},
     {{"a", {"include:a.test"}}},
     "v=spf1 include:a.test ~all",
     "+include:a.test(a) ~all",
     "a=include:a.test"},
    {"ATermThatSomebodyTookOutIsForgottenOtherwise",
     {"v=spf1 ~all"},
     {{"include:a.test", "a"}},
     {},
     "v=spf1 ~all",
     "~all",
     ""},
    {"OurTermsStayWhereTheyStand",
     {"v=spf1 include:b.test mx ~all"},
     {{"include:b.test", "b"}},
     {{"a", {"include:a.test"}}, {"b", {"include:b.test"}}},
     "v=spf1 include:b.test mx include:a.test ~all",
     "include:b.test(b) mx +include:a.test(a) ~all",
     "a=include:a.test b=include:b.test"},
    {"SwapOfOneForAnother",
     {"v=spf1 include:a.test ~all"},
     {{"include:a.test", "a"}},
     {{"a", {"ip4:192.0.2.7"}}},
     "v=spf1 ip4:192.0.2.7 ~all",
     "-include:a.test(a) +ip4:192.0.2.7(a) ~all",
     "a=ip4:192.0.2.7"},
    {"TwoRecordsAreNotMerged",
     {"v=spf1 mx ~all", "v=spf1 -all"},
     {{"mx", "m"}},
     {{"a", {"include:a.test"}}},
     "",
     "",
     "m=mx",
     "SPF_MULTIPLE:refuse"},
    {"ARecordThatDoesNotParseIsNotTouched",
     {"v=spf1 inclde:b.test ~all"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 inclde:b.test ~all",
     "",
     "",
     "RECORD_SYNTAX:refuse"},
    {"SiblingsAreNoSpf",
     {"google-site-verification=x", "v=spf10 mx", "v=spf1 -all"},
     {},
     {{"a", {"include:a.test"}}},
     "v=spf1 include:a.test -all",
     "+include:a.test(a) -all",
     "a=include:a.test"},
};

class PlanSpfTest : public testing::TestWithParam<Case> {};

TEST_P(PlanSpfTest, Case) {
  const Case& c = GetParam();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const SpfPlan plan,
                                PlanSpf(Name("example.com"), c.live, c.managed, c.approved));
  EXPECT_EQ(plan.after, c.want);
  EXPECT_EQ(ToText(plan.term_changes), c.want_changes);
  EXPECT_EQ(ToText(plan.managed_after), c.want_managed);
  EXPECT_EQ(ToText(plan.guards), c.want_guards);
}
INSTANTIATE_TEST_SUITE_P(All, PlanSpfTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(PlanSpfTermTest, RefusesWhatNobodyShouldAdd) {
  for (const std::string term : {"+all", "all", "ptr", "ptr:a.test", "redirect=a.test", "x=y",
                                 "-include:a.test", "?ip4:192.0.2.1", "include:Example.COM.",
                                 "include:a b", "include:", "ip4:192.0.2.1/33", ""}) {
    EXPECT_THAT(PlanSpf(Name("example.com"), {"v=spf1 -all"}, {}, {{"a", {term}}}),
                testing_support::StatusIs(absl::StatusCode::kInvalidArgument))
        << term;
  }
}

// Random records and decisions: whatever happens, terms of others keep bytes and order, a plan made
// from its own result has nothing to do, and taking everything back restores the exact bytes.
TEST(PlanSpfPropertyTest, HoldsForRandomRecords) {
  const std::vector<std::string> foreign = {"mx",
                                            "A",
                                            "ip4:203.0.113.0/24",
                                            "?include:f1.test",
                                            "include:s2.test",
                                            "exists:%{i}.f2.test",
                                            "ip6:2001:db8::/32",
                                            "a:f3.test/28"};
  const std::vector<std::string> tails = {" -all", "  ~all", " redirect=r.test", "",
                                          " ?all exp=e.test"};
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto chance = [&](uint32_t n) { return random() % n == 0; };
    std::string live = chance(4) ? "V=spf1" : "v=spf1";
    std::vector<std::string> terms = foreign;
    std::shuffle(terms.begin(), terms.end(), random);
    for (size_t i = 0; i < random() % 6; ++i) live += (chance(3) ? "  " : " ") + terms[i];
    live += tails[random() % tails.size()];

    std::vector<ManagedTerm> managed;
    std::string text = live;
    for (int round = 0; round < 4; ++round) {
      std::vector<ApprovedSource> approved;
      for (int i = 0; i < 5; ++i) {
        if (chance(2)) {
          approved.push_back({fmt::format("s{}", i), {fmt::format("include:s{}.test", i)}});
        }
      }
      std::shuffle(approved.begin(), approved.end(), random);
      DMARCATE_ASSERT_OK_AND_ASSIGN(const SpfPlan plan,
                                    PlanSpf(Name("example.com"), {text}, managed, approved));
      ASSERT_EQ(ToText(GuardSpfText({text}, {plan.after}, managed, plan.managed_after)), "");
      ASSERT_TRUE(ParseSpf(plan.after).ok()) << plan.after;
      DMARCATE_ASSERT_OK_AND_ASSIGN(const SpfPlan again, PlanSpf(Name("example.com"), {plan.after},
                                                                 plan.managed_after, approved));
      ASSERT_EQ(again.after, plan.after);
      ASSERT_EQ(again.managed_after, plan.managed_after);
      text = plan.after;
      managed = plan.managed_after;
    }
    DMARCATE_ASSERT_OK_AND_ASSIGN(const SpfPlan undone,
                                  PlanSpf(Name("example.com"), {text}, managed, {}));
    ASSERT_EQ(undone.after, live);
  }
}

SpfMeasure Measure(int lookups, int voids = 0, int voids_ipv6 = 0) {
  SpfMeasure measure;
  measure.lookups = lookups;
  measure.void_lookups = voids;
  measure.void_lookups_ipv6 = voids_ipv6;
  return measure;
}

TEST(GuardSpfCostTest, EveryLimit) {
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(7))), "");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(8))), "SPF_LOOKUP_MARGIN:warn");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(10))), "SPF_LOOKUP_MARGIN:warn");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(11))), "SPF_LOOKUP_LIMIT:refuse");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(1, 2))), "");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), Measure(1, 3))), "SPF_VOID_LIMIT:refuse");
  // Over IPv6: refused where the change brings it over the limit, told where it is so already.
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1, 0, 2), Measure(1, 0, 2))), "");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1, 0, 2), Measure(1, 0, 3))), "SPF_VOID_LIMIT:refuse");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1, 0, 3), Measure(1, 0, 3))), "SPF_VOID_LIMIT:warn");
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1, 3, 3), Measure(1, 3, 3))), "SPF_VOID_LIMIT:refuse");
  SpfMeasure incomplete = Measure(1);
  incomplete.complete = false;
  incomplete.incomplete_reason = "timeout";
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), incomplete)), "SPF_LOOKUP_LIMIT:refuse");
  SpfMeasure broken = Measure(2);
  broken.permerror = "gone.test: the name does not exist";
  broken.permerror_term = "include:gone.test";
  EXPECT_EQ(ToText(GuardSpfCost(Measure(1), broken)), "DANGLING_INCLUDE:refuse");
}

TEST(GuardSpfCostTest, SaysTheNumbersAndTheCostliestTerm) {
  SpfMeasure after = Measure(12);
  after.cost_by_term = {{"include:a.test", 3}, {"include:b.test", 8}};
  const std::vector<GuardRecord> guards = GuardSpfCost(Measure(9), after);
  const GuardRecord* refusal = FindRefusal(guards);
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->message, "12 look-ups, limit 10, before 9; include:b.test takes 8");
  EXPECT_EQ(refusal->metadata.at("lookups"), "12");
  EXPECT_EQ(refusal->metadata.at("before"), "9");
}

struct TextCase {
  std::string name, before, after;
  std::vector<ManagedTerm> managed_before, managed_after;
  std::string want;
};
const TextCase kTextCases[] = {
    {"OursComes",
     "v=spf1 mx ~all",
     "v=spf1 mx include:a.test ~all",
     {},
     {{"include:a.test", "a"}},
     ""},
    {"OursGoes", "v=spf1 include:a.test ~all", "v=spf1 ~all", {{"include:a.test", "a"}}, {}, ""},
    {"ForeignGoes", "v=spf1 mx ~all", "v=spf1 ~all", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
    {"ForeignComes", "v=spf1 ~all", "v=spf1 mx ~all", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
    {"ForeignMoves", "v=spf1 mx a ~all", "v=spf1 a mx ~all", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
    {"ForeignChangesAByte",
     "v=spf1 MX ~all",
     "v=spf1 mx ~all",
     {},
     {},
     "UNMANAGED_TERM_LOSS:refuse"},
    {"AllChanges", "v=spf1 mx ~all", "v=spf1 mx -all", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
    {"PlusAll", "v=spf1 +all", "v=spf1 +all", {}, {}, "SPF_PLUS_ALL:refuse"},
    {"BareAll", "v=spf1 all", "v=spf1 all", {}, {}, "SPF_PLUS_ALL:refuse"},
    {"Created", "", "v=spf1 include:a.test ~all", {}, {{"include:a.test", "a"}}, ""},
    {"CreatedWithMore", "", "v=spf1 mx ~all", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
    {"TakenBack", "v=spf1 include:a.test ~all", "", {{"include:a.test", "a"}}, {}, ""},
    {"TakenAwayWithMore", "v=spf1 mx ~all", "", {}, {}, "UNMANAGED_TERM_LOSS:refuse"},
};
class GuardSpfTextTest : public testing::TestWithParam<TextCase> {};
TEST_P(GuardSpfTextTest, Case) {
  const TextCase& c = GetParam();
  const auto list = [](const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : std::vector<std::string>{text};
  };
  EXPECT_EQ(ToText(GuardSpfText(list(c.before), list(c.after), c.managed_before, c.managed_after)),
            c.want);
}
INSTANTIATE_TEST_SUITE_P(All, GuardSpfTextTest, testing::ValuesIn(kTextCases),
                         [](const auto& test) { return test.param.name; });

TEST(GuardSpfTextTest, TwoRecordsAreRefused) {
  EXPECT_EQ(ToText(GuardSpfText({"v=spf1 -all"}, {"v=spf1 -all", "v=spf1 mx -all"}, {}, {})),
            "SPF_MULTIPLE:refuse");
}

TEST(MeasureTest, TakesCountsCostsAndTheFirstPermerror) {
  SpfTree tree;
  tree.lookup_count = 4;
  tree.void_lookup_count = 1;
  tree.void_lookup_count_ipv6 = 2;
  SpfNode good;
  good.term = "include:a.test";
  good.lookup_cost = 3;
  SpfNode inner;
  inner.target = "gone.test";
  inner.dangling = SpfDangling::kNxDomain;
  SpfNode bad;
  bad.term = "include:b.test";
  bad.lookup_cost = 1;
  bad.children.push_back(inner);
  SpfNode unreached = bad;
  unreached.term = "include:c.test";
  unreached.reached = false;
  tree.root.children = {unreached, good, bad};
  const SpfMeasure measure = MeasureOf(tree);
  EXPECT_EQ(measure.lookups, 4);
  EXPECT_EQ(measure.void_lookups, 1);
  EXPECT_EQ(measure.void_lookups_ipv6, 2);
  EXPECT_EQ(measure.permerror_term, "include:b.test");
  EXPECT_EQ(measure.permerror, "gone.test: the name does not exist");
  std::vector<TermChangeRecord> changes = {{TermAction::kAdd, "include:a.test"}};
  FillCosts({}, measure, changes);
  EXPECT_EQ(changes[0].lookup_cost, 3);
}

TEST(MeasureTest, AFailedLookUpIsNoPermerror) {
  SpfTree tree;
  tree.complete = false;
  tree.incomplete_reason = "a.test: timeout";
  SpfNode failed;
  failed.term = "include:a.test";
  failed.complete = false;
  failed.error = "timeout";
  tree.root.children = {failed};
  const SpfMeasure measure = MeasureOf(tree);
  EXPECT_FALSE(measure.complete);
  EXPECT_EQ(measure.permerror, "");
}

}  // namespace
}  // namespace dmarcate
