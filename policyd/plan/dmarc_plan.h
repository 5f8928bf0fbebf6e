// policyd/plan/dmarc_plan.h
// Puts a report address into a domain's DMARC Policy Record, beside what is there, never instead;
// and the authorization record that an address at another organization needs (RFC 9990 section 4).
// Pure.

#ifndef DMARCATE_POLICYD_PLAN_DMARC_PLAN_H_
#define DMARCATE_POLICYD_PLAN_DMARC_PLAN_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {

struct DmarcPlan {
  std::string before, after;                  // equal: nothing to do; empty: no record
  std::vector<TermChangeRecord> tag_changes;  // `term` is a tag as written: "p=none"
  std::vector<GuardRecord> guards;            // DMARC_MULTIPLE, RECORD_SYNTAX, DMARC_POLICY_CHANGED
};

// What applies to a domain that has no record of its own (DiscoverDmarc).
struct InheritedDmarc {
  DomainName policy_domain;
  DmarcPolicy policy = DmarcPolicy::kNone;  // for the domain, as it is published there
};

// "mailto:reports@example.net", percent-encoded where a DMARC URI list needs it.
//   kInvalidArgument  no address of one local part and one host
absl::StatusOr<std::string> MailtoUri(std::string_view mailbox);
// The host of the mailbox.
absl::StatusOr<DomainName> HostOfMailbox(std::string_view mailbox);

// `live`: all TXT texts at `_dmarc.<domain>`. Unknown tags, order and blanks stay. Without a record
// `v=DMARC1; p=none; rua=...` is created, unless that would weaken what the domain inherits.
//   kInvalidArgument  `mailbox` is no address
absl::StatusOr<DmarcPlan> PlanDmarcRua(const DomainName& domain,
                                       const std::vector<std::string>& live,
                                       std::string_view mailbox,
                                       const std::optional<InheritedDmarc>& inherited = {});

// DMARC_MULTIPLE, DMARC_POLICY_CHANGED and DMARC_TAG_LOSS, from the texts alone: no tag but `rua`
// changes, and `rua` only grows. A record that a rollback takes away or shrinks is judged by
// `is_rollback`: then only other tags count.
// `move`: of a rollout, in place of `rua`. Then exactly what PlanDmarcPolicy makes passes, byte for
// byte, and a rollback that brings back exactly what that replaced, unless it would raise a policy.
enum class DmarcDirection : uint8_t { kForward, kRollback };
std::vector<GuardRecord> GuardDmarcText(const std::vector<std::string>& before,
                                        const std::vector<std::string>& after,
                                        DmarcDirection direction,
                                        const std::optional<PolicyMove>& move = {});

// Puts the record on the stage of `move` (lib/mailauth/policy_ladder.h). `live`: all TXT texts at
// `_dmarc.<domain>`. Already there: nothing to do. Without a record there is nothing to move:
// refused, unless `move` goes to kObserve, where nothing is what is wanted.
DmarcPlan PlanDmarcPolicy(const DomainName& domain, const std::vector<std::string>& live,
                          const PolicyMove& move);

// Whether the report host wants reports about `domain`.
struct ReportHostFacts {
  bool needed = false;           // another Organizational Domain than the domain's
  DomainName host;               // of the mailbox
  bool authorized = false;       // a live record says so, a wildcard included
  std::optional<TxtImage> ours;  // the RRset at AuthorizationOwner, if it is in a zone of ours
};
// "example.com._report._dmarc.reports.example.net". kInvalidArgument: no legal name (then no host
// can authorize, RFC 9990 section 4 step 3).
absl::StatusOr<DomainName> AuthorizationOwner(const DomainName& domain, const DomainName& host);

struct AuthorizationPlan {
  std::optional<RecordChangeRecord> change;
  std::vector<GuardRecord>
      guards;  // DMARC_RUA_UNAUTHORIZED: names the record that others must publish
};
AuthorizationPlan PlanReportAuthorization(const DomainName& domain, const ReportHostFacts& facts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_DMARC_PLAN_H_
