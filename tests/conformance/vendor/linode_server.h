// tests/conformance/vendor/linode_server.h
// The API v4 of Linode as far as domains and their records go (techdocs.akamai.com/linode-api, read
// 2026-11).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_LINODE_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_LINODE_SERVER_H_

#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class LinodeServer final : public VendorServer {
 public:
  explicit LinodeServer(std::string token) : token_(std::move(token)) {}
  // Creations pass the TTL over, as observed.
  void IgnoreTtlOfCreations() { ignore_ttl_ = true; }
  // What the token may do, as every answer says.
  void SetScopes(std::string scopes) { scopes_ = std::move(scopes); }
  HttpResponse ErrorResponse(int status, std::string_view message) const override;

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  std::string MakeZoneId(const DomainName&) override { return NextId(); }

 private:
  HttpResponse Page(const VendorRequest& request, const Json& all) const;
  HttpResponse Write(const VendorRequest& request, VendorZone& zone, const std::string& id);
  Json Show(const VendorZone& zone, const VendorRecord& record) const;
  const std::string token_;
  std::string scopes_ = "domains:read_write";
  bool ignore_ttl_ = false;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_LINODE_SERVER_H_
