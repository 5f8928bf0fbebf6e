// lib/store/report_parts.h
// What the encoder and the decoder of aggregate reports must agree on. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_REPORT_PARTS_H_
#define DMARCATE_LIB_STORE_REPORT_PARTS_H_

#include <cstdint>

namespace dmarcate {

// Two numbers below 16 in one byte. An optional enum is 0 where it is absent, else its value + 1.
constexpr uint8_t Halves(uint8_t low, uint8_t high) {
  return static_cast<uint8_t>(low | high << 4);
}
constexpr uint8_t Low(uint8_t byte) { return byte & 15; }
constexpr uint8_t High(uint8_t byte) { return byte >> 4; }

// Flags of the published policy.
inline constexpr uint8_t kHasPct = 1, kHasFo = 2, kDomainIsInKey = 4;

// The column of addresses: one family for all where that is so, else a family before each.
enum class Addresses : uint8_t { kV4 = 0, kV6 = 1, kMixed = 2 };
enum class Family : uint8_t { kNone = 0, kV4 = 1, kV6 = 2 };

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_PARTS_H_
