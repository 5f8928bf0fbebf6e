// tests/conformance/vendor_suites.h
// Both suites on one vendor: a function NAME that makes its VendorHost, then DMARCATE_VENDOR(NAME).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_SUITES_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_SUITES_H_

#include <memory>

#include "tests/conformance/vendor_conformance.h"

namespace dmarcate {

template <std::unique_ptr<VendorHost> (*Make)()>
std::unique_ptr<ProviderUnderTest> VendorAsProvider() {
  return Make();
}

}  // namespace dmarcate

#define DMARCATE_VENDOR(Name)                                         \
  INSTANTIATE_TEST_SUITE_P(Name, ProviderConformanceTest,             \
                           testing::Values(&VendorAsProvider<Name>)); \
  INSTANTIATE_TEST_SUITE_P(Name, VendorConformanceTest, testing::Values(&Name))

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_SUITES_H_
