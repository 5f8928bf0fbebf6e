// A change of many domains by the command line against a real PowerDNS, with policyd killed by
// SIGKILL at random moments: it goes on where it was, no zone is written twice (its serial says
// so), and a fleet of rollbacks brings everything back.
//
// DMARCATE_SUITE=fleet has 1,000 zones. The moments are drawn from a seed that is printed;
// DMARCATE_SEED repeats it.

#include <sys/stat.h>

#include <cstdlib>
#include <random>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dmarcate/v1/domain.grpc.pb.h"
#include "lib/http/curl_transport.h"
#include "tests/cli/daemons.h"
#include "tests/testing/servers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using testing_support::RealPowerDns;
using testing_support::WaitUntil;
using Json = nlohmann::json;

constexpr char kOldDmarc[] = "v=DMARC1; p=quarantine; x=1";

std::string NameOf(int i) { return fmt::format("d{:04}.test", i); }
std::string NewDmarc(const std::string& domain) {
  return fmt::format("{}; rua=mailto:r@{}", kOldDmarc, domain);
}

class Stopwatch {
 public:
  explicit Stopwatch(const char* what) : what_(what) {}
  double Stop(int domains) const {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
    std::printf("%-28s %5d domains  %6.1f s  %6.1f a second\n", what_, domains, seconds,
                domains / seconds);
    return seconds;
  }

 private:
  const char* const what_;
  const absl::Time start_ = absl::Now();
};

class FleetTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = RealPowerDns::Start({});
    ASSERT_TRUE(started.ok()) << started.status();
    pdns_ = *std::move(started);
    const Stopwatch zones("zones made");
    for (int i = 0; i < domains_; ++i) {
      // One is right already, one has two records.
      const std::string domain = NameOf(i);
      ASSERT_NO_FATAL_FAILURE(
          MakeZone(domain, i == 0   ? std::vector<std::string>{NewDmarc(domain)}
                           : i == 1 ? std::vector<std::string>{kOldDmarc, "v=DMARC1; p=none"}
                                    : std::vector<std::string>{kOldDmarc}));
    }
    zones.Stop(domains_);
    daemons_.directory().Write("secrets/pdns-key", pdns_->api_key());
    ASSERT_EQ(chmod(daemons_.directory().File("secrets/pdns-key").c_str(), 0600), 0);
    StartPolicyd();
    ASSERT_EQ(daemons_
                  .Run({"providers", "add", "main", "--type", "powerdns", "--api-url",
                        pdns_->api_url(), "--secret", "pdns-key"})
                  .exit_code,
              0);
    const Stopwatch managed("domains added");
    const auto stub = v1::DomainService::NewStub(grpc::CreateChannel(
        "unix:" + daemons_.directory().File("policyd/socket"), grpc::InsecureChannelCredentials()));
    for (int i = 0; i < domains_; ++i) {
      v1::CreateDomainRequest request;
      request.set_domain_id(NameOf(i));
      request.mutable_domain()->set_dns_provider("dnsProviders/main");
      request.mutable_domain()->set_report_mailbox("r@" + NameOf(i));
      v1::CreateDomainResponse response;
      grpc::ClientContext context;
      const grpc::Status status = stub->CreateDomain(&context, request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
    }
    managed.Stop(domains_);
  }

  void MakeZone(const std::string& name, const std::vector<std::string>& dmarc) {
    Json records = Json::array();
    for (const std::string& text : dmarc) {
      records.push_back({{"content", "\"" + text + "\""}, {"disabled", false}});
    }
    const Json zone = {
        {"name", name + "."},
        {"kind", "Native"},
        {"soa_edit_api", "INCREASE"},
        {"nameservers", {"ns1." + name + "."}},
        {"rrsets",
         {{{"name", "_dmarc." + name + "."}, {"type", "TXT"}, {"ttl", 60}, {"records", records}}}}};
    const absl::StatusOr<HttpResponse> response =
        http_.Send({.method = "POST",
                    .url = pdns_->api_url() + "/api/v1/servers/localhost/zones",
                    .headers = {{"X-API-Key", pdns_->api_key()}},
                    .body = zone.dump()});
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_EQ(response->status, 201) << response->body;
  }

  void StartPolicyd() {
    std::string dns = "timeout = \"3s\"\ndeadline = \"10s\"\n";
    for (int i = 0; i < domains_; ++i) {
      dns += fmt::format("[[dns.stub]]\nzone = \"{}\"\nservers = [\"{}\"]\n", NameOf(i),
                         pdns_->server());
    }
    const absl::Status started = daemons_.StartPolicyd("[watch]\ninterval = \"0s\"\n", dns);
    ASSERT_TRUE(started.ok()) << started;
  }

  Json RunJson(std::vector<std::string> arguments, int want_exit) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, want_exit) << result.output;
    // Progress goes to standard error, which is in there too.
    const size_t begin = result.output.find("\n{") == std::string::npos
                             ? result.output.find('{')
                             : result.output.find("\n{") + 1;
    const size_t end = result.output.rfind('}');
    return begin == std::string::npos
               ? Json::object()
               : Json::parse(result.output.substr(begin, end + 1 - begin), nullptr, false);
  }
  Json Look(const std::string& fleet) { return RunJson({"fleet", "show", fleet}, 0); }

  struct Zone {
    std::vector<std::string> dmarc;
    int64_t serial = 0;
  };
  Zone Served(const std::string& domain) {
    const absl::StatusOr<HttpResponse> response = http_.Send(
        {.url = fmt::format("{}/api/v1/servers/localhost/zones/{}.", pdns_->api_url(), domain),
         .headers = {{"X-API-Key", pdns_->api_key()}}});
    EXPECT_TRUE(response.ok()) << response.status();
    Zone zone;
    if (!response.ok()) return zone;
    const Json body = Json::parse(response->body);
    zone.serial = body["serial"];
    for (const Json& rrset : body["rrsets"]) {
      if (rrset["type"] != "TXT") continue;
      for (const Json& record : rrset["records"]) {
        const std::string content = record["content"];
        zone.dmarc.push_back(content.substr(1, content.size() - 2));
      }
    }
    return zone;
  }
  std::vector<int64_t> Serials() {
    std::vector<int64_t> serials;
    for (int i = 0; i < domains_; ++i) serials.push_back(Served(NameOf(i)).serial);
    return serials;
  }

  // Kills policyd now and then until the fleet change does not go on any more. How often.
  int KillUntilItEnds(const std::string& fleet, std::mt19937& random, int kills) {
    int killed = 0;
    while (true) {
      absl::SleepFor(absl::Milliseconds(100 + random() % 900));
      if (killed < kills) {
        daemons_.KillPolicyd();
        StartPolicyd();
        ++killed;
      }
      const Json now = Look(fleet);
      if (!now.contains("state") || (now["state"] != "STATE_APPLYING")) return killed;
    }
  }

  const bool suite_ = std::getenv("DMARCATE_SUITE") != nullptr;
  const int domains_ = suite_ ? 1000 : 100;
  CurlTransport http_;
  std::unique_ptr<RealPowerDns> pdns_;
  Daemons daemons_;
};

