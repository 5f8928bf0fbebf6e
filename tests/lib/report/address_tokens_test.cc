// Local parts become tokens, and nothing else does.
#include "lib/report/address_tokens.h"

#include <regex>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;

const AddressTokens kTokens("key");

struct Case {
  std::string name, text, want;  // want: a regular expression, T for a token
};
const Case kCases[] = {
    {"NoAddress", "mx.example.com; dmarc=fail (p=none)", "mx.example.com; dmarc=fail .p=none."},
    {"Bare", "jane.doe@example.com", "T@example.com"},
    {"Brackets", "Jane <jane@example.com>, x", "Jane <T@example.com>, x"},
    {"Property", "spf=fail smtp.mailfrom=jane@a.test; x", "spf=fail smtp.mailfrom=T@a.test; x"},
    {"PropertyOfVerp", "smtp.mailfrom=bounce+jane=b.test@a.test", "smtp.mailfrom=T@a.test"},
    {"VerpIsAllLocal", "bounce+jane=b.test@a.test", "T@a.test"},
    {"Identity", "i=jane@a.test; d=a.test", "i=T@a.test; d=a.test"},
    {"EmptyLocal", "header.i=@a.test", "header.i=@a.test"},
    {"Quoted", "\"jane doe\"@a.test", "T@a.test"},
    {"QuotedWithEscape", "x \"jane \\\" doe\"@a.test", "x T@a.test"},
    {"QuotedInPart", "smtp.mailfrom=jane.\"doe\"@a.test", "smtp.mailfrom=T@a.test"},
    {"Comment", "(domain of jane@a.test designates)", "(domain of T@a.test designates)"},
    {"Two", "a@a.test,b@b.test", "T@a.test,T@b.test"},
    {"Beyond7Bit", "j\xc3\xb6rg@a.test", "T@a.test"},
    {"Chain", "a@b@c.test", "T@T@c.test"},
    {"AtAlone", "@", "@"},
};
class AddressTokensTest : public testing::TestWithParam<Case> {};
TEST_P(AddressTokensTest, Case) {
  std::string want;
  for (const char c : GetParam().want) {
    if (c == 'T') {
      want += "r-[0-9a-f]{16}";
    } else if (c == '(' || c == ')') {
      want += '.';
    } else {
      want += c;
    }
  }
  const std::string got = kTokens.Replace(GetParam().text);
  EXPECT_TRUE(std::regex_match(got, std::regex(want))) << got;
  EXPECT_EQ(kTokens.Replace(got), got) << "twice changes nothing";
}
INSTANTIATE_TEST_SUITE_P(All, AddressTokensTest, testing::ValuesIn(kCases),
                         [](const auto& c) { return c.param.name; });

TEST(AddressTokensTest, EqualAddressesHaveEqualTokensUnderOneKeyOnly) {
  EXPECT_EQ(kTokens.Replace("Jane@Example.com").substr(0, 18),
            kTokens.Replace("jane@example.com").substr(0, 18));
  EXPECT_NE(kTokens.Replace("jane@example.com"), kTokens.Replace("joan@example.com"));
  EXPECT_NE(kTokens.Replace("jane@a.test").substr(0, 18),
            kTokens.Replace("jane@b.test").substr(0, 18));
  EXPECT_NE(AddressTokens("other").Replace("jane@example.com"),
            kTokens.Replace("jane@example.com"));
}

TEST(AddressTokensTest, ResultsNameNobodyWithoutAnAddressEither) {
  const auto results = [](const std::string& text) {
    const std::string got = kTokens.Results(text);
    EXPECT_EQ(kTokens.Results(got), got) << "twice changes nothing";
    return std::regex_replace(got, std::regex("r-[0-9a-f]{16}"), "T");
  };
  EXPECT_EQ(results("mx; auth=pass (John Doe) smtp.auth=john.doe"), "mx; auth=pass  smtp.auth=T");
  EXPECT_EQ(results("auth=pass SMTP.Auth = \"john \\\" doe\"; spf=pass"),
            "auth=pass SMTP.Auth = T; spf=pass");
  EXPECT_EQ(results("smtp.auth=john@a.test smtp.mailfrom=b@a.test"),
            "smtp.auth=T@a.test smtp.mailfrom=T@a.test");
  EXPECT_EQ(results("smtp.auth=\"john doe\"@a.test;"), "smtp.auth=T@a.test;");
  EXPECT_EQ(results("smtp.auth=\"john doe"), "smtp.auth=T");
  EXPECT_EQ(results("dmarc=fail (p=none (by John)) header.from=a.test"),
            "dmarc=fail  header.from=a.test");
  EXPECT_EQ(results("smtp.auth="), "smtp.auth=");
  EXPECT_EQ(results("a (John"), "a");
}

TEST(AddressTokensTest, MailboxLeavesNoName) {
  const std::string token = kTokens.Replace("jane@a.test");
  for (const std::string text : {"jane@a.test", "<jane@a.test>", "Jane Doe <jane@a.test>",
                                 "\"x@y.test\" <jane@a.test>", "Jane <jane@a.test> (her mail)"}) {
    EXPECT_EQ(kTokens.Mailbox(text), "<" + token + ">") << text;
  }
  for (const std::string text : {"", "<>", "Jane Doe", "undisclosed:;"}) {
    EXPECT_EQ(kTokens.Mailbox(text), "") << text;
  }
  EXPECT_THAT(kTokens.Mailbox("Jane <\"jane doe\"@a.test>"), Not(HasSubstr("doe")));
}

TEST(AddressTokensTest, WhatMayBeCutWithinAnAddressLosesItsEnd) {
  FailureReport report;
  report.authentication_results = std::string(4080, 'x') + " smtp.mailfrom=jane";
  report.auth_failure = {"jane@a.test"};
  RedactFailureReport(kTokens, &report);
  EXPECT_THAT(report.authentication_results, Not(HasSubstr("jane")));
  EXPECT_THAT(report.auth_failure[0], Not(HasSubstr("jane")));
  std::vector<Repair> repairs = {{"code", "path", std::string(250, 'x') + " jane", "jane@a.test"}};
  repairs.push_back({"code", "path", "auth=pass (Jane) smtp.auth=jane", ""});
  RedactRepairs(kTokens, &repairs);
  EXPECT_THAT(repairs[1].raw, AllOf(Not(HasSubstr("Jane")), Not(HasSubstr("jane"))));
  EXPECT_THAT(repairs[0].raw, Not(HasSubstr("jane")));
  EXPECT_THAT(repairs[0].chosen, Not(HasSubstr("jane")));
}

}  // namespace
}  // namespace dmarcate
