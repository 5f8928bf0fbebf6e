// tests/conformance/vendor/dnsimple_server.h
// The API v2 of DNSimple as far as zones and their records go; shapes as in the recorded answers
// (shared corpus provider-apis/octodns-fixtures/dnsimple).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_DNSIMPLE_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_DNSIMPLE_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class DnsimpleServer final : public VendorServer {
 public:
  static constexpr char kAccount[] = "1010";
  explicit DnsimpleServer(std::string token) : token_(std::move(token)) {}
  // The token is of a user.
  void ForgetAccount() { account_ = false; }
  HttpResponse ErrorResponse(int status, std::string_view message) const override;

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Page(const VendorRequest& request, const Json& all) const;
  HttpResponse Write(const VendorRequest& request, VendorZone& zone, const std::string& id);
  Json Show(const VendorZone& zone, const VendorRecord& record) const;
  Json ShowZone(const VendorZone& zone) const;
  const std::string token_;
  bool account_ = true;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_DNSIMPLE_SERVER_H_
