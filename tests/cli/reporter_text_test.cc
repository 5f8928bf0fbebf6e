#include "cli/reporter_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

v1::Reporter Google() {
  v1::Reporter reporter;
  reporter.set_name("reporters/google.com");
  reporter.mutable_key()->set_value("google.com");
  reporter.add_organizations()->set_value("google.com");
  reporter.add_email_domains()->set_value("google.com");
  v1::ReporterTrust* trust = reporter.add_trust();
  trust->set_trust(v1::TRUST_CLASS_ANCHORED);
  trust->set_report_count(30);
  reporter.set_report_count(30);
  reporter.set_message_count(123456789);
  reporter.set_record_count(4000);
  reporter.set_domain_count(2);
  reporter.add_domains("domains/example.com");
  reporter.set_cosmetic_report_count(4);
  reporter.set_material_report_count(1);
  reporter.set_rfc7489_report_count(30);
  reporter.mutable_first_receive_time()->set_seconds(1782000000);  // 2026-06-21
  reporter.mutable_last_receive_time()->set_seconds(1782800000);   // 2026-06-30
  reporter.mutable_last_end_time()->set_seconds(1782777599);
  reporter.mutable_median_delay()->set_seconds(5 * 3600 + 59);
  v1::ReporterFinding* finding = reporter.add_findings();
  finding->set_code("count_assumed");
  finding->set_report_count(1);
  finding->set_finding_count(3);
  finding->set_material(true);
  finding->set_explanation("a record with an address has no count; it is read as 1");
  finding->set_quirk("W5");
  finding->set_last_report("domains/example.com/aggregateReports/20260629-0000000000000001-0");
  v1::ReporterEvaluation* evaluation = reporter.mutable_evaluation();
  evaluation->set_compared_record_count(4000);
  evaluation->set_contradicting_record_count(40);
  evaluation->set_unsupported_pass_record_count(30);
  evaluation->set_unaligned_pass_record_count(20);
  evaluation->set_missed_pass_record_count(10);
  v1::ReporterRhythm* rhythm = reporter.mutable_rhythm();
  rhythm->set_day_count(26);
  rhythm->set_usual_gap_days(1);
  rhythm->set_longest_gap_days(2);
  rhythm->set_silent_days(5);
  rhythm->set_overdue(true);
  return reporter;
}

google::protobuf::RepeatedPtrField<v1::Reporter> Two() {
  google::protobuf::RepeatedPtrField<v1::Reporter> reporters;
  *reporters.Add() = Google();
  v1::Reporter* claimed = reporters.Add();
  claimed->set_name("reporters/esa2.hc3370-68.iphmx.com");
  v1::ReporterTrust* trust = claimed->add_trust();
  trust->set_trust(v1::TRUST_CLASS_UNVERIFIED);
  trust->set_report_count(7);
  return reporters;
}

TEST(ReporterTable, HasOneRowAReporterWithin100Columns) {
  const std::string text = ReporterTable(Two()).Render(Format::kTable);
  EXPECT_EQ(text,
            "REPORTER                  REPORTS   MESSAGES  REPAIRED  MATERIAL  DIFFER  DELAY  LAST "
            "       STATE\n"
            "google.com                     30  123456789         5         1    1.0%     5h  "
            "2026-06-30  overdue\n"
            "esa2.hc3370-68.iphmx.com        0          0         0         0       -      -  -    "
            "       claimed\n");
  for (const std::string_view line : Split(text, '\n')) EXPECT_LE(line.size(), 100u) << line;
}

TEST(ReporterTable, CsvHasEverythingAndNameTheResource) {
  const Table table = ReporterTable(Two());
  const std::string csv = table.Render(Format::kCsv);
  EXPECT_THAT(csv, HasSubstr("reporter,reports,messages,repaired,material,differ,delay,last,"
                             "state,empty,superseded,records,domains,rfc9990,rfc9989,first,trust,"
                             "organizations,findings\r\n"));
  EXPECT_THAT(csv, HasSubstr("30 anchored,google.com,count_assumed 1"));
  EXPECT_EQ(table.Render(Format::kName),
            "reporters/google.com\nreporters/esa2.hc3370-68.iphmx.com\n");
}

