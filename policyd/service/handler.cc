#include "policyd/service/handler.h"

#include <algorithm>
#include <iterator>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "policyd/reconcile/reason.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr size_t kDomainBatch = 1000;

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // The change engine's reasons are text; they are those of the API.
  if (const auto carried = ErrorReasonOf(status)) {
    if (const auto reason = ReasonFromName(carried->code)) {
      return MakeRpcError({.reason = *reason,
                           .message = std::string(MessageOf(status)),
                           .metadata = carried->metadata});
    }
  }
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return ToRpcError(status, Reason::kStoreUnavailable);
    case absl::StatusCode::kFailedPrecondition:
      return ToRpcError(status, Reason::kStoreReadOnly);
    default:
      return ToRpcError(status);
  }
}

absl::Status FieldError(std::string_view field, std::string_view message) {
  return ReasonError(Reason::kFieldInvalid, fmt::format("{}: {}", field, message),
                     {{"field", std::string(field)}});
}

absl::Status FieldRequired(std::string_view field) {
  return ReasonError(Reason::kFieldRequired, fmt::format("{}: required", field),
                     {{"field", std::string(field)}});
}

absl::Status CheckLength(std::string_view field, std::string_view value, size_t limit) {
  const auto characters = static_cast<size_t>(std::ranges::count_if(
      value, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (characters <= limit) return absl::OkStatus();
  return ReasonError(Reason::kFieldTooLong,
                     fmt::format("{}: {} characters, limit {}", field, characters, limit),
                     {{"field", std::string(field)}, {"limit", fmt::format("{}", limit)}});
}

absl::Status NotFound(std::string_view resource) {
  return ReasonError(Reason::kResourceNotFound,
                     fmt::format("{}: not found", EscapeForTerminal(resource)),
                     {{"resource", std::string(resource)}});
}

absl::Status Cancelled() {
  return ReasonError(Reason::kDeadline, "the caller is gone or its time is up");
}

absl::StatusOr<DomainRecord> FindDomain(PolicyStore& policies, std::string_view domain) {
  absl::StatusOr<DomainRecord> record = policies.GetDomain(domain);
  if (record.status().code() == absl::StatusCode::kNotFound) {
    return NotFound(DomainResource(domain));
  }
  return record;
}

absl::StatusOr<std::vector<DomainRecord>> AllDomains(PolicyStore& policies) {
  std::vector<DomainRecord> records;
  for (;;) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<DomainRecord> batch,
        policies.ListDomains(records.empty() ? "" : records.back().name, kDomainBatch));
    const bool last = batch.size() < kDomainBatch;
    std::ranges::move(batch, std::back_inserter(records));
    if (last) return records;
  }
}

}  // namespace dmarcate
