// tests/conformance/vendor/gandi_server.h
// Gandi's LiveDNS API v5 as far as domains and their sets go; shapes as in the recorded answers
// (shared corpus provider-apis/octodns-fixtures/gandi and lego-fixtures/gandiv5).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_GANDI_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_GANDI_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class GandiServer final : public VendorServer {
 public:
  explicit GandiServer(std::string token) : token_(std::move(token)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // Lists no longer say how many items there are.
  void HideTotal() { total_ = false; }
  // What the token may do.
  void SetScopes(std::vector<std::string> scopes) { scopes_ = std::move(scopes); }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Keep(const VendorRequest& request, VendorZone& zone, const DomainName& owner);
  const std::string token_;
  bool total_ = true;
  std::vector<std::string> scopes_ = {"domain:view", "domain:tech"};
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_GANDI_SERVER_H_
