#include "lib/mailauth/bimi_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/status_macros.h"
#include "lib/mailauth/syntax_error.h"
#include "tests/lib/mailauth/bad_case.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ParseBimi, ReadsTagsAndKeepsEveryByte) {
  const std::string text =
      "v = BIMI1 ;\tl=https://x.test/logo!1.svg?a=b%2Cc ;a= https://x.test/vmc.pem; "
      "avp=personal;lps=true; New_1=any thing; ";
  const auto record = ParseBimi(text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->location->text, "https://x.test/logo!1.svg?a=b%2Cc");
  EXPECT_EQ(record->location->host, "x.test");
  EXPECT_EQ(record->authority->text, "https://x.test/vmc.pem");
  EXPECT_EQ(record->avatar, BimiAvatar::kPersonal);
  EXPECT_TRUE(record->local_part_selectors);
  EXPECT_FALSE(record->declined());
  EXPECT_EQ(record->tags.size(), 6u);
  EXPECT_EQ(record->Find("New_1")->value, "any thing");
  EXPECT_EQ(record->Find("new_1"), nullptr);
  EXPECT_EQ(text.substr(static_cast<size_t>(record->Find("avp")->position), 4), "avp=");
  EXPECT_EQ(record->Render(), text);
  EXPECT_EQ(ParseBimi(record->Render()).value(), *record);
}

TEST(ParseBimi, HasDefaults) {
  const auto declined = ParseBimi("v=BIMI1; l=; a=;").value();
  EXPECT_TRUE(declined.declined());
  const auto plain = ParseBimi("v=BIMI1;l=https://x.test/a.svg").value();
  EXPECT_FALSE(plain.authority.has_value());
  EXPECT_EQ(plain.avatar, BimiAvatar::kBrand);
  EXPECT_FALSE(plain.local_part_selectors);
  EXPECT_EQ(ParseBimi("v=BIMI1;l=;avp=Personal").value().avatar, BimiAvatar::kBrand);
}

TEST(ParseBimi, ReadsSelectorsByLocalPart) {
  const struct {
    std::string lps;
    bool want;
    std::vector<std::string> want_prefixes;
  } cases[] = {
      {"lps=true", true, {}},
      {"lps=false", false, {}},
      {"lps=", true, {}},
      {"lps=newsletter,\toffers-1 , X", true, {"newsletter", "offers-1", "X"}},
      {"lps=true,news", true, {"true", "news"}},
      {"lps=" + std::string(63, 'a'), true, {std::string(63, 'a')}},
      {"lps=" + std::string(64, 'a'), false, {}},
      {"lps=a,,b", false, {}},
      {"lps=a.b", false, {}},
      {"LPS=a", false, {}},
      {"x=y", false, {}},
  };
  for (const auto& test : cases) {
    const auto record = ParseBimi("v=BIMI1; l=; a=; " + test.lps);
    ASSERT_TRUE(record.ok()) << test.lps << record.status();
    EXPECT_EQ(record->local_part_selectors, test.want) << test.lps;
    EXPECT_EQ(record->local_part_prefixes, test.want_prefixes) << test.lps;
    // Draft -10 section 4.3.1: only the default is declined where selectors are asked.
    EXPECT_EQ(record->declined(), !test.want) << test.lps;
  }
}

