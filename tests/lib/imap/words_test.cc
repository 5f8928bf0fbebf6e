#include "lib/imap/words.h"

#include <string>

#include "gtest/gtest.h"

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing_support::IsOkAndHolds;
using testing_support::StatusIs;

struct FolderCase {
  std::string name, folder, want;  // want "": refused
};
const FolderCase kFolderCases[] = {
    {"Plain", "INBOX", "\"INBOX\""},
    {"Blank", "DMARC reports", "\"DMARC reports\""},
    {"Ampersand", "R&D", "\"R&-D\""},
    {"Umlaut", "Entw\xC3\xBCrfe", "\"Entw&APw-rfe\""},
    // RFC 3501 section 5.1.3
    {"OfTheRfc", "~peter/mail/\xE5\x8F\xB0\xE5\x8C\x97/\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
     "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""},
    {"BeyondThePlane", "\xF0\x9F\x93\xAC", "\"&2D3c7A-\""},
    {"Quote", "a\"b", "\"a\\\"b\""},
    {"Backslash", "a\\", "\"a\\\\\""},
    {"QuoteAndCommand", "x\" \"y", "\"x\\\" \\\"y\""},
    {"Literal", "{5}", "\"{5}\""},
    {"LineEnd", "INBOX\"\r\nX DELETE \"INBOX", ""},
    {"LineFeed", "a\nb", ""},
    {"Tab", "a\tb", ""},
    {"Nul", std::string("a\0b", 3), ""},
    {"Delete", "a\x7F", ""},
    {"C1Control", "a\xC2\x85", ""},
    {"NotUtf8", "a\xFF", ""},
    {"CutSequence", "a\xC3", ""},
    {"Empty", "", ""},
    {"Long", std::string(1001, 'a'), ""},
};
class QuotedFolderTest : public testing::TestWithParam<FolderCase> {};
TEST_P(QuotedFolderTest, Case) {
  const auto got = QuotedFolder(GetParam().folder);
  if (GetParam().want.empty()) {
    EXPECT_THAT(got, StatusIs(absl::StatusCode::kInvalidArgument));
  } else {
    EXPECT_THAT(got, IsOkAndHolds(GetParam().want));
  }
}
INSTANTIATE_TEST_SUITE_P(All, QuotedFolderTest, testing::ValuesIn(kFolderCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(Words, FlagsThatMark) {
  for (const char* flag : {"\\Seen", "\\Flagged", "\\Answered", "$Dmarcate", "taken-1.0_x"}) {
    EXPECT_TRUE(IsImapFlag(flag)) << flag;
  }
  for (const char* flag : {"\\Deleted", "\\seen", "\\Recent", "", "a b", "a)", "a\r\nX LOGOUT",
                           "\\", "a\"", "{3}", "\xC3\xBC"}) {
    EXPECT_FALSE(IsImapFlag(flag)) << flag;
  }
  EXPECT_FALSE(IsImapFlag(std::string(65, 'a')));
}

TEST(Words, UidSets) {
  EXPECT_EQ(UidSet({7, 1, 3, 2}), "1:3,7");
  EXPECT_EQ(UidSet({5}), "5");
  EXPECT_EQ(UidSet({5, 5, 6}), "5:6");
  EXPECT_EQ(UidSet({4294967295u, 4294967294u, 1}), "1,4294967294:4294967295");
  EXPECT_EQ(UidSet({0, 1}), "1");
  EXPECT_EQ(UidSet({0}), "");
  EXPECT_EQ(UidSet({}), "");
}

}  // namespace
}  // namespace dmarcate
