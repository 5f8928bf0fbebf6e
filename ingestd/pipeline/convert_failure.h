// ingestd/pipeline/convert_failure.h
// From a failure report as read to what the store keeps of it.

#ifndef DMARCATE_INGESTD_PIPELINE_CONVERT_FAILURE_H_
#define DMARCATE_INGESTD_PIPELINE_CONVERT_FAILURE_H_

#include <cstdint>

#include "ingestd/pipeline/trust.h"
#include "lib/report/address_tokens.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// What becomes of the persons in failure reports.
struct FailurePrivacy {
  const AddressTokens* tokens = nullptr;  // null: reports are kept as they were sent
  // What the raw bytes at rest are: kRedacted if RedactFailureMail() made them.
  enum class Raw : uint8_t { kAsReceived, kRedacted };
  Raw raw = Raw::kAsReceived;
};

// `found.failure` is set. Filed under the reported domain, on the day of Arrival-Date if that is
// not after the day of receipt, else on the day of receipt. A reported domain that is no host name
// makes a quarantined item, "reported_domain_invalid".
// `verdict` is kept to be shown.
ProcessedItem ToFailureItem(const Receipt& receipt, UnpackedReport found,
                            const TrustVerdict& verdict, const FailurePrivacy& privacy);

// Takes the subject out where one of the items is a failure report, and has the raw bytes withheld
// where an accepted one is, unless they are redacted.
void Withhold(const FailurePrivacy& privacy, CommitBatch::Processed* processed);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_CONVERT_FAILURE_H_
