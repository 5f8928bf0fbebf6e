#include "policyd/analysis/tls_summary.h"

#include "gtest/gtest.h"

namespace dmarcate {
namespace {

StoredTlsReport Report(DayNumber day, std::string_view reporter, uint64_t ok, uint64_t failed) {
  StoredTlsReport stored;
  stored.key.day = day;
  stored.reporter_key = reporter;
  TlsReport::PolicyResult& policy = stored.report.policies.emplace_back();
  policy.policy_type = "sts";
  policy.successful_sessions = ok;
  policy.failed_sessions = failed;
  return stored;
}

TlsReport::FailureDetail Failed(std::string_view type, std::string_view mx, uint64_t sessions) {
  TlsReport::FailureDetail detail;
  detail.result_type = type;
  detail.receiving_mx_hostname = mx;
  detail.failed_sessions = sessions;
  return detail;
}

TEST(TlsSummary, AddsUpWhatIsOfOneKindAndNothingElse) {
  StoredTlsReport first = Report(10, "a.test", 100, 5);
  // Overlapping: more failures than failed sessions.
  first.report.policies[0].failures = {Failed("certificate-expired", "MX1.test.", 5),
                                       Failed("certificate-not-trusted", "mx1.test", 5),
                                       Failed("certificate-expired", "mx1.test", 1)};
  StoredTlsReport second = Report(11, "b.test", 7, 1);
  second.report.policies[0].failures = {Failed("certificate-expired", "mx1.test", 1)};
  second.report.policies.push_back(second.report.policies[0]);
  second.report.policies[1].policy_type = "tlsa";
  second.report.policies[1].failures = {Failed("tlsa-invalid", "", 1)};
  TlsSummarizer summarizer;
  summarizer.Add(first);
  summarizer.Add(second);
  const TlsSummary summary = summarizer.Finish();
  EXPECT_EQ(summary.reports, 2);
  ASSERT_EQ(summary.policy_types.size(), 2u);
  EXPECT_EQ(summary.policy_types[0].first, "sts");
  EXPECT_EQ(summary.policy_types[0].second.sessions, (TlsSessions{107, 6}));
  EXPECT_EQ(summary.policy_types[1].second.sessions, (TlsSessions{7, 1}));
  ASSERT_EQ(summary.days.size(), 3u);
  EXPECT_EQ(summary.days.at({10, "sts"}).sessions, (TlsSessions{100, 5}));
  EXPECT_EQ(summary.days.at({11, "tlsa"}).sessions, (TlsSessions{7, 1}));
  ASSERT_EQ(summary.failures.size(), 3u);
  EXPECT_EQ(summary.failures[0].result_type, "certificate-expired");
  EXPECT_EQ(summary.failures[0].mx_host, "mx1.test");
  EXPECT_EQ(summary.failures[0].failed, 7u);
  EXPECT_EQ(summary.failures[0].reports, 2);
  EXPECT_EQ(summary.failures[0].first_day, 10);
  EXPECT_EQ(summary.failures[0].last_day, 11);
  EXPECT_EQ(summary.failures[2].result_type, "tlsa-invalid");
  ASSERT_EQ(summary.reporters.size(), 2u);
  EXPECT_EQ(summary.reporters[1].reporter, "b.test");
  EXPECT_EQ(summary.reporters[1].sessions, (TlsSessions{14, 2}));
}

// Each row by the class of the reports that it comes from; a report tells of a row once, in however
// many policies.
TEST(TlsSummary, RowsAreSplitByTrust) {
  const auto slice = [](const TlsSlices& by_trust, TrustClass trust) {
    return by_trust[static_cast<size_t>(trust)];
  };
  StoredTlsReport imported = Report(10, "a.test", 100, 5);
  imported.report.policies[0].failures = {Failed("starttls-not-supported", "mx.test", 4)};
  imported.report.policies.push_back(imported.report.policies[0]);  // another policy of this type
  StoredTlsReport authenticated = Report(10, "a.test", 7, 1);
  authenticated.trust = TrustClass::kAuthenticated;
  authenticated.report.policies[0].failures = {Failed("starttls-not-supported", "mx.test", 1)};
  StoredTlsReport later = Report(11, "a.test", 1, 0);
  later.trust = TrustClass::kAuthenticated;
  StoredTlsReport stranger = Report(11, "a.test", 0, 1'000);
  stranger.trust = TrustClass::kUnverified;
  TlsSummarizer summarizer;
  for (const StoredTlsReport& report : {imported, authenticated, later, stranger}) {
    summarizer.Add(report);
  }
  const TlsSummary summary = summarizer.Finish();
  EXPECT_EQ(summary.uncounted_reports, 1);
  ASSERT_EQ(summary.policy_types.size(), 1u);
  const TlsCounts& type = summary.policy_types[0].second;
  EXPECT_EQ(type.sessions, (TlsSessions{208, 11}));
  EXPECT_EQ(slice(type.by_trust, TrustClass::kImported), (TlsSlice{1, {200, 10}}));
  EXPECT_EQ(slice(type.by_trust, TrustClass::kAuthenticated), (TlsSlice{2, {8, 1}}));
  EXPECT_EQ(slice(type.by_trust, TrustClass::kUnverified), TlsSlice());
  const TlsCounts& day = summary.days.at({11, "sts"});
  EXPECT_EQ(slice(day.by_trust, TrustClass::kAuthenticated), (TlsSlice{1, {1, 0}}));
  EXPECT_EQ(slice(day.by_trust, TrustClass::kImported), TlsSlice());
  ASSERT_EQ(summary.failures.size(), 1u);
  EXPECT_EQ(summary.failures[0].reports, 2);
  EXPECT_EQ(slice(summary.failures[0].by_trust, TrustClass::kImported), (TlsSlice{1, {0, 8}}));
  EXPECT_EQ(slice(summary.failures[0].by_trust, TrustClass::kAuthenticated), (TlsSlice{1, {0, 1}}));
  ASSERT_EQ(summary.reporters.size(), 1u);
  EXPECT_EQ(summary.reporters[0].reports, 3);
  EXPECT_EQ(slice(summary.reporters[0].by_trust, TrustClass::kImported), (TlsSlice{1, {200, 10}}));
  EXPECT_EQ(slice(summary.reporters[0].by_trust, TrustClass::kAuthenticated),
            (TlsSlice{2, {8, 1}}));
}

TEST(TlsSummary, StrangersClaimsAreInNoSum) {
  TlsSummarizer summarizer;
  for (const TrustClass trust : {TrustClass::kUnverified, TrustClass::kQuarantined}) {
    StoredTlsReport report = Report(10, "evil.test", 0, 1'000'000);
    report.trust = trust;
    summarizer.Add(report);
  }
  const TlsSummary summary = summarizer.Finish();
  EXPECT_EQ(summary.reports, 0);
  EXPECT_EQ(summary.uncounted_reports, 2);
  EXPECT_TRUE(summary.policy_types.empty());
  EXPECT_TRUE(summary.reporters.empty());
}

TEST(TlsSummary, CountsStopAndRowsAreBounded) {
  TlsSummarizer summarizer;
  summarizer.Add(Report(10, "a.test", UINT64_MAX, 1));
  summarizer.Add(Report(10, "a.test", 5, UINT64_MAX));
  StoredTlsReport many = Report(10, "a.test", 0, 0);
  for (int i = 0; i < 20'000; ++i) {
    many.report.policies[0].failures.push_back(Failed("odd-" + std::to_string(i), "mx.test", 1));
  }
  many.report.policies.resize(100);
  for (size_t i = 1; i < 100; ++i) {
    many.report.policies[i].policy_type = "odd-" + std::to_string(i);
    many.report.policies[i].failed_sessions = 1;
  }
  summarizer.Add(many);
  const TlsSummary summary = summarizer.Finish();
  EXPECT_EQ(summary.policy_types[0].second.sessions, (TlsSessions{UINT64_MAX, UINT64_MAX}));
  EXPECT_LE(summary.policy_types.size(), TlsSummarizer::kMaxPolicyTypes + 1);
  EXPECT_LE(summary.failures.size(), TlsSummarizer::kMaxRows + 1);
  EXPECT_EQ(summary.failures[0].result_type, "(others)");
  EXPECT_EQ(summary.failures[0].failed, 10'000u);
}

}  // namespace
}  // namespace dmarcate
