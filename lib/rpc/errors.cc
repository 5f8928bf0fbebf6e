#include "lib/rpc/errors.h"

#include <array>
#include <utility>

#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/error_details.h"

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kTextLimitBytes = 512;      // one violation or one metadata value
constexpr size_t kMessageLimitBytes = 1024;  // the message, which travels twice
constexpr char kPayloadUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";

struct ReasonRow {
  Reason reason;
  std::string_view name;
  grpc::StatusCode code;
};

using enum grpc::StatusCode;
constexpr ReasonRow kReasons[] = {
    {Reason::kFieldRequired, "FIELD_REQUIRED", INVALID_ARGUMENT},
    {Reason::kFieldInvalid, "FIELD_INVALID", INVALID_ARGUMENT},
    {Reason::kFieldTooLong, "FIELD_TOO_LONG", INVALID_ARGUMENT},
    {Reason::kNameMalformed, "NAME_MALFORMED", INVALID_ARGUMENT},
    {Reason::kDomainNameInvalid, "DOMAIN_NAME_INVALID", INVALID_ARGUMENT},
    {Reason::kDomainIsPublicSuffix, "DOMAIN_IS_PUBLIC_SUFFIX", INVALID_ARGUMENT},
    {Reason::kPageSizeNegative, "PAGE_SIZE_NEGATIVE", INVALID_ARGUMENT},
    {Reason::kPageTokenInvalid, "PAGE_TOKEN_INVALID", INVALID_ARGUMENT},
    {Reason::kFilterSyntax, "FILTER_SYNTAX", INVALID_ARGUMENT},
    {Reason::kFilterUnknownField, "FILTER_UNKNOWN_FIELD", INVALID_ARGUMENT},
    {Reason::kOrderByInvalid, "ORDER_BY_INVALID", INVALID_ARGUMENT},
    {Reason::kUpdateMaskRequired, "UPDATE_MASK_REQUIRED", INVALID_ARGUMENT},
    {Reason::kUpdateMaskInvalid, "UPDATE_MASK_INVALID", INVALID_ARGUMENT},
    {Reason::kEtagRequired, "ETAG_REQUIRED", INVALID_ARGUMENT},
    {Reason::kRequestIdReused, "REQUEST_ID_REUSED", INVALID_ARGUMENT},
    {Reason::kRequestIdInvalid, "REQUEST_ID_INVALID", INVALID_ARGUMENT},
    {Reason::kIntervalInvalid, "INTERVAL_INVALID", INVALID_ARGUMENT},
    {Reason::kRecordSyntax, "RECORD_SYNTAX", INVALID_ARGUMENT},
    {Reason::kSpfTermForbidden, "SPF_TERM_FORBIDDEN", INVALID_ARGUMENT},
    {Reason::kStreamProtocol, "STREAM_PROTOCOL", INVALID_ARGUMENT},
    {Reason::kCredentialMalformed, "CREDENTIAL_MALFORMED", INVALID_ARGUMENT},
    {Reason::kTokenMissing, "TOKEN_MISSING", UNAUTHENTICATED},
    {Reason::kTokenInvalid, "TOKEN_INVALID", UNAUTHENTICATED},
    {Reason::kPermissionMissing, "PERMISSION_MISSING", PERMISSION_DENIED},
    {Reason::kResourceNotFound, "RESOURCE_NOT_FOUND", NOT_FOUND},
    {Reason::kResourceExists, "RESOURCE_EXISTS", ALREADY_EXISTS},
    {Reason::kRolloutActive, "ROLLOUT_ACTIVE", ALREADY_EXISTS},
    {Reason::kNoProvider, "NO_PROVIDER", FAILED_PRECONDITION},
    {Reason::kProviderReadOnly, "PROVIDER_READ_ONLY", FAILED_PRECONDITION},
    {Reason::kZoneNotBound, "ZONE_NOT_BOUND", FAILED_PRECONDITION},
    {Reason::kSourceState, "SOURCE_STATE", FAILED_PRECONDITION},
    {Reason::kChangeState, "CHANGE_STATE", FAILED_PRECONDITION},
    {Reason::kPlanExpired, "PLAN_EXPIRED", FAILED_PRECONDITION},
    {Reason::kGuardRefused, "GUARD_REFUSED", FAILED_PRECONDITION},
    {Reason::kSpfLookupLimit, "SPF_LOOKUP_LIMIT", FAILED_PRECONDITION},
    {Reason::kSpfVoidLimit, "SPF_VOID_LIMIT", FAILED_PRECONDITION},
    {Reason::kSpfMultiple, "SPF_MULTIPLE", FAILED_PRECONDITION},
    {Reason::kDmarcMultiple, "DMARC_MULTIPLE", FAILED_PRECONDITION},
    {Reason::kZoneInconsistent, "ZONE_INCONSISTENT", FAILED_PRECONDITION},
    {Reason::kCnameAtName, "CNAME_AT_NAME", FAILED_PRECONDITION},
    {Reason::kUnmanagedTermLoss, "UNMANAGED_TERM_LOSS", FAILED_PRECONDITION},
    {Reason::kDanglingInclude, "DANGLING_INCLUDE", FAILED_PRECONDITION},
    {Reason::kStoreReadOnly, "STORE_READ_ONLY", FAILED_PRECONDITION},
    {Reason::kProviderRejected, "PROVIDER_REJECTED", FAILED_PRECONDITION},
    {Reason::kProviderCredential, "PROVIDER_CREDENTIAL", FAILED_PRECONDITION},
    {Reason::kRollbackBlocked, "ROLLBACK_BLOCKED", FAILED_PRECONDITION},
    {Reason::kNotReleasable, "NOT_RELEASABLE", FAILED_PRECONDITION},
    {Reason::kReportDomainMissing, "REPORT_DOMAIN_MISSING", FAILED_PRECONDITION},
    {Reason::kReportAddressLimit, "REPORT_ADDRESS_LIMIT", FAILED_PRECONDITION},
    {Reason::kRolloutState, "ROLLOUT_STATE", FAILED_PRECONDITION},
    {Reason::kGateUnmet, "GATE_UNMET", FAILED_PRECONDITION},
    {Reason::kEtagMismatch, "ETAG_MISMATCH", ABORTED},
    {Reason::kSourceEvidenceChanged, "SOURCE_EVIDENCE_CHANGED", ABORTED},
    {Reason::kStalePlan, "STALE_PLAN", ABORTED},
    {Reason::kPlanDigestMismatch, "PLAN_DIGEST_MISMATCH", ABORTED},
    {Reason::kChangeInProgress, "CHANGE_IN_PROGRESS", ABORTED},
    {Reason::kOperationInProgress, "OPERATION_IN_PROGRESS", ABORTED},
    {Reason::kRateLimited, "RATE_LIMITED", RESOURCE_EXHAUSTED},
    {Reason::kQueryTooExpensive, "QUERY_TOO_EXPENSIVE", RESOURCE_EXHAUSTED},
    {Reason::kStorageWatermark, "STORAGE_WATERMARK", RESOURCE_EXHAUSTED},
    {Reason::kMessageTooLarge, "MESSAGE_TOO_LARGE", RESOURCE_EXHAUSTED},
    {Reason::kStarting, "STARTING", UNAVAILABLE},
    {Reason::kShuttingDown, "SHUTTING_DOWN", UNAVAILABLE},
    {Reason::kDnsUnavailable, "DNS_UNAVAILABLE", UNAVAILABLE},
    {Reason::kProviderUnavailable, "PROVIDER_UNAVAILABLE", UNAVAILABLE},
    {Reason::kStoreUnavailable, "STORE_UNAVAILABLE", UNAVAILABLE},
    {Reason::kDeadline, "DEADLINE", DEADLINE_EXCEEDED},
    {Reason::kStoredValueCorrupt, "STORED_VALUE_CORRUPT", DATA_LOSS},
    {Reason::kBug, "BUG", INTERNAL},
};
static_assert(std::size(kReasons) == static_cast<size_t>(Reason::kBug) + 1);

