// ingestd --check, beside what a start does.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

std::string Ingestd() {
  const char* const directory = getenv("DMARCATE_BIN");
  return std::string(directory != nullptr ? directory : "build/bin") + "/ingestd";
}

TEST(DaemonConfig, CheckLooksAtWhatTheFileNames) {
  const testing_support::TempDir directory;
  const std::string binary = Ingestd();
  const std::string base = fmt::format("[store]\ndirectory = \"{}\"\n", directory.File("store"));
  const auto check = [&](const std::string& text) {
    return *testing_support::RunCommand(
        {binary, "--check", "--config", directory.Write("c.toml", base + text)});
  };
  const auto refused = [&](const std::string& text, const std::string& want) {
    const auto result = check(text);
    EXPECT_EQ(result.exit_code, 1) << result.output;
    EXPECT_THAT(result.output, testing::HasSubstr("c.toml: " + want));
  };
  EXPECT_EQ(check("").exit_code, 0) << check("").output;
  const std::string missing = directory.File("missing");
  const std::string smtp = fmt::format(
      "[smtp]\nlisten = [\"127.0.0.1:2525\"]\nhostname = \"mx.test\"\n"
      "recipients = [\"a@b.test\"]\ncertificate = \"{0}\"\nkey = \"{0}\"\n",
      missing);
  refused(smtp, fmt::format("smtp.certificate: {}: No such file", missing));
  refused(fmt::format("[[maildir]]\npath = \"{}\"\n", missing),
          fmt::format("maildir[0].path: {}/new: No such file", missing));
  refused(fmt::format("[trust]\nanchors = \"{}\"\n", missing),
          fmt::format("trust.anchors: {}: No such file", missing));
  directory.Write("open/x", "");
  ASSERT_EQ(chmod(directory.File("open").c_str(), 0755), 0);
  refused(fmt::format("[listen]\nsocket = \"{}/socket\"\n", directory.File("open")),
          "listen.socket: socket directory ");
  // It starts without, and says what will not work.
  const auto noted = check(fmt::format(
      "[[imap]]\nhost = \"imap.test\"\nuser = \"u\"\npassword_file = \"{}\"\n", missing));
  EXPECT_EQ(noted.exit_code, 0) << noted.output;
  EXPECT_THAT(noted.output,
              testing::HasSubstr(fmt::format("imap[0].password_file: {}: No such", missing)));
}

// Each in a directory of its own: what --check says of it, and whether ingestd starts.
TEST(DaemonConfig, CheckAgreesWithTheStart) {
  const std::string token = "dmarcate_" + std::string(64, 'a') + "\n";
  struct Case {
    std::string name;
    std::string lmtp_socket;  // below the directory
    std::function<void(const testing_support::TempDir&)> prepare;
    std::string want;  // in the error; empty: none
  };
  const auto write = [](std::string name, std::string text, mode_t mode) {
    return [=](const testing_support::TempDir& directory) {
      ASSERT_EQ(chmod(directory.Write(name, text).c_str(), mode), 0);
    };
  };
  const auto nothing = [](const testing_support::TempDir&) {};
  const Case kCases[] = {
      {"NothingIsThereYet", "run/lmtp", nothing, ""},
      {"LmtpBesideTheStore", "var/store/lmtp", nothing, ""},
      {"LmtpAboveTheStore", "var/lmtp", nothing, ""},
      {"LmtpBesideTheToken", "token/lmtp", nothing, ""},
      {"LmtpBelowTheSocket", "run/lmtp/lmtp", nothing, "lmtp.socket: "},
      {"LmtpElsewhere", "elsewhere/lmtp", nothing, "lmtp.socket: "},
      {"LmtpIsAFile", "file", write("file", "", 0600), "lmtp.socket: "},
      {"Token", "run/lmtp", write("token/token", token, 0600), ""},
      {"TokenOfTheGroup", "run/lmtp", write("token/token", token, 0640),
       "listen.token_file: token file "},
      {"NoToken", "run/lmtp", write("token/token", "SECRET", 0600),
       "listen.token_file: token file "},
      {"TokenIsALink", "run/lmtp",
       [&](const testing_support::TempDir& directory) {
         directory.Write("token/x", token);
         const std::string real = directory.Write("real", token);
         ASSERT_EQ(symlink(real.c_str(), directory.File("token/token").c_str()), 0);
       },
       "listen.token_file: token file "},
      {"RedactionKey", "run/lmtp", write("var/store/redaction.key", token, 0600), ""},
      {"RedactionKeyOfTheGroup", "run/lmtp", write("var/store/redaction.key", token, 0640),
       "store.directory: token file "},
  };
  const std::string binary = Ingestd();
  for (const Case& tried : kCases) {
    SCOPED_TRACE(tried.name);
    const testing_support::TempDir directory;
    tried.prepare(directory);
    const std::string config = directory.Write(
        "c.toml",
        fmt::format("[listen]\nsocket = \"{0}/run/socket\"\ntoken_file = \"{0}/token/token\"\n"
                    "[store]\ndirectory = \"{0}/var/store\"\n"
                    "[lmtp]\nsocket = \"{0}/{1}\"\nrecipients = [\"a@b.test\"]\n",
                    directory.path(), tried.lmtp_socket));
    const auto checked = testing_support::RunCommand({binary, "--check", "--config", config});
    ASSERT_TRUE(checked.ok()) << checked.status();
    EXPECT_EQ(checked->exit_code, tried.want.empty() ? 0 : 1) << checked->output;
    if (!tried.want.empty()) {
      EXPECT_THAT(checked->output, testing::HasSubstr("c.toml: " + tried.want));
    }
    EXPECT_THAT(checked->output, testing::Not(testing::HasSubstr("SECRET")));
    EXPECT_FALSE(std::filesystem::exists(directory.File("run"))) << "it made something";
    testing_support::ProcessOptions options;
    options.argv = {binary, "--config", config};
    options.output_path = directory.File("log");
    auto started = testing_support::Process::Start(options);
    ASSERT_TRUE(started.ok()) << started.status();
    struct stat info = {};
    const auto listens = [&] {
      return stat(directory.File(tried.lmtp_socket).c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
    };
    ASSERT_TRUE(testing_support::WaitUntil([&] { return listens() || !started->Running(); }));
    EXPECT_EQ(listens(), tried.want.empty()) << *ReadFile(directory.File("log"), 1 << 20);
  }
}

TEST(DaemonConfig, CheckSaysWhetherTheFileIsRight) {
  const testing_support::TempDir directory;
  const std::string binary = Ingestd();
  const auto check = [&](const std::string& text) {
    return *testing_support::RunCommand(
        {binary, "--check", "--config", directory.Write("c.toml", text)});
  };
  EXPECT_EQ(check("[store]\ndirectory = \"/nowhere\"\n").exit_code, 0);
  const auto wrong = check("[store]\ndirektory = \"/nowhere\"\n");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.output, testing::HasSubstr("store.directory"));

  const std::string anchors = directory.Write("anchors.toml", "[[anchr]]\n");
  const auto unreadable = check(fmt::format("[trust]\nanchors = \"{}\"\n", anchors));
  EXPECT_EQ(unreadable.exit_code, 1);
  EXPECT_THAT(unreadable.output, testing::HasSubstr(anchors));
  EXPECT_EQ(check("[trust]\nanchors = \"/nowhere/anchors.toml\"\n").exit_code, 1);
}

}  // namespace
}  // namespace dmarcate
