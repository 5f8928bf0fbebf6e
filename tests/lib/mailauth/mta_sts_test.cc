#include <algorithm>
#include <ctime>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/mta_sts_record.h"
#include "lib/mailauth/syntax_error.h"
#include "tests/lib/mailauth/bad_case.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::vector<std::string> Texts(const std::vector<LintFinding>& findings) {
  std::vector<std::string> out;
  for (const LintFinding& finding : findings) {
    out.push_back(fmt::format("{} {} {} {}", ToString(finding.severity), finding.code, finding.path,
                              finding.position));
    EXPECT_FALSE(finding.message.empty());
    EXPECT_TRUE(finding.fix_hint.ends_with('.')) << finding.fix_hint;
    EXPECT_TRUE(finding.rfc_section.starts_with("RFC 8461 section")) << finding.rfc_section;
  }
  return out;
}

TEST(ParseMtaStsRecord, ReadsTheIdAndKeepsEveryByte) {
  const std::string text = "v=STSv1 ;\tid=20260101T000000 ;x-y.z_1=a:b; id=second;";
  const auto record = ParseMtaStsRecord(text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->id, "20260101T000000");
  EXPECT_EQ(record->list.fields.size(), 3u);
  EXPECT_EQ(record->Render(), text);
  EXPECT_EQ(ParseMtaStsRecord(record->Render()).value(), *record);
}

const BadCase kBadRecords[] = {
    {"Empty", "", "begin with 'v=STSv1'", 0},
    {"VersionInUpperCase", "V=STSV1; id=a", "begin with", 0},
    {"VersionGoesOn", "v=STSv10; id=a", "begin with", 0},
    {"NoId", "v=STSv1; ext=1", "no id", 14},
    {"IdInUpperCase", "v=STSv1; ID=1", "no id", 13},
    {"IdOf33", "v=STSv1; id=" + std::string(33, '1'), "no id: at most 32", 12},
    {"IdWithAHyphen", "v=STSv1; id=2026-01-01", "no id", 12},
    {"TheFirstIdCounts", "v=STSv1; id=a-b; id=a", "no id", 12},
    {"ABlankInAnId", "v=STSv1; id=a b", "blank or '='", 9},
    {"BlanksBesideEquals", "v=STSv1; id = a", "blank beside", 9},
};
class BadMtaStsRecordTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadMtaStsRecordTest, SaysWhyAndWhere) {
  ExpectRefused(ParseMtaStsRecord(GetParam().text).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, BadMtaStsRecordTest, testing::ValuesIn(kBadRecords),
                         [](const auto& tested) { return tested.param.name; });

TEST(SelectMtaSts, TakesTheOneThatBeginsSo) {
  EXPECT_THAT(SelectMtaSts({"v=spf1 -all", "v=STSv1; id=a"}).indexes, ElementsAre(1u));
  EXPECT_EQ(SelectMtaSts({"v=STSv1; id=a", "v=STSv1; id=b"}).outcome,
            RecordSelection::Outcome::kMultiple);
  EXPECT_EQ(SelectMtaSts({"v=STSv1"}).outcome, RecordSelection::Outcome::kNone);
}

TEST(LintMtaStsRecord, Finds) {
  const auto lint = [](std::string_view text) {
    return Texts(LintMtaStsRecord(ParseMtaStsRecord(text).value()));
  };
  EXPECT_THAT(lint("v=STSv1; id=a;"), IsEmpty());
  EXPECT_THAT(lint("v=STSv1 ; id=a; Id=b; id=c "),
              ElementsAre("warning MTA_STS_SYNTAX mta-sts 7", "warning MTA_STS_SYNTAX mta-sts 26",
                          "info MTA_STS_UNKNOWN_FIELD mta-sts/Id 16",
                          "warning MTA_STS_DUPLICATE_FIELD mta-sts/id 22"));
}

constexpr char kPolicy[] =
    "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx:\t*.Example.NET \r\n"
    "x-note: gr\xc3\xbc\xc3\x9f dich\nmax_age: 604800";

TEST(ParseMtaStsPolicy, ReadsLinesAndKeepsEveryByte) {
  const auto policy = ParseMtaStsPolicy(kPolicy);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->mode, MtaStsMode::kEnforce);
  EXPECT_EQ(policy->max_age, absl::Hours(7 * 24));
  ASSERT_EQ(policy->mx.size(), 2u);
  EXPECT_EQ(policy->mx[0].text(), "mail.example.com");
  EXPECT_EQ(policy->mx[1].text(), "*.example.net");
  EXPECT_EQ(policy->lines.size(), 6u);
  EXPECT_EQ(policy->lines[4].value, "gr\xc3\xbc\xc3\x9f dich");
  EXPECT_EQ(policy->Render(), kPolicy);
  EXPECT_EQ(ParseMtaStsPolicy(policy->Render()).value(), *policy);
}

