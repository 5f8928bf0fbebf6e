// Terms of SPF that carry nothing, on a real PowerDNS, through the daemon and the command line:
// shown with their numbers, taken out by a plan that names them, and put back.

#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "lib/dns/config.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/store/rocks_report_store.h"
#include "tests/cli/daemons.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
using cli_testing::Daemons;
using testing::HasSubstr;

using testing_support::MakeZone;
using testing_support::RealPowerDns;
using testing_support::WaitUntil;
using Json = nlohmann::json;

constexpr char kLive[] =
    "v=spf1  include:used.vendor.test include:old.vendor.test ip4:10.0.0.1 ~all";
constexpr char kPruned[] = "v=spf1  include:used.vendor.test ~all";

class PruneTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = RealPowerDns::Start(
        {MakeZone("example.com", fmt::format("@ 1 TXT \"{}\"\n@ 1 TXT \"verification=1\"\n"
                                             "_dmarc 1 TXT \"v=DMARC1; p=none\"\n",
                                             kLive)),
         MakeZone("vendor.test",
                  "used 1 TXT \"v=spf1 ip4:192.0.2.0/25 -all\"\n"
                  "old 1 TXT \"v=spf1 ip4:203.0.113.0/28 include:more.vendor.test -all\"\n"
                  "more 1 TXT \"v=spf1 ip4:203.0.113.128/28 -all\"\n")});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    daemons_.directory().Write("secrets/pdns-key", pdns_->api_key());
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/pdns-key").c_str(), 0600), 0);
    std::string dns = "timeout = \"500ms\"\ndeadline = \"2s\"\n";
    for (const char* zone : {"example.com", "vendor.test"}) {
      dns +=
          fmt::format("[[dns.stub]]\nzone = \"{}\"\nservers = [\"{}\"]\n", zone, pdns_->server());
      config_.stubs.push_back({*DomainName::Parse(zone), {pdns_->server()}});
    }
    WriteReports();
    const absl::Status policyd = daemons_.StartPolicyd("", dns);
    ASSERT_TRUE(policyd.ok()) << policyd;
    Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(),
         "--secret", "pdns-key"});
    Run({"domains", "add", "example.com", "--provider", "main"});
    ASSERT_TRUE(WaitUntil([this] { return Review()["message_count"] == "1000"; }));
  }

  // What ingestd stores of two receivers that are anchors: 100 days of mail through one term.
  void WriteReports() {
    const auto writer = RocksReportWriter::Open(daemons_.directory().File("reports"));
    ASSERT_TRUE(writer.ok()) << writer.status();
    CommitBatch accepting;
    std::vector<StoredReport> reports;
    for (int day = 1; day <= 100; ++day) {
      for (const char* who : {"google.com", "microsoft.com"}) {
        reports.push_back(analysis_testing::Report(DayOf(absl::Now()) - day,
                                                   {Row(5).From("192.0.2.7").Spf("example.com")},
                                                   who, TrustClass::kAnchored));
        StoredReport& report = reports.back();
        report.reporter_key = who;
        report.report.metadata.report_id = fmt::format("{} {}", who, day);
        report.received_time = absl::Now();
        const std::string& raw = report.report.metadata.report_id;
        report.document_sha256 = Sha256(raw);
        accepting.accepted.push_back({{.raw_sha256 = Sha256(raw),
                                       .size_bytes = static_cast<int64_t>(raw.size()),
                                       .received_time = absl::Now()},
                                      raw});
      }
    }
    const auto accepted = (*writer)->Commit(std::move(accepting), Sync::kYes);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    CommitBatch processing;
    for (size_t i = 0; i < reports.size(); ++i) {
      reports[i].key.receipt = accepted->accepted[i];
      processing.processed.push_back({.receipt = reports[i].key.receipt});
      processing.processed.back().items.push_back(
          {{.outcome = Outcome::kAccepted, .kind = std::string(kAggregateKind)},
           std::move(reports[i])});
    }
    const auto processed = (*writer)->Commit(std::move(processing), Sync::kYes);
    ASSERT_TRUE(processed.ok()) << processed.status();
  }

  std::string Run(const std::vector<std::string>& arguments, int exit_code = 0) {
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    return result.output;
  }
  Json RunJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const std::string output = daemons_.Run(arguments).output;
    // Without the notes on standard error.
    const size_t begin = output.find('{'), end = output.rfind('}');
    const Json out = begin == std::string::npos
                         ? Json()
                         : Json::parse(output.substr(begin, end + 1 - begin), nullptr, false);
    EXPECT_TRUE(out.is_object()) << output;
    return out;
  }
  Json Review() { return RunJson({"changes", "terms", "example.com"}); }
  // As a receiver sees it that has nothing in its cache.
  std::vector<std::string> Live(const std::string& name = "example.com") {
    const auto resolver = LdnsResolver::Create(config_, clock_).value();
    const DnsAnswer answer = resolver->Lookup(*DomainName::Parse(name), RrType::kTxt).value();
    std::vector<std::string> texts;
    for (const TxtRecord& record : answer.txt) texts.push_back(record.Joined());
    std::ranges::sort(texts);
    return texts;
  }

  SystemClock clock_;
  DnsConfig config_;
  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(PruneTest, TermsThatCarryNothingAreShownTakenOutAndPutBack) {
  const std::string shown = Run({"changes", "terms", "example.com"});
  EXPECT_THAT(shown, HasSubstr("include:used.vendor.test"));
  EXPECT_THAT(shown, HasSubstr("without what is unused the record takes 1 of 3 look-ups"));
  EXPECT_THAT(shown, HasSubstr("dmarcate changes plan example.com --prune "
                               "\"include:old.vendor.test\" \"ip4:10.0.0.1\""));
  const Json review = Review();
  ASSERT_EQ(review["terms"].size(), 4U) << review.dump(2);
  EXPECT_EQ(review["terms"][0]["verdict"], "VERDICT_USED");
  EXPECT_EQ(review["terms"][0]["message_count"], "1000");
  EXPECT_EQ(review["terms"][1]["verdict"], "VERDICT_UNUSED");
  EXPECT_EQ(review["terms"][1]["lookup_cost"], 2);
  EXPECT_EQ(Live(), (std::vector<std::string>{kLive, "verification=1"})) << "looking wrote";

  const Json plan = RunJson(
      {"changes", "plan", "example.com", "--prune", "include:old.vendor.test", "ip4:10.0.0.1"});
  ASSERT_EQ(plan["state"], "STATE_PLANNED") << plan.dump(2);
  EXPECT_EQ(plan["record_changes"].size(), 1U);
  EXPECT_EQ(plan["record_changes"][0]["lookups_after"], 1);
  const std::string name = plan["name"].get<std::string>();
  Run({"changes", "apply", name, "--yes"});
  EXPECT_EQ(Live(), (std::vector<std::string>{kPruned, "verification=1"}));
  EXPECT_EQ(Live("_dmarc.example.com"), std::vector<std::string>{"v=DMARC1; p=none"});
  EXPECT_EQ(RunJson({"changes", "show", name})["state"], "STATE_SUCCEEDED");
  EXPECT_TRUE(RunJson({"records", "show", "example.com"})["drift"].empty());

  Run({"changes", "rollback", name, "--yes"});
  EXPECT_EQ(Live(), (std::vector<std::string>{kLive, "verification=1"}));
}

TEST_F(PruneTest, WhatAnApprovedSourceSendsThroughStays) {
  Run({"sources", "approve", "own-example.com", "--domain", "example.com"});
  const Json plan =
      RunJson({"changes", "plan", "example.com", "--prune", "include:used.vendor.test"});
  EXPECT_EQ(plan["state"], "STATE_REFUSED");
  EXPECT_THAT(plan.dump(), HasSubstr("SPF_PRUNE_APPROVED"));
  EXPECT_EQ(Live(), (std::vector<std::string>{kLive, "verification=1"}));
  // No way round by mixing it with something else.
  EXPECT_THAT(Run({"changes", "plan", "example.com", "--spf", "--prune", "ip4:10.0.0.1"}, 2),
              HasSubstr("--spf excludes --prune"));
}

}  // namespace
}  // namespace dmarcate
