#include "policyd/provider/read_only.h"

#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr std::string_view kWhy =
    "this policyd is read-only (changes.read_only in its configuration); nothing was written";

class ReadOnlyProvider final : public DnsProvider {
 public:
  explicit ReadOnlyProvider(std::shared_ptr<DnsProvider> provider)
      : provider_(std::move(provider)) {}

  ProviderClass provider_class() const override { return provider_->provider_class(); }
  // A person who is told to write would write.
  ProviderWriter writer() const override { return ProviderWriter::kProgram; }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
    return provider_->FindZone(owner);
  }
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_->ListZones(); }
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
    return provider_->ReadRrSet(zone, owner);
  }
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
    DMARCATE_ASSIGN_OR_RETURN(const RrSet now, provider_->ReadRrSet(zone, change.owner));
    if (SameTexts(now.records, change.after)) return absl::OkStatus();
    return MakeError(absl::StatusCode::kPermissionDenied,
                     fmt::format("{}: {}", change.owner.text(), kWhy));
  }
  // The real test of some hosts asks to delete what is not there, so it is not made.
  ProviderTest Test() override {
    absl::StatusOr<std::vector<DomainName>> zones = provider_->ListZones();
    if (!zones.ok()) return FailedTest(zones.status());
    ProviderTest test;
    test.state = ProviderTest::State::kWorking;
    test.message = "zones are shown; rights were not tried";
    test.zones = *std::move(zones);
    test.warnings = {std::string(kWhy)};
    return test;
  }

 private:
  const std::shared_ptr<DnsProvider> provider_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<DnsProvider>> ReadOnlyProviders::Open(
    const DnsProviderRecord& record) {
  DMARCATE_ASSIGN_OR_RETURN(std::shared_ptr<DnsProvider> provider, providers_.Open(record));
  return std::make_shared<ReadOnlyProvider>(std::move(provider));
}

}  // namespace dmarcate
