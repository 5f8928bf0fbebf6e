// tests/conformance/vendor/google_server.h
// Google Cloud DNS v1 and its token endpoint, as documented at cloud.google.com/dns/docs/reference
// /rest/v1 and developers.google.com/identity/protocols/oauth2/service-account.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_GOOGLE_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_GOOGLE_SERVER_H_

#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

// Two key files of one service account, made anew for each run of the tests: the first one's key is
// the account's, the second one's is another.
struct GoogleKeys {
  std::string right, wrong;  // JSON
  std::string right_pem;
  std::string public_pem;  // of the right one
};
const GoogleKeys& MakeGoogleKeys();

class GoogleServer final : public VendorServer {
 public:
  explicit GoogleServer(std::string public_pem) : public_pem_(std::move(public_pem)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  void SetRights(std::vector<std::string> rights) { rights_ = std::move(rights); }
  int tokens() const { return tokens_; }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  Kind KindOf(const VendorRequest& request) const override;

 private:
  HttpResponse Token(const VendorRequest& request);
  HttpResponse Page(const VendorRequest& request, const char* member, const Json& all) const;
  HttpResponse Sets(const VendorRequest& request, const VendorZone& zone) const;
  HttpResponse Change(const VendorRequest& request, VendorZone& zone);
  HttpResponse Error(int status, std::string_view reason, std::string_view message) const;
  // The stored set, as the API shows it; null if there is none.
  Json Stored(const VendorZone& zone, const DomainName& owner) const;

  const std::string public_pem_;
  std::vector<std::string> rights_ = {"dns.changes.create"};
  int tokens_ = 0;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_GOOGLE_SERVER_H_
