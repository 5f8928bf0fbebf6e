// A policyd that may look and must not write.

#include "policyd/provider/read_only.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/dns/resolver.h"
#include "policyd/provider/fake_provider.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

TEST(ReadOnlyProviders, ReadAndNeverWrite) {
  const DomainName zone = DomainName::Parse("example.com").value();
  const DomainName owner = DomainName::Parse("_dmarc.example.com").value();
  const auto host = std::make_shared<FakeDnsProvider>();
  host->AddZone(zone);
  host->SetTexts(owner, {"v=DMARC1; p=none"});
  FakeProviderFactory real;
  real.Add("host", host);
  ReadOnlyProviders providers(real);
  DnsProviderRecord record;
  record.id = "host";
  record.type = "fake";
  DMARCATE_ASSERT_OK_AND_ASSIGN(const std::shared_ptr<DnsProvider> provider,
                                providers.Open(record));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const RrSet live, provider->ReadRrSet(zone, owner));
  ASSERT_EQ(live.records.size(), 1u);
  RrSetChange change;
  change.owner = owner;
  change.before = live.records;
  change.after = {MakeTxtRecord("v=DMARC1; p=reject")};
  change.ttl_seconds = 300;
  EXPECT_THAT(provider->Apply(zone, change),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("read-only")));
  EXPECT_EQ(host->ReadRrSet(zone, owner)->records, live.records);
  change.after = live.records;  // stands there already
  EXPECT_THAT(provider->Apply(zone, change), IsOk());
  const ProviderTest test = provider->Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking);
  ASSERT_EQ(test.warnings.size(), 1u);
  EXPECT_THAT(test.warnings[0], HasSubstr("changes.read_only"));
  record.id = "unknown";
  EXPECT_FALSE(providers.Open(record).ok());
}

}  // namespace
}  // namespace dmarcate
