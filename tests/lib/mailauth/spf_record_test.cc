#include "lib/mailauth/spf_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SpfRecord Spf(std::string_view text) { return ParseSpf(text).value(); }
SpfTerm Term(std::string_view text) { return ParseSpfTerm(text).value(); }

// Records that parse keep every byte.
const std::string kValid[] = {
    "v=spf1",
    "v=spf1 ",
    "V=SPF1 -ALL",
    "v=spf1   mx  ~all   ",
    "v=spf1 a a:example.com a/24 a//64 a/24//64 a:example.com/24//64 -all",
    "v=spf1 mx:example.com/0//0 ?all",
    "v=spf1 ip4:192.0.2.1 ip4:192.0.2.0/24 ip4:0.0.0.0/0 -all",
    "v=spf1 ip6:2001:db8::1 ip6:2001:DB8::/32 ip6:::/0 ip6:::ffff:192.0.2.1/120 -all",
    "v=spf1 include:_spf.example.com include:example.com. -all",
    "v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all",
    "v=spf1 exists:%{l1r-}.%{D}.%%.%_.%-.example.com -all",
    "v=spf1 ptr ptr:example.com -all",
    "v=spf1 redirect=_spf.example.com",
    "v=spf1 redirect=%{d} exp=exp.%{d}",
    "v=spf1 moo.cow-far_out=man:dog/cat a=1 mx=%{c} -all",
    "v=spf1 include:a.b--c include:x.1-2 -all",
    "v=spf1 exists:foo/24.example.com -all",
    "v=spf1 -exists:a.example ?include:b.example +mx ~a -all",
};

TEST(ParseSpf, KeepsEveryByte) {
  for (const std::string& text : kValid) {
    const auto record = ParseSpf(text);
    ASSERT_TRUE(record.ok()) << text << ": " << record.status();
    EXPECT_EQ(record->Render(), text);
    EXPECT_EQ(*ParseSpf(record->Render()), *record);
  }
}

struct BadCase {
  std::string name;
  std::string text;
  int position;
  std::string message;
};
const BadCase kBad[] = {
    {"Empty", "", 0, "v=spf1"},
    {"OtherVersion", "v=spf10 -all", 0, "v=spf1"},
    {"LeadingBlank", " v=spf1 -all", 0, "v=spf1"},
    {"Tab", "v=spf1 mx\t-all", 9, "unexpected"},
    {"TabInDomain", "v=spf1 include:a.b\tc.d -all", 18, "printable"},
    {"NonAscii", "v=spf1 include:\xc3\xbc.example -all", 15, "printable"},
    {"NoBreakSpace", "v=spf1 a:exa\xc2\xa0mple.com", 12, "printable"},
    {"UnknownMechanism", "v=spf1 inlcude:example.com -all", 7, "did you mean 'include'"},
    {"NoName", "v=spf1 :example.com", 7, "no term"},
    {"QualifierAlone", "v=spf1 - all", 8, "no term"},
    {"QualifierOnModifier", "v=spf1 -redirect=example.com", 7, "qualifier"},
    {"AllWithSomething", "v=spf1 all:example.com", 10, "behind 'all'"},
    {"IncludeWithoutDomain", "v=spf1 include -all", 14, "needs ':'"},
    {"IncludeWithEmptyDomain", "v=spf1 include: -all", 15, "missing"},
    {"IncludeWithPrefix", "v=spf1 include:example.com/24", 15, "top-level"},
    {"SingleLabel", "v=spf1 include:localhost", 15, "two labels"},
    {"AddressAsName", "v=spf1 a:192.0.2.1 -all", 9, "written ip4:"},
    {"Ip4LeadingZero", "v=spf1 ip4:192.0.2.01", 11, "IPv4"},
    {"Ip4Short", "v=spf1 ip4:192.0.2/24", 11, "IPv4"},
    {"Ip4WithIpv6", "v=spf1 ip4:2001:db8::1", 11, "IPv4"},
    {"Ip6WithIpv4", "v=spf1 ip6:192.0.2.1", 11, "IPv6"},
    {"Ip4Prefix33", "v=spf1 ip4:192.0.2.0/33", 21, "0 to 32"},
    {"Ip4PrefixZeroPadded", "v=spf1 ip4:192.0.2.0/024", 21, "0 to 32"},
    {"Ip4PrefixEmpty", "v=spf1 ip4:192.0.2.0/", 21, "0 to 32"},
    {"Ip6Prefix129", "v=spf1 ip6:2001:db8::/129", 22, "0 to 128"},
    {"APrefix33", "v=spf1 a/33", 9, "0 to 32"},
    {"APrefixHuge", "v=spf1 a/99999999999999999999", 9, "0 to 32"},
    {"AColonOnly", "v=spf1 a: -all", 9, "missing"},
    {"TwoRedirects", "v=spf1 redirect=a.b redirect=a.b", 20, "second 'redirect='"},
    {"TwoExps", "v=spf1 exp=a.b exp=c.d", 15, "second 'exp='"},
    {"RedirectEmpty", "v=spf1 redirect=", 16, "missing"},
    {"MacroLetter", "v=spf1 exists:%{x}.example.com", 14, "no such macro letter"},
    {"MacroForExplanations", "v=spf1 exists:%{c}.example.com", 14, "explanations only"},
    {"MacroKeepsZero", "v=spf1 exists:%{d0}", 14, "0 labels"},
    {"MacroOpen", "v=spf1 exists:%{d.example.com", 14, "not closed"},
    {"PercentAlone", "v=spf1 exists:%a.example.com", 14, "no macro"},
    {"GluedStrings", "v=spf1 ip4:192.0.2.1ip4:192.0.2.2 -all", 11, "IPv4"},
    {"TooLong", "v=spf1 " + std::string(70000, 'a'), 65535, "longer"},
};
class BadSpfTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadSpfTest, NamesThePosition) {
  const auto record = ParseSpf(GetParam().text);
  ASSERT_EQ(record.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MessageOf(record.status())), HasSubstr(GetParam().message));
  EXPECT_EQ(PositionOf(record.status()), GetParam().position) << record.status();
}
INSTANTIATE_TEST_SUITE_P(All, BadSpfTest, testing::ValuesIn(kBad),
                         [](const auto& tested) { return tested.param.name; });

