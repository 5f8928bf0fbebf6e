// lib/store/value_parts.h
// What the values of TLS reports and of failure reports have in common. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_VALUE_PARTS_H_
#define DMARCATE_LIB_STORE_VALUE_PARTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/report/model.h"
#include "lib/store/report_store.h"
#include "lib/store/standing_codec.h"
#include "lib/store/wire.h"

namespace dmarcate {

void WriteTexts(const std::vector<std::string>& texts, WireWriter& out);
std::vector<std::string> ReadTexts(WireReader& in);

void WriteRepairs(const std::vector<Repair>& repairs, WireWriter& out);
std::vector<Repair> ReadRepairs(WireReader& in);

// A text that mostly is `own`, which the key has: then one byte.
void WriteOwnText(std::string_view own, std::string_view text, WireWriter& out);
std::string ReadOwnText(std::string_view own, WireReader& in);

// Seconds since 1970; the extremes of int64 are the infinities.
void WriteSeconds(absl::Time time, WireWriter& out);
absl::Time ReadSeconds(WireReader& in);

// How a report came and what it counts for: a flag (low half) and outcome (high half), trust (low)
// and channel (high), the reason of the class, the second of receipt. The flag: `current` of a TLS
// report, `redacted` of a failure report.
inline bool& FlagOf(StoredTlsReport& stored) { return stored.current; }
inline bool& FlagOf(StoredFailureReport& stored) { return stored.redacted; }
inline bool FlagOf(const StoredTlsReport& stored) { return stored.current; }
inline bool FlagOf(const StoredFailureReport& stored) { return stored.redacted; }
template <typename Stored>
void WriteArrival(const Stored& stored, WireWriter& out) {
  out.Byte(
      static_cast<uint8_t>((FlagOf(stored) ? 1 : 0) | static_cast<uint8_t>(stored.outcome) << 4));
  out.Byte(static_cast<uint8_t>(static_cast<uint8_t>(stored.trust) |
                                static_cast<uint8_t>(stored.channel) << 4));
  WriteReason(stored, out);
  WriteSeconds(stored.received_time, out);
}
template <typename Stored>
void ReadArrival(uint8_t version, WireReader& in, Stored* stored) {
  constexpr uint8_t kLow = 15;
  uint8_t byte = in.Byte();
  FlagOf(*stored) = (byte & kLow) == 1;
  stored->outcome = in.Enum(static_cast<uint8_t>(byte >> 4), Outcome::kDuplicate);
  byte = in.Byte();
  stored->trust = in.Enum(static_cast<uint8_t>(byte & kLow), TrustClass::kQuarantined);
  stored->channel = in.Enum(static_cast<uint8_t>(byte >> 4), kLastChannel);
  ReadReason(version, in, stored);
  stored->received_time = ReadSeconds(in);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_VALUE_PARTS_H_
