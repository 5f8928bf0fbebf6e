// What is particular to one host, beyond the suites that all share.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "policyd/provider/api/host_api.h"
#include "tests/conformance/vendor/desec_server.h"
#include "tests/conformance/vendor/dnsimple_server.h"
#include "tests/conformance/vendor/gandi_server.h"
#include "tests/conformance/vendor/hetzner_server.h"
#include "tests/conformance/vendor/linode_server.h"
#include "tests/conformance/vendor/ns1_server.h"
#include "tests/conformance/vendor/ovh_server.h"
#include "tests/conformance/vendor/porkbun_server.h"
#include "tests/conformance/vendor/vultr_server.h"
#include "tests/conformance/vendor_host.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

constexpr char kToken[] = "token-7Zq2kXw9VtB4mLr8YpNs";

// A host with one zone, and the server under it by its own type.
template <typename Server>
struct Bench {
  explicit Bench(const std::string& type, std::unique_ptr<Server> in,
                 const std::string& secret = kToken,
                 std::map<std::string, std::string> settings = {})
      : server(*in),
        host({.type = type,
              .settings = std::move(settings),
              .secret = secret,
              .wrong_secret = "wrong"},
             std::move(in)) {}
  absl::Status Apply(const std::vector<std::string>& before, const std::vector<std::string>& after,
                     uint32_t ttl = 3600) {
    return host.provider().Apply(zone, {owner, Records(before), Records(after), ttl});
  }
  const DomainName zone = TestName("example.test");
  const DomainName owner = TestName("_dmarc.example.test");
  Server& server;
  VendorHost host;
};

struct Hetzner : Bench<testing_support::HetznerServer> {
  Hetzner() : Bench("hetzner", std::make_unique<testing_support::HetznerServer>(kToken)) {}
};

TEST(HetznerTest, ActionsAreAwaited) {
  Hetzner bench;
  bench.server.SetPolls(3);
  EXPECT_THAT(bench.Apply({}, {"one"}), IsOk());
  EXPECT_EQ(bench.server.polled(), 3);
}

TEST(HetznerTest, AnActionThatFailsIsUnknown) {
  Hetzner bench;
  bench.server.FailActions(1);
  EXPECT_THAT(bench.Apply({}, {"one"}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("Action failed")));
  EXPECT_THAT(bench.Apply({}, {"one"}), IsOk());
  EXPECT_THAT(bench.Apply({"one"}, {"two"}, 600), IsOk());
  EXPECT_EQ(bench.server.RecordsAt(bench.owner)[0].ttl, 600u);
}

TEST(HetznerTest, CommentsGoBackWithTheirRecords) {
  Hetzner bench;
  bench.server.AddRecord({.owner = bench.owner,
                          .strings = {"foreign"},
                          .ttl = 3600,
                          .extra = {{"comment", "of the marketing \xc3\xbc"}}});
  EXPECT_THAT(bench.Apply({"foreign"}, {"foreign", "ours"}), IsOk());
  for (const auto& record : bench.server.RecordsAt(bench.owner)) {
    EXPECT_EQ(record.extra.value("comment", ""),
              record.strings[0] == "foreign" ? "of the marketing \xc3\xbc" : "");
  }
}

TEST(HetznerTest, ASetWithoutATtlHasTheZones) {
  Hetzner bench;
  bench.server.AddRecord(
      {.owner = bench.owner, .strings = {"one"}, .extra = {{"default_ttl", true}}});
  EXPECT_EQ(bench.host.provider().ReadRrSet(bench.zone, bench.owner)->ttl_seconds, 3600u);
  EXPECT_THAT(bench.Apply({"one"}, {"two"}), IsOk());
  // It still follows the zone's.
  EXPECT_TRUE(bench.server.RecordsAt(bench.owner)[0].extra.value("default_ttl", false));
}

TEST(HetznerTest, WhatIsProtectedOrSecondaryIsRefusedUnwritten) {
  Hetzner bench;
  bench.server.AddRecord(
      {.owner = bench.owner, .strings = {"one"}, .extra = {{"protected", true}}});
  EXPECT_THAT(bench.Apply({"one"}, {"two"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("protection")));
  bench.server.AddZone("second.test", {{"mode", "secondary"}});
  EXPECT_THAT(bench.host.provider().Apply(TestName("second.test"),
                                          {TestName("second.test"), {}, Records({"x"}), 300}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("primary")));
  EXPECT_EQ(bench.server.writes(), 0);
}

TEST(HetznerTest, ALockedZoneIsTriedAgain) {
  Hetzner bench;
  testing_support::Json locked = {{"error", {{"code", "locked"}, {"message", "busy"}}}};
  HttpResponse response;
  response.status = 423;
  response.body = locked.dump();
  bench.server.Inject({.outcome = response, .hook = nullptr, .times = 2});
  EXPECT_THAT(bench.Apply({}, {"one"}), IsOk());
  EXPECT_EQ(bench.server.writes(), 1);
}

using testing_support::Json;

TEST(DesecTest, SendsItsTokenToOneHostOnly) {
  DnsProviderRecord record;
  record.type = "desec";
  record.secret_name = "x";
  EXPECT_THAT(ValidateProvider(record), IsOk());
  record.settings = {{"api_url", "https://desec.example.test/api/v1"}};
  EXPECT_THAT(ValidateProvider(record),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("api_url")));
}

