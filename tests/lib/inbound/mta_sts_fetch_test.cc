// The MTA-STS policy: fetched within the guard, from a real https server, too, and judged.
#include "lib/inbound/mta_sts_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/http/fake_transport.h"
#include "tests/lib/inbound/sts_server.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using inbound_testing::StsServer;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

constexpr std::string_view kPolicy =
    "version: STSv1\r\nmode: enforce\r\nmx: *.example.com\r\nmax_age: 2592000\r\n";
std::string Policy(std::string_view mode, std::string_view mx = "*.example.com",
                   std::string_view max_age = "2592000") {
  return fmt::format("version: STSv1\nmode: {}\nmx: {}\nmax_age: {}\n", mode, mx, max_age);
}

class FetchTest : public testing::Test {
 protected:
  FetchTest() { dns_.SetA(Name("mta-sts.example.com"), {"8.8.8.8"}); }
  absl::StatusOr<HttpResponse> Fetch() {
    return FetchMtaStsPolicy(Name("example.com"), dns_, http_, options_);
  }
  FakeResolver dns_;
  FakeHttpTransport http_{
      [](const HttpRequest&) { return HttpResponse{.status = 200, .body = std::string(kPolicy)}; }};
  MtaStsFetchOptions options_;
};

TEST_F(FetchTest, AsksOnceAtThePinnedAddress) {
  const auto response = Fetch();
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body, kPolicy);
  ASSERT_THAT(http_.requests(), SizeIs(1));
  const HttpRequest request = http_.requests()[0];
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "https://mta-sts.example.com/.well-known/mta-sts.txt");
  EXPECT_EQ(request.connect_to, "8.8.8.8:443");
  EXPECT_EQ(request.response_limit_bytes, size_t{64} << 10);
  EXPECT_EQ(request.deadline, absl::Seconds(10));
  EXPECT_THAT(request.headers, IsEmpty());
  EXPECT_THAT(dns_.queries(), SizeIs(2)) << "each family once";
}

TEST_F(FetchTest, ARedirectIsAnAnswer) {
  http_.SetHandler([](const HttpRequest&) {
    return HttpResponse{.status = 301, .headers = {{"location", "https://10.0.0.1/"}}};
  });
  const auto response = Fetch();
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 301);
  EXPECT_THAT(http_.requests(), SizeIs(1));
}

TEST_F(FetchTest, TooMuchIsRefused) {
  http_.SetHandler([](const HttpRequest&) {
    return HttpResponse{.status = 200, .body = std::string(kMaxMtaStsPolicyOctets, 'x')};
  });
  EXPECT_THAT(Fetch(), IsOk());
  http_.SetHandler([](const HttpRequest&) {
    return HttpResponse{.status = 200, .body = std::string(kMaxMtaStsPolicyOctets + 1, 'x')};
  });
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kResourceExhausted));
}

