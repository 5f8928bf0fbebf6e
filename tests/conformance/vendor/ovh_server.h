// tests/conformance/vendor/ovh_server.h
// The API 1.0 of OVHcloud as far as zones and their records go (api.ovh.com/console, read 2026-11),
// with signatures checked. Records are published by a refresh.
//
// Of the `extra` of a record: "fieldType", SPF, DKIM or DMARC of one that is served as TXT.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_OVH_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_OVH_SERVER_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class OvhServer final : public VendorServer {
 public:
  struct Keys {
    std::string application, secret, consumer;
  };
  explicit OvhServer(Keys keys) : keys_(std::move(keys)) {}
  HttpResponse Forbidden() const { return ErrorResponse(403, "This call has not been granted"); }
  // The time of the host.
  void SetClock(std::function<absl::Time()> now) { now_ = std::move(now); }
  // What the consumer key may do: {method, path} each.
  void SetRules(Json rules) { rules_ = std::move(rules); }
  // What the name servers say, as of the last refresh.
  std::vector<std::string> Published(const DomainName& owner) const;
  int refreshes() const { return refreshes_; }
  HttpResponse ErrorResponse(int status, std::string_view message) const override;

 protected:
  HttpResponse Serve(const VendorRequest& request) override;

 private:
  HttpResponse Write(const VendorRequest& request, VendorZone& zone, const std::string& id);
  Json Show(const VendorZone& zone, const VendorRecord& record) const;
  const Keys keys_;
  std::function<absl::Time()> now_ = [] { return absl::FromUnixSeconds(1800000000); };
  std::vector<VendorZone> published_;
  int refreshes_ = 0;
  Json rules_ = {{{"method", "GET"}, {"path", "/domain/zone"}},
                 {{"method", "GET"}, {"path", "/domain/zone/*"}},
                 {{"method", "POST"}, {"path", "/domain/zone/*"}},
                 {{"method", "PUT"}, {"path", "/domain/zone/*"}},
                 {{"method", "DELETE"}, {"path", "/domain/zone/*"}}};
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_OVH_SERVER_H_
