// tests/conformance/vendor/cloudflare_server.h
// Cloudflare's API v4 as far as zones, DNS records and tokens go. Paths and parameters as in the
// vendor's OpenAPI (shared corpus provider-apis/cloudflare), the batch as in its documentation.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_CLOUDFLARE_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_CLOUDFLARE_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class CloudflareServer final : public VendorServer {
 public:
  explicit CloudflareServer(std::string token) : token_(std::move(token)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  void SetTokenState(Json state) { token_state_ = std::move(state); }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  std::string MakeZoneId(const DomainName& name) override;
  std::string MakeRecordId() override;

 private:
  HttpResponse Error(int status, int code, std::string_view message) const;
  HttpResponse Zones(const VendorRequest& request);
  HttpResponse List(const VendorRequest& request, const VendorZone& zone);
  HttpResponse Batch(const VendorRequest& request, VendorZone& zone);
  // Changes `zone`, or says why not. `shown`: what the answer holds.
  std::optional<HttpResponse> Create(VendorZone& zone, const Json& in, Json& shown);
  std::optional<HttpResponse> Patch(VendorZone& zone, const std::string& id, const Json& in,
                                    Json& shown);
  std::optional<HttpResponse> Delete(VendorZone& zone, const std::string& id);
  std::optional<HttpResponse> Check(const VendorZone& zone, const VendorRecord& record) const;
  // The text as it is kept; nothing if it is refused.
  std::optional<std::vector<std::string>> Keep(const std::string& content) const;
  Json Show(const VendorZone& zone, const VendorRecord& record) const;
  HttpResponse Page(const VendorRequest& request, const Json& all, size_t most) const;
  static HttpResponse Result(const Json& result);

  const std::string token_;
  Json token_state_ = {{"id", "ed17574386854bf78a67040be0a770b0"}, {"status", "active"}};
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_CLOUDFLARE_SERVER_H_
