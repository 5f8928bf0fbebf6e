#include "policyd/reconcile/sts_draft.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/dns/resolver.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/txt_image.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/reconcile/sts_file_source.h"

namespace dmarcate {

namespace {

// To which the MX records lead; of a domain without any the domain itself (RFC 5321 section 5.1),
// with a null MX none.
absl::StatusOr<std::vector<std::string>> MxHosts(const DomainName& domain, Resolver& resolver) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsAnswer answer, resolver.Lookup(domain, RrType::kMx));
  std::vector<std::string> hosts;
  for (const MxRecord& mx : answer.mx) {
    if (!mx.exchange.IsRoot()) hosts.push_back(mx.exchange.text());
  }
  if (answer.mx.empty()) hosts.push_back(domain.text());
  return hosts;
}

}  // namespace

std::vector<GuardRecord> GuardStsLive(const DomainName& domain, const StsAnnouncement& wanted,
                                      const ChangeWorld& world) {
  const absl::StatusOr<ServedStsFile> served =
      world.sts_files != nullptr
          ? world.sts_files->Fetch(domain)
          : MakeError(absl::StatusCode::kUnavailable, "nothing here can fetch it");
  std::vector<GuardRecord> guards = GuardStsFile(domain, wanted, served);
  std::ranges::move(GuardStsMx(domain, wanted, MxHosts(domain, world.resolver)),
                    std::back_inserter(guards));
  return guards;
}

absl::StatusOr<StsDraft> DraftStsRecord(const DomainName& domain, const StsAnnouncement& wanted,
                                        const ChangeWorld& world, const LiveReader& reader,
                                        DnsProvider& provider) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName owner, domain.Child("_mta-sts"));
  DMARCATE_ASSIGN_OR_RETURN(const LiveRrSet live, reader.Read(provider, owner));
  StsRecordPlan plan = PlanStsRecord(domain, TextsOf(live.image.records), wanted);
  StsDraft draft;
  draft.guards = GuardZone(live.image, live.servers);
  std::ranges::move(plan.guards, std::back_inserter(draft.guards));
  if (plan.after == plan.before) return draft;
  std::ranges::move(GuardStsLive(domain, wanted, world), std::back_inserter(draft.guards));
  draft.record = ReplaceText(live.image, plan.before, plan.after);
  return draft;
}

}  // namespace dmarcate
