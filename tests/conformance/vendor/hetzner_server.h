// tests/conformance/vendor/hetzner_server.h
// Hetzner's Cloud API as far as zones, their sets and actions go: shapes of answers and errors as
// in the recorded ones (shared corpus provider-apis/lego-fixtures/hetzner/cloud-api). An action is
// running for some polls after its effect.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_HETZNER_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_HETZNER_SERVER_H_

#include <map>
#include <string>
#include <utility>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

// Of a record's `extra`: "comment"; "default_ttl": the set has none; "protected": the set is.
// Of a zone's: "mode".
class HetznerServer final : public VendorServer {
 public:
  static constexpr uint32_t kZoneTtl = 3600;
  explicit HetznerServer(std::string token) : token_(std::move(token)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // How often an action answers that it is running.
  void SetPolls(int polls) { polls_ = polls; }
  // The next actions fail, without effect.
  void FailActions(int count) { failing_ = count; }
  int polled() const { return polled_; }
  // The token is one that only reads.
  void OnlyRead() { readonly_ = true; }
  // The project has a server, too.
  void AddServer() { has_server_ = true; }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  std::string MakeZoneId(const DomainName&) override { return NextId(); }

 private:
  struct Action {
    std::string command;
    int polls = 0;
    bool fails = false;
  };
  HttpResponse Error(int status, const char* code, std::string_view message) const;
  Json ShowAction(const std::string& id) const;
  HttpResponse Started(int status, const std::string& command, Json body = Json::object());
  HttpResponse Page(const VendorRequest& request, const char* member, const Json& all) const;
  Json ShowZone(const VendorZone& zone) const;
  Json ShowSet(const VendorZone& zone, const DomainName& owner, const std::string& type) const;
  HttpResponse ServeZone(const VendorRequest& request, VendorZone& zone,
                         const std::vector<std::string>& at);
  HttpResponse Create(const VendorRequest& request, VendorZone& zone);
  HttpResponse Change(const VendorRequest& request, VendorZone& zone, const DomainName& owner,
                      const std::string& command);
  // Puts `records` in the place of the set; the answer, if one is refused.
  std::optional<HttpResponse> Keep(VendorZone& zone, const DomainName& owner, const Json& records,
                                   const Json& ttl);

  const std::string token_;
  std::map<std::string, Action> actions_;
  int polls_ = 2;
  int polled_ = 0;
  int failing_ = 0;
  bool readonly_ = false, has_server_ = false;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_HETZNER_SERVER_H_
