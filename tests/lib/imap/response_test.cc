#include "lib/imap/response.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gtest/gtest.h"

#include "lib/base/status_macros.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing_support::StatusIs;

// Gives `bytes` in pieces of `step`.
ImapResponseReader ReaderOf(std::string bytes, size_t step) {
  return ImapResponseReader([bytes = std::move(bytes), step, at = size_t{0}](
                                char* buffer, size_t size) mutable -> absl::StatusOr<size_t> {
    const size_t count = std::min({step, size, bytes.size() - at});
    bytes.copy(buffer, count, at);
    at += count;
    return count;
  });
}

TEST(ImapResponseReader, PiecesDoNotMatter) {
  const std::string bytes =
      "* OK [ALERT] hello {5}\r\n"
      "* 1 FETCH (UID 3 BODY[] {7}\r\na\r\nb\0{} FLAGS (\\Seen \"x{1}\") X ~{0}\r\n)\r\n"
      "A1 OK done\r\n";
  const std::string whole(
      "* OK [ALERT] hello {5}\r\n"
      "* 1 FETCH (UID 3 BODY[] {7}\r\na\r\nb\0{} FLAGS (\\Seen \"x{1}\") X ~{0}\r\n)\r\n"
      "A1 OK done\r\n",
      sizeof "* OK [ALERT] hello {5}\r\n"
              "* 1 FETCH (UID 3 BODY[] {7}\r\na\r\nb\0{} FLAGS (\\Seen \"x{1}\") X ~{0}\r\n)\r\n"
              "A1 OK done\r\n" -
          1);
  ASSERT_GT(whole.size(), bytes.size());  // the NUL within the literal is there
  for (const size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    ImapResponseReader reader = ReaderOf(whole, step);
    reader.Begin({});
    const auto greeting = reader.Next();
    ASSERT_TRUE(greeting.ok()) << greeting.status();
    EXPECT_EQ(ParseStatusLine(*greeting)->code, "ALERT");
    EXPECT_EQ(ParseStatusLine(*greeting)->text, "hello {5}");
    auto fetch = reader.Next();
    ASSERT_TRUE(fetch.ok()) << fetch.status();
    const auto item = ParseFetch(*std::move(fetch));
    ASSERT_TRUE(item.ok() && item->has_value()) << item.status();
    EXPECT_EQ((*item)->uid, 3u);
    EXPECT_EQ((*item)->body, std::string("a\r\nb\0{}", 7));
    const auto done = reader.Next();
    ASSERT_TRUE(done.ok()) << done.status();
    EXPECT_EQ(ParseStatusLine(*done)->tag, "A1");
    EXPECT_THAT(reader.Next(), StatusIs(absl::StatusCode::kUnavailable));
  }
}

