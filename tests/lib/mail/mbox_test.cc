#include "lib/mail/mbox.h"

#include <random>
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

// All messages of a mailbox that comes in pieces of `piece` bytes.
std::vector<MboxMessage> SplitInPieces(std::string_view mbox, size_t piece,
                                       size_t limit = 1 << 20) {
  std::vector<MboxMessage> out;
  MboxSplitter splitter(limit);
  for (size_t at = 0; at < mbox.size(); at += piece) {
    splitter.Append(mbox.substr(at, piece));
    while (auto message = splitter.Next()) out.push_back(*std::move(message));
  }
  splitter.End();
  while (auto message = splitter.Next()) out.push_back(*std::move(message));
  return out;
}

std::vector<std::string> Contents(const std::vector<MboxMessage>& messages) {
  std::vector<std::string> out;
  for (const MboxMessage& message : messages) out.push_back(message.content);
  return out;
}

TEST_P(MboxTest, CaseInPieces) {
  for (size_t piece = 1; piece < 40; ++piece) {
    EXPECT_EQ(Contents(SplitInPieces(GetParam().mbox, piece)), GetParam().want) << piece;
  }
}

// Whatever the text and wherever it is cut: the splitter finds what the reader finds.
TEST(Mbox, PiecesGiveTheSameAsTheWhole) {
  const std::vector<std::string> words = {"\n",    "\n\n",         "\r\n",   "\r\n\r\n",
                                          "From ", "From a@b x",   ">From ", "S: 1",
                                          "text",  "\xEF\xBB\xBF", ":",      "\r"};
  std::mt19937 random(7);
  size_t messages = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string mbox = round % 2 == 0 ? "From a\nS: 1\n\n" : "";
    for (int word = 0; word < 24; ++word) mbox += words[random() % words.size()];
    const std::vector<std::string> want = SplitAll(mbox);
    messages += want.size();
    const size_t piece = 1 + random() % 9;
    ASSERT_EQ(Contents(SplitInPieces(mbox, piece)), want)
        << testing::PrintToString(mbox) << " in pieces of " << piece;
  }
  EXPECT_GT(messages, 10'000u);
}

TEST(Mbox, SplitterSaysWhereAMessageWas) {
  const std::string first = "From a\nS: 1\n\none\n\n", second = "From b\nS: 2\n\ntwo\n";
  const auto messages = SplitInPieces("\n" + first + second, 5);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].offset, 1);
  EXPECT_EQ(messages[0].size, static_cast<int64_t>(first.size()));
  EXPECT_EQ(messages[1].offset, static_cast<int64_t>(1 + first.size()));
  EXPECT_EQ(messages[1].size, static_cast<int64_t>(second.size()));
}

TEST(Mbox, SplitterPassesOverWhatIsTooLarge) {
  const std::string small = "From a\nS: 1\n\none\n\n";
  for (const size_t size : {size_t{1001}, size_t{100'000}, size_t{3'000'000}}) {
    const std::string large = "From b\nS: 2\n\n" + std::string(size, 'x') + "\n\n";
    const auto messages = SplitInPieces(small + large + small, 4096, 1000);
    ASSERT_EQ(messages.size(), 3u) << size;
    EXPECT_EQ(messages[0].content, "S: 1\n\none\n\n");
    EXPECT_TRUE(messages[1].too_large);
    EXPECT_EQ(messages[1].content, "");
    EXPECT_EQ(messages[1].offset, static_cast<int64_t>(small.size()));
    EXPECT_EQ(messages[1].size, static_cast<int64_t>(large.size()));
    EXPECT_EQ(messages[2].content, "S: 1\n\none\n\n");
    EXPECT_FALSE(messages[2].too_large);
  }
}

TEST(Mbox, IsTold) {
  EXPECT_TRUE(LooksLikeMbox("From a@b x\nSubject: y\n\n"));
  EXPECT_FALSE(LooksLikeMbox("From: a@b\nSubject: y\n\n"));
  EXPECT_FALSE(LooksLikeMbox("From here on it rains\nevery day\n"));
}

}  // namespace
}  // namespace dmarcate
