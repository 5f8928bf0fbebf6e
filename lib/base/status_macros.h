// lib/base/status_macros.h
// The two macros that Debian 12's abseil (20220623) lacks, and prefixing of messages.

#ifndef DMARCATE_LIB_BASE_STATUS_MACROS_H_
#define DMARCATE_LIB_BASE_STATUS_MACROS_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

#include "lib/base/text.h"

// Returns from the enclosing function if `expr` (an absl::Status) is not OK.
#define DMARCATE_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                           \
    if (absl::Status dmarcate_status_ = (expr); !dmarcate_status_.ok()) return dmarcate_status_; \
  } while (false)

// Assigns the value of `expr` (an absl::StatusOr) to `lhs`, or returns its error.
#define DMARCATE_ASSIGN_OR_RETURN(lhs, expr) \
  DMARCATE_ASSIGN_OR_RETURN_(DMARCATE_CONCAT_(dmarcate_or_, __LINE__), lhs, expr)
#define DMARCATE_ASSIGN_OR_RETURN_(name, lhs, expr) \
  auto name = (expr);                               \
  if (!name.ok()) return std::move(name).status();  \
  lhs = *std::move(name)
#define DMARCATE_CONCAT_(a, b) DMARCATE_CONCAT_INNER_(a, b)
#define DMARCATE_CONCAT_INNER_(a, b) a##b

namespace dmarcate {

// `status` with "context: " before its message; OK stays OK. Payloads are kept.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status out(status.code(), ToAbsl(fmt::format("{}: {}", context, ToStd(status.message()))));
  status.ForEachPayload(
      [&out](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

// absl's own constructors take absl::string_view, to which neither fmt nor std::string_view
// converts; these take what we have.
inline absl::Status MakeError(absl::StatusCode code, std::string_view message) {
  return absl::Status(code, ToAbsl(message));
}
inline std::string_view MessageOf(const absl::Status& status) { return ToStd(status.message()); }

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_STATUS_MACROS_H_
