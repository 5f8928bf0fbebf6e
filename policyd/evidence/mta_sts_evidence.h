// policyd/evidence/mta_sts_evidence.h
// What a step of the MTA-STS ladder is decided by, out of what was seen of mail servers, web server
// and DNS. Pure: each look comes with the one before, so that it is known what was seen in a row.

#ifndef DMARCATE_POLICYD_EVIDENCE_MTA_STS_EVIDENCE_H_
#define DMARCATE_POLICYD_EVIDENCE_MTA_STS_EVIDENCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/inbound/inbound.h"
#include "lib/inbound/mail_server.h"
#include "lib/inspect/posture.h"
#include "lib/store/insight_store.h"
#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/served_file.h"

namespace dmarcate {

// What senders that apply a policy of mode enforce would refuse `server` for (RFC 8461 section
// 4.2), ascending, each once. All addresses that were looked at count; one that was not reached
// counts where none was.
std::vector<MxFault> FaultsOf(const MailServerPosture& server);

// `looked`: when the look began. Where the MX records could not be read, `before` is still the
// newest look.
MxEvidence JudgeMxLook(const MxPosture& mx, const InboundPosture& inbound, absl::Time looked,
                       const MxEvidence& before);

// The file as it was fetched. kNotFound: there is none for senders. Of any other error nothing was
// learned, and `before` is still the newest look.
FileEvidence JudgeFileLook(const absl::StatusOr<ServedStsFile>& fetched, absl::Time looked,
                           const FileEvidence& before);

// The records as every authoritative server that answered has them. `looked` of the result stays
// InfinitePast where none did, or they disagree, on either name. `adopted`: as for JudgeRecords.
StsRecordEvidence JudgeStsRecords(const MtaStsPosture& mta_sts, const TlsRptPosture& tls_rpt,
                                  absl::Time looked, const std::vector<InsightRecord>& insights,
                                  absl::Time adopted);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_EVIDENCE_MTA_STS_EVIDENCE_H_
