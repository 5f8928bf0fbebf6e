#include "policyd/provider/powerdns/powerdns_provider.h"

#include <map>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/base/text.h"
#include "lib/http/fake_transport.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr char kKey[] = "s3cret-k3y";

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
std::string Data(std::string_view file) {
  return testing_support::ReadData(std::string("powerdns/") + std::string(file));
}

TEST(PowerDnsEndpointTest, SendsTheKeyInClearToLoopbackOnly) {
  for (const std::string good :
       {"http://127.0.0.1:8081", "http://127.8.9.1", "http://[::1]:8081", "http://localhost:8081/",
        "https://dns.example.net", "https://dns.example.net:8443", "https://[2001:db8::1]:443"}) {
    EXPECT_THAT(ParsePowerDnsEndpoint(good, ""), IsOk()) << good;
  }
  for (const std::string bad :
       {"http://192.0.2.1:8081", "http://dns.example.net:8081", "http://[2001:db8::1]:8081",
        "http://127.0.0.1.example.net", "http://localhost@evil.test",
        "http://localhost:80@evil.test", "https://dns.example.net/api/v1",
        "https://dns.example.net?x", "https://u:p@dns.example.net", "ftp://127.0.0.1",
        "127.0.0.1:8081", "https://", "", "http://[::1", "http://localhost:x", "https://a b"}) {
    EXPECT_THAT(ParsePowerDnsEndpoint(bad, ""), StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  EXPECT_EQ(ParsePowerDnsEndpoint("http://127.0.0.1:8081/", "")->ServerUrl(),
            "http://127.0.0.1:8081/api/v1/servers/localhost");
  for (const std::string bad : {"a/b", "..%2f", "a?b", " "}) {
    EXPECT_THAT(ParsePowerDnsEndpoint("http://127.0.0.1", bad),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(PowerDnsEndpointTest, ZoneIdsAreSpelledAsPowerDnsDoes) {
  EXPECT_EQ(PowerDnsZoneId(Name("example.test")), "example.test.");
  EXPECT_EQ(PowerDnsZoneId(Name("_a.example.test")), "=5Fa.example.test.");
}

TEST(PowerDnsMessageTest, ReadsServedAndDisabledRecords) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const PowerDnsZone zone,
                                ParsePowerDnsZone(Data("zone.json"), Name("example.test")));
  EXPECT_TRUE(zone.IsWritable());
  EXPECT_EQ(zone.ttl_seconds, 3600u);
  EXPECT_THAT(zone.served,
              ElementsAre(TxtRecord{{"v=spf1  mx ~all"}}, TxtRecord{{"verifi", "cation=1"}}));
  EXPECT_THAT(zone.disabled, ElementsAre("\"v=spf1 -all\""));
}

TEST(PowerDnsMessageTest, FiltersForServersThatDoNot) {
  const std::string json = Data("zone_unfiltered.json");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const PowerDnsZone zone,
                                ParsePowerDnsZone(json, Name("example.test")));
  EXPECT_THAT(zone.served, ElementsAre(TxtRecord{{"found"}}));
  EXPECT_TRUE(ParsePowerDnsZone(json, Name("alias.example.test"))->has_cname);
}

TEST(PowerDnsMessageTest, SecondariesAreNotWritable) {
  EXPECT_FALSE(ParsePowerDnsZone(Data("zone_secondary.json"), Name("example.test"))->IsWritable());
}

TEST(PowerDnsMessageTest, ListsZonesWithoutTheRoot) {
  EXPECT_THAT(ParsePowerDnsZoneNames(Data("zones.json")).value(),
              ElementsAre(Name("example.test"), Name("example.org")));
}

TEST(PowerDnsMessageTest, NothingIsConcludedFromNonsense) {
  for (
      const std::string bad :
      {"", "null", "[]", "{}", "<html>", R"({"kind":"Native"})", R"({"kind":1,"rrsets":[]})",
       R"({"kind":"Native","rrsets":{}})", R"({"kind":"Native","rrsets":[1]})",
       R"({"kind":"Native","rrsets":[{"name":"example.test.","type":"TXT"}]})",
       R"({"kind":"Native","rrsets":[{"name":"example.test.","type":"TXT","ttl":-1,"records":[]}]})",
       R"({"kind":"Native","rrsets":[{"name":"example.test.","type":"TXT","ttl":1,"records":[{}]}]})",
       R"({"kind":"Native","rrsets":[{"name":"example.test.","type":"TXT","ttl":1,
            "records":[{"content":"\"open"}]}]})",
       R"({"kind":"Native","rrsets":[
            {"name":"example.test.","type":"TXT","ttl":1,"records":[]},
            {"name":"EXAMPLE.test.","type":"TXT","ttl":1,"records":[]}]})"}) {
    EXPECT_THAT(ParsePowerDnsZone(bad, Name("example.test")), StatusIs(absl::StatusCode::kDataLoss))
        << bad;
  }
  for (const std::string bad : {"", "{}", "[1]", "[{}]", "[[[["}) {
    EXPECT_THAT(ParsePowerDnsZoneNames(bad), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
}

TEST(PowerDnsMessageTest, PatchQuotesAndKeepsDisabledRecords) {
  const std::string body =
      MakePowerDnsPatch(Name("example.test"), 300, {TxtRecord{{"a\"b\\", "\xff"}}}, {"\"off\""});
  const auto rrset = nlohmann::json::parse(body)["rrsets"][0];
  EXPECT_EQ(rrset["name"], "example.test.");
  EXPECT_EQ(rrset["changetype"], "REPLACE");
  EXPECT_EQ(rrset["ttl"], 300);
  EXPECT_EQ(rrset["records"][0]["content"], R"("a\"b\\" "\255")");
  EXPECT_EQ(rrset["records"][1]["content"], "\"off\"");
  EXPECT_EQ(rrset["records"][1]["disabled"], true);
  EXPECT_FALSE(rrset.contains("comments"));  // an empty list would delete them
  const auto gone = nlohmann::json::parse(MakePowerDnsPatch(Name("example.test"), 300, {}, {}));
  EXPECT_EQ(gone["rrsets"][0]["changetype"], "DELETE");
  const auto kept =
      nlohmann::json::parse(MakePowerDnsPatch(Name("example.test"), 300, {}, {"\"x\""}));
  EXPECT_EQ(kept["rrsets"][0]["changetype"], "REPLACE");
}

TEST(PowerDnsErrorTest, EveryStatus) {
  const struct {
    int status;
    std::string body;
    absl::StatusCode read, write;
  } cases[] = {
      {200, "", absl::StatusCode::kOk, absl::StatusCode::kOk},
      {204, "", absl::StatusCode::kOk, absl::StatusCode::kOk},
      {301, "", absl::StatusCode::kDataLoss, absl::StatusCode::kDataLoss},
      {400, "", absl::StatusCode::kInvalidArgument, absl::StatusCode::kInvalidArgument},
      {401, "Unauthorized", absl::StatusCode::kPermissionDenied,
       absl::StatusCode::kPermissionDenied},
      {403, "", absl::StatusCode::kPermissionDenied, absl::StatusCode::kPermissionDenied},
      {404, R"({"error":"Not Found"})", absl::StatusCode::kNotFound, absl::StatusCode::kNotFound},
      {422, R"({"error":"bad content"})", absl::StatusCode::kInvalidArgument,
       absl::StatusCode::kInvalidArgument},
      {422, R"({"error":"RRset a. IN TXT: Conflicts with pre-existing CNAME RRset"})",
       absl::StatusCode::kFailedPrecondition, absl::StatusCode::kFailedPrecondition},
      {429, "", absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable},
      {500, "", absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown},
      {502, "<html>", absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown},
      {503, "", absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown},
      {504, "", absl::StatusCode::kUnavailable, absl::StatusCode::kUnknown},
  };
  for (const auto& c : cases) {
    HttpResponse response;
    response.status = c.status;
    response.body = c.body;
    EXPECT_EQ(PowerDnsError(response, HttpAccess::kRead).code(), c.read) << c.status;
    EXPECT_EQ(PowerDnsError(response, HttpAccess::kWrite).code(), c.write) << c.status;
  }
  HttpResponse rude;
  rude.status = 422;
  rude.body = nlohmann::json{{"error", "\x1b[31m" + std::string(5000, 'x')}}.dump();
  const std::string message(PowerDnsError(rude, HttpAccess::kRead).message());
  EXPECT_LT(message.size(), 300u);
  EXPECT_THAT(message, Not(HasSubstr("\x1b")));
}

// A zone in memory behind the API, which tests can make fail.
class PowerDnsProviderTest : public testing::Test {
 protected:
  PowerDnsProviderTest()
      : http_([this](const HttpRequest& request) { return Serve(request); }),
        provider_(http_, ParsePowerDnsEndpoint("http://127.0.0.1:8081", "").value(), Secret(kKey)) {
  }

  absl::StatusOr<HttpResponse> Serve(const HttpRequest& request) {
    HttpResponse response;
    response.status = 200;
    if (request.method == "PATCH") {
      if (patch_error_before_.ok()) {
        const auto rrset = nlohmann::json::parse(request.body)["rrsets"][0];
        if (!ignore_patch_) records_ = rrset.value("records", nlohmann::json::array());
      } else {
        return patch_error_before_;
      }
      if (!patch_error_after_.ok()) return patch_error_after_;
      response.status = patch_status_;
      return response;
    }
    response.status = get_status_;
    if (request.url.find("rrset_name") != std::string::npos) {
      nlohmann::json rrsets = nlohmann::json::array();
      if (!records_.empty()) {
        rrsets.push_back(
            {{"name", "a.example.test."}, {"type", "TXT"}, {"ttl", 300}, {"records", records_}});
      }
      response.body = nlohmann::json{{"kind", kind_}, {"rrsets", rrsets}}.dump();
    } else {
      response.body = Data("zones.json");
    }
    return response;
  }

  absl::Status Apply(const std::vector<std::string>& before,
                     const std::vector<std::string>& after) {
    RrSetChange change{Name("a.example.test"), {}, {}, 300};
    for (const std::string& text : before) change.before.push_back(MakeTxtRecord(text));
    for (const std::string& text : after) change.after.push_back(MakeTxtRecord(text));
    return provider_.Apply(Name("example.test"), change);
  }
  int Patches() const {
    int patches = 0;
    for (const HttpRequest& request : http_.requests())
      patches += request.method == "PATCH" ? 1 : 0;
    return patches;
  }

  nlohmann::json records_ = nlohmann::json::array();
  std::string kind_ = "Native";
  int get_status_ = 200;
  int patch_status_ = 204;
  bool ignore_patch_ = false;
  absl::Status patch_error_before_, patch_error_after_;
  FakeHttpTransport http_;
  PowerDnsProvider provider_;
};

TEST_F(PowerDnsProviderTest, TheKeyIsInItsHeaderAndNowhereElse) {
  EXPECT_THAT(Apply({}, {"x"}), IsOk());
  get_status_ = 401;
  const absl::Status refused = Apply({"x"}, {"y"});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(refused.ToString(), Not(HasSubstr(kKey)));
  for (const HttpRequest& request : http_.requests()) {
    EXPECT_THAT(request.url, Not(HasSubstr(kKey)));
    EXPECT_THAT(request.body, Not(HasSubstr(kKey)));
    int found = 0;
    for (const HttpHeader& header : request.headers) {
      if (header.value == kKey) {
        EXPECT_EQ(header.name, "X-API-Key");
        ++found;
      }
    }
    EXPECT_EQ(found, 1);
  }
  EXPECT_EQ(provider_.Test().state, ProviderTest::State::kCredentialRefused);
}

TEST_F(PowerDnsProviderTest, KeepsRecordsThatAreNotServed) {
  records_ = {{{"content", "\"x\""}, {"disabled", false}},
              {{"content", "\"off\""}, {"disabled", true}}};
  EXPECT_THAT(Apply({"x"}, {"y"}), IsOk());
  EXPECT_EQ(records_.size(), 2u);
  EXPECT_THAT(Apply({"y"}, {}), IsOk());
  ASSERT_EQ(records_.size(), 1u);
  EXPECT_EQ(records_[0]["content"], "\"off\"");
}

TEST_F(PowerDnsProviderTest, DoesNotWriteToASecondary) {
  kind_ = "Slave";
  EXPECT_THAT(Apply({}, {"x"}), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Patches(), 0);
}

TEST_F(PowerDnsProviderTest, ComparesBeforeAndReadsBackAfter) {
  EXPECT_THAT(Apply({"other"}, {"x"}), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(Patches(), 0);
  EXPECT_THAT(Apply({}, {"x"}), IsOk());
  EXPECT_THAT(Apply({}, {"x"}), IsOk());  // there already
  EXPECT_EQ(Patches(), 1);
  ignore_patch_ = true;
  EXPECT_THAT(Apply({"x"}, {"y"}), StatusIs(absl::StatusCode::kUnknown));
}

TEST_F(PowerDnsProviderTest, OnlyWhatWasNotSentIsUnavailable) {
  patch_error_before_ = absl::UnavailableError("connection refused");
  EXPECT_THAT(Apply({}, {"x"}), StatusIs(absl::StatusCode::kUnavailable));
  patch_error_before_ = absl::OkStatus();
  patch_error_after_ = absl::UnknownError("reset");
  EXPECT_THAT(Apply({}, {"x"}), StatusIs(absl::StatusCode::kUnknown));
  patch_error_after_ = absl::ResourceExhaustedError("response too large");
  EXPECT_THAT(Apply({"x"}, {"y"}), StatusIs(absl::StatusCode::kUnknown));
  patch_error_after_ = absl::OkStatus();
  patch_status_ = 503;
  EXPECT_THAT(Apply({"y"}, {"z"}), StatusIs(absl::StatusCode::kUnknown));
}

TEST_F(PowerDnsProviderTest, ReadsThatFailConcludeNothing) {
  get_status_ = 503;
  EXPECT_THAT(provider_.ReadRrSet(Name("example.test"), Name("a.example.test")),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(provider_.FindZone(Name("a.example.test")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(provider_.Test().state, ProviderTest::State::kUnreachable);
}

TEST_F(PowerDnsProviderTest, WarnsHowMuchTheKeyCanDo) {
  const ProviderTest test = provider_.Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking);
  EXPECT_THAT(test.warnings, ElementsAre(HasSubstr("all 2 zones")));
}

}  // namespace
}  // namespace dmarcate
