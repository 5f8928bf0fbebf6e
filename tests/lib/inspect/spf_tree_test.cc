#include "lib/inspect/spf_tree.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/dns/fake_resolver.h"

namespace dmarcate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }
IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

class SpfTreeTest : public testing::Test {
 protected:
  void Spf(std::string_view name, const std::string& text) { dns_.SetTxt(Name(name), {text}); }
  SpfTree Expand(const std::string& text) {
    Spf("example.com", text);
    auto tree = ExpandSpf(Name("example.com"), dns_, clock_, budget_);
    EXPECT_TRUE(tree.ok()) << tree.status();
    return *std::move(tree);
  }
  static std::vector<std::string> Codes(const SpfTree& tree) {
    std::vector<std::string> codes;
    for (const LintFinding& finding : tree.findings) codes.push_back(finding.code);
    return codes;
  }

  FakeResolver dns_;
  FakeClock clock_{absl::UnixEpoch()};
  SpfTreeBudget budget_;
};

TEST_F(SpfTreeTest, CountsNestedLookups) {
  Spf("a.test", "v=spf1 include:b.test include:c.test ip4:192.0.2.0/24 ~all");
  Spf("b.test", "v=spf1 ip4:198.51.100.0/25 ~all");
  Spf("c.test", "v=spf1 a:host.test ~all");
  dns_.SetA(Name("host.test"), {"203.0.113.7"});
  dns_.SetAaaa(Name("host.test"), {"2001:db8::7"});
  const SpfTree tree = Expand("v=spf1 include:a.test ip4:192.0.2.128/25 -all");
  EXPECT_EQ(tree.lookup_count, 4);  // a.test, b.test, c.test, host.test
  EXPECT_EQ(tree.void_lookup_count, 0);
  EXPECT_TRUE(tree.complete);
  EXPECT_EQ(tree.ipv4_address_count, 256 + 128 + 1);
  EXPECT_THAT(tree.findings, IsEmpty());
  ASSERT_EQ(tree.root.children.size(), 3u);
  EXPECT_EQ(tree.root.children[0].lookup_cost, 4);
  EXPECT_EQ(tree.root.children[0].target, "a.test");
  EXPECT_EQ(tree.root.children[0].children[1].lookup_cost, 2);
  EXPECT_THAT(tree.widest_ranges, ElementsAre("192.0.2.0/24", "192.0.2.128/25", "198.51.100.0/25",
                                              "203.0.113.7/32", "2001:db8::7/128"));
  EXPECT_EQ(PassNetworks(tree.root.children[0]).size(), 4u);
}

TEST_F(SpfTreeTest, EveryKindOfTermCosts) {
  dns_.SetA(Name("example.com"), {"192.0.2.1"});
  dns_.SetMx(Name("example.com"), {{10, Name("mx.test")}, {20, Name("mx2.test")}});
  dns_.SetA(Name("mx.test"), {"192.0.2.2"});
  dns_.SetA(Name("mx2.test"), {"192.0.2.3"});
  dns_.SetA(Name("e.test"), {"127.0.0.2"});
  Spf("r.test", "v=spf1 mx:example.com/24 -all");
  const SpfTree tree =
      Expand("v=spf1 a mx ptr exists:e.test exists:%{i}.e.test ip4:192.0.2.9 redirect=r.test");
  EXPECT_EQ(tree.lookup_count, 7);
  EXPECT_TRUE(tree.has_dynamic_terms);
  EXPECT_EQ(tree.void_lookup_count, 0);
  EXPECT_EQ(tree.void_lookup_count_ipv6, 5);  // a, and twice the two exchanges
  EXPECT_THAT(Codes(tree), ElementsAre("SPF_VOID_LIMIT"));
  EXPECT_EQ(tree.findings[0].severity, Severity::kInfo);
  EXPECT_EQ(tree.ipv4_address_count, 256);
}

TEST_F(SpfTreeTest, CountsBeyondTheLimit) {
  std::string text = "v=spf1";
  for (int i = 0; i < 14; ++i) {
    const std::string name = "n" + std::to_string(i) + ".test";
    Spf(name, "v=spf1 ip4:192.0.2." + std::to_string(i) + " -all");
    text += " include:" + name;
  }
  const SpfTree tree = Expand(text + " -all");
  EXPECT_EQ(tree.lookup_count, 14);
  EXPECT_TRUE(tree.OverLimit());
  ASSERT_THAT(Codes(tree), ElementsAre("SPF_LOOKUP_LIMIT"));
  EXPECT_EQ(tree.findings[0].metadata.at("lookups"), "14");
}

