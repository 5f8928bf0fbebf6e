// tests/conformance/vendor/porkbun_server.h
// The JSON API v3 of Porkbun as far as domains and their records go
// (porkbun.com/api/json/v3/documentation, read 2026-11). Every request is a POST with the keys in
// its body; every number is a text.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_PORKBUN_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_PORKBUN_SERVER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class PorkbunServer final : public VendorServer {
 public:
  PorkbunServer(std::string key, std::string secret_key)
      : key_(std::move(key)), secret_key_(std::move(secret_key)) {}
  // Of the time between requests: less than a second fails the test.
  void SetClock(std::function<absl::Duration()> now) { now_ = std::move(now); }
  HttpResponse ErrorResponse(int status, std::string_view message) const override;

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  Kind KindOf(const VendorRequest& request) const override;

 private:
  HttpResponse Success(Json body = Json::object()) const;
  HttpResponse Write(const VendorRequest& request, VendorZone& zone, const std::string& command,
                     const std::string& id, const Json& in);
  const std::string key_, secret_key_;
  std::function<absl::Duration()> now_;
  absl::Duration last_ = -absl::InfiniteDuration();
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_PORKBUN_SERVER_H_