// Names that lead where nobody outside could go: nothing is sent.
struct Refused {
  std::string name;
  std::vector<std::string> v4, v6;
  absl::StatusCode code = absl::StatusCode::kPermissionDenied;
};
class RefusedTest : public FetchTest, public testing::WithParamInterface<Refused> {};
TEST_P(RefusedTest, NothingIsSent) {
  dns_.SetA(Name("mta-sts.example.com"), GetParam().v4);
  dns_.SetAaaa(Name("mta-sts.example.com"), GetParam().v6);
  EXPECT_THAT(Fetch(), StatusIs(GetParam().code));
  EXPECT_THAT(http_.requests(), IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(All, RefusedTest,
                         testing::Values(Refused{"NoAddress", {}, {}, absl::StatusCode::kNotFound},
                                         Refused{"Loopback", {"127.0.0.1"}, {}},
                                         Refused{"Private", {"10.0.0.1"}, {}},
                                         Refused{"Metadata", {"169.254.169.254"}, {}},
                                         Refused{"OneOfTwo", {"8.8.8.8", "192.168.0.1"}, {}},
                                         Refused{"TheOtherFamily", {"8.8.8.8"}, {"::1"}},
                                         Refused{"Mapped", {}, {"::ffff:127.0.0.1"}},
                                         Refused{"UniqueLocal", {}, {"fd00:ec2::254"}},
                                         Refused{"Nat64", {}, {"64:ff9b::a00:1"}},
                                         Refused{"SixToFour", {}, {"2002:7f00:1::"}}),
                         [](const auto& instance) { return instance.param.name; });

TEST_F(FetchTest, TheOperatorMayAllowIt) {
  dns_.SetA(Name("mta-sts.example.com"), {"10.1.2.3"});
  options_.guard.allow = {IpNetwork::Parse("10.1.0.0/16").value()};
  options_.port = 8443;
  ASSERT_THAT(Fetch(), IsOk());
  EXPECT_EQ(http_.requests()[0].connect_to, "10.1.2.3:8443");
}

TEST_F(FetchTest, AFailedLookUpIsNoAbsence) {
  dns_.Fail(Name("mta-sts.example.com"), RrType::kAaaa, absl::DataLossError("bogus"));
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

TEST_F(FetchTest, WithoutTimeNothingIsSent) {
  options_.limit = absl::ZeroDuration();
  EXPECT_THAT(Fetch(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(http_.requests(), IsEmpty());
}

TEST(FetchMtaStsPolicy, FromARealServer) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto server, StsServer::Start(kPolicy));
  FakeResolver dns;
  dns.SetA(Name("mta-sts.example.com"), {"127.0.0.1"});
  dns.SetA(Name("mta-sts.example.net"), {"127.0.0.1"});
  const MtaStsFetchOptions options{.guard = {{IpNetwork::Parse("127.0.0.0/8").value()}},
                                   .port = server->port()};
  CurlTransport trusting(
      {.schemes = CurlTransportOptions::Schemes::kHttpsOnly, .ca_file = server->ca_file()});
  const auto response = FetchMtaStsPolicy(Name("example.com"), dns, trusting, options);
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, kPolicy);
  EXPECT_EQ(response->Header("content-type"), "text/plain");
  EXPECT_THAT(FetchMtaStsPolicy(Name("example.net"), dns, trusting, options),
              StatusIs(absl::StatusCode::kFailedPrecondition))
      << "another name than the certificate's";
  CurlTransport stranger({.schemes = CurlTransportOptions::Schemes::kHttpsOnly});
  EXPECT_THAT(FetchMtaStsPolicy(Name("example.com"), dns, stranger, options),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

// --- What is said of it ---

enum class Record { kNone, kThere, kVoid, kUnknown };
struct JudgeCase {
  std::string name;
  Record record = Record::kThere;
  absl::StatusOr<HttpResponse> response;
  Verdict want = Verdict::kPass;
  std::vector<std::string> want_codes;
  std::string want_reason;
  std::vector<std::string> mx = {"mx1.example.com", "mx2.example.com"};
};
HttpResponse Served(std::string body, std::string type = "text/plain; charset=utf-8") {
  return {.status = 200, .headers = {{"content-type", std::move(type)}}, .body = std::move(body)};
}
const JudgeCase kJudgeCases[] = {
    {"Enforced",
     Record::kThere,
     Served(std::string(kPolicy)),
     Verdict::kPass,
     {},
     "mode enforce for 30 days"},
    {"Testing",
     Record::kThere,
     Served(Policy("testing")),
     Verdict::kPass,
     {"MTA_STS_NOT_ENFORCED"},
     "mode testing for 30 days"},
    {"ShortAge",
     Record::kThere,
     Served(Policy("enforce", "*.example.com", "3600")),
     Verdict::kWarn,
     {"MTA_STS_MAX_AGE"},
     "which an attacker can wait for"},
    {"NoPolicy",
     Record::kThere,
     Served("<html>"),
     Verdict::kFail,
     {"MTA_STS_SYNTAX"},
     "senders see no policy"},
    {"NoHost",
     Record::kThere,
     absl::NotFoundError("mta-sts.example.com has no address"),
     Verdict::kFail,
     {"MTA_STS_POLICY_MISSING"},
     "has no address"},
    {"NotFound",
     Record::kThere,
     HttpResponse{.status = 404},
     Verdict::kFail,
     {"MTA_STS_POLICY_MISSING"},
     "answers 404"},
    {"Created",
     Record::kThere,
     HttpResponse{.status = 201, .body = std::string(kPolicy)},
     Verdict::kFail,
     {"MTA_STS_POLICY_MISSING"},
     "answers 201"},
    {"Redirect",
     Record::kThere,
     HttpResponse{.status = 302},
     Verdict::kFail,
     {"MTA_STS_POLICY_MISSING"},
     "follow no redirect"},
    {"TooLarge",
     Record::kThere,
     absl::ResourceExhaustedError("over 65536 bytes"),
     Verdict::kFail,
     {"MTA_STS_POLICY_MISSING"},
     "larger than senders read"},
    {"Certificate",
     Record::kThere,
     absl::FailedPreconditionError("peer"),
     Verdict::kFail,
     {"MTA_STS_CERTIFICATE"},
     "not trusted"},
    {"NotReached",
     Record::kThere,
     absl::UnavailableError("refused"),
     Verdict::kUnknown,
     {"LOOKUP_FAILED"},
     "was not fetched: refused"},
    {"CutOff",
     Record::kThere,
     absl::UnknownError("reset"),
     Verdict::kUnknown,
     {"LOOKUP_FAILED"},
     "was not fetched: reset"},
    {"NotPublic",
     Record::kThere,
     absl::PermissionDeniedError("10.0.0.1: private use"),
     Verdict::kUnknown,
     {"ADDRESS_NOT_PUBLIC"},
     "10.0.0.1: private use"},
    {"Type",
     Record::kThere,
     Served(std::string(kPolicy), "text/html"),
     Verdict::kWarn,
     {"MTA_STS_CONTENT_TYPE"},
     "'text/html'"},
    {"NoType",
     Record::kThere,
     Served(std::string(kPolicy), ""),
     Verdict::kWarn,
     {"MTA_STS_CONTENT_TYPE"},
     "no type at all"},
    {"TypeInCapitals",
     Record::kThere,
     Served(std::string(kPolicy), "Text/Plain"),
     Verdict::kPass,
     {},
     ""},
    {"MxNotMatchedEnforced",
     Record::kThere,
     Served(Policy("enforce", "mx1.example.com")),
     Verdict::kFail,
     {"MTA_STS_MX"},
     "mx2.example.com, so senders do not deliver there"},
    {"MxNotMatchedTesting",
     Record::kThere,
     Served(Policy("testing", "mx1.example.com")),
     Verdict::kWarn,
     {"MTA_STS_NOT_ENFORCED", "MTA_STS_MX"},
     "report a failure"},
    {"MxNotMatchedNone",
     Record::kThere,
     Served(Policy("none", "mx1.example.com")),
     Verdict::kPass,
     {"MTA_STS_NOT_ENFORCED"},
     ""},
    {"ManyNotMatched",
     Record::kThere,
     Served(Policy("enforce", "other.test")),
     Verdict::kFail,
     {"MTA_STS_MX", "MTA_STS_MX"},
     ""},
    {"ADeeperNameIsNotMatched",
     Record::kThere,
     Served(std::string(kPolicy)),
     Verdict::kFail,
     {"MTA_STS_MX"},
     "a.mx.example.com",
     {"a.mx.example.com"}},
    {"TheDomainItself",
     Record::kThere,
     Served(Policy("enforce", "example.com")),
     Verdict::kPass,
     {},
     "",
     {}},
    {"TheDomainItselfNotMatched",
     Record::kThere,
     Served(std::string(kPolicy)),
     Verdict::kFail,
     {"MTA_STS_MX"},
     "matches example.com",
     {}},
    {"PolicyWithoutRecord",
     Record::kNone,
     Served(std::string(kPolicy)),
     Verdict::kWarn,
     {"MTA_STS_NO_RECORD"},
     "no record announces it"},
    {"PolicyWithVoidRecord",
     Record::kVoid,
     Served(std::string(kPolicy)),
     Verdict::kWarn,
     {"MTA_STS_NO_RECORD"},
     ""},
    {"Neither",
     Record::kNone,
     absl::NotFoundError("no address"),
     Verdict::kPass,
     {},
     "no policy is announced, and none was found"},
    {"APageWithoutRecord", Record::kNone, Served("<html>", "text/html"), Verdict::kPass, {}, ""},
    {"A404WithoutRecord", Record::kNone, HttpResponse{.status = 404}, Verdict::kPass, {}, ""},
    {"ACertificateWithoutRecord",
     Record::kNone,
     absl::FailedPreconditionError("peer"),
     Verdict::kPass,
     {},
     ""},
    {"SilenceWithoutRecord",
     Record::kNone,
     absl::UnavailableError("refused"),
     Verdict::kPass,
     {"LOOKUP_FAILED"},
     ""},
    {"PolicyAndWhoKnows",
     Record::kUnknown,
     Served(std::string(kPolicy)),
     Verdict::kUnknown,
     {},
     "announces the policy is not known"},
    {"NoPolicyAndWhoKnows",
     Record::kUnknown,
     HttpResponse{.status = 404},
     Verdict::kUnknown,
     {},
     "is not known"},
    {"SilenceAndWhoKnows",
     Record::kUnknown,
     absl::UnavailableError("refused"),
     Verdict::kUnknown,
     {"LOOKUP_FAILED"},
     ""},
};

MtaStsPosture RecordOf(Record record) {
  MtaStsPosture out;
  DnsAnswer answer;
  out.view.resolver = answer;
  if (record == Record::kUnknown) out.view.resolver = absl::UnavailableError("SERVFAIL");
  if (record == Record::kVoid) out.view.resolver = absl::DataLossError("bogus");
  if (record == Record::kThere) out.record = ParseMtaStsRecord("v=STSv1; id=1").value();
  return out;
}

class JudgeTest : public testing::TestWithParam<JudgeCase> {};
TEST_P(JudgeTest, Case) {
  MxPosture mx;
  mx.view.owner = Name("example.com");
  mx.view.resolver = DnsAnswer{};
  for (const std::string& host : GetParam().mx) mx.records.push_back({10, Name(host)});
  const auto got =
      JudgeMtaStsPolicy(Name("example.com"), RecordOf(GetParam().record), mx, GetParam().response);
  EXPECT_EQ(got.judgement.verdict, GetParam().want)
      << ToString(got.judgement.verdict) << ": " << got.judgement.reason;
  std::vector<std::string> codes;
  for (const LintFinding& finding : got.judgement.findings) codes.push_back(finding.code);
  EXPECT_EQ(codes, GetParam().want_codes);
  EXPECT_THAT(got.judgement.reason, HasSubstr(GetParam().want_reason));
  EXPECT_FALSE(got.judgement.reason.empty());
  EXPECT_EQ(got.judgement.fix.empty(), GetParam().want == Verdict::kPass);
}
INSTANTIATE_TEST_SUITE_P(All, JudgeTest, testing::ValuesIn(kJudgeCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(JudgeMtaStsPolicy, UnknownMxHostsAreNotMatched) {
  MxPosture mx;
  mx.view.owner = Name("example.com");
  mx.view.resolver = absl::UnavailableError("SERVFAIL");
  const auto got = JudgeMtaStsPolicy(Name("example.com"), RecordOf(Record::kThere), mx,
                                     Served(std::string(kPolicy)));
  EXPECT_EQ(got.judgement.verdict, Verdict::kUnknown);
  EXPECT_THAT(got.judgement.reason, HasSubstr("MX hosts is not known"));
}

}  // namespace
}  // namespace dmarcate
