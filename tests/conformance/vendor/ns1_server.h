// tests/conformance/vendor/ns1_server.h
// The API v1 of NS1 as far as zones and their sets go (developer.ibm.com/apis/catalog/ns1, read
// 2026-11).
//
// Of the `extra` of a record: "set", members of its set; "answer", members of its answer.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_NS1_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_NS1_SERVER_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class Ns1Server final : public VendorServer {
 public:
  explicit Ns1Server(std::string key) : key_(std::move(key)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // The key has "Manage API keys".
  void LetManageKeys() { manages_keys_ = true; }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Zones(const VendorRequest& request) const;
  HttpResponse Keep(const VendorRequest& request, VendorZone& zone, const DomainName& owner);
  Json Show(const VendorZone& zone, const DomainName& owner) const;
  const std::string key_;
  bool manages_keys_ = false;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_NS1_SERVER_H_
