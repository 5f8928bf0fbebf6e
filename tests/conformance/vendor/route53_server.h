// tests/conformance/vendor/route53_server.h
// AWS Route 53's API 2013-04-01 as far as zones, sets and changes go, with signatures checked by
// its own arithmetic. Request bodies are held against botocore's shapes (shared corpus
// provider-apis/route53), where they are at hand.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_ROUTE53_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_ROUTE53_SERVER_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/time/time.h"

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class Route53Server final : public VendorServer {
 public:
  Route53Server(std::string access_key_id, std::string secret_access_key)
      : access_key_id_(std::move(access_key_id)),
        secret_access_key_(std::move(secret_access_key)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // So many GetChange calls say PENDING before one says INSYNC.
  void SetPolls(int polls) { polls_ = polls; }
  // What the policy of the key allows to change: nothing, TXT records, or everything.
  enum class Rights : uint8_t { kNone, kTxt, kAll };
  void SetRights(Rights rights) { rights_ = rights; }
  // What the signature of a request must be made at; nothing: not checked.
  void SetClock(std::function<absl::Time()> now) { now_ = std::move(now); }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  std::string MakeZoneId(const DomainName&) override { return "Z" + NextId() + "ABCDEF"; }

 private:
  HttpResponse Error(int status, std::string_view code, std::string_view message) const;
  std::optional<HttpResponse> Authenticate(const VendorRequest& request) const;
  HttpResponse Zones(const VendorRequest& request) const;
  HttpResponse ZonesByName(const VendorRequest& request) const;
  HttpResponse Sets(const VendorRequest& request, const VendorZone& zone) const;
  HttpResponse Change(const VendorRequest& request, VendorZone& zone);
  // One change of a batch, on `zone`; what is wrong with it, or nothing.
  std::string Take(const std::string& action, const DomainName& owner, uint32_t ttl,
                   const std::vector<std::string>& values, VendorZone& zone);

  const std::string access_key_id_, secret_access_key_;
  std::function<absl::Time()> now_;
  int polls_ = 1;
  int polled_ = 0;
  Rights rights_ = Rights::kTxt;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_ROUTE53_SERVER_H_
