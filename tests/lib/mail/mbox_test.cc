#include "lib/mail/mbox.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dmarcate {
namespace {

std::vector<std::string> SplitAll(std::string_view mbox) {
  std::vector<std::string> out;
  MboxReader reader(mbox);
  while (auto message = reader.Next()) out.push_back(*std::move(message));
  return out;
}

struct Case {
  std::string name;
  std::string mbox;
  std::vector<std::string> want;
};

const Case kCases[] = {
    {"M21_TwoMessages",
     "From a@b Thu Jan  1 00:00:00 1970\nSubject: 1\n\none\n\nFrom c@d odd date\nSubject: "
     "2\n\ntwo\n",
     {"Subject: 1\n\none\n\n", "Subject: 2\n\ntwo\n"}},
    {"M21_CrLf",
     "From a\r\nS: 1\r\n\r\none\r\n\r\nFrom b\r\nS: 2\r\n\r\ntwo\r\n",
     {"S: 1\r\n\r\none\r\n\r\n", "S: 2\r\n\r\ntwo\r\n"}},
    {"M21_Unescaped",
     "From a\nS: 1\n\n>From here\n>>From there\n> From not\n",
     {"S: 1\n\nFrom here\n>From there\n> From not\n"}},
    {"NoBlankLineNoSplit",
     "From a\nS: 1\n\ntext\nFrom b\nS: 2\n",
     {"S: 1\n\ntext\nFrom b\nS: 2\n"}},
    {"NoHeaderNoSplit",
     "From a\nS: 1\n\ntext\n\nFrom here on it rains\nevery day\n",
     {"S: 1\n\ntext\n\nFrom here on it rains\nevery day\n"}},
    {"BomAndBlankLinesFirst", "\xEF\xBB\xBF\r\nFrom a\nS: 1\n\none", {"S: 1\n\none"}},
    {"NoMbox", "Subject: x\n\ntext", {}},
    {"Empty", "", {}},
};

class MboxTest : public testing::TestWithParam<Case> {};

TEST_P(MboxTest, Case) { EXPECT_EQ(SplitAll(GetParam().mbox), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(All, MboxTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(Mbox, IsTold) {
  EXPECT_TRUE(LooksLikeMbox("From a@b x\nSubject: y\n\n"));
  EXPECT_FALSE(LooksLikeMbox("From: a@b\nSubject: y\n\n"));
  EXPECT_FALSE(LooksLikeMbox("From here on it rains\nevery day\n"));
}

}  // namespace
}  // namespace dmarcate
