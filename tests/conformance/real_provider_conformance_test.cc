// The suite of provider_conformance.h on PowerDNS by HTTP, on BIND, Knot and PowerDNS by RFC 2136,
// and on BIND and Knot by the program that is shipped for providers of type exec.

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

}  // namespace
}  // namespace dmarcate