TEST_F(SpfTreeTest, TenAreAllowedAndEightAreNearTheLimit) {
  const auto lookups = [this](int count) {
    std::string text = "v=spf1";
    for (int i = 0; i < count; ++i) text += " a:h.test";
    dns_.SetA(Name("h.test"), {"192.0.2.1"});
    dns_.SetAaaa(Name("h.test"), {"2001:db8::1"});
    return Expand(text + " -all");
  };
  EXPECT_THAT(Codes(lookups(7)), IsEmpty());
  EXPECT_THAT(Codes(lookups(8)), ElementsAre("SPF_LOOKUP_MARGIN"));
  EXPECT_FALSE(lookups(10).OverLimit());
  EXPECT_TRUE(lookups(11).OverLimit());
}

TEST_F(SpfTreeTest, VoidLookupsAreLimitedToTwo) {
  EXPECT_THAT(Codes(Expand("v=spf1 a:x.test a:y.test -all")), IsEmpty());
  const SpfTree tree = Expand("v=spf1 a:x.test a:y.test exists:z.test -all");
  EXPECT_EQ(tree.void_lookup_count, 3);
  ASSERT_THAT(Codes(tree), ElementsAre("SPF_VOID_LIMIT"));
  EXPECT_EQ(tree.findings[0].severity, Severity::kError);
}

TEST_F(SpfTreeTest, TermsBehindAllCostNothing) {
  const SpfTree tree = Expand("v=spf1 redirect=r.test -all include:gone.test");
  EXPECT_EQ(tree.lookup_count, 0);
  EXPECT_FALSE(tree.root.children[0].reached);
  EXPECT_FALSE(tree.root.children[2].reached);
  EXPECT_EQ(tree.query_count, 1);
}

TEST_F(SpfTreeTest, AFailedLookupMakesCountsLowerBounds) {
  Spf("a.test", "v=spf1 include:slow.test include:b.test -all");
  Spf("b.test", "v=spf1 ip4:192.0.2.0/24 -all");
  dns_.Fail(Name("slow.test"), RrType::kTxt, absl::DeadlineExceededError("nobody answered"));
  const SpfTree tree = Expand("v=spf1 include:a.test -all");
  EXPECT_FALSE(tree.complete);
  EXPECT_EQ(tree.lookup_count, 3);
  EXPECT_THAT(tree.incomplete_reason, HasSubstr("slow.test: nobody answered"));
  EXPECT_THAT(Codes(tree), ElementsAre("LOOKUP_FAILED"));
  EXPECT_EQ(tree.findings[0].path, "spf/include:a.test/include:slow.test");
  EXPECT_EQ(Covers(tree, Ip("192.0.2.1")), SpfCoverage::kInside);
  EXPECT_EQ(Covers(tree, Ip("198.51.100.1")), SpfCoverage::kUnknown);
}

TEST_F(SpfTreeTest, AddressesThatAreNotKnownLeaveTheCountExact) {
  Spf("x.test", "v=spf1 -all");
  for (const char* name : {"example.com", "b.test", "c.test", "d.test", "e.test", "f.test"}) {
    for (const RrType type : {RrType::kA, RrType::kAaaa, RrType::kMx}) {
      dns_.Fail(Name(name), type, absl::UnavailableError("x"));
    }
  }
  const auto message = [&] {
    const SpfTree tree =
        Expand("v=spf1 a mx a:b.test a:c.test a:d.test a:e.test a:f.test include:x.test -all");
    EXPECT_EQ(tree.lookup_count, 8);
    EXPECT_FALSE(tree.complete);
    return tree.findings.at(0).message;
  };
  EXPECT_EQ(message(), "8 of 10 look-ups are used");
  dns_.Fail(Name("x.test"), RrType::kTxt, absl::UnavailableError("x"));
  EXPECT_EQ(message(), "at least 8 of 10 look-ups are used");
}

TEST_F(SpfTreeTest, FindingsBeyondAHundredAreCounted) {
  std::string text = "v=spf1";
  for (int i = 0; i < 150; ++i) text += fmt::format(" include:i{}.test", i);
  const SpfTree tree = Expand(text + " -all");
  EXPECT_EQ(tree.findings.size(), 100u) << "both limits among them";
  EXPECT_EQ(tree.findings_left_out, 150 - 98);
  EXPECT_EQ(Expand("v=spf1 include:i0.test -all").findings_left_out, 0);
}

