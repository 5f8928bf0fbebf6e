// A secret that was handed to policyd is nowhere to be seen: not in its log at the most talkative,
// not in what its API answers, errors included, not in what it stores, not in its arguments and
// environment or those of its children, and not in a core file; wherever it came from.

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cli/daemons.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::HasSubstr;
using testing_support::MakeZone;
using testing_support::RealPowerDns;

// What may be the secret in another dress: itself, and in base64 and hex.
const char kCanary[] = "cAnArY-8f3a1d7e-never-seen";
const char kCanaryBase64[] = "Y0FuQXJZLThmM2ExZDdlLW5ldmVyLXNlZW4=";

bool Shows(const std::string& bytes) {
  std::string hex;
  for (const char c : std::string(kCanary)) {
    hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return bytes.find(kCanary) != std::string::npos ||
         bytes.find(std::string(kCanaryBase64).substr(0, 30)) != std::string::npos ||
         bytes.find(hex) != std::string::npos;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

class CanaryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started =
        RealPowerDns::Start({MakeZone("example.test", "_dmarc TXT \"v=DMARC1; p=none\"\n")});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    for (const auto& [name, secret] : {std::pair<std::string, std::string>{"canary", kCanary},
                                       {"canary-tsig", kCanaryBase64},
                                       {"right", pdns_->api_key()}}) {
      daemons_.directory().Write("secrets/" + name, secret);
      ASSERT_EQ(chmod(daemons_.directory().File("secrets/" + name).c_str(), 0600), 0);
    }
    // As the shell of a developer may have it.
    rlimit limit = {};
    ASSERT_EQ(getrlimit(RLIMIT_CORE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_CORE, &limit), 0);
    daemons_.directory().Write("secrets/credentials/dns", kCanary);
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/credentials/dns").c_str(), 0400), 0);
    ASSERT_EQ(setenv("CREDENTIALS_DIRECTORY",
                     daemons_.directory().File("secrets/credentials").c_str(), 1),
              0);
    const auto script = [this](const std::string& name, const std::string& text) {
      const std::string path = daemons_.directory().Write(name, "#!/bin/sh\n" + text + "\n");
      EXPECT_EQ(chmod(path.c_str(), 0755), 0);
      return path;
    };
    const absl::Status policyd = daemons_.StartPolicyd(
        "[watch]\ninterval = \"0s\"\n[log]\nlevel = \"debug\"\n"
        "[[secret]]\nname = \"by-command\"\ncommand = [\"/bin/cat\", \"" +
            daemons_.directory().File("secrets/canary") +
            "\"]\n[[secret]]\nname = \"by-credential\"\ncredential = \"dns\"\n"
            "[[program]]\nname = \"loud\"\ncommand = [\"" +
            script("loud.sh", "cat <&3 >&2; base64 <&3 >&2; cat <&3; exit 1") +
            "\"]\n[[program]]\nname = \"slow\"\ntimeout = \"3s\"\ncommand = [\"" +
            script("slow.sh",
                   "echo $$ >" + daemons_.directory().File("slow.pid") + "\nexec sleep 10") +
            "\"]\n",
        fmt::format("timeout = \"300ms\"\ndeadline = \"1s\"\n[[dns.stub]]\nzone = "
                    "\"example.test\"\nservers = [\"{}\"]\n",
                    pdns_->server()));
    ASSERT_TRUE(policyd.ok()) << policyd;
  }
  // What a command prints, on both streams, whether it fails or not.
  std::string Say(const std::vector<std::string>& arguments) {
    std::string output = daemons_.Run(arguments).output;
    EXPECT_FALSE(Shows(output)) << output;
    all_ += output;
    return output;
  }
  // Every file below the test's directory but the secrets themselves: log, stores, sockets, cores.
  void ExpectNoFileShows() {
    size_t files = 0;
    const std::filesystem::path root = daemons_.directory().path();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string directory = entry.path().parent_path().filename();
      if (!entry.is_regular_file() || directory == "secrets" || directory == "credentials") {
        continue;
      }
      EXPECT_FALSE(Shows(Read(entry.path()))) << entry.path();
      EXPECT_FALSE(entry.path().filename().string().starts_with("core")) << entry.path();
      ++files;
    }
    EXPECT_GT(files, 5u) << "nothing was looked at";
  }

  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
  std::string all_;
};

