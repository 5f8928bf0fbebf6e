#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/report.grpc.pb.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using testing::HasSubstr;
using v1::ReportService;
using Stub = ReportService::Stub;

class ReportServiceTest : public testing::Test {
 protected:
  ReportServiceTest() { world_.AddDomain(); }
  World world_;
};

TEST_F(ReportServiceTest, ListsNewestDayFirstInPages) {
  for (int days = 5; days > 0; --days) world_.AddReport(Report(world_.DaysAgo(days), {Row(1)}));
  v1::ListAggregateReportsRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(2);
  std::vector<int> days;
  do {
    v1::ListAggregateReportsResponse response;
    DMARCATE_CALL(world_, ReportService, ListAggregateReports, request, &response);
    for (const auto& report : response.aggregate_reports()) {
      days.push_back(report.date().day());
      EXPECT_EQ(report.records_size(), 0) << "records come with Get";
      EXPECT_EQ(report.trust(), v1::TRUST_CLASS_IMPORTED);
      EXPECT_EQ(report.trust_reason(), "") << "stored before there were reasons";
      EXPECT_EQ(report.channel(), "upload");
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(days, testing::ElementsAre(29, 28, 27, 26, 25));
}

TEST_F(ReportServiceTest, ShowsAReportAsSent) {
  StoredReport report = Report(world_.DaysAgo(1), {Row(7).Dkim("example.com", "s1")});
  report.report.metadata.report_id = "id\x1b[31m";
  report.reason = TrustReason::kHandedIn;
  const std::string id = world_.AddReport(std::move(report));
  v1::GetAggregateReportRequest request;
  request.set_name("domains/example.com/aggregateReports/" + id);
  v1::GetAggregateReportResponse response;
  DMARCATE_CALL(world_, ReportService, GetAggregateReport, request, &response);
  const v1::AggregateReport& got = response.aggregate_report();
  EXPECT_EQ(got.name(), request.name());
  EXPECT_EQ(got.report_id().value(), "id\x1b[31m") << "strangers' text, marked as such";
  EXPECT_EQ(got.content_sha256().size(), 64u);
  EXPECT_EQ(got.trust_reason(), "handed_in");
  ASSERT_EQ(got.records_size(), 1);
  EXPECT_EQ(got.records(0).message_count(), 7);
  EXPECT_EQ(got.records(0).source_address(), "192.0.2.1");
  EXPECT_EQ(got.records(0).dkim(0).selector().value(), "s1");
  EXPECT_EQ(response.next_record_page_token(), "");
}

TEST_F(ReportServiceTest, ShowsWhoReleasedAReport) {
  StoredReport report = Report(world_.DaysAgo(1), {Row(7)});
  report.reason = TrustReason::kReleased;
  report.release = {"local", absl::FromUnixSeconds(1'760'000'000), "our own gateway",
                    TrustReason::kIdentityMismatch};
  world_.AddReport(std::move(report));
  world_.AddReport(Report(world_.DaysAgo(2), {Row(7)}));
  v1::ListAggregateReportsRequest request;
  request.set_parent("domains/example.com");
  v1::ListAggregateReportsResponse response;
  DMARCATE_CALL(world_, ReportService, ListAggregateReports, request, &response);
  ASSERT_EQ(response.aggregate_reports_size(), 2);
  const v1::AggregateReport& got = response.aggregate_reports(0);
  EXPECT_EQ(got.trust_reason(), "released");
  EXPECT_EQ(got.release().released_by(), "local");
  EXPECT_EQ(got.release().release_time().seconds(), 1'760'000'000);
  EXPECT_EQ(got.release().reason(), "our own gateway");
  EXPECT_EQ(got.release().quarantine_reason(), "identity_mismatch");
  EXPECT_FALSE(response.aggregate_reports(1).has_release());
}

TEST_F(ReportServiceTest, RecordsComeByTheThousand) {
  const std::string id =
      world_.AddReport(Report(world_.DaysAgo(1), std::vector<AggregateRecord>(2500, Row(1))));
  v1::GetAggregateReportRequest request;
  request.set_name("domains/example.com/aggregateReports/" + id);
  std::vector<int> pages;
  do {
    v1::GetAggregateReportResponse response;
    DMARCATE_CALL(world_, ReportService, GetAggregateReport, request, &response);
    pages.push_back(response.aggregate_report().records_size());
    request.set_record_page_token(response.next_record_page_token());
  } while (!request.record_page_token().empty());
  EXPECT_THAT(pages, testing::ElementsAre(1000, 1000, 500));
}

TEST_F(ReportServiceTest, APageEndsBeforeGrpcsLimit) {
  AggregateRecord record = Row(1);  // of 16 kB: 1,000 of them are more than a message may hold
  record.reasons.assign(4, {ReasonType::kLocalPolicy, std::string(4000, 'c')});
  StoredReport report = Report(world_.DaysAgo(1), std::vector<AggregateRecord>(1000, record));
  report.repairs.assign(200, {.code = "odd",
                              .path = "p",
                              .raw = std::string(4000, 'r'),
                              .chosen = std::string(4000, 'c')});
  const std::string id = world_.AddReport(std::move(report));
  v1::GetAggregateReportRequest request;
  request.set_name("domains/example.com/aggregateReports/" + id);
  int records = 0, pages = 0, findings = 0;
  do {
    v1::GetAggregateReportResponse response;
    DMARCATE_CALL(world_, ReportService, GetAggregateReport, request, &response);
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    EXPECT_GT(response.aggregate_report().records_size(), 0);
    records += response.aggregate_report().records_size();
    findings += response.aggregate_report().findings_size();
    ++pages;
    request.set_record_page_token(response.next_record_page_token());
  } while (!request.record_page_token().empty());
  EXPECT_EQ(records, 1000);
  EXPECT_GT(pages, 1);
  EXPECT_EQ(findings, 200);
}

TEST_F(ReportServiceTest, GivesTheBytesAsReceived) {
  const std::string id = world_.AddReport(Report(world_.DaysAgo(1), {Row(1)}));
  std::string bytes;
  ASSERT_TRUE(world_.Download("domains/example.com/aggregateReports/" + id, &bytes).ok());
  EXPECT_THAT(bytes, HasSubstr("raw bytes of report 1"));
}

TEST_F(ReportServiceTest, WhatIsNotThereIsNotFound) {
  std::string bytes;
  for (const char* name : {"domains/example.com/aggregateReports/nonsense",
                           "domains/example.com/aggregateReports/20260629-00000000000000ff-0",
                           "domains/example.net/aggregateReports/20260629-0000000000000001-0"}) {
    v1::GetAggregateReportRequest request;
    request.set_name(name);
    v1::GetAggregateReportResponse response;
    EXPECT_EQ(ReasonOf(world_.Call<ReportService>(&Stub::GetAggregateReport, request, &response)),
              "RESOURCE_NOT_FOUND")
        << name;
    EXPECT_EQ(ReasonOf(world_.Download(name, &bytes)), "RESOURCE_NOT_FOUND") << name;
  }
}

TEST_F(ReportServiceTest, SaysWhichOfSeveralRevisionsCounts) {
  StoredReport first = Report(world_.DaysAgo(1), {Row(1)});
  first.report.metadata.report_id = "same";
  world_.AddReport(first);
  StoredReport second = Report(world_.DaysAgo(1), {Row(1), Row(2)});
  second.report.metadata.report_id = "same";
  world_.AddReport(second);
  v1::ListAggregateReportsRequest request;
  request.set_parent("domains/example.com");
  v1::ListAggregateReportsResponse response;
  DMARCATE_CALL(world_, ReportService, ListAggregateReports, request, &response);
  ASSERT_EQ(response.aggregate_reports_size(), 2);
  for (const v1::AggregateReport& report : response.aggregate_reports()) {
    EXPECT_EQ(report.superseded(), report.record_count() == 1);
  }
}

}  // namespace
}  // namespace dmarcate
