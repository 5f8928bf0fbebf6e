#include "policyd/plan/mta_sts_plan.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

const DomainName kDomain = DomainName::Parse("example.com").value();

std::string File(MtaStsMode mode) {
  return RenderStsFile({mode, absl::Hours(24), {"*.example.net", "mx1.example.com"}});
}
const std::string kTesting = File(MtaStsMode::kTesting);
const std::string kEnforce = File(MtaStsMode::kEnforce);
const std::string kNone = File(MtaStsMode::kNone);

std::string Text(const std::string& file, uint32_t serial) {
  return StsRecordText(StsId(file, serial));
}

// The worst of the guards: "", "w CODE" or "r CODE: message".
std::string Worst(const std::vector<GuardRecord>& guards) {
  std::string warned;
  for (const GuardRecord& guard : guards) {
    if (guard.verdict == GuardVerdict::kRefuse) {
      return fmt::format("r {}: {}", guard.code, guard.message);
    }
    if (guard.verdict == GuardVerdict::kWarn) {
      warned = fmt::format("w {}: {}", guard.code, guard.message);
    }
  }
  return warned;
}

struct PlanCase {
  std::string name;
  std::vector<std::string> live;
  StsAnnouncement wanted;
  std::string want;  // the record after
  std::string want_guard;
};
const PlanCase kPlans[] = {
    {"TheFirst", {"other=1"}, {kTesting}, Text(kTesting, 1), ""},
    {"TheNext", {Text(kTesting, 4)}, {kEnforce}, Text(kEnforce, 5), ""},
    {"TheSameFileStays",
     {"v=STSv1; id=" + StsId(kTesting, 2) + "; x=1"},
     {kTesting},
     "v=STSv1; id=" + StsId(kTesting, 2) + "; x=1",
     ""},
    {"SomebodysIdIsReplaced", {"v=STSv1; id=20260101"}, {kTesting}, Text(kTesting, 1), ""},
    {"AnIdOfTheLadder", {Text(kTesting, 1)}, {kTesting, StsId(kTesting, 3)}, Text(kTesting, 3), ""},
    {"ABadIdIsNone", {}, {kTesting, "no-id"}, "", "r RECORD_SYNTAX"},
    {"Away", {Text(kNone, 9)}, {""}, "", ""},
    {"AwayFromNothing", {"other=1"}, {""}, "", ""},
    {"TwoAreNobodys", {Text(kTesting, 1), "v=STSv1; id=1"}, {kTesting}, "", "r MTA_STS_RECORD"},
};
class StsPlanTest : public testing::TestWithParam<PlanCase> {};
TEST_P(StsPlanTest, Case) {
  const StsRecordPlan plan = PlanStsRecord(kDomain, GetParam().live, GetParam().wanted);
  EXPECT_EQ(plan.after, GetParam().want);
  EXPECT_THAT(Worst(plan.guards), testing::StartsWith(GetParam().want_guard));
  if (!GetParam().want_guard.empty()) {
    EXPECT_EQ(plan.before, plan.after) << "nothing is written";
  }
}
INSTANTIATE_TEST_SUITE_P(All, StsPlanTest, testing::ValuesIn(kPlans),
                         [](const auto& one) { return one.param.name; });

struct FileCase {
  std::string name;
  std::string wanted;
  absl::StatusOr<ServedStsFile> served;
  std::string want;
};
const FileCase kFiles[] = {
    {"TheBytes", kTesting, ServedStsFile{kTesting, true}, ""},
    {"AByteLess", kTesting, ServedStsFile{kTesting.substr(0, kTesting.size() - 1), true},
     "r MTA_STS_FILE"},
    {"AnotherType", kTesting, ServedStsFile{kTesting, false}, "r MTA_STS_FILE"},
    {"NotThere", kTesting, absl::NotFoundError("404"), "r MTA_STS_FILE"},
    {"NotKnown", kTesting, absl::UnavailableError("timeout"), "r MTA_STS_FILE"},
    {"NoPolicy", "<html>", ServedStsFile{"<html>", true}, "r MTA_STS_FILE: the file is no policy"},
    {"AwayAfterModeNone", "", ServedStsFile{kNone, true},
     "w MTA_STS_FILE: the policy says mode none"},
    {"AwayWhileTesting", "", ServedStsFile{kTesting, true}, "r MTA_STS_FILE"},
    {"AwayWhenGone", "", absl::NotFoundError("404"), "w MTA_STS_FILE"},
    {"AwayWhenNotKnown", "", absl::UnavailableError("timeout"), "r MTA_STS_FILE"},
    {"AwayFromAWebPage", "", ServedStsFile{"<html>", true},
     "w MTA_STS_FILE: what is served is no policy"},
};
class StsFileGuardTest : public testing::TestWithParam<FileCase> {};
TEST_P(StsFileGuardTest, Case) {
  const std::string worst = Worst(GuardStsFile(kDomain, {GetParam().wanted}, GetParam().served));
  EXPECT_THAT(worst, testing::StartsWith(GetParam().want));
  EXPECT_EQ(worst.empty(), GetParam().want.empty()) << worst;
}
INSTANTIATE_TEST_SUITE_P(All, StsFileGuardTest, testing::ValuesIn(kFiles),
                         [](const auto& one) { return one.param.name; });

