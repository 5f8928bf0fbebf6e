// lib/store/value_codec.h
// The smaller values of the reports store: receipts, totals and index entries. Bytes in
// docs/store.md. Decoding errors are those of Unseal().

#ifndef DMARCATE_LIB_STORE_VALUE_CODEC_H_
#define DMARCATE_LIB_STORE_VALUE_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/store/report_rules.h"
#include "lib/store/report_store.h"

namespace dmarcate {

std::string EncodeReceipt(std::string_view key, const StoredReceipt& stored);
absl::StatusOr<StoredReceipt> DecodeReceipt(std::string_view key, std::string_view value);

// The day is in the key.
std::string EncodeTotals(std::string_view key, const DayTotals& totals);
absl::StatusOr<DayTotals> DecodeTotals(std::string_view key, std::string_view value);
// Under ExpiredDbKey().
absl::StatusOr<DayTotals> DecodeExpiredTotals(std::string_view key, std::string_view value);

// Where the report with a document lies.
std::string EncodeRef(std::string_view key, const ReportKey& ref);
absl::StatusOr<ReportKey> DecodeRef(std::string_view key, std::string_view value);

// The reports of one identity.
std::string EncodeRevisions(std::string_view key, const std::vector<Revision>& revisions);
absl::StatusOr<std::vector<Revision>> DecodeRevisions(std::string_view key, std::string_view value);

// A number alone: the version of the layout, the last receipt.
std::string EncodeNumber(std::string_view key, uint64_t number);
absl::StatusOr<uint64_t> DecodeNumber(std::string_view key, std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_VALUE_CODEC_H_