TEST_F(FleetTest, ManyDomainsAreChangedOnceWhateverKillsPolicyd) {
  const char* const given = std::getenv("DMARCATE_SEED");
  const uint32_t seed = given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                                         : std::random_device()();
  std::printf("seed %u: DMARCATE_SEED=%u repeats it\n", seed, seed);
  std::mt19937 random(seed);
  const std::vector<int64_t> before = Serials();
  const int to_change = domains_ - 2;

  const Stopwatch planning("planned");
  const Json plan = RunJson({"fleet", "plan", "--all", "--dmarc"}, 9);  // one is refused
  planning.Stop(domains_);
  ASSERT_EQ(plan["state"], "STATE_PLANNED") << plan.dump(2);
  EXPECT_EQ(plan["progress"]["waiting"], to_change);
  EXPECT_EQ(plan["progress"]["unchanged"], 1);
  EXPECT_EQ(plan["progress"]["refused"], 1);
  const std::string fleet = plan["name"];

  const Stopwatch applying("applied, with kills");
  (void)RunJson({"fleet", "apply", fleet, "--yes", "--detach", "--max-failures", "0"}, 11);
  const int killed = KillUntilItEnds(fleet, random, suite_ ? 20 : 4);
  applying.Stop(to_change);
  std::printf("policyd was killed %d times\n", killed);
  const Json applied = RunJson({"fleet", "watch", fleet}, 9);
  ASSERT_EQ(applied["state"], "STATE_SUCCEEDED") << applied.dump(2);
  EXPECT_EQ(applied["progress"]["succeeded"], to_change);
  for (int i = 0; i < domains_; ++i) {
    const Zone zone = Served(NameOf(i));
    if (i == 1) {
      EXPECT_EQ(zone.dmarc.size(), 2U);
    } else {
      EXPECT_EQ(zone.dmarc, std::vector<std::string>{NewDmarc(NameOf(i))});
    }
    EXPECT_EQ(zone.serial, before[i] + (i < 2 ? 0 : 1)) << NameOf(i) << ": written once";
  }

  const Json back = RunJson({"fleet", "plan", "--rollback-of", fleet}, 0);
  ASSERT_EQ(back["state"], "STATE_PLANNED") << back.dump(2);
  EXPECT_EQ(back["progress"]["waiting"], to_change);
  const Stopwatch undoing("undone, without kills");
  const Json undone = RunJson({"fleet", "apply", back["name"], "--yes"}, 0);
  undoing.Stop(to_change);
  ASSERT_EQ(undone["state"], "STATE_SUCCEEDED") << undone.dump(2);
  for (int i = 2; i < domains_; ++i) {
    const Zone zone = Served(NameOf(i));
    EXPECT_EQ(zone.dmarc, std::vector<std::string>{kOldDmarc});
    EXPECT_EQ(zone.serial, before[i] + 2);
  }
}

}  // namespace
}  // namespace dmarcate
