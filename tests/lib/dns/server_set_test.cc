// All servers of a zone, found and asked: BIND, Knot and PowerDNS share the zones, and one of them
// is down, silent, lame, or says something else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/lib/dns/real_dns.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::ValuesIn;
using testing_support::HasLoopbackV6;
using testing_support::IsOk;
using testing_support::RealServer;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }
RealServer& Server(Make make) { return TheRealDns().authority(make); }

class ServerSet : public testing::Test {
 protected:
  // Through the Unbound whose zones a server serves that stays up.
  absl::StatusOr<AuthoritativeAnswer> Discover(std::string_view name, RrType type = RrType::kTxt,
                                               Make by = Make::kKnot) const {
    return asker_.ByDiscovery(TheRealDns().unbound(by).server(), TheRealDns().port(), name, type);
  }
  // Every server but those of `make` answers with "same".
  static void ExpectOnlyWithout(const AuthoritativeAnswer& answer, Make make,
                                absl::StatusCode code) {
    EXPECT_FALSE(answer.complete());
    EXPECT_TRUE(answer.consistent());
    EXPECT_EQ(answer.servers.size(), HasLoopbackV6() ? 4U : 3U);
    for (const ServerAnswer& one : answer.servers) {
      SCOPED_TRACE(one.name_server.text() + " " + one.address);
      const bool is_it =
          one.address == Server(make).server() || one.address == Server(make).server_v6();
      if (is_it) {
        EXPECT_THAT(one.answer, StatusIs(code));
      } else {
        ASSERT_THAT(one.answer, IsOk());
        EXPECT_THAT(one.answer->txt, ElementsAre(MakeTxtRecord("same")));
      }
    }
    EXPECT_THAT(answer.First(), IsOk());
  }
  Asker asker_;
};

