#include "policyd/analysis/network_claims.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/fake_resolver.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }
IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }
IpNetwork Net(std::string_view text) { return *IpNetwork::Parse(text); }

std::unique_ptr<Catalogue> Two() {
  MailService shop{.id = "shop", .name = "Shop", .spf_includes = {"spf.shop.test"}};
  shop.reverse_names = {"out.shop.test"};
  MailService post{.id = "post", .name = "Post", .spf_includes = {"spf.post.test"}};
  auto made = Catalogue::Make({shop, post});
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

class TreeTest : public testing::Test {
 protected:
  TreeTest() {
    resolver_.SetTxt(Name("partly.test"), {"v=spf1 ip4:192.0.2.7 exists:%{i}.partly.test -all"});
    resolver_.SetTxt(Name("wide.test"), {"v=spf1 ip4:192.0.2.8 ip4:64.0.0.0/6 -all"});
    resolver_.SetTxt(Name("spf.post.test"), {"v=spf1 ip4:198.51.100.0/24 -all"});
    resolver_.SetTxt(Name("more.shop.test"), {"v=spf1 ip6:2001:db8:1::/48 -all"});
  }
  SpfTree Tree(const std::string& domain, const std::string& text) {
    auto tree = ExpandSpfText(Name(domain), text, resolver_, clock_);
    EXPECT_TRUE(tree.ok()) << tree.status();
    return *std::move(tree);
  }
  Texts Ranges(const std::string& text) {
    Texts out;
    const SpfTree tree = Tree("spf.shop.test", text);
    for (const IpNetwork& network :
         RangesOfService(tree, *catalogue_->FindById("shop"), *catalogue_)) {
      out.push_back(network.ToString());
    }
    return out;
  }

  FakeClock clock_{absl::UnixEpoch()};
  FakeResolver resolver_;
  std::unique_ptr<Catalogue> catalogue_ = Two();
};

TEST_F(TreeTest, TheRangesOfAServiceAreThoseOfItsWholeTree) {
  EXPECT_THAT(Ranges("v=spf1 ip4:192.0.2.0/25 include:more.shop.test ip4:192.0.2.0/25 -all"),
              ElementsAre("192.0.2.0/25", "2001:db8:1::/48"));
}

TEST_F(TreeTest, WhatAnotherServicePublishesIsNotItsOwn) {
  EXPECT_THAT(Ranges("v=spf1 ip4:192.0.2.1 include:spf.post.test -all"),
              ElementsAre("192.0.2.1/32"));
}

TEST_F(TreeTest, WhatDoesNotPassOrSaysNothingIsNoRange) {
  EXPECT_THAT(Ranges("v=spf1 -ip4:192.0.2.0/24 ?ip4:192.0.3.0/24 exists:%{i}.shop.test "
                     "ip4:64.0.0.0/6 +all"),
              IsEmpty());
}

TEST_F(TreeTest, OwnTermsAreThoseOfTheRecordWithAllThatTheyLeadTo) {
  const SpfTree tree = Tree("example.com", "v=spf1 include:spf.post.test ip4:192.0.2.9 -all");
  EXPECT_THAT(OwnTerms(tree),
              ElementsAre(OwnTerm{"include:spf.post.test", {Net("198.51.100.0/24")}},
                          OwnTerm{"ip4:192.0.2.9", {Net("192.0.2.9/32")}}));
}

TEST_F(TreeTest, ATermOfWhichNotAllIsKnownSaysSo) {
  const SpfTree tree =
      Tree("example.com", "v=spf1 include:partly.test include:wide.test ip4:192.0.2.9 -all");
  const std::vector<OwnTerm> own = OwnTerms(tree);
  ASSERT_EQ(own.size(), 3u);
  EXPECT_FALSE(own[0].complete) << "it has a macro";
  EXPECT_FALSE(own[1].complete) << "it has a network that all addresses are in";
  EXPECT_TRUE(own[2].complete);
}

class ClaimsTest : public testing::Test {
 protected:
  // The claims about the source with that id, as "claim | checked against | verdict".
  Texts Claims(std::string_view id, std::vector<AggregateRecord> rows) {
    const DayNumber day = 20'000;
    StatisticsBuilder builder("example.com", {day, day}, *catalogue_, {}, &network_);
    builder.Add(Report(day, std::move(rows)));
    const DomainStatistics statistics = builder.Finish();
    const SourceStatistics* const source = statistics.FindSource(id);
    if (source == nullptr) return {"no such source"};
    Texts out;
    for (const EvidenceItem& item : NetworkClaims(*source, network_, own_, *catalogue_)) {
      out.push_back(item.claim + " | " + item.checked_against + " | " + item.verdict);
    }
    return out;
  }

  std::unique_ptr<Catalogue> catalogue_ = Two();
  NetworkEvidence network_;
  std::vector<OwnTerm> own_;
};

TEST_F(ClaimsTest, NothingIsKnownIsSaidToBeSo) {
  EXPECT_THAT(Claims("ip-192-0-2-1", {Row(3)}),
              ElementsAre("nothing is known about the names of the addresses of 3 messages | the "
                          "DNS, not asked yet or silent | neutral"));
}

TEST_F(ClaimsTest, ThatAnAddressHasNoNameIsAnAnswer) {
  network_.AddNameless(Ip("192.0.2.1"));
  EXPECT_THAT(Claims("ip-192-0-2-1", {Row(3)}),
              ElementsAre("3 messages come from addresses without a name that is confirmed both "
                          "ways | the DNS | neutral"));
}

TEST_F(ClaimsTest, ALiveRangeNamesTheService) {
  network_.AddRange(Net("192.0.2.0/24"), "shop");
  network_.AddNameless(Ip("192.0.2.1"));
  network_.AddNameless(Ip("192.0.2.2"));
  EXPECT_THAT(Claims("shop", {Row(3), Row(4).From("192.0.2.2")}),
              ElementsAre("7 messages come from addresses that Shop sends from, such as 192.0.2.2 "
                          "| the live SPF record of spf.shop.test | supports",
                          HasSubstr("7 messages come from addresses without a name")));
}

TEST_F(ClaimsTest, ARangeOfAnotherServiceContradicts) {
  network_.AddRange(Net("192.0.2.0/24"), "post");
  network_.AddConfirmedName(Ip("192.0.2.1"), "a.out.shop.test");
  // The range is the stronger evidence; the name says another one.
  EXPECT_THAT(Claims("post", {Row(3)}),
              ElementsAre(HasSubstr("| supports"),
                          "3 messages come from addresses named such as a.out.shop.test | "
                          "catalogue entry shop: names of its addresses, confirmed both ways | "
                          "contradicts"));
}

TEST_F(ClaimsTest, AnOwnTermThatLetsItThroughIsNamed) {
  own_ = {{"include:_spf.vendor.test", {Net("192.0.2.0/24")}},
          {"ip4:192.0.2.1", {Net("192.0.2.1")}}};
  network_.AddConfirmedName(Ip("192.0.2.1"), "mx.vendor.test");
  EXPECT_THAT(Claims("ip-192-0-2-1", {Row(3)}),
              ElementsAre("3 messages come from addresses that include:_spf.vendor.test lets "
                          "through, such as 192.0.2.1 | your live SPF record | supports",
                          "3 messages come from addresses named such as mx.vendor.test | the DNS, "
                          "both ways; no catalogue entry | neutral"));
}

// Terms of all widths, over and beside one another, in both families.
TEST(OwnTermIndex, FindsWhatLookingAtEachTermFinds) {
  SeededRandom random(7);
  const auto below = [&random](int limit) {
    return static_cast<unsigned char>(random.Bytes(1)[0]) % limit;
  };
  const auto address = [&below] {
    const std::string text = below(2) == 0
                                 ? fmt::format("192.0.{}.{}", below(4), below(256))
                                 : fmt::format("2001:db8::{:x}:{:x}", below(4), below(256));
    return *IpAddress::Parse(text);
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<OwnTerm> own;
    for (int term = 0; term < 8; ++term) {
      own.push_back({.term = "t"});
      for (int i = below(5); i > 0; --i) {
        const IpAddress base = address();
        const int length = (base.is_v4() ? 22 : 110) + below(base.is_v4() ? 11 : 19);
        own.back().networks.push_back(
            *IpNetwork::Parse(fmt::format("{}/{}", base.ToString(), length)));
      }
    }
    const OwnTermIndex index(own);
    for (int i = 0; i < 200; ++i) {
      const IpAddress one = address();
      std::optional<size_t> want;
      for (size_t term = own.size(); term-- > 0;) {
        for (const IpNetwork& network : own[term].networks) {
          if (network.Contains(one)) want = term;
        }
      }
      EXPECT_EQ(index.TermOf(one), want) << one.ToString();
    }
  }
  EXPECT_EQ(OwnTermIndex({}).TermOf(address()), std::nullopt);
}

}  // namespace
}  // namespace dmarcate
