// The suite of provider_conformance.h on PowerDNS by HTTP, on BIND, Knot and PowerDNS by RFC 2136,
// and on BIND and Knot by the program that is shipped for providers of type exec.

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/conformance/provider_conformance.h"
#include "tests/conformance/real_provider_host.h"

namespace dmarcate {
namespace {

using testing_support::RealBind;
using testing_support::RealKnot;
using testing_support::RealPowerDns;

std::unique_ptr<ProviderUnderTest> MakePowerDns() {
  return MakePowerDnsHost(RealPowerDns::Start({ExampleZone()}));
}
std::unique_ptr<ProviderUnderTest> MakePowerDnsUpdate() {
  return MakeRfc2136Host(RealPowerDns::Start({ExampleZone()}));
}
std::unique_ptr<ProviderUnderTest> MakeBind() {
  return MakeRfc2136Host(RealBind::Start({ExampleZone()}));
}
std::unique_ptr<ProviderUnderTest> MakeKnot() {
  return MakeRfc2136Host(RealKnot::Start({ExampleZone()}));
}

std::unique_ptr<ProviderUnderTest> MakeBindByProgram() {
  return MakeExecHost(RealBind::Start({ExampleZone()}));
}
std::unique_ptr<ProviderUnderTest> MakeKnotByProgram() {
  return MakeExecHost(RealKnot::Start({ExampleZone()}));
}

INSTANTIATE_TEST_SUITE_P(PowerDnsHttp, ProviderConformanceTest, testing::Values(&MakePowerDns));
INSTANTIATE_TEST_SUITE_P(PowerDnsUpdate, ProviderConformanceTest,
                         testing::Values(&MakePowerDnsUpdate));
INSTANTIATE_TEST_SUITE_P(Bind, ProviderConformanceTest, testing::Values(&MakeBind));
INSTANTIATE_TEST_SUITE_P(Knot, ProviderConformanceTest, testing::Values(&MakeKnot));
INSTANTIATE_TEST_SUITE_P(ExecBind, ProviderConformanceTest, testing::Values(&MakeBindByProgram));
INSTANTIATE_TEST_SUITE_P(ExecKnot, ProviderConformanceTest, testing::Values(&MakeKnotByProgram));

// What the server says of the rights of its key, and that asking changes nothing.
template <typename Server>
std::vector<std::string> WarningsOf(bool confined) {
  testing_support::TestZone zone = ExampleZone();
  zone.confined = confined;
  const auto host = MakeRfc2136Host(Server::Start({zone}));
  const ProviderTest test = host->provider().Test();
  EXPECT_EQ(test.state, ProviderTest::State::kWorking) << test.message;
  EXPECT_TRUE(host->Served(TestName("_dmarc.example.test")).empty());
  return test.warnings;
}
TEST(Rfc2136RightsTest, AKeyThatMayDoMoreIsTold) {
  const auto warns = testing::ElementsAre(testing::HasSubstr("does not confine the key"));
  EXPECT_THAT(WarningsOf<RealBind>(false), warns);
  EXPECT_THAT(WarningsOf<RealKnot>(false), warns);
  EXPECT_THAT(WarningsOf<RealPowerDns>(false), warns);
  EXPECT_THAT(WarningsOf<RealBind>(true), testing::IsEmpty());
  EXPECT_THAT(WarningsOf<RealKnot>(true), testing::IsEmpty());
}

}  // namespace
}  // namespace dmarcate