TEST(MtaStsPolicy, AWildcardIsOneLabel) {
  const auto policy = ParseMtaStsPolicy(kPolicy).value();
  const struct {
    std::string host;
    bool want;
  } cases[] = {
      {"mail.example.com", true},
      {"MAIL.example.com", true},
      {"mail2.example.com", false},
      {"a.mail.example.com", false},
      {"mx.example.net", true},
      {"example.net", false},
      {"a.mx.example.net", false},
      {"mxexample.net", false},
      {"net", false},
      {".", false},
  };
  for (const auto& test : cases)
    EXPECT_EQ(policy.AllowsMx(Name(test.host)), test.want) << test.host;
}

TEST(ParseMtaStsMxPattern, IsAHostName) {
  for (const std::string good : {"a.test", "*.a.test", "a", "XN--BCHER-KVA.test", "1.a.test"}) {
    EXPECT_TRUE(ParseMtaStsMxPattern(good).ok()) << good;
  }
  for (const std::string bad : {"", "*", "*.", "*a.test", "a.*.test", "*.*.test", ".a.test",
                                "a.test.", "_a.test", "a_b.test", "-a.test",
                                "b\xc3\xbc"
                                "cher.test",
                                "192.0.2.1", "[192.0.2.1]", "a b.test", "a.test\\"}) {
    EXPECT_FALSE(ParseMtaStsMxPattern(bad).ok()) << bad;
  }
}

