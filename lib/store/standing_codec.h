// lib/store/standing_codec.h
// The two versions of a report's value, of whatever kind: where the class of trust has a reason, or
// a person gave it, that stands behind the class. Bytes in docs/store.md.

#ifndef DMARCATE_LIB_STORE_STANDING_CODEC_H_
#define DMARCATE_LIB_STORE_STANDING_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/store/envelope.h"
#include "lib/store/release.h"
#include "lib/store/trust_reason.h"
#include "lib/store/wire.h"

namespace dmarcate {

// A value without a reason has the bytes that it had before there were reasons.
inline constexpr uint8_t kPlainReport = 1, kReasonedReport = 2;

template <typename Stored>
bool IsPlain(const Stored& stored) {
  if constexpr (requires { stored.release; }) {
    if (stored.release) return false;
  }
  return stored.reason == TrustReason::kNone;
}

template <typename Stored>
std::string SealReport(std::string_view db_key, const Stored& stored, std::string_view payload) {
  return Seal(db_key, IsPlain(stored) ? kPlainReport : kReasonedReport, payload);
}

struct ReportPayload {
  uint8_t version = kPlainReport;
  std::string_view bytes;  // a view into the value
};
// Errors as Unseal().
absl::StatusOr<ReportPayload> UnsealReport(std::string_view db_key, std::string_view value);

inline constexpr uint8_t kHasRelease = 0x80;
void WriteRelease(const Release& release, WireWriter& out);
Release ReadRelease(WireReader& in);

// Right behind the byte with the class.
template <typename Stored>
void WriteReason(const Stored& stored, WireWriter& out) {
  if (IsPlain(stored)) return;
  const auto reason = static_cast<uint8_t>(stored.reason);
  if constexpr (requires { stored.release; }) {
    out.Byte(stored.release ? reason | kHasRelease : reason);
    if (stored.release) WriteRelease(*stored.release, out);
  } else {
    out.Byte(reason);
  }
}
template <typename Stored>
void ReadReason(uint8_t version, WireReader& in, Stored* stored) {
  uint8_t reason = version == kReasonedReport ? in.Byte() : 0;
  if constexpr (requires { stored->release; }) {
    stored->release.reset();
    if ((reason & kHasRelease) != 0) stored->release = ReadRelease(in);
    reason &= kHasRelease - 1;
  }
  stored->reason = in.Enum(reason, kLastTrustReason);
}

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_STANDING_CODEC_H_