TEST_F(SpfTreeTest, FailedLookupsHideNothing) {
  std::string text = "v=spf1";
  for (int i = 0; i < 120; ++i) {
    text += fmt::format(" include:i{}.test", i);
    dns_.Fail(Name(fmt::format("i{}.test", i)), RrType::kTxt, absl::UnavailableError("x"));
  }
  Spf("all.test", "v=spf1 +all");
  const SpfTree tree = Expand(text + " include:all.test -all");
  EXPECT_THAT(Codes(tree), Contains("SPF_PLUS_ALL"));
  EXPECT_EQ(tree.findings_left_out, 0);
}

TEST_F(SpfTreeTest, DanglingIncludes) {
  dns_.SetTxt(Name("nospf.test"), {"something else"});
  dns_.SetTxt(Name("two.test"), {"v=spf1 -all", "v=spf1 ~all"});
  Spf("broken.test", "v=spf1 ipv4:192.0.2.1 -all");
  const SpfTree tree = Expand(
      "v=spf1 include:gone.test include:nospf.test include:two.test include:broken.test -all");
  EXPECT_TRUE(tree.complete);
  EXPECT_EQ(tree.lookup_count, 4);
  EXPECT_EQ(tree.void_lookup_count, 1);
  EXPECT_EQ(tree.root.children[0].dangling, SpfDangling::kNxDomain);
  EXPECT_EQ(tree.root.children[1].dangling, SpfDangling::kNoSpf);
  EXPECT_EQ(tree.root.children[2].dangling, SpfDangling::kMultiple);
  EXPECT_THAT(tree.root.children[3].error, HasSubstr("position 7"));
  EXPECT_THAT(Codes(tree),
              ElementsAre("SPF_DANGLING", "SPF_DANGLING", "SPF_DANGLING", "SPF_SYNTAX"));
  EXPECT_EQ(Covers(tree, Ip("192.0.2.1")), SpfCoverage::kOutside);
}

TEST_F(SpfTreeTest, LoopsEnd) {
  Spf("a.test", "v=spf1 include:b.test -all");
  Spf("b.test", "v=spf1 include:a.test -all");
  const SpfTree tree = Expand("v=spf1 include:a.test include:example.com -all");
  EXPECT_TRUE(tree.has_loop);
  EXPECT_TRUE(tree.OverLimit());
  EXPECT_TRUE(tree.complete);
  EXPECT_LE(tree.query_count, 3);
  EXPECT_EQ(Codes(tree)[0], "SPF_LOOKUP_LIMIT");
}

TEST_F(SpfTreeTest, TheQueryBudgetCuts) {
  std::string text = "v=spf1";
  for (int i = 0; i < 300; ++i) text += " a:h" + std::to_string(i) + ".test";
  budget_.max_queries = 50;
  const SpfTree tree = Expand(text + " -all");
  EXPECT_EQ(tree.query_count, 50);
  EXPECT_FALSE(tree.complete);
  EXPECT_EQ(tree.lookup_count, 300);
  EXPECT_THAT(tree.incomplete_reason, HasSubstr("50 queries"));
}

TEST_F(SpfTreeTest, TheTermBudgetCuts) {
  // Each level includes the next one twice: 2^15 terms if nobody stopped it.
  for (int i = 0; i < 15; ++i) {
    const std::string next = "l" + std::to_string(i + 1) + ".test";
    Spf("l" + std::to_string(i) + ".test", "v=spf1 include:" + next + " include:" + next + " -all");
  }
  Spf("l15.test", "v=spf1 ip4:192.0.2.1 -all");
  budget_.max_nodes = 1000;
  const SpfTree tree = Expand("v=spf1 include:l0.test -all");
  EXPECT_FALSE(tree.complete);
  EXPECT_TRUE(tree.OverLimit());
  EXPECT_LE(tree.query_count, 20);
  EXPECT_EQ(Covers(tree, Ip("198.51.100.1")), SpfCoverage::kUnknown);
}

TEST_F(SpfTreeTest, TheTextBudgetCuts) {
  // The same large record, included again and again.
  Spf("big.test", "v=spf1 x=" + std::string(60000, 'x') + " -all");
  std::string text = "v=spf1";
  for (int i = 0; i < 2000; ++i) text += " include:big.test";
  const SpfTree tree = Expand(text + " -all");
  EXPECT_FALSE(tree.complete);
  EXPECT_EQ(tree.lookup_count, 2000);
  EXPECT_EQ(tree.query_count, 2);
  EXPECT_LE(tree.findings.size(), 100u);
  size_t octets = 0;
  for (const SpfNode& child : tree.root.children) octets += child.record_text.size();
  EXPECT_LE(octets, budget_.max_text_octets);
}

