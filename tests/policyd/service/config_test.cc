#include "policyd/config.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;

TEST(PolicydConfig, EveryKeyHasADefault) {
  const auto config = ParsePolicydConfig("", "test.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.unix_socket, "/run/dmarcate/policyd/socket");
  EXPECT_EQ(config->store_directory, "/var/lib/dmarcate/policy");
  EXPECT_EQ(config->reports_directory, "/var/lib/dmarcate/reports");
  EXPECT_EQ(config->watch_interval, absl::Hours(1));
  EXPECT_EQ(config->watch_looks_per_second, 10);
  EXPECT_EQ(config->spf_follow, SpfFollowMode::kPlan);
  EXPECT_EQ(config->source_lookups_per_second, 5);
  EXPECT_TRUE(config->listen.tcp.empty()) << "no TCP unless asked for";
  EXPECT_TRUE(config->inbound_networks.empty());
}

TEST(PolicydConfig, AnHttpPortIsThereOnlyIfAskedFor) {
  EXPECT_FALSE(ParsePolicydConfig("", "test.toml")->http.has_value());
  const auto config = ParsePolicydConfig(
      "[http]\nlisten = \"[::1]:8461\"\nmta_sts_directory = \"/srv/mta-sts\"", "test.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->http.has_value());
  EXPECT_EQ(config->http->address.ToString(), "::1");
  EXPECT_EQ(config->http->port, 8461);
  EXPECT_EQ(config->mta_sts_directory, "/srv/mta-sts");
  for (const char* bad : {"8461", "localhost:8461", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
                          "127.0.0.1:65536", "127.0.0.1:80x"}) {
    const auto refused = ParsePolicydConfig(fmt::format("[http]\nlisten = \"{}\"", bad), "t.toml");
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("http.listen")) << bad;
  }
  const auto nowhere = ParsePolicydConfig("[http]\nmta_sts_directory = \"/srv\"", "test.toml");
  EXPECT_THAT(std::string(nowhere.status().message()), HasSubstr("http.listen"));
}

TEST(PolicydConfig, AnAllowedNetworkIsANetwork) {
  const auto config = ParsePolicydConfig("[inbound]\nallow_networks = [\"intern\"]", "test.toml");
  EXPECT_THAT(std::string(config.status().message()),
              HasSubstr("inbound.allow_networks: 'intern': want 10.1.0.0/16"));
}

TEST(PolicydConfig, ReadsWhatIsThere) {
  const auto config = ParsePolicydConfig(R"(
    public_suffix_file = "/usr/share/publicsuffix/public_suffix_list.dat"
    [listen]
    socket = "/tmp/p.sock"
    tcp = "127.0.0.1:8460"
    insecure_loopback = true
    token_file = "/tmp/token"
    [store]
    directory = "/tmp/policy/"
    [reports]
    directory = "/tmp/reports"
    address_domain = "Reports.Example."
    [snapshot]
    file = "/tmp/snapshot/ingestd"
    [secrets]
    directory = "/tmp/secrets"
    [[secret]]
    name = "vault"
    command = ["/usr/bin/pass", "show", "dns"]
    use = ["powerdns:https://ns1.example:8081"]
    [[secret]]
    name = "systemd"
    credential = "dns"
    [[program]]
    name = "knot"
    command = ["/opt/provider", "--zone", "example.com"]
    timeout = "5s"
    [catalogue]
    file = "/tmp/services.toml"
    [dns]
    resolvers = ["127.0.0.1:5300"]
    [[dns.stub]]
    zone = "example.com"
    servers = ["127.0.0.1:5301"]
    [spf]
    follow = "apply"
    [watch]
    interval = "0s"
    looks_per_second = 3
    [sources]
    lookups_per_second = 0
    [inbound]
    allow_networks = ["10.1.0.0/16", "fd00::/8"]
    [log]
    format = "json"
    level = "debug"
    [shutdown]
    limit = "3s"
  )",
                                         "test.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->store_directory, "/tmp/policy");
  EXPECT_EQ(config->secrets_directory, "/tmp/secrets");
  ASSERT_EQ(config->secrets.size(), 2u);
  EXPECT_EQ(config->secrets.at("vault").command,
            (std::vector<std::string>{"/usr/bin/pass", "show", "dns"}));
  EXPECT_EQ(config->secrets.at("vault").uses,
            std::vector<std::string>{"powerdns:https://ns1.example:8081"});
  EXPECT_EQ(config->secrets.at("systemd").credential, "dns");
  ASSERT_EQ(config->programs.size(), 1u);
  EXPECT_EQ(config->programs.at("knot").command.size(), 3u);
  EXPECT_EQ(config->programs.at("knot").time_limit, absl::Seconds(5));
  EXPECT_EQ(config->address_domain, "reports.example");
  EXPECT_EQ(config->catalogue_file, "/tmp/services.toml");
  EXPECT_EQ(config->snapshot_file, "/tmp/snapshot/ingestd");
  EXPECT_EQ(config->dns.resolvers, std::vector<std::string>{"127.0.0.1:5300"});
  ASSERT_EQ(config->inbound_networks.size(), 2u);
  EXPECT_EQ(config->inbound_networks[0].ToString(), "10.1.0.0/16");
  ASSERT_EQ(config->dns.stubs.size(), 1u);
  EXPECT_EQ(config->watch_interval, absl::ZeroDuration());
  EXPECT_EQ(config->watch_looks_per_second, 3);
  EXPECT_EQ(config->spf_follow, SpfFollowMode::kApply);
  EXPECT_EQ(config->source_lookups_per_second, 0);
  EXPECT_EQ(config->log.format, LogFormat::kJson);
  EXPECT_EQ(config->log.level, LogLevel::kDebug);
  EXPECT_EQ(config->drain_limit, absl::Seconds(3));
}

struct Case {
  const char* text;
  const char* want;  // in the message
};
TEST(PolicydConfig, SaysWhatIsWrong) {
  const Case kCases[] = {
      {"[store]\ndirectroy = \"/x\"", "directory"},  // the nearest known key
      {"[store]\ndirectory = \"relative\"", "absolute"},
      {"[store]\ndirectory = 7", "store.directory"},
      {"[store]\ndirectory = \"/x\"\n[reports]\ndirectory = \"/x/\"", "its own"},
      {"[reports]\naddress_domain = \"reports.example\"", "snapshot.file"},
      {"[reports]\naddress_domain = \"r@reports.example\"", "reports.address_domain"},
      {"[snapshot]\nfile = \"snapshot\"", "absolute"},
      {"[log]\nlevel = \"loud\"", "want one of"},
      {"[listen]\ntcp = \"192.0.2.1:8460\"", "tls_certificate"},
      {"[dns]\nresolvers = [\"resolver.example\"]", "dns.resolvers"},
      {"[spf]\nfollow = \"always\"", "spf.follow"},
      {"[watch]\ninterval = \"10ms\"", "watch.interval"},
      {"[watch]\ninterval = \"13h\"", "watch.interval"},
      {"[watch]\ninterval = \"hourly\"", "watch.interval"},
      {"[watch]\nlooks_per_second = 0", "watch.looks_per_second"},
      {"[watch]\nlooks_per_second = 5000", "watch.looks_per_second"},
      {"[[secret]]\nname = \"../key\"", "name"},
      {"[[secret]]\nname = \"s\"\ncommand = [\"pass\"]", "absolute"},
      {"[[secret]]\nname = \"s\"\ncredential = \"a/b\"", "credential"},
      {"[[secret]]\nname = \"s\"\ncredential = \"a\"\ncommand = [\"/x\"]", "one of the two"},
      {"[[secret]]\nname = \"s\"\n[[secret]]\nname = \"s\"", "twice"},
      {"[[secret]]\nname = \"s\"\nvalue = \"hunter2\"", "value"},
      {"[[program]]\nname = \"p\"", "command"},
      {"[[program]]\nname = \"p\"\ncommand = [\"sh\"]", "absolute"},
      {"[[program]]\nname = \"p\"\ncommand = [\"/x\"]\ntimeout = \"1h\"", "timeout"},
      {"not toml", "test.toml"},
  };
  for (const Case& test : kCases) {
    const auto config = ParsePolicydConfig(test.text, "test.toml");
    ASSERT_FALSE(config.ok()) << test.text;
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(test.want)) << test.text;
  }
}

}  // namespace
}  // namespace dmarcate
