// RFC 8460 reports and the shapes of report-quirks section 16.
#include "lib/report/tls.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kGood = R"({
  "organization-name": "Receiver",
  "date-range": {"start-datetime": "2025-05-23T00:00:00Z", "end-datetime": "2025-05-23T23:59:59Z"},
  "contact-info": "tls@receiver.example",
  "report-id": "id-1",
  "policies": [{
    "policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mx: mx.example.com"],
               "policy-domain": "example.com", "mx-host": ["mx.example.com"]},
    "summary": {"total-successful-session-count": 5, "total-failure-session-count": 2},
    "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "192.0.2.1",
      "receiving-mx-hostname": "mx.example.com", "receiving-ip": "192.0.2.9",
      "failed-session-count": 2, "failure-reason-code": "X509"}]
  }]
})";

std::string Good(std::string_view from = "{", std::string_view to = "{") {
  return Replaced(std::string(kGood), from, to);
}

std::vector<std::string> Codes(const ParsedTlsReport& parsed) {
  std::vector<std::string> codes;
  for (const Repair& r : parsed.repairs) codes.push_back(r.code + (r.material ? "!" : ""));
  return codes;
}

TEST(TlsReportTest, ReadsAll) {
  const ParsedTlsReport got = ParseTlsReport(kGood, {});
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, Outcome::kAccepted);
  const TlsReport& report = *got.report;
  EXPECT_EQ(report.organization_name, "Receiver");
  EXPECT_EQ(report.report_id, "id-1");
  EXPECT_EQ(report.contact_info, "tls@receiver.example");
  EXPECT_EQ(report.begin, 1747958400);
  EXPECT_EQ(report.end, 1748044799);
  ASSERT_EQ(report.policies.size(), 1u);
  const TlsReport::PolicyResult& policy = report.policies[0];
  EXPECT_EQ(policy.policy_type, "sts");
  EXPECT_EQ(policy.policy_domain, "example.com");
  EXPECT_THAT(policy.policy_strings, ElementsAre("version: STSv1", "mx: mx.example.com"));
  EXPECT_THAT(policy.mx_hosts, ElementsAre("mx.example.com"));
  EXPECT_EQ(policy.successful_sessions, 5u);
  EXPECT_EQ(policy.failed_sessions, 2u);
  ASSERT_EQ(policy.failures.size(), 1u);
  EXPECT_EQ(policy.failures[0].result_type, "certificate-expired");
  EXPECT_EQ(policy.failures[0].sending_mta_ip, "192.0.2.1");
  EXPECT_EQ(policy.failures[0].receiving_mx_hostname, "mx.example.com");
  EXPECT_EQ(policy.failures[0].receiving_ip, "192.0.2.9");
  EXPECT_EQ(policy.failures[0].reason_code, "X509");
  EXPECT_EQ(policy.failures[0].failed_sessions, 2u);
}