const ReasonRow& RowOf(Reason reason) { return kReasons[static_cast<size_t>(reason)]; }

// Valid UTF-8 of at most `limit` bytes.
std::string Clean(std::string_view text, size_t limit) {
  if (text.size() <= limit) return ToValidUtf8(text);
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return ToValidUtf8(text.substr(0, limit)) + "...";
}

google::rpc::ErrorInfo MakeErrorInfo(Reason reason,
                                     const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(reason)));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : metadata) {
    (*info.mutable_metadata())[Clean(key, 64)] = Clean(value, kTextLimitBytes);
  }
  return info;
}

// `error` with at most `violations` of each kind, as the protocol buffer.
google::rpc::Status Render(const RpcError& error, size_t violations, bool with_metadata) {
  google::rpc::Status out;
  out.set_code(CodeOf(error.reason));
  out.set_message(Clean(error.message, kMessageLimitBytes));
  std::map<std::string, std::string> metadata;
  if (with_metadata) metadata = error.metadata;
  if (const size_t all = std::max(error.fields.size(), error.preconditions.size());
      all > violations) {
    metadata["violations"] = std::to_string(all);
  }
  out.add_details()->PackFrom(MakeErrorInfo(error.reason, metadata));
  if (!error.fields.empty() && violations > 0) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& field : error.fields) {
      if (static_cast<size_t>(bad.field_violations_size()) == violations) break;
      auto* violation = bad.add_field_violations();
      violation->set_field(Clean(field.field, kTextLimitBytes));
      violation->set_description(Clean(field.description, kTextLimitBytes));
    }
    out.add_details()->PackFrom(bad);
  }
  if (!error.preconditions.empty() && violations > 0) {
    google::rpc::PreconditionFailure failure;
    for (const PreconditionViolation& precondition : error.preconditions) {
      if (static_cast<size_t>(failure.violations_size()) == violations) break;
      auto* violation = failure.add_violations();
      violation->set_type(Clean(precondition.type, kTextLimitBytes));
      violation->set_subject(Clean(precondition.subject, kTextLimitBytes));
      violation->set_description(Clean(precondition.description, kTextLimitBytes));
    }
    out.add_details()->PackFrom(failure);
  }
  if (error.retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    const int64_t millis = absl::ToInt64Milliseconds(*error.retry_after);
    retry.mutable_retry_delay()->set_seconds(millis / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(millis % 1000) * 1'000'000);
    out.add_details()->PackFrom(retry);
  }
  if (!error.help_url.empty()) {
    google::rpc::Help help;
    auto* link = help.add_links();
    link->set_description("what this means");
    link->set_url(Clean(error.help_url, kTextLimitBytes));
    out.add_details()->PackFrom(help);
  }
  return out;
}

