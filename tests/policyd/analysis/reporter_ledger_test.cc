#include "policyd/analysis/reporter_ledger.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
using testing::ElementsAre;

constexpr DayRange kRange{20'000, 20'029};

// As the store gives it: with the counts of its rows.
StoredReport Report(DayNumber day, std::string_view reporter,
                    std::vector<AggregateRecord> records = {},
                    TrustClass trust = TrustClass::kAuthenticated) {
  StoredReport stored =
      analysis_testing::Report(day, std::move(records), std::string(reporter), trust);
  stored.reporter_key = reporter;
  stored.record_count = static_cast<int64_t>(stored.report.records.size());
  stored.message_count = stored.report.messages();
  stored.received_time = StartOfDay(day + 1);
  return stored;
}
StoredReport Repaired(StoredReport report, std::vector<Repair> repairs) {
  report.outcome = Outcome::kAcceptedCosmetic;
  for (const Repair& repair : repairs) {
    if (repair.material) report.outcome = Outcome::kAcceptedMaterial;
  }
  report.repairs = std::move(repairs);
  return report;
}

ReporterLedger LedgerOf(const std::vector<StoredReport>& reports) {
  const auto suffixes = BuiltinPublicSuffixList();
  ReporterLedgerBuilder builder(kRange, *suffixes);
  for (const StoredReport& report : reports) builder.Add(report);
  return builder.Finish();
}
ReporterRow RowOf(const std::vector<StoredReport>& reports) {
  ReporterLedger ledger = LedgerOf(reports);
  EXPECT_EQ(ledger.reporters.size(), 1u);
  return ledger.reporters.empty() ? ReporterRow() : std::move(ledger.reporters[0]);
}

TEST(ReporterLedger, IsSortedByReportsThenById) {
  const ReporterLedger ledger = LedgerOf({Report(20'000, "b.test"), Report(20'000, "c.test"),
                                          Report(20'001, "c.test"), Report(20'001, "a.test")});
  std::vector<std::string> ids;
  for (const ReporterRow& row : ledger.reporters) ids.push_back(row.id);
  EXPECT_THAT(ids, ElementsAre("c.test", "a.test", "b.test"));
  ASSERT_NE(ledger.Find("a.test"), nullptr);
  EXPECT_EQ(ledger.Find("a.test")->reports, 1);
  EXPECT_EQ(ledger.Find("d.test"), nullptr);
}

