#include "policyd/mta_sts/policy_file.h"

#include <random>
#include <set>
#include <string>

#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/mailauth/mta_sts_record.h"
#include "policyd/mta_sts/settings.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const StsFile kFile = {
    MtaStsMode::kTesting, absl::Hours(24), {"*.mx.example.net", "mx1.example.com"}};

TEST(StsFileTest, IsWhatTheRfcShows) {
  EXPECT_EQ(RenderStsFile(kFile),
            "version: STSv1\r\nmode: testing\r\nmx: *.mx.example.net\r\nmx: mx1.example.com\r\n"
            "max_age: 86400\r\n");
}

TEST(StsFileTest, OfModeNoneNamesNoServers) {
  EXPECT_EQ(RenderStsFile({MtaStsMode::kNone, kStsWithdrawalAge, {"mx1.example.com"}}),
            "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n");
}

// Whatever may be asked for is read by a strict parser as what was asked for, and has no finding of
// weight.
TEST(StsFileTest, IsReadAsItWasMeant) {
  std::mt19937 random(20261130);
  for (int i = 0; i < 2000; ++i) {
    StsFile file;
    file.mode = static_cast<MtaStsMode>(random() % 3);
    file.max_age = absl::Seconds(86400 + random() % 31'000'000);
    std::vector<std::string> names;
    for (size_t n = 1 + random() % 12; n > 0; --n) {
      names.push_back(fmt::format("{}mx{}.example{}.com", random() % 2 == 0 ? "*." : "",
                                  random() % 100, random() % 5));
    }
    file.mx = NormalizeStsPatterns(names).value();
    const std::string text = RenderStsFile(file);
    const auto policy = ParseMtaStsPolicy(text);
    ASSERT_TRUE(policy.ok()) << policy.status() << text;
    EXPECT_EQ(policy->mode, file.mode);
    EXPECT_EQ(policy->max_age, file.max_age);
    EXPECT_EQ(policy->mx.size(), file.mode == MtaStsMode::kNone ? 0 : file.mx.size());
    EXPECT_TRUE(SaysTheSame(*policy, *policy));
    for (const LintFinding& finding : LintMtaStsPolicy(*policy)) {
      EXPECT_EQ(finding.severity, Severity::kInfo) << finding.message << "\n" << text;
    }
    EXPECT_EQ(DescribeStsDifference(text, text), "");
    const auto record = ParseMtaStsRecord(StsRecordText(StsId(text, random())));
    ASSERT_TRUE(record.ok()) << record.status();
  }
}

