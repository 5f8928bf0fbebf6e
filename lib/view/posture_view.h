// lib/view/posture_view.h
// What lib/inspect found, as the messages of the API: the same for RecordService and for `dmarcate
// check`, which asks no daemon. One direction only; nothing is read back from a message.

#ifndef DMARCATE_LIB_VIEW_POSTURE_VIEW_H_
#define DMARCATE_LIB_VIEW_POSTURE_VIEW_H_

#include <vector>

#include "dmarcate/v1/common.pb.h"
#include "dmarcate/v1/record.pb.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/spf_tree.h"
#include "lib/mailauth/lint.h"

namespace dmarcate {

void ToMessage(const LintFinding& finding, v1::LintFinding* out);
v1::Severity ToMessage(Severity severity);
v1::Verdict ToMessage(Verdict verdict);
v1::LookupOutcome OutcomeOf(const absl::StatusOr<DnsAnswer>& answer);
void ToMessage(const SpfTree& tree, v1::SpfTree* out);
void ToMessage(const SpfPosture& posture, v1::LiveRecord* out);
void ToMessage(const DmarcPosture& posture, v1::LiveRecord* out);
void ToMessage(const DkimPosture& posture, v1::LiveRecord* out);
void ToMessage(const MxPosture& posture, v1::LiveRecord* out);
void ToMessage(const MtaStsPosture& posture, v1::LiveRecord* out);
void ToMessage(const TlsRptPosture& posture, v1::LiveRecord* out);

// The records of `types`, in the order SPF, DMARC, DKIM, MX; empty `types` means all.
void ToMessage(const Posture& posture, const std::vector<v1::RecordType>& types,
               v1::InspectRecordsResponse* out);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_VIEW_POSTURE_VIEW_H_