TEST_F(SpfTreeTest, TheDepthBudgetCuts) {
  for (int i = 0; i < 40; ++i) {
    Spf("l" + std::to_string(i) + ".test",
        "v=spf1 include:l" + std::to_string(i + 1) + ".test -all");
  }
  const SpfTree tree = Expand("v=spf1 include:l0.test -all");
  EXPECT_FALSE(tree.complete);
  EXPECT_EQ(tree.lookup_count, budget_.max_depth + 1);
}

// A resolver that takes its time.
class SlowResolver final : public Resolver {
 public:
  SlowResolver(Resolver& inner, FakeClock& clock) : inner_(inner), clock_(clock) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    clock_.Advance(absl::Seconds(3));
    return inner_.Lookup(name, type);
  }

 private:
  Resolver& inner_;
  FakeClock& clock_;
};
TEST_F(SpfTreeTest, TheTimeBudgetCuts) {
  Spf("example.com", "v=spf1 a:h1.test a:h2.test a:h3.test a:h4.test a:h5.test -all");
  SlowResolver slow(dns_, clock_);
  const auto tree = ExpandSpf(Name("example.com"), slow, clock_, budget_);
  ASSERT_TRUE(tree.ok());
  EXPECT_FALSE(tree->complete);
  EXPECT_EQ(tree->query_count, 7);  // 21 seconds
  EXPECT_THAT(tree->incomplete_reason, HasSubstr("20 seconds"));
}

TEST_F(SpfTreeTest, ToldToStopItAsksNothingMore) {
  Spf("a.test", "v=spf1 include:b.test -all");
  budget_.stop = [&] { return dns_.queries().size() == 2; };
  const SpfTree tree = Expand("v=spf1 include:a.test include:c.test -all");
  EXPECT_EQ(dns_.queries().size(), 2u);
  EXPECT_FALSE(tree.complete);
  EXPECT_THAT(tree.incomplete_reason, HasSubstr("told to stop"));
  EXPECT_THAT(Codes(tree),
              testing::AllOf(testing::Not(testing::IsEmpty()), testing::Each("LOOKUP_FAILED")));
}

TEST_F(SpfTreeTest, MoreThanTenExchangesArePermerror) {
  std::vector<MxRecord> exchanges;
  for (int i = 0; i < 11; ++i) exchanges.push_back({10, Name("mx" + std::to_string(i) + ".test")});
  dns_.SetMx(Name("example.com"), exchanges);
  const SpfTree tree = Expand("v=spf1 mx -all");
  EXPECT_THAT(tree.root.children[0].error, HasSubstr("11 mail exchanges"));
  EXPECT_THAT(Codes(tree), ElementsAre("SPF_SYNTAX"));
}

TEST_F(SpfTreeTest, NullMxHoldsNothing) {
  dns_.SetMx(Name("example.com"), {{0, DomainName()}});
  const SpfTree tree = Expand("v=spf1 mx -all");
  EXPECT_EQ(tree.ipv4_address_count, 0);
  EXPECT_EQ(tree.query_count, 2);
}

TEST_F(SpfTreeTest, MacrosOfTheDomainAreFollowed) {
  Spf("_spf.example.com", "v=spf1 include:%{i}._ip.%{d} a:host.%{d2} -all");
  const SpfTree tree = Expand("v=spf1 include:_spf.%{d} -all");
  const SpfNode& include = tree.root.children[0];
  EXPECT_EQ(include.target, "_spf.example.com");
  EXPECT_TRUE(include.children[0].dynamic);
  EXPECT_EQ(include.children[1].target, "host.example.com");
  EXPECT_EQ(tree.lookup_count, 3);
  EXPECT_TRUE(tree.complete);
}

TEST_F(SpfTreeTest, TheValidatedNameCostsAsPtrDoes) {
  EXPECT_EQ(Expand("v=spf1 exists:%{p}.x.test -all").lookup_count, 2);
}

