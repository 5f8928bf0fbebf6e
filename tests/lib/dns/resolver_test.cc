// Both resolvers against scripted servers: aliases, losses, caching, trust, and finding the
// servers.
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/dns/answer_cache.h"
#include "lib/dns/fake_resolver.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::FreePort;
using testing_support::IsOk;
using testing_support::StatusIs;
using Protocol = ScriptedServer::Protocol;
using Replies = std::vector<ScriptedReply>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

Replies Silent(std::string_view, Protocol) { return {}; }

// Answers every TXT question with one record, as a resolver would.
ScriptedServer::Handler Says(std::string text, ReplyFlags flags = {}) {
  return [text, flags](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, flags, {{"", RrType::kTxt, TxtRdata(text), 100}})}};
  };
}

class LdnsResolverTest : public testing::Test {
 protected:
  std::unique_ptr<LdnsResolver> Make(std::vector<std::string> resolvers,
                                     std::vector<DnsConfig::Stub> stubs = {}) {
    DnsConfig config;
    config.resolvers = std::move(resolvers);
    config.stubs = std::move(stubs);
    config.timeout = absl::Milliseconds(100);
    config.deadline = absl::Milliseconds(350);
    auto resolver = LdnsResolver::Create(config, clock_, keep_errors_);
    EXPECT_THAT(resolver, IsOk());
    return *std::move(resolver);
  }
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  absl::Duration keep_errors_ = absl::ZeroDuration();
};

TEST_F(LdnsResolverTest, KeepsAnAnswerForItsTtl) {
  ScriptedServer server(Says("x"));
  const auto resolver = Make({server.server()});
  ASSERT_THAT(resolver->Lookup(Name("a.test"), RrType::kTxt), IsOk());
  clock_.Advance(absl::Seconds(99));
  const auto kept = resolver->Lookup(Name("a.test"), RrType::kTxt);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->ttl_seconds, 1U);
  EXPECT_EQ(server.udp_queries(), 1);
  clock_.Advance(absl::Seconds(1));
  ASSERT_THAT(resolver->Lookup(Name("a.test"), RrType::kTxt), IsOk());
  EXPECT_EQ(server.udp_queries(), 2);
}

TEST_F(LdnsResolverTest, ALostReplyIsAskedForAgain) {
  std::atomic<int> count = 0;
  ScriptedServer server([&](std::string_view query, Protocol protocol) -> Replies {
    return ++count < 2 ? Replies{} : Says("x")(query, protocol);
  });
  EXPECT_THAT(Make({server.server()})->Lookup(Name("a.test"), RrType::kTxt), IsOk());
}

