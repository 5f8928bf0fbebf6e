// policyd/reconcile/reason.h
// An absl::Status that carries one of the API's error reasons (STALE_PLAN, CHANGE_IN_PROGRESS, ...)
// and its metadata, until the service turns it into google.rpc.ErrorInfo (lib/rpc, which the engine
// does not know).

#ifndef DMARCATE_POLICYD_RECONCILE_REASON_H_
#define DMARCATE_POLICYD_RECONCILE_REASON_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dmarcate {

struct ErrorReason {
  std::string code;                             // "STALE_PLAN"
  std::map<std::string, std::string> metadata;  // the numbers and texts of the message
  friend bool operator==(const ErrorReason&, const ErrorReason&) = default;
};

absl::Status MakeReasonedError(absl::StatusCode code, std::string_view reason,
                               std::string_view message,
                               const std::map<std::string, std::string>& metadata = {});
// Absent: an error without a reason of its own.
std::optional<ErrorReason> ErrorReasonOf(const absl::Status& status);
// Whether what the change engine refused so may be asked for again, later, as it is.
bool PassesByItself(const absl::Status& status);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_REASON_H_
