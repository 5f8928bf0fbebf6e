#include "policyd/provider/api/zone_api.h"

#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<std::vector<HostedZone>> ZoneApi::FindZones(ApiCall& call, const DomainName& name) {
  DMARCATE_ASSIGN_OR_RETURN(std::vector<HostedZone> zones, ListZones(call));
  std::erase_if(zones, [&](const HostedZone& zone) { return zone.name != name; });
  return zones;
}

void ZoneApi::Probe(ApiCall&, const std::vector<HostedZone>&, ProviderTest& test) {
  TellNotKnown(kRightsNotTold, test);
}

void TellNotKnown(std::string_view what, ProviderTest& test) {
  test.message += fmt::format("; not known: {}", what);
}

void TellMissing(std::string message, ProviderTest& test) {
  test.state = ProviderTest::State::kCredentialRefused;
  test.message = std::move(message);
}

void TellExcess(const std::vector<std::string>& what, ProviderTest& test) {
  if (what.empty()) return;
  test.warnings.push_back(
      fmt::format("the token may do more than is needed: {}", EscapeForTerminal(Join(what, ", "))));
}

std::string RelativeName(const DomainName& name, const DomainName& zone, std::string_view apex) {
  if (name == zone) return std::string(apex);
  return name.text().substr(0, name.text().size() - zone.text().size() - 1);
}

absl::StatusOr<std::vector<TxtRecord>> Decoded(const HostedRrSet& rrset) {
  std::vector<TxtRecord> records;
  for (const HostedRecord& record : rrset.records) {
    if (!record.txt) {
      return MakeError(absl::StatusCode::kDataLoss,
                       fmt::format("a record is in no form that is documented, and nothing is "
                                   "concluded from the others: {}; look at it at the host",
                                   EscapeForTerminal(ToValidUtf8(record.raw.substr(0, 100)))));
    }
    records.push_back(*record.txt);
  }
  return records;
}

}  // namespace dmarcate
