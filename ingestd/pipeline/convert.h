// ingestd/pipeline/convert.h
// From what was found in some bytes to what the store keeps of it.

#ifndef DMARCATE_INGESTD_PIPELINE_CONVERT_H_
#define DMARCATE_INGESTD_PIPELINE_CONVERT_H_

#include <string>

#include "lib/mailauth/alignment.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// Who reports, for identity and statistics (report-quirks D1): the Organizational Domain of the
// report's e-mail address, else the organization's name, folded; "unknown" without either. While
// carriers are not authenticated it is a claim.
std::string ReporterKey(const ReportMetadata& metadata, const PublicSuffixList& suffixes);

// All reports of one receipt. Trust is IMPORTED for all of them until carriers are authenticated.
CommitBatch::Processed ToProcessed(const Receipt& receipt, Unpacked unpacked,
                                   const PublicSuffixList& suffixes);

// A receipt that cannot be read and why; kept and listed.
CommitBatch::Processed ToQuarantined(const Receipt& receipt, std::string reason,
                                     std::string detail);

// What a second sender of the same bytes is told: reports become duplicates of those stored first,
// the rest is as it was.
std::vector<ReceiptItem> AsSeenBefore(std::vector<ReceiptItem> items);

// One of kAccepted, kAcceptedCosmetic, kAcceptedMaterial.
bool IsAccepted(Outcome outcome);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CONVERT_H_
