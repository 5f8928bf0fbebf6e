#include "lib/mailauth/alignment.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/lib/mailauth/corpus.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

std::vector<std::string> Texts(const std::vector<DomainName>& names) {
  std::vector<std::string> out;
  for (const DomainName& name : names) out.push_back(name.text());
  return out;
}

TEST(TreeWalk, AsksAtMostEightNames) {
  EXPECT_THAT(Texts(TreeWalk(Name("a.example.com"))),
              ElementsAre("a.example.com", "example.com", "com"));
  EXPECT_THAT(Texts(TreeWalk(Name("com"))), ElementsAre("com"));
  EXPECT_TRUE(TreeWalk(DomainName()).empty());
  // RFC 9989 section 4.10: seven labels cost seven queries, eight cost eight, more cost eight too.
  EXPECT_EQ(TreeWalk(Name("a.b.c.d.e.f.com")).size(), 7u);
  EXPECT_EQ(TreeWalk(Name("a.b.c.d.e.f.g.com")).size(), 8u);
  EXPECT_THAT(Texts(TreeWalk(Name("a.b.c.d.e.f.g.h.i.j.mail.example.com"))),
              ElementsAre("a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com",
                          "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com",
                          "mail.example.com", "example.com", "com"));
}

struct OrgCase {
  std::string name;
  std::string start;
  std::vector<std::pair<std::string, char>> found;
  std::string want;
};
const OrgCase kOrgs[] = {
    {"NothingFound", "a.example.com", {}, "a.example.com"},
    {"FewestLabels",
     "a.b.example.com",
     {{"b.example.com", 'u'}, {"example.com", 'u'}},
     "example.com"},
    {"PsdNoEndsTheWalk",
     "a.b.example.com",
     {{"b.example.com", 'n'}, {"example.com", 'u'}},
     "b.example.com"},
    {"BelowAPublicSuffixDomain",
     "a.mega.bank.example",
     {{"bank.example", 'y'}},
     "mega.bank.example"},
    {"AnOwnRecordBelowAPublicSuffixDomain",
     "giant.bank.example",
     {{"giant.bank.example", 'u'}, {"bank.example", 'y'}},
     "giant.bank.example"},
    {"APublicSuffixDomainThatSends", "bank.example", {{"bank.example", 'y'}}, "bank.example"},
    {"AStrayRecordAtATldSwallowsAll", "a.example.com", {{"example.com", 'u'}, {"com", 'u'}}, "com"},
};
class OrganizationalDomainTest : public testing::TestWithParam<OrgCase> {};
TEST_P(OrganizationalDomainTest, ByTreeWalk) {
  std::vector<WalkRecord> found;
  for (const auto& [domain, psd] : GetParam().found) found.push_back({Name(domain), psd});
  EXPECT_EQ(OrganizationalDomain(Name(GetParam().start), found), Name(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, OrganizationalDomainTest, testing::ValuesIn(kOrgs),
                         [](const auto& tested) { return tested.param.name; });

constexpr char kRules[] =
    "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n*.ck\n!www.ck\n// ===END ICANN DOMAINS===\n"
    "// ===BEGIN PRIVATE DOMAINS===\nhosted.com\n// ===END PRIVATE DOMAINS===\n";

TEST(PublicSuffixList, FollowsItsRules) {
  const auto list = ParsePublicSuffixList(kRules).value();
  const auto org = [&list](std::string_view name) {
    return list->OrganizationalDomain(Name(name)).text();
  };
  EXPECT_EQ(org("a.b.example.com"), "example.com");
  EXPECT_EQ(org("a.example.co.uk"), "example.co.uk");
  EXPECT_EQ(org("co.uk"), "co.uk");
  EXPECT_EQ(org("a.b.c.ck"), "b.c.ck");
  EXPECT_EQ(org("a.www.ck"), "www.ck");
  EXPECT_EQ(org("a.b.unlisted"), "b.unlisted");
  EXPECT_EQ(org("a.me.hosted.com"), "me.hosted.com");
  const auto icann = ParsePublicSuffixList(kRules, PrivateSuffixes::kIgnore).value();
  EXPECT_EQ(icann->OrganizationalDomain(Name("a.me.hosted.com")), Name("hosted.com"));
}

TEST(PublicSuffixList, RefusesWhatHoldsNoRule) {
  EXPECT_FALSE(ParsePublicSuffixList("").ok());
  EXPECT_FALSE(ParsePublicSuffixList("// nothing\n").ok());
  EXPECT_EQ(BuiltinPublicSuffixList()->OrganizationalDomain(Name("a.b.example.co.uk")),
            Name("example.co.uk"));
}

TEST(IsAligned, StrictAndRelaxed) {
  const auto list = ParsePublicSuffixList(kRules).value();
  const auto aligned = [&](DmarcAlignmentMode mode, std::string_view a, std::string_view b) {
    return IsAligned(mode, Name(a), Name(b), *list);
  };
  EXPECT_TRUE(aligned(DmarcAlignmentMode::kRelaxed, "example.com", "bounce.example.com"));
  EXPECT_FALSE(aligned(DmarcAlignmentMode::kStrict, "example.com", "bounce.example.com"));
  EXPECT_TRUE(aligned(DmarcAlignmentMode::kStrict, "Example.com", "example.com"));
  EXPECT_FALSE(aligned(DmarcAlignmentMode::kRelaxed, "example.com", "example.co.uk"));
  EXPECT_TRUE(IsAligned(DmarcAlignmentMode::kRelaxed, Name("a.x.com"), Name("x.com"),
                        Name("b.x.com"), Name("x.com")));
  EXPECT_FALSE(IsAligned(DmarcAlignmentMode::kStrict, Name("a.x.com"), Name("x.com"),
                         Name("b.x.com"), Name("x.com")));
}

// Checks one line of the list's own tests; "null" means that there is no registrable domain.
void ExpectRegistrableDomain(const PublicSuffixList& list, const std::string& input,
                             const std::string& want) {
  const std::string where = input + " " + want;
  const auto name = DomainName::Parse(input);
  if (!name.ok()) {
    EXPECT_EQ(want, "null") << where;
  } else if (want == "null") {
    EXPECT_TRUE(input == "null" || list.IsPublicSuffix(*name)) << where;
  } else {
    EXPECT_EQ(list.OrganizationalDomain(*name), Name(want)) << where;
  }
}

TEST(PslCorpus, PassesTheListsOwnTests) {
  const std::string rules = ReadCorpus("psl/public_suffix_list.dat");
  if (rules.empty()) GTEST_SKIP() << "no corpus";
  const auto list = ParsePublicSuffixList(rules).value();
  std::istringstream lines(ReadCorpus("psl/tests.txt"));
  int checked = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string input;
    std::string want;
    if (line.starts_with("//") || !(words >> input >> want)) continue;
    ExpectRegistrableDomain(*list, input, want);
    ++checked;
  }
  EXPECT_EQ(checked, 78);
}

// The same as calls: checkPublicSuffix('input', 'registrable domain').
TEST(PslCorpus, PassesTheListsOwnTestsAsCalls) {
  const std::string rules = ReadCorpus("psl/public_suffix_list.dat");
  if (rules.empty()) GTEST_SKIP() << "no corpus";
  const auto list = ParsePublicSuffixList(rules).value();
  constexpr std::string_view kCall = "checkPublicSuffix(";
  constexpr std::string_view kEnd = ");";
  std::istringstream lines(ReadCorpus("psl/test_psl.txt"));
  int checked = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string_view call = TrimAscii(line);
    if (call.empty() || call.starts_with("//")) continue;
    ASSERT_TRUE(call.starts_with(kCall) && call.ends_with(kEnd)) << line;
    std::vector<std::string> arguments;
    const std::string_view inside =
        call.substr(kCall.size(), call.size() - kCall.size() - kEnd.size());
    for (std::string_view argument : Split(inside, ',')) {
      argument = TrimAscii(argument);
      if (argument.starts_with('\'')) argument = argument.substr(1, argument.size() - 2);
      arguments.emplace_back(argument);
    }
    ASSERT_EQ(arguments.size(), 2u) << line;
    ExpectRegistrableDomain(*list, arguments[0], arguments[1]);
    ++checked;
  }
  EXPECT_EQ(checked, 78);
}