std::optional<Reason> GeneralReasonOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return Reason::kFieldInvalid;
    case absl::StatusCode::kNotFound:
      return Reason::kResourceNotFound;
    case absl::StatusCode::kAlreadyExists:
      return Reason::kResourceExists;
    case absl::StatusCode::kPermissionDenied:
      return Reason::kPermissionMissing;
    case absl::StatusCode::kUnauthenticated:
      return Reason::kTokenInvalid;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return Reason::kDeadline;
    case absl::StatusCode::kDataLoss:
      return Reason::kStoredValueCorrupt;
    case absl::StatusCode::kAborted:
      return Reason::kOperationInProgress;
    case absl::StatusCode::kResourceExhausted:
      return Reason::kRateLimited;
    default:
      return std::nullopt;
  }
}

absl::StatusCode ToAbslCode(grpc::StatusCode code) {
  return static_cast<absl::StatusCode>(code);  // both number the canonical codes alike
}

}  // namespace

std::string_view ReasonName(Reason reason) { return RowOf(reason).name; }
std::optional<Reason> ReasonFromName(std::string_view name) {
  for (const ReasonRow& row : kReasons) {
    if (row.name == name) return row.reason;
  }
  return std::nullopt;
}
grpc::StatusCode CodeOf(Reason reason) { return RowOf(reason).code; }

grpc::Status MakeRpcError(const RpcError& error) {
  size_t violations = kErrorViolationsLimit;
  google::rpc::Status rendered = Render(error, violations, true);
  while (rendered.ByteSizeLong() > kErrorDetailsLimitBytes && violations > 0) {
    violations /= 2;
    rendered = Render(error, violations, true);
  }
  if (rendered.ByteSizeLong() > kErrorDetailsLimitBytes) rendered = Render(error, 0, false);
  return grpc::Status(CodeOf(error.reason), rendered.message(), rendered.SerializeAsString());
}

absl::Status WithReason(const absl::Status& status, Reason reason,
                        const std::map<std::string, std::string>& metadata) {
  absl::Status out = status;
  out.SetPayload(kPayloadUrl, absl::Cord(MakeErrorInfo(reason, metadata).SerializeAsString()));
  return out;
}

absl::Status ReasonError(Reason reason, std::string_view message,
                         const std::map<std::string, std::string>& metadata) {
  return WithReason(MakeError(ToAbslCode(CodeOf(reason)), message), reason, metadata);
}

grpc::Status ToRpcError(const absl::Status& status, Reason fallback) {
  RpcError error;
  error.message = std::string(MessageOf(status));
  if (const auto payload = status.GetPayload(kPayloadUrl); payload.has_value()) {
    google::rpc::ErrorInfo info;
    if (info.ParseFromString(std::string(*payload))) {
      error.metadata.insert(info.metadata().begin(), info.metadata().end());
      if (const auto reason = ReasonFromName(info.reason())) {
        error.reason = *reason;
        return MakeRpcError(error);
      }
    }
  }
  error.reason = GeneralReasonOf(status.code()).value_or(fallback);
  if (error.reason == Reason::kBug) {
    LogError("internal_error", {{"error", status}});
    error.message = "internal error, see the daemon's log";
  }
  return MakeRpcError(error);
}

ReceivedError ExtractError(const grpc::Status& status) {
  ReceivedError out;
  out.message = status.error_message();
  google::rpc::Status details;
  if (!grpc::ExtractErrorDetails(status, &details).ok()) return out;
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::PreconditionFailure failure;
    google::rpc::RetryInfo retry;
    google::rpc::Help help;
    if (any.UnpackTo(&info) && info.domain() == kErrorDomain) {
      out.reason = info.reason();
      out.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        out.fields.push_back({violation.field(), violation.description()});
      }
    } else if (any.UnpackTo(&failure)) {
      for (const auto& violation : failure.violations()) {
        out.preconditions.push_back(
            {violation.type(), violation.subject(), violation.description()});
      }
    } else if (any.UnpackTo(&retry)) {
      out.retry_after = absl::Seconds(retry.retry_delay().seconds()) +
                        absl::Nanoseconds(retry.retry_delay().nanos());
    } else if (any.UnpackTo(&help) && help.links_size() > 0) {
      out.help_url = help.links(0).url();
    }
  }
  return out;
}

}  // namespace dmarcate
