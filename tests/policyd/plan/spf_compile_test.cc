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
#include "policyd/plan/spf_diff.h"
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
  ASSERT_EQ(got.writes.size(), 1U);
  const std::string child = got.writes[0].owner.text();
  EXPECT_TRUE(IsSpfChildOf(got.writes[0].owner, domain_)) << child;
  EXPECT_EQ(got.plan.after, Others(5) + " include:" + child + " ~all");
  EXPECT_EQ(got.writes[0].text,
            "v=spf1 ip4:192.0.2.0/30 ip4:192.0.2.5 ip4:192.0.2.6/31 ip4:192.0.2.8/29 "
            "ip4:192.0.2.16/28 ip4:192.0.2.32/27 ip4:192.0.2.64/26 ip6:2001:db8::/48 -all");
  EXPECT_TRUE(IsNamedAfterText(got.writes[0], domain_));
  ASSERT_EQ(got.plan.managed_after.size(), 2U);
  EXPECT_TRUE(got.plan.managed_after[0].flattened);
  EXPECT_EQ(got.plan.managed_after[1].term, "include:" + child);
  EXPECT_EQ(got.plan.managed_after[1].source_id, kFlattenedSourceId);
  EXPECT_EQ(got.plan.managed_after[1].stands_for, Others(5) + " include:big.test ~all");
  EXPECT_EQ(got.plan.term_changes.back().flattened_into, child);
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
  const SpfCompiled first = Compile(Others(5) + " ~all", {}, {{"big", {"include:big.test"}}});
  ASSERT_EQ(first.writes.size(), 1U);
  taken_.insert(first.writes[0].owner);
  const SpfCompiled got = Compile(Others(5) + " ~all", {}, {{"big", {"include:big.test"}}});
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_NE(got.writes[0].owner, first.writes[0].owner);
  EXPECT_EQ(got.writes[0].text, first.writes[0].text);
  EXPECT_TRUE(IsNamedAfterText(got.writes[0], domain_));
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
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_THAT(got.writes[0].text, HasSubstr("ip4:198.51.100.0/24"));
  EXPECT_NE(got.writes[0].owner, children_[0].owner) << "what caches have of it would be wrong";
  EXPECT_THAT(got.plan.after, HasSubstr("include:" + got.writes[0].owner.text()));
  // The old one is ours still: receivers may have the record that leads to it.
  EXPECT_THAT(ToText(got.plan.managed_after), HasSubstr(children_[0].owner.text()));
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

