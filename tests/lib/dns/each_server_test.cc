// Every kind of answer and of failure, from BIND, Knot and PowerDNS each: asked as an authority,
// and by way of a validating Unbound. Answers are the same whoever is asked and however.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/dns/exchange.h"
#include "tests/lib/dns/real_dns.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::AnyOf;
using testing::Combine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ValuesIn;
using testing_support::IsOk;
using testing_support::RealServer;
using testing_support::StatusIs;
using Protocol = ScriptedServer::Protocol;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

RealServer& Authority(Make make) { return TheRealDns().authority(make); }
RealServer& Unbound(Make make) { return TheRealDns().unbound(make); }

struct Case {
  std::string name;
  std::string owner;  // below the zone
  DnsOutcome outcome;
  std::vector<TxtRecord> txt = {};
  std::vector<std::string> aliases = {};  // below the zone
};
void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }
const TxtRecord kDmarc = {{"v=DMARC1; p=none; ", "rua=mailto:d@example.test"}};
std::vector<TxtRecord> Big() {
  std::vector<TxtRecord> out;
  for (int i = 0; i < 12; ++i) {
    out.push_back(MakeTxtRecord(std::to_string(i) + std::string(200, 'x')));
  }
  return out;
}
const Case kCases[] = {
    {"Record", "_dmarc", DnsOutcome::kRecords, {kDmarc}},
    {"Octets", "odd", DnsOutcome::kRecords, {TxtRecord{{std::string("\0\xFF\"\\;", 5)}}}},
    {"NoData", "mail", DnsOutcome::kNoData},
    {"NoDataAtAnEmptyNonTerminal", "ent", DnsOutcome::kNoData},
    {"NxDomain", "nothing", DnsOutcome::kNxDomain},
    {"NxDomainTwoLabelsBelow", "not.here", DnsOutcome::kNxDomain},
    {"Wildcard", "a.wild", DnsOutcome::kRecords, {MakeTxtRecord("any")}},
    {"TruncatedThenTcp", "big", DnsOutcome::kRecords, Big()},
    {"Alias", "alias", DnsOutcome::kRecords, {kDmarc}, {"_dmarc"}},
    {"AliasToNoData", "to-no-data", DnsOutcome::kNoData, {}, {"mail"}},
    {"AliasToNxDomain", "to-nothing", DnsOutcome::kNxDomain, {}, {"nothing"}},
    {"ChainOfEight",
     "chain8",
     DnsOutcome::kRecords,
     {kDmarc},
     {"chain7", "chain6", "chain5", "chain4", "chain3", "chain2", "chain1", "_dmarc"}},
    {"Dname", "_dmarc.moved", DnsOutcome::kRecords, {MakeTxtRecord("moved")}, {"_dmarc.target"}},
    {"DnameToNxDomain", "nothing.moved", DnsOutcome::kNxDomain, {}, {"nothing.target"}},
};

class EachServerAnswers : public testing::TestWithParam<std::tuple<Make, Case>> {
 protected:
  static void Check(const DnsAnswer& got, const std::string& zone) {
    const Case& want = std::get<Case>(GetParam());
    EXPECT_EQ(got.outcome, want.outcome);
    EXPECT_THAT(got.txt, testing::UnorderedElementsAreArray(want.txt));
    std::vector<DomainName> aliases;
    for (const std::string& alias : want.aliases) aliases.push_back(Name(alias + "." + zone));
    EXPECT_EQ(got.cname_chain, aliases);
  }
  const Asker asker_;
};

TEST_P(EachServerAnswers, AsAnAuthority) {
  const auto& [make, test] = GetParam();
  RealServer& server = Authority(make);
  std::vector<std::string> addresses = {server.server()};
  if (!server.server_v6().empty()) addresses.push_back(server.server_v6());
  for (const std::string zone : {"signed.test", "nsec3.test", "unsigned.test"}) {
    for (const bool over_tcp : {false, true}) {
      SCOPED_TRACE(zone + (over_tcp ? " over TCP" : " over UDP"));
      const auto answer =
          asker_.ByServers(addresses, test.owner + "." + zone, RrType::kTxt, over_tcp);
      ASSERT_THAT(answer, IsOk());
      EXPECT_TRUE(answer->consistent());
      for (const ServerAnswer& one : answer->servers) {
        SCOPED_TRACE(one.address);
        ASSERT_THAT(one.answer, IsOk());
        Check(*one.answer, zone);
        EXPECT_TRUE(one.answer->authoritative);
        EXPECT_FALSE(one.answer->validated) << "an authority vouches for nothing";
      }
    }
  }
}