const BadCase kBadPolicies[] = {
    {"Empty", "", "no line version", 0},
    {"NoMode", "version: STSv1\nmax_age: 1\nmx: a.test", "no line mode", 0},
    {"NoMaxAge", "version: STSv1\nmode: none\n", "no line max_age", 0},
    {"NoMx", "version: STSv1\nmode: testing\nmax_age: 1\n", "no line mx", 0},
    {"OtherVersion", "version: STSv2\nmode: none\nmax_age: 1\n", "not STSv1", 0},
    {"ModeInUpperCase", "version: STSv1\nmode: Enforce\nmax_age: 1\n", "enforce, testing or none",
     15},
    {"NegativeAge", "version: STSv1\nmode: none\nmax_age: -1\n", "number of seconds", 26},
    {"AgeOf11Digits", "version: STSv1\nmode: none\nmax_age: 00000000001\n", "10 digits", 26},
    {"MxWithADot", "version: STSv1\nmode: none\nmax_age: 1\nmx: a.test.\n", "no dot", 37},
    {"ABadMxCountsInAnyMode", "version: STSv1\nmode: none\nmax_age: 1\nmx: a..test\n",
     "no host name", 37},
    {"BlankBeforeTheKey", " version: STSv1\nmode: none\nmax_age: 1\n", "no key", 0},
    {"BlankBeforeTheColon", "version : STSv1\nmode: none\nmax_age: 1\n", "no key", 0},
    {"ByteOrderMark", "\xef\xbb\xbfversion: STSv1\nmode: none\nmax_age: 1\n", "no key", 0},
    {"NoColon", "version: STSv1\nenforce\n", "no line 'key: value'", 15},
    {"AWebPage", "<!DOCTYPE html>\n<html>", "no line 'key: value'", 0},
    {"CarriageReturnAlone", "version: STSv1\rmode: none\rmax_age: 1\r", "control characters", 8},
    {"CarriageReturnAtTheEnd", "version: STSv1\nmode: none\nmax_age: 1\r", "control characters",
     34},
    {"NoUtf8", "version: STSv1\nmode: none\nmax_age: 1\nx: \xff\n", "UTF-8", 39},
    {"Nul", std::string("version: STSv1\nmode: none\nmax_age: 1\nx: a\0b\n", 44), "control", 39},
};
class BadMtaStsPolicyTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadMtaStsPolicyTest, SaysWhyAndWhere) {
  ExpectRefused(ParseMtaStsPolicy(GetParam().text).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, BadMtaStsPolicyTest, testing::ValuesIn(kBadPolicies),
                         [](const auto& tested) { return tested.param.name; });

TEST(ParseMtaStsPolicy, TakesAtMost64KiB) {
  std::string text = "version: STSv1\nmode: enforce\nmax_age: 604800\n";
  while (text.size() + 7 <= kMaxMtaStsPolicyOctets) text += "mx: ab\n";
  text += std::string(kMaxMtaStsPolicyOctets - text.size(), '\n');
  const auto policy = ParseMtaStsPolicy(text);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->Render(), text);
  EXPECT_EQ(LintMtaStsPolicy(*policy).size(), 100u);
  EXPECT_EQ(PositionOf(ParseMtaStsPolicy(text + "\n").status()), 65536);
}

TEST(LintMtaStsPolicy, Finds) {
  const auto lint = [](std::string_view text) {
    return Texts(LintMtaStsPolicy(ParseMtaStsPolicy(text).value()));
  };
  const std::string head = "version: STSv1\nmode: enforce\nmx: a.test\n";
  EXPECT_THAT(lint(head + "max_age: 31557600\n"), IsEmpty());
  EXPECT_THAT(lint(head + "max_age: 86400\n"), IsEmpty());
  EXPECT_THAT(lint(head + "max_age: 31557601\n"),
              ElementsAre("error MTA_STS_MAX_AGE mta-sts-policy/max_age 40"));
  EXPECT_THAT(lint(head + "max_age: 9999999999\n"),
              ElementsAre("error MTA_STS_MAX_AGE mta-sts-policy/max_age 40"));
  EXPECT_THAT(lint(head + "max_age: 86399\n"),
              ElementsAre("warning MTA_STS_MAX_AGE mta-sts-policy/max_age 40"));
  EXPECT_THAT(lint("version: STSv1\nmode: none\nmax_age: 60\n"),
              ElementsAre("info MTA_STS_NOT_ENFORCED mta-sts-policy/mode 15"));
  EXPECT_THAT(lint("version: STSv1\nmode: testing\nmx: a.test\nmax_age: 604800\n"),
              ElementsAre("info MTA_STS_NOT_ENFORCED mta-sts-policy/mode 15"));
  EXPECT_THAT(lint(head + "max_age: 604800\nmode: none\nmx: A.test\nmaxage: 1\n \n"),
              ElementsAre("warning MTA_STS_DUPLICATE_FIELD mta-sts-policy/mode 56",
                          "info MTA_STS_DUPLICATE_FIELD mta-sts-policy/mx 67",
                          "info MTA_STS_UNKNOWN_FIELD mta-sts-policy/maxage 78",
                          "warning MTA_STS_SYNTAX mta-sts-policy 88"));
}

