// lib/store/tls_codec.h
// A TLS report about one domain as one value. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_TLS_CODEC_H_
#define DMARCATE_LIB_STORE_TLS_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/store/report_codec.h"
#include "lib/store/report_store.h"

namespace dmarcate {

// The value under ReportDbKey(stored.key). The time of receipt is kept to the second, the texts of
// the dates are not kept. No text stands in it once for several places, so that reading takes
// memory in proportion to the value.
std::string EncodeTlsReport(const StoredTlsReport& stored);

// Into `stored`, whatever it held. kHead leaves out policies and repairs.
//   kDataLoss, kFailedPrecondition  as Unseal(); `stored` holds nothing sensible then
absl::Status DecodeTlsReport(std::string_view db_key, std::string_view value, ReportParts parts,
                             StoredTlsReport* stored);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_TLS_CODEC_H_
