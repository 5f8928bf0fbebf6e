// tests/conformance/vendor_host.h
// An adapter over a VendorServer, opened by the factory as policyd opens it, in a time that passes
// only when the adapter sleeps.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_HOST_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_HOST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/secret_source.h"
#include "tests/conformance/provider_conformance.h"
#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate {

struct VendorSetup {
  std::string type;  // "cloudflare"
  std::map<std::string, std::string> settings;
  std::string secret, wrong_secret;
  // What of the secret must never be seen; empty: all of it.
  std::string canary;
  HostTraits traits;
  // How the API would show a record that no reader can decode; empty if every text is a record.
  std::string undecodable;
};

class VendorHost final : public ProviderUnderTest {
 public:
  VendorHost(VendorSetup setup, std::unique_ptr<testing_support::VendorServer> server)
      : setup_(std::move(setup)),
        server_(std::move(server)),
        secrets_({{"right", setup_.secret}, {"wrong", setup_.wrong_secret}}) {
    server_->AddZone("example.test");
    server_->AddRecord(
        {.owner = TestName("alias.example.test"), .type = "CNAME", .raw = "www.example.test"});
    provider_ = Open("right");
  }

  DnsProvider& provider() override { return *provider_; }
  std::unique_ptr<DnsProvider> WithWrongCredential() override {
    return std::make_unique<Shared>(Open("wrong"));
  }
  void ForeignWrite(const DomainName& owner, const std::vector<TxtRecord>& records) override {
    server_->SetTxt(owner, records);
  }
  std::vector<TxtRecord> Served(const DomainName& owner) override { return server_->Served(owner); }
  bool GoDown() override {
    server_->GoDown();
    return true;
  }
  HostTraits traits() const override { return setup_.traits; }
  int Writes() override { return server_->writes(); }
  bool AddNestedZone() override {
    server_->AddZone("nested.example.test");
    return true;
  }

  testing_support::VendorServer& server() { return *server_; }
  FakeClock& clock() { return clock_; }
  const VendorSetup& setup() const { return setup_; }
  // Anew, without what the provider has learnt.
  std::shared_ptr<DnsProvider> Open(const std::string& secret_name) {
    DnsProviderRecord record;
    record.id = "dns";
    record.type = setup_.type;
    record.settings = setup_.settings;
    record.secret_name = secret_name;
    return RealProviderFactory(
               ApiWorld{*server_, clock_, [this](absl::Duration d) { clock_.Advance(d); }},
               secrets_)
        .Open(record)
        .value();
  }

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

  const VendorSetup setup_;
  const std::unique_ptr<testing_support::VendorServer> server_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  FakeSecretSource secrets_;
  std::shared_ptr<DnsProvider> provider_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_HOST_H_