TEST(GandiTest, AListThatDoesNotSayHowLongItIs) {
  Bench bench("gandi", std::make_unique<testing_support::GandiServer>(kToken));
  for (int i = 0; i < 5; ++i) bench.server.AddZone("zone" + std::to_string(i) + ".test");
  bench.server.SetPageSize(2);
  bench.server.HideTotal();
  EXPECT_EQ(bench.host.provider().ListZones()->size(), 6u);
}

TEST(LinodeTest, ATtlThatACreationPassesOverIsWrittenAfterIt) {
  Bench bench("linode", std::make_unique<testing_support::LinodeServer>(kToken));
  bench.server.IgnoreTtlOfCreations();
  EXPECT_THAT(bench.Apply({}, {"one"}, 500), IsOk());
  EXPECT_EQ(bench.server.RecordsAt(bench.owner)[0].ttl, 3600u);
  EXPECT_EQ(bench.server.writes(), 2);
}

TEST(LinodeTest, ASecondaryZoneIsRefusedUnwritten) {
  Bench bench("linode", std::make_unique<testing_support::LinodeServer>(kToken));
  bench.server.AddZone("second.test", {{"type", "slave"}});
  EXPECT_THAT(bench.host.provider().Apply(TestName("second.test"),
                                          {TestName("second.test"), {}, Records({"x"}), 300}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("primary")));
  EXPECT_EQ(bench.server.writes(), 0);
}

TEST(LinodeTest, ScopesThatAreMissingOrTooManyAreFound) {
  Bench bench("linode", std::make_unique<testing_support::LinodeServer>(kToken));
  EXPECT_THAT(bench.host.provider().Test().warnings, testing::IsEmpty());
  bench.server.SetScopes("domains:read_write linodes:read_only");
  EXPECT_THAT(bench.host.provider().Test().warnings,
              testing::ElementsAre(HasSubstr("linodes:read_only")));
  bench.server.SetScopes("domains:read_only");
  EXPECT_EQ(bench.host.provider().Test().state, ProviderTest::State::kCredentialRefused);
}

TEST(DnsimpleTest, RecordsThatAreNotOnesOwn) {
  Bench bench("dnsimple", std::make_unique<testing_support::DnsimpleServer>(kToken));
  bench.server.AddRecord({.owner = bench.owner, .raw = "ALIAS for www.example.test"});
  const std::string alias = "ALIAS for www.example.test";  // it is served
  EXPECT_THAT(bench.Apply({alias}, {alias, "one"}), IsOk());
  EXPECT_THAT(bench.Apply({alias, "one"}, {"one"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("ALIAS record")));
  bench.server.AddRecord(
      {.owner = bench.owner, .strings = {"system"}, .extra = {{"system_record", true}}});
  bench.server.AddRecord({.owner = bench.owner, .strings = {"child"}, .extra = {{"parent_id", 7}}});
  const int writes = bench.server.writes();
  for (const std::vector<std::string>& after : {std::vector<std::string>{alias, "one", "system"},
                                                std::vector<std::string>{alias, "one", "child"}}) {
    EXPECT_THAT(bench.Apply({alias, "one", "system", "child"}, after),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("cannot be changed")));
  }
  EXPECT_EQ(bench.server.writes(), writes);
  EXPECT_THAT(bench.Apply({alias, "one", "system", "child"}, {alias, "two", "system", "child"}),
              IsOk());
}

