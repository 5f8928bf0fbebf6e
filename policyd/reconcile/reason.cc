#include "policyd/reconcile/reason.h"

#include <cstdint>

#include "absl/strings/cord.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr char kPayloadUrl[] = "type.dmarcate/reason";

// Length-prefixed strings: any octet may occur in one.
void Append(std::string& out, std::string_view field) {
  out += fmt::format("{}:", field.size());
  out += field;
}

std::optional<std::string> Take(std::string_view& in) {
  size_t size = 0;
  size_t digits = 0;
  while (digits < in.size() && in[digits] >= '0' && in[digits] <= '9') {
    size = size * 10 + static_cast<size_t>(in[digits++] - '0');
  }
  if (digits == 0 || digits > 9 || digits >= in.size() || in[digits] != ':' ||
      in.size() - digits - 1 < size) {
    return std::nullopt;
  }
  std::string field(in.substr(digits + 1, size));
  in.remove_prefix(digits + 1 + size);
  return field;
}

}  // namespace

absl::Status MakeReasonedError(absl::StatusCode code, std::string_view reason,
                               std::string_view message,
                               const std::map<std::string, std::string>& metadata) {
  absl::Status status = MakeError(code, message);
  std::string payload;
  Append(payload, reason);
  for (const auto& [key, value] : metadata) {
    Append(payload, key);
    Append(payload, value);
  }
  status.SetPayload(kPayloadUrl, absl::Cord(payload));
  return status;
}

std::optional<ErrorReason> ErrorReasonOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return std::nullopt;
  const std::string bytes(*payload);
  std::string_view rest = bytes;
  std::optional<std::string> code = Take(rest);
  if (!code.has_value()) return std::nullopt;
  ErrorReason reason{*std::move(code), {}};
  while (!rest.empty()) {
    std::optional<std::string> key = Take(rest);
    std::optional<std::string> value = Take(rest);
    if (!key.has_value() || !value.has_value()) return std::nullopt;
    reason.metadata.emplace(*std::move(key), *std::move(value));
  }
  return reason;
}

bool PassesByItself(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  if (reason.has_value()) {
    for (const std::string_view code :
         {"CHANGE_IN_PROGRESS", "RATE_LIMITED", "SHUTTING_DOWN", "LEASE_LOST"}) {
      if (reason->code == code) return true;
    }
  }
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace dmarcate