TEST(ReporterLedger, TheCalendarCountsReportsByDay) {
  const ReporterRow row =
      RowOf({Report(20'000, "a.test"), Report(20'002, "a.test"), Report(20'002, "a.test")});
  ASSERT_EQ(row.day_reports.size(), static_cast<size_t>(kRange.days()));
  const auto on = [&](DayNumber day) {
    return row.day_reports[static_cast<size_t>(day - kRange.first)];
  };
  EXPECT_EQ(on(20'000), 1);
  EXPECT_EQ(on(20'001), 0);
  EXPECT_EQ(on(20'002), 2);
}

TEST(ReporterLedger, AddsUpWhatAReporterSent) {
  StoredReport old_format = Report(20'000, "a.test", {Row(3), Row(4)});
  old_format.report.metadata.org_name = "A Mail";
  old_format.report.metadata.email = "dmarc@Reports.A.test";
  StoredReport new_format = Report(20'001, "a.test", {Row(0)});
  new_format.report.metadata.org_name = "A Mail";
  new_format.report.dialect = Dialect::kRfc9990;
  new_format.report.policy.testing = false;
  StoredReport empty = Report(20'002, "a.test");
  empty.report.metadata.org_name = "esa1.a.test";
  empty.report.metadata.errors = {"no record"};
  empty.key.domain = "example.net";
  empty.received_time = StartOfDay(20'004);
  const ReporterRow row = RowOf({old_format, new_format, empty});
  EXPECT_EQ(row.reports, 3);
  EXPECT_EQ(row.empty_reports, 2) << "one without records, one that counts no message";
  EXPECT_EQ(row.records, 3);
  EXPECT_EQ(row.messages, 7);
  EXPECT_EQ(row.rfc7489_reports, 2);
  EXPECT_EQ(row.rfc9990_reports, 1);
  EXPECT_EQ(row.rfc9989_reports, 1);
  EXPECT_EQ(row.error_reports, 1);
  EXPECT_THAT(row.organizations, ElementsAre("A Mail", "esa1.a.test")) << "most reports first";
  EXPECT_THAT(row.email_domains, ElementsAre("reports.a.test"));
  EXPECT_EQ(row.domains, 2);
  EXPECT_THAT(row.domain_names, ElementsAre("example.com", "example.net"));
  EXPECT_EQ(row.first_received, StartOfDay(20'001));
  EXPECT_EQ(row.last_received, StartOfDay(20'004));
  EXPECT_EQ(row.last_end, int64_t{20'002} * 86400 + 86399);
  EXPECT_EQ(row.trust[static_cast<size_t>(TrustClass::kAuthenticated)], 3);
}

TEST(ReporterLedger, FindingsAreCountedByReportAndByCode) {
  const Repair text{.code = "date_text"}, text_material{.code = "date_text", .material = true};
  const Repair count{.code = "count_assumed", .material = true};
  StoredReport later = Repaired(Report(20'005, "a.test"), {text_material});
  later.key.receipt = 9;
  const ReporterRow row = RowOf(
      {later, Repaired(Report(20'000, "a.test"), {text, text, count}), Report(20'001, "a.test")});
  EXPECT_EQ(row.cosmetic_reports, 0);
  EXPECT_EQ(row.material_reports, 2);
  ASSERT_EQ(row.findings.size(), 2u);
  EXPECT_EQ(row.findings[0].code, "date_text");
  EXPECT_EQ(row.findings[0].reports, 2);
  EXPECT_EQ(row.findings[0].findings, 3);
  EXPECT_TRUE(row.findings[0].material);
  EXPECT_EQ(row.findings[0].last, later.key) << "of the latest day, whatever the order";
  EXPECT_EQ(row.findings[1].code, "count_assumed");
  EXPECT_EQ(row.findings[1].reports, 1);
}

TEST(ReporterLedger, WhatNobodyVouchesForSaysNothingAboutTheReporter) {
  StoredReport forged =
      Repaired(Report(20'009, "a.test", {Row(99)}, TrustClass::kUnverified), {{.code = "odd"}});
  forged.report.metadata.org_name = "forged";
  const ReporterLedger ledger =
      LedgerOf({Report(20'000, "a.test", {Row(1)}), forged,
                Report(20'001, "only-claimed.test", {Row(1)}, TrustClass::kQuarantined)});
  ASSERT_EQ(ledger.reporters.size(), 2u);
  const ReporterRow& row = ledger.reporters[0];
  EXPECT_EQ(row.reports, 1);
  EXPECT_EQ(row.messages, 1);
  EXPECT_TRUE(row.findings.empty());
  EXPECT_THAT(row.organizations, ElementsAre("a.test"));
  EXPECT_EQ(row.rhythm.days, 1);
  EXPECT_EQ(row.trust[static_cast<size_t>(TrustClass::kUnverified)], 1);
  EXPECT_EQ(ledger.reporters[1].id, "only-claimed.test");
  EXPECT_EQ(ledger.reporters[1].reports, 0);
  EXPECT_EQ(ledger.reporters[1].trust[static_cast<size_t>(TrustClass::kQuarantined)], 1);
}

TEST(ReporterLedger, SupersededReportsAreCountedApart) {
  StoredReport superseded = Repaired(Report(20'000, "a.test", {Row(5)}), {{.code = "odd"}});
  superseded.current = false;
  const ReporterRow row = RowOf({Report(20'000, "a.test", {Row(6)}), superseded});
  EXPECT_EQ(row.reports, 1);
  EXPECT_EQ(row.superseded_reports, 1);
  EXPECT_EQ(row.messages, 6);
  EXPECT_TRUE(row.findings.empty());
}

TEST(ReporterLedger, OtherDaysAreLeftOut) {
  const ReporterRow row = RowOf({Report(19'999, "a.test"), Report(20'000, "a.test"),
                                 Report(20'029, "a.test"), Report(20'030, "a.test")});
  EXPECT_EQ(row.reports, 2);
}

TEST(ReporterLedger, ComparesWhatWasEvaluatedWithWhatWasReported) {
  const auto kPass = AlignedResult::kPass, kFail = AlignedResult::kFail;
  const ReporterRow row = RowOf({Report(
      20'000, "a.test",
      {Row(1), Row(9).Dkim("example.com"), Row(1).Dkim("sendgrid.net").Evaluated(kPass, kFail),
       Row(1).Dkim("example.com").Spf("sendgrid.net").Evaluated(kFail, kPass)})});
  EXPECT_EQ(row.evaluation, (EvaluationCounts{.compared = 3,
                                              .contradicting = 2,
                                              .unsupported_pass = 2,
                                              .unaligned_pass = 2,
                                              .missed_pass = 1}));
}

TEST(ReporterLedger, DelayIsTheMiddleOfWhatCameByMail) {
  std::vector<StoredReport> reports;
  for (const int hours : {1, 50, 3}) {
    StoredReport report = Report(20'000, "a.test");
    report.received_time = absl::FromUnixSeconds(report.report.metadata.end) + absl::Hours(hours);
    report.channel = Channel::kSmtp;
    reports.push_back(report);
  }
  StoredReport handed_in = reports[0];
  handed_in.received_time += absl::Hours(9000);
  handed_in.channel = Channel::kImport;
  reports.insert(reports.end(), 5, handed_in);
  EXPECT_EQ(RowOf(reports).median_delay, absl::Hours(3));
  EXPECT_EQ(RowOf({handed_in}).median_delay, std::nullopt);
}

TEST(ReporterLedger, DelayOfManyReportsIsStillTheMiddle) {
  std::vector<StoredReport> reports(5'000, Report(20'000, "a.test"));
  for (size_t i = 0; i < reports.size(); ++i) {
    reports[i].received_time = absl::FromUnixSeconds(reports[i].report.metadata.end) +
                               absl::Seconds(static_cast<int64_t>(i * 1237 % 5'000));
    reports[i].channel = Channel::kMaildir;
  }
  const auto delay = RowOf(reports).median_delay;
  ASSERT_TRUE(delay);
  EXPECT_NEAR(absl::ToDoubleSeconds(*delay), 2'500, 50);
}

TEST(ReporterLedger, InventedReportersPushNobodyOut) {
  const auto suffixes = BuiltinPublicSuffixList();
  ReporterLedgerBuilder builder(kRange, *suffixes);
  for (size_t i = 0; i < kMaxReporters + 10; ++i) {
    builder.Add(Report(20'000, fmt::format("claim{}.test", i), {}, TrustClass::kUnverified));
  }
  builder.Add(Report(20'000, "honest.test"));
  for (size_t i = 0; i < kMaxReporters + 10; ++i) {
    builder.Add(Report(20'000, fmt::format("cheap{}.test", i)));
  }
  builder.Add(Report(20'000, "google.com", {}, TrustClass::kAnchored));
  const ReporterLedger ledger = builder.Finish();
  EXPECT_NE(ledger.Find("honest.test"), nullptr);
  EXPECT_NE(ledger.Find("google.com"), nullptr) << "an anchor always finds room";
  EXPECT_EQ(ledger.other_reports, 11);
  EXPECT_EQ(ledger.other_uncounted_reports, 10);
  EXPECT_EQ(ledger.reporters.size(), 2 * kMaxReporters + 1);
}

TEST(ReporterLedger, NamesAndCodesOfOneReporterAreBounded) {
  std::vector<StoredReport> reports;
  std::vector<Repair> repairs;
  for (size_t i = 0; i < kMaxFindingCodes + 5; ++i) {
    repairs.push_back({.code = fmt::format("code_{:03}", i)});
  }
  for (size_t i = 0; i < kMaxOrganizations + 5; ++i) {
    StoredReport report = Repaired(Report(20'000, "a.test"), repairs);
    report.report.metadata.org_name = fmt::format("{:03}{}", i, std::string(400, 'x'));
    reports.push_back(report);
  }
  const ReporterRow row = RowOf(reports);
  EXPECT_EQ(row.organizations.size(), kMaxOrganizations);
  EXPECT_EQ(row.organizations[0].size(), kMaxNameBytes);
  EXPECT_TRUE(row.names_left_out);
  ASSERT_EQ(row.findings.size(), kMaxFindingCodes + 1);
  const auto others = std::ranges::find(row.findings, kOverflowKey, &ReporterFinding::code);
  ASSERT_NE(others, row.findings.end());
  EXPECT_EQ(others->reports, static_cast<int64_t>(reports.size())) << "a report counts once";
  EXPECT_EQ(others->findings, static_cast<int64_t>(5 * reports.size()));
}

struct RhythmCase {
  std::string name;
  std::vector<DayNumber> days;
  DayNumber last;
  Rhythm want;
};
const RhythmCase kRhythmCases[] = {
    {"Nothing", {}, 30, {}},
    {"OneDayHasNoGap", {10}, 30, {.days = 1, .silent = 20}},
    {"DailyAndAlive", {10, 11, 12, 13, 14}, 16, {5, 1, 1, 2, false}},
    {"DailyWithinGrace", {10, 11, 12, 13, 14}, 17, {5, 1, 1, 3, false}},
    {"DailyAndSilent", {10, 11, 12, 13, 14}, 18, {5, 1, 1, 4, true}},
    {"WeeklyMayBeSilentForAWeek", {1, 8, 15, 22, 29}, 36, {5, 7, 7, 7, false}},
    {"WeeklyAndSilent", {1, 8, 15, 22, 29}, 39, {5, 7, 7, 10, true}},
    {"ALongGapBeforeExcusesOne", {1, 2, 3, 13, 14}, 25, {5, 1, 10, 11, false}},
    {"FourDaysAreNoRhythm", {1, 2, 3, 4}, 30, {4, 1, 1, 26, false}},
};
class RhythmTest : public testing::TestWithParam<RhythmCase> {};
TEST_P(RhythmTest, Case) { EXPECT_EQ(RhythmOf(GetParam().days, GetParam().last), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(All, RhythmTest, testing::ValuesIn(kRhythmCases),
                         [](const auto& each) { return each.param.name; });

TEST(ReporterId, IsAnIdForAnyKey) {
  EXPECT_EQ(ReporterId("google.com"), "google.com");
  EXPECT_EQ(ReporterId("fastmail pty ltd"), "fastmail_20pty_20ltd");
  EXPECT_EQ(ReporterId("a_b"), "a_5fb");
  EXPECT_EQ(ReporterId("\xC3\xBC"), "_c3_bc");
  EXPECT_EQ(ReporterId(""), "_");
  const std::string a = ReporterId(std::string(500, ' ') + "a");
  const std::string b = ReporterId(std::string(500, ' ') + "b");
  EXPECT_EQ(a.size(), 128u);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace dmarcate
