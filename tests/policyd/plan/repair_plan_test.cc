#include "policyd/plan/repair_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/plan/change_plan.h"
#include "policyd/plan/guard.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

const DomainName kDomain = *DomainName::Parse("example.com");

struct Case {
  std::string name;
  Texts live;
  std::string keep;
  std::string want;     // the record that is left; empty: nothing to do, or refused
  std::string refused;  // code, and a part of its message behind a blank
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

void Check(const Case& tested, const RepairPlan& plan) {
  EXPECT_EQ(plan.after, tested.want);
  EXPECT_EQ(plan.replaced.empty(), tested.want.empty());
  const GuardRecord* refusal = FindRefusal(plan.guards);
  if (tested.refused.empty()) {
    EXPECT_EQ(refusal, nullptr) << refusal->message;
    return;
  }
  ASSERT_NE(refusal, nullptr);
  const size_t blank = tested.refused.find(' ');
  EXPECT_EQ(refusal->code, tested.refused.substr(0, blank));
  EXPECT_THAT(refusal->message, HasSubstr(tested.refused.substr(blank + 1)));
  EXPECT_FALSE(refusal->metadata.empty()) << "names the records";
}

class SpfRepairTest : public testing::TestWithParam<Case> {};
TEST_P(SpfRepairTest, Case) {
  Check(GetParam(), PlanSpfRepair(kDomain, GetParam().live, {}, GetParam().keep));
}
INSTANTIATE_TEST_SUITE_P(
    All, SpfRepairTest,
    testing::Values(
        Case{"OneIsNotBroken", {"v=spf1 mx -all", "other"}, "", "", ""},
        Case{"NoneIsNotBroken", {"other"}, "", "", ""},
        Case{"TwoAreMerged",
             {"v=spf1 mx include:a.test -all", "x", "v=spf1 include:b.test ~all"},
             "",
             "v=spf1 mx include:a.test include:b.test ~all",
             ""},
        Case{"EqualTermsStandOnce",
             {"v=spf1 mx ip4:192.0.2.1 -all", "v=spf1 MX ip4:192.0.2.1/32 -all"},
             "",
             "v=spf1 mx ip4:192.0.2.1 -all",
             ""},
        Case{"EqualRecordsToo", {"v=spf1 mx -all", "v=spf1 mx -all"}, "", "v=spf1 mx -all", ""},
        Case{"WithoutAllThereIsNone", {"v=spf1 mx", "v=spf1 a"}, "", "v=spf1 mx a", ""},
        Case{"ARedirectStays",
             {"v=spf1 mx", "v=spf1 redirect=a.test"},
             "",
             "v=spf1 mx redirect=a.test",
             ""},
        Case{"ThreeAreMerged",
             {"v=spf1 a -all", "v=spf1 mx ?all", "v=spf1 ip4:192.0.2.1 ~all"},
             "",
             "v=spf1 a mx ip4:192.0.2.1 ?all",
             ""},
        Case{"OrderDecides",
             {"v=spf1 -ip4:192.0.2.1 mx -all", "v=spf1 a -all"},
             "",
             "",
             "REPAIR_CHOICE depends on what stands before it"},
        Case{"RedirectAndAll",
             {"v=spf1 mx -all", "v=spf1 redirect=a.test"},
             "",
             "",
             "REPAIR_CHOICE redirect="},
        Case{"TwoRedirects",
             {"v=spf1 redirect=b.test", "v=spf1 redirect=a.test"},
             "",
             "",
             "REPAIR_CHOICE different redirect="},
        Case{"BehindAll", {"v=spf1 -all mx", "v=spf1 a -all"}, "", "", "REPAIR_CHOICE behind all"},
        Case{"AChoiceIsTaken",
             {"v=spf1 -ip4:192.0.2.1 mx -all", "v=spf1  a -all"},
             "v=spf1  a -all",
             "v=spf1  a -all",
             ""},
        Case{"OfTheseOnly",
             {"v=spf1 mx -all", "v=spf1 a -all"},
             "v=spf1 +all",
             "",
             "REPAIR_CHOICE none of those"},
        Case{"WhatDoesNotParse",
             {"v=spf1 mx -all", "v=spf1 nonsense:x -all"},
             "",
             "",
             "RECORD_SYNTAX does not parse"},
        Case{"WhatDoesNotParseMayGo",
             {"v=spf1 mx -all", "v=spf1 nonsense:x -all"},
             "v=spf1 mx -all",
             "v=spf1 mx -all",
             ""}),
    [](const auto& tested) { return tested.param.name; });

class DmarcRepairTest : public testing::TestWithParam<Case> {};
TEST_P(DmarcRepairTest, Case) {
  Check(GetParam(), PlanDmarcRepair(kDomain, GetParam().live, GetParam().keep));
}
INSTANTIATE_TEST_SUITE_P(
    All, DmarcRepairTest,
    testing::Values(
        Case{"OneIsNotBroken", {"v=DMARC1; p=none", "other"}, "", "", ""},
        Case{"ANearMissBesideARecordIsLeftAlone",
             {"v=DMARC1; p=none", " v=DMARC1; p=reject"},
             "",
             "",
             ""},
        Case{"OfTwoTheAddressesAreKept",
             {"v=DMARC1; p=none; rua=mailto:a@a.test", "v=DMARC1; p=none; rua=mailto:b@b.test"},
             "",
             "v=DMARC1; p=none; rua=mailto:a@a.test,mailto:b@b.test",
             ""},
        Case{"OtherTagsAreTaken",
             {"v=DMARC1; p=none", "v=DMARC1; p=none; ruf=mailto:f@a.test"},
             "",
             "v=DMARC1; p=none; ruf=mailto:f@a.test",
             ""},
        Case{"APolicyIsAChoice",
             {"v=DMARC1; p=none", "v=DMARC1; p=reject"},
             "",
             "",
             "REPAIR_CHOICE disagree about p"},
        Case{"AnAbsentTagDisagrees",
             {"v=DMARC1; p=reject", "v=DMARC1; p=reject; sp=none"},
             "",
             "",
             "REPAIR_CHOICE disagree about sp"},
        Case{"AChoiceIsTaken",
             {"v=DMARC1; p=none", "v=DMARC1;p=reject"},
             "v=DMARC1;p=reject",
             "v=DMARC1;p=reject",
             ""},
        Case{"OfTheseOnly",
             {"v=DMARC1; p=none", "v=DMARC1; p=reject"},
             "v=DMARC1; p=quarantine",
             "",
             "REPAIR_CHOICE none of those"},
        Case{"ALeadingBlank", {" v=DMARC1; p=reject"}, "", "v=DMARC1; p=reject", ""},
        Case{"ACommaAfterTheVersion", {"v=DMARC1, p=none"}, "", "v=DMARC1; p=none", ""},
        Case{
            "TwoNearMisses", {" v=DMARC1; p=none", "v=DMARC1, p=none"}, "", "v=DMARC1; p=none", ""},
        Case{"ANearMissIsChosenAsItIsLive",
             {" v=DMARC1; p=none", "v=DMARC1, p=reject"},
             "v=DMARC1, p=reject",
             "v=DMARC1; p=reject",
             ""},
        Case{"WhatSaysNothing", {" v=DMARC1; p=nonsense"}, "", "", "RECORD_SYNTAX cannot be told"}),
    [](const auto& tested) { return tested.param.name; });

TEST(DmarcRepair, WhatDoesNotParseIsNotMergedAway) {
  const std::string good = "v=DMARC1; p=none; rua=mailto:a@a.test";
  std::string many = "v=DMARC1; p=none; rua=mailto:b@b.test";
  for (int i = 0; i < 1001; ++i) many += ";x=1";
  for (const Texts& live : {Texts{many, many + ";y=1"}, Texts{good, many}, Texts{many, good}}) {
    Check({"", live, "", "", "RECORD_SYNTAX more than 1000 tags"},
          PlanDmarcRepair(kDomain, live, ""));
  }
  Check({"", {}, "", good, ""}, PlanDmarcRepair(kDomain, {many, good}, good));
  Check({"", {}, "", "", "RECORD_SYNTAX more than 1000 tags"},
        PlanDmarcRepair(kDomain, {many, good}, many));
}

TEST(SpfRepair, KeepsTheBookOfWhatIsOurs) {
  const std::vector<ManagedTerm> managed = {{"include:a.test", "a"}, {"include:b.test", "b"}};
  const Texts live = {"v=spf1 include:a.test -all", "v=spf1 include:b.test -all"};
  EXPECT_EQ(PlanSpfRepair(kDomain, live, managed, "").managed_after, managed);
  const RepairPlan chosen = PlanSpfRepair(kDomain, live, managed, live[1]);
  EXPECT_THAT(chosen.managed_after, ElementsAre(ManagedTerm{"include:b.test", "b"}));
  ASSERT_EQ(chosen.term_changes.size(), 3U);
  EXPECT_EQ(chosen.term_changes[2].action, TermAction::kRemove);
  EXPECT_EQ(chosen.term_changes[2].term, "include:a.test");
  EXPECT_EQ(chosen.term_changes[2].source_id, "a");
}

// The whole change, as the engine judges it.
class RepairGuardTest : public testing::Test {
 protected:
  static ChangeRecord Make(RepairKind kind, const Texts& live, const std::string& keep = "") {
    TxtImage image;
    image.zone = kDomain;
    image.owner = kind == RepairKind::kSpf ? kDomain : *kDomain.Child("_dmarc");
    image.ttl_seconds = 600;
    for (const std::string& text : live) image.records.push_back(MakeTxtRecord(text));
    ChangeRecord change;
    change.domain = kDomain.text();
    change.intent.repair = kind;
    change.intent.repair_keep = keep;
    change.record_changes.push_back(
        ReplaceBroken(image, kind == RepairKind::kSpf ? PlanSpfRepair(kDomain, live, {}, keep)
                                                      : PlanDmarcRepair(kDomain, live, keep)));
    return change;
  }
  static std::vector<GuardRecord> Judge(const ChangeRecord& change) {
    return JudgeChange(change, SpfMeasures{}).value();
  }
  static std::string Refusal(const ChangeRecord& change) {
    const std::vector<GuardRecord> guards = Judge(change);
    const GuardRecord* refusal = FindRefusal(guards);
    return refusal == nullptr ? "" : refusal->code;
  }
  static std::string Told(const ChangeRecord& change, std::string_view code) {
    for (const GuardRecord& guard : Judge(change)) {
      if (guard.code == code) return guard.message;
    }
    return "";
  }
};

TEST_F(RepairGuardTest, OneRecordIsLeftWhereTheFirstStoodAndSiblingsStay) {
  const ChangeRecord change =
      Make(RepairKind::kSpf, {"x", "v=spf1 mx -all", "y", "v=spf1 a -all", "z"});
  EXPECT_THAT(change.record_changes[0].after,
              ElementsAre("\"x\"", "\"v=spf1 mx a -all\"", "\"y\"", "\"z\""));
  EXPECT_THAT(change.record_changes[0].untouched, ElementsAre("\"x\"", "\"y\"", "\"z\""));
  EXPECT_EQ(change.record_changes[0].ttl_after, 600U);
  EXPECT_EQ(Refusal(change), "");
  EXPECT_THAT(Told(change, guard_code::kSpfRepair), HasSubstr("permerror"));
}

TEST_F(RepairGuardTest, WhatReceiversSeeIsTold) {
  EXPECT_THAT(
      Told(Make(RepairKind::kDmarc, {" v=DMARC1; p=reject", "x"}), guard_code::kDmarcRepair),
      testing::AllOf(HasSubstr("no DMARC record"), HasSubstr("p=reject")));
  EXPECT_EQ(Refusal(Make(RepairKind::kDmarc, {" v=DMARC1; p=reject", "x"})), "");
  EXPECT_EQ(Refusal(Make(RepairKind::kDmarc, {"v=DMARC1; p=none", "v=DMARC1; p=none"})), "");
}

TEST_F(RepairGuardTest, OnlyWhatTheRepairComesToPasses) {
  ChangeRecord change = Make(RepairKind::kSpf, {"x", "v=spf1 mx -all", "v=spf1 a -all"});
  ASSERT_EQ(Refusal(change), "");
  ChangeRecord other = change;
  other.record_changes[0].after[1] = "\"v=spf1 mx a ~all\"";
  EXPECT_EQ(Refusal(other), "SPF_MULTIPLE");
  other = change;
  other.record_changes[0].after.erase(other.record_changes[0].after.begin());
  EXPECT_EQ(Refusal(other), "SIBLING_TXT_LOSS");
  other = change;
  other.record_changes[0].after.push_back("\"v=spf1 -all\"");
  EXPECT_EQ(Refusal(other), "SPF_MULTIPLE");
  other = change;
  other.managed_after = {{"mx", "ours"}};
  EXPECT_EQ(Refusal(other), "SPF_MULTIPLE");
  // Without the intent it is no plan at all.
  other = change;
  other.intent.repair = RepairKind::kNone;
  EXPECT_EQ(Refusal(other), "SPF_MULTIPLE");
  // And the other one says nothing about this record.
  other = change;
  other.intent.repair = RepairKind::kDmarc;
  EXPECT_NE(Refusal(other), "");
}

TEST_F(RepairGuardTest, EverybodyIsNotLetThrough) {
  EXPECT_EQ(Refusal(Make(RepairKind::kSpf, {"v=spf1 mx +all", "v=spf1 a -all"})), "SPF_PLUS_ALL");
}

TEST_F(RepairGuardTest, TheDigestIsOverTheChoice) {
  ChangeRecord change = Make(RepairKind::kSpf, {"v=spf1 mx -all", "v=spf1 a -all"});
  const std::string merged = PlanDigest(change);
  change.intent.repair_keep = "v=spf1 mx -all";
  EXPECT_NE(PlanDigest(change), merged);
  change.intent.repair = RepairKind::kNone;
  EXPECT_NE(PlanDigest(change), merged);
}

TEST_F(RepairGuardTest, TwoRecordsDoNotComeBack) {
  ChangeRecord change = Make(RepairKind::kSpf, {"v=spf1 mx -all", "v=spf1 a -all"});
  change.id = "01a";
  EXPECT_EQ(Refusal(PlanRollback(change, {})), "SPF_MULTIPLE");
}

}  // namespace
}  // namespace dmarcate