TEST_F(LdnsResolverTest, SilenceIsDeadlineExceededAndNotKept) {
  ScriptedServer server(Silent);
  const auto resolver = Make({server.server()});
  EXPECT_THAT(resolver->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const int asked = server.udp_queries();
  EXPECT_THAT(resolver->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_GT(server.udp_queries(), asked);
}

TEST_F(LdnsResolverTest, KeepsAnErrorForAsLongAsItIsTold) {
  keep_errors_ = absl::Seconds(30);
  ScriptedServer server(Silent);
  const auto resolver = Make({server.server()});
  const auto look_up = [&](std::string_view name, RrType type = RrType::kTxt) {
    EXPECT_THAT(resolver->Lookup(Name(name), type), StatusIs(absl::StatusCode::kDeadlineExceeded));
    return server.udp_queries();
  };
  const int asked = look_up("a.test");
  clock_.Advance(absl::Seconds(29));
  EXPECT_EQ(look_up("a.test"), asked);
  const int other_type = look_up("a.test", RrType::kA);
  EXPECT_GT(other_type, asked) << "another question";
  clock_.Advance(absl::Seconds(1));
  EXPECT_GT(look_up("a.test"), other_type);
}

TEST_F(LdnsResolverTest, ASilentServerComesLastUntilItsPenaltyEnds) {
  std::atomic<bool> up = false;
  ScriptedServer first([&](std::string_view query, Protocol protocol) -> Replies {
    return up ? Says("first")(query, protocol) : Replies{};
  });
  ScriptedServer second(Says("second"));
  const auto resolver = Make({first.server(), second.server()});
  EXPECT_EQ(resolver->Lookup(Name("a.test"), RrType::kTxt)->server, second.server());
  EXPECT_EQ(first.udp_queries(), 1);
  up = true;
  EXPECT_EQ(resolver->Lookup(Name("b.test"), RrType::kTxt)->server, second.server());
  EXPECT_EQ(first.udp_queries(), 1);
  clock_.Advance(LdnsResolver::kPenalty);
  EXPECT_EQ(resolver->Lookup(Name("c.test"), RrType::kTxt)->server, first.server());
}

TEST_F(LdnsResolverTest, WhileAllAreSilentEachIsAskedOnceAQuestionUntilOneAnswers) {
  std::atomic<bool> up = false;
  ScriptedServer server([&](std::string_view query, Protocol protocol) -> Replies {
    return up ? Says("x")(query, protocol) : Replies{};
  });
  const auto resolver = Make({server.server()});
  EXPECT_THAT(resolver->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const int until_deadline = server.udp_queries();
  EXPECT_GT(until_deadline, 1);
  EXPECT_THAT(resolver->Lookup(Name("b.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(server.udp_queries(), until_deadline + 1);
  up = true;
  EXPECT_TRUE(resolver->Lookup(Name("c.test"), RrType::kTxt).ok());
  up = false;
  EXPECT_FALSE(resolver->Lookup(Name("d.test"), RrType::kTxt).ok());
  EXPECT_GT(server.udp_queries(), until_deadline + 3);  // it had answered since
}

TEST_F(LdnsResolverTest, RefusedEverywhereIsUnavailableWithoutWaiting) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {.rcode = 5}, {})}};
  });
  EXPECT_THAT(Make({server.server()})->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("REFUSED")));
  EXPECT_EQ(server.udp_queries(), 1);
}

TEST_F(LdnsResolverTest, BogusIsFinal) {
  ScriptedServer bogus([](std::string_view query, Protocol protocol) -> Replies {
    if (!HasCd(query)) return {{ReplyTo(query, {.rcode = 2}, {})}};
    return Says("x")(query, protocol);
  });
  ScriptedServer careless(Says("x"));
  EXPECT_THAT(Make({bogus.server(), careless.server()})->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(careless.udp_queries(), 0);
}

TEST_F(LdnsResolverTest, FollowsAnAliasTheServerDidNot) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    if (QuestionName(query) == "a.test") {
      return {{ReplyTo(query, {.ad = true}, {{"", RrType::kCname, WireName("b.test"), 30}})}};
    }
    return {{ReplyTo(query, {.ad = true}, {{"", RrType::kTxt, TxtRdata("end"), 100}})}};
  });
  const auto answer = Make({server.server()})->Lookup(Name("a.test"), RrType::kTxt);
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->cname_chain, ElementsAre(Name("b.test")));
  EXPECT_THAT(answer->txt, ElementsAre(MakeTxtRecord("end")));
  EXPECT_TRUE(answer->validated);
  EXPECT_EQ(answer->ttl_seconds, 30U);
}