struct Case {
  std::string name;
  std::string document;
  std::vector<std::string> codes;
  void (*check)(const TlsReport& report) = nullptr;
};
const Case kCases[] = {
    {"ByteOrderMark", "\xEF\xBB\xBF \n" + Good(), {}},
    {"ContactNull",
     Good("\"tls@receiver.example\"", "null"),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.contact_info, ""); }},
    {"PoliciesNull",
     R"({"report-id": "a", "date-range": {"start-datetime": "2025-05-23", "end-datetime":
      "2025-05-24"}, "policies": null})",
     {},
     [](const TlsReport& r) { EXPECT_THAT(r.policies, IsEmpty()); }},
    {"SummaryAbsent",
     Good("\"summary\"", "\"other\""),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].successful_sessions, 0u); }},
    {"CountsAsText",
     Good("count\": 5", "count\": \"5\""),
     {"count_text"},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].successful_sessions, 5u); }},
    {"CountNegative",
     Good("count\": 5", "count\": -5"),
     {"count_invalid!"},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].successful_sessions, 0u); }},
    {"CountFraction",
     Good("count\": 5", "count\": 5.0"),
     {"count_folded!"},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].successful_sessions, 5u); }},
    {"CountOfAnotherType", Good("count\": 5", "count\": [5]"), {"text_expected", "count_invalid!"}},
    {"MxHostAsText",
     Good("[\"mx.example.com\"]", "\"mx: mx.example.com\""),
     {},
     [](const TlsReport& r) {
       EXPECT_THAT(r.policies[0].mx_hosts, ElementsAre("mx.example.com"));
     }},
    {"MxHostPattern",
     Good("mx-host\"", "mx-host-pattern\""),
     {},
     [](const TlsReport& r) {
       EXPECT_THAT(r.policies[0].mx_hosts, ElementsAre("mx.example.com"));
     }},
    {"PolicyAsText",
     Good("[\"version: STSv1\", \"mx: mx.example.com\"]", "\"version: STSv1\""),
     {},
     [](const TlsReport& r) {
       EXPECT_THAT(r.policies[0].policy_strings, ElementsAre("version: STSv1"));
     }},
    {"PolicyAsJsonInText",
     Good("[\"version: STSv1\", \"mx: mx.example.com\"]", "\"[\\\"3 1 1 ab\\\"]\""),
     {"json_in_text"},
     [](const TlsReport& r) {
       EXPECT_THAT(r.policies[0].policy_strings, ElementsAre("3 1 1 ab"));
     }},
    {"DetailsWithoutNames",
     Good("\"receiving-mx-hostname\": \"mx.example.com\",", ""),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].failures[0].receiving_mx_hostname, ""); }},
    {"DetailsAsObject",
     Replaced(Good("[{\"result-type\"", "{\"result-type\""), "\"X509\"}]", "\"X509\"}"),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].failures.size(), 1u); }},
    {"DateWithoutZone",
     Good("2025-05-23T00:00:00Z", "2025-05-23T00:00:00"),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.begin, 1747958400); }},
    {"DateWithFraction",
     Good("2025-05-23T00:00:00Z", "2025-05-23T02:00:00.5+02:00"),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.begin, 1747958400); }},
    {"DateMissing",
     Good("start-datetime", "start"),
     {"date_missing!"},
     [](const TlsReport& r) { EXPECT_EQ(r.begin, 0); }},
    {"DateAsNumber",
     Good("\"2025-05-23T00:00:00Z\"", "1747958400"),
     {"date_number!"},
     [](const TlsReport& r) { EXPECT_EQ(r.begin, 1747958400); }},
    {"TypeFolded",
     Good("\"sts\"", "\"STS\""),
     {},
     [](const TlsReport& r) { EXPECT_EQ(r.policies[0].policy_type, "sts"); }},
    {"PolicyDomainMissing", Good("policy-domain", "domain"), {"policy_domain_missing!"}},
    {"OnePolicyUnreadable",
     Good("[{\n    \"policy\"", "[7, {\n    \"policy\""),
     {"policy_unreadable!"},
     [](const TlsReport& r) { EXPECT_EQ(r.policies.size(), 1u); }},
    {"TrailingGarbage", Good() + "\n--\nfooter", {"trailing_garbage"}},
    {"BadBytes",
     Good("Receiver", "M\xFCller"),
     {"bad_bytes"},
     [](const TlsReport& r) { EXPECT_EQ(r.organization_name, "M\xEF\xBF\xBDller"); }},
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
class TlsReportQuirkTest : public testing::TestWithParam<Case> {};
TEST_P(TlsReportQuirkTest, Case) {
  const ParsedTlsReport got = ParseTlsReport(GetParam().document, {});
  EXPECT_EQ(Codes(got), GetParam().codes);
  ASSERT_TRUE(got.report.has_value()) << got.reason << ": " << got.detail;
  if (GetParam().check != nullptr) GetParam().check(*got.report);
}
INSTANTIATE_TEST_SUITE_P(All, TlsReportQuirkTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

void ExpectRefused(const ParsedTlsReport& got, Outcome outcome, std::string_view reason) {
  EXPECT_EQ(got.outcome, outcome);
  EXPECT_EQ(got.reason, reason) << got.detail;
  EXPECT_NE(got.detail, "");
  EXPECT_FALSE(got.report.has_value());
}

TEST(TlsReportTest, WhatIsNone) {
  ExpectRefused(ParseTlsReport(" ", {}), Outcome::kQuarantined, "empty_payload");
  ExpectRefused(ParseTlsReport("hello", {}), Outcome::kNotAReport, "not_a_tls_report");
  ExpectRefused(ParseTlsReport("{\"a\": 1}", {}), Outcome::kNotAReport, "not_a_tls_report");
  ExpectRefused(ParseTlsReport("{\"report-id\": }", {}), Outcome::kQuarantined,
                "json_not_well_formed");
  for (size_t length = 1; length < kGood.size(); ++length) {  // cut anywhere
    EXPECT_FALSE(ParseTlsReport(kGood.substr(0, length), {}).report.has_value()) << length;
  }
}

TEST(TlsReportTest, Limits) {
  std::string deep = "{\"report-id\":";
  ExpectRefused(ParseTlsReport(deep + std::string(31, '[') + std::string(31, ']') + "}", {}),
                Outcome::kNotAReport, "not_a_tls_report");
  ExpectRefused(ParseTlsReport(deep + std::string(32, '['), {}), Outcome::kOverLimit,
                "json_too_deep");
  TlsLimits limits;
  limits.policies = 0;
  ExpectRefused(ParseTlsReport(kGood, limits), Outcome::kOverLimit, "too_many_policies");
  limits = {};
  limits.document_bytes = kGood.size() - 1;
  ExpectRefused(ParseTlsReport(kGood, limits), Outcome::kOverLimit, "document_too_large");
  limits = {};
  limits.json_values = 20;
  ExpectRefused(ParseTlsReport(kGood, limits), Outcome::kOverLimit, "too_many_values");
  limits.json_values = 30;
  EXPECT_TRUE(ParseTlsReport(kGood, limits).report.has_value());
  limits = {};
  limits.failure_details = 0;
  EXPECT_THAT(Codes(ParseTlsReport(kGood, limits)), ElementsAre("failure_details_cut!"));
  limits = {};
  limits.strings = 1;
  EXPECT_THAT(Codes(ParseTlsReport(kGood, limits)), ElementsAre("list_cut"));
  limits = {};
  limits.stored_text_bytes = 4;
  limits.repairs = 1;
  const ParsedTlsReport cut = ParseTlsReport(kGood, limits);
  EXPECT_EQ(cut.report->organization_name, "Rece");
  EXPECT_EQ(cut.repairs.size(), 1u);
  EXPECT_GT(cut.repairs_dropped, 0);
}

TEST(TlsReportTest, NoMemberStandsTwice) {
  const auto twice = [](std::string_view member, std::string_view again) {
    return ParseTlsReport(Good(member, fmt::format("{}, {}", again, member)), {});
  };
  const ParsedTlsReport got =
      twice("\"total-failure-session-count\": 2", "\"total-failure-session-count\": 0");
  ExpectRefused(got, Outcome::kQuarantined, "json_duplicate_key");
  EXPECT_THAT(got.detail, testing::HasSubstr("\"total-failure-session-count\""));
  ExpectRefused(twice("\"report-id\": \"id-1\"", "\"report-id\": \"id-1\""), Outcome::kQuarantined,
                "json_duplicate_key");
  ExpectRefused(twice("\"report-id\": \"id-1\"", "\"report\\u002did\": \"id-1\""),
                Outcome::kQuarantined, "json_duplicate_key");  // the same name, written otherwise
  ExpectRefused(twice("\"report-id\": \"id-1\"", "\"\": 1, \"\": 1"), Outcome::kQuarantined,
                "json_duplicate_key");
  // One name in two objects is what every report has.
  const ParsedTlsReport two = ParseTlsReport(
      Good("\"policies\": [", "\"policies\": [{\"policy\": {\"policy-type\": \"tlsa\"}}, "), {});
  ASSERT_TRUE(two.report.has_value()) << two.detail;
  EXPECT_EQ(two.report->policies[1].ordinal, 2);
}

TEST(TlsReportTest, LooksLikeOne) {
  EXPECT_TRUE(LooksLikeTlsReport("\xEF\xBB\xBF\n {"));
  EXPECT_FALSE(LooksLikeTlsReport("<feedback>"));
  EXPECT_FALSE(LooksLikeTlsReport(""));
}

}  // namespace
}  // namespace dmarcate