TEST(StsIdTest, IsAnotherOneForAnotherFileOrSpell) {
  const std::string file = RenderStsFile(kFile);
  StsFile other = kFile;
  other.mode = MtaStsMode::kEnforce;
  std::set<std::string> ids;
  for (uint32_t serial = 0; serial < 100; ++serial) {
    ids.insert(StsId(file, serial));
    ids.insert(StsId(RenderStsFile(other), serial));
  }
  EXPECT_EQ(ids.size(), 200u);
  EXPECT_EQ(StsId(file, 7), StsId(file, 7));
  for (const uint32_t serial : {0u, 1u, 7u, 9'999'999u}) {
    EXPECT_TRUE(IsStsIdOf(file, StsId(file, serial)));
    EXPECT_FALSE(IsStsIdOf(RenderStsFile(other), StsId(file, serial)));
    EXPECT_EQ(StsSerialOf(StsId(file, serial)), serial);
  }
  for (const char* foreign : {"", "20260101", "n7", "000000000000000000000000n",
                              "000000000000000000000000nx", "000000000000000000000000n7x"}) {
    EXPECT_FALSE(IsStsIdOf(file, foreign)) << foreign;
    EXPECT_EQ(StsSerialOf(foreign), 0u) << foreign;
  }
  EXPECT_LE(StsId(file, 4'294'967'295u).size(), 32u);
}

TEST(StsPatternsTest, AreNormal) {
  EXPECT_THAT(NormalizeStsPatterns({"MX2.Example.com", "*.example.net", "mx2.example.com"}).value(),
              ElementsAre("*.example.net", "mx2.example.com"));
  for (const char* bad : {"", "*", "mx_1.example.com", "mx.example.com.", "a.*.example.com",
                          "m\xc3\xbcx.example.com"}) {
    EXPECT_EQ(NormalizeStsPatterns({bad}).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_FALSE(NormalizeStsPatterns({}).ok());
  std::vector<std::string> many;
  for (size_t i = 0; i <= kMaxStsMxPatterns; ++i) many.push_back(fmt::format("mx{}.test", i));
  EXPECT_FALSE(NormalizeStsPatterns(many).ok());
  many.pop_back();
  EXPECT_TRUE(NormalizeStsPatterns(many).ok());
}

TEST(StsPatternsTest, MatchOneLabelMore) {
  EXPECT_THAT(HostsNotMatched({"*.example.net", "mx.example.com"},
                              {"a.example.net", "a.b.example.net", "example.net", "mx.example.com",
                               "mx2.example.com"}),
              ElementsAre("a.b.example.net", "example.net", "mx2.example.com"));
}

struct DifferenceCase {
  std::string name, served, want;
};
const DifferenceCase kDifferences[] = {
    {"LineEnds",
     "version: STSv1\nmode: testing\nmx: *.mx.example.net\nmx: mx1.example.com\nmax_age: 86400\n",
     "not how they end"},
    {"NoLastLineEnd",
     "version: STSv1\r\nmode: testing\r\nmx: *.mx.example.net\r\nmx: mx1.example.com\r\n"
     "max_age: 86400",
     "not how they end"},
    {"AnotherMode",
     "version: STSv1\r\nmode: enforce\r\nmx: *.mx.example.net\r\nmx: mx1.example.com\r\n"
     "max_age: 86400\r\n",
     "line 2 is \"mode: enforce\", not \"mode: testing\""},
    {"LineMissing",
     "version: STSv1\r\nmode: testing\r\nmx: *.mx.example.net\r\nmx: mx1.example.com\r\n",
     "line 5 is missing: \"max_age: 86400\""},
    {"LineTooMuch",
     "version: STSv1\r\nmode: testing\r\nmx: *.mx.example.net\r\nmx: mx1.example.com\r\n"
     "max_age: 86400\r\nmx: evil.test\r\n",
     "line 6 is too much: \"mx: evil.test\""},
    {"Control", "\x1b[2J", "line 1 is \"\\x1b[2J\""},
};
class StsDifferenceTest : public testing::TestWithParam<DifferenceCase> {};
TEST_P(StsDifferenceTest, IsNamed) {
  EXPECT_THAT(DescribeStsDifference(RenderStsFile(kFile), GetParam().served),
              HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, StsDifferenceTest, testing::ValuesIn(kDifferences),
                         [](const auto& one) { return one.param.name; });

TEST(StsSettingsTest, CannotMakeAGateMeaningless) {
  const StsSettings good = HealthyStsSettings();
  EXPECT_TRUE(CheckStsSettings(good).ok());
  const auto refused = [&good](auto change, const std::string& field) {
    StsSettings settings = good;
    change(settings);
    const absl::Status status = CheckStsSettings(settings);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  };
  refused([](auto& s) { s.testing_days = 6; }, "testing_days");
  refused([](auto& s) { s.min_reporters = 1; }, "min_reporters");
  refused([](auto& s) { s.failure_share = 0.03; }, "failure_share");
  refused([](auto& s) { s.failure_share = 0; }, "failure_share");
  refused([](auto& s) { s.testing_max_age = absl::Hours(1); }, "testing_max_age");
  refused([](auto& s) { s.testing_max_age = absl::Hours(24) + absl::Milliseconds(1); },
          "testing_max_age");
  refused([](auto& s) { s.enforce_max_age = absl::Hours(24); }, "enforce_max_age");
  refused([](auto& s) { s.enforce_max_age = kMaxMtaStsAge + absl::Seconds(1); }, "enforce_max_age");
  refused([](auto& s) { s.mx.clear(); }, "mx");
  refused([](auto& s) { s.mx = {"MX1.example.com"}; }, "mx");
  refused([](auto& s) { s.hours.from_minute = s.hours.to_minute; }, "hours");
}

}  // namespace
}  // namespace dmarcate
