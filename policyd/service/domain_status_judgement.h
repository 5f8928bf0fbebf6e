// policyd/service/domain_status_judgement.h
// What a status comes to: whether a person is asked for, and the one command to type now. Pure.

#ifndef DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_JUDGEMENT_H_
#define DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_JUDGEMENT_H_

#include <string>

#include "absl/time/time.h"

#include "dmarcate/v1/status.pb.h"

namespace dmarcate {

// What the domain's record says beside the status.
struct StatusContext {
  std::string report_address;   // that plans add to rua=; empty: none
  std::string delegation_zone;  // in which its records stand; empty: in its own
};

// Sets standing, reason, next_command and next_reason. Parts that are absent count as not known,
// except that `reports` and `sources` may be left out on purpose (VIEW_BASIC).
void JudgeStatus(const StatusContext& context, absl::Time now, v1::DomainStatus* status);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_DOMAIN_STATUS_JUDGEMENT_H_