const BadCase kBad[] = {
    {"Empty", "", "begin with v=BIMI1", 0},
    {"VersionInLowerCase", "v=bimi1; l=", "begin with v=BIMI1", 0},
    {"VersionTagInUpperCase", "V=BIMI1; l=", "begin with v=BIMI1", 0},
    {"OtherVersion", "v=BIMI2; l=", "begin with v=BIMI1", 0},
    {"VersionLast", "l=; v=BIMI1", "begin with v=BIMI1", 0},
    {"NoL", "v=BIMI1; a=", "no l", 11},
    {"LInUpperCase", "v=BIMI1; L=https://x.test/a.svg", "no l", 31},
    {"Twice", "v=BIMI1; l=; l=", "twice", 12},
    {"NoTag", "v=BIMI1; l=; hello", "no tag", 12},
    {"Http", "v=BIMI1; l=http://x.test/a.svg", "not https", 9},
    {"TwoUris", "v=BIMI1; l=https://x.test/a.svg,https://y.test/a.svg", "percent-encoded", 9},
    {"NoUri", "v=BIMI1; l=x.test/a.svg", "no scheme", 9},
    {"NoHost", "v=BIMI1; l=https:///a.svg", "qualified", 9},
    {"OneLabel", "v=BIMI1; l=https://localhost/a.svg", "qualified", 9},
    {"Address", "v=BIMI1; l=https://192.0.2.1/a.svg", "qualified", 9},
    {"AuthorityIsHttp", "v=BIMI1; l=; a=http://x.test/a.pem", "tag a", 13},
    {"NonAscii", "v=BIMI1; l=https://x.test/\xc3\xbc.svg", "printable", 8},
    {"TooLong", "v=BIMI1; l=; x=" + std::string(65535, 'a'), "longer", 65535},
};
class BadBimiTest : public testing::TestWithParam<BadCase> {};
TEST_P(BadBimiTest, SaysWhyAndWhere) {
  ExpectRefused(ParseBimi(GetParam().text).status(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(All, BadBimiTest, testing::ValuesIn(kBad),
                         [](const auto& tested) { return tested.param.name; });

TEST(LintBimi, Finds) {
  const auto lint = [](std::string_view text) {
    std::vector<std::string> out;
    for (const LintFinding& finding : LintBimi(ParseBimi(text).value())) {
      out.push_back(fmt::format("{} {} {} {}", ToString(finding.severity), finding.code,
                                finding.path, finding.position));
      EXPECT_FALSE(finding.message.empty());
      EXPECT_TRUE(finding.fix_hint.ends_with('.')) << finding.fix_hint;
      EXPECT_THAT(finding.rfc_section, HasSubstr("section 4.3"));
    }
    return out;
  };
  EXPECT_THAT(
      lint("v=BIMI1; l=https://x.test/a.svg; a=https://x.test/a.pem; avp=brand; lps=news,a"),
      IsEmpty());
  EXPECT_THAT(lint("v=BIMI1; l=https://x.test/a.SVGZ?x#y; a=https://x.test/a.pem"), IsEmpty());
  EXPECT_THAT(lint("v=BIMI1; l=https://x.test/a.svg"),
              ElementsAre("info BIMI_NO_EVIDENCE bimi/l 9"));
  EXPECT_THAT(lint("v=BIMI1; l=; a=;"), ElementsAre("info BIMI_DECLINED bimi/l 9"));
  EXPECT_THAT(lint("v=BIMI1; l=; a=https://x.test/a.pem"),
              ElementsAre("warning BIMI_NO_LOGO bimi/l 9"));
  EXPECT_THAT(lint("v=BIMI1; l=https://x.test/a.png?.svg; a=https://x.test/a.pem"),
              ElementsAre("error BIMI_FORMAT bimi/l 9"));
  const auto format = [&lint](const std::string& location) {
    return lint("v=BIMI1; l=https://" + location + "; a=https://x.test/a.pem");
  };
  EXPECT_THAT(format("x.test/a.svg/b.JPEG#.svg"), ElementsAre("error BIMI_FORMAT bimi/l 9"));
  for (const std::string location :
       {"x.test", "x.png", "x.test/", "x.test/logo", "x.test/v1.png/logo", "x.test/a.",
        "x.test/a.php", "x.test?a.svg"}) {
    EXPECT_THAT(format(location), ElementsAre("warning BIMI_FORMAT bimi/l 9")) << location;
  }
  EXPECT_THAT(lint("v=BIMI1; avp=me; lps=y s; AVP=brand; l="),
              ElementsAre("warning BIMI_BAD_VALUE bimi/avp 9", "warning BIMI_BAD_VALUE bimi/lps 17",
                          "info BIMI_UNKNOWN_TAG bimi/AVP 26", "info BIMI_DECLINED bimi/l 37"));
  EXPECT_THAT(lint("v=BIMI1; l=; a=; lps=news"), IsEmpty());
  EXPECT_THAT(lint("v=BIMI1; l=; a=; lps=true;"),
              ElementsAre("warning BIMI_BAD_VALUE bimi/lps 17"));
  EXPECT_THAT(lint("v=BIMI1; l=; a=; lps=false;"),
              ElementsAre("warning BIMI_BAD_VALUE bimi/lps 17", "info BIMI_DECLINED bimi/l 9"));
}

}  // namespace
}  // namespace dmarcate