TEST(DnsimpleTest, AUsersTokenNeedsTheAccount) {
  Bench bench("dnsimple", std::make_unique<testing_support::DnsimpleServer>(kToken));
  bench.server.ForgetAccount();
  EXPECT_THAT(bench.Apply({}, {"one"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("set account")));
  Bench set("dnsimple", std::make_unique<testing_support::DnsimpleServer>(kToken), kToken,
            {{"account", testing_support::DnsimpleServer::kAccount}});
  set.server.ForgetAccount();
  EXPECT_THAT(set.Apply({}, {"one"}), IsOk());
}

TEST(DnsimpleTest, OnlyPrintableTextIsWritten) {
  Bench bench("dnsimple", std::make_unique<testing_support::DnsimpleServer>(kToken));
  EXPECT_THAT(bench.Apply({}, {"umlaut \xc3\xbc"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bench.server.writes(), 0);
}

TEST(VultrTest, AQuoteIsRefusedUnwritten) {
  Bench bench("vultr", std::make_unique<testing_support::VultrServer>(kToken));
  EXPECT_THAT(bench.Apply({}, {"a \"quote\""}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bench.server.writes(), 0);
}

TEST(Ns1Test, SetsThatSteerTrafficAreRefusedUnwritten) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"filters", {{"set", {{"filters", {{{"filter", "up"}}}}}}}},
      {"regions", {{"set", {{"regions", {{"eu", Json::object()}}}}}}},
      {"(meta)", {{"set", {{"meta", {{"up", true}}}}}}},
      {"tier", {{"set", {{"tier", 3}}}}},
      {"linked", {{"set", {{"link", "other.test"}}}}},
      {"(meta)", {{"answer", {{"meta", {{"up", true}}}}}}},
      {"several parts", {{"answer", {{"answer", {"o", "ne"}}}}}},
  };
  for (const auto& [said, extra] : cases) {
    Bench bench("ns1", std::make_unique<testing_support::Ns1Server>(kToken));
    bench.server.AddRecord({.owner = bench.owner, .strings = {"one"}, .ttl = 60, .extra = extra});
    EXPECT_THAT(bench.Apply({"one"}, {"two"}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(said)));
    EXPECT_EQ(bench.server.writes(), 0);
  }
}

TEST(Ns1Test, SecondaryAndLinkedZonesAreRefusedUnwritten) {
  for (const Json& extra : {Json{{"secondary", {{"enabled", true}}}}, Json{{"link", "a.test"}}}) {
    Bench bench("ns1", std::make_unique<testing_support::Ns1Server>(kToken));
    bench.server.AddZone("second.test", extra);
    EXPECT_THAT(bench.host.provider().Apply(TestName("second.test"),
                                            {TestName("second.test"), {}, Records({"x"}), 300}),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(bench.server.writes(), 0);
  }
}

TEST(Ns1Test, AnswersKeepTheirIds) {
  Bench bench("ns1", std::make_unique<testing_support::Ns1Server>(kToken));
  bench.server.SetTxt(bench.owner, Records({"stays", "goes"}), 3600);
  const std::string id = bench.server.RecordsAt(bench.owner)[0].id;
  EXPECT_THAT(bench.Apply({"stays", "goes"}, {"stays", "comes"}), IsOk());
  EXPECT_EQ(bench.server.RecordsAt(bench.owner)[0].id, id);
}

struct Porkbun : Bench<testing_support::PorkbunServer> {
  Porkbun()
      : Bench("porkbun", std::make_unique<testing_support::PorkbunServer>("pk1_1", "sk1_1"),
              "secretapikey=sk1_1\n# ours\napikey=pk1_1") {}
};

TEST(PorkbunTest, RequestsAreSpread) {
  Porkbun bench;
  bench.server.SetClock([&] { return bench.host.clock().Monotonic(); });
  EXPECT_THAT(bench.Apply({}, {"a", "b", "c"}), IsOk());
  EXPECT_GE(bench.server.requests(), 6);
}

TEST(PorkbunTest, WhatTheHostWouldCutIsRefusedUnwritten) {
  Porkbun bench;
  EXPECT_THAT(bench.Apply({}, {"blank "}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bench.server.writes(), 0);
}

TEST(PorkbunTest, ADomainWithoutTheApi) {
  Porkbun bench;
  bench.server.AddZone("shut.test", {{"no_api", true}});
  EXPECT_THAT(bench.host.provider().ReadRrSet(TestName("shut.test"), TestName("shut.test")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("opted in")));
}

const testing_support::OvhServer::Keys kOvhKeys = {"ak-1", "as-1", "ck-1"};
struct Ovh : Bench<testing_support::OvhServer> {
  Ovh()
      : Bench("ovh", std::make_unique<testing_support::OvhServer>(kOvhKeys),
              "application_key=ak-1\napplication_secret=as-1\nconsumer_key=ck-1") {}
};

TEST(OvhTest, OneRefreshPublishesAllOfAChange) {
  Ovh bench;
  EXPECT_THAT(bench.Apply({}, {"a", "b", "c"}), IsOk());
  EXPECT_THAT(bench.server.Published(bench.owner), testing::UnorderedElementsAre("a", "b", "c"));
  EXPECT_EQ(bench.server.refreshes(), 1);
}

TEST(OvhTest, ARefreshThatFailsIsUnknownAndMadeUpFor) {
  Ovh bench;
  bench.server.Inject(
      {.moment = testing_support::VendorServer::Moment::kAfter, .outcome = {}, .hook = [&] {
         bench.server.Inject(
             {.outcome = bench.server.ErrorResponse(500, "no"), .hook = nullptr, .times = 4});
       }});
  EXPECT_THAT(bench.Apply({}, {"one"}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("not published")));
  EXPECT_THAT(bench.server.Published(bench.owner), testing::IsEmpty());
  EXPECT_EQ(bench.server.pending_faults(), 0u);
  // It stands there, but nobody sees it yet.
  EXPECT_THAT(bench.Apply({}, {"one"}), IsOk());
  EXPECT_THAT(bench.server.Published(bench.owner), testing::ElementsAre("one"));
  EXPECT_EQ(bench.server.writes(), 1);
}

TEST(OvhTest, AJumpOfOurClockMakesNoSignatureWrong) {
  Ovh bench;
  const absl::Time start = bench.host.clock().Now();
  const absl::Duration begin = bench.host.clock().Monotonic();
  bench.server.SetClock(
      [&] { return start + absl::Hours(3) + (bench.host.clock().Monotonic() - begin); });
  EXPECT_THAT(bench.Apply({}, {"one"}), IsOk());
  bench.host.clock().JumpWallTo(start + absl::Hours(24 * 365));
  EXPECT_THAT(bench.Apply({"one"}, {"two"}), IsOk());
  bench.host.clock().Advance(absl::Hours(5));
  EXPECT_THAT(bench.Apply({"two"}, {"three"}), IsOk());
}

TEST(OvhTest, RulesThatAreMissingOrTooManyAreFound) {
  const auto rule = [](const char* method, const char* path) {
    return Json::object({{"method", method}, {"path", path}});
  };
  Ovh bench;
  EXPECT_THAT(bench.host.provider().Test().warnings, testing::IsEmpty());
  bench.server.SetRules({rule("GET", "/*"), rule("POST", "/*"), rule("PUT", "/domain/*/record/*"),
                         rule("DELETE", "/domain/zone/example.test/*")});
  ProviderTest test = bench.host.provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, testing::ElementsAre(testing::AllOf(
                                 HasSubstr("POST /*"), testing::Not(HasSubstr("DELETE")))));
  bench.server.SetRules({rule("GET", "/domain/zone/*"), rule("POST", "/domain/zone/*/record"),
                         rule("PUT", "/domain/zone/other.test/*")});
  test = bench.host.provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kCredentialRefused);
  EXPECT_THAT(test.message,
              testing::AllOf(HasSubstr("PUT"), HasSubstr("DELETE"), HasSubstr("/refresh"),
                             testing::Not(HasSubstr("POST /domain/zone/example.test/record"))));
}

TEST(OvhTest, NativeRecordsKeepTheirTypeWhereTheTextFits) {
  Ovh bench;
  bench.server.AddRecord({.owner = bench.owner,
                          .strings = {"v=DMARC1; p=none"},
                          .ttl = 3600,
                          .extra = {{"fieldType", "DMARC"}}});
  const std::string id = bench.server.RecordsAt(bench.owner)[0].id;
  EXPECT_THAT(bench.Apply({"v=DMARC1; p=none"}, {"v=DMARC1; p=reject"}), IsOk());
  ASSERT_EQ(bench.server.RecordsAt(bench.owner).size(), 1u);
  EXPECT_EQ(bench.server.RecordsAt(bench.owner)[0].id, id);
  EXPECT_THAT(bench.Apply({"v=DMARC1; p=reject"}, {"other"}), IsOk());
  ASSERT_EQ(bench.server.RecordsAt(bench.owner).size(), 1u);
  EXPECT_NE(bench.server.RecordsAt(bench.owner)[0].id, id);
  EXPECT_THAT(bench.server.Published(bench.owner), testing::ElementsAre("other"));
}

TEST(SecretLinesTest, PartsThatAreMissingAreNamedAndNoneIsShown) {
  const std::vector<std::string> keys = {"a_key", "b_key"};
  const auto parts =
      ParseSecretLines("[x]\n; note\nb_key = two=2 \na_key=one\nregion = eu\n", keys);
  ASSERT_THAT(parts.status(), IsOk());
  EXPECT_EQ(parts->at("a_key").Reveal(), "one");
  EXPECT_EQ(parts->at("b_key").Reveal(), "two=2");
  for (const char* const text : {"a_key = canary", "a_key=canary\nb_key=", "canary",
                                 "a_key=canary\na_key=canary\nb_key=canary"}) {
    const absl::Status status = ParseSecretLines(text, keys).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("_key")));
    EXPECT_THAT(status.ToString(), testing::Not(HasSubstr("canary")));
  }
}

}  // namespace
}  // namespace dmarcate
