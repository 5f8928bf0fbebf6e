// The policy file as it is asked for, beside what a web server gives: a fake one, and a real one
// with an authority of its own.

#include "policyd/service/mta_sts_service.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/dns/fake_resolver.h"
#include "lib/http/curl_transport.h"
#include "lib/http/fake_transport.h"
#include "lib/rpc/errors.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/reconcile/sts_files.h"
#include "tests/lib/inbound/sts_server.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using inbound_testing::StsServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

constexpr std::string_view kTesting =
    "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmx: mx2.example.com\r\n"
    "max_age: 86400\r\n";

class StsPolicyTest : public testing::Test {
 protected:
  StsPolicyTest() {
    dns_.SetMx(Name("example.com"), {{20, Name("mx2.example.com")}, {10, Name("mx1.example.com")}});
  }
  v1::GetMtaStsPolicyResponse Get(const v1::MtaStsPolicy& in = {}) {
    v1::GetMtaStsPolicyResponse out;
    EXPECT_THAT(FillStsPolicy(Name("example.com"), in, dns_, files_, &out), IsOk());
    return out;
  }
  std::string Refusal(const v1::MtaStsPolicy& in) {
    v1::GetMtaStsPolicyResponse out;
    const absl::Status status = FillStsPolicy(Name("example.com"), in, dns_, files_, &out);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  }

  FakeResolver dns_;
  FakeStsFileSource files_;
};

TEST_F(StsPolicyTest, NamesTheLiveServers) {
  const v1::GetMtaStsPolicyResponse out = Get();
  EXPECT_EQ(out.file(), kTesting);
  EXPECT_EQ(out.url(), "https://mta-sts.example.com/.well-known/mta-sts.txt");
  EXPECT_EQ(out.record_name(), "_mta-sts.example.com");
  EXPECT_EQ(out.record(), StsRecordText(StsId(kTesting, 1)));
  EXPECT_EQ(out.live_record(), "no record");
  EXPECT_FALSE(out.served());
  EXPECT_EQ(out.served_difference(), "mta-sts.example.com has no address");
  EXPECT_FALSE(out.announced());
  EXPECT_THAT(out.unmatched_mx_hosts(), IsEmpty());
}

TEST_F(StsPolicyTest, OrThoseThatAreNamed) {
  v1::MtaStsPolicy in;
  in.set_mode(v1::MtaStsPolicy::MODE_ENFORCE);
  in.add_mx("MX1.example.com");
  in.add_mx("*.example.net");
  const v1::GetMtaStsPolicyResponse out = Get(in);
  EXPECT_EQ(out.file(),
            "version: STSv1\r\nmode: enforce\r\nmx: *.example.net\r\nmx: mx1.example.com\r\n"
            "max_age: 2592000\r\n");
  EXPECT_THAT(out.unmatched_mx_hosts(), ElementsAre("mx2.example.com"));
  EXPECT_EQ(out.policy().max_age_seconds(), 2592000);
}

TEST_F(StsPolicyTest, OfModeNoneAsksForNoServers) {
  dns_.Fail(Name("example.com"), RrType::kMx, absl::UnavailableError("timeout"));
  v1::MtaStsPolicy in;
  in.set_mode(v1::MtaStsPolicy::MODE_NONE);
  EXPECT_EQ(Get(in).file(), "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n");
}

TEST_F(StsPolicyTest, KnowsWhatIsLive) {
  files_.Serve(Name("example.com"), ServedStsFile{std::string(kTesting), true});
  dns_.SetTxt(Name("_mta-sts.example.com"), {StsRecordText(StsId(kTesting, 4))});
  const v1::GetMtaStsPolicyResponse live = Get();
  EXPECT_TRUE(live.served());
  EXPECT_TRUE(live.announced());
  EXPECT_EQ(live.record(), StsRecordText(StsId(kTesting, 4))) << "the id stays";

  v1::MtaStsPolicy enforce;
  enforce.set_mode(v1::MtaStsPolicy::MODE_ENFORCE);
  const v1::GetMtaStsPolicyResponse next = Get(enforce);
  EXPECT_FALSE(next.served());
  EXPECT_THAT(next.served_difference(), HasSubstr("line 2 is \"mode: testing\""));
  EXPECT_FALSE(next.announced());
  EXPECT_EQ(next.record(), StsRecordText(StsId(next.file(), 5)));

  dns_.SetTxt(Name("_mta-sts.example.com"),
              {StsRecordText(StsId(kTesting, 4)), "v=STSv1; id=another"});
  EXPECT_FALSE(Get().announced());
  EXPECT_THAT(Get().live_record(), HasSubstr("2 records"));

  files_.Serve(Name("example.com"), ServedStsFile{std::string(kTesting), false});
  EXPECT_FALSE(Get().served());
  EXPECT_THAT(Get().served_difference(), HasSubstr("text/plain"));
}

