#include "policyd/watch/names.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

TEST(OwnNames, AreThoseOfMail) {
  EXPECT_THAT(OwnNames(Name("example.com"), {"s1"}),
              ElementsAre(ObservedName{"example.com", RecordKind::kSpf},
                          ObservedName{"_dmarc.example.com", RecordKind::kDmarc},
                          ObservedName{"example.com", RecordKind::kMx},
                          ObservedName{"_mta-sts.example.com", RecordKind::kMtaSts},
                          ObservedName{"_smtp._tls.example.com", RecordKind::kTlsRpt},
                          ObservedName{"s1._domainkey.example.com", RecordKind::kDkim}));
  EXPECT_EQ(TypeOf(RecordKind::kMx), RrType::kMx);
  EXPECT_EQ(TypeOf(RecordKind::kMtaSts), RrType::kTxt);
}

TEST(OwnNames, ASelectorThatMakesNoNameIsLeftOut) {
  EXPECT_THAT(OwnNames(Name("example.com"), {std::string(64, 'a'), "a..b", "ok"}), SizeIs(6));
}

struct Case {
  const char* name;
  std::vector<std::string> values;
  std::vector<std::string> want;
};
const Case kCases[] = {
    {"Includes", {"x", "v=spf1 include:a.test mx ?include:B.test. -all"}, {"a.test", "b.test"}},
    {"Twice", {"v=spf1 include:a.test include:a.test -all"}, {"a.test"}},
    {"Redirect", {"v=spf1 redirect=a.test"}, {"a.test"}},
    {"RedirectBesideAll", {"v=spf1 -all redirect=a.test"}, {}},
    {"OtherMechanisms", {"v=spf1 a:a.test mx:b.test exists:c.test ptr:d.test -all"}, {}},
    {"Macros", {"v=spf1 include:%{i}.a.test -all"}, {}},
    {"NoRecord", {"hello"}, {}},
    {"TwoRecords", {"v=spf1 include:a.test -all", "v=spf1 -all"}, {}},
    {"SyntaxError", {"v=spf1 include:a.test nonsense:x -all"}, {}},
};
TEST(SpfReferences, AreIncludesAndRedirect) {
  for (const Case& test : kCases) {
    std::vector<std::string> got;
    for (const DomainName& name : SpfReferences(test.values)) got.push_back(name.text());
    EXPECT_EQ(got, test.want) << test.name;
  }
}

TEST(IncludedNames, FollowsTheTreeOnceThroughLoops) {
  std::map<std::string, std::vector<std::string>> live = {
      {"a.test", {"v=spf1 include:b.test include:example.com -all"}},
      {"b.test", {"v=spf1 include:a.test include:gone.test -all"}}};
  std::vector<std::string> asked;
  const auto names =
      IncludedNames(Name("example.com"), {"v=spf1 include:a.test include:b.test -all"}, 100,
                    [&](const DomainName& name) {
                      asked.push_back(name.text());
                      return live[name.text()];
                    });
  EXPECT_THAT(names, ElementsAre(Name("a.test"), Name("b.test"), Name("gone.test")));
  EXPECT_THAT(asked, ElementsAre("a.test", "b.test", "gone.test"));
}

TEST(IncludedNames, AreBounded) {
  // Each name includes two that nobody has seen.
  const auto endless = [](const DomainName& name) {
    return std::vector<std::string>{"v=spf1 include:a." + name.text() + " include:b." +
                                    name.text() + " -all"};
  };
  EXPECT_THAT(IncludedNames(Name("example.com"), endless(Name("x.test")), 10, endless), SizeIs(10));
  EXPECT_THAT(IncludedNames(Name("example.com"), endless(Name("x.test")), 0, endless), IsEmpty());
}

}  // namespace
}  // namespace dmarcate
