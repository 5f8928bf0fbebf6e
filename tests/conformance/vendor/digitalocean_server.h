// tests/conformance/vendor/digitalocean_server.h
// DigitalOcean's API v2 as far as domains and their records go. Bodies are held against the
// vendor's own models (shared corpus provider-apis/digitalocean), where they are at hand.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_DIGITALOCEAN_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_DIGITALOCEAN_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class DigitalOceanServer final : public VendorServer {
 public:
  static constexpr size_t kMaxQuoted = 512;
  explicit DigitalOceanServer(std::string token) : token_(std::move(token)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Page(const VendorRequest& request, const char* member, const Json& all) const;
  HttpResponse Records(const VendorRequest& request, const VendorZone& zone) const;
  HttpResponse Create(const VendorRequest& request, VendorZone& zone);
  HttpResponse Change(const VendorRequest& request, VendorZone& zone, const std::string& id);
  // Takes `data` over as the host does; the answer, if it refuses.
  std::optional<HttpResponse> Keep(const VendorZone& zone, const std::string& data,
                                   VendorRecord& record) const;
  Json Show(const VendorZone& zone, const VendorRecord& record) const;

  const std::string token_;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_DIGITALOCEAN_SERVER_H_
