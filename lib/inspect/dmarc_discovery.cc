#include "lib/inspect/dmarc_discovery.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kMaxOutsideHosts = 10;
constexpr size_t kMaxInsideHosts = 10;  // each needs a walk up the tree

// A DMARC Policy Record and where it stands.
struct Found {
  DomainName domain;
  DmarcRecord record;
  uint32_t ttl_seconds = 0;
  char psd = 'u';
};

struct Walk {
  std::vector<Found> found;  // longest name first
  std::vector<DomainName> queries;
  std::vector<DomainName> first_cname_chain;

  std::vector<WalkRecord> Records() const {
    std::vector<WalkRecord> records;
    for (const Found& one : found) records.push_back({one.domain, one.psd});
    return records;
  }
  const Found* At(const DomainName& domain) const {
    const auto one = std::ranges::find(found, domain, &Found::domain);
    return one == found.end() ? nullptr : &*one;
  }
};

absl::StatusOr<Walk> WalkUp(const DomainName& start, Resolver& resolver) {
  Walk walk;
  for (const DomainName& name : TreeWalk(start)) {
    const auto owner = name.Child("_dmarc");
    if (!owner.ok()) continue;  // longer than the DNS allows, so nothing can stand there
    walk.queries.push_back(*owner);
    const auto answer = resolver.Lookup(*owner, RrType::kTxt);
    if (!answer.ok()) {
      return Annotate(answer.status(), fmt::format("dmarc of {}", start.text()));
    }
    if (name == start) walk.first_cname_chain = answer->cname_chain;
    std::vector<std::string> texts;
    for (const TxtRecord& txt : answer->txt) texts.push_back(txt.Joined());
    const DmarcSelection selection = SelectDmarc(texts);
    if (selection.outcome != DmarcSelection::Outcome::kOne) continue;
    auto record = ParseDmarc(texts[selection.indexes[0]]);
    if (!record.ok()) continue;  // over our own limits: as good as none
    const char psd = record->Verdict(DmarcStandard::kRfc9989).psd;
    walk.found.push_back({name, *std::move(record), answer->ttl_seconds, psd});
    if (psd != 'u') break;
  }
  return walk;
}

// RFC 9989 section 4.10.1: the name's own record, else its Organizational Domain's, else the Public
// Suffix Domain's. Nothing between them counts.
const Found* Applicable(const Walk& walk, const DomainName& author,
                        const DomainName& organization) {
  if (const Found* own = walk.At(author)) return own;
  if (const Found* found = walk.At(organization)) return found;
  const auto suffix = std::ranges::find(walk.found, 'y', &Found::psd);
  return suffix == walk.found.end() ? nullptr : &*suffix;
}

class DestinationChecker {
 public:
  DestinationChecker(const DomainName& policy_domain, const DomainName& organization,
                     Resolver& resolver)
      : policy_domain_(policy_domain), organization_(organization), resolver_(resolver) {}

  ReportDestination Check(const DmarcUri& uri) {
    ReportDestination destination;
    const auto host = DomainName::Parse(uri.host);
    if (!host.ok()) {
      destination.error = "the address names no host";
    } else if (const auto known = by_host_.find(*host); known != by_host_.end()) {
      destination = known->second;
    } else {
      destination = CheckHost(*host);
      by_host_.emplace(*host, destination);
    }
    destination.uri = uri;
    return destination;
  }

 private:
  ReportDestination CheckHost(const DomainName& host) {
    ReportDestination destination;
    const auto inside = SharesOrganization(host);
    if (!inside.ok()) {
      destination.error = std::string(MessageOf(inside.status()));
      return destination;
    }
    if (*inside) {
      destination.authorization = ReportAuthorization::kNotNeeded;
      return destination;
    }
    if (++outside_hosts_ > kMaxOutsideHosts) {
      destination.error = fmt::format("more than {} hosts to ask", kMaxOutsideHosts);
      return destination;
    }
    const auto name = ReportAuthorizationName(policy_domain_, host);
    if (!name.ok()) {
      destination.authorization = ReportAuthorization::kUnauthorized;  // RFC 9990 section 4 step 3
      destination.error = "the name to ask is longer than the DNS allows";
      return destination;
    }
    destination.query_name = name->text();
    const auto answer = resolver_.Lookup(*name, RrType::kTxt);
    if (!answer.ok()) {
      destination.error = std::string(MessageOf(answer.status()));
      return destination;
    }
    destination.authorization = Judge(*answer, host);
    return destination;
  }

