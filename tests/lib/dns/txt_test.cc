// TXT data, both ways, against what BIND and dnspython make of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/base/text.h"
#include "lib/dns/resolver.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::IsOkAndHolds;
using testing_support::StatusIs;

struct Case {
  std::string name;
  std::string text;
  std::vector<std::string> want;  // empty: refused
  std::string want_message;
};
const Case kCases[] = {
    {"QuotedStrings", R"("v=DKIM1; p=" "MIIB")", {"v=DKIM1; p=", "MIIB"}, ""},
    {"NoBlankBetweenQuotedStrings", R"("a""b")", {"a", "b"}, ""},
    {"BareWordEndsAtSemicolon", "v=DMARC1;p=none", {"v=DMARC1"}, ""},
    {"EscapedSemicolonIsData", R"(v=DMARC1\;p=none)", {"v=DMARC1;p=none"}, ""},
    {"EscapesAreDecimal", R"("\065\255")", {"A\xFF"}, ""},
    {"ZeroIsAnOctet", R"("\000")", {std::string(1, '\0')}, ""},
    {"ParenthesesContinueLines", "( \"a\"\n \"b\" )", {"a", "b"}, ""},
    {"CommentBetweenLines", "( \"a\" ; first\n \"b\" )", {"a", "b"}, ""},
    {"Generic", R"(\# 3 02 6869)", {"hi"}, ""},
    {"EmptyString", R"("")", {""}, ""},
    {"TwoDigitsAreRefused", R"("\65x")", {}, "octet 3: a decimal escape has three digits"},
    {"Over255IsRefused", R"("\256")", {}, "octet 3: decimal escape over 255"},
    {"NothingIsRefused", " ; only a comment", {}, "no character-string"},
    {"OpenQuoteIsRefused", "\"abc", {}, "octet 1: quote is not closed"},
    {"OpenParenthesisIsRefused", "( \"a\"", {}, "parenthesis is not closed"},
    {"ClosedParenthesisIsRefused", "\"a\" )", {}, "was not opened"},
    {"SecondLineIsRefused", "\"a\"\n\"b\"", {}, "second line"},
    {"GenericStringPastTheEndIsRefused", R"(\# 3 056869)", {}, "string past the end"},
};

class TxtPresentation : public testing::TestWithParam<Case> {};
TEST_P(TxtPresentation, Case) {
  const auto got = ParseTxtPresentation(GetParam().text);
  if (GetParam().want.empty()) {
    EXPECT_THAT(got,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().want_message)));
  } else {
    EXPECT_THAT(got, IsOkAndHolds(TxtRecord{GetParam().want}));
  }
}
INSTANTIATE_TEST_SUITE_P(All, TxtPresentation, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(Txt, CutsAt255OctetsOfData) {
  EXPECT_EQ(MakeTxtRecord("").strings, std::vector<std::string>{""});
  EXPECT_EQ(MakeTxtRecord(std::string(255, 'a')).strings.size(), 1U);
  const TxtRecord record = MakeTxtRecord(std::string(256, '"'));
  ASSERT_EQ(record.strings.size(), 2U);
  EXPECT_EQ(record.strings[1], "\"");
  EXPECT_THAT(ParseTxtPresentation(record.ToPresentation()), IsOkAndHolds(record));
  EXPECT_THAT(ParseTxtPresentation(TxtRecord{{std::string(256, 'a')}}.ToPresentation()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("over 255 octets")));
}

TEST(Txt, EveryOctetSurvivesPresentation) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const TxtRecord record = MakeTxtRecord(all);
  EXPECT_THAT(ParseTxtPresentation(record.ToPresentation()), IsOkAndHolds(record));
}

TEST(Txt, RecordOver65535OctetsIsRefused) {
  TxtRecord record;
  record.strings.assign(255, std::string(255, 'a'));  // 255 * 256 octets
  record.strings.emplace_back(254, 'a');              // 65535 in all
  EXPECT_THAT(ParseTxtPresentation(record.ToPresentation()), IsOk());
  record.strings.back() += 'a';
  EXPECT_THAT(ParseTxtPresentation(record.ToPresentation()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65535")));
}

TEST(Txt, SharedCorpus) {
  DMARCATE_CORPUS_OR_SKIP(path, "dns-wire/txt-presentation.jsonl");
  for (const std::string& line : testing_support::ReadLines(path)) {
    const auto entry = nlohmann::json::parse(line);
    SCOPED_TRACE(entry.at("case").get<std::string>());
    const auto got = ParseTxtPresentation(entry.at("presentation").get<std::string>());
    ASSERT_EQ(got.ok(), entry.at("bind_accepts").get<bool>()) << got.status();
    if (!got.ok()) continue;
    TxtRecord want;
    for (const auto& hex : entry.at("strings_hex")) {
      want.strings.push_back(FromHex(hex.get<std::string>()));
    }
    EXPECT_EQ(*got, want);
    EXPECT_EQ(got->ToPresentation(), entry.at("bind_text").get<std::string>());
  }
}

}  // namespace
}  // namespace dmarcate
