#include "policyd/provider/manual/manual_provider.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

// A label that nobody has.
constexpr std::string_view kNobody = "_dmarcate-looks-for-a-wildcard";

std::vector<DomainName> Sorted(std::vector<DomainName> zones) {
  std::ranges::sort(zones);
  zones.erase(std::ranges::unique(zones).begin(), zones.end());
  return zones;
}

// A read changes nothing: whatever kept it from an answer may pass.
absl::Status ReadError(const absl::Status& status) {
  return MakeError(absl::StatusCode::kUnavailable, fmt::format("manual: {}", MessageOf(status)));
}

}  // namespace

ManualProvider::ManualProvider(AuthoritativeResolver& servers, std::vector<DomainName> zones)
    : servers_(servers), zones_(Sorted(std::move(zones))) {}

absl::Status ManualProvider::CheckZone(const DomainName& zone) const {
  if (zones_.empty() || std::ranges::binary_search(zones_, zone)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("zone {}: not among the zones of this account", zone.text()));
}

absl::StatusOr<DomainName> ManualProvider::FindZone(const DomainName& owner) {
  const absl::StatusOr<AuthoritativeAnswer> answer =
      servers_.LookupAll(owner, RrType::kTxt, /*over_tcp=*/true);
  if (!answer.ok()) return ReadError(answer.status());
  DMARCATE_RETURN_IF_ERROR(CheckZone(answer->zone));
  return answer->zone;
}

absl::StatusOr<RrSet> ManualProvider::ReadRrSet(const DomainName& zone, const DomainName& owner) {
  DMARCATE_RETURN_IF_ERROR(CheckZone(zone));
  const absl::StatusOr<AuthoritativeAnswer> answer =
      servers_.LookupAll(owner, RrType::kTxt, /*over_tcp=*/true);
  if (!answer.ok()) return ReadError(answer.status());
  if (answer->zone != zone) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("zone {}: {} is in zone {} now", zone.text(), owner.text(),
                                 answer->zone.text()));
  }
  const absl::StatusOr<DnsAnswer> first = answer->First();
  if (!first.ok()) return ReadError(first.status());
  if (!first->cname_chain.empty() || first->txt.empty()) return RrSet{};
  DMARCATE_RETURN_IF_ERROR(CheckNoWildcard(zone, owner, first->txt));
  return RrSet{first->txt, first->ttl_seconds};
}

// A name below one that exists is answered by no wildcard above that one (RFC 4592 section 2.2.1).
absl::Status ManualProvider::CheckNoWildcard(const DomainName& zone, const DomainName& owner,
                                             const std::vector<TxtRecord>& records) {
  if (owner == zone) return absl::OkStatus();
  const absl::StatusOr<DomainName> below = owner.Child(kNobody);
  if (!below.ok()) return absl::OkStatus();  // too long for a name: nothing can be learned so
  const absl::StatusOr<AuthoritativeAnswer> answer =
      servers_.LookupAll(*below, RrType::kTxt, /*over_tcp=*/true);
  if (!answer.ok()) return ReadError(answer.status());
  const absl::StatusOr<DnsAnswer> first = answer->First();
  if (!first.ok()) return ReadError(first.status());
  if (!SameTexts(first->txt, records)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("zone {}: what {} says, every name below it says, too: a wildcard "
                               "answers, and what it says would end there with the first record "
                               "that is set; set a TXT record of its own at the name first",
                               zone.text(), owner.text()));
}

absl::Status ManualProvider::Apply(const DomainName& zone, const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const RrSet now, ReadRrSet(zone, change.owner));
  if (SameTexts(now.records, change.after)) return absl::OkStatus();
  if (!SameTexts(now.records, change.before)) {
    return MakeError(
        absl::StatusCode::kAborted,
        fmt::format("zone {}: {} no longer holds what was read", zone.text(), change.owner.text()));
  }
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("zone {}: {} is set by a person, not by a program", zone.text(),
                               change.owner.text()));
}

ProviderTest ManualProvider::Test() {
  ProviderTest test;
  for (const DomainName& zone : zones_) {
    const absl::StatusOr<AuthoritativeAnswer> answer =
        servers_.LookupAll(zone, RrType::kSoa, /*over_tcp=*/true);
    if (!answer.ok()) return FailedTest(ReadError(answer.status()));
    if (answer->zone != zone) {
      test.message = fmt::format("manual: {} is no zone of its own in the DNS; it is in zone {}",
                                 zone.text(), answer->zone.text());
      return test;
    }
    test.zones.push_back(zone);
  }
  test.state = ProviderTest::State::kWorking;
  test.message =
      zones_.empty()
          ? "manual: a person sets the records, in any zone; there is nothing to test"
          : fmt::format("manual: the servers of {} zones answer; a person sets the records",
                        test.zones.size());
  return test;
}

}  // namespace dmarcate
