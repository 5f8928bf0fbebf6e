// lib/rpc/errors.h
// Failures as clients see them: google.rpc.Status with exactly one ErrorInfo (domain "dmarcate"),
// whose reason is API and never renamed or reused. Numbers in a message also stand in its metadata
// (AIP-193).
//
// Below the services errors are absl::Status. Where such an error already knows its reason,
// WithReason() attaches it, Annotate() keeps it, and ToRpcError() turns it into what is sent.

#ifndef DMARCATE_LIB_RPC_ERRORS_H_
#define DMARCATE_LIB_RPC_ERRORS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/support/status.h"

namespace dmarcate {

inline constexpr std::string_view kErrorDomain = "dmarcate";
// The details travel in a header of at most 8 KiB by gRPC's default, base64 encoded.
inline constexpr size_t kErrorDetailsLimitBytes = 6 << 10;
inline constexpr size_t kErrorViolationsLimit = 20;

// Each reason belongs to one gRPC code, see CodeOf(). In the order of the reference list.
enum class Reason : uint8_t {
  // INVALID_ARGUMENT
  kFieldRequired,
  kFieldInvalid,
  kFieldTooLong,
  kNameMalformed,
  kDomainNameInvalid,
  kDomainIsPublicSuffix,
  kPageSizeNegative,
  kPageTokenInvalid,
  kFilterSyntax,
  kFilterUnknownField,
  kOrderByInvalid,
  kUpdateMaskRequired,
  kUpdateMaskInvalid,
  kEtagRequired,
  kRequestIdReused,
  kRequestIdInvalid,
  kIntervalInvalid,
  kRecordSyntax,
  kSpfTermForbidden,
  kStreamProtocol,
  kCredentialMalformed,
  // UNAUTHENTICATED
  kTokenMissing,
  kTokenInvalid,
  // PERMISSION_DENIED
  kPermissionMissing,
  // NOT_FOUND
  kResourceNotFound,
  // ALREADY_EXISTS
  kResourceExists,
  kRolloutActive,
  // FAILED_PRECONDITION
  kNoProvider,
  kProviderReadOnly,
  kZoneNotBound,
  kSourceState,
  kChangeState,
  kPlanExpired,
  kGuardRefused,
  kSpfLookupLimit,
  kSpfVoidLimit,
  kSpfMultiple,
  kDmarcMultiple,
  kZoneInconsistent,
  kCnameAtName,
  kUnmanagedTermLoss,
  kDanglingInclude,
  kStoreReadOnly,
  kProviderRejected,
  kProviderCredential,
  kRollbackBlocked,
  kNotReleasable,
  kReportDomainMissing,
  kReportAddressLimit,
  kRolloutState,
  kGateUnmet,
  // ABORTED
  kEtagMismatch,
  kSourceEvidenceChanged,
  kStalePlan,
  kPlanDigestMismatch,
  kChangeInProgress,
  kOperationInProgress,
  // RESOURCE_EXHAUSTED
  kRateLimited,
  kQueryTooExpensive,
  kStorageWatermark,
  kMessageTooLarge,
  // UNAVAILABLE
  kStarting,
  kShuttingDown,
  kDnsUnavailable,
  kProviderUnavailable,
  kStoreUnavailable,
  // DEADLINE_EXCEEDED: a mutation may have happened all the same
  kDeadline,
  // DATA_LOSS
  kStoredValueCorrupt,
  // INTERNAL: our bug; never with details
  kBug,
};

std::string_view ReasonName(Reason reason);  // "ETAG_MISMATCH"
// For reasons that arrive as text from below the services. nullopt: not in the list.
std::optional<Reason> ReasonFromName(std::string_view name);
grpc::StatusCode CodeOf(Reason reason);

struct FieldViolation {
  std::string field;  // "domain.name"
  std::string description;
};
struct PreconditionViolation {
  std::string type;     // the guard's code: "SPF_LOOKUP_LIMIT"
  std::string subject;  // a resource name or an RRset
  std::string description;
};

// All a client can learn about a failure. Strings are made valid UTF-8 on the way out.
struct RpcError {
  Reason reason = Reason::kBug;
  std::string message;  // for people: lower case, no full stop, never a secret
  std::map<std::string, std::string> metadata = {};
  std::vector<FieldViolation> fields = {};
  std::vector<PreconditionViolation> preconditions = {};
  std::optional<absl::Duration> retry_after = {};
  std::string help_url = {};
};

// The code follows from the reason. What would pass kErrorDetailsLimitBytes is cut: violations
// first (metadata then says how many), then long texts; the ErrorInfo always stays.
grpc::Status MakeRpcError(const RpcError& error);

// `status` carrying `reason` for ToRpcError(). Its code should be that of the reason.
absl::Status WithReason(const absl::Status& status, Reason reason,
                        const std::map<std::string, std::string>& metadata = {});
// absl::Status of the reason's code, with the reason attached.
absl::Status ReasonError(Reason reason, std::string_view message,
                         const std::map<std::string, std::string>& metadata = {});

// `status` (not OK) as it is sent: with the reason attached to it, else with a general one of its
// code, and `fallback` where the code has none of its own. kInternal and kUnknown are our bugs: the
// text goes to the log and the client gets BUG.
grpc::Status ToRpcError(const absl::Status& status, Reason fallback = Reason::kBug);

// The client's side: what MakeRpcError() put in.
struct ReceivedError {
  std::string reason;  // empty: no ErrorInfo of ours (from a proxy, or from gRPC itself)
  std::string message;
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> fields;
  std::vector<PreconditionViolation> preconditions;
  std::optional<absl::Duration> retry_after;
  std::string help_url;
};
ReceivedError ExtractError(const grpc::Status& status);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_RPC_ERRORS_H_
