// policyd/plan/mta_sts_plan.h
// The record at _mta-sts that announces a policy file (RFC 8461 section 3.1), and whether it may be
// published: the file first, then its id (section 8.1). Pure.

#ifndef DMARCATE_POLICYD_PLAN_MTA_STS_PLAN_H_
#define DMARCATE_POLICYD_PLAN_MTA_STS_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"
#include "lib/store/policy_store.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/served_file.h"
#include "policyd/plan/dmarc_plan.h"

namespace dmarcate {

struct StsRecordPlan {
  std::string before, after;  // equal: nothing to do; empty: no record
  std::vector<GuardRecord> guards;
};

// `live`: all TXT texts at _mta-sts. A record that announces the same file already stays. Without
// an id in `wanted` it is the one after the live one (StsId).
StsRecordPlan PlanStsRecord(const DomainName& domain, const std::vector<std::string>& live,
                            const StsAnnouncement& wanted);

// MTA_STS_FILE: `wanted.file` is a policy, and exactly that is served; of a record that is to go, a
// policy of mode none or none at all, with a warning. `served`: kNotFound where the name has no
// address or no file; other errors: nothing was learned.
std::vector<GuardRecord> GuardStsFile(const DomainName& domain, const StsAnnouncement& wanted,
                                      const absl::StatusOr<ServedStsFile>& served);

// MTA_STS_MX: each host of the MX records is named by the file; a refusal in mode enforce, which
// MTA_STS_MODE refuses but to a rollout. `hosts`: an error if the MX records could not be read.
std::vector<GuardRecord> GuardStsMx(const DomainName& domain, const StsAnnouncement& wanted,
                                    const absl::StatusOr<std::vector<std::string>>& hosts);

// MTA_STS_RECORD, from the texts before and after alone: one record at most comes out of it, and it
// is the one that `wanted` says. Rolled back, a record of before may come back: senders then look
// at what is served anew.
std::vector<GuardRecord> GuardStsRecord(const std::vector<std::string>& before,
                                        const std::vector<std::string>& after,
                                        const std::optional<StsAnnouncement>& wanted,
                                        DmarcDirection direction);

// The record over which `change` writes. What a rollout takes for its own before a plan is made may
// be somebody else's in the plan.
//   kNotFound  it writes none   kDataLoss  the images do not parse
absl::StatusOr<LiveStsRecord> StsRecordBefore(const ChangeRecord& change);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_MTA_STS_PLAN_H_
