// ingestd/pipeline/convert.h
// From what was found in some bytes to what the store keeps of it.

#ifndef DMARCATE_INGESTD_PIPELINE_CONVERT_H_
#define DMARCATE_INGESTD_PIPELINE_CONVERT_H_

#include <functional>
#include <string>

#include "ingestd/pipeline/convert_failure.h"
#include "ingestd/pipeline/trust.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// JudgeTrust() or, of a TLS or failure report, JudgeMail(), with what is known of the mail. One of
// `aggregate`, `tls` and `failure` of the report is set.
using TrustJudge = std::function<TrustVerdict(const UnpackedReport&, const CarrierInfo&)>;

// All reports of one receipt. An aggregate one that trust quarantines is stored and listed: its
// item is kQuarantined with the reason. The item of an unverified one is accepted and has the
// reason, too, unless it is a failure report, which counts for nothing anyway.
CommitBatch::Processed ToProcessed(const Receipt& receipt, Unpacked unpacked,
                                   const TrustJudge& judge, const FailurePrivacy& privacy = {});

// A receipt that cannot be read and why; kept and listed.
CommitBatch::Processed ToQuarantined(const Receipt& receipt, std::string reason,
                                     std::string_view detail);

// What a second sender of the same bytes is told: reports become duplicates of those stored first,
// the rest is as it was.
std::vector<ReceiptItem> AsSeenBefore(std::vector<ReceiptItem> items);

// Whether the report was accepted, but counts for nothing, as nobody vouched for it.
bool IsUnverified(const ReceiptItem& item);

// Whether the report was in a mail that another mail encloses: a bounce, an answer, something
// forwarded.
bool IsEnclosed(const UnpackedReport& report);

// One of kAccepted, kAcceptedCosmetic, kAcceptedMaterial.
bool IsAccepted(Outcome outcome);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CONVERT_H_