TEST(ReporterText, SaysWhatWasRepairedAndWhatItMeans) {
  EXPECT_EQ(
      ReporterText(Google()),
      "reporter    google.com\n"
      "names       google.com\n"
      "mail        google.com\n"
      "trust       30 anchored\n"
      "reports     30, 0 of them empty; 0 superseded\n"
      "content     123456789 messages in 4000 records, 2 domains\n"
      "domains     example.com, ...\n"
      "received    2026-06-21T00:00:00Z to 2026-06-30T06:13:20Z\n"
      "period      to 2026-06-29T23:59:59Z\n"
      "delay       5h from the end of a period to receipt, the middle of all\n"
      "rhythm      26 days with a report, usually every 1, at longest 2 apart; the last one "
      "5 days before the end: overdue\n"
      "formats     30 RFC 7489, 0 RFC 9990; 0 with tags of RFC 9989\n"
      "repaired    4 reports cosmetically, 1 materially\n"
      "evaluation  40 of 4000 records contradict their own results: 30 say pass "
      "without an aligned one (20 have one that is not aligned), 10 say no pass despite one\n"
      "finding     count_assumed: 3 in 1 reports, material (W5)\n"
      "            a record with an address has no count; it is read as 1\n"
      "            last in domains/example.com/aggregateReports/20260629-0000000000000001-0\n");
}

TEST(ReporterText, OfAClaimedNameSaysSoAndNoMore) {
  const std::string text = ReporterText(Two()[1]);
  EXPECT_THAT(text, HasSubstr("7 unverified"));
  EXPECT_THAT(text, HasSubstr("none that counts"));
  EXPECT_THAT(text, Not(HasSubstr("rhythm")));
}

TEST(ReporterText, NamesOfStrangersArePrintedAsEscapes) {
  v1::Reporter reporter = Google();
  reporter.mutable_organizations(0)->set_value("x\x1b[31m");
  reporter.mutable_key()->set_value("y\x1b[31m");
  EXPECT_THAT(ReporterText(reporter), Not(HasSubstr("\x1b")));
}

google::protobuf::RepeatedPtrField<v1::Reporter> WithCalendars(int days) {
  google::protobuf::RepeatedPtrField<v1::Reporter> reporters = Two();
  for (int day = 0; day < days; ++day) {
    reporters[0].add_day_report_counts(day % 10 == 9 ? 0 : day == 3 ? 12 : 1 + day % 2);
  }
  return reporters;
}
v1::DateRange June(int last) {
  v1::DateRange range;
  for (v1::Date* date : {range.mutable_first_date(), range.mutable_last_date()}) {
    date->set_year(2026);
    date->set_month(6);
    date->set_day(1);
  }
  range.mutable_last_date()->set_day(last);
  return range;
}

TEST(CalendarText, HasAMarkADay) {
  EXPECT_EQ(CalendarText(WithCalendars(16), June(16)),
            "                         06-01   06-08   06-15\n"
            "google.com               121+121 21.1212 12\n")
      << "whose reports do not count has no calendar";
}

TEST(CalendarText, GoesOnBelowAfterNineWeeks) {
  v1::DateRange range = June(1);
  range.mutable_last_date()->set_month(8);
  range.mutable_last_date()->set_day(4);
  const std::string text = CalendarText(WithCalendars(65), range);
  EXPECT_THAT(text, HasSubstr("07-27\n"));
  EXPECT_THAT(text, HasSubstr("\n\n                         08-03\ngoogle.com               21\n"));
  for (const std::string_view line : Split(text, '\n')) EXPECT_LE(line.size(), 100u) << line;
}

TEST(CalendarTable, HasARowADay) {
  const std::string text = CalendarTable(WithCalendars(2), June(2)).Render(Format::kCsv);
  EXPECT_THAT(text, HasSubstr("google.com,2026-06-01,1"));
  EXPECT_THAT(text, HasSubstr("google.com,2026-06-02,2"));
}

}  // namespace
}  // namespace dmarcate::cli
