// lib/store/report_codec.h
// One aggregate report as one compact value, with every detail of the model: performance.md
// section 8. A head that can be read alone, then texts (each once), shapes (all that records share
// but address and count, each once), then the records as three columns. Byte by byte in
// docs/store.md.

#ifndef DMARCATE_LIB_STORE_REPORT_CODEC_H_
#define DMARCATE_LIB_STORE_REPORT_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/store/report_store.h"

namespace dmarcate {

// A report may take much more memory than its value: texts and shapes are written once and repeated
// by every record. Neither the writer nor a reader goes beyond this, in the bytes that
// ExpandedBytes() counts; a value that would is refused before it is expanded. Above what the
// parser's own limit on the model (AggregateLimits) lets through.
inline constexpr uint64_t kMaxExpandedBytes = 160 << 20;
// Memory of records, repairs, errors and extensions, as far as it follows from their number and the
// length of their texts; also where they are packed.
uint64_t ExpandedBytes(const StoredReport& report);
uint64_t ExpandedBytes(const AggregateRecord& record);

// Puts records (or what `sink` has of them), repairs and extensions into `packed` and lets them go.
// The larger part of EncodeReport(), which afterwards gives the same value, whatever became of the
// rest of `report` but of the domain in its key.
void PackReport(StoredReport* report);

// The value under ReportDbKey(report.key). The time of receipt is kept to the second.
std::string EncodeReport(const StoredReport& report);

// kHead leaves out records, repairs, errors and extensions, and is several times as fast.
enum class ReportParts : uint8_t { kHead, kAll };

// Into `report`, whose memory is used again: a caller that reads many gives the same object each
// time. The key is taken from `db_key`. The checksum is verified in either case.
//   kDataLoss, kFailedPrecondition  as Unseal(); kDataLoss also beyond kMaxExpandedBytes; `report`
//                                   holds nothing sensible then
absl::Status DecodeReport(std::string_view db_key, std::string_view value, ReportParts parts,
                          StoredReport* report);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_CODEC_H_
