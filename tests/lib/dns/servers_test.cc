// Both resolvers against real servers: the answers and the failures.
#include "tests/testing/servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RealKnot;
using testing_support::RealPowerDns;
using testing_support::RealServer;
using testing_support::RealUnbound;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

// A TXT RRset that no datagram of 1232 octets holds, and one of every octet.
std::string ZoneRecords() {
  std::string records =
      "_dmarc TXT \"v=DMARC1; p=none; \" \"rua=mailto:d@example.test\"\n"
      "odd TXT \"\\000\\255\\\"\\\\;\"\n"
      "@ MX 10 mail\n@ MX 20 mail2.example.test.\nmail A 192.0.2.1\nmail AAAA 2001:db8::1\n"
      "alias CNAME _dmarc\nnull MX 0 .\n"
      "*.wild TXT \"any\"\n";
  for (int i = 0; i < 12; ++i) {
    records += "big TXT \"" + std::to_string(i) + std::string(200, 'x') + "\"\n";
  }
  return records;
}

class RealServersTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto zone = MakeZone("example.test", ZoneRecords());
    auto knot = RealKnot::Start({zone});
    ASSERT_THAT(knot, IsOk());
    knot_ = *std::move(knot);
    const auto anchor = knot_->TrustAnchor("example.test");
    ASSERT_THAT(anchor, IsOk());
    auto bind = RealBind::Start({MakeZone("unsigned.test", ZoneRecords()), zone});
    ASSERT_THAT(bind, IsOk());
    bind_ = *std::move(bind);
    auto pdns = RealPowerDns::Start({zone});
    ASSERT_THAT(pdns, IsOk());
    pdns_ = *std::move(pdns);
    // Knot's key as the anchor of a zone that BIND serves without signatures: bogus.
    std::string broken = *anchor;
    for (size_t at = 0; (at = broken.find("example.test", at)) != std::string::npos;) {
      broken.replace(at, 12, "unsigned.test");
    }
    auto unbound = RealUnbound::Start(
        {{"example.test", knot_->server(), *anchor}, {"unsigned.test", bind_->server(), broken}});
    ASSERT_THAT(unbound, IsOk());
    unbound_ = *std::move(unbound);
  }
  static void TearDownTestSuite() {
    unbound_.reset();
    pdns_.reset();
    bind_.reset();
    knot_.reset();
  }
  absl::StatusOr<DnsAnswer> Ask(std::string_view name, RrType type = RrType::kTxt) {
    DnsConfig config;
    config.resolvers = {unbound_->server()};
    config.timeout = absl::Milliseconds(400);
    config.deadline = timeout_;
    auto resolver = LdnsResolver::Create(config, clock_);
    EXPECT_THAT(resolver, IsOk());
    return (*resolver)->Lookup(Name(name), type);
  }

  static inline std::unique_ptr<RealKnot> knot_;
  static inline std::unique_ptr<RealBind> bind_;
  static inline std::unique_ptr<RealPowerDns> pdns_;
  static inline std::unique_ptr<RealUnbound> unbound_;
  SystemClock clock_;
  absl::Duration timeout_ = absl::Seconds(10);
};