TEST(SpfTerm, IsReadInParts) {
  const SpfTerm term = Term("~MX:Mail.Example.com/24//64");
  EXPECT_EQ(term.kind, SpfKind::kMx);
  EXPECT_EQ(term.qualifier, SpfQualifier::kSoftFail);
  EXPECT_EQ(term.domain_spec, "Mail.Example.com");
  EXPECT_EQ(term.ipv4_prefix_length, 24);
  EXPECT_EQ(term.ipv6_prefix_length, 64);
  EXPECT_TRUE(term.costs_lookup());
  EXPECT_EQ(Term("ip4:192.0.2.77/24").network->ToString(), "192.0.2.0/24");
  EXPECT_EQ(Term("ip6:::ffff:192.0.2.1").network, std::nullopt);
  EXPECT_EQ(Term("ip6:::ffff:192.0.2.1/0").network->ToString(), "::/0");
  EXPECT_EQ(Term("Foo.Bar=Baz").name, "foo.bar");
}

TEST(SpfTerm, CostsALookupByKind) {
  for (const char* const text : {"include:a.b", "a", "mx", "ptr", "exists:a.b", "redirect=a.b"}) {
    EXPECT_TRUE(Term(text).costs_lookup()) << text;
  }
  for (const char* const text : {"all", "ip4:192.0.2.1", "ip6:::1", "exp=a.b", "foo=bar"}) {
    EXPECT_FALSE(Term(text).costs_lookup()) << text;
  }
}

TEST(SpfTerm, EqualsByMeaning) {
  EXPECT_EQ(Term("+A:Example.com."), Term("a:example.com/32//128"));
  EXPECT_EQ(Term("ip4:192.0.2.1"), Term("ip4:192.0.2.1/32"));
  EXPECT_EQ(Term("ip4:192.0.2.9/24"), Term("ip4:192.0.2.0/24"));
  EXPECT_EQ(Term("ip6:2001:DB8:0::1"), Term("ip6:2001:db8::1"));
  EXPECT_NE(Term("include:a.test"), Term("include:b.test"));
  EXPECT_NE(Term("include:a.test"), Term("?include:a.test"));
  EXPECT_NE(Term("a/24"), Term("a"));
  EXPECT_NE(Term("exists:%{L}.a.test"), Term("exists:%{l}.a.test"));
  EXPECT_NE(Term("ip6:::ffff:192.0.2.1"), Term("ip6:::ffff:192.0.2.2"));
  EXPECT_NE(Term("foo=a"), Term("foo=A"));
}

