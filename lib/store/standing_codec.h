// lib/store/standing_codec.h
// The two versions of a report's value, of whatever kind: where the class of trust has a reason, it
// stands behind the class. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_STANDING_CODEC_H_
#define DMARCATE_LIB_STORE_STANDING_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/store/envelope.h"
#include "lib/store/trust_reason.h"
#include "lib/store/wire.h"

namespace dmarcate {

// A value without a reason has the bytes that it had before there were reasons.
inline constexpr uint8_t kPlainReport = 1, kReasonedReport = 2;

template <typename Stored>
std::string SealReport(std::string_view db_key, const Stored& stored, std::string_view payload) {
  const bool plain = stored.reason == TrustReason::kNone;
  return Seal(db_key, plain ? kPlainReport : kReasonedReport, payload);
}

struct ReportPayload {
  uint8_t version = kPlainReport;
  std::string_view bytes;  // a view into the value
};
// Errors as Unseal().
absl::StatusOr<ReportPayload> UnsealReport(std::string_view db_key, std::string_view value);

// Right behind the byte with the class.
template <typename Stored>
void WriteReason(const Stored& stored, WireWriter& out) {
  if (stored.reason != TrustReason::kNone) out.Byte(static_cast<uint8_t>(stored.reason));
}
template <typename Stored>
void ReadReason(uint8_t version, WireReader& in, Stored* stored) {
  stored->reason = TrustReason::kNone;
  if (version == kReasonedReport) stored->reason = in.Enum(in.Byte(), kLastTrustReason);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_STANDING_CODEC_H_
