#include "lib/store/standing_codec.h"

#include "absl/time/time.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<ReportPayload> UnsealReport(std::string_view db_key, std::string_view value) {
  ReportPayload payload;
  const bool plain = value.starts_with(static_cast<char>(kPlainReport));
  payload.version = plain ? kPlainReport : kReasonedReport;
  DMARCATE_ASSIGN_OR_RETURN(payload.bytes, Unseal(db_key, payload.version, value));
  return payload;
}

void WriteRelease(const Release& release, WireWriter& out) {
  out.Byte(static_cast<uint8_t>(release.quarantined_for));
  out.Zigzag(absl::ToUnixSeconds(release.time));
  out.String(release.by);
  out.String(release.why);
}

Release ReadRelease(WireReader& in) {
  Release release;
  release.quarantined_for = in.Enum(in.Byte(), kLastTrustReason);
  release.time = absl::FromUnixSeconds(in.Zigzag());
  release.by = in.String();
  release.why = in.String();
  return release;
}

}  // namespace dmarcate
