// The suite of provider_conformance.h on the fake, in each class.

#include "policyd/provider/fake_provider.h"
#include "tests/conformance/provider_conformance.h"

namespace dmarcate {
namespace {

class FakeHost final : public ProviderUnderTest {
 public:
  explicit FakeHost(ProviderClass provider_class) : provider_(provider_class) {
    provider_.AddZone(TestName("example.test"));
    provider_.AddAlias(TestName("alias.example.test"));
  }
  DnsProvider& provider() override { return provider_; }
  void ForeignWrite(const DomainName& owner, const std::vector<TxtRecord>& records) override {
    provider_.Set(owner, records);
  }
  std::vector<TxtRecord> Served(const DomainName& owner) override {
    return provider_.Get(owner).records;
  }

 private:
  FakeDnsProvider provider_;
};

std::unique_ptr<ProviderUnderTest> MakeA() { return std::make_unique<FakeHost>(ProviderClass::kA); }
std::unique_ptr<ProviderUnderTest> MakeB() { return std::make_unique<FakeHost>(ProviderClass::kB); }
std::unique_ptr<ProviderUnderTest> MakeC() { return std::make_unique<FakeHost>(ProviderClass::kC); }

INSTANTIATE_TEST_SUITE_P(FakeClassA, ProviderConformanceTest, testing::Values(&MakeA));
INSTANTIATE_TEST_SUITE_P(FakeClassB, ProviderConformanceTest, testing::Values(&MakeB));
INSTANTIATE_TEST_SUITE_P(FakeClassC, ProviderConformanceTest, testing::Values(&MakeC));

}  // namespace
}  // namespace dmarcate