  // One record is enough; one that sends the reports to a third host cancels them (step 6).
  static ReportAuthorization Judge(const DnsAnswer& answer, const DomainName& host) {
    bool authorized = false;
    for (const TxtRecord& txt : answer.txt) {
      if (!IsReportAuthorization(txt.Joined())) continue;
      authorized = true;
      const auto record = ParseDmarc(txt.Joined());
      if (!record.ok()) continue;
      for (const DmarcUri& uri : record->Verdict(DmarcStandard::kRfc9989).rua) {
        const auto other = DomainName::Parse(uri.host);
        if (!other.ok() || *other != host) return ReportAuthorization::kUnauthorized;
      }
    }
    return authorized ? ReportAuthorization::kAuthorized : ReportAuthorization::kUnauthorized;
  }

  absl::StatusOr<bool> SharesOrganization(const DomainName& host) {
    if (host == policy_domain_ || host == organization_) return true;
    // A name of the same organization is below its domain; only psd=n in between can part them.
    if (!host.IsAtOrBelow(organization_)) return false;
    if (++inside_hosts_ > kMaxInsideHosts) {
      return MakeError(
          absl::StatusCode::kResourceExhausted,
          fmt::format("more than {} hosts below {} to ask", kMaxInsideHosts, organization_.text()));
    }
    DMARCATE_ASSIGN_OR_RETURN(const Walk walk, WalkUp(host, resolver_));
    return OrganizationalDomain(host, walk.Records()) == organization_;
  }

  const DomainName& policy_domain_;
  const DomainName& organization_;
  Resolver& resolver_;
  std::map<DomainName, ReportDestination> by_host_;
  size_t outside_hosts_ = 0;
  size_t inside_hosts_ = 0;
};

}  // namespace

std::string_view ToString(ReportAuthorization authorization) {
  switch (authorization) {
    case ReportAuthorization::kNotNeeded:
      return "not-needed";
    case ReportAuthorization::kAuthorized:
      return "authorized";
    case ReportAuthorization::kUnauthorized:
      return "unauthorized";
    case ReportAuthorization::kUnknown:
      return "unknown";
  }
  return "unknown";
}

absl::StatusOr<DmarcDiscovery> DiscoverDmarcPolicy(const DomainName& author_domain,
                                                   Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(const Walk walk, WalkUp(author_domain, resolver));
  DmarcDiscovery discovery;
  discovery.author_domain = author_domain;
  discovery.queries = walk.queries;
  discovery.cname_chain = walk.first_cname_chain;
  discovery.organizational_domain = OrganizationalDomain(author_domain, walk.Records());
  const Found* found = Applicable(walk, author_domain, discovery.organizational_domain);
  if (found == nullptr) return discovery;
  discovery.policy_domain = found->domain;
  discovery.record = found->record;
  discovery.ttl_seconds = found->ttl_seconds;
  if (found->domain != author_domain) {
    // Only NXDOMAIN means that a name does not exist (RFC 9989 section 3.2.13).
    const auto answer = resolver.Lookup(author_domain, RrType::kA);
    if (!answer.ok()) {
      return Annotate(answer.status(), fmt::format("dmarc of {}", author_domain.text()));
    }
    discovery.subject = answer->outcome == DnsOutcome::kNxDomain ? DmarcSubject::kNonExistent
                                                                 : DmarcSubject::kSubdomain;
  }
  return discovery;
}

absl::StatusOr<DmarcDiscovery> DiscoverDmarc(const DomainName& author_domain, Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(DmarcDiscovery discovery, DiscoverDmarcPolicy(author_domain, resolver));
  if (!discovery.record.has_value()) return discovery;
  const DmarcVerdict& verdict = discovery.record->Verdict(DmarcStandard::kRfc9989);
  std::vector<DmarcUri> uris = verdict.rua;
  uris.insert(uris.end(), verdict.ruf.begin(), verdict.ruf.end());
  discovery.destinations =
      CheckDestinations(*discovery.policy_domain, discovery.organizational_domain, uris, resolver);
  return discovery;
}

absl::StatusOr<DomainName> FindOrganizationalDomain(const DomainName& name, Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(const Walk walk, WalkUp(name, resolver));
  return OrganizationalDomain(name, walk.Records());
}

absl::StatusOr<DomainName> ReportAuthorizationName(const DomainName& policy_domain,
                                                   const DomainName& host) {
  return host.Child(fmt::format("{}._report._dmarc", policy_domain.text()));
}

std::vector<ReportDestination> CheckDestinations(const DomainName& policy_domain,
                                                 const DomainName& organizational_domain,
                                                 const std::vector<DmarcUri>& uris,
                                                 Resolver& resolver) {
  DestinationChecker checker(policy_domain, organizational_domain, resolver);
  std::vector<ReportDestination> destinations;
  for (const DmarcUri& uri : uris) destinations.push_back(checker.Check(uri));
  return destinations;
}

}  // namespace dmarcate
