// tests/conformance/vendor/azure_server.h
// Azure DNS 2018-05-01 behind Azure Resource Manager, and its token endpoint, as documented at
// learn.microsoft.com/rest/api/dns.

#ifndef DMARCATE_TESTS_CONFORMANCE_VENDOR_AZURE_SERVER_H_
#define DMARCATE_TESTS_CONFORMANCE_VENDOR_AZURE_SERVER_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/vendor/vendor_server.h"

namespace dmarcate::testing_support {

class AzureServer final : public VendorServer {
 public:
  explicit AzureServer(std::string client_secret) : client_secret_(std::move(client_secret)) {}
  HttpResponse ErrorResponse(int status, std::string_view message) const override;
  // What the app's role allows.
  void SetActions(std::vector<std::string> actions) { actions_ = std::move(actions); }
  // Of the sets, by name.
  void SetMetadata(const DomainName& owner, Json metadata) { metadata_[owner] = metadata; }
  Json Metadata(const DomainName& owner) const;
  // Where the next page of zones is said to be; empty: where it is.
  void SetNextLink(std::string url) { next_link_ = std::move(url); }

 protected:
  HttpResponse Serve(const VendorRequest& request) override;
  Kind KindOf(const VendorRequest& request) const override;

 private:
  HttpResponse Error(int status, std::string_view code, std::string_view message) const;
  HttpResponse Token(const VendorRequest& request) const;
  HttpResponse Zones(const VendorRequest& request) const;
  HttpResponse Set(const VendorRequest& request, VendorZone& zone, const DomainName& owner);
  HttpResponse Put(const VendorRequest& request, VendorZone& zone, const DomainName& owner);
  std::vector<VendorRecord> RecordsOf(const VendorZone& zone, const DomainName& owner) const;
  // Changes with every change of the set; "" if there is none.
  std::string EtagOf(const VendorZone& zone, const DomainName& owner) const;
  HttpResponse Show(int status, const VendorZone& zone, const DomainName& owner) const;

  const std::string client_secret_;
  std::vector<std::string> actions_ = {"Microsoft.Network/dnsZones/read",
                                       "Microsoft.Network/dnsZones/TXT/*"};
  std::map<DomainName, Json> metadata_;
  std::string next_link_;
};

}  // namespace dmarcate::testing_support

#endif  // DMARCATE_TESTS_CONFORMANCE_VENDOR_AZURE_SERVER_H_