TEST_P(EachServerAnswers, BehindUnbound) {
  const auto& [make, test] = GetParam();
  std::vector<std::string> resolvers = {Unbound(make).server()};
  if (!Unbound(make).server_v6().empty()) resolvers.push_back(Unbound(make).server_v6());
  for (const std::string& resolver : resolvers) {
    for (const std::string zone :
         {"signed.test", "nsec3.test", "child.signed.test", "plain.signed.test", "unsigned.test"}) {
      SCOPED_TRACE(zone + " by " + resolver);
      const auto answer = asker_.ByResolver(resolver, test.owner + "." + zone);
      ASSERT_THAT(answer, IsOk()) << Unbound(make).log();
      Check(*answer, zone);
      EXPECT_EQ(answer->validated, zone != "plain.signed.test" && zone != "unsigned.test");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EachServerAnswers, Combine(ValuesIn(kMakes), ValuesIn(kCases)),
                         [](const auto& instance) {
                           return ToString(std::get<Make>(instance.param)) + "_" +
                                  std::get<Case>(instance.param).name;
                         });

// A test that stops a server starts it again: it is everybody's.
class EachServerFails : public testing::TestWithParam<Make> {
 protected:
  static RealServer& authority() { return Authority(GetParam()); }
  static RealServer& unbound() { return Unbound(GetParam()); }
  absl::StatusOr<DnsAnswer> ByServer(std::string_view name) const {
    return First(asker_.ByServers({authority().server()}, name));
  }
  absl::StatusOr<DnsAnswer> ByUnbound(std::string_view name) const {
    return asker_.ByResolver(unbound().server(), name);
  }
  static absl::StatusOr<DnsAnswer> First(const absl::StatusOr<AuthoritativeAnswer>& answer) {
    return answer.ok() ? answer->First() : answer.status();
  }
  // What is silent is not waited for.
  void BeImpatient() {
    asker_.timeout = absl::Milliseconds(150);
    asker_.deadline = absl::Milliseconds(500);
  }
  Asker asker_;
};

TEST_P(EachServerFails, ServFailIsNotBogus) {
  EXPECT_THAT(ByServer("_dmarc.failing.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVFAIL")));
  EXPECT_THAT(ByUnbound("_dmarc.failing.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVFAIL")));
}

