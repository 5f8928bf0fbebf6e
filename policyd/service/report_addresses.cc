#include "policyd/service/report_addresses.h"

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/snapshot/report_address.h"

namespace dmarcate {

absl::Status AddReportAddress(std::string_view host, absl::Time now, Random& random,
                              DomainRecord* record) {
  if (host.empty()) {
    return ReasonError(Reason::kReportDomainMissing,
                       "policyd makes no report addresses: reports.address_domain in its "
                       "configuration is not set");
  }
  std::vector<ReportAddressRecord>& addresses = record->report_addresses;
  const auto valid =
      static_cast<size_t>(std::ranges::count(addresses, false, &ReportAddressRecord::revoked));
  if (valid >= kMostReportAddresses) {
    return ReasonError(
        Reason::kReportAddressLimit,
        fmt::format("{} has {} report addresses that are not revoked, which is the limit; revoke "
                    "one that no report comes to any more",
                    record->name, valid),
        {{"limit", std::to_string(kMostReportAddresses)}, {"domain", record->name}});
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, ParseReportHost(host));
  addresses.push_back({MakeReportAddress(name, random.Bytes(kReportAddressSeedBytes)), now});
  return absl::OkStatus();
}

absl::Status RevokeReportAddress(std::string_view address, absl::Time now, DomainRecord* record) {
  std::vector<ReportAddressRecord>& addresses = record->report_addresses;
  const auto found =
      std::ranges::find(addresses, AsciiLower(address), &ReportAddressRecord::address);
  if (found == addresses.end()) {
    return ReasonError(Reason::kResourceNotFound,
                       fmt::format("{} has no report address {}", record->name,
                                   EscapeForTerminal(address.substr(0, 300))),
                       {{"resource", fmt::format("domains/{}", record->name)},
                        {"address", std::string(address.substr(0, 300))}});
  }
  if (found->revoked()) return absl::OkStatus();
  found->revoke_time = now;
  const auto revoked =
      static_cast<size_t>(std::ranges::count_if(addresses, &ReportAddressRecord::revoked));
  if (revoked > kMostRevokedAddresses) {
    addresses.erase(std::ranges::min_element(addresses, {}, &ReportAddressRecord::revoke_time));
  }
  return absl::OkStatus();
}

std::vector<ReportAddressRecord> LastRevoked(std::vector<ReportAddressRecord> addresses) {
  while (addresses.size() > kMostRevokedAddresses) {
    addresses.erase(std::ranges::min_element(addresses, {}, &ReportAddressRecord::revoke_time));
  }
  return addresses;
}

}  // namespace dmarcate
