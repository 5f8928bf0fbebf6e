// A domain at 11 look-ups on a real PowerDNS, through the daemon and the command line: flattened,
// evaluated as a receiver does, followed when its vendor changes, and rolled back.

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/dns/config.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/dns/update.h"
#include "lib/inspect/spf_check.h"
#include "lib/inspect/spf_tree.h"
#include "tests/cli/daemons.h"
#include "tests/testing/process.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing::HasSubstr;
using testing_support::MakeZone;
using testing_support::RealPowerDns;
using testing_support::WaitUntil;
using Json = nlohmann::json;

constexpr char kVendor[] = "v=spf1 ip4:192.0.2.0/25 include:more.vendor.test -all";
constexpr char kVendorLater[] =
    "v=spf1 ip4:192.0.2.0/25 ip4:203.0.113.0/28 include:more.vendor.test -all";

// Nine includes of others; the last of them is far from their only term.
std::string Others() {
  std::string text = "v=spf1";
  for (int i = 0; i < 9; ++i) text += fmt::format(" include:o{}.vendor.test", i);
  return text + " -ip4:192.0.2.66 ~all";
}

std::string ReportOfYesterday() {
  std::string xml = ingest_testing::MakeReportXml("example.test", "a", {5});
  const int64_t day = (absl::ToUnixSeconds(absl::Now()) / 86'400 - 1) * 86'400;
  for (const auto& [from, to] : {std::pair<std::string, int64_t>{"1767225600", day},
                                 std::pair<std::string, int64_t>{"1767311999", day + 86'399}}) {
    xml.replace(xml.find(from), from.size(), std::to_string(to));
  }
  return xml;
}

class FlattenTest : public testing::Test {
 protected:
  void SetUp() override {
    // A second, so that nobody waits for a cache.
    std::string vendors = fmt::format("@ 1 TXT \"{}\"\n", kVendor) +
                          "more 1 TXT \"v=spf1 ip4:198.51.100.0/26 -all\"\n";
    for (int i = 0; i < 9; ++i) {
      vendors += fmt::format("o{} 1 TXT \"v=spf1 ip4:10.0.{}.0/24 -all\"\n", i, i);
    }
    auto started = RealPowerDns::Start(
        {MakeZone("example.test", fmt::format("@ 1 TXT \"{}\"\n@ 1 TXT \"verification=1\"\n"
                                              "_dmarc 1 TXT \"v=DMARC1; p=none\"\n",
                                              Others())),
         MakeZone("vendor.test", vendors)});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    daemons_.directory().Write("secrets/pdns-key", pdns_->api_key());
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/pdns-key").c_str(), 0600), 0);
    std::string dns = "timeout = \"500ms\"\ndeadline = \"2s\"\n";
    for (const char* zone : {"example.test", "vendor.test"}) {
      dns +=
          fmt::format("[[dns.stub]]\nzone = \"{}\"\nservers = [\"{}\"]\n", zone, pdns_->server());
      config_.stubs.push_back({*DomainName::Parse(zone), {pdns_->server()}});
    }
    const absl::Status ingestd = daemons_.StartIngestd();  // evidence comes from its store
    ASSERT_TRUE(ingestd.ok()) << ingestd;
    const absl::Status policyd = daemons_.StartPolicyd(
        "[watch]\ninterval = \"1s\"\nlooks_per_second = 100\n"
        // So that the first source is the one that reports tell of.
        "[sources]\nlookups_per_second = 0\n",
        dns);
    ASSERT_TRUE(policyd.ok()) << policyd;
    Run({"providers", "add", "main", "--type", "powerdns", "--api-url", pdns_->api_url(),
         "--secret", "pdns-key"});
    Run({"domains", "add", "example.test", "--provider", "main"});
    // Somebody sends as the domain, and is approved.
    Run({"reports", "import", daemons_.directory().Write("a.xml", ReportOfYesterday())});
    std::string source;
    ASSERT_TRUE(WaitUntil([&] {
      const auto list = daemons_.Run({"sources", "list", "example.test", "-o", "name"});
      source = std::string(TrimAscii(Split(list.output, '\n')[0]));
      return list.exit_code == 0 && source.starts_with("domains/");
    }));
    Run({"sources", "approve", source, "--spf-include", "vendor.test"});
  }

  std::string Run(const std::vector<std::string>& arguments) {
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
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
  static bool HasGuard(const Json& change, std::string_view code, std::string_view result) {
    for (const Json& guard : change["guards"]) {
      if (guard["code"] == code && guard["result"] == result) return true;
    }
    return false;
  }
  // As a receiver sees it that has nothing in its cache.
  std::unique_ptr<LdnsResolver> FreshResolver() {
    return LdnsResolver::Create(config_, clock_).value();
  }
  std::string Receive(const char* client) {
    const auto resolver = FreshResolver();
    return std::string(ToString(
        CheckHost({*IpAddress::Parse(client), "h.test", "x@example.test"}, *resolver, clock_)
            .result));
  }
  SpfTree Live() {
    const auto resolver = FreshResolver();
    return ExpandSpf(*DomainName::Parse("example.test"), *resolver, clock_).value();
  }
  void ChangeVendor(const std::string& before, const std::string& after) {
    DnsUpdateClient vendor(ParseServerAddress(pdns_->server()).value(),
                           MakeTsigKey(pdns_->tsig_key().name, pdns_->tsig_key().algorithm,
                                       Secret(pdns_->tsig_key().secret_base64))
                               .value());
    TxtRrSetUpdate update;
    update.zone = update.owner = *DomainName::Parse("vendor.test");
    update.before = {MakeTxtRecord(before)};
    update.after = {MakeTxtRecord(after)};
    update.ttl_seconds = 1;
    const absl::Status written = vendor.Apply(update);
    ASSERT_TRUE(written.ok()) << written;
  }

  SystemClock clock_;
  DnsConfig config_;
  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(FlattenTest, ADomainAtElevenLookUpsIsFlattenedFollowedAndRolledBack) {
  // Nobody asked for it: refused, as before.
  const Json refused = RunJson({"changes", "plan", "example.test", "--spf", "--dry-run"});
  EXPECT_TRUE(HasGuard(refused, "SPF_LOOKUP_LIMIT", "RESULT_REFUSE")) << refused.dump(2);

  const Json plan = RunJson({"changes", "plan", "example.test", "--spf", "--flatten", "if-needed"});
  ASSERT_TRUE(HasGuard(plan, "SPF_FLATTENED", "RESULT_WARN")) << plan.dump(2);
  EXPECT_TRUE(HasGuard(plan, "SPF_FLATTEN_PROOF", "RESULT_PASS")) << plan.dump(2);
  const std::string first = plan["name"].get<std::string>();
  Run({"changes", "apply", first, "--yes"});

  // The live result.
  const SpfTree flattened = Live();
  EXPECT_EQ(flattened.lookup_count, 10);
  EXPECT_THAT(flattened.root.record_text, HasSubstr(" include:_spf-"));
  EXPECT_EQ(Receive("192.0.2.5"), "pass");
  EXPECT_EQ(Receive("198.51.100.7"), "pass");
  EXPECT_EQ(Receive("10.0.8.1"), "pass");
  EXPECT_EQ(Receive("192.0.2.66"), "fail") << "somebody's exclusion";
  EXPECT_EQ(Receive("203.0.113.1"), "softfail");
  EXPECT_TRUE(RunJson({"records", "show", "example.test"})["drift"].empty());
  // An ordinary plan leaves it as it is.
  const Json again = RunJson({"changes", "plan", "example.test", "--spf", "--dry-run"});
  EXPECT_TRUE(again["record_changes"].empty()) << again.dump(2);

  // The vendor has a network more: it is told, and a plan waits for a person.
  ChangeVendor(kVendor, kVendorLater);
  std::string second;
  EXPECT_TRUE(WaitUntil(
      [&] {
        const Json changes = RunJson({"changes", "list", "example.test"});
        for (const Json& change : changes["changes"]) {
          if (change["requested_by"] != "automation:spf-follow") continue;
          second = change["name"].get<std::string>();
          return change["state"] == "STATE_PLANNED";
        }
        return false;
      },
      absl::Seconds(60)));
  ASSERT_FALSE(second.empty()) << Run({"insights", "list", "example.test"});
  EXPECT_EQ(Receive("203.0.113.1"), "softfail") << "nobody has said yes";
  Run({"changes", "apply", second, "--yes"});
  EXPECT_EQ(Receive("203.0.113.1"), "pass");
  EXPECT_EQ(Receive("192.0.2.5"), "pass");
  EXPECT_EQ(Receive("192.0.2.66"), "fail");
  EXPECT_EQ(Live().lookup_count, 10);

  // And back: to the record before, and what it leads to is still there.
  Run({"changes", "rollback", second, "--yes"});
  EXPECT_EQ(Live().root.record_text, flattened.root.record_text);
  EXPECT_EQ(Receive("192.0.2.5"), "pass");
  EXPECT_EQ(Receive("203.0.113.1"), "softfail");
  EXPECT_EQ(Live().lookup_count, 10);
}

}  // namespace
}  // namespace dmarcate