TEST_F(ServerSet, EveryServerIsFoundAndAskedByBothFamilies) {
  const auto answer = Discover("_dmarc.same.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("same.test"));
  EXPECT_TRUE(answer->complete());
  EXPECT_TRUE(answer->consistent());
  std::vector<std::string> got;
  for (const ServerAnswer& one : answer->servers) {
    got.push_back(one.name_server.text() + " " + one.address);
    EXPECT_THAT(one.answer->txt, ElementsAre(MakeTxtRecord("same")));
  }
  std::vector<std::string> want = {"ns1.same.test " + Server(Make::kBind).server(),
                                   "ns2.same.test " + Server(Make::kKnot).server(),
                                   "ns3.same.test " + Server(Make::kPowerDns).server()};
  if (HasLoopbackV6()) want.push_back("ns2.same.test " + Server(Make::kKnot).server_v6());
  EXPECT_THAT(got, testing::UnorderedElementsAreArray(want));
  if (!HasLoopbackV6()) GTEST_SKIP() << "no ::1 on this machine: IPv4 only";
}

TEST_F(ServerSet, AbsenceIsAgreedUponToo) {
  const auto nothing = Discover("nothing.same.test");
  ASSERT_THAT(nothing, IsOk());
  EXPECT_TRUE(nothing->complete());
  EXPECT_TRUE(nothing->consistent());
  EXPECT_EQ(nothing->First()->outcome, DnsOutcome::kNxDomain);
  EXPECT_EQ(nothing->First()->soa_serial, 1U);
  EXPECT_EQ(nothing->First()->ttl_seconds, 60U);
  const auto no_data = Discover("ns1.same.test");
  ASSERT_THAT(no_data, IsOk());
  EXPECT_TRUE(no_data->consistent());
  EXPECT_EQ(no_data->First()->outcome, DnsOutcome::kNoData);
}

TEST_F(ServerSet, OtherContentIsADisagreement) {
  const auto answer = Discover("_dmarc.differ.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  EXPECT_FALSE(answer->consistent());
  // The view of each is there: who says what.
  for (const ServerAnswer& one : answer->servers) {
    const bool other = one.address == Server(Make::kPowerDns).server();
    EXPECT_THAT(one.answer->txt, ElementsAre(MakeTxtRecord(other ? "other" : "same")));
  }
}

TEST_F(ServerSet, ASerialAloneIsNoDisagreementOverTheRecord) {
  const auto answer = Discover("_dmarc.serial.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  EXPECT_TRUE(answer->consistent());
  const auto soa = Discover("serial.test", RrType::kSoa);
  ASSERT_THAT(soa, IsOk());
  EXPECT_FALSE(soa->consistent()) << "asked for the SOA, it is one";
  for (const ServerAnswer& one : soa->servers) {
    EXPECT_EQ(one.answer->soa_serial, one.address == Server(Make::kPowerDns).server() ? 2U : 1U);
  }
}

TEST_F(ServerSet, AServerThatDoesNotHoldTheZoneIsLame) {
  const auto answer = Discover("_dmarc.partly.test");
  ASSERT_THAT(answer, IsOk());
  ExpectOnlyWithout(*answer, Make::kPowerDns, absl::StatusCode::kUnavailable);
}

TEST_F(ServerSet, WithoutTheZoneAnywhereNothingIsLearned) {
  EXPECT_THAT(Discover("_dmarc.absent.test"), StatusIs(absl::StatusCode::kUnavailable));
}

// Which of them is out of order.
class ServerSetWithout : public ServerSet, public testing::WithParamInterface<Make> {
 protected:
  static Make Witness() { return GetParam() == Make::kKnot ? Make::kBind : Make::kKnot; }
};

TEST_P(ServerSetWithout, OneIsDown) {
  Server(GetParam()).Kill();
  const auto answer = Discover("_dmarc.same.test", RrType::kTxt, Witness());
  ASSERT_THAT(Server(GetParam()).Restart(), IsOk());
  ASSERT_THAT(answer, IsOk());
  ExpectOnlyWithout(*answer, GetParam(), absl::StatusCode::kUnavailable);
}

TEST_P(ServerSetWithout, OneIsSilent) {
  asker_.timeout = absl::Seconds(1);  // of the others, too
  asker_.deadline = absl::Seconds(12);
  Server(GetParam()).Pause();
  const auto answer = Discover("_dmarc.same.test", RrType::kTxt, Witness());
  Server(GetParam()).Resume();
  ASSERT_THAT(answer, IsOk());
  ExpectOnlyWithout(*answer, GetParam(), absl::StatusCode::kDeadlineExceeded);
}

INSTANTIATE_TEST_SUITE_P(All, ServerSetWithout, ValuesIn(kMakes),
                         [](const auto& instance) { return ToString(instance.param); });

std::vector<DnsConfig::Stub> Vendors() {
  std::vector<DnsConfig::Stub> stubs;
  for (const Make make : kMakes) stubs.push_back({Name(VendorZone(make)), {Server(make).server()}});
  return stubs;
}

// An alias into a zone that one server holds, as a CNAME and as a DNAME make it: asked of each.
struct Alias {
  std::string label;  // without the vendor's make
  Make vendor;
  std::string target() const { return "v." + VendorZone(vendor); }
  std::string owner(std::string_view zone) const {
    return label + "-" + AsciiLower(ToString(vendor)) + "." + std::string(zone);
  }
};
class AliasOutOfTheZone : public ServerSet,
                          public testing::WithParamInterface<std::tuple<Make, std::string, Make>> {
 protected:
  static Make make() { return std::get<0>(GetParam()); }
  static Alias alias() { return {std::get<1>(GetParam()), std::get<2>(GetParam())}; }
};

TEST_P(AliasOutOfTheZone, IsAskedOfTheTargetsServers) {
  const auto answer = asker_.ByServers({Server(make()).server()}, alias().owner("unsigned.test"),
                                       RrType::kTxt, false, Vendors());
  ASSERT_THAT(answer, IsOk());
  EXPECT_TRUE(answer->complete());
  ASSERT_THAT(answer->First(), IsOk());
  EXPECT_THAT(answer->First()->cname_chain, ElementsAre(Name(alias().target())));
  EXPECT_THAT(answer->First()->txt, ElementsAre(MakeTxtRecord("vendor")));
}

TEST_P(AliasOutOfTheZone, IsFollowedByUnbound) {
  for (const char* const zone : {"unsigned.test", "signed.test"}) {
    const std::string owner = alias().owner(zone);
    const auto answer = asker_.ByResolver(TheRealDns().unbound(make()).server(), owner);
    ASSERT_THAT(answer, IsOk()) << owner;
    EXPECT_THAT(answer->cname_chain, ElementsAre(Name(alias().target())));
    EXPECT_THAT(answer->txt, ElementsAre(MakeTxtRecord("vendor")));
    EXPECT_FALSE(answer->validated) << "the target's zone is not signed";
  }
}

INSTANTIATE_TEST_SUITE_P(All, AliasOutOfTheZone,
                         testing::Combine(ValuesIn(kMakes), testing::Values("out", "v.gone"),
                                          ValuesIn(kMakes)),
                         [](const auto& instance) {
                           return ToString(std::get<0>(instance.param)) +
                                  (std::get<1>(instance.param) == "out" ? "_Cname" : "_Dname") +
                                  "To" + ToString(std::get<2>(instance.param));
                         });

// A server that has the target's zone, too, may answer whole, and the others stop at the alias.
// They agree: it is one zone with one alias.
TEST_F(ServerSet, AnAliasThatOnlySomeServersFollowIsTheSameAlias) {
  const std::vector<std::string> all = {Server(Make::kBind).server(), Server(Make::kKnot).server(),
                                        Server(Make::kPowerDns).server()};
  for (const Make vendor : kMakes) {
    for (const char* const label : {"out", "v.gone"}) {
      const Alias alias = {label, vendor};
      SCOPED_TRACE(alias.owner("unsigned.test"));
      const auto answer =
          asker_.ByServers(all, alias.owner("unsigned.test"), RrType::kTxt, false, Vendors());
      ASSERT_THAT(answer, IsOk());
      EXPECT_EQ(answer->zone, Name(VendorZone(vendor)));
      EXPECT_TRUE(answer->complete());
      ASSERT_THAT(answer->First(), IsOk());
      EXPECT_THAT(answer->First()->cname_chain, ElementsAre(Name(alias.target())));
      EXPECT_THAT(answer->First()->txt, ElementsAre(MakeTxtRecord("vendor")));
    }
  }
}

}  // namespace
}  // namespace dmarcate
