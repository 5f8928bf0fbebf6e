#include "lib/unpack/sniff.h"

#include <string>

#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string name;
  std::string bytes;
  Content want;
};

const Case kCases[] = {
    {"Nothing", "", Content::kEmpty},
    {"Blanks", " \r\n\0\t"s, Content::kEmpty},
    {"Z12_Unused", "unused", Content::kEmpty},
    {"Gzip", "\x1F\x8B\x08 rest", Content::kGzip},
    {"Zip", "PK\x03\x04 rest", Content::kZip},
    {"Z2_EmptyZip", "PK\x05\x06"s + std::string(18, '\0'), Content::kZip},
    {"Z11_Bzip2", "BZh91AY&SY....", Content::kUnsupportedCompression},
    {"Z11_Xz", "\xFD"s + "7zXZ\0"s, Content::kUnsupportedCompression},
    {"Z11_SevenZip", "7z\xBC\xAF\x27\x1C", Content::kUnsupportedCompression},
    {"Z11_Rar", "Rar!\x1A\x07\x01", Content::kUnsupportedCompression},
    {"M13_Outlook", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Content::kOle},
    {"M13_Tnef", "\x78\x9F\x3E\x22", Content::kTnef},
    {"Zlib", "\x78\x9C rest", Content::kZlib},
    {"Xml", "<?xml version=\"1.0\"?><feedback/>", Content::kXml},
    {"X1_XmlAfterMark", "\xEF\xBB\xBF\n <feedback>", Content::kXml},
    {"X4_XmlAfterText", "Your report:\n<feedback>", Content::kXml},
    {"S4_PrefixedAfterText", "Your report:\n<n:Feedback x='1'>", Content::kXml},
    {"X9_Utf16", "\xFF\xFE<\0?\0x\0m\0l\0"s, Content::kXml},
    {"M10_Html", "<!DOCTYPE HTML><html><body>Dear reporter</body></html>", Content::kOther},
    {"HtmlWithReport", "<html><body><feedback>", Content::kXml},
    {"Json", "\n{\"organization-name\": 1}", Content::kJson},
    {"Mail", "Return-Path: <>\nSubject: x\n\n", Content::kMail},
    {"MailAboutXml", "Subject: x\n\n<feedback>", Content::kMail},
    {"Mbox", "From a@b\nSubject: x\n\n", Content::kMbox},
    {"Feedback", "Feedback-Type: auth-failure\nVersion: 1\n", Content::kFeedback},
    {"Base64", "H4sIAAAAAAAAA6tWKkktLlGyUlAqS8wpTtVRKi1OLYrP", Content::kBase64},
    {"Text", "Dear postmaster, please find attached", Content::kOther},
};

class SniffTest : public testing::TestWithParam<Case> {};

TEST_P(SniffTest, Case) { EXPECT_EQ(SniffContent(GetParam().bytes), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(All, SniffTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Sniff, FeedbackTagIsLookedForNearTheBeginning) {
  EXPECT_TRUE(HasFeedbackTag(std::string(4000, ' ') + "<feedback>"));
  EXPECT_TRUE(HasFeedbackTag("<xs:schema><feedback>"));
  EXPECT_FALSE(HasFeedbackTag("<x>" + std::string(5000, 'x') + "<feedback>"));
  EXPECT_FALSE(HasFeedbackTag("<feedbacks>"));
  EXPECT_FALSE(HasFeedbackTag("</feedback>"));
}

TEST(Sniff, TagsAreCountedByTheirLocalNames) {
  EXPECT_EQ(CountFeedbackTags("<feedback><a:Feedback x=1><feedback/></feedback>"), 3);
  EXPECT_EQ(CountFeedbackTags("<<feedback <a<b:feedback>"), 2);
  EXPECT_EQ(CountFeedbackTags("<feedbacks> feedback> < feedback>"), 0);
  EXPECT_EQ(CountFeedbackTags("<feedback"), 1);
}

TEST(Sniff, EndTagIsLookedForNearTheEnd) {
  EXPECT_TRUE(EndsWithFeedbackTag("<feedback></feedback>\n\0"));
  EXPECT_TRUE(EndsWithFeedbackTag("</n:FEEDBACK >"));
  EXPECT_FALSE(EndsWithFeedbackTag("<feedback><record></record>"));
}

}  // namespace
}  // namespace dmarcate
