#include "lib/dns/fake_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

TEST(FakeResolver, AbsenceIsOfTwoKinds) {
  FakeResolver dns;
  dns.SetTxt(Name("a.b.test"), {"x"});
  EXPECT_EQ(dns.Lookup(Name("a.b.test"), RrType::kTxt)->outcome, DnsOutcome::kRecords);
  EXPECT_EQ(dns.Lookup(Name("a.b.test"), RrType::kA)->outcome, DnsOutcome::kNoData);
  EXPECT_EQ(dns.Lookup(Name("b.test"), RrType::kTxt)->outcome, DnsOutcome::kNoData);
  EXPECT_EQ(dns.Lookup(Name("c.test"), RrType::kTxt)->outcome, DnsOutcome::kNxDomain);
  EXPECT_EQ(dns.queries().size(), 4U);
}

TEST(FakeResolver, FollowsAliasesToTheLimit) {
  FakeResolver dns;
  dns.SetCname(Name("n0.test"), Name("n1.test"));
  for (int i = 1; i < 8; ++i) {
    dns.SetCname(Name("n" + std::to_string(i) + ".test"),
                 Name("n" + std::to_string(i + 1) + ".test"));
  }
  dns.SetTxt(Name("n8.test"), {"end"});
  const auto eight = dns.Lookup(Name("n0.test"), RrType::kTxt);
  ASSERT_THAT(eight, IsOk());
  EXPECT_EQ(eight->cname_chain.size(), 8U);
  EXPECT_EQ(eight->txt, std::vector<TxtRecord>{MakeTxtRecord("end")});
  dns.SetCname(Name("loop.test"), Name("loop.test"));
  EXPECT_THAT(dns.Lookup(Name("loop.test"), RrType::kTxt),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(FakeResolver, FailsOneQuestionUntilLifted) {
  FakeResolver dns;
  dns.Fail(Name("a.test"), RrType::kTxt, absl::UnavailableError("servfail"));
  EXPECT_THAT(dns.Lookup(Name("a.test"), RrType::kTxt), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(dns.Lookup(Name("a.test"), RrType::kA), IsOk());
  dns.Fail(Name("a.test"), RrType::kTxt, absl::OkStatus());
  EXPECT_THAT(dns.Lookup(Name("a.test"), RrType::kTxt), IsOk());
}

TEST(FakeAuthoritativeResolver, ServersMayDiffer) {
  FakeAuthoritativeResolver dns;
  dns.AddZone(Name("example.test"), 2);
  dns.SetTxt(Name("_dmarc.example.test"), {"v=DMARC1; p=none"});
  auto answer = dns.LookupAll(Name("_dmarc.example.test"), RrType::kTxt, true);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("example.test"));
  EXPECT_TRUE(answer->consistent());
  EXPECT_TRUE(answer->complete());
  EXPECT_EQ(answer->servers[1].name_server, Name("ns2.example.test"));

  dns.server(Name("example.test"), 1).SetTxt(Name("_dmarc.example.test"), {"v=DMARC1; p=reject"});
  answer = dns.LookupAll(Name("_dmarc.example.test"), RrType::kTxt, true);
  EXPECT_FALSE(answer->consistent());
  EXPECT_TRUE(answer->complete());

  dns.server(Name("example.test"), 1).FailAll(absl::DeadlineExceededError("silent"));
  answer = dns.LookupAll(Name("_dmarc.example.test"), RrType::kTxt, true);
  EXPECT_TRUE(answer->consistent());
  EXPECT_FALSE(answer->complete());
  EXPECT_THAT(answer->First(), IsOk());
  EXPECT_THAT(dns.LookupAll(Name("other.invalid"), RrType::kTxt, true),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no zone")));
}

TEST(FakeAuthoritativeResolver, FollowsAnAliasIntoItsZone) {
  FakeAuthoritativeResolver dns;
  dns.AddZone(Name("example.test"));
  dns.AddZone(Name("vendor.test"), 1);
  dns.SetCname(Name("_dmarc.example.test"), Name("x.vendor.test"));
  dns.SetTxt(Name("x.vendor.test"), {"v=DMARC1; p=none"});
  const auto answer = dns.LookupAll(Name("_dmarc.example.test"), RrType::kTxt, false);
  ASSERT_THAT(answer, IsOk());
  EXPECT_EQ(answer->zone, Name("vendor.test"));
  ASSERT_THAT(answer->First(), IsOk());
  EXPECT_THAT(answer->First()->cname_chain, ElementsAre(Name("x.vendor.test")));
  EXPECT_EQ(answer->First()->txt.size(), 1U);
}

TEST(AuthoritativeAnswer, ComparesTxtAsASetOfJoinedOctets) {
  AuthoritativeAnswer answer;
  EXPECT_FALSE(answer.consistent());  // nobody answered
  EXPECT_FALSE(answer.complete());
  DnsAnswer one;
  one.outcome = DnsOutcome::kRecords;
  one.txt = {TxtRecord{{"ab", "c"}}, TxtRecord{{"z"}}};
  DnsAnswer other = one;
  other.txt = {TxtRecord{{"z"}}, TxtRecord{{"abc"}}};
  other.ttl_seconds = 7;
  answer.servers = {{{}, "a", one}, {{}, "b", other}};
  EXPECT_TRUE(answer.consistent());
  other.txt.pop_back();
  answer.servers.push_back({{}, "c", other});
  EXPECT_FALSE(answer.consistent());
}

}  // namespace
}  // namespace dmarcate
