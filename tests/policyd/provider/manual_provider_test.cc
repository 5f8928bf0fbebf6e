#include "policyd/provider/manual/manual_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
std::vector<TxtRecord> Records(std::string_view text) { return {MakeTxtRecord(text)}; }

// One zone with one server that says what it is told to.
class OneZone final : public AuthoritativeResolver {
 public:
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType,
                                                bool over_tcp) override {
    EXPECT_TRUE(over_tcp);
    if (!answer.ok()) return answer.status();
    if (!wildcard && owner.text().starts_with("_dmarcate-")) {
      return AuthoritativeAnswer{zone, {{Name("ns1.example.test"), "192.0.2.53:53", DnsAnswer{}}}};
    }
    return AuthoritativeAnswer{zone, {{Name("ns1.example.test"), "192.0.2.53:53", answer}}};
  }
  DomainName zone = Name("example.test");
  bool wildcard = false;  // else a name below the one that is asked for does not exist
  absl::StatusOr<DnsAnswer> answer = DnsAnswer{.outcome = DnsOutcome::kNoData};
};

TEST(ManualProviderTest, KeepsWhatTheServersSay) {
  OneZone dns;
  ManualProvider provider(dns, {});
  const DomainName owner = Name("_dmarc.example.test");
  EXPECT_EQ(provider.writer(), ProviderWriter::kPerson);
  EXPECT_EQ(provider.FindZone(owner).value(), Name("example.test"));
  EXPECT_TRUE(provider.ReadRrSet(Name("example.test"), owner)->records.empty());
  dns.answer->outcome = DnsOutcome::kRecords;
  dns.answer->txt = Records("x");
  dns.answer->ttl_seconds = 77;
  EXPECT_EQ(provider.ReadRrSet(Name("example.test"), owner)->records, Records("x"));
  EXPECT_EQ(provider.ReadRrSet(Name("example.test"), owner)->ttl_seconds, 77u);
  EXPECT_EQ(provider.Test().state, ProviderTest::State::kWorking);
}

TEST(ManualProviderTest, WritesNothing) {
  OneZone dns;
  ManualProvider provider(dns, {});
  const DomainName owner = Name("_dmarc.example.test");
  const auto apply = [&](std::vector<TxtRecord> before, std::vector<TxtRecord> after) {
    return provider.Apply(Name("example.test"), {owner, std::move(before), std::move(after), 300});
  };
  dns.answer->txt = Records("x");
  EXPECT_THAT(apply(Records("x"), Records("y")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("person")));
  EXPECT_THAT(apply({}, Records("x")), IsOk());
  EXPECT_THAT(apply(Records("z"), Records("y")), StatusIs(absl::StatusCode::kAborted));
}

TEST(ManualProviderTest, ZonesConfineIt) {
  OneZone dns;
  ManualProvider provider(dns, {Name("example.org"), Name("example.org")});
  EXPECT_EQ(provider.ListZones()->size(), 1u);
  EXPECT_THAT(provider.FindZone(Name("a.example.test")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(provider.ReadRrSet(Name("example.test"), Name("a.example.test")),
              StatusIs(absl::StatusCode::kNotFound));
  // Listed, but the DNS has no such zone.
  EXPECT_EQ(provider.Test().state, ProviderTest::State::kMisconfigured);
}

TEST(ManualProviderTest, WhatWasNotLearnedIsNotAbsent) {
  OneZone dns;
  dns.answer = absl::DeadlineExceededError("nobody answers");
  ManualProvider provider(dns, {});
  EXPECT_THAT(provider.FindZone(Name("example.test")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(provider.ReadRrSet(Name("example.test"), Name("example.test")),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ManualProviderTest, WhatAWildcardSaysIsNotAtTheName) {
  OneZone dns;
  dns.wildcard = true;
  dns.answer->outcome = DnsOutcome::kRecords;
  dns.answer->txt = Records("v=spf1 -all");
  ManualProvider provider(dns, {});
  // A record set at the name would end what the wildcard says there.
  EXPECT_THAT(provider.ReadRrSet(Name("example.test"), Name("_dmarc.example.test")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("wildcard")));
  // The apex is always there.
  EXPECT_EQ(provider.ReadRrSet(Name("example.test"), Name("example.test"))->records,
            Records("v=spf1 -all"));
}

TEST(ManualProviderTest, AnAliasHasNoRecordsOfItsOwn) {
  OneZone dns;
  dns.answer->txt = Records("x");
  dns.answer->cname_chain = {Name("elsewhere.test")};
  ManualProvider provider(dns, {});
  EXPECT_TRUE(provider.ReadRrSet(Name("example.test"), Name("a.example.test"))->records.empty());
}

}  // namespace
}  // namespace dmarcate