TEST_F(StsPolicyTest, RefusesByField) {
  v1::MtaStsPolicy in;
  in.set_max_age_seconds(3600);
  EXPECT_THAT(Refusal(in), HasSubstr("policy.max_age_seconds: 3600 is not in 86400 to 31557600"));
  in.set_max_age_seconds(31557601);
  EXPECT_THAT(Refusal(in), HasSubstr("policy.max_age_seconds"));
  in.clear_max_age_seconds();
  in.set_mode(static_cast<v1::MtaStsPolicy::Mode>(9));
  EXPECT_THAT(Refusal(in), HasSubstr("policy.mode"));
  in.clear_mode();
  in.add_mx("mx_1.example.com");
  EXPECT_THAT(Refusal(in), HasSubstr("policy.mx"));
  in.clear_mx();
  dns_.SetMx(Name("example.com"), {{0, DomainName()}});
  EXPECT_THAT(Refusal(in), HasSubstr("receives no mail"));
  dns_.Fail(Name("example.com"), RrType::kMx, absl::UnavailableError("timeout"));
  EXPECT_THAT(Refusal(in), HasSubstr("MX of example.com: timeout"));
}

struct ServedCase {
  std::string name;
  HttpResponse response;
  absl::StatusCode want = absl::StatusCode::kOk;
  bool plain = true;
};
class StsFilesTest : public testing::TestWithParam<ServedCase> {};
TEST_P(StsFilesTest, Case) {
  FakeResolver dns;
  dns.SetA(Name("mta-sts.example.com"), {"8.8.8.8"});
  FakeHttpTransport http{[](const HttpRequest&) { return GetParam().response; }};
  StsFiles files(dns, http, [] { return true; }, {});
  const auto served = files.Fetch(Name("example.com"));
  ASSERT_EQ(served.status().code(), GetParam().want) << served.status();
  if (!served.ok()) return;
  EXPECT_EQ(served->body, GetParam().response.body);
  EXPECT_EQ(served->plain_text, GetParam().plain);
}
const ServedCase kServed[] = {
    {"Plain", {.status = 200, .headers = {{"content-type", "text/plain"}}, .body = "a"}},
    {"WithCharset",
     {.status = 200, .headers = {{"content-type", "Text/Plain; charset=utf-8"}}, .body = "a"}},
    {"Html",
     {.status = 200, .headers = {{"content-type", "text/html"}}, .body = "a"},
     absl::StatusCode::kOk,
     false},
    {"Untyped", {.status = 200, .body = "a"}, absl::StatusCode::kOk, false},
    {"Redirect", {.status = 301}, absl::StatusCode::kNotFound},
    {"Missing", {.status = 404}, absl::StatusCode::kNotFound},
};
INSTANTIATE_TEST_SUITE_P(All, StsFilesTest, testing::ValuesIn(kServed),
                         [](const auto& one) { return one.param.name; });

TEST(StsFilesTest, WithoutAuthoritiesNothingIsLearned) {
  FakeResolver dns;
  FakeHttpTransport http{[](const HttpRequest&) { return HttpResponse{.status = 200}; }};
  StsFiles files(dns, http, [] { return false; }, {});
  EXPECT_THAT(files.Fetch(Name("example.com")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(http.requests(), IsEmpty());
}

TEST(StsFilesTest, FromARealServer) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto server, StsServer::Start(kTesting));
  FakeResolver dns;
  dns.SetMx(Name("example.com"), {{10, Name("mx1.example.com")}, {20, Name("mx2.example.com")}});
  dns.SetA(Name("mta-sts.example.com"), {"127.0.0.1"});
  dns.SetA(Name("mta-sts.example.net"), {"127.0.0.1"});
  const MtaStsFetchOptions options{.guard = {{IpNetwork::Parse("127.0.0.0/8").value()}},
                                   .port = server->port()};
  CurlTransport http(
      {.schemes = CurlTransportOptions::Schemes::kHttpsOnly, .ca_file = server->ca_file()});
  StsFiles files(dns, http, [] { return true; }, options);
  v1::GetMtaStsPolicyResponse out;
  ASSERT_THAT(FillStsPolicy(Name("example.com"), {}, dns, files, &out), IsOk());
  EXPECT_TRUE(out.served()) << out.served_difference();
  server->Serve(std::string(kTesting) + " ");
  ASSERT_THAT(FillStsPolicy(Name("example.com"), {}, dns, files, &out), IsOk());
  EXPECT_FALSE(out.served()) << "a byte more";
  const auto wrong_name = files.Fetch(Name("example.net"));
  EXPECT_THAT(wrong_name, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(std::string(wrong_name.status().message()), HasSubstr("certificate"));
}

}  // namespace
}  // namespace dmarcate