TEST_F(CanaryTest, IsNowhere) {
  // Refused by the host: an error about exactly this secret.
  Say({"providers", "add", "wrong", "--type", "powerdns", "--api-url", pdns_->api_url(), "--secret",
       "canary"});
  Say({"providers", "add", "tsig", "--type", "rfc2136", "--address", pdns_->server(), "--zone",
       "example.test", "--key-name", "upd", "--secret", "canary-tsig"});
  // Somebody takes the secret for its name.
  Say({"providers", "add", "misplaced", "--type", "powerdns", "--api-url", pdns_->api_url(),
       "--secret", "../canary"});
  EXPECT_THAT(Say({"providers", "test", "wrong"}), HasSubstr("refused"));
  Say({"providers", "test", "tsig"});
  Say({"providers", "list", "-o", "json"});
  Say({"providers", "list", "-o", "wide"});
  for (const char* provider : {"wrong", "tsig"}) {
    const std::string domain = fmt::format("{}.example.test", provider);
    Say({"domains", "add", domain, "--provider", provider, "--report-mailbox", "r@example.test"});
    Say({"changes", "plan", domain, "-o", "json"});
  }
  Say({"domains", "list", "-o", "json"});
  Say({"changes", "list", "-o", "json"});
  EXPECT_THAT(all_, HasSubstr("dnsProviders/wrong")) << "the accounts were never shown";

  const std::string proc = fmt::format("/proc/{}/", daemons_.policyd_pid());
  for (const char* file : {"cmdline", "environ"}) EXPECT_FALSE(Shows(Read(proc + file))) << file;
  EXPECT_THAT(Read(proc + "limits"), testing::ContainsRegex("Max core file size +0 +0 "));
  ExpectNoFileShows();
}

// By way of a command, of a credential of systemd's, and to a program, which repeats it as loud as
// it can.
TEST_F(CanaryTest, IsNowhereEitherByCommandCredentialAndProgram) {
  const std::string proc = fmt::format("/proc/{}/", daemons_.policyd_pid());
  for (const char* name : {"by-command", "by-credential"}) {
    const std::string provider = fmt::format("pdns-{}", name);
    Say({"providers", "add", provider, "--type", "powerdns", "--api-url", pdns_->api_url(),
         "--secret", name});
    EXPECT_THAT(Say({"providers", "test", provider}), HasSubstr("refused"));
  }
  Say({"providers", "add", "loud", "--type", "exec", "--program", "loud", "--secret",
       "by-command"});
  Say({"providers", "add", "slow", "--type", "exec", "--program", "slow", "--secret",
       "by-command"});
  EXPECT_THAT(Say({"providers", "test", "loud"}), HasSubstr("(secret)"));
  Say({"domains", "add", "loud.example.test", "--provider", "loud", "--report-mailbox",
       "r@example.test"});
  EXPECT_THAT(Say({"changes", "plan", "loud.example.test", "-o", "json"}), HasSubstr("(secret)"));
  Say({"providers", "list", "-o", "json"});

  // While it runs: what everybody of this machine can see of it.
  auto test =
      testing_support::Process::Start({.argv = daemons_.Command({"providers", "test", "slow"})});
  ASSERT_TRUE(test.ok()) << test.status();
  const std::string pid_file = daemons_.directory().File("slow.pid");
  ASSERT_TRUE(testing_support::WaitUntil([&] { return !Read(pid_file).empty(); }));
  const std::string child = fmt::format("/proc/{}/", std::stoi(Read(pid_file)));
  for (const char* file : {"cmdline", "environ"}) {
    const std::string bytes = Read(child + file);
    EXPECT_FALSE(bytes.empty()) << file;
    EXPECT_FALSE(Shows(bytes)) << file;
  }
  EXPECT_THAT(Read(child + "environ"), HasSubstr("DMARCATE_SECRET_FD=3"));
  EXPECT_THAT(Read(child + "limits"), testing::ContainsRegex("Max core file size +0 +0 "));
  test->Wait(absl::Seconds(20)).IgnoreError();
  for (const char* file : {"cmdline", "environ"}) EXPECT_FALSE(Shows(Read(proc + file))) << file;
  ExpectNoFileShows();
}

TEST_F(CanaryTest, ACrashLeavesNoCore) {
  Say({"providers", "add", "wrong", "--type", "powerdns", "--api-url", pdns_->api_url(), "--secret",
       "canary"});
  Say({"providers", "test", "wrong"});
  ASSERT_EQ(kill(daemons_.policyd_pid(), SIGSEGV), 0);
  const std::string state = fmt::format("/proc/{}/stat", daemons_.policyd_pid());
  ASSERT_TRUE(
      testing_support::WaitUntil([&] { return Read(state).find(") Z ") != std::string::npos; }));
  ExpectNoFileShows();
}

}  // namespace
}  // namespace dmarcate
