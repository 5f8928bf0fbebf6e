#include "lib/mailauth/dmarc_near.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using testing::HasSubstr;

struct Case {
  std::string name, text;
  std::string repaired;  // empty: it cannot be told
  std::string why;       // a part; empty: it is no near miss
};
void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

class DmarcNearMissTest : public testing::TestWithParam<Case> {};
TEST_P(DmarcNearMissTest, Case) {
  const auto found = FindDmarcNearMiss(GetParam().text);
  ASSERT_EQ(found.has_value(), !GetParam().why.empty());
  if (!found.has_value()) return;
  EXPECT_EQ(found->repaired, GetParam().repaired);
  EXPECT_THAT(found->why, HasSubstr(GetParam().why));
  // What it is repaired to is a record, and none that is nearly one.
  if (!found->repaired.empty()) {
    EXPECT_FALSE(FindDmarcNearMiss(found->repaired).has_value());
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, DmarcNearMissTest,
    testing::Values(
        Case{"ARecord", "v=DMARC1; p=none", "", ""},
        Case{"ABadRecordIsOneAllTheSame", "v=DMARC1; p=nonsense", "", ""},
        Case{"TheOldGrammarOfBlanks", "v = DMARC1 ; p=none", "", ""},
        Case{"SomethingElse", "v=spf1 -all", "", ""}, Case{"Nothing", "", "", ""},
        Case{"AVersionToCome", "v=DMARC2; p=none", "", ""},
        Case{"AnotherWord", "v=DMARC10; p=none", "", ""},
        Case{"OnlyTheWord", "DMARC1; p=none", "", ""},
        Case{"ALeadingBlank", " v=DMARC1; p=none", "v=DMARC1; p=none", "blanks before"},
        Case{"ALeadingTab", "\tv=DMARC1; p=none", "v=DMARC1; p=none", "blanks before"},
        Case{"Quotes", "\"v=DMARC1; p=none\"", "v=DMARC1; p=none", "quotes"},
        Case{"AComma", "v=DMARC1, p=none", "v=DMARC1; p=none", "a comma follows the version"},
        Case{"CommasBetweenTags", "v=DMARC1, p=none, rua=mailto:a@a.test,mailto:b@a.test, sp=none",
             "v=DMARC1; p=none; rua=mailto:a@a.test,mailto:b@a.test; sp=none",
             "commas stand between tags"},
        Case{"NoSemicolon", "v=DMARC1 p=none; sp=none", "v=DMARC1; p=none; sp=none",
             "no semicolon"},
        Case{"LowerCase", "v=dmarc1; p=none", "v=DMARC1; p=none", "not written v=DMARC1"},
        Case{"Backslashes", "v=DMARC1\\; p=none\\; sp=none", "v=DMARC1; p=none; sp=none",
             "backslashes"},
        Case{"AllAtOnce", " \"v=Dmarc1, p=none\" ", "v=DMARC1; p=none", "quotes"},
        Case{"WithABadPolicy", " v=DMARC1; p=nonsense", "", "blanks before"},
        Case{"ATagTwice", "v=DMARC1, p=none, p=reject", "", "a comma"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace dmarcate
