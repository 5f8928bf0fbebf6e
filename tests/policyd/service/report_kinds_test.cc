// ReportService on TLS reports and failure reports.

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/report.grpc.pb.h"
#include "tests/policyd/service/world.h"

namespace dmarcate {
namespace {

using service_testing::ReasonOf;
using service_testing::World;
using testing::ElementsAre;
using v1::ReportService;
using Stub = ReportService::Stub;

StoredTlsReport Tls(DayNumber day, uint64_t successful, uint64_t failed) {
  StoredTlsReport stored;
  stored.key.domain = "example.com";
  stored.key.day = day;
  stored.reporter_key = "google.com";
  stored.report.organization_name = "Google Inc.";
  stored.report.begin = int64_t{day} * 86400;
  stored.report.end = stored.report.begin + 86399;
  TlsReport::PolicyResult& policy = stored.report.policies.emplace_back();
  policy.policy_type = "sts";
  policy.policy_domain = "Example.com.";
  policy.policy_strings = {"version: STSv1", "mx: mx.example.com"};
  policy.mx_hosts = {"mx.example.com"};
  policy.successful_sessions = successful;
  policy.failed_sessions = failed;
  if (failed > 0) {
    policy.failures = {{"certificate-expired", "192.0.2.1", "MX.example.com", "helo", "192.0.2.9",
                        "https://a.test/1", "X509", failed}};
  }
  return stored;
}

StoredFailureReport Failure(DayNumber day) {
  StoredFailureReport stored;
  stored.key.domain = "example.com";
  stored.key.day = day;
  FailureReport& report = stored.report;
  report.feedback_type = "auth-failure";
  report.user_agent = "Lua/1.0";
  report.auth_failure = {"dmarc"};
  report.reported_domain = "example.com";
  report.source_ip = "192.0.2.1";
  report.delivery_result = "reject";
  report.original_from_domain = "example.com";
  report.authentication_results = "mx.test; dmarc=fail";
  report.incidents = 3;
  stored.repairs = {{"ip_comment", "Source-IP", "192.0.2.1 (a)", "192.0.2.1", false}};
  return stored;
}

class ReportKindsTest : public testing::Test {
 protected:
  ReportKindsTest() { world_.AddDomain(); }
  World world_;
};

TEST_F(ReportKindsTest, ListsTlsReportsNewestDayFirstInPages) {
  for (int days = 5; days > 0; --days) world_.AddReport(Tls(world_.DaysAgo(days), 10, 1));
  v1::ListTlsReportsRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(2);
  std::vector<int> days;
  do {
    v1::ListTlsReportsResponse response;
    DMARCATE_CALL(world_, ReportService, ListTlsReports, request, &response);
    for (const v1::TlsReport& report : response.tls_reports()) {
      days.push_back(report.date().day());
      EXPECT_EQ(report.policies_size(), 0) << "policies come with Get";
      EXPECT_EQ(report.policy_count(), 1);
      EXPECT_EQ(report.failure_detail_count(), 1);
      EXPECT_EQ(report.successful_session_count(), 10);
      EXPECT_EQ(report.failed_session_count(), 1);
      EXPECT_EQ(report.trust(), v1::TRUST_CLASS_IMPORTED);
      EXPECT_FALSE(report.superseded());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(days, ElementsAre(29, 28, 27, 26, 25));
}

// A page ends before gRPC refuses to send it, whatever strangers write into their reports.
TEST_F(ReportKindsTest, APageOfFatReportsEndsEarlyAndTheNextGoesOn) {
  constexpr int kReports = 500;
  for (int i = 0; i < kReports; ++i) {
    StoredTlsReport fat = Tls(world_.DaysAgo(1), 10, 1);
    fat.report.organization_name = std::string(4096, 'o');
    fat.report.contact_info = std::string(4096, 'c');
    fat.report.report_id = fmt::format("{}{:04}", std::string(4000, 'i'), i);
    world_.AddReport(std::move(fat));
  }
  v1::ListTlsReportsRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(1000);
  int pages = 0, reports = 0;
  do {
    v1::ListTlsReportsResponse response;
    DMARCATE_CALL(world_, ReportService, ListTlsReports, request, &response);
    EXPECT_LE(response.ByteSizeLong(), size_t{4} << 20);
    ++pages;
    reports += response.tls_reports_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(reports, kReports);
  EXPECT_GT(pages, 1);
}

TEST_F(ReportKindsTest, ShowsATlsReportAsSent) {
  StoredTlsReport stored = Tls(world_.DaysAgo(1), 10, 2);
  stored.repairs = {{"count_text", "policies[1]", "10", "10", false}};
  stored.trust = TrustClass::kUnverified;
  stored.reason = TrustReason::kKeyGone;
  const std::string id = world_.AddReport(std::move(stored));
  v1::GetTlsReportRequest request;
  request.set_name("domains/example.com/tlsReports/" + id);
  v1::GetTlsReportResponse response;
  DMARCATE_CALL(world_, ReportService, GetTlsReport, request, &response);
  const v1::TlsReport& report = response.tls_report();
  EXPECT_EQ(report.name(), request.name());
  EXPECT_EQ(report.organization().value(), "Google Inc.");
  EXPECT_EQ(report.channel(), "upload");
  EXPECT_EQ(report.trust(), v1::TRUST_CLASS_UNVERIFIED);
  EXPECT_EQ(report.trust_reason(), "key_gone");
  EXPECT_EQ(report.findings_size(), 1);
  ASSERT_EQ(report.policies_size(), 1);
  const v1::TlsPolicyResult& policy = report.policies(0);
  EXPECT_EQ(policy.policy_number(), 1);
  EXPECT_EQ(policy.policy_type().value(), "sts");
  EXPECT_EQ(policy.policy_domain().value(), "Example.com.");
  EXPECT_EQ(policy.policy_strings_size(), 2);
  EXPECT_EQ(policy.mx_hosts(0).value(), "mx.example.com");
  ASSERT_EQ(policy.failure_details_size(), 1);
  const v1::TlsFailureDetail& detail = policy.failure_details(0);
  EXPECT_EQ(detail.result_type().value(), "certificate-expired");
  EXPECT_EQ(detail.sending_mta_ip().value(), "192.0.2.1");
  EXPECT_EQ(detail.receiving_mx_hostname().value(), "MX.example.com");
  EXPECT_EQ(detail.receiving_mx_helo().value(), "helo");
  EXPECT_EQ(detail.receiving_ip().value(), "192.0.2.9");
  EXPECT_EQ(detail.additional_information().value(), "https://a.test/1");
  EXPECT_EQ(detail.failure_reason_code().value(), "X509");
  EXPECT_EQ(detail.failed_session_count(), 2);
  EXPECT_EQ(response.next_record_page_token(), "");
}

TEST_F(ReportKindsTest, PoliciesAndFailuresComeByTheThousand) {
  StoredTlsReport stored = Tls(world_.DaysAgo(1), 0, 1);
  TlsReport::PolicyResult policy = stored.report.policies[0];
  stored.report.policies.clear();
  for (const size_t details : {2500, 0, 700}) {
    policy.failures.resize(details, {"starttls-not-supported", "", "", "", "", "", "", 1});
    stored.report.policies.push_back(policy);
  }
  policy.failures.clear();
  stored.report.policies.resize(1500, policy);
  const std::string id = world_.AddReport(std::move(stored));
  v1::GetTlsReportRequest request;
  request.set_name("domains/example.com/tlsReports/" + id);
  std::map<int, int> details;  // by policy
  int pages = 0;
  do {
    v1::GetTlsReportResponse response;
    DMARCATE_CALL(world_, ReportService, GetTlsReport, request, &response);
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    int on_page = 0;
    for (const v1::TlsPolicyResult& each : response.tls_report().policies()) {
      details[each.policy_number()] += each.failure_details_size();
      on_page += each.failure_details_size();
    }
    EXPECT_LE(on_page, 1000);
    EXPECT_LE(response.tls_report().policies_size(), 1000);
    ++pages;
    request.set_record_page_token(response.next_record_page_token());
  } while (!request.record_page_token().empty());
  EXPECT_EQ(details.size(), 1500u);
  EXPECT_EQ(details[1], 2500);
  EXPECT_EQ(details[2], 0);
  EXPECT_EQ(details[3], 700);
  EXPECT_GE(pages, 4);
}

TEST_F(ReportKindsTest, SummarizesTlsReports) {
  world_.AddReport(Tls(world_.DaysAgo(2), 100, 3));
  StoredTlsReport second = Tls(world_.DaysAgo(1), 50, 0);
  second.reporter_key = "microsoft.com";
  second.trust = TrustClass::kAuthenticated;
  second.report.policies.push_back(second.report.policies[0]);
  second.report.policies[1].policy_type = "tlsa";
  world_.AddReport(second);
  StoredTlsReport stranger = Tls(world_.DaysAgo(1), 0, 1'000'000);
  stranger.trust = TrustClass::kUnverified;
  world_.AddReport(stranger);
  world_.AddReport(Tls(world_.DaysAgo(90), 7, 7));  // outside

  v1::SummarizeTlsReportsRequest request;
  request.set_parent("domains/example.com");
  v1::SummarizeTlsReportsResponse summary;
  DMARCATE_CALL(world_, ReportService, SummarizeTlsReports, request, &summary);
  EXPECT_EQ(summary.report_count(), 2);
  EXPECT_EQ(summary.uncounted_report_count(), 1);
  EXPECT_EQ(summary.date_range().last_date().day(), 30);
  ASSERT_EQ(summary.policy_types_size(), 2);
  EXPECT_EQ(summary.policy_types(0).policy_type().value(), "sts");
  EXPECT_EQ(summary.policy_types(0).successful_session_count(), 150);
  EXPECT_EQ(summary.policy_types(0).failed_session_count(), 3);
  ASSERT_EQ(summary.policy_types(0).trust_size(), 2) << "what is unverified is left out";
  EXPECT_EQ(summary.policy_types(0).trust(0).trust(), v1::TRUST_CLASS_AUTHENTICATED);
  EXPECT_EQ(summary.policy_types(0).trust(0).successful_session_count(), 50);
  EXPECT_EQ(summary.policy_types(0).trust(0).report_count(), 1);
  EXPECT_EQ(summary.policy_types(0).trust(1).trust(), v1::TRUST_CLASS_IMPORTED);
  EXPECT_EQ(summary.policy_types(0).trust(1).failed_session_count(), 3);
  ASSERT_EQ(summary.days(0).trust_size(), 1);
  EXPECT_EQ(summary.days(0).trust(0).trust(), v1::TRUST_CLASS_IMPORTED);
  ASSERT_EQ(summary.failures(0).trust_size(), 1);
  EXPECT_EQ(summary.failures(0).trust(0).failed_session_count(), 3);
  ASSERT_EQ(summary.reporters(1).trust_size(), 1);
  EXPECT_EQ(summary.reporters(1).trust(0).trust(), v1::TRUST_CLASS_AUTHENTICATED);
  EXPECT_EQ(summary.policy_types(1).policy_type().value(), "tlsa");
  ASSERT_EQ(summary.days_size(), 3);
  EXPECT_EQ(summary.days(0).date().day(), 28);
  EXPECT_EQ(summary.days(0).failed_session_count(), 3);
  ASSERT_EQ(summary.failures_size(), 1);
  EXPECT_EQ(summary.failures(0).result_type().value(), "certificate-expired");
  EXPECT_EQ(summary.failures(0).receiving_mx_hostname().value(), "mx.example.com");
  EXPECT_EQ(summary.failures(0).failed_session_count(), 3);
  EXPECT_EQ(summary.failures(0).report_count(), 1);
  ASSERT_EQ(summary.reporters_size(), 2);
  EXPECT_EQ(summary.reporters(0).reporter().value(), "google.com");
  EXPECT_EQ(summary.reporters(0).last_date().day(), 28);
}

TEST_F(ReportKindsTest, FailureReportsAreListedAndShown) {
  std::string id;
  for (int days = 3; days > 0; --days) {
    StoredFailureReport failure = Failure(world_.DaysAgo(days));
    failure.reason = TrustReason::kHandedIn;
    id = world_.AddReport(std::move(failure));
  }
  v1::ListFailureReportsRequest request;
  request.set_parent("domains/example.com");
  request.set_page_size(2);
  std::vector<int> days;
  do {
    v1::ListFailureReportsResponse response;
    DMARCATE_CALL(world_, ReportService, ListFailureReports, request, &response);
    for (const v1::FailureReport& report : response.failure_reports()) {
      days.push_back(report.date().day());
      EXPECT_EQ(report.findings_size(), 0);
      EXPECT_EQ(report.finding_count(), 1);
      EXPECT_EQ(report.trust_reason(), "handed_in");
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(days, ElementsAre(29, 28, 27));

  v1::GetFailureReportRequest get;
  get.set_name("domains/example.com/failureReports/" + id);
  v1::GetFailureReportResponse response;
  DMARCATE_CALL(world_, ReportService, GetFailureReport, get, &response);
  const v1::FailureReport& report = response.failure_report();
  EXPECT_EQ(report.name(), get.name());
  EXPECT_TRUE(report.redacted());
  EXPECT_EQ(report.auth_failures(0).value(), "dmarc");
  EXPECT_EQ(report.source_address().value(), "192.0.2.1");
  EXPECT_EQ(report.delivery_result(), "reject");
  EXPECT_EQ(report.original_from_domain().value(), "example.com");
  EXPECT_EQ(report.authentication_results().value(), "mx.test; dmarc=fail");
  EXPECT_EQ(report.incident_count(), 3);
  EXPECT_EQ(report.findings(0).code(), "ip_comment");
}

// A domain that nobody manages is not there, however many reports it has; nor is another's report.
TEST_F(ReportKindsTest, SaysWhatIsWrong) {
  StoredTlsReport foreign = Tls(world_.DaysAgo(1), 1, 1);
  foreign.key.domain = "foreign.test";
  const std::string id = world_.AddReport(std::move(foreign));
  const auto list_tls = [this](const v1::ListTlsReportsRequest& request) {
    v1::ListTlsReportsResponse response;
    return ReasonOf(world_.Call<ReportService>(&Stub::ListTlsReports, request, &response));
  };
  v1::ListTlsReportsRequest list;
  EXPECT_EQ(list_tls(list), "FIELD_REQUIRED");
  list.set_parent("domains/foreign.test");
  EXPECT_EQ(list_tls(list), "RESOURCE_NOT_FOUND");
  list.set_parent("domains/example.com");
  list.set_page_size(-1);
  EXPECT_EQ(list_tls(list), "PAGE_SIZE_NEGATIVE");
  list.set_page_size(1);
  list.set_page_token("AAAA");
  EXPECT_EQ(list_tls(list), "PAGE_TOKEN_INVALID");
  list.set_page_token("");
  list.mutable_date_range()->mutable_first_date()->set_year(1);
  EXPECT_EQ(list_tls(list), "INTERVAL_INVALID");

  const auto get_tls = [this](const std::string& name) {
    v1::GetTlsReportRequest request;
    request.set_name(name);
    v1::GetTlsReportResponse response;
    return ReasonOf(world_.Call<ReportService>(&Stub::GetTlsReport, request, &response));
  };
  EXPECT_EQ(get_tls("domains/foreign.test/tlsReports/" + id), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(get_tls("domains/example.com/tlsReports/" + id), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(get_tls("domains/example.com/tlsReports/x"), "RESOURCE_NOT_FOUND");
  EXPECT_EQ(get_tls("domains/example.com/aggregateReports/x"), "NAME_MALFORMED");

  v1::ListFailureReportsRequest failures;
  failures.set_parent("domains/foreign.test");
  v1::ListFailureReportsResponse failures_response;
  EXPECT_EQ(
      ReasonOf(world_.Call<ReportService>(&Stub::ListFailureReports, failures, &failures_response)),
      "RESOURCE_NOT_FOUND");
  v1::GetFailureReportRequest failure;
  failure.set_name("domains/example.com/failureReports/" + id);
  v1::GetFailureReportResponse failure_response;
  EXPECT_EQ(
      ReasonOf(world_.Call<ReportService>(&Stub::GetFailureReport, failure, &failure_response)),
      "RESOURCE_NOT_FOUND");
  v1::SummarizeTlsReportsRequest summarize;
  summarize.set_parent("domains/foreign.test");
  v1::SummarizeTlsReportsResponse summary;
  EXPECT_EQ(ReasonOf(world_.Call<ReportService>(&Stub::SummarizeTlsReports, summarize, &summary)),
            "RESOURCE_NOT_FOUND");
}

// The bytes of every kind come by one method, told apart by the name.
TEST_F(ReportKindsTest, GivesTheBytesThatAReportOfAnyKindCameIn) {
  const std::string tls = world_.AddReport(Tls(world_.DaysAgo(1), 10, 1));
  const std::string failure = world_.AddReport(Failure(world_.DaysAgo(1)));
  std::string bytes;
  EXPECT_TRUE(world_.Download("domains/example.com/tlsReports/" + tls, &bytes).ok());
  EXPECT_EQ(bytes, "raw bytes of report 1");
  EXPECT_TRUE(world_.Download("domains/example.com/failureReports/" + failure, &bytes).ok());
  EXPECT_EQ(bytes, "raw bytes of report 2");
  for (const std::string& name :
       {"domains/example.com/aggregateReports/" + tls, "domains/example.com/tlsReports/" + failure,
        "domains/example.com/failureReports/" + tls}) {
    EXPECT_EQ(ReasonOf(world_.Download(name, &bytes)), "RESOURCE_NOT_FOUND") << name;
    EXPECT_EQ(bytes, "");
  }
  EXPECT_EQ(ReasonOf(world_.Download("domains/example.com/otherReports/" + tls, &bytes)),
            "NAME_MALFORMED");
}

}  // namespace
}  // namespace dmarcate
