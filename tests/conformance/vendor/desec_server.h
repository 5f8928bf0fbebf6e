// tests/conformance/vendor/desec_server.h
// deSEC's API v1 as far as domains and their sets go; shapes as in the recorded answers (shared
// corpus provider-apis/lego-fixtures/desec).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_DESEC_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_DESEC_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class DesecServer final : public VendorServer {
 public:
  static constexpr uint32_t kMinimumTtl = 3600;
  explicit DesecServer(std::string token, std::string origin = "https://desec.io")
      : token_(std::move(token)), origin_(std::move(origin)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // The token has no policies; or perm_manage_tokens.
  void Unrestrict() { restricted_ = false; }
  void LetManageTokens() { manages_tokens_ = true; }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Page(const VendorRequest& request, const Json& all) const;
  Json ShowDomain(const VendorZone& zone) const;
  Json ShowSet(const VendorZone& zone, const DomainName& owner, const std::string& type) const;
  // Takes a set over; the answer, if it is refused.
  std::optional<HttpResponse> Keep(VendorZone& zone, const DomainName& owner, const Json& records,
                                   uint32_t ttl);

  // What is no domain.
  HttpResponse ServeAccount(const VendorRequest& request) const;
  const std::string token_, origin_;
  bool restricted_ = true, manages_tokens_ = false;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_DESEC_SERVER_H_