TEST_F(SpfTreeTest, APlannedRecordIsCountedBeforeItIsLive) {
  Spf("example.com", "v=spf1 -all");
  Spf("a.test", "v=spf1 ip4:192.0.2.0/24 include:example.com -all");
  const auto tree = ExpandSpfText(Name("example.com"), "v=spf1 include:a.test -all", dns_, clock_);
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_TRUE(tree->has_loop);
  EXPECT_EQ(tree->query_count, 1);
  EXPECT_EQ(
      ExpandSpfText(Name("example.com"), "v=spf1 inclue:a.test", dns_, clock_).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST_F(SpfTreeTest, RootErrorsAreKeptApart) {
  const auto code = [this] { return ExpandSpf(Name("example.com"), dns_, clock_).status().code(); };
  EXPECT_EQ(code(), absl::StatusCode::kNotFound);
  dns_.SetTxt(Name("example.com"), {"google=x"});
  EXPECT_EQ(code(), absl::StatusCode::kNotFound);
  dns_.SetTxt(Name("example.com"), {"v=spf1 -all", "v=spf1 -all "});
  EXPECT_EQ(code(), absl::StatusCode::kFailedPrecondition);
  dns_.SetTxt(Name("example.com"), {"v=spf1 foo"});
  EXPECT_EQ(code(), absl::StatusCode::kInvalidArgument);
  dns_.Fail(Name("example.com"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(code(), absl::StatusCode::kUnavailable);
}

TEST_F(SpfTreeTest, AnIncludedPlusAllIsFound) {
  Spf("a.test", "v=spf1 +all");
  const SpfTree tree = Expand("v=spf1 include:a.test -all");
  EXPECT_EQ(tree.ipv4_address_count, int64_t{1} << 32);
  EXPECT_THAT(Codes(tree), ElementsAre("SPF_PLUS_ALL", "SPF_TOO_WIDE"));
  EXPECT_EQ(Covers(tree, Ip("2001:db8::1")), SpfCoverage::kInside);
}

struct CoverCase {
  std::string name;
  std::string record;
  std::string address;
  SpfCoverage want;
};
const CoverCase kCovers[] = {
    {"ByInclude", "v=spf1 include:a.test -all", "192.0.2.1", SpfCoverage::kInside},
    {"ExceptedInInclude", "v=spf1 include:a.test -all", "192.0.2.5", SpfCoverage::kOutside},
    {"ExceptedButLaterNamed", "v=spf1 include:a.test ip4:192.0.2.5 -all", "192.0.2.5",
     SpfCoverage::kInside},
    {"FirstMatchDecides", "v=spf1 ~ip4:192.0.2.5 include:b.test -all", "192.0.2.5",
     SpfCoverage::kOutside},
    {"ByRedirect", "v=spf1 redirect=r.test", "203.0.113.1", SpfCoverage::kInside},
    {"NotByRedirect", "v=spf1 redirect=r.test", "192.0.2.1", SpfCoverage::kOutside},
    {"RedirectBesideAll", "v=spf1 redirect=r.test -all", "203.0.113.1", SpfCoverage::kOutside},
    {"RedirectToNowhere", "v=spf1 redirect=gone.test", "203.0.113.1", SpfCoverage::kOutside},
    {"DynamicLeavesOpen", "v=spf1 exists:%{i}.x.test -all", "192.0.2.1", SpfCoverage::kUnknown},
    {"DynamicButNamed", "v=spf1 exists:%{i}.x.test ip4:192.0.2.1 -all", "192.0.2.1",
     SpfCoverage::kInside},
    {"DynamicExceptionLeavesOpen", "v=spf1 -exists:%{i}.x.test ip4:192.0.2.1 -all", "192.0.2.1",
     SpfCoverage::kUnknown},
    {"DynamicExceptionOutside", "v=spf1 -exists:%{i}.x.test -all", "192.0.2.1",
     SpfCoverage::kOutside},
    {"Ipv6", "v=spf1 ip6:2001:db8::/32 -all", "2001:db8::1", SpfCoverage::kInside},
    {"Nothing", "v=spf1", "192.0.2.1", SpfCoverage::kOutside},
};
class CoversTest : public SpfTreeTest, public testing::WithParamInterface<CoverCase> {};
TEST_P(CoversTest, WalksAsReceiversDo) {
  Spf("a.test", "v=spf1 -ip4:192.0.2.5 ip4:192.0.2.0/24 ?all");
  Spf("b.test", "v=spf1 ip4:192.0.2.0/24 ?all");
  Spf("r.test", "v=spf1 ip4:203.0.113.0/24 -all");
  EXPECT_EQ(Covers(Expand(GetParam().record), Ip(GetParam().address)), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, CoversTest, testing::ValuesIn(kCovers),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace dmarcate