struct MxCase {
  std::string name;
  std::string file;
  absl::StatusOr<std::vector<std::string>> hosts;
  std::string want;
  std::string rollout = "";
};
const std::vector<std::string> kNamed = {"mx1.example.com", "a.example.net"};
const std::vector<std::string> kUnnamed = {"mx1.example.com", "mx2.example.com"};
const MxCase kMx[] = {
    {"TestingNamed", kTesting, kNamed, ""},
    {"TestingUnnamed", kTesting, kUnnamed, "w MTA_STS_MX: the file does not name mx2.example.com"},
    {"EnforceByHand", kEnforce, kNamed, "r MTA_STS_MODE"},
    {"EnforceByARollout", kEnforce, kNamed, "", "r1"},
    {"EnforceUnnamed", kEnforce, kUnnamed, "r MTA_STS_MX: the file does not name mx2.example.com",
     "r1"},
    {"EnforceNotKnown", kEnforce, absl::UnavailableError("timeout"), "r MTA_STS_MX", "r1"},
    {"NoneNamesNobody", kNone, kUnnamed, ""},
    {"Away", "", kUnnamed, ""},
};
class StsMxGuardTest : public testing::TestWithParam<MxCase> {};
TEST_P(StsMxGuardTest, Case) {
  const std::string worst =
      Worst(GuardStsMx(kDomain, {GetParam().file, "", GetParam().rollout}, GetParam().hosts));
  EXPECT_THAT(worst, testing::StartsWith(GetParam().want));
  EXPECT_EQ(worst.empty(), GetParam().want.empty()) << worst;
}
INSTANTIATE_TEST_SUITE_P(All, StsMxGuardTest, testing::ValuesIn(kMx),
                         [](const auto& one) { return one.param.name; });

struct RecordCase {
  std::string name;
  std::vector<std::string> before, after;
  std::optional<StsAnnouncement> wanted;
  DmarcDirection direction = DmarcDirection::kForward;
  std::string want;
};
const RecordCase kRecords[] = {
    {"TheFiles", {}, {Text(kTesting, 1)}, StsAnnouncement{kTesting}, DmarcDirection::kForward, ""},
    {"AnotherFiles",
     {},
     {Text(kEnforce, 1)},
     StsAnnouncement{kTesting},
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"AnotherSpell",
     {},
     {Text(kTesting, 1)},
     StsAnnouncement{kTesting, StsId(kTesting, 2)},
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"Nothing",
     {Text(kTesting, 1)},
     {},
     StsAnnouncement{kTesting},
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"ASecond",
     {Text(kTesting, 1)},
     {Text(kTesting, 1), Text(kEnforce, 2)},
     StsAnnouncement{kEnforce},
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"OfAnotherChange",
     {},
     {Text(kTesting, 1)},
     std::nullopt,
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"Away", {Text(kNone, 1)}, {}, StsAnnouncement{}, DmarcDirection::kForward, ""},
    {"NotAway",
     {Text(kNone, 1)},
     {Text(kNone, 1)},
     StsAnnouncement{},
     DmarcDirection::kForward,
     "r MTA_STS_RECORD"},
    {"Back",
     {Text(kEnforce, 2)},
     {Text(kTesting, 1)},
     StsAnnouncement{kEnforce},
     DmarcDirection::kRollback,
     "w MTA_STS_RECORD"},
};
class StsRecordGuardTest : public testing::TestWithParam<RecordCase> {};
TEST_P(StsRecordGuardTest, Case) {
  const std::string worst = Worst(
      GuardStsRecord(GetParam().before, GetParam().after, GetParam().wanted, GetParam().direction));
  EXPECT_THAT(worst, testing::StartsWith(GetParam().want));
  EXPECT_EQ(worst.empty(), GetParam().want.empty()) << worst;
}
INSTANTIATE_TEST_SUITE_P(All, StsRecordGuardTest, testing::ValuesIn(kRecords),
                         [](const auto& one) { return one.param.name; });

TEST(StsRoleTest, IsOfTheNameAndTheText) {
  EXPECT_EQ(RoleOf(DomainName::Parse("_mta-sts.example.com").value()), RecordRole::kMtaSts);
  EXPECT_EQ(RoleOf(DomainName::Parse("mta-sts.example.com").value()), RecordRole::kSpf);
  EXPECT_TRUE(IsOfRole(RecordRole::kMtaSts, "v=STSv1; id=1"));
  EXPECT_FALSE(IsOfRole(RecordRole::kMtaSts, "v=STSv12; id=1"));
  EXPECT_FALSE(IsOfRole(RecordRole::kMtaSts, "v=spf1 -all"));
}

}  // namespace
}  // namespace dmarcate
