// lib/store/envelope.h
// What is around every value at rest but raw bytes: a format version before it, a checksum behind.
//
//   version (1 byte) | payload | CRC-32C of key, version and payload (4 bytes, little endian)
//
// The key is part of the sum, so a value found under another key is noticed too. The files have
// checksums of their own; this one also guards memory, and whatever copies values.

#ifndef DMARCATE_LIB_STORE_ENVELOPE_H_
#define DMARCATE_LIB_STORE_ENVELOPE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dmarcate {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `data`, going on from `crc` (0: the beginning).
uint32_t Crc32c(uint32_t crc, std::string_view data);

std::string Seal(std::string_view key, uint8_t version, std::string_view payload);

// The payload, a view into `value`.
//   kDataLoss            the checksum is wrong
//   kFailedPrecondition  whole, but of a version that is not `version`: a newer program wrote it
absl::StatusOr<std::string_view> Unseal(std::string_view key, uint8_t version,
                                        std::string_view value);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ENVELOPE_H_
