// tests/conformance/vendor/vultr_server.h
// The API v2 of Vultr as far as domains and their records go (www.vultr.com/api, read 2026-11).

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_VULTR_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_VULTR_SERVER_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class VultrServer final : public VendorServer {
 public:
  explicit VultrServer(std::string token) : token_(std::move(token)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // What the user of the key may do.
  void SetRights(std::vector<std::string> rights) { rights_ = std::move(rights); }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Page(const VendorRequest& request, const char* member, const Json& all) const;
  HttpResponse Write(const VendorRequest& request, VendorZone& zone, const std::string& id);
  Json Show(const VendorZone& zone, const VendorRecord& record) const;
  std::string MakeRecordId() override { return "cb676a46-66fd-4dfb-b839-" + NextId(); }
  const std::string token_;
  std::vector<std::string> rights_ = {"dns"};
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_VULTR_SERVER_H_
