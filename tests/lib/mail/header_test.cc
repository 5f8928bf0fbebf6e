#include "lib/mail/header.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/mail/mail.h"

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string name;
  std::string section;
  std::vector<std::string> want;  // "name=value"
  std::string want_body;
};

const Case kCases[] = {
    {"Lf", "A: 1\nB: 2\n\nbody", {"A=1", "B=2"}, "body"},
    {"CrLf", "A: 1\r\nB: 2\r\n\r\nbody", {"A=1", "B=2"}, "body"},
    {"Mixed", "A: 1\r\nB: 2\n\r\nbody", {"A=1", "B=2"}, "body"},
    {"Folded", "A: 1\n 2\n\t3\nB:4\n\nbody", {"A=1 2 3", "B=4"}, "body"},
    {"BlankLineOfBlanksEnds", "A: 1\n  \nbody: x", {"A=1"}, "body: x"},
    {"NoBlankLine", "A: 1\nno field here\n", {"A=1"}, "no field here\n"},
    {"BlankBeforeColon", "Subject : x\n\n", {"Subject=x"}, ""},
    {"M22_EightBitAndNul", "A: \xE4\0z\n\nbody"s, {"A=\xE4 z"}, "body"},
    {"EightBitName", "\xE4: x\n\nbody", {}, "\xE4: x\n\nbody"},
    {"Empty", "", {}, ""},
    {"OnlyBody", "\nbody", {}, "body"},
    {"EmptyValue", "A:\nB:\n\n", {"A=", "B="}, ""},
};

class HeaderReaderTest : public testing::TestWithParam<Case> {};

TEST_P(HeaderReaderTest, Case) {
  HeaderReader reader(GetParam().section);
  std::vector<std::string> got;
  while (const auto field = reader.Next()) {
    got.push_back(std::string(field->name) + "=" + UnfoldValue(field->value));
  }
  EXPECT_EQ(got, GetParam().want);
  EXPECT_EQ(GetParam().section.substr(reader.position()), GetParam().want_body);
}

INSTANTIATE_TEST_SUITE_P(All, HeaderReaderTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Header, ValuesAreCut) {
  EXPECT_EQ(UnfoldValue(std::string(1 << 20, 'x')).size(), kMaxValueBytes);
}

TEST(Header, FindFieldTakesTheFirstWithoutRegardToCase) {
  EXPECT_EQ(FindField("subject: a\nSubject: b\n\n", "Subject"), "a");
  EXPECT_EQ(FindField("x: a\n\nSubject: b\n", "Subject"), std::nullopt);
}

TEST(HeaderFactsTest, FromSubjectIdDate) {
  const HeaderFacts facts = ReadHeaderFacts(
      "Received: by x\r\nFROM: \"Reports, Inc.\" <noreply@Example.COM.>\r\n"
      "Subject: =?utf-8?B?UmVwb3J0IERvbWFpbjogYS5leGFtcGxl?=\r\n =?utf-8?Q?_Submitter:_b?=\r\n"
      "Message-Id: <1@x>\r\nDate: Tue, 24 Nov 2026 18:00:00 +0100\r\n\r\n");
  EXPECT_EQ(facts.from_domain, "example.com");
  EXPECT_EQ(facts.subject, "Report Domain: a.example Submitter: b");
  EXPECT_EQ(facts.message_id, "1@x");
  EXPECT_EQ(facts.date, absl::FromUnixSeconds(1795539600));
}

TEST(HeaderFactsTest, AbsentAndUnreadableAreEmpty) {
  const HeaderFacts facts = ReadHeaderFacts("From: nobody\nDate: soon\nSubject: caf\xE9 \xFF\n\n");
  EXPECT_EQ(facts.from_domain, "");
  EXPECT_EQ(facts.date, std::nullopt);
  EXPECT_EQ(facts.subject.substr(0, 3), "caf");
}

TEST(LooksLikeMailTest, MailIsTold) {
  EXPECT_TRUE(LooksLikeMail("Return-Path: <>\nX: y\n\nbody"));
  EXPECT_TRUE(LooksLikeMail("\xEF\xBB\xBF\r\nX-A: b\r\nsubject: y\r\n\r\n"));
  EXPECT_TRUE(LooksLikeMail("From me@example.com Thu\nTo: you\n\n"));
  EXPECT_FALSE(LooksLikeMail("Feedback-Type: auth-failure\nVersion: 1\nSource-IP: 192.0.2.1\n"));
  EXPECT_FALSE(LooksLikeMail("<feedback><x a=\"Subject: y\"/></feedback>"));
  EXPECT_FALSE(LooksLikeMail("Dear all,\nSubject: y\n"));
  EXPECT_FALSE(LooksLikeMail(""));
}

}  // namespace
}  // namespace dmarcate