TEST(DiffSpfTest, ARecordOfThirtyThousandTermsIsComparedAsWell) {
  std::string before = "v=spf1";
  for (int i = 0; i < 30'000; ++i) before += i % 2 == 0 ? " a" : " ?a";
  before.resize(before.rfind(' ', kMaxSpfOctets - 10));
  const std::vector<TermChangeRecord> changes = DiffSpf(before, before + " mx", {}, {});
  ASSERT_GT(changes.size(), 20'000u);
  EXPECT_EQ(changes.back().term, "mx");
  EXPECT_EQ(changes.back().action, TermAction::kAdd);
  EXPECT_EQ(std::ranges::count(changes, TermAction::kKeep, &TermChangeRecord::action),
            static_cast<std::ptrdiff_t>(changes.size()) - 1);
  // Nothing is left out, however little it is told apart.
  EXPECT_GT(DiffSpf(before, "v=spf1 mx" + before.substr(6, 60'000), {}, {}).size(), 20'000u);
}

TEST(CompareVendorTest, NeitherFamilyGoesWithoutAPerson) {
  const auto needs = [](const std::vector<std::string>& before,
                        const std::vector<std::string>& now) {
    return CompareVendor(before, now).needs_person;
  };
  const std::vector<std::string> both = {"192.0.2.0/24", "2001:db8:1::/48", "2001:db8:3::/48",
                                         "2001:db8:5::/48", "2001:db8:7::/48"};
  EXPECT_EQ(needs(both, both), "");
  EXPECT_THAT(needs(both, {"192.0.2.0/24"}), HasSubstr("4 of 4 IPv6 networks would go"));
  EXPECT_THAT(
      needs(both, {"2001:db8:1::/48", "2001:db8:3::/48", "2001:db8:5::/48", "2001:db8:7::/48"}),
      HasSubstr("256 of 256 IPv4 addresses would go"));
  EXPECT_EQ(needs(both, {"192.0.2.0/24", "2001:db8:1::/48", "2001:db8:3::/48", "2001:db8:5::/48"}),
            "");
  EXPECT_THAT(needs({"2001:db8:1::/48", "2001:db8:3::/48"}, {"2001:db8:1::/48"}),
              HasSubstr("1 of 2 IPv6 networks would go"));
}

TEST_F(SpfCompileTest, AnExclusionBetweenTermsKeepsItsEffect) {
  // Of medium.test's addresses 192.0.2.64 to 79 fail; big.test lets 79 through before that.
  dns_.SetTxt(Name("medium.test"), {"v=spf1 include:o8.test ip4:192.0.2.64/26 ~all"});
  dns_.SetTxt(Name("big.test"),
              {"v=spf1 include:o5.test include:o6.test include:o7.test ip4:192.0.2.79 -all"});
  const std::vector<ManagedTerm> managed = {{"include:big.test", "big"},
                                            {"include:medium.test", "medium"}};
  const std::string live =
      Others(9) + " include:big.test -ip4:192.0.2.64/28 include:medium.test ~all";
  const std::vector<ApprovedSource> approved = {{"big", {"include:big.test"}},
                                                {"medium", {"include:medium.test"}}};
  const SpfCompiled got = Compile(live, managed, approved);
  ASSERT_EQ(got.flattened.size(), 2U);
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_EQ(got.plan.after,
            Others(9) + " include:" + got.writes[0].owner.text() + " -ip4:192.0.2.64/28 ~all");
  const IpRangeSet passing = ParseSpfChild(got.writes[0].text)->passing;
  EXPECT_FALSE(passing.Contains(*IpAddress::Parse("192.0.2.65")));
  EXPECT_TRUE(passing.Contains(*IpAddress::Parse("192.0.2.79")));
  EXPECT_TRUE(passing.Contains(*IpAddress::Parse("192.0.2.80")));
  const auto prove = [&](const TxtOverlay& children) {
    const SpfTree before = Expand(live);
    const SpfTree meant = Expand(UnflattenedText(domain_, got.plan.after, got.plan.managed_after));
    const SpfTree after = Expand(got.plan.after, children);
    return ProveSpf({domain_.text(), &before.root, &meant.root, &after.root, {}});
  };
  const std::string& text = got.writes[0].text;
  EXPECT_EQ(prove({{got.writes[0].owner, text}}).failure, "");
  // As if nobody had thought of it: proved against what is meant, not against how it is written.
  EXPECT_THAT(prove({{got.writes[0].owner, "v=spf1 ip4:192.0.2.65 " + text.substr(7)}}).failure,
              HasSubstr("192.0.2.65 to 192.0.2.65: flattened pass, not flattened fail"));
  // And the next plan still knows where each stood.
  EXPECT_EQ(UnflattenedText(domain_, got.plan.after, got.plan.managed_after), live);
  const SpfCompiled again = Compile(got.plan.after, got.plan.managed_after, approved, got.writes);
  EXPECT_EQ(again.plan.after, got.plan.after);
  EXPECT_EQ(again.plan.managed_after, got.plan.managed_after);
}

TEST_F(SpfCompileTest, AQuestionBetweenTermsKeepsThemApart) {
  dns_.SetTxt(Name("medium.test"), {"v=spf1 include:o8.test ip4:192.0.2.64/26 ~all"});
  dns_.SetTxt(Name("big.test"),
              {"v=spf1 include:o5.test include:o6.test include:o7.test ip4:192.0.2.79 -all"});
  const SpfCompiled got =
      Compile(Others(8) + " include:big.test -exists:%{i}.bad.test include:medium.test ~all",
              {{"include:big.test", "big"}, {"include:medium.test", "medium"}},
              {{"big", {"include:big.test"}}, {"medium", {"include:medium.test"}}});
  EXPECT_THAT(got.flattened, IsEmpty());
  EXPECT_THAT(got.writes, IsEmpty());
  ASSERT_FALSE(got.kept.empty());
  EXPECT_THAT(got.kept.back(), HasSubstr("cannot stand together"));
}

TEST_F(FlattenedTest, WhatOthersWriteLaterKeepsItsPlace) {
  const std::string carrier = "include:" + children_[0].owner.text();
  std::string edited = live_;
  edited.insert(edited.find(" include:o4.test"), " -ip4:192.0.2.7");
  edited.insert(edited.find(" ip4:192.0.2.200"), " ?ip4:192.0.2.8");
  EXPECT_EQ(UnflattenedText(domain_, edited, managed_),
            "v=spf1 include:o0.test include:o1.test include:o2.test include:o3.test "
            "-ip4:192.0.2.7 include:o4.test include:big.test ?ip4:192.0.2.8 ip4:192.0.2.200 ~all");
  // Where what stood before it is gone, it stands where its carrier does.
  EXPECT_EQ(UnflattenedText(domain_, "v=spf1 mx " + carrier + " -all", managed_),
            "v=spf1 mx include:big.test -all");
  // Where the carrier is gone, nobody is let through by it.
  EXPECT_EQ(UnflattenedText(domain_, "v=spf1 mx -all", managed_), "v=spf1 mx -all");
}

TEST_F(FlattenedTest, AChildThatSomebodyChangedIsNotBuiltUpon) {
  children_[0].text.replace(children_[0].text.find("192.0.2.64/26"), 13, "192.0.2.64/27");
  dns_.SetTxt(children_[0].owner, {children_[0].text});
  taken_.insert(children_[0].owner);
  const SpfCompiled got = Compile(live_, managed_, approved_, {});
  ASSERT_EQ(got.writes.size(), 1U);
  EXPECT_NE(got.writes[0].owner, children_[0].owner);
  EXPECT_THAT(got.writes[0].text, HasSubstr("192.0.2.64/26"));
}

TEST_F(FlattenedTest, WhatAVendorGaveBackIsInNoChildOnceItsTermReturns) {
  // The limit no longer forces it, and big.test has given half of its networks to somebody else.
  dns_.SetTxt(Name("b.big.test"), {"v=spf1 include:c.big.test -all"});
  live_ = live_.replace(live_.find(" include:o0.test"), 16, "");
  const SpfCompiled got = Compile(live_, managed_, approved_, children_);
  const SpfTree after = Expand(got.plan.after, {{children_[0].owner, children_[0].text}});
  EXPECT_FALSE(
      PassSetOf(after.root, domain_.text()).passing.Contains(*IpAddress::Parse("192.0.2.65")));
  EXPECT_THAT(got.writes, IsEmpty());
}

TEST(SpfChildrenTest, AChainKeepsItsEndAndChangesNoRecord) {
  SpfChainRequest request;
  request.domain = Name("d.test");
  request.max_octets = 105;  // two networks each
  std::vector<IpNetwork> networks;
  for (int i = 0; i < 8; ++i)
    networks.push_back(*IpNetwork::Parse(fmt::format("10.{}.0.0/24", 2 * i)));
  request.wanted = IpRangeSet(networks);
  const std::vector<SpfChild> first = LayOutChain(request).value();
  ASSERT_EQ(first.size(), 4U);
  EXPECT_EQ(ChainFrom(request.domain, first[0].owner, first).size(), 4U);
  request.chain = first;
  const auto texts = [](const std::vector<SpfChild>& chain, size_t from) {
    std::vector<std::string> out;
    for (size_t i = from; i < chain.size(); ++i) out.push_back(chain[i].text);
    return out;
  };
  // One goes that stands in the second: the first two are new, the others stay.
  const IpRangeSet second = ParseSpfChild(first[1].text)->passing;
  request.wanted = request.wanted.Minus(IpRangeSet({second.ToNetworks()[0]}));
  const std::vector<SpfChild> less = LayOutChain(request).value();
  ASSERT_EQ(less.size(), 4U);
  EXPECT_EQ(texts(less, 2), texts(first, 2));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(std::ranges::find(first, less[i].owner, &SpfChild::owner), first.end());
  }
  // One more goes that stands in the last: then fewer would do, so they are all new.
  const IpRangeSet last = ParseSpfChild(first[3].text)->passing;
  request.wanted = request.wanted.Minus(IpRangeSet({last.ToNetworks()[0]}));
  request.chain = less;
  const std::vector<SpfChild> few = LayOutChain(request).value();
  EXPECT_EQ(few.size(), 3U);
  for (const SpfChild& child : few) {
    EXPECT_LE(child.owner.text().size() + child.text.size(), 105U);
    EXPECT_TRUE(IsNamedAfterText(child, request.domain));
  }
  // What is wanted already is there.
  request.chain = few;
  EXPECT_EQ(texts(LayOutChain(request).value(), 0), texts(few, 0));
  // Nothing is built upon a chain that is not whole.
  EXPECT_THAT(ChainFrom(request.domain, few[0].owner, {few[0], few[2]}), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
