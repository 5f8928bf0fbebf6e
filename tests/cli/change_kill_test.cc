// policyd dies by SIGKILL at any moment of an apply against a real PowerDNS: what it left in the
// journal is finished or taken back after a restart, and nothing is half written.
//
// DMARCATE_SUITE=durability runs 200 rounds. The moments are drawn from a seed that is printed;
// DMARCATE_SEED repeats it.

#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/dns/update.h"
#include "tests/cli/daemons.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing_support::MakeZone;
using testing_support::RealPowerDns;
using testing_support::WaitUntil;
using Json = nlohmann::json;

constexpr char kOldDmarc[] = "v=DMARC1; p=quarantine; x=1; rua=mailto:o@o.test";
constexpr char kNewDmarc[] =
    "v=DMARC1; p=quarantine; x=1; rua=mailto:o@o.test,mailto:r@reports.test";

class ChangeKillTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = RealPowerDns::Start(
        {MakeZone("example.test", fmt::format("_dmarc TXT \"{}\"\n", kOldDmarc)),
         MakeZone("reports.test", "")});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    daemons_.directory().Write("secrets/pdns-key", pdns_->api_key());
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/pdns-key").c_str(), 0600), 0);
    StartPolicyd();
    Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(),
         "--secret", "pdns-key"});
    Run({"domains", "add", "reports.test", "--provider", "main"});
    Run({"domains", "add", "example.test", "--provider", "main", "--report-mailbox",
         "r@reports.test"});
  }

  void StartPolicyd() {
    std::string dns = "timeout = \"500ms\"\ndeadline = \"2s\"\n";
    for (const char* zone : {"example.test", "reports.test", "o.test"}) {
      dns +=
          fmt::format("[[dns.stub]]\nzone = \"{}\"\nservers = [\"{}\"]\n", zone, pdns_->server());
    }
    const absl::Status started = daemons_.StartPolicyd("[watch]\ninterval = \"0s\"\n", dns);
    ASSERT_TRUE(started.ok()) << started;
  }

  std::string Run(const std::vector<std::string>& arguments) {
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }
  Json RunJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const std::string output = daemons_.Run(arguments).output;
    const size_t begin = output.find('{'), end = output.rfind('}');
    return begin == std::string::npos
               ? Json::object()
               : Json::parse(output.substr(begin, end + 1 - begin), nullptr, false);
  }
  std::string StateOf(const std::string& change) {
    const Json shown = RunJson({"changes", "show", change});
    return shown.contains("state") ? shown["state"].get<std::string>() : "";
  }

  std::vector<std::string> Served(const std::string& owner) {
    DnsUpdateClient side_door(ParseServerAddress(pdns_->server()).value(),
                              MakeTsigKey(pdns_->tsig_key().name, pdns_->tsig_key().algorithm,
                                          Secret(pdns_->tsig_key().secret_base64))
                                  .value());
    const absl::StatusOr<DnsAnswer> answer = side_door.Read(*DomainName::Parse(owner));
    EXPECT_TRUE(answer.ok()) << answer.status();
    std::vector<std::string> texts;
    if (answer.ok()) {
      for (const TxtRecord& record : answer->txt) texts.push_back(record.Joined());
    }
    return texts;
  }
  bool HoldsOld() {
    return Served("_dmarc.example.test") == std::vector<std::string>{kOldDmarc} &&
           Served("example.test._report._dmarc.reports.test").empty();
  }
  bool HoldsNew() {
    return Served("_dmarc.example.test") == std::vector<std::string>{kNewDmarc} &&
           Served("example.test._report._dmarc.reports.test") ==
               std::vector<std::string>{"v=DMARC1;"};
  }

  // Runs `arguments` while policyd is killed after `delay`, and starts it again.
  void RunAndKill(const std::vector<std::string>& arguments, absl::Duration delay) {
    std::thread command([&] { (void)testing_support::RunCommand(daemons_.Command(arguments)); });
    absl::SleepFor(delay);
    daemons_.KillPolicyd();
    command.join();
    StartPolicyd();
  }
  // The state in which it ends.
  std::string Ended(const std::string& change) {
    std::string state;
    const auto ended = [&] {
      state = StateOf(change);
      return !state.empty() && state != "STATE_APPLYING" && state != "STATE_VERIFYING" &&
             state != "STATE_ROLLING_BACK";
    };
    EXPECT_TRUE(WaitUntil(ended, absl::Seconds(90))) << "is " << state;
    return state;
  }

  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(ChangeKillTest, TheJournalFinishesWhatAKillLeft) {
  const char* const given = std::getenv("DMARCATE_SEED");
  const uint32_t seed = given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                                         : std::random_device()();
  const int rounds = std::getenv("DMARCATE_SUITE") != nullptr ? 200 : 8;
  std::printf("seed %u: DMARCATE_SEED=%u repeats it\n", seed, seed);
  std::mt19937 random(seed);
  std::map<std::string, int> ends;
  int taken_over = 0;
  absl::Duration apply_takes = absl::Milliseconds(300);
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round << " of seed " << seed);
    ASSERT_TRUE(HoldsOld());
    const std::string change =
        RunJson({"changes", "plan", "example.test", "--dmarc"})["name"].get<std::string>();
    // From before the call arrives until after its end.
    const absl::Duration delay = apply_takes * (static_cast<double>(random() % 1000) / 800.0);
    RunAndKill({"changes", "apply", change, "--yes"}, delay);
    std::string state = Ended(change);
    ++ends[state];
    const Json shown = RunJson({"changes", "show", change});
    for (const Json& step : shown["steps"]) {
      if (step["step"] == "LEASED" && step["detail"] != "fence 1") ++taken_over;
    }
    if (state == "STATE_PLANNED") {
      ASSERT_TRUE(HoldsOld()) << "never begun, and yet written";
      const absl::Time start = absl::Now();
      Run({"changes", "apply", change, "--yes"});
      apply_takes = std::max(absl::Now() - start, absl::Milliseconds(50));
      state = Ended(change);
    }
    ASSERT_EQ(state, "STATE_SUCCEEDED") << shown.dump(2);
    ASSERT_TRUE(HoldsNew());
    // And back, killed as well.
    RunAndKill({"changes", "rollback", change, "--yes"},
               apply_takes * (static_cast<double>(random() % 1000) / 800.0));
    if (Ended(change) != "STATE_ROLLED_BACK") {
      // Either it has not begun, or what is under way is joined.
      ASSERT_TRUE(WaitUntil(
          [&] {
            (void)daemons_.Run({"changes", "rollback", change, "--yes"});
            return StateOf(change) == "STATE_ROLLED_BACK";
          },
          absl::Seconds(90)));
    }
    ASSERT_TRUE(HoldsOld());
  }
  std::printf("killed policyd %d times: after an apply", 2 * rounds);
  for (const auto& [state, count] : ends) std::printf(" %s %d", state.c_str(), count);
  std::printf("; %d changes taken over by the next life\n", taken_over);
}

}  // namespace
}  // namespace dmarcate
