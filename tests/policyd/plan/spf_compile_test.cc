// What is flattened, what is not, and what stands where afterwards.

#include "policyd/plan/spf_compile.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/dns/fake_resolver.h"
#include "lib/inspect/overlay_resolver.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_follow.h"
#include "policyd/plan/spf_proof.h"
#include "tests/policyd/plan/plan_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SpfCompileTest : public testing::Test {
 protected:
  // big.test takes 6 look-ups and lets 192.0.2.0/25 and 2001:db8::/48 through, less 192.0.2.4.
  void SetUp() override {
    dns_.SetTxt(Name("big.test"), {"v=spf1 include:a.big.test include:b.big.test ?all"});
    dns_.SetTxt(Name("a.big.test"), {"v=spf1 -ip4:192.0.2.4 ip4:192.0.2.0/26 include:c.big.test "
                                     "include:c.big.test ~all"});
    dns_.SetTxt(Name("b.big.test"), {"v=spf1 ip4:192.0.2.64/26 include:c.big.test -all"});
    dns_.SetTxt(Name("c.big.test"), {"v=spf1 ip6:2001:db8::/48 -all"});
    for (int i = 0; i < 9; ++i) {
      dns_.SetTxt(Name(fmt::format("o{}.test", i)),
                  {fmt::format("v=spf1 ip4:10.0.{}.0/24 ~all", i)});
    }
  }

  SpfTree Expand(const std::string& text, const TxtOverlay& overlay = {}) {
    OverlayResolver dns(dns_, overlay);
    return ExpandSpfText(domain_, text, dns, clock_).value();
  }

  SpfCompiled Compile(const std::string& live, const std::vector<ManagedTerm>& managed,
                      std::vector<ApprovedSource> approved,
                      const std::vector<SpfChild>& children = {},
                      const SpfCompileOptions& options = {}) {
    const SpfDraft draft = DraftSpf(domain_, {live}, managed, std::move(approved)).value();
    return CompileSpf(domain_, draft, Expand(draft.intended), managed, children, taken_, options);
  }

  // Five terms of others, one look-up each.
  static std::string Others(int count) {
    std::string text = "v=spf1";
    for (int i = 0; i < count; ++i) text += fmt::format(" include:o{}.test", i);
    return text;
  }

  const DomainName domain_ = Name("d.test");
  FakeResolver dns_;
  SystemClock clock_;
  std::set<DomainName> taken_;
};

TEST_F(SpfCompileTest, WithinTheLimitAnIncludeStaysAnInclude) {
  const SpfCompiled got = Compile(Others(4) + " ~all", {}, {{"big", {"include:big.test"}}});
  EXPECT_EQ(got.plan.after, Others(4) + " include:big.test ~all");
  EXPECT_THAT(got.writes, IsEmpty());
  EXPECT_EQ(got.lookups_unflattened, 10);
}

TEST_F(SpfCompileTest, OverTheLimitOurTermGoesIntoAChild) {
  const SpfCompiled got = Compile(Others(5) + " ~all", {}, {{"big", {"include:big.test"}}});
  EXPECT_EQ(got.plan.after, Others(5) + " include:_spf1.d.test ~all");
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_EQ(got.writes[0].owner.text(), "_spf1.d.test");
  EXPECT_EQ(got.writes[0].text,
            "v=spf1 ip4:192.0.2.0/30 ip4:192.0.2.5 ip4:192.0.2.6/31 ip4:192.0.2.8/29 "
            "ip4:192.0.2.16/28 ip4:192.0.2.32/27 ip4:192.0.2.64/26 ip6:2001:db8::/48 -all");
  ASSERT_EQ(got.plan.managed_after.size(), 2U);
  EXPECT_TRUE(got.plan.managed_after[0].flattened);
  EXPECT_EQ(got.plan.managed_after[1].term, "include:_spf1.d.test");
  EXPECT_EQ(got.plan.managed_after[1].source_id, kFlattenedSourceId);
  EXPECT_EQ(got.plan.term_changes.back().flattened_into, "_spf1.d.test");
}

TEST_F(SpfCompileTest, NeverMeansNever) {
  const SpfCompiled got = Compile(Others(5) + " ~all", {}, {{"big", {"include:big.test"}}}, {},
                                  {.flatten = FlattenMode::kNever});
  EXPECT_EQ(got.plan.after, Others(5) + " include:big.test ~all");
  EXPECT_THAT(got.flattened, IsEmpty());
}

TEST_F(SpfCompileTest, WhatOthersWroteIsNotFlattened) {
  const SpfCompiled got =
      Compile(Others(5) + " include:big.test ~all", {}, {{"o", {"ip4:192.0.2.9"}}});
  EXPECT_EQ(got.plan.after, Others(5) + " include:big.test ip4:192.0.2.9 ~all");
  EXPECT_THAT(got.flattened, IsEmpty());
}

