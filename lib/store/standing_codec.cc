#include "lib/store/standing_codec.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<ReportPayload> UnsealReport(std::string_view db_key, std::string_view value) {
  ReportPayload payload;
  const bool plain = value.starts_with(static_cast<char>(kPlainReport));
  payload.version = plain ? kPlainReport : kReasonedReport;
  DMARCATE_ASSIGN_OR_RETURN(payload.bytes, Unseal(db_key, payload.version, value));
  return payload;
}

}  // namespace dmarcate
