// tests/conformance/vendor_conformance.h
// What a ZoneApi under ApiProvider promises when the host misbehaves, on every vendor alike. Beside
// it the suite of provider_conformance.h runs on each.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_CONFORMANCE_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_CONFORMANCE_H_

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/conformance/vendor_host.h"

namespace dmarcate {

class VendorConformanceTest : public testing::TestWithParam<std::unique_ptr<VendorHost> (*)()> {
 protected:
  using Server = testing_support::VendorServer;
  VendorConformanceTest() : host_(GetParam()()) {}

  DnsProvider& provider() { return host_->provider(); }
  Server& server() { return host_->server(); }
  absl::Status Apply(const std::vector<std::string>& before,
                     const std::vector<std::string>& after) {
    return provider().Apply(zone_, {owner_, Records(before), Records(after), 3600});
  }
  std::vector<std::string> Served();
  // The vendor's error, perhaps with Retry-After.
  HttpResponse Error(int status, const std::string& retry_after = "",
                     const std::string& message = "no");
  void Inject(Server::Kind kind, Server::Moment moment, absl::StatusOr<HttpResponse> outcome,
              int times = 1);

  const std::unique_ptr<VendorHost> host_;
  const DomainName zone_ = TestName("example.test");
  const DomainName owner_ = TestName("_dmarc.example.test");
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_CONFORMANCE_H_
