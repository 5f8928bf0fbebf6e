// A domain and an account from their beginning to their end, on a real PowerDNS, through the daemon
// and the command line: what is in the way, what is shown, what stays in the DNS, and what a dead
// account costs.

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/text.h"
#include "tests/cli/daemons.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::MakeZone;
using testing_support::RealPowerDns;
using Json = nlohmann::json;

constexpr char kDmarc[] = "v=DMARC1; p=none";

class RemovalTest : public testing::Test {
 protected:
  void SetUp() override {
    StartPowerDns();
    WriteSecret("pdns-key", pdns_->api_key());
    WriteSecret("wrong-key", "not the key");
    const std::string dns = fmt::format(
        "timeout = \"500ms\"\ndeadline = \"2s\"\n[[dns.stub]]\nzone = \"example.com\"\nservers = "
        "[\"{}\"]\n",
        pdns_->server());
    const absl::Status policyd = daemons_.StartPolicyd("", dns);
    ASSERT_TRUE(policyd.ok()) << policyd;
    Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(),
         "--secret", "pdns-key"});
    Run({"domains", "add", "example.com", "--provider", "main", "--report-mailbox",
         "r@example.com"});
  }

  void StartPowerDns() {
    auto started = RealPowerDns::Start({MakeZone(
        "example.com", fmt::format("@ 1 TXT \"v=spf1 -all\"\n_dmarc 1 TXT \"{}\"\n", kDmarc))});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
  }
  void WriteSecret(const std::string& name, const std::string& text) {
    daemons_.directory().Write("secrets/" + name, text);
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/" + name).c_str(), 0600), 0);
  }
  std::string Run(const std::vector<std::string>& arguments, int exit_code = 0) {
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << Join(arguments, " ") << "\n" << result.output;
    return result.output;
  }
  // The name of the change that was made.
  std::string Applied() {
    const std::string planned = Run({"changes", "plan", "example.com", "--dmarc", "-o", "json"});
    const size_t begin = planned.find('{'), end = planned.rfind('}');
    if (begin == std::string::npos) return "";
    const Json change = Json::parse(planned.substr(begin, end - begin + 1));
    const std::string name = change["name"];
    EXPECT_THAT(Run({"changes", "apply", name, "--yes"}), HasSubstr("succeeded"));
    return name;
  }
  // What the DNS says about `owner`, as `check` sees it.
  std::string Shown() { return Run({"records", "show", "example.com"}); }

  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(RemovalTest, ADomainGoesAfterItsRecordsWereShownAndItsNameWasSaid) {
  const std::string change = Applied();
  EXPECT_THAT(Run({"providers", "remove", "main", "--confirm", "main"}, 6),
              AllOf(HasSubstr("PROVIDER_IN_USE"), HasSubstr("example.com"),
                    HasSubstr("dmarcate domains set example.com --provider")));

  const std::string shown = Run({"domains", "remove", "example.com", "--dry-run"});
  EXPECT_THAT(shown, HasSubstr("_dmarc.example.com"));
  EXPECT_THAT(shown, HasSubstr("mailto:r@example.com"));
  EXPECT_THAT(shown, HasSubstr(fmt::format("before  \"{}\"", kDmarc)));
  EXPECT_THAT(shown, HasSubstr("dmarcate changes rollback " + change));
  Run({"domains", "get", "example.com"});

  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--yes"}, {"--confirm", "example.org"}, {}}) {
    std::vector<std::string> arguments = {"domains", "remove", "example.com"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_THAT(Run(arguments, 1), HasSubstr("CONFIRMATION_REQUIRED"));
  }
  Run({"domains", "get", "example.com"});

  Run({"domains", "remove", "example.com", "--confirm", "example.com"});
  EXPECT_THAT(Run({"domains", "get", "example.com"}, 5), HasSubstr("RESOURCE_NOT_FOUND"));
  EXPECT_THAT(Run({"domains", "remove", "example.com", "--confirm", "example.com"}, 5),
              HasSubstr("RESOURCE_NOT_FOUND"));
  EXPECT_THAT(Run({"changes", "list", "example.com"}),
              HasSubstr(std::string(change.substr(change.rfind('/') + 1))))
      << "the journal stays";
  // The account writes for nobody any more.
  Run({"providers", "remove", "main", "--confirm", "main"});
  EXPECT_THAT(Run({"providers", "list"}), Not(HasSubstr("main")));
  // What was written is there still, and whoever manages the domain again begins with it.
  Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(), "--secret",
       "pdns-key"});
  Run({"domains", "add", "example.com", "--provider", "main"});
  EXPECT_THAT(Shown(), HasSubstr("mailto:r@example.com"));
}

TEST_F(RemovalTest, WhatIsUndoneFirstLeavesNothing) {
  Run({"changes", "rollback", Applied(), "--yes"});
  EXPECT_THAT(Run({"domains", "remove", "example.com", "--confirm", "example.com"}),
              HasSubstr("nothing that Dmarcate wrote is left"));
}

TEST_F(RemovalTest, APolicydThatWasKilledHasTheDomainOrNot) {
  Applied();
  Run({"domains", "remove", "example.com", "--confirm", "example.com"});
  daemons_.KillPolicyd();
  const absl::Status again = daemons_.StartPolicyd("", "resolvers = [\"127.0.0.1:1\"]");
  ASSERT_TRUE(again.ok()) << again;
  Run({"domains", "get", "example.com"}, 5);
}

TEST_F(RemovalTest, AnAccountIsTestedBeforeItCounts) {
  EXPECT_THAT(Run({"providers", "set", "main", "--secret", "wrong-key"}, 6),
              HasSubstr("PROVIDER_CREDENTIAL"));
  EXPECT_THAT(Run({"providers", "set", "main", "--api-url", "http://127.0.0.1:1"}, 8),
              HasSubstr("PROVIDER_UNAVAILABLE"));
  EXPECT_THAT(Run({"providers", "set", "main", "--zone", "example.com"}, 2),
              HasSubstr("--zone is not for providers of type powerdns"));
  EXPECT_THAT(Run({"providers", "set", "main"}, 2), HasSubstr("nothing to change"));
  // None of it counted.
  Run({"changes", "plan", "example.com", "--dmarc"});
  WriteSecret("second-key", pdns_->api_key());
  const std::string set = Run({"providers", "set", "main", "--secret", "second-key"});
  EXPECT_THAT(set, AllOf(HasSubstr("tested: "), Not(HasSubstr(pdns_->api_key()))));
  Applied();
}

TEST_F(RemovalTest, ADeadAccountIsNamedWithinSecondsAndThatIsWaitedIsSeen) {
  pdns_->Stop();
  const absl::Time start = absl::Now();
  EXPECT_THAT(Run({"changes", "plan", "example.com", "--dmarc"}, 8),
              HasSubstr("PROVIDER_UNAVAILABLE"));
  EXPECT_LT(absl::Now() - start, absl::Seconds(9));
  // On a terminal.
  std::vector<std::string> words = daemons_.Command({"changes", "plan", "example.com", "--dmarc"});
  for (std::string& word : words) word = fmt::format("'{}'", word);
  const auto seen = testing_support::RunCommand({"script", "-qec", Join(words, " "), "/dev/null"},
                                                absl::Seconds(30));
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_THAT(seen->output, HasSubstr("waiting 2 s: the records of example.com are read at its DNS "
                                      "provider and at each name server"));
  EXPECT_THAT(seen->output, HasSubstr("PROVIDER_UNAVAILABLE"));
}

}  // namespace
}  // namespace dmarcate
