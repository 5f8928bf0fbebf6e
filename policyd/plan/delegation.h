// policyd/plan/delegation.h
// Delegated mode: the records of a domain stand in a zone of the operator's, and its own zone leads
// there by one CNAME and one include that are set once, by hand. So no credential of the domain's
// zone is ever needed.
//
//   _dmarc.example.com.  CNAME  example.com._dmarc.OPERATOR-ZONE.
//   example.com.         TXT    "v=spf1 ... include:example.com._spf.OPERATOR-ZONE ... ~all"
//
// Pure.

#ifndef DMARCATE_POLICYD_PLAN_DELEGATION_H_
#define DMARCATE_POLICYD_PLAN_DELEGATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/dns/resolver.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {

// Where the record of that role stands: "example.com._dmarc.dns.operator.example".
//   kInvalidArgument  no legal name: over 253 octets together
absl::StatusOr<DomainName> DelegatedOwner(RecordRole role, const DomainName& domain,
                                          const DomainName& operator_zone);

// Whether `server`, which is asked for the TXT records of `owner`, leads to `target`: by a CNAME
// straight to it, or (kSpf) by an include of it in its one SPF record.
bool LeadsTo(RecordRole role, const ServerAnswer& server, const DomainName& target);

// How far the domain's own zone has got.
struct DelegationSight {
  RecordRole role = RecordRole::kDmarc;
  DomainName owner, target;     // "_dmarc.example.com", where it is to lead
  bool in_place = false;        // every server leads there
  std::vector<TxtRecord> held;  // what stands at `owner` itself while it is not
  std::vector<GuardRecord> guards;
};
// `servers`: those of `owner`, asked for TXT; `at_target`: those of `target`. Guards:
//   DELEGATION          passes where it is in place; warns with the record to set where it is not
//   DELEGATION_FOREIGN  refuses: the owner is an alias of something else
//   DELEGATION_LOOP     refuses: the target leads back
//   ZONE_INCONSISTENT   refuses: servers of the domain's zone are silent or do not agree
DelegationSight JudgeDelegation(RecordRole role, const DomainName& owner, const DomainName& target,
                                const AuthoritativeAnswer& servers,
                                const AuthoritativeAnswer& at_target);

// DELEGATION, a warning, where the record that is prepared at the target says something else than
// what the domain still holds itself: setting the CNAME would change that. `prepared`: the TXT
// texts at the target.
std::vector<GuardRecord> TellPrepared(const DelegationSight& sight,
                                      const std::vector<std::string>& prepared);

// `spf_text` with an include of `target` before its `all`, once; without a record, a new one. What
// the domain's zone is to say.
//   kInvalidArgument  the record does not parse
absl::StatusOr<std::string> WithInclude(std::string_view spf_text, const DomainName& target);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_DELEGATION_H_
