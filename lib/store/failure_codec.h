// lib/store/failure_codec.h
// A failure report as one value. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_FAILURE_CODEC_H_
#define DMARCATE_LIB_STORE_FAILURE_CODEC_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/store/report_store.h"

namespace dmarcate {

// The value under ReportDbKey(stored.key). The time of receipt is kept to the second.
std::string EncodeFailureReport(const StoredFailureReport& stored);

//   kDataLoss, kFailedPrecondition  as Unseal()
absl::StatusOr<StoredFailureReport> DecodeFailureReport(std::string_view db_key,
                                                        std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAILURE_CODEC_H_