struct LimitCase {
  std::string name, bytes;
  absl::StatusCode want;
};
const LimitCase kLimitCases[] = {
    {"LineAtTheLimit", std::string(99, 'x') + "\r\n", absl::StatusCode::kOk},
    {"LineOver", std::string(101, 'x') + "\r\n", absl::StatusCode::kResourceExhausted},
    {"LineWithoutEnd", std::string(100'000, 'x'), absl::StatusCode::kResourceExhausted},
    {"LiteralAtTheLimit", "* {50}\r\n" + std::string(50, 'y') + "\r\n", absl::StatusCode::kOk},
    {"LiteralOver", "* {51}\r\n" + std::string(51, 'y') + "\r\n",
     absl::StatusCode::kResourceExhausted},
    {"LiteralOfExabytes", "* {999999999999999999}\r\n", absl::StatusCode::kResourceExhausted},
    {"LiteralsTogetherOver", "* {30}\r\n" + std::string(30, 'y') + " {21}\r\n",
     absl::StatusCode::kResourceExhausted},
    {"EmptyLiteralsForEver",
     [] {
       std::string out = "*";
       for (int i = 0; i < 30; ++i) out += " {0}\r\n";
       return out;
     }(),
     absl::StatusCode::kResourceExhausted},
    {"NumberTooLongIsText", "* {9999999999999999999}\r\n", absl::StatusCode::kOk},
    {"NonSynchronisingIsText", "* {5+}\r\n", absl::StatusCode::kOk},
    {"BareLf", "* OK\n", absl::StatusCode::kDataLoss},
    {"BareCr", "* OK a\rb\r\n", absl::StatusCode::kDataLoss},
    {"Nul", std::string("* OK a\0b\r\n", 10), absl::StatusCode::kDataLoss},
    {"Empty", "\r\n", absl::StatusCode::kDataLoss},
    {"CutInALine", "* OK", absl::StatusCode::kUnavailable},
    {"CutInALiteral", "* {5}\r\nabc", absl::StatusCode::kUnavailable},
};
class ImapLimitTest : public testing::TestWithParam<LimitCase> {};
TEST_P(ImapLimitTest, Case) {
  ImapResponseReader reader = ReaderOf(GetParam().bytes, 1000);
  reader.Begin({.line_bytes = 100, .literal_bytes = 50, .responses = 20});
  EXPECT_THAT(reader.Next(), StatusIs(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, ImapLimitTest, testing::ValuesIn(kLimitCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(ImapResponseReader, CountsResponses) {
  std::string bytes;
  for (int i = 0; i < 30; ++i) bytes += "* 1 EXISTS\r\n";
  ImapResponseReader reader = ReaderOf(bytes, 1000);
  reader.Begin({.responses = 10});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(reader.Next().ok());
  EXPECT_THAT(reader.Next(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(reader.Next(), StatusIs(absl::StatusCode::kResourceExhausted));
  reader.Begin({.responses = 10});
  EXPECT_TRUE(reader.Next().ok());
}

ImapResponse One(const std::string& bytes) {
  ImapResponseReader reader = ReaderOf(bytes, 1000);
  reader.Begin({});
  auto response = reader.Next();
  EXPECT_TRUE(response.ok()) << response.status();
  return response.ok() ? *std::move(response) : ImapResponse{{""}, {}};
}

TEST(ParseFetch, ItemsInAnyOrderWithOthersBetween) {
  const auto item = ParseFetch(
      One("* 12 fetch (X-GM-LABELS (\"\\\\Inbox\" (a (b))) rfc822.size 77 BODY[HEADER.FIELDS (TO "
          "\"CC\")]<0> NIL INTERNALDATE \" 7-Jul-1996 02:44:25 -0700\" FLAGS () MODSEQ (12) UID "
          "4294967295)\r\n"));
  ASSERT_TRUE(item.ok() && item->has_value()) << item.status();
  EXPECT_EQ((*item)->uid, 4294967295u);
  EXPECT_EQ((*item)->size_bytes, 77u);
  EXPECT_FALSE((*item)->has_body);
  EXPECT_EQ((*item)->internal_date, absl::FromUnixSeconds(836732665));
}

TEST(ParseFetch, BodiesOfAllForms) {
  const auto body = [](const std::string& bytes) -> std::optional<std::string> {
    auto item = ParseFetch(One(bytes));
    EXPECT_TRUE(item.ok() && item->has_value() && (*item)->has_body) << bytes;
    return item.ok() && item->has_value() ? (*item)->body : std::nullopt;
  };
  EXPECT_EQ(body("* 1 FETCH (UID 3 BODY[] {2}\r\nhi)\r\n"), "hi");
  EXPECT_EQ(body("* 1 FETCH (BODY[] ~{2}\r\nhi UID 3)\r\n"), "hi");
  EXPECT_EQ(body("* 1 FETCH (BODY[] \"a\\\"b\\\\\" UID 3)\r\n"), "a\"b\\");
  EXPECT_EQ(body("* 1 FETCH (BODY[] {0}\r\n UID 3)\r\n"), "");
  EXPECT_EQ(body("* 1 FETCH (UID 3 BODY[] nil)\r\n"), std::nullopt);
}

TEST(ParseFetch, WhatIsNoFetch) {
  for (const char* line : {"* 3 EXISTS\r\n", "* OK FETCH (\r\n", "A1 OK 1 FETCH\r\n",
                           "* FETCH (UID 3)\r\n", "* x FETCH (UID 3)\r\n", "+ go\r\n"}) {
    const auto item = ParseFetch(One(line));
    EXPECT_TRUE(item.ok() && !item->has_value()) << line;
  }
}

class BrokenFetchTest : public testing::TestWithParam<std::string> {};
TEST_P(BrokenFetchTest, IsRefused) {
  EXPECT_THAT(ParseFetch(One(GetParam())), StatusIs(absl::StatusCode::kDataLoss));
}
INSTANTIATE_TEST_SUITE_P(
    All, BrokenFetchTest,
    testing::Values(
        "* 1 FETCH\r\n", "* 1 FETCH (\r\n", "* 1 FETCH (UID\r\n", "* 1 FETCH (UID 3\r\n",
        "* 1 FETCH (UID 0)\r\n", "* 1 FETCH (UID -3)\r\n", "* 1 FETCH (UID 4294967296)\r\n",
        "* 1 FETCH (UID \"3\")\r\n", "* 1 FETCH (UID 3 UID 4)\r\n", "* 1 FETCH (UID 3) x\r\n",
        "* 1 FETCH (UID 3 BODY[] \"x)\r\n", "* 1 FETCH (UID 3 BODY[] \"\\\r\n",
        "* 1 FETCH (UID 3 BODY[] x)\r\n", "* 1 FETCH (UID 3 BODY[] ())\r\n",
        "* 1 FETCH (UID 3 BODY[] \"a\" BODY[] \"b\")\r\n", "* 1 FETCH (UID 3 RFC822.SIZE x)\r\n",
        "* 1 FETCH (UID 3 RFC822.SIZE {1}\r\nx)\r\n", "* 1 FETCH (UID 3 FLAGS (a)\r\n",
        "* 1 FETCH (UID 3 FLAGS)\r\n", "* 1 FETCH (UID 3)(UID 4)\r\n", "* 1 FETCH (X[ UID 3)\r\n",
        "* 1 FETCH (X " + std::string(17, '(') + std::string(17, ')') + ")\r\n",
        "* 1 FETCH (UID 3{2}\r\nhi)\r\n", "* 1 FETCH ({2}\r\nhi 3)\r\n"));

TEST(ImapNumbers, AreDigitsOnly) {
  EXPECT_EQ(ParseImapNumber("4294967295"), 4294967295u);
  for (const char* text :
       {"", "4294967296", "-1", "+1", " 1", "1 ", "0x1", "99999999999999999999"}) {
    EXPECT_EQ(ParseImapNumber(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace dmarcate
