// RFC 6591 and RFC 9991 reports and the shapes of report-quirks section 15.
#include "lib/report/failure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/report/header_fields.h"
#include "tests/lib/report/quirk_case.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;

constexpr std::string_view kGood =
    "Feedback-Type: auth-failure\r\n"
    "User-Agent: Lua/1.0\r\n"
    "Version: 1\r\n"
    "Original-Mail-From: <bounce+joe=x@mail.example.com>\r\n"
    "Arrival-Date: Tue, 30 Apr 2019 02:09:00 +0000\r\n"
    "Source-IP: 192.0.2.1\r\n"
    "Reported-Domain: Example.com\r\n"
    "Auth-Failure: dmarc\r\n"
    "Delivery-Result: delivered\r\n"
    "Identity-Alignment: spf, dkim\r\n"
    "DKIM-Domain: example.com\r\n"
    "DKIM-Selector: s1\r\n"
    "SPF-DNS: txt : example.com :\r\n \"v=spf1 -all\"\r\n"
    "Incidents: 3\r\n";

std::string Good(std::string_view from = "Feedback", std::string_view to = "Feedback") {
  return Replaced(std::string(kGood), from, to);
}

FailureHints Hinted(std::string_view headers = "") {
  return {.original_headers = headers, .mail_date = absl::FromUnixSeconds(1'700'000'000)};
}

std::vector<std::string> Codes(const ParsedFailureReport& parsed) {
  std::vector<std::string> codes;
  for (const Repair& r : parsed.repairs) codes.push_back(r.code + (r.material ? "!" : ""));
  return codes;
}

TEST(FailureReportTest, ReadsAll) {
  const ParsedFailureReport got =
      ParseFailureFields(kGood, Hinted("From: \"Doe, Joe\" <joe@news.example.com>\r\nTo: x@y"), {});
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.outcome, Outcome::kAccepted);
  const FailureReport& report = *got.report;
  EXPECT_EQ(report.feedback_type, "auth-failure");
  EXPECT_EQ(report.user_agent, "Lua/1.0");
  EXPECT_EQ(report.version, "1");
  EXPECT_THAT(report.auth_failure, ElementsAre("dmarc"));
  EXPECT_EQ(report.reported_domain, "example.com");
  EXPECT_EQ(report.source_ip, "192.0.2.1");
  EXPECT_EQ(report.arrival_date, "Tue, 30 Apr 2019 02:09:00 +0000");
  EXPECT_EQ(report.delivery_result, "delivered");
  EXPECT_EQ(report.identity_alignment, "spf, dkim");
  EXPECT_EQ(report.dkim_domain, "example.com");
  EXPECT_EQ(report.dkim_selector, "s1");
  EXPECT_EQ(report.spf_dns, "txt : example.com : \"v=spf1 -all\"");
  EXPECT_EQ(report.incidents, 3u);
  // Domains only: whose mail it was is nobody's business.
  EXPECT_EQ(report.original_mail_from_domain, "mail.example.com");
  EXPECT_EQ(report.original_from_domain, "news.example.com");
}

struct Case {
  std::string name;
  std::string fields;
  std::vector<std::string> codes;
  void (*check)(const FailureReport& report) = nullptr;
};
const Case kCases[] = {
    {"SourceWithHostName",
     Good("192.0.2.1", "192.0.2.1 (mail.example.net)"),
     {"ip_comment"},
     [](const FailureReport& r) { EXPECT_EQ(r.source_ip, "192.0.2.1"); }},
    {"SourceUnreadable",
     Good("192.0.2.1", "unknown"),
     {"ip_unreadable!"},
     [](const FailureReport& r) { EXPECT_EQ(r.source_ip, ""); }},
    {"ArrivalMissing",
     Good("Arrival-Date", "X-Date"),
     {"arrival_date_missing"},
     [](const FailureReport& r) { EXPECT_EQ(r.arrival_date, "2023-11-14T22:13:20Z"); }},
    {"ArrivalUnderOldName", Good("Arrival-Date", "Received-Date"), {}},
    {"IdentityAlignmentMissing", Good("Identity-Alignment", "X-I"), {}},
    {"AuthFailureMissing",
     Good("Auth-Failure", "X-A"),
     {},
     [](const FailureReport& r) { EXPECT_TRUE(r.auth_failure.empty()); }},
    {"SeveralFailures",
     Good(": dmarc", ": SPF, dmarc (policy)"),
     {},
     [](const FailureReport& r) { EXPECT_THAT(r.auth_failure, ElementsAre("spf", "dmarc")); }},
    {"DeliveryMapped",
     Good("delivered", "smg-policy-action"),
     {"delivery_result_mapped"},
     [](const FailureReport& r) { EXPECT_EQ(r.delivery_result, "policy"); }},
    {"DeliveryUnknown",
     Good("delivered", "teleported"),
     {"delivery_result_mapped"},
     [](const FailureReport& r) { EXPECT_EQ(r.delivery_result, "other"); }},
    {"VersionWithFraction",
     Good("Version: 1", "Version: 1.0"),
     {},
     [](const FailureReport& r) { EXPECT_EQ(r.version, "1.0"); }},
    {"VersionAbsent", Good("Version: 1", "X-V: 1"), {}},
    {"IncidentsAbsent",
     Good("Incidents", "X-N"),
     {},
     [](const FailureReport& r) { EXPECT_EQ(r.incidents, 1u); }},
    {"IncidentsTooMany",
     Good("Incidents: 3", "Incidents: 4294967296"),
     {"incidents_invalid!"},
     [](const FailureReport& r) { EXPECT_EQ(r.incidents, 1u); }},
    {"NullMailFrom",
     Good("<bounce+joe=x@mail.example.com>", "<>"),
     {},
     [](const FailureReport& r) { EXPECT_EQ(r.original_mail_from_domain, ""); }},
    {"TypeInAnyCase", Good("auth-failure", "Auth-Failure (rfc6591)"), {}},
    {"TypeMissing", Good("Feedback-Type", "X-F"), {"feedback_type_missing"}},
    {"LinesBefore", "This is a report.\n\n" + Good(), {}},
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
class FailureQuirkTest : public testing::TestWithParam<Case> {};
TEST_P(FailureQuirkTest, Case) {
  const ParsedFailureReport got = ParseFailureFields(GetParam().fields, Hinted(), {});
  EXPECT_EQ(Codes(got), GetParam().codes);
  ASSERT_TRUE(got.report.has_value()) << got.reason << ": " << got.detail;
  if (GetParam().check != nullptr) GetParam().check(*got.report);
}
INSTANTIATE_TEST_SUITE_P(All, FailureQuirkTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

TEST(FailureReportTest, ReportedDomainFromTheOriginal) {
  const ParsedFailureReport got =
      ParseFailureFields(Good("Reported-Domain", "X-D"),
                         Hinted("Return-Path: <a@b.example>\nFrom: joe@Example.org\n"), {});
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->reported_domain, "example.org");
  EXPECT_THAT(Codes(got), ElementsAre("reported_domain_assumed!"));
}

TEST(FailureReportTest, WhatIsNone) {
  const ParsedFailureReport abuse = ParseFailureFields(Good("auth-failure", "abuse"), Hinted(), {});
  EXPECT_EQ(abuse.outcome, Outcome::kNotAReport);
  EXPECT_EQ(abuse.reason, "arf_not_auth_failure");
  EXPECT_EQ(abuse.detail, "the feedback type is abuse, not auth-failure");
  const ParsedFailureReport human = ParseFailureFields("Hello: world\n\nbye", Hinted(), {});
  EXPECT_EQ(human.outcome, Outcome::kNotAReport);
  EXPECT_EQ(human.reason, "not_a_failure_report");
  EXPECT_EQ(ParseFailureFields("", Hinted(), {}).outcome, Outcome::kNotAReport);
  const ParsedFailureReport nameless =
      ParseFailureFields(Good("Reported-Domain", "X-D"), Hinted(), {});
  EXPECT_EQ(nameless.outcome, Outcome::kQuarantined);
  EXPECT_EQ(nameless.reason, "reported_domain_missing");
}

TEST(FailureReportTest, Limits) {
  FailureLimits limits;
  limits.field_bytes = Good().size() - 1;
  EXPECT_THAT(Codes(ParseFailureFields(kGood, Hinted(), limits)), ElementsAre("fields_cut"));
  limits = {};
  limits.stored_text_bytes = 15;
  limits.repairs = 1;
  const ParsedFailureReport cut = ParseFailureFields(kGood, Hinted(), limits);
  EXPECT_EQ(cut.repairs.size(), 1u);
  EXPECT_GT(cut.repairs_dropped, 0);
  EXPECT_EQ(cut.report->spf_dns, "txt : example.c");
  limits = {};
  limits.auth_failures = 1;
  const ParsedFailureReport one =
      ParseFailureFields(Good(": dmarc", ": spf, dmarc"), Hinted(), limits);
  EXPECT_THAT(one.report->auth_failure, ElementsAre("spf"));
  EXPECT_THAT(Codes(one), ElementsAre("auth_failure_cut"));
}

TEST(FailureReportTest, LooksLikeOne) {
  EXPECT_TRUE(LooksLikeFeedbackReport("\r\nUser-Agent: x\r\nfeedback-type : auth-failure"));
  EXPECT_FALSE(LooksLikeFeedbackReport("Subject: Feedback-Type"));
  EXPECT_FALSE(LooksLikeFeedbackReport(std::string(30, '\n') + "Feedback-Type: auth-failure"));
}

TEST(HeaderFieldsTest, CommentsMayNest) {
  EXPECT_EQ(WithoutComments("a (b (c) d\\) e) f"), "a  f");
  EXPECT_EQ(WithoutComments("a) \\(b"), "a) \\(b");
  EXPECT_EQ(WithoutComments("a (never closed"), "a");
}

}  // namespace
}  // namespace dmarcate