TEST_F(RealServersTest, Records) {
  const auto answer = Ask("_dmarc.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->outcome, DnsOutcome::kRecords);
  EXPECT_TRUE(answer->validated);
  EXPECT_THAT(answer->txt,
              ElementsAre(TxtRecord{{"v=DMARC1; p=none; ", "rua=mailto:d@example.test"}}));
}

TEST_F(RealServersTest, NoDataAndNxDomainAreValidatedToo) {
  const auto no_data = Ask("mail.example.test");
  ASSERT_THAT(no_data, IsOk());
  EXPECT_EQ(no_data->outcome, DnsOutcome::kNoData);
  EXPECT_TRUE(no_data->validated);
  const auto nx_domain = Ask("nothing.example.test");
  ASSERT_THAT(nx_domain, IsOk());
  EXPECT_EQ(nx_domain->outcome, DnsOutcome::kNxDomain);
  EXPECT_TRUE(nx_domain->validated);
}

TEST_F(RealServersTest, BogusIsNotServfail) {
  EXPECT_THAT(Ask("_dmarc.unsigned.test"), StatusIs(absl::StatusCode::kDataLoss));
  bind_->Stop();  // now there is no answer without validation, either
  const auto dead = Ask("mail.unsigned.test");
  EXPECT_FALSE(dead.ok());
  EXPECT_NE(dead.status().code(), absl::StatusCode::kDataLoss) << dead.status();
  ASSERT_THAT(bind_->Restart(), IsOk());
}

TEST_F(RealServersTest, RefusedIsUnavailable) {
  EXPECT_THAT(Ask("elsewhere.invalid2"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("REFUSED")));
}

TEST_F(RealServersTest, ASilentResolverIsATimeout) {
  unbound_->Pause();
  timeout_ = absl::Seconds(1);
  EXPECT_THAT(Ask("_dmarc.example.test"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  unbound_->Resume();
}

TEST_F(RealServersTest, BigAnswersComeOverTcp) {
  const auto answer = Ask("big.example.test");
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->txt.size(), 12U);
}

TEST_F(RealServersTest, OctetsAliasesAndOtherTypes) {
  EXPECT_THAT(Ask("odd.example.test")->txt,
              ElementsAre(TxtRecord{{std::string("\0\xFF\"\\;", 5)}}));
  const auto alias = Ask("alias.example.test");
  ASSERT_THAT(alias, IsOk());
  EXPECT_THAT(alias->cname_chain, ElementsAre(Name("_dmarc.example.test")));
  EXPECT_EQ(alias->txt.size(), 1U);
  EXPECT_THAT(Ask("example.test", RrType::kMx)->mx,
              testing::UnorderedElementsAre(MxRecord{10, Name("mail.example.test")},
                                            MxRecord{20, Name("mail2.example.test")}));
  EXPECT_THAT(Ask("null.example.test", RrType::kMx)->mx, ElementsAre(MxRecord{0, DomainName()}));
  EXPECT_THAT(Ask("mail.example.test", RrType::kA)->texts, ElementsAre("192.0.2.1"));
  EXPECT_THAT(Ask("mail.example.test", RrType::kAaaa)->texts, ElementsAre("2001:db8::1"));
  EXPECT_THAT(Ask("a.wild.example.test")->txt, ElementsAre(MakeTxtRecord("any")));
}

TEST_F(RealServersTest, TheAuthoritativeViewAsksAllOfThem) {
  DnsConfig config;
  config.stubs = {{Name("example.test"), {knot_->server(), bind_->server(), pdns_->server()}}};
  auto resolver = LdnsResolver::Create(config, clock_);
  ASSERT_THAT(resolver, IsOk());
  auto authorities = LdnsAuthoritativeResolver::Create(config, **resolver);
  ASSERT_THAT(authorities, IsOk());
  for (const bool over_tcp : {false, true}) {
    for (const std::string_view name : {"_dmarc", "odd", "big", "a.wild", "nothing", "mail"}) {
      const auto answer =
          (*authorities)->LookupAll(*Name("example.test").Child(name), RrType::kTxt, over_tcp);
      ASSERT_THAT(answer, IsOk());
      EXPECT_TRUE(answer->complete()) << name;
      EXPECT_TRUE(answer->consistent()) << name;
    }
  }
  bind_->Stop();
  const auto answer = (*authorities)->LookupAll(Name("_dmarc.example.test"), RrType::kTxt, true);
  ASSERT_THAT(answer, IsOk());
  EXPECT_FALSE(answer->complete());
  EXPECT_TRUE(answer->consistent());
  EXPECT_THAT(answer->servers[1].answer, StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_THAT(bind_->Restart(), IsOk());
}

}  // namespace
}  // namespace dmarcate
