#include "lib/store/policy_rules.h"

#include "fmt/format.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

bool IsEndState(ChangeState state) {
  return state != ChangeState::kPlanned && state != ChangeState::kApplying &&
         state != ChangeState::kVerifying && state != ChangeState::kRollingBack;
}

const ReportAddressRecord* CurrentReportAddress(const DomainRecord& record) {
  const ReportAddressRecord* current = nullptr;
  for (const ReportAddressRecord& address : record.report_addresses) {
    if (!address.revoked()) current = &address;
  }
  return current;
}

std::string MailboxForReports(const DomainRecord& record) {
  if (!record.report_mailbox.empty()) return record.report_mailbox;
  const ReportAddressRecord* current = CurrentReportAddress(record);
  return current == nullptr ? std::string() : current->address;
}

bool IsOpen(const ChangeRecord& change) {
  return !IsEndState(change.state) && (change.state != ChangeState::kPlanned || change.scheduled());
}

absl::Status CheckRevision(std::string_view what, uint64_t named, std::optional<uint64_t> stored) {
  if (!stored) {
    if (named == 0) return absl::OkStatus();
    return MakeError(absl::StatusCode::kNotFound, fmt::format("{}: no such record", what));
  }
  if (named == 0) {
    return MakeError(absl::StatusCode::kAlreadyExists, fmt::format("{}: exists", what));
  }
  if (named != *stored) {
    return MakeError(
        absl::StatusCode::kAborted,
        fmt::format("{}: read at revision {}, now at revision {}", what, named, *stored));
  }
  return absl::OkStatus();
}

absl::Status CheckKey(std::string_view what, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > kMaxPolicyKeyBytes) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("{}: a name of {} bytes; 1 to {} are allowed", what, part.size(),
                                   kMaxPolicyKeyBytes));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const RequestRecord& record, const std::optional<RequestRecord>& stored) {
  if (!stored || record.time - stored->time >= kRequestLifetime) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAlreadyExists,
                   fmt::format("request {}: exists", record.request_id));
}

}  // namespace dmarcate