TEST_F(LdnsResolverTest, AnAliasLoopEndsAtTheLimit) {
  ScriptedServer server([](std::string_view query, Protocol) -> Replies {
    return {{ReplyTo(query, {}, {{"", RrType::kCname, WireName("x." + QuestionName(query))}})}};
  });
  EXPECT_THAT(Make({server.server()})->Lookup(Name("a.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(server.udp_queries(), 9);
}

TEST_F(LdnsResolverTest, StubsAnswerForTheirZonesAsAuthorities) {
  ScriptedServer outer(Says("outer", {.aa = true, .ra = false, .ad = true}));
  ScriptedServer inner(Says("inner", {.aa = true, .ra = false}));
  const auto resolver = Make(
      {}, {{Name("example.test"), {outer.server()}}, {Name("sub.example.test"), {inner.server()}}});
  const auto answer = resolver->Lookup(Name("a.example.test"), RrType::kTxt);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->server, outer.server());
  EXPECT_FALSE(answer->validated);  // an authority's AD bit means nothing
  EXPECT_EQ(resolver->Lookup(Name("sub.example.test"), RrType::kTxt)->server, inner.server());
}

TEST_F(LdnsResolverTest, ConfiguredResolversAreTheOnlyView) {
  ScriptedServer stub(Says("stub", {.aa = true}));
  ScriptedServer configured(Says("resolver"));
  const auto resolver = Make({configured.server()}, {{Name("example.test"), {stub.server()}}});
  EXPECT_EQ(resolver->Lookup(Name("example.test"), RrType::kTxt)->server, configured.server());
}

TEST(LdnsResolver, ABadAddressIsRefused) {
  DnsConfig config;
  config.resolvers = {"dns.example.com"};
  SystemClock clock;
  EXPECT_THAT(LdnsResolver::Create(config, clock), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(AnswerCache, IsBoundedAndTheSoonestToExpireGoes) {
  FakeClock clock(absl::FromUnixSeconds(0));
  AnswerCache cache(clock, 3);
  DnsAnswer answer;
  answer.outcome = DnsOutcome::kRecords;
  for (const uint32_t ttl : {30U, 10U, 20U, 40U}) {
    answer.ttl_seconds = ttl;
    cache.Insert(Name("n" + std::to_string(ttl) + ".test"), answer);
  }
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_FALSE(cache.Find(Name("n10.test"), RrType::kTxt));
  EXPECT_TRUE(cache.Find(Name("n20.test"), RrType::kTxt));
  EXPECT_FALSE(cache.Find(Name("n20.test"), RrType::kA));
}

TEST(AnswerCache, KeepsNothingLongerThanItsLimits) {
  FakeClock clock(absl::FromUnixSeconds(0));
  AnswerCache cache(clock);
  DnsAnswer answer;
  answer.ttl_seconds = 86'400;
  answer.outcome = DnsOutcome::kNxDomain;
  cache.Insert(Name("no.test"), answer);
  answer.outcome = DnsOutcome::kRecords;
  cache.Insert(Name("yes.test"), answer);
  answer.ttl_seconds = 0;
  cache.Insert(Name("zero.test"), answer);
  EXPECT_FALSE(cache.Find(Name("zero.test"), RrType::kTxt));
  clock.Advance(AnswerCache::kLongestAbsence);
  EXPECT_FALSE(cache.Find(Name("no.test"), RrType::kTxt));
  EXPECT_TRUE(cache.Find(Name("yes.test"), RrType::kTxt));
  clock.Advance(AnswerCache::kLongest);
  EXPECT_FALSE(cache.Find(Name("yes.test"), RrType::kTxt));
}

// Two servers of one zone on two loopback addresses, found through a resolver.
class AuthoritativeTest : public testing::Test {
 protected:
  void SetUp() override {
    dns_.SetTexts(Name("example.test"), RrType::kSoa, {"ns1 hostmaster 1 1 1 1 60"});
    dns_.SetTexts(Name("example.test"), RrType::kNs, {"ns1.example.test", "ns2.example.test"});
    dns_.SetA(Name("ns1.example.test"), {"127.0.0.1"});
    dns_.SetA(Name("ns2.example.test"), {"127.0.0.2"});
    config_.timeout = absl::Milliseconds(100);
    config_.deadline = absl::Seconds(3);
  }
  absl::StatusOr<AuthoritativeAnswer> Lookup(std::string_view owner, bool over_tcp = false) {
    auto resolver = LdnsAuthoritativeResolver::Create(config_, dns_, port_);
    EXPECT_THAT(resolver, IsOk());
    return (*resolver)->LookupAll(Name(owner), RrType::kTxt, over_tcp);
  }
  const uint16_t port_ = FreePort();
  FakeResolver dns_;
  DnsConfig config_;
};

TEST_F(AuthoritativeTest, AsksEveryServerOfTheZone) {
  ScriptedServer one(Says("x", {.aa = true, .ra = false}), "127.0.0.1", port_);
  ScriptedServer two(Says("y", {.aa = true, .ra = false}), "127.0.0.2", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("example.test"));
  ASSERT_EQ(answer->servers.size(), 2U);
  EXPECT_EQ(answer->servers[1].name_server, Name("ns2.example.test"));
  EXPECT_EQ(answer->servers[1].address, two.server());
  EXPECT_TRUE(answer->complete());
  EXPECT_FALSE(answer->consistent());
  EXPECT_THAT(Lookup("_dmarc.example.test", true), IsOk());
  EXPECT_EQ(one.tcp_queries(), 1);
  EXPECT_EQ(one.udp_queries(), 1);
}

TEST_F(AuthoritativeTest, ASilentAndALameServerAreErrorsOfTheirOwn) {
  dns_.SetTexts(Name("example.test"), RrType::kNs,
                {"ns1.example.test", "ns2.example.test", "ns3.example.test"});
  ScriptedServer lame(Says("x", {.aa = false}), "127.0.0.1", port_);
  ScriptedServer good(Says("x", {.aa = true}), "127.0.0.2", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_TRUE(answer->consistent());
  EXPECT_EQ(answer->First()->server, good.server());
  ASSERT_EQ(answer->servers.size(), 3U);
  EXPECT_THAT(answer->servers[0].answer,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no address")));
  EXPECT_THAT(answer->servers[1].answer,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lame")));
}

// No UDP socket connects to the broadcast address: nothing of this machine leads there.
constexpr char kNoRoute[] = "255.255.255.255";

TEST_F(AuthoritativeTest, AServerWithoutARouteIsSilent) {
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  dns_.SetA(Name("ns2.example.test"), {kNoRoute});
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_TRUE(answer->consistent());
  ASSERT_EQ(answer->servers.size(), 2U);
  EXPECT_EQ(answer->servers[0].name_server, Name("ns2.example.test"));
  EXPECT_THAT(answer->servers[0].answer,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no route")));
}

TEST_F(AuthoritativeTest, AnAddressWithoutARouteBesideAnotherIsLeftOut) {
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  ScriptedServer two(Says("x", {.aa = true}), "127.0.0.2", port_);
  dns_.SetA(Name("ns2.example.test"), {kNoRoute, "127.0.0.2"});
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  EXPECT_EQ(answer->servers.size(), 2U);
}

TEST_F(AuthoritativeTest, WithoutAnyRouteNothingIsLearned) {
  dns_.SetA(Name("ns1.example.test"), {kNoRoute});
  dns_.SetA(Name("ns2.example.test"), {kNoRoute});
  EXPECT_THAT(Lookup("_dmarc.example.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no route")));
}

TEST_F(AuthoritativeTest, ServersOverTheLimitAreNotForgotten) {
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  std::vector<std::string> names;
  for (size_t i = 0; i < LdnsAuthoritativeResolver::kMaxNameServers; ++i) {
    names.push_back("ns" + std::to_string(i + 10) + ".example.test");
    dns_.SetA(Name(names.back()), {"127.0.0.1"});
  }
  dns_.SetTexts(Name("example.test"), RrType::kNs, names);
  auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  names.push_back("ns99.example.test");
  dns_.SetA(Name(names.back()), {"127.0.0.1"});
  dns_.SetTexts(Name("example.test"), RrType::kNs, names);
  answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_EQ(answer->servers.front().name_server, Name("ns99.example.test"));
}

TEST_F(AuthoritativeTest, AddressesOverTheLimitAreNotForgotten) {
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  dns_.SetTexts(Name("example.test"), RrType::kNs, {"ns1.example.test"});
  std::vector<std::string> addresses(LdnsAuthoritativeResolver::kMaxAddresses, "127.0.0.1");
  dns_.SetA(Name("ns1.example.test"), addresses);
  auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  addresses.emplace_back("127.0.0.2");
  dns_.SetA(Name("ns1.example.test"), addresses);
  answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_THAT(answer->servers.front().answer,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("over 48 addresses")));
}

TEST_F(AuthoritativeTest, UdpThatIsLostForGoodGoesOverTcp) {
  ScriptedServer one(
      [](std::string_view query, Protocol protocol) -> Replies {
        if (protocol == Protocol::kUdp) return {};
        return Says("x", {.aa = true})(query, protocol);
      },
      "127.0.0.1", port_);
  ScriptedServer two(Says("x", {.aa = true}), "127.0.0.2", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  EXPECT_EQ(one.udp_queries(), 2);
}

TEST_F(AuthoritativeTest, AServerThatIsDownIsReported) {
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_THAT(answer->servers[1].answer, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(AuthoritativeTest, AnAliasOutOfTheZoneIsAskedOfItsZone) {
  ScriptedServer one(
      [](std::string_view query, Protocol) -> Replies {
        return {{ReplyTo(query, {.aa = true}, {{"", RrType::kCname, WireName("x.vendor.test")}})}};
      },
      "127.0.0.1", port_);
  dns_.SetTexts(Name("example.test"), RrType::kNs, {"ns1.example.test"});
  ScriptedServer vendor(Says("v", {.aa = true}));
  config_.stubs = {{Name("vendor.test"), {vendor.server()}}};
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("vendor.test"));
  ASSERT_EQ(answer->servers.size(), 1U);
  EXPECT_EQ(answer->servers[0].address, vendor.server());
  EXPECT_THAT(answer->First()->cname_chain, ElementsAre(Name("x.vendor.test")));
  EXPECT_THAT(answer->First()->txt, ElementsAre(MakeTxtRecord("v")));
}

TEST_F(AuthoritativeTest, AnAliasAtOneServerOnlyIsNoAnswer) {
  ScriptedServer one(
      [](std::string_view query, Protocol) -> Replies {
        return {{ReplyTo(query, {.aa = true}, {{"", RrType::kCname, WireName("x.vendor.test")}})}};
      },
      "127.0.0.1", port_);
  ScriptedServer two(Says("x", {.aa = true}), "127.0.0.2", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->servers[0].answer,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("x.vendor.test")));
  EXPECT_THAT(answer->servers[1].answer, IsOk());
}

TEST_F(AuthoritativeTest, AServerThatFollowsTheAliasFurtherAgreesWithOneThatDoesNot) {
  const RawRr alias = {"", RrType::kCname, WireName("x.vendor.test")};
  ScriptedServer one([&](std::string_view query,
                         Protocol) -> Replies { return {{ReplyTo(query, {.aa = true}, {alias})}}; },
                     "127.0.0.1", port_);
  ScriptedServer two(
      [&](std::string_view query, Protocol) -> Replies {
        return {{ReplyTo(query, {.aa = true},
                         {alias, {"x.vendor.test", RrType::kTxt, TxtRdata("its own copy")}})}};
      },
      "127.0.0.2", port_);
  ScriptedServer vendor(Says("v", {.aa = true}));
  config_.stubs = {{Name("vendor.test"), {vendor.server()}}};
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("vendor.test"));
  EXPECT_TRUE(answer->complete());
  EXPECT_THAT(answer->First()->cname_chain, ElementsAre(Name("x.vendor.test")));
  EXPECT_THAT(answer->First()->txt, ElementsAre(MakeTxtRecord("v")));
}

TEST_F(AuthoritativeTest, AnUnknownZoneCutIsAnError) {
  EXPECT_THAT(Lookup("a.nowhere.invalid"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("zone of a.nowhere.invalid")));
  dns_.Fail(Name("b.example.test"), RrType::kSoa, absl::DeadlineExceededError("silent"));
  EXPECT_THAT(Lookup("b.example.test"), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(AuthoritativeTest, TheDeadlineEndsTheSearchForTheZone) {
  config_.deadline = absl::ZeroDuration();
  EXPECT_THAT(Lookup("_dmarc.example.test"),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("in time")));
  EXPECT_THAT(dns_.queries(), IsEmpty());
}

TEST_F(AuthoritativeTest, ADelegatedOwnerIsItsOwnZone) {
  dns_.SetTexts(Name("_dmarc.example.test"), RrType::kSoa, {"ns hostmaster 1 1 1 1 60"});
  dns_.SetTexts(Name("_dmarc.example.test"), RrType::kNs, {"ns1.example.test"});
  ScriptedServer one(Says("x", {.aa = true}), "127.0.0.1", port_);
  const auto answer = Lookup("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("_dmarc.example.test"));
  EXPECT_EQ(answer->servers.size(), 1U);
}

}  // namespace
}  // namespace dmarcate
