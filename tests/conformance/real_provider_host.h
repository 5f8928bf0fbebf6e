// tests/conformance/real_provider_host.h
// Real DNS servers with their provider on top, and TSIG as the second way in.

#ifndef DMARCATE_TESTS_CONFORMANCE_REAL_PROVIDER_HOST_H_
#define DMARCATE_TESTS_CONFORMANCE_REAL_PROVIDER_HOST_H_

#include <sys/stat.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lib/dns/config.h"
#include "lib/dns/update.h"
#include "lib/http/curl_transport.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/secret_source.h"
#include "tests/conformance/provider_conformance.h"
#include "tests/testing/servers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate {

// What is in example.test to begin with: an alias, and an SPF record to include.
inline testing_support::TestZone ExampleZone(std::string_view more_records = "") {
  return testing_support::MakeZone("example.test",
                                   "alias CNAME ns1\n"
                                   "_inc TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n" +
                                       std::string(more_records));
}

// `Server` is RealBind, RealKnot or RealPowerDns.
template <typename Server>
class RealProviderHost final : public ProviderUnderTest {
 public:
  RealProviderHost(std::unique_ptr<Server> server, DnsProviderRecord record, std::string secret,
                   std::string wrong_secret, ProviderExtras extras = {})
      : server_(std::move(server)),
        secrets_({{"right", std::move(secret)}, {"wrong", std::move(wrong_secret)}}),
        factory_(http_, secrets_, std::move(extras)),
        record_(std::move(record)),
        side_door_(ParseServerAddress(server_->server()).value(),
                   MakeTsigKey(server_->tsig_key().name, server_->tsig_key().algorithm,
                               Secret(server_->tsig_key().secret_base64))
                       .value()) {
    record_.secret_name = "right";
    provider_ = factory_.Open(record_).value();
  }

  DnsProvider& provider() override { return *provider_; }
  std::unique_ptr<DnsProvider> WithWrongCredential() override {
    DnsProviderRecord record = record_;
    record.secret_name = "wrong";
    return std::make_unique<Shared>(factory_.Open(record).value());
  }
  void ForeignWrite(const DomainName& owner, const std::vector<TxtRecord>& records) override {
    TxtRrSetUpdate update;
    update.zone = TestName("example.test");
    update.owner = owner;
    update.before = Served(owner);
    update.after = records;
    const absl::Status status = side_door_.Apply(update);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::vector<TxtRecord> Served(const DomainName& owner) override {
    const absl::StatusOr<DnsAnswer> answer = side_door_.Read(owner);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? answer->txt : std::vector<TxtRecord>{};
  }
  bool GoDown() override {
    server_->Kill();
    return true;
  }

  Server& server() { return *server_; }
  const DnsProviderRecord& record() const { return record_; }
  ProviderFactory& factory() { return factory_; }

 private:
  // A provider that is shared as one that is owned.
  class Shared final : public DnsProvider {
   public:
    explicit Shared(std::shared_ptr<DnsProvider> provider) : provider_(std::move(provider)) {}
    ProviderClass provider_class() const override { return provider_->provider_class(); }
    absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
      return provider_->FindZone(owner);
    }
    absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_->ListZones(); }
    absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
      return provider_->ReadRrSet(zone, owner);
    }
    absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
      return provider_->Apply(zone, change);
    }
    ProviderTest Test() override { return provider_->Test(); }

   private:
    std::shared_ptr<DnsProvider> provider_;
  };

  std::unique_ptr<Server> server_;
  CurlTransport http_;
  FakeSecretSource secrets_;
  RealProviderFactory factory_;
  DnsProviderRecord record_;
  DnsUpdateClient side_door_;
  std::shared_ptr<DnsProvider> provider_;
};

inline constexpr char kWrongTsigSecret[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

template <typename Server>
std::unique_ptr<RealProviderHost<Server>> MakeRfc2136Host(
    absl::StatusOr<std::unique_ptr<Server>> server) {
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    return nullptr;
  }
  DnsProviderRecord record;
  record.id = "dns";
  record.type = "rfc2136";
  record.settings = {{"server", (*server)->server()},
                     {"key_name", (*server)->tsig_key().name},
                     {"algorithm", (*server)->tsig_key().algorithm}};
  record.zones = {"example.test"};
  const std::string secret = (*server)->tsig_key().secret_base64;
  return std::make_unique<RealProviderHost<Server>>(*std::move(server), record, secret,
                                                    kWrongTsigSecret);
}

// The program that the project ships, where nobody else may change it, whatever the umask of the
// checkout was.
inline std::string ShippedProgram() {
  static const testing_support::TempDir directory;
  const std::string path = directory.Write(
      "nsupdate-provider", testing_support::ReadWholeFile("deploy/exec/nsupdate-provider"));
  EXPECT_EQ(chmod(path.c_str(), 0755), 0);
  return path;
}

// By a program of type exec, which speaks RFC 2136 in policyd's stead.
template <typename Server>
std::unique_ptr<RealProviderHost<Server>> MakeExecHost(
    absl::StatusOr<std::unique_ptr<Server>> server) {
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    return nullptr;
  }
  DnsProviderRecord record;
  record.id = "dns";
  record.type = "exec";
  record.settings = {{"program", "nsupdate"}, {"class", "A"}};
  const testing_support::TestTsigKey& key = (*server)->tsig_key();
  ExecProgram program;
  program.command = {
      ShippedProgram(), "--server",     "127.0.0.1",  "--port", std::to_string((*server)->port()),
      "--zone",         "example.test", "--key-name", key.name, "--algorithm",
      key.algorithm};
  const std::string secret = key.secret_base64;
  return std::make_unique<RealProviderHost<Server>>(
      *std::move(server), record, secret, kWrongTsigSecret,
      ProviderExtras{.programs = {{"nsupdate", std::move(program)}}});
}

inline std::unique_ptr<RealProviderHost<testing_support::RealPowerDns>> MakePowerDnsHost(
    absl::StatusOr<std::unique_ptr<testing_support::RealPowerDns>> server) {
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    return nullptr;
  }
  DnsProviderRecord record;
  record.id = "dns";
  record.type = "powerdns";
  record.settings = {{"api_url", (*server)->api_url()}};
  const std::string key = (*server)->api_key();
  return std::make_unique<RealProviderHost<testing_support::RealPowerDns>>(
      *std::move(server), record, key, "not-the-key");
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_CONFORMANCE_REAL_PROVIDER_HOST_H_
