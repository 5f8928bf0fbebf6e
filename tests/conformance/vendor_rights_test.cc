// What `providers test` finds out about a credential: a right that is missing, one that is too
// many, and that it says what a host does not tell. It writes nothing.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/conformance/vendor/desec_server.h"
#include "tests/conformance/vendor/digitalocean_server.h"
#include "tests/conformance/vendor/dnsimple_server.h"
#include "tests/conformance/vendor/gandi_server.h"
#include "tests/conformance/vendor/hetzner_server.h"
#include "tests/conformance/vendor/ns1_server.h"
#include "tests/conformance/vendor/route53_server.h"
#include "tests/conformance/vendor/vultr_server.h"
#include "tests/conformance/vendor_host.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using State = ProviderTest::State;

constexpr char kToken[] = "token-7Zq2kXw9VtB4mLr8YpNs";
constexpr char kNotKnown[] = "not known: ";

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
             std::move(in)) {
    server.SetTxt(TestName("_dmarc.example.test"), Records({"v=DMARC1; p=none"}));
  }
  // Whatever it asks, nothing changes.
  ProviderTest Test() {
    ProviderTest test = host.provider().Test();
    EXPECT_EQ(server.writes(), 0);
    EXPECT_EQ(server.Served(TestName("_dmarc.example.test")), Records({"v=DMARC1; p=none"}));
    return test;
  }
  Server& server;
  VendorHost host;
};

TEST(VendorRightsTest, VultrNamesTheRightsOfTheUser) {
  Bench bench("vultr", std::make_unique<testing_support::VultrServer>(kToken));
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  EXPECT_THAT(test.message, Not(HasSubstr(kNotKnown)));
  bench.server.SetRights({"manage_users", "dns", "billing"});
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("manage_users, billing")));
  bench.server.SetRights({"billing"});
  test = bench.Test();
  EXPECT_EQ(test.state, State::kCredentialRefused);
  EXPECT_THAT(test.message, HasSubstr("may not manage DNS"));
}

TEST(VendorRightsTest, GandiNamesTheScopesOfTheToken) {
  Bench bench("gandi", std::make_unique<testing_support::GandiServer>(kToken));
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  bench.server.SetScopes({"domain:view", "domain:tech", "billing:manage"});
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("billing:manage")));
  bench.server.SetScopes({"domain:view"});
  test = bench.Test();
  EXPECT_EQ(test.state, State::kCredentialRefused);
  EXPECT_THAT(test.message, HasSubstr("domain:tech"));
}

TEST(VendorRightsTest, HetznerRefusesATokenThatOnlyReads) {
  Bench bench("hetzner", std::make_unique<testing_support::HetznerServer>(kToken));
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  bench.server.AddServer();
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("servers of its project")));
  bench.server.OnlyRead();
  test = bench.Test();
  EXPECT_EQ(test.state, State::kCredentialRefused);
  EXPECT_THAT(test.message, AllOf(HasSubstr("token_readonly"), HasSubstr("read and write")));
}

TEST(VendorRightsTest, Route53SaysWhetherADeletionOfNothingIsAllowed) {
  using Rights = testing_support::Route53Server::Rights;
  const std::string secret =
      "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEX\n";
  Bench bench("route53",
              std::make_unique<testing_support::Route53Server>("AKIDEXAMPLE",
                                                               "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEX"),
              secret);
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  bench.server.SetRights(Rights::kAll);
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("records of other names and types")));
  bench.server.SetRights(Rights::kNone);
  test = bench.Test();
  EXPECT_EQ(test.state, State::kCredentialRefused);
  EXPECT_THAT(test.message, AllOf(HasSubstr("TXT records of _dmarc.example.test"),
                                  HasSubstr("route53:ChangeResourceRecordSets")));
}

TEST(VendorRightsTest, DesecShowsWhatNoConfinedTokenMaySee) {
  Bench bench("desec", std::make_unique<testing_support::DesecServer>(kToken));
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  EXPECT_THAT(test.message, HasSubstr("not known: which records its policies let it write"));
  bench.server.Unrestrict();
  test = bench.Test();
  EXPECT_THAT(test.warnings, ElementsAre(HasSubstr("no policy restricts it")));
  EXPECT_THAT(test.message, Not(HasSubstr(kNotKnown)));
  bench.server.LetManageTokens();
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("it manages tokens")));
}

TEST(VendorRightsTest, Ns1ShowsKeysToWhoeverManagesThem) {
  Bench bench("ns1", std::make_unique<testing_support::Ns1Server>(kToken));
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  EXPECT_THAT(test.message, HasSubstr("not known: whether it may write"));
  bench.server.LetManageKeys();
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("it manages API keys")));
}

TEST(VendorRightsTest, DnsimpleSaysWhoseTheTokenIs) {
  Bench bench("dnsimple", std::make_unique<testing_support::DnsimpleServer>(kToken), kToken,
              {{"account", testing_support::DnsimpleServer::kAccount}});
  ProviderTest test = bench.Test();
  EXPECT_EQ(test.state, State::kWorking) << test.message;
  EXPECT_THAT(test.warnings, IsEmpty());
  EXPECT_THAT(test.message, HasSubstr("not known: whether it may write"));
  bench.server.ForgetAccount();
  EXPECT_THAT(bench.Test().warnings, ElementsAre(HasSubstr("every account of theirs")));
}

TEST(VendorRightsTest, WhereNothingIsToldThatIsSaid) {
  Bench digitalocean("digitalocean", std::make_unique<testing_support::DigitalOceanServer>(kToken));
  EXPECT_THAT(digitalocean.Test().message,
              HasSubstr("not known: whether it may write, or do more than that: this host tells no "
                        "token what it may do"));
}

}  // namespace
}  // namespace dmarcate
