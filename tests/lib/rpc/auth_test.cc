#include "lib/rpc/auth.h"

#include <sys/stat.h>

#include <filesystem>

#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "lib/rpc/errors.h"

namespace dmarcate {
namespace {

const std::string kToken = std::string(kTokenPrefix) + std::string(64, 'a');

struct Case {
  std::string name;
  std::optional<std::string_view> authorization;
  bool over_unix_socket = false;
  LocalSocketTrust trust = LocalSocketTrust::kDirectoryMode;
  std::string want;  // the principal, or the reason
};
const std::string kRight = "Bearer " + kToken, kLower = "bearer " + kToken,
                  kLonger = "Bearer " + kToken + "a", kBasic = "Basic " + kToken;
const Case kCases[] = {
    {"RightToken", kRight, false, LocalSocketTrust::kDirectoryMode, "token/root"},
    {"SchemeInAnyCase", kLower, false, LocalSocketTrust::kDirectoryMode, "token/root"},
    {"NoToken", std::nullopt, false, LocalSocketTrust::kDirectoryMode, "TOKEN_MISSING"},
    {"EmptyHeader", "", false, LocalSocketTrust::kDirectoryMode, "TOKEN_INVALID"},
    {"EmptyToken", "Bearer ", false, LocalSocketTrust::kDirectoryMode, "TOKEN_INVALID"},
    {"Longer", kLonger, false, LocalSocketTrust::kDirectoryMode, "TOKEN_INVALID"},
    {"OtherScheme", kBasic, false, LocalSocketTrust::kDirectoryMode, "TOKEN_INVALID"},
    {"NoScheme", kToken, false, LocalSocketTrust::kDirectoryMode, "TOKEN_INVALID"},
    {"TrustedSocket", std::nullopt, true, LocalSocketTrust::kDirectoryMode, "local"},
    {"WrongTokenOnTrustedSocket", "Bearer x", true, LocalSocketTrust::kDirectoryMode,
     "TOKEN_INVALID"},
    {"SocketThatWantsAToken", std::nullopt, true, LocalSocketTrust::kTokenRequired,
     "TOKEN_MISSING"},
};
class AuthenticatorTest : public testing::TestWithParam<Case> {};
TEST_P(AuthenticatorTest, Case) {
  const Authenticator authenticator(Secret(kToken), GetParam().trust);
  const auto got = authenticator.Authenticate(
      Credentials{GetParam().authorization, GetParam().over_unix_socket});
  EXPECT_EQ(got.ok() ? got->name : ExtractError(ToRpcError(got.status())).reason, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, AuthenticatorTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

class TokenFileTest : public testing::Test {
 protected:
  std::filesystem::path directory_ = testing::TempDir() + "token_file_test";
  std::string path_ = directory_ / "token";
  SeededRandom random_{7};
  void SetUp() override {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
};

TEST_F(TokenFileTest, IsMadeOnceForItsOwnerOnly) {
  const auto first = ReadOrMakeToken(path_, random_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->Reveal().size(), kTokenPrefix.size() + 64);
  struct stat info = {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto second = ReadOrMakeToken(path_, random_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->Reveal(), second->Reveal());
  const auto entries = std::filesystem::directory_iterator(directory_);
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "a temporary file is left";
}

TEST_F(TokenFileTest, OpenToOthersIsRefused) {
  ASSERT_TRUE(ReadOrMakeToken(path_, random_).ok());
  for (const mode_t mode : {0640, 0604, 0660}) {
    chmod(path_.c_str(), mode);
    EXPECT_EQ(ReadOrMakeToken(path_, random_).status().code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST_F(TokenFileTest, OnlyTheFileItselfIsTaken) {
  const std::string link = directory_ / "link";
  ASSERT_TRUE(ReadOrMakeToken(path_, random_).ok());
  std::filesystem::create_symlink(path_, link);
  EXPECT_EQ(ReadToken(link).status().code(), absl::StatusCode::kFailedPrecondition);
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ReadToken(fifo).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TokenFileTest, WithoutATokenIsRefusedAndKept) {
  ASSERT_TRUE(WriteFileAtomically(path_, "hello\n", 0600).ok());
  EXPECT_EQ(ReadOrMakeToken(path_, random_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*ReadFile(path_, 100), "hello\n");
}

TEST_F(TokenFileTest, AClientDoesNotMakeIt) {
  EXPECT_EQ(ReadToken(path_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace dmarcate
