#include "policyd/mta_sts/report_tally.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "policyd/mta_sts/policy_file.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> kLines = {"version: STSv1", "mode: testing", "mx: mx1.example.com",
                                         "mx: mx2.example.com", "max_age: 86400"};

MtaStsPolicy Live() { return ParseMtaStsPolicy(Join(kLines, "\r\n")).value(); }

StoredTlsReport Report(const std::string& reporter, DayNumber day, uint64_t good, uint64_t failed) {
  StoredTlsReport stored;
  stored.key = {"example.com", day, 1, 0};
  stored.trust = TrustClass::kAnchored;
  stored.reporter_key = reporter;
  TlsReport::PolicyResult result;
  result.policy_type = "sts";
  result.policy_domain = "Example.com";
  result.policy_strings = kLines;
  result.successful_sessions = good;
  result.failed_sessions = failed;
  stored.report.policies.push_back(result);
  return stored;
}

StsEvidence Tally(const std::vector<StoredTlsReport>& reports) {
  const MtaStsPolicy live = Live();
  StsReportTally tally(live);
  for (const StoredTlsReport& report : reports) tally.Add(report);
  StsEvidence evidence;
  tally.Finish(evidence);
  return evidence;
}

TEST(StsReportTallyTest, CountsSessionsUnderTheLivePolicyByReporterAndDay) {
  const StsEvidence evidence =
      Tally({Report("google.com", 11, 90, 10), Report("a.test", 10, 5, 0),
             Report("google.com", 10, 7, 0), Report("google.com", 11, 1, 0)});
  EXPECT_THAT(evidence.reporters,
              ElementsAre(StsReporter{"a.test", {{10, 5, 0}}},
                          StsReporter{"google.com", {{10, 7, 0}, {11, 101, 10}}}));
  EXPECT_THAT(evidence.advisories, IsEmpty());
}

TEST(StsReportTallyTest, TakesNoWordOfStrangers) {
  std::vector<StoredTlsReport> reports;
  for (const TrustClass trust : {TrustClass::kAuthenticated, TrustClass::kImported,
                                 TrustClass::kUnverified, TrustClass::kQuarantined}) {
    reports.push_back(Report("google.com", 10, 1000, 0));
    reports.back().trust = trust;
  }
  reports.push_back(Report("google.com", 10, 1000, 0));
  reports.back().current = false;
  const StsEvidence evidence = Tally(reports);
  EXPECT_THAT(evidence.reporters, IsEmpty());
  EXPECT_THAT(evidence.advisories, ElementsAre(HasSubstr("2 TLS reports")));
}

struct QuoteCase {
  std::string name;
  std::vector<std::string> lines;
  int64_t sessions = 0;  // that count, of 90 good and 10 failed
};
const QuoteCase kQuotes[] = {
    {"AsServed", kLines, 100},
    {"OneString",
     {"version: STSv1\nmode: testing\nmx: mx1.example.com\nmx: mx2.example.com\nmax_age: 86400\n"},
     100},
    {"OtherOrder",
     {"version: STSv1", "max_age: 86400", "mx: MX2.example.com", "mx: mx1.example.com",
      "mode: testing"},
     100},
    {"AnotherMode",
     {"version: STSv1", "mode: enforce", "mx: mx1.example.com", "mx: mx2.example.com",
      "max_age: 86400"},
     0},
    {"AnotherAge",
     {"version: STSv1", "mode: testing", "mx: mx1.example.com", "mx: mx2.example.com",
      "max_age: 604800"},
     0},
    {"AServerLess",
     {"version: STSv1", "mode: testing", "mx: mx1.example.com", "max_age: 86400"},
     0},
    {"NothingQuoted", {}, 10},
    {"NoPolicy", {"<html>"}, 10},
};
class StsQuoteTest : public testing::TestWithParam<QuoteCase> {};
TEST_P(StsQuoteTest, Decides) {
  StoredTlsReport report = Report("google.com", 10, 90, 10);
  report.report.policies[0].policy_strings = GetParam().lines;
  const StsEvidence evidence = Tally({report});
  int64_t sessions = 0;
  for (const StsReporter& reporter : evidence.reporters) {
    for (const StsReporterDay& day : reporter.days) sessions += day.sessions;
  }
  EXPECT_EQ(sessions, GetParam().sessions);
}
INSTANTIATE_TEST_SUITE_P(All, StsQuoteTest, testing::ValuesIn(kQuotes),
                         [](const auto& one) { return one.param.name; });

TEST(StsReportTallyTest, BelievesTheWorseOfSummaryAndDetails) {
  StoredTlsReport report = Report("google.com", 10, 90, 0);
  report.report.policies[0].failures = {
      {.result_type = "certificate-expired",
       .receiving_mx_hostname = "MX1.example.com.",
       .failed_sessions = 10},
      {.result_type = "validation-failure", .receiving_mx_hostname = "", .failed_sessions = 4}};
  const StsEvidence evidence = Tally({report});
  EXPECT_THAT(evidence.reporters, ElementsAre(StsReporter{"google.com", {{10, 100, 10}}}));
  EXPECT_THAT(evidence.failures,
              ElementsAre(StsFailure{10, 0, "certificate-expired", "mx1.example.com", 10},
                          StsFailure{10, 0, "validation-failure", "", 4}));
}

TEST(StsReportTallyTest, OtherPoliciesAndDomainsAreToldApart) {
  StoredTlsReport other = Report("google.com", 10, 50, 0);
  other.report.policies[0].policy_type = "no-policy-found";
  other.report.policies[0].policy_strings.clear();
  StoredTlsReport dane = Report("google.com", 10, 50, 0);
  dane.report.policies[0].policy_type = "tlsa";
  StoredTlsReport below = Report("google.com", 10, 50, 0);
  below.report.policies[0].policy_domain = "sub.example.com";
  const StsEvidence evidence = Tally({other, dane, below});
  EXPECT_THAT(evidence.reporters, IsEmpty());
  EXPECT_THAT(evidence.advisories, ElementsAre(HasSubstr("50 sessions were of senders that found "
                                                         "no policy")));
}

TEST(StsReportTallyTest, DoesNotOverflow) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  std::vector<StoredTlsReport> reports(3, Report("google.com", 10, most, most));
  const StsEvidence evidence = Tally(reports);
  ASSERT_EQ(evidence.reporters.size(), 1u);
  EXPECT_GT(evidence.reporters[0].days[0].sessions, 0);
  EXPECT_GT(evidence.reporters[0].days[0].failed, 0);
}

TEST(StsReportTallyTest, TheOrderLeavesNoTrace) {
  std::vector<StoredTlsReport> reports;
  for (int i = 0; i < 60; ++i) {
    reports.push_back(Report(i % 3 == 0 ? "a.test" : "b.test", 10 + i % 7, 10, i % 4));
    reports.back().report.policies[0].failures = {
        {.result_type = i % 2 == 0 ? "certificate-expired" : "validation-failure",
         .failed_sessions = static_cast<uint64_t>(i % 4)}};
  }
  const StsEvidence want = Tally(reports);
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    std::ranges::shuffle(reports, random);
    EXPECT_EQ(Tally(reports), want);
  }
}

}  // namespace
}  // namespace dmarcate