TEST(LintMtaStsPolicy, IgnoredLinesHideNoError) {
  std::string text = "version: STSv1\nmode: testing\nmx: a.test\n";
  for (int i = 0; i < 200; ++i) text += "x: y\n";
  text += "max_age: 9999999999\n";
  const auto findings = LintMtaStsPolicy(ParseMtaStsPolicy(text).value());
  EXPECT_EQ(findings.size(), 100u);
  EXPECT_EQ(WorstSeverity(findings), Severity::kError);
}

// Processor time of the quickest of some tries: others on the machine make work longer, never
// shorter.
template <typename Work>
std::clock_t TimeOf(const Work& work) {
  std::clock_t best = std::numeric_limits<std::clock_t>::max();
  for (int i = 0; i < 7; ++i) {
    const std::clock_t begin = std::clock();
    work();
    best = std::min(best, std::clock() - begin);
  }
  return best;
}

// Reading a policy is linear in its octets, so linting must not take long beside it. Where each
// line searches the ones before it, 64 KiB take a hundred times as long.
TEST(LintMtaStsPolicy, TakesNoLongerThanReading) {
  const auto fill = [](std::string text, std::string_view line, size_t octets) {
    while (text.size() + line.size() <= octets) text += line;
    return text;
  };
  const std::string head = "version: STSv1\nmode: none\n";
  const std::string kTexts[] = {
      // Each second max_age looks for the first behind many others.
      fill(fill(head, "\n", kMaxMtaStsPolicyOctets / 2), "max_age:1\n", kMaxMtaStsPolicyOctets),
      fill(head + "max_age: 60\n", "a:b\n", kMaxMtaStsPolicyOctets),
      fill(head + "max_age: 60\n", "mx:a\n", kMaxMtaStsPolicyOctets),
  };
  for (const std::string& text : kTexts) {
    const auto policy = ParseMtaStsPolicy(text);
    ASSERT_TRUE(policy.ok()) << policy.status();
    const std::clock_t reading = TimeOf([&text] { (void)ParseMtaStsPolicy(text).value(); });
    const std::clock_t linting = TimeOf([&policy] { (void)LintMtaStsPolicy(*policy); });
    EXPECT_LE(linting, reading) << text.substr(0, 60);
  }
}

TEST(TlsCorpus, MtaStsRecordsAndPolicies) {
  const auto lines = ReadCorpusLines("dns-records/tlsrpt-mtasts.jsonl");
  if (lines.empty()) GTEST_SKIP() << "no corpus";
  int records = 0;
  int policies = 0;
  for (const auto& line : lines) {
    if (line["kind"] == "mtasts-record") {
      ++records;
      const std::string text = line["record"];
      const auto record = ParseMtaStsRecord(text);
      ASSERT_EQ(record.ok(), line["valid"].get<bool>()) << line << record.status();
      if (!record.ok()) continue;
      EXPECT_EQ(record->id, line["policy_id"]) << line;
      EXPECT_EQ(record->Render(), text) << line;
    } else if (line["kind"] == "mtasts-policy") {
      ++policies;
      const std::string text = line["policy"];
      const auto policy = ParseMtaStsPolicy(text);
      ASSERT_EQ(policy.ok(), line["valid"].get<bool>()) << line << policy.status();
      if (!policy.ok()) continue;
      std::vector<std::string> mx;
      for (const MtaStsMxPattern& pattern : policy->mx) mx.push_back(pattern.text());
      EXPECT_EQ(ToString(policy->mode), line["mode"]) << line;
      EXPECT_EQ(nlohmann::json(mx), line["mx"]) << line;
      EXPECT_EQ(absl::ToInt64Seconds(policy->max_age), line["max_age"]) << line;
      EXPECT_EQ(policy->Render(), text) << line;
    } else {
      EXPECT_EQ(line["kind"], "tlsrpt-record") << line;  // tls_rpt_record_test.cc
    }
  }
  EXPECT_EQ(records, 20);
  EXPECT_EQ(policies, 24);
}

}  // namespace
}  // namespace dmarcate
