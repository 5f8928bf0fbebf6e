// A record is changed behind policyd's back on a real authoritative server: the history and drift
// show it, through the daemon and the command line.

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/dns/config.h"
#include "lib/dns/update.h"
#include "tests/cli/daemons.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::MakeZone;
using testing_support::RealPowerDns;
using testing_support::WaitUntil;
using Json = nlohmann::json;

constexpr char kBefore[] = "v=DMARC1; p=quarantine";
constexpr char kApplied[] = "v=DMARC1; p=quarantine; rua=mailto:r@example.test";
constexpr char kForeign[] = "v=DMARC1; p=none";

class HistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = RealPowerDns::Start(
        {MakeZone("example.test", fmt::format("@ TXT \"v=spf1 include:_inc.example.test -all\"\n"
                                              "_inc TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n"
                                              "_dmarc TXT \"{}\"\n",
                                              kBefore))});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    daemons_.directory().Write("secrets/pdns-key", pdns_->api_key());
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/pdns-key").c_str(), 0600), 0);
    StartPolicyd();
  }
  void StartPolicyd() {
    const absl::Status started = daemons_.StartPolicyd(
        "[watch]\ninterval = \"1s\"\n",
        fmt::format("timeout = \"300ms\"\ndeadline = \"1s\"\n[[dns.stub]]\nzone = "
                    "\"example.test\"\nservers = [\"{}\"]\n",
                    pdns_->server()));
    ASSERT_TRUE(started.ok()) << started;
  }
  std::string Run(const std::vector<std::string>& arguments) {
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }
  Json RunJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const std::string output = Run(arguments);
    // Without the notes on standard error.
    const size_t begin = output.find('{'), end = output.rfind('}');
    const Json out = begin == std::string::npos
                         ? Json()
                         : Json::parse(output.substr(begin, end + 1 - begin), nullptr, false);
    EXPECT_TRUE(out.is_object()) << output;
    return out;
  }
  // Newest first.
  Json History(const std::string& owner) {
    return RunJson({"records", "history", "example.test", "--name", owner})["observations"];
  }
  bool NewestIs(const std::string& owner, const std::string& value) {
    return WaitUntil([&] {
      const Json entries = History(owner);
      return !entries.empty() && entries[0]["values"] == Json::array({value});
    });
  }
  // As somebody else with a key of the zone does.
  void WriteBehindOurBack(std::string_view owner, const std::string& before,
                          const std::string& after) {
    DnsUpdateClient side_door(ParseServerAddress(pdns_->server()).value(),
                              MakeTsigKey(pdns_->tsig_key().name, pdns_->tsig_key().algorithm,
                                          Secret(pdns_->tsig_key().secret_base64))
                                  .value());
    TxtRrSetUpdate update;
    update.zone = *DomainName::Parse("example.test");
    update.owner = *DomainName::Parse(owner);
    update.before = {MakeTxtRecord(before)};
    if (!after.empty()) update.after = {MakeTxtRecord(after)};
    update.ttl_seconds = 300;
    const absl::Status written = side_door.Apply(update);
    ASSERT_TRUE(written.ok()) << written;
  }

  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(HistoryTest, WhatOthersChangeIsInTheHistoryAndIsDrift) {
  Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(), "--secret",
       "pdns-key"});
  Run({"domains", "add", "example.test", "--provider", "main", "--report-mailbox",
       "r@example.test"});
  ASSERT_TRUE(NewestIs("_dmarc.example.test", kBefore));
  const std::string change =
      RunJson({"changes", "plan", "example.test", "--dmarc"})["name"].get<std::string>();
  Run({"changes", "apply", change, "--yes"});
  ASSERT_TRUE(NewestIs("_dmarc.example.test", kApplied));
  EXPECT_TRUE(RunJson({"records", "show", "example.test"})["drift"].empty());

  WriteBehindOurBack("_dmarc.example.test", kApplied, kForeign);
  ASSERT_TRUE(NewestIs("_dmarc.example.test", kForeign));
  const Json entries = History("_dmarc.example.test");
  EXPECT_EQ(entries[0]["added_values"], Json::array({kForeign}));
  EXPECT_EQ(entries[0]["removed_values"], Json::array({kApplied}));
  EXPECT_EQ(entries[0]["outcome"], "LOOKUP_OUTCOME_RECORDS");
  EXPECT_EQ(entries[1]["values"], Json::array({kApplied}));
  EXPECT_THAT(
      Run({"records", "history", "example.test", "--type", "dmarc"}),
      AllOf(HasSubstr(fmt::format("- {}", kApplied)), HasSubstr(fmt::format("+ {}", kForeign)),
            HasSubstr(fmt::format("- {}", kBefore))));

  const Json shown = RunJson({"records", "show", "example.test"});
  ASSERT_EQ(shown["drift"].size(), 2u) << shown;
  EXPECT_EQ(shown["drift"][0]["code"], "DRIFT_RUA_LOST");
  EXPECT_EQ(shown["drift"][0]["expected"], kApplied);
  EXPECT_EQ(shown["drift"][0]["live"], kForeign);
  EXPECT_EQ(shown["drift"][0]["change"], change);
  EXPECT_EQ(shown["drift"][0]["since_time"], entries[0]["first_seen_time"]);
  EXPECT_EQ(shown["drift"][1]["code"], "DRIFT_RECORD_CHANGED");
  EXPECT_EQ(shown["drift"][1]["severity"], "SEVERITY_ERROR") << "the policy is weaker";
  EXPECT_THAT(Run({"records", "show", "example.test"}),
              AllOf(HasSubstr("drift   error DRIFT_RUA_LOST"),
                    HasSubstr("dmarcate changes plan example.test --dmarc")));

  // What the fix says, done: no drift of rua= any more, and the policy is as they want it.
  const std::string repair =
      RunJson({"changes", "plan", "example.test", "--dmarc"})["name"].get<std::string>();
  Run({"changes", "apply", repair, "--yes"});
  EXPECT_TRUE(RunJson({"records", "show", "example.test"})["drift"].empty());
}