TEST_P(EachServerFails, RefusedIsUnavailable) {
  EXPECT_THAT(ByServer("_dmarc.absent.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("REFUSED")));
  EXPECT_THAT(ByUnbound("_dmarc.absent.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVFAIL")));
  EXPECT_THAT(ByUnbound("elsewhere.invalid2"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("REFUSED")))
      << "by Unbound itself";
}

TEST_P(EachServerFails, AReferralIsLameAndNotNoData) {
  EXPECT_THAT(ByServer("_dmarc.away.unsigned.test"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lame")));
  // Unbound 1.17 passes it on as an answer without records. That it is not kept, and that the
  // servers' view says lame, is all there is to tell it by: without a SOA, too, it may be true
  // (RFC 2308 section 2.2).
  const auto by_unbound = ByUnbound("_dmarc.away.unsigned.test");
  ASSERT_THAT(by_unbound, IsOk());
  EXPECT_EQ(by_unbound->outcome, DnsOutcome::kNoData);
  EXPECT_EQ(by_unbound->ttl_seconds, 0U);
}

TEST_P(EachServerFails, SilenceIsATimeout) {
  BeImpatient();
  authority().Pause();
  EXPECT_THAT(ByServer("_dmarc.unsigned.test"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(ByUnbound("_dmarc.signed.test"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  authority().Resume();
  unbound().Pause();
  EXPECT_THAT(ByUnbound("_dmarc.signed.test"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  unbound().Resume();
}

TEST_P(EachServerFails, DownIsUnavailableAndNotBogus) {
  const auto unbound = TheRealDns().StartImpatientUnbound(GetParam());
  ASSERT_THAT(unbound, IsOk());
  authority().Kill();
  const auto by_server = ByServer("_dmarc.signed.test");
  const auto by_unbound = asker_.ByResolver((*unbound)->server(), "_dmarc.signed.test");
  ASSERT_THAT(authority().Restart(), IsOk());
  EXPECT_THAT(by_server, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("refused")));
  EXPECT_THAT(by_unbound, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVFAIL")));
}

TEST_P(EachServerFails, BrokenZonesAreBogusAndTheirServersAnswer) {
  for (const char* const name :
       {"_dmarc.expired.test", "_dmarc.misled.signed.test", "_dmarc.stripped.test"}) {
    EXPECT_THAT(ByUnbound(name), StatusIs(absl::StatusCode::kDataLoss)) << name;
    const auto answer = ByServer(name);
    ASSERT_THAT(answer, IsOk()) << name;
    EXPECT_THAT(answer->txt, ElementsAre(kDmarc));
  }
}

TEST_P(EachServerFails, AbsenceThatIsBogusIsNotAbsence) {
  for (const char* const name :
       {"nothing.misled.signed.test", "mail.misled.signed.test", "nothing.stripped.test",
        "mail.stripped.test", "alias.stripped.test", "_dmarc.moved.stripped.test"}) {
    EXPECT_THAT(ByUnbound(name), StatusIs(absl::StatusCode::kDataLoss)) << name;
  }
}

TEST_P(EachServerFails, ChainsThatAreTooLongAreRefused) {
  for (const char* const name : {"chain9.signed.test", "chain9.unsigned.test"}) {
    EXPECT_THAT(ByServer(name), StatusIs(absl::StatusCode::kResourceExhausted)) << name;
    EXPECT_THAT(ByUnbound(name), StatusIs(absl::StatusCode::kResourceExhausted)) << name;
  }
}

TEST_P(EachServerFails, ALoopIsNeitherAbsenceNorBogus) {
  // Some servers go round until they have enough, others say SERVFAIL.
  const auto no_answer = AnyOf(StatusIs(absl::StatusCode::kResourceExhausted),
                               StatusIs(absl::StatusCode::kUnavailable, HasSubstr("SERVFAIL")));
  for (const char* const name : {"loop.signed.test", "loop.unsigned.test"}) {
    EXPECT_THAT(ByServer(name), no_answer) << name;
    EXPECT_THAT(ByUnbound(name), no_answer) << name;
  }
}

TEST_P(EachServerFails, ADnameThatMakesANameTooLongIsNotAbsence) {
  const std::string name = std::string(60, 'y') + ".long.unsigned.test";
  EXPECT_THAT(ByServer(name), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ByUnbound(name), StatusIs(absl::StatusCode::kUnavailable));
}

// A network between us and a server: what gets through, and whether TCP is refused or closed.
ScriptedServer::Handler Network(const std::string& server, bool udp, bool tcp) {
  return [to = *ParseServerAddress(server), udp, tcp](
             std::string_view query, Protocol protocol) -> std::vector<ScriptedReply> {
    const auto any = [](std::string_view) { return true; };
    const NetDeadline deadline = NetDeadlineAfter(absl::Seconds(4));
    absl::StatusOr<std::string> reply = absl::UnavailableError("lost");
    if (protocol == Protocol::kUdp && udp) reply = ExchangeUdp(to, query, any, deadline);
    if (protocol == Protocol::kTcp && tcp) reply = ExchangeTcp(to, query, any, deadline);
    if (!reply.ok()) return {};
    return {{*std::move(reply)}};
  };
}

TEST_P(EachServerFails, TruncationAsksOnceOverTcp) {
  for (const auto* const server : {&authority(), &unbound()}) {
    ScriptedServer network(Network(server->server(), true, true));
    const auto answer = server == &unbound()
                            ? asker_.ByResolver(network.server(), "big.unsigned.test")
                            : First(asker_.ByServers({network.server()}, "big.unsigned.test"));
    ASSERT_THAT(answer, IsOk());
    EXPECT_EQ(answer->txt.size(), 12U);
    EXPECT_EQ(network.udp_queries(), 1);
    EXPECT_EQ(network.tcp_queries(), 1);
  }
}

TEST_P(EachServerFails, TruncationWithoutTcpIsUnavailableAndNotAPart) {
  for (const auto listens : {ScriptedServer::Listens::kUdpOnly, ScriptedServer::Listens::kBoth}) {
    const std::string why =
        listens == ScriptedServer::Listens::kUdpOnly ? "refused" : "closed the connection";
    ScriptedServer server(Network(authority().server(), true, false), "127.0.0.1", 0, listens);
    EXPECT_THAT(First(asker_.ByServers({server.server()}, "big.unsigned.test")),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(why)));
    EXPECT_THAT(First(asker_.ByServers({server.server()}, "_dmarc.unsigned.test")), IsOk());
    ScriptedServer resolver(Network(unbound().server(), true, false), "127.0.0.1", 0, listens);
    EXPECT_THAT(asker_.ByResolver(resolver.server(), "big.signed.test"),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(why)));
    EXPECT_THAT(asker_.ByResolver(resolver.server(), "_dmarc.signed.test"), IsOk());
  }
}

TEST_P(EachServerFails, WhereUdpIsLostTcpAsks) {
  asker_.timeout = absl::Seconds(1);  // of what is asked over TCP, too
  ScriptedServer network(Network(authority().server(), false, true));
  const auto answer = First(asker_.ByServers({network.server()}, "_dmarc.unsigned.test"));
  ASSERT_THAT(answer, IsOk());
  EXPECT_THAT(answer->txt, ElementsAre(kDmarc));
  EXPECT_EQ(network.udp_queries(), 2);
}

INSTANTIATE_TEST_SUITE_P(All, EachServerFails, ValuesIn(kMakes),
                         [](const auto& instance) { return ToString(instance.param); });

}  // namespace
}  // namespace dmarcate