TEST_F(SpfCompileTest, ForeignChildNamesArePassedOver) {
  taken_.insert(Name("_spf1.d.test"));
  const SpfCompiled got = Compile(Others(5) + " ~all", {}, {{"big", {"include:big.test"}}});
  EXPECT_EQ(got.plan.after, Others(5) + " include:_spf2.d.test ~all");
}

struct Kept {
  std::string name, record, why;
};
class SpfKeptTest : public SpfCompileTest, public testing::WithParamInterface<Kept> {};
TEST_P(SpfKeptTest, IsNotFlattened) {
  dns_.SetTxt(Name("big.test"), {GetParam().record});
  const SpfCompiled got = Compile(Others(9) + " ~all", {}, {{"big", {"include:big.test"}}}, {},
                                  {.never_flatten = {"asks.test"}});
  EXPECT_THAT(got.flattened, IsEmpty());
  ASSERT_FALSE(got.kept.empty());
  EXPECT_THAT(got.kept[0], HasSubstr(GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    All, SpfKeptTest,
    testing::Values(
        Kept{"Exists", "v=spf1 include:o8.test exists:%{i}.big.test ~all", "more than the address"},
        Kept{"Ptr", "v=spf1 include:o8.test ptr ~all", "more than the address"},
        Kept{"Macro", "v=spf1 include:o8.test include:%{o}.big.test ~all", "more than the address"},
        Kept{"PlusAll", "v=spf1 include:o8.test +all", "too wide"},
        Kept{"HalfOfEverybody", "v=spf1 include:o8.test ip4:0.0.0.0/1 ~all", "too wide"},
        Kept{"Dangling", "v=spf1 include:o8.test include:gone.test ~all", "error"},
        Kept{"Addresses", "v=spf1 include:o8.test a:host.test ~all", "nobody follows"},
        Kept{"AskedNotTo", "v=spf1 include:o8.test redirect=asks.test", "asks not to"}),
    [](const testing::TestParamInfo<Kept>& kept) { return kept.param.name; });

// Flattened once; `later` is what the book and the DNS hold then.
class FlattenedTest : public SpfCompileTest {
 protected:
  void SetUp() override {
    SpfCompileTest::SetUp();
    const SpfCompiled first = Compile(Others(5) + " ~all", {}, approved_);
    live_ = first.plan.after;
    managed_ = first.plan.managed_after;
    children_ = first.writes;
  }
  const std::vector<ApprovedSource> approved_ = {{"big", {"include:big.test"}},
                                                 {"own", {"ip4:192.0.2.200"}}};
  std::string live_;
  std::vector<ManagedTerm> managed_;
  std::vector<SpfChild> children_;
};

TEST_F(FlattenedTest, AgainIsNothing) {
  const SpfCompiled got = Compile(live_, managed_, approved_, children_);
  EXPECT_EQ(got.plan.after, live_);
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_EQ(got.writes[0].text, children_[0].text);
  EXPECT_EQ(got.plan.managed_after, managed_);
}

TEST_F(FlattenedTest, TakingTheApprovalBackTakesExactlyItsTerms) {
  const SpfCompiled got = Compile(live_, managed_, {approved_[1]}, children_);
  EXPECT_EQ(got.plan.after, Others(5) + " ip4:192.0.2.200 ~all");
}

TEST_F(FlattenedTest, WhereTheLimitNoLongerForcesItTheIncludeComesBack) {
  live_ = live_.replace(live_.find(" include:o0.test"), 16, "");
  const SpfCompiled got = Compile(live_, managed_, approved_, children_);
  EXPECT_THAT(got.plan.after, HasSubstr("include:o4.test include:big.test ip4:192.0.2.200 ~all"));
}

TEST_F(FlattenedTest, AVendorThatCannotBeReadKeepsItsAddresses) {
  dns_.Fail(Name("b.big.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  const SpfCompiled got = Compile(live_, managed_, approved_, children_);
  EXPECT_EQ(got.plan.after, live_);
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_EQ(got.writes[0].text, children_[0].text);
  EXPECT_EQ(ToText(TellFlattening(got, 6)), "SPF_VENDOR_UNREADABLE:warn SPF_FLATTENED:warn");
}

TEST_F(FlattenedTest, AVendorThatChangedIsToldAndWritten) {
  dns_.SetTxt(Name("c.big.test"), {"v=spf1 ip6:2001:db8::/48 ip4:198.51.100.0/24 -all"});
  const SpfCompiled got = Compile(live_, managed_, approved_, children_);
  EXPECT_EQ(got.plan.after, live_);
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_THAT(got.writes[0].text, HasSubstr("ip4:198.51.100.0/24"));
  EXPECT_EQ(ToText(TellFlattening(got, 6)), "SPF_VENDOR_CHANGED:warn SPF_FLATTENED:warn");
}

TEST_F(FlattenedTest, AProofFindsOneAddressThatIsMissing) {
  TxtOverlay overlay = {{children_[0].owner, children_[0].text}};
  std::string& text = overlay[children_[0].owner];
  text.replace(text.find(" ip4:192.0.2.5"), 14, "");
  const SpfTree before = Expand(Others(5) + " ~all");
  const SpfTree after = Expand(live_, overlay);
  const SpfTree meant = Expand(UnflattenedText(domain_, live_, managed_));
  const SpfProof proof = ProveSpf({domain_.text(), &before.root, &meant.root, &after.root, {}});
  EXPECT_FALSE(proof.holds);
  EXPECT_THAT(proof.failure,
              HasSubstr("192.0.2.5 to 192.0.2.5: flattened softfail, not flattened pass"));
  EXPECT_EQ(GuardSpfProof(proof).verdict, GuardVerdict::kRefuse);
}

TEST_F(FlattenedTest, AProofFindsAWriteThatComesTooEarly) {
  // The record first, and its child, which does not exist yet, second.
  const SpfTree before = Expand(Others(5) + " ~all");
  const SpfTree between = Expand(live_);
  const SpfTree after = Expand(live_, {{children_[0].owner, children_[0].text}});
  const SpfTree meant = Expand(UnflattenedText(domain_, live_, managed_));
  const SpfProof proof =
      ProveSpf({domain_.text(), &before.root, &meant.root, &after.root, {&between.root}});
  EXPECT_FALSE(proof.holds);
  EXPECT_THAT(proof.failure, HasSubstr("permerror after write 1 of 2"));
}

TEST_F(FlattenedTest, FollowingTellsMuchFromLittle) {
  const auto follow = [&] {
    return FollowVendor(domain_, managed_[0], Expand(FollowText(managed_[0])));
  };
  EXPECT_EQ(follow().outcome, VendorFollow::Outcome::kSame);
  dns_.SetTxt(Name("b.big.test"), {"v=spf1 include:c.big.test -all"});  // half of it is gone
  EXPECT_EQ(follow().outcome, VendorFollow::Outcome::kChanged);
  EXPECT_THAT(follow().change.needs_person, HasSubstr("64 of 127 IPv4 addresses would go"));
  dns_.SetTxt(Name("b.big.test"), {"v=spf1 ip4:192.0.2.64/26 ip4:203.0.113.0/24 -all"});
  EXPECT_EQ(follow().outcome, VendorFollow::Outcome::kChanged);
  EXPECT_EQ(follow().change.needs_person, "");
  dns_.Fail(Name("b.big.test"), RrType::kTxt, absl::UnavailableError("SERVFAIL"));
  EXPECT_EQ(follow().outcome, VendorFollow::Outcome::kUnknown);
  dns_.Fail(Name("b.big.test"), RrType::kTxt, absl::OkStatus());
  dns_.Remove(Name("b.big.test"));
  EXPECT_EQ(follow().outcome, VendorFollow::Outcome::kBroken);
}

TEST(SpfChildrenTest, AnAddressThatStaysOnlyMovesDeeper) {
  SpfChainRequest request;
  request.domain = Name("d.test");
  request.max_octets = 90;  // two networks each
  std::vector<IpNetwork> networks;
  for (int i = 0; i < 8; ++i)
    networks.push_back(*IpNetwork::Parse(fmt::format("10.{}.0.0/24", 2 * i)));
  request.wanted = IpRangeSet(networks);
  const std::vector<SpfChild> first = LayOutChain(request).value();
  ASSERT_GT(first.size(), 2U);
  request.chain = first;
  // One in the first child is cut into pieces, which need more room than there is.
  request.wanted = request.wanted.Minus(IpRangeSet({*IpNetwork::Parse("10.0.0.77")}));
  const std::vector<SpfChild> second = LayOutChain(request).value();
  ASSERT_GT(second.size(), first.size());
  for (const SpfChild& child : second)
    EXPECT_LE(child.owner.text().size() + child.text.size(), 90U);
  // Written from the last to the first, it is always in one of them.
  for (size_t written = 0; written <= second.size(); ++written) {
    std::vector<SpfChild> now = first;
    for (size_t i = 0; i < written; ++i) {
      const SpfChild& write = second[second.size() - 1 - i];
      const auto old = std::ranges::find(now, write.owner, &SpfChild::owner);
      if (old == now.end()) {
        now.push_back(write);
      } else {
        *old = write;
      }
    }
    IpRangeSet reached;
    for (const SpfChild& child : ChainFrom(first[0].owner, now)) {
      reached = reached.Union(ParseSpfChild(child.text)->passing);
    }
    EXPECT_TRUE(reached.Contains(request.wanted)) << written << " written";
  }
}

}  // namespace
}  // namespace dmarcate