TEST_F(HistoryTest, AnIncludedNameThatGoesIsTold) {
  Run({"domains", "add", "example.test"});
  ASSERT_TRUE(NewestIs("_inc.example.test", "v=spf1 ip4:192.0.2.0/24 -all"));
  WriteBehindOurBack("_inc.example.test", "v=spf1 ip4:192.0.2.0/24 -all", "");
  ASSERT_TRUE(WaitUntil(
      [&] { return History("_inc.example.test")[0]["outcome"] == "LOOKUP_OUTCOME_NXDOMAIN"; }));
  const Json drift = RunJson({"records", "show", "example.test"})["drift"];
  ASSERT_EQ(drift.size(), 1u) << drift;
  EXPECT_EQ(drift[0]["code"], "INCLUDE_GONE");
  EXPECT_EQ(drift[0]["expected"], "v=spf1 ip4:192.0.2.0/24 -all");
}

TEST_F(HistoryTest, InsightsComeAreAcceptedAndGo) {
  Run({"domains", "add", "example.test"});
  const auto insights = [&](const std::string& state) {
    return RunJson({"insights", "list", "example.test", "--state", state})["insights"];
  };
  ASSERT_TRUE(WaitUntil([&] { return insights("active").size() == 1; })) << insights("all");
  EXPECT_EQ(insights("active")[0]["code"], "DMARC_NO_RUA");
  EXPECT_THAT(Run({"insights", "list"}),
              AllOf(HasSubstr("warning DMARC_NO_RUA"), HasSubstr("_dmarc.example.test"),
                    HasSubstr("dmarcate records show example.test")));
  const std::string name = insights("active")[0]["name"].get<std::string>();
  EXPECT_THAT(Run({"insights", "accept", name, "--note", "until the move"}),
              AllOf(HasSubstr("(accepted)"), HasSubstr("until the move")));
  EXPECT_EQ(insights("active").size(), 0U);
  EXPECT_EQ(insights("accepted").size(), 1U);

  WriteBehindOurBack("_inc.example.test", "v=spf1 ip4:192.0.2.0/24 -all", "");
  ASSERT_TRUE(WaitUntil([&] { return insights("active").size() == 1; }));
  EXPECT_EQ(insights("active")[0]["code"], "SPF_DANGLING");
  EXPECT_EQ(daemons_.Run({"insights", "list", "--exit-code"}).exit_code, 3);

  WriteBehindOurBack("_dmarc.example.test", kBefore,
                     "v=DMARC1; p=quarantine; rua=mailto:r@example.test");
  ASSERT_TRUE(WaitUntil([&] { return insights("resolved").size() == 1; }));
  EXPECT_THAT(Run({"insights", "get", name}), HasSubstr("DMARC_NO_RUA (resolved)"));
  EXPECT_EQ(daemons_.Run({"insights", "get", "nothing", "--domain", "example.test"}).exit_code, 5);
  // What was kept outlives the daemon.
  daemons_.KillPolicyd();
  StartPolicyd();
  EXPECT_EQ(insights("all").size(), 2U);
}

TEST_F(HistoryTest, SilenceIsNoChangeAndTheHistoryOutlivesTheDaemon) {
  Run({"domains", "add", "example.test"});
  ASSERT_TRUE(NewestIs("_dmarc.example.test", kBefore));
  pdns_->Pause();
  ASSERT_TRUE(WaitUntil([&] {
    const auto outcome = History("_dmarc.example.test")[0]["outcome"];
    return outcome == "LOOKUP_OUTCOME_TIMEOUT" || outcome == "LOOKUP_OUTCOME_SERVFAIL";
  }));
  daemons_.KillPolicyd();
  StartPolicyd();
  const Json entries = History("_dmarc.example.test");
  ASSERT_GE(entries.size(), 2u) << entries;
  EXPECT_EQ(entries.back()["values"], Json::array({kBefore}));
  pdns_->Resume();
  ASSERT_TRUE(WaitUntil([&] {
    const Json now = History("_dmarc.example.test");
    return now.back()["last_seen_time"] > entries[0]["last_seen_time"];
  }));
  EXPECT_EQ(History("_dmarc.example.test").back()["values"], Json::array({kBefore}))
      << "the same entry goes on";
}

}  // namespace
}  // namespace dmarcate