TEST(AlignmentCorpus, AgreesWithOthers) {
  const auto cases = ReadCorpusLines("dns-records/alignment.jsonl");
  if (cases.empty()) GTEST_SKIP() << "no corpus";
  const auto list = BuiltinPublicSuffixList();
  int by_tree_walk = 0;
  for (const auto& line : cases) {
    // OpenDMARC strips dots at both ends before it compares; so does whoever calls us.
    const auto parse = [](std::string text) {
      while (text.starts_with('.')) text.erase(0, 1);
      while (text.ends_with('.')) text.pop_back();
      return DomainName::Parse(text);
    };
    const auto a = parse(line["a"]);
    const auto b = parse(line["b"]);
    const DmarcAlignmentMode mode =
        line["mode"] == "s" ? DmarcAlignmentMode::kStrict : DmarcAlignmentMode::kRelaxed;
    EXPECT_EQ(a.ok() && b.ok() && IsAligned(mode, *a, *b, *list), line["aligned"]) << line;
    if (!line["method"].get<std::string>().starts_with("either")) continue;
    // By tree walk as well, "with a policy record at example.com and none at com".
    const auto organizational_domain = [](const DomainName& name) {
      std::vector<WalkRecord> found;
      for (const DomainName& one : TreeWalk(name)) {
        if (one == Name("example.com")) found.push_back({one, 'u'});
      }
      return OrganizationalDomain(name, found);
    };
    EXPECT_EQ(IsAligned(mode, *a, organizational_domain(*a), *b, organizational_domain(*b)),
              line["aligned"])
        << line;
    ++by_tree_walk;
  }
  EXPECT_EQ(by_tree_walk, 7);
}

TEST(DiscoveryCorpus, TreeWalksAsTheStandardSays) {
  const auto cases = ReadCorpusLines("dns-records/dmarc-discovery.jsonl");
  if (cases.empty()) GTEST_SKIP() << "no corpus";
  for (const auto& line : cases) {
    if (!line.contains("start")) continue;
    const DomainName start = Name(line["start"].get<std::string>());
    std::vector<std::string> queries;
    std::vector<WalkRecord> found;
    for (const DomainName& name : TreeWalk(start)) {
      queries.push_back("_dmarc." + name.text());
      if (!line.contains("dns") || !line["dns"].contains(queries.back())) continue;
      const auto record = ParseDmarc(line["dns"][queries.back()][0].get<std::string>()).value();
      found.push_back({name, record.Verdict(DmarcStandard::kRfc9989).psd});
    }
    if (line.contains("queries")) {
      EXPECT_EQ(nlohmann::json(queries), line["queries"]) << line;
    }
    if (line.contains("org_domain")) {
      EXPECT_EQ(OrganizationalDomain(start, found).text(), line["org_domain"]) << line;
    }
  }
}

}  // namespace
}  // namespace dmarcate
