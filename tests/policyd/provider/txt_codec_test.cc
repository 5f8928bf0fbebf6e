#include "policyd/provider/api/txt_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing_support::StatusIs;

struct Case {
  std::string name;
  TxtForm form;
  TxtRecord record;
  std::string text;
  bool exact = true;  // decoding brings the same cuts back
};

const Case kCases[] = {
    {"Quoted", TxtForm::kQuoted, {{"v=DMARC1; p=none"}}, R"("v=DMARC1; p=none")"},
    {"QuotedEscapes", TxtForm::kQuoted, {{"a\"b\\c\xff", "\\065"}}, R"("a\"b\\c\255" "\\065")"},
    {"OctalEscapes", TxtForm::kQuotedOctal, {{"a\"b\\c\xff", "\t"}}, R"("a\"b\\c\377" "\011")"},
    {"OctalKeepsSemicolons", TxtForm::kQuotedOctal, {{"a;b (c)"}}, "\"a;b (c)\""},
    {"RawJoins", TxtForm::kRaw, {{"a\"b", "c; d "}}, R"(a"bc; d )", false},
    {"RawUtf8", TxtForm::kRaw, {{"\xc3\xbc"}}, "\xc3\xbc"},
    {"QuotedOrRawWritesQuotes", TxtForm::kQuotedOrRaw, {{"a", "b"}}, R"("a" "b")"},
    {"OnePairJoins", TxtForm::kOnePair, {{"v=spf1", " -all"}}, R"("v=spf1 -all")", false},
    {"OnePairKeepsBackslashes", TxtForm::kOnePair, {{"a\\b"}}, R"("a\b")"},
};

class TxtCodecTest : public testing::TestWithParam<Case> {};

TEST_P(TxtCodecTest, ThereAndBack) {
  const Case& c = GetParam();
  EXPECT_EQ(EncodeTxt(c.form, c.record).value(), c.text);
  const TxtRecord back = DecodeTxt(c.form, c.text).value();
  EXPECT_EQ(back.Joined(), c.record.Joined());
  if (c.exact) {
    EXPECT_EQ(back, c.record);
  }
}
INSTANTIATE_TEST_SUITE_P(All, TxtCodecTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(TxtCodecTest, LongTextsAreCutByOctetsNotByEscapes) {
  const TxtRecord record = MakeTxtRecord(std::string(256, '\xff'));
  const std::string text = EncodeTxt(TxtForm::kQuotedOctal, record).value();
  EXPECT_EQ(text.size(), 256 * 4 + 5u);  // two strings, a blank between
  EXPECT_EQ(DecodeTxt(TxtForm::kQuotedOctal, text).value(), record);
  EXPECT_EQ(DecodeTxt(TxtForm::kRaw, std::string(600, 'x'))->strings.size(), 3u);
}

TEST(TxtCodecTest, ReadsWhatHostsSend) {
  // Route 53 may leave the blank out; Cloudflare keeps old records raw.
  EXPECT_EQ(DecodeTxt(TxtForm::kQuotedOctal, R"("a""b")").value(), (TxtRecord{{"a", "b"}}));
  EXPECT_EQ(DecodeTxt(TxtForm::kQuotedOctal, R"("\052\1414")").value(), (TxtRecord{{"*a4"}}));
  EXPECT_EQ(DecodeTxt(TxtForm::kQuotedOrRaw, "v=DMARC1; p=none").value(),
            (TxtRecord{{"v=DMARC1; p=none"}}));
  EXPECT_EQ(DecodeTxt(TxtForm::kQuotedOrRaw, "\"").value(), (TxtRecord{{"\""}}));
  EXPECT_EQ(DecodeTxt(TxtForm::kQuoted, "word").value(), (TxtRecord{{"word"}}));
}

TEST(TxtCodecTest, RefusesWhatIsNotOfTheForm) {
  const struct {
    TxtForm form;
    std::string text;
  } cases[] = {
      {TxtForm::kQuotedOctal, ""},
      {TxtForm::kQuotedOctal, "bare"},
      {TxtForm::kQuotedOctal, "\"open"},
      {TxtForm::kQuotedOctal, "\"\\"},
      {TxtForm::kQuotedOctal, "\"\\09a\""},
      {TxtForm::kQuotedOctal, "\"\\400\""},
      {TxtForm::kQuotedOctal, "\"\\12"},
      {TxtForm::kQuotedOctal, "\"" + std::string(256, 'x') + "\""},
      {TxtForm::kQuoted, "\"open"},
      {TxtForm::kQuoted, "\"\\65\""},
      {TxtForm::kQuotedOrRaw, "\"\\999\""},
      {TxtForm::kOnePair, "bare"},
      {TxtForm::kOnePair, "\"a\" \"b\""},
      {TxtForm::kOnePair, "\""},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(DecodeTxt(c.form, c.text), StatusIs(absl::StatusCode::kInvalidArgument)) << c.text;
  }
}

TEST(TxtCodecTest, RefusesToSayWhatTheFormCannot) {
  for (const std::string& text : {std::string("\xff"), std::string("a\0b", 3), std::string("\t")}) {
    for (const TxtForm form : {TxtForm::kRaw, TxtForm::kOnePair}) {
      EXPECT_THAT(EncodeTxt(form, {{text}}), StatusIs(absl::StatusCode::kInvalidArgument));
    }
    EXPECT_THAT(EncodeTxtStrings({{text}}), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(EncodeTxt(TxtForm::kOnePair, {{"a\"b"}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(EncodeTxt(TxtForm::kRaw, {{"\"quoted\""}}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(TxtCodecTest, ArraysOfStrings) {
  EXPECT_THAT(EncodeTxtStrings({{"a", "", "b"}}).value(), ElementsAre("a", "", "b"));
  // A character that the cut would split goes to the next string.
  const TxtRecord split = MakeTxtRecord(std::string(254, 'x') + "\xc3\xbc" + "y");
  EXPECT_THAT(EncodeTxtStrings(split).value(), ElementsAre(std::string(254, 'x'), "\xc3\xbcy"));
  EXPECT_EQ(DecodeTxtStrings({"a", "b"}).value(), (TxtRecord{{"a", "b"}}));
  EXPECT_THAT(DecodeTxtStrings({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(DecodeTxtStrings({std::string(256, 'x')}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace dmarcate