TEST(SpfRecord, TakesTermsBeforeAll) {
  struct InsertCase {
    std::string before;
    std::string after;
  };
  const InsertCase cases[] = {
      {"v=spf1 mx  ~all", "v=spf1 mx include:a.test  ~all"},
      {"v=spf1", "v=spf1 include:a.test"},
      {"v=spf1 mx redirect=b.test", "v=spf1 mx include:a.test redirect=b.test"},
      {"v=spf1 exp=x.test  -all ", "v=spf1 exp=x.test include:a.test  -all "},
      {"v=spf1 -all mx", "v=spf1 include:a.test -all mx"},
  };
  for (const InsertCase& insert : cases) {
    SpfRecord record = Spf(insert.before);
    record.InsertBeforeAll(Term("include:a.test"));
    EXPECT_EQ(record.Render(), insert.after);
    EXPECT_TRUE(ParseSpf(record.Render()).ok());
    EXPECT_TRUE(record.Find(Term("+include:A.TEST")).has_value());
  }
}

TEST(SelectSpf, FollowsSection45) {
  using Outcome = SpfSelection::Outcome;
  EXPECT_EQ(SelectSpf({}).outcome, Outcome::kNone);
  EXPECT_EQ(SelectSpf({"v=spf10", " v=spf1", "\"v=spf1\"", "v=spf1\t-all", "google=x"}).outcome,
            Outcome::kNone);
  const auto one = SelectSpf({"google=x", "V=SPF1 -all"});
  EXPECT_EQ(one.outcome, Outcome::kOne);
  EXPECT_THAT(one.indexes, ElementsAre(1));
  EXPECT_EQ(SelectSpf({"v=spf1", "v=spf1"}).outcome, Outcome::kMultiple);
}

TEST(StaticSuffix, IsWhatFollowsTheLastMacro) {
  EXPECT_EQ(StaticSuffix("Example.com."), "example.com");
  EXPECT_EQ(StaticSuffix("%{ir}.%{v}._spf.example.com"), "_spf.example.com");
  EXPECT_EQ(StaticSuffix("%{i}x.example.com"), "example.com");
  EXPECT_EQ(StaticSuffix("foo.%{d}"), "");
}

TEST(LintSpf, StaysQuickAndShort) {
  std::string text = "v=spf1";
  while (text.size() + 2 <= kMaxSpfOctets) text += " a";
  EXPECT_EQ(LintSpf(Spf(text)).size(), 100u);
}

struct LintCase {
  std::string name;
  std::string text;
  std::vector<std::string> want;  // "CODE path"
};
const LintCase kLints[] = {
    {"Good", "v=spf1 include:a.test ip4:192.0.0.0/16 -all", {}},
    {"RedirectNeedsNoAll", "v=spf1 redirect=a.test", {}},
    {"PlusAll", "v=spf1 all", {"SPF_PLUS_ALL spf/all"}},
    {"NoAll", "v=spf1 mx", {"SPF_NO_ALL spf"}},
    {"Ptr", "v=spf1 ptr ~all", {"SPF_PTR spf/ptr"}},
    {"WideIpv4", "v=spf1 ip4:10.0.0.0/15 ~all", {"SPF_TOO_WIDE spf/ip4:10.0.0.0/15"}},
    {"WideIpv6", "v=spf1 ip6:2001::/31 ~all", {"SPF_TOO_WIDE spf/ip6:2001::/31"}},
    {"WideAroundA", "v=spf1 a/8 ~all", {"SPF_TOO_WIDE spf/a/8"}},
    {"WideButNotPassing", "v=spf1 -ip4:10.0.0.0/8 ~all", {}},
    {"AfterAll", "v=spf1 -all mx exp=a.test", {"SPF_AFTER_ALL spf/mx"}},
    {"RedirectBesideAll", "v=spf1 redirect=a.test -all", {"SPF_AFTER_ALL spf/redirect=a.test"}},
    {"Twice", "v=spf1 mx +MX -all", {"SPF_DUPLICATE_TERM spf/+MX"}},
};
class SpfLintTest : public testing::TestWithParam<LintCase> {};
TEST_P(SpfLintTest, Finds) {
  std::vector<std::string> got;
  for (const LintFinding& finding : LintSpf(Spf(GetParam().text))) {
    got.push_back(finding.code + " " + finding.path);
    EXPECT_FALSE(finding.message.empty());
    EXPECT_FALSE(finding.fix_hint.empty());
    EXPECT_THAT(finding.rfc_section, HasSubstr("RFC 7208"));
    if (finding.position >= 0) {
      const std::string term = finding.metadata.at("term");
      EXPECT_EQ(GetParam().text.substr(static_cast<size_t>(finding.position), term.size()), term);
    }
  }
  EXPECT_EQ(got, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, SpfLintTest, testing::ValuesIn(kLints),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace dmarcate
