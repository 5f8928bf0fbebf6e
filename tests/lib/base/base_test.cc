#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/ip_address.h"
#include "lib/base/log_limiter.h"
#include "lib/base/random.h"
#include "lib/base/secret.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/base/toml_config.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

TEST(Text, InvalidUtf8BecomesReplacementAndTheRestStays) {
  EXPECT_EQ(ToValidUtf8("a\xFF\xFE"
                        "b"),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(ToValidUtf8("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_FALSE(IsValidUtf8("\xC0\x80"));      // overlong NUL
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));  // surrogate
}

TEST(Text, TerminalEscapesShowWhatTheyAre) {
  EXPECT_EQ(EscapeForTerminal("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
  EXPECT_EQ(EscapeForTerminal("x\xE2\x80\xAEy"), "x\\u{202e}y");
  EXPECT_EQ(EscapeForTerminal("\xFF"), "\\xff");
}

TEST(Text, NearestFindsATypoAndNothingFar) {
  const std::vector<std::string> known = {"store.directory", "listen.grpc"};
  EXPECT_EQ(Nearest("store.direktory", known), "store.directory");
  EXPECT_EQ(Nearest("zzz", known), "");
}

TEST(LogLimiter, EachKeyHasALineAMinuteAndNoEventIsUntold) {
  LogLimiter limiter(100);
  const auto at = [&](std::string_view key, int seconds) {
    return limiter.Admit(key, absl::Seconds(seconds)).value_or(-1);
  };
  EXPECT_EQ(at("a", 0), 0);
  EXPECT_EQ(at("a", 1), -1);
  EXPECT_EQ(at("a", 59), -1);
  EXPECT_EQ(at("b", 59), 2);
  EXPECT_EQ(at("a", 60), 0);
  EXPECT_EQ(at("b", 118), -1);
  EXPECT_EQ(at("a", 119), -1);
  EXPECT_EQ(at("b", 119), 2);
}

TEST(LogLimiter, ManyKeysHaveNoMoreLinesThanThat) {
  LogLimiter limiter(20);
  int64_t lines = 0, held_back = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto admitted = limiter.Admit(std::to_string(i), absl::Milliseconds(100 * i));
    if (!admitted) continue;
    ++lines;
    held_back += *admitted;
  }
  EXPECT_EQ(lines, 17 * 20);  // of 1000 seconds
  EXPECT_GT(held_back, 9'000);
  EXPECT_EQ(held_back + lines + limiter.Admit("x", absl::Hours(1)).value_or(-1), 10'000);
}

TEST(IpAddress, MappedIsV4AndTextIsCanonical) {
  EXPECT_EQ(IpAddress::Parse("::ffff:192.0.2.1")->ToString(), "192.0.2.1");
  EXPECT_EQ(IpAddress::Parse("2001:DB8:0:0::1")->ToString(), "2001:db8::1");
  EXPECT_FALSE(IpAddress::Parse("192.0.2.01"));
  EXPECT_FALSE(IpAddress::Parse("[::1]"));
  EXPECT_FALSE(IpAddress::Parse(std::string_view("192.0.2.1\0", 10)));
}

TEST(IpNetwork, ContainsByFamily) {
  const auto network = IpNetwork::Parse("192.0.2.77/24");
  ASSERT_TRUE(network);
  EXPECT_EQ(network->ToString(), "192.0.2.0/24");
  EXPECT_TRUE(network->Contains(*IpAddress::Parse("192.0.2.255")));
  EXPECT_FALSE(network->Contains(*IpAddress::Parse("192.0.3.0")));
  EXPECT_FALSE(IpNetwork::Parse("0.0.0.0/0")->Contains(*IpAddress::Parse("2001:db8::1")));
  EXPECT_FALSE(IpNetwork::Parse("192.0.2.0/33"));
  EXPECT_FALSE(IpNetwork::Parse("192.0.2.0/"));
  EXPECT_FALSE(IpNetwork::Parse("192.0.2.0/024"));
}

TEST(Digest, KnownVectors) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256Stream stream;
  stream.Update("a");
  stream.Update("bc");
  EXPECT_EQ(ToHex(stream.Finish()), Sha256Hex("abc"));
  // RFC 4231 test case 2
  EXPECT_EQ(ToHex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Digest, Base64IsStrict) {
  EXPECT_EQ(Base64Encode("foob"), "Zm9vYg==");
  EXPECT_EQ(*Base64Decode("Zm9vYg=="), "foob");
  for (const char* bad : {"Zm9vYg=", "Zm9v Yg=", "Zm=vYg==", "====", "Zm9vY===", "Zm9\nYg=="}) {
    EXPECT_FALSE(Base64Decode(bad).ok()) << bad;
  }
}

TEST(Time, DaysBeforeTheEpochRoundDown) {
  EXPECT_EQ(DayOfUnix(-1), -1);
  EXPECT_EQ(DayOfUnix(86399), 0);
  EXPECT_EQ(FormatDay(DayOfUnix(1764000000)), "2025-11-24");
  EXPECT_EQ(*ParseDay("2025-11-24"), DayOfUnix(1764000000));
  EXPECT_FALSE(ParseDay("2025-02-30").ok());
}

TEST(Random, IdsSortByTime) {
  SeededRandom random(1);
  const std::string a = MakeSortableId(absl::FromUnixMillis(1000), random);
  const std::string b = MakeSortableId(absl::FromUnixMillis(1001), random);
  EXPECT_EQ(a.size(), 26u);
  EXPECT_LT(a, b);
}

TEST(Secret, MovesLeaveNothingBehind) {
  Secret a("hunter2");
  const Secret b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  EXPECT_TRUE(b.Matches("hunter2"));
  EXPECT_FALSE(b.Matches("hunter3"));
}

TEST(File, AtomicWriteReplacesAndReadsBackWithinTheLimit) {
  const std::string path = testing::TempDir() + "/atomic";
  ASSERT_TRUE(WriteFileAtomically(path, "one", 0600).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two", 0600).ok());
  EXPECT_EQ(*ReadFile(path, 3), "two");
  EXPECT_EQ(ReadFile(path, 2).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReadFile(path + ".absent", 2).status().code(), absl::StatusCode::kNotFound);
  unlink((path + ".pipe").c_str());  // of another run
  ASSERT_EQ(mkfifo((path + ".pipe").c_str(), 0600), 0);
  EXPECT_EQ(*ReadFile(path + ".pipe", 2), "") << "it does not wait for a writer";
}

TEST(File, AtomicWriteGivesTheModeWhateverTheUmask) {
  const std::string path = testing::TempDir() + "/atomic-mode";
  const mode_t before = umask(0077);
  const absl::Status written = WriteFileAtomically(path, "for the group", 0640);
  umask(before);
  ASSERT_TRUE(written.ok()) << written;
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
}

TEST(TomlConfig, ReadsTypesAndUnits) {
  auto config = TomlConfig::Parse(
      "[store]\ndirectory = '/x'\ndeadline = '250ms'\nlimit = '2KiB'\n"
      "[[dns.stub]]\nzone = 'example.test'\n",
      "t.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->String("store.directory", ""), "/x");
  EXPECT_EQ(config->Duration("store.deadline", absl::ZeroDuration()), absl::Milliseconds(250));
  EXPECT_EQ(config->Bytes("store.limit", 0), 2048);
  const auto stubs = config->Tables("dns.stub");
  ASSERT_EQ(stubs.size(), 1u);
  EXPECT_EQ(stubs[0]->String("zone", ""), "example.test");
  EXPECT_TRUE(config->Finish().ok());
}

TEST(TomlConfig, AnUnknownKeyNamesTheNearestKnownOne) {
  auto config = TomlConfig::Parse("[store]\ndirektory = '/x'\n", "t.toml");
  ASSERT_TRUE(config.ok());
  config->String("store.directory", "");
  EXPECT_THAT(std::string(MessageOf(config->Finish())),
              HasSubstr("unknown key 'store.direktory'; did you mean 'store.directory'?"));
}

TEST(TomlConfig, AnUnknownTableIsRefusedAlsoWhereItIsEmpty) {
  const auto finish = [](const char* text) {
    auto config = TomlConfig::Parse(text, "t.toml");
    config->String("retention.rows", "");
    config->String("store.directory", "");
    return std::string(MessageOf(config->Finish()));
  };
  EXPECT_EQ(finish("[store]\n[retention]\n"), "");
  EXPECT_THAT(finish("[store2]\n"), HasSubstr("unknown key 'store2'"));
  EXPECT_THAT(finish("[store.x]\n"), HasSubstr("unknown key 'store.x'"));
  EXPECT_THAT(finish("store = 3\n"), HasSubstr("unknown key 'store'"));
  EXPECT_THAT(finish("[retenion]\nrows = '1d'\n"), HasSubstr("did you mean 'retention.rows'?"));
  // What stands in quotes is one key, and none that anybody asks for.
  EXPECT_THAT(finish("'retention.' = 1\n"), HasSubstr("unknown key '\"retention.\"'"));
  EXPECT_THAT(finish("'store.directory' = '/x'\n"),
              HasSubstr("unknown key '\"store.directory\"'; did you mean 'store.directory'?"));
  EXPECT_THAT(finish("[retention]\n'' = 1\n"), HasSubstr("unknown key 'retention.'"));
  // That two keys share a table does not make them alike.
  EXPECT_THAT(finish("[retention]\nbogus = '1d'\n"), testing::Not(HasSubstr("did you mean")));
}

TEST(TomlConfig, OneOfGivesTheChoiceOrListsThem) {
  const std::vector<std::pair<std::string_view, int>> choices = {{"low", 1}, {"high", 2}};
  auto config = TomlConfig::Parse("level = 'high'\n", "t.toml");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->OneOf("level", choices, 1), 2);
  EXPECT_EQ(config->OneOf("absent", choices, 1), 1);
  EXPECT_TRUE(config->Finish().ok());

  auto wrong = TomlConfig::Parse("level = 'medium'\n", "t.toml");
  ASSERT_TRUE(wrong.ok());
  EXPECT_EQ(wrong->OneOf("level", choices, 1), 1);
  EXPECT_THAT(std::string(MessageOf(wrong->Finish())),
              HasSubstr("level: \"medium\", want one of: low, high"));
}

TEST(TomlConfig, WrongTypesAndSyntaxSayWhere) {
  auto config = TomlConfig::Parse("a = 1\n", "t.toml");
  config->String("a", "");
  EXPECT_THAT(std::string(MessageOf(config->Finish())), HasSubstr("a: want a string"));
  EXPECT_THAT(std::string(MessageOf(TomlConfig::Parse("a = \n", "t.toml").status())),
              HasSubstr("t.toml:1:"));
}

TEST(File, MakesDirectoriesWithWhatIsMissingAbove) {
  const std::string base =
      (std::filesystem::temp_directory_path() / ("dmarcate-dirs-" + std::to_string(getpid())))
          .string();
  for (int i = 0; i < 2; ++i) {  // there already: fine
    const absl::Status made = MakeDirectories(base + "/a/b/", 0700);
    ASSERT_TRUE(made.ok()) << made;
  }
  EXPECT_EQ(std::filesystem::status(base + "/a/b").permissions(),
            std::filesystem::perms::owner_all);
  ASSERT_TRUE(WriteFileAtomically(base + "/file", "x", 0600).ok());
  EXPECT_FALSE(MakeDirectories(base + "/file/c", 0700).ok());
  EXPECT_FALSE(MakeDirectories(base + "/file", 0700).ok());
  std::filesystem::remove_all(base);
}

}  // namespace
}  // namespace dmarcate
