// ListReporters and GetReporter over the fake store.

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/report.grpc.pb.h"
#include "policyd/analysis/reporter_ledger.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using testing::ElementsAreArray;
using v1::ReportService;
using Stub = ReportService::Stub;

class ReportersTest : public testing::Test {
 protected:
  ReportersTest() { world_.AddDomain(); }
  void Add(int days_ago, std::string reporter, TrustClass trust = TrustClass::kImported,
           std::string_view domain = "example.com") {
    StoredReport report = Report(world_.DaysAgo(days_ago), {Row(1)}, std::move(reporter), trust);
    report.key.domain = domain;
    world_.AddReport(std::move(report));
  }
  v1::ListReportersResponse List(const v1::ListReportersRequest& request = {}) {
    v1::ListReportersResponse response;
    const grpc::Status status =
        world_.Call<ReportService>(&Stub::ListReporters, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static std::vector<std::string> NamesOf(const v1::ListReportersResponse& response) {
    std::vector<std::string> names;
    for (const auto& reporter : response.reporters()) names.push_back(reporter.name());
    return names;
  }
  World world_;
};

TEST_F(ReportersTest, ListsMostReportsFirstInPages) {
  for (int days = 1; days <= 3; ++days) Add(days, "google.com");
  for (int days = 1; days <= 2; ++days) Add(days, "yahoo.com");
  Add(1, "Fastmail Pty Ltd");
  v1::ListReportersRequest request;
  request.set_page_size(2);
  const v1::ListReportersResponse first = List(request);
  EXPECT_THAT(NamesOf(first), ElementsAre("reporters/google.com", "reporters/yahoo.com"));
  EXPECT_EQ(first.reporter_count(), 3);
  EXPECT_EQ(first.date_range().last_date().day(), 30);
  request.set_page_token(first.next_page_token());
  const v1::ListReportersResponse second = List(request);
  EXPECT_THAT(NamesOf(second), ElementsAre("reporters/_46astmail_20_50ty_20_4ctd"));
  EXPECT_EQ(second.reporters(0).key().value(), "Fastmail Pty Ltd");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(ReportersTest, TheCalendarHasEachDayOfTheRange) {
  for (const int days : {1, 3, 29}) Add(days, "google.com");
  Add(2, "claimed.test", TrustClass::kUnverified);
  EXPECT_EQ(List().reporters(0).day_report_counts_size(), 0) << "if it is asked for";
  v1::ListReportersRequest request;
  request.set_with_calendar(true);
  const v1::ListReportersResponse all = List(request);
  ASSERT_EQ(all.reporters_size(), 2);
  std::vector<int> want(30, 0);
  want[0] = 1;  // the range ends today
  want[26] = 1;
  want[28] = 1;
  EXPECT_THAT(all.reporters(0).day_report_counts(), ElementsAreArray(want));
  EXPECT_EQ(all.reporters(1).day_report_counts_size(), 0) << "nobody vouches for those";
  v1::GetReporterRequest one;
  one.set_name("reporters/google.com");
  v1::GetReporterResponse response;
  DMARCATE_CALL(world_, ReportService, GetReporter, one, &response);
  EXPECT_THAT(response.reporter().day_report_counts(), ElementsAreArray(want));
  EXPECT_EQ(response.date_range().first_date().day(), 1);
}

TEST_F(ReportersTest, IsAboutManagedDomainsOrOneOfThem) {
  world_.AddDomain("example.net");
  Add(1, "google.com");
  Add(1, "google.com", TrustClass::kImported, "example.net");
  Add(1, "elsewhere.test", TrustClass::kImported, "unmanaged.example");
  const v1::ListReportersResponse all = List();
  ASSERT_EQ(all.reporters_size(), 1);
  EXPECT_EQ(all.reporters(0).report_count(), 2);
  EXPECT_EQ(all.reporters(0).domain_count(), 2);
  v1::ListReportersRequest request;
  request.set_domain("domains/example.net");
  EXPECT_EQ(List(request).reporters(0).report_count(), 1);
}

TEST_F(ReportersTest, ShowsOneWithItsFindingsExplained) {
  StoredReport report = Report(world_.DaysAgo(1), {Row(7)}, "odd.example");
  report.outcome = Outcome::kAcceptedMaterial;
  report.report.metadata.email = "dmarc@mail.odd.example";
  report.repairs = {
      {.code = "count_assumed", .path = "record[1]/row/count", .chosen = "1", .material = true},
      {.code = "of_a_later_release"}};
  const std::string id = world_.AddReport(std::move(report));
  Add(2, "odd.example", TrustClass::kUnverified);
  v1::GetReporterRequest request;
  request.set_name("reporters/odd.example");
  v1::GetReporterResponse response;
  DMARCATE_CALL(world_, ReportService, GetReporter, request, &response);
  const v1::Reporter& reporter = response.reporter();
  EXPECT_EQ(reporter.report_count(), 1);
  EXPECT_EQ(reporter.message_count(), 7);
  EXPECT_EQ(reporter.material_report_count(), 1);
  EXPECT_EQ(reporter.organizations(0).value(), "odd.example");
  EXPECT_EQ(reporter.email_domains(0).value(), "mail.odd.example");
  EXPECT_THAT(reporter.domains(), ElementsAre("domains/example.com"));
  EXPECT_FALSE(reporter.has_median_delay()) << "it was handed in";
  ASSERT_EQ(reporter.trust_size(), 2);
  EXPECT_EQ(reporter.trust(1).trust(), v1::TRUST_CLASS_UNVERIFIED);
  EXPECT_EQ(reporter.rhythm().silent_days(), 1);
  ASSERT_EQ(reporter.findings_size(), 2);
  EXPECT_EQ(reporter.findings(0).code(), "count_assumed");
  EXPECT_EQ(reporter.findings(0).quirk(), "W5");
  EXPECT_NE(reporter.findings(0).explanation(), "");
  EXPECT_EQ(reporter.findings(0).last_report(), "domains/example.com/aggregateReports/" + id);
  EXPECT_EQ(reporter.findings(1).explanation(), "");
  EXPECT_EQ(List().reporters(0).findings(0).explanation(), "") << "lists are short";
}

TEST_F(ReportersTest, SupersededReportsAreFound) {
  StoredReport first = Report(world_.DaysAgo(1), {Row(1)}, "google.com");
  first.report.metadata.report_id = "same";
  StoredReport revised = Report(world_.DaysAgo(1), {Row(1), Row(2)}, "google.com");
  revised.report.metadata.report_id = "same";
  world_.AddReport(std::move(first));
  world_.AddReport(std::move(revised));
  const v1::ListReportersResponse response = List();
  ASSERT_EQ(response.reporters_size(), 1);
  EXPECT_EQ(response.reporters(0).report_count(), 1);
  EXPECT_EQ(response.reporters(0).superseded_report_count(), 1);
  EXPECT_EQ(response.reporters(0).record_count(), 2);
}

TEST_F(ReportersTest, WhatIsAddedLaterIsSeen) {
  Add(1, "google.com");
  EXPECT_EQ(List().reporters(0).report_count(), 1);
  Add(2, "google.com");
  EXPECT_EQ(List().reporters(0).report_count(), 2);
  Add(1, "google.com", TrustClass::kImported, "example.net");
  EXPECT_EQ(List().reporters(0).report_count(), 2) << "not managed yet";
  world_.AddDomain("example.net");
  EXPECT_EQ(List().reporters(0).report_count(), 3) << "the reports are the same, the domains not";
}

TEST_F(ReportersTest, APageEndsBeforeGrpcsLimit) {
  StoredReport report = Report(world_.DaysAgo(1), {}, "x");
  for (size_t i = 0; i < kMaxFindingCodes; ++i) {
    report.repairs.push_back({.code = std::to_string(i) + std::string(1000, 'c')});
  }
  constexpr int kReporters = 90;  // of 40 kB each
  for (int i = 0; i < kReporters; ++i) {
    report.reporter_key = std::to_string(i);
    world_.AddReport(report);
  }
  v1::ListReportersRequest request;
  request.set_page_size(1000);
  int reporters = 0, pages = 0;
  do {
    const v1::ListReportersResponse response = List(request);
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    reporters += response.reporters_size();
    ++pages;
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(reporters, kReporters);
  EXPECT_GT(pages, 1);
}

struct Case {
  std::string name, reporter, domain;
  int days = 30;
  std::string want;
};
const Case kCases[] = {
    {"Unknown", "reporters/nobody.test", "", 30, "RESOURCE_NOT_FOUND"},
    {"Malformed", "google.com", "", 30, "NAME_MALFORMED"},
    {"NoId", "reporters/", "", 30, "NAME_MALFORMED"},
    {"NoName", "", "", 30, "FIELD_REQUIRED"},
    {"DomainNotManaged", "reporters/google.com", "domains/example.net", 30, "RESOURCE_NOT_FOUND"},
    {"DomainMalformed", "reporters/google.com", "example.com", 30, "NAME_MALFORMED"},
    {"TooManyDays", "reporters/google.com", "", 401, "INTERVAL_INVALID"},
    {"AsManyAsMayBe", "reporters/google.com", "", 400, ""},
};
class ReportersErrors : public ReportersTest, public testing::WithParamInterface<Case> {};
TEST_P(ReportersErrors, Case) {
  Add(1, "google.com");
  v1::GetReporterRequest request;
  request.set_name(GetParam().reporter);
  request.set_domain(GetParam().domain);
  const absl::CivilDay first = ToCivil(world_.DaysAgo(GetParam().days - 1));
  v1::Date* date = request.mutable_date_range()->mutable_first_date();
  date->set_year(static_cast<int32_t>(first.year()));
  date->set_month(first.month());
  date->set_day(first.day());
  v1::GetReporterResponse response;
  EXPECT_EQ(ReasonOf(world_.Call<ReportService>(&Stub::GetReporter, request, &response)),
            GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, ReportersErrors, testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

TEST(ReportersWithoutStore, AreStarting) {
  World world(service_testing::ReportsStore::kMissing);
  v1::ListReportersResponse response;
  EXPECT_EQ(ReasonOf(world.Call<ReportService>(&Stub::ListReporters, v1::ListReportersRequest(),
                                               &response)),
            "STARTING");
}

}  // namespace
}  // namespace dmarcate
