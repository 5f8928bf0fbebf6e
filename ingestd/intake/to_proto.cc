#include "ingestd/intake/to_proto.h"

#include <algorithm>
#include <limits>

#include "fmt/format.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

constexpr size_t kTextLimitBytes = 255;

template <typename To>
To Narrow(int64_t value) {
  return static_cast<To>(std::clamp<int64_t>(value, 0, std::numeric_limits<To>::max()));
}

std::string ReportResource(const ReceiptItem& item, std::string_view collection) {
  return fmt::format("domains/{}/{}/{}", item.domain, collection, item.report_name);
}

}  // namespace

v1::ItemOutcome ToProtoOutcome(const ReceiptItem& item) {
  switch (item.outcome) {
    case Outcome::kAccepted:
    case Outcome::kAcceptedCosmetic:
    case Outcome::kAcceptedMaterial:
      return v1::ITEM_OUTCOME_STORED;
    case Outcome::kQuarantined:
      return v1::ITEM_OUTCOME_QUARANTINED;
    case Outcome::kOverLimit:
      return v1::ITEM_OUTCOME_OVER_LIMIT;
    case Outcome::kNotAReport:
      return v1::ITEM_OUTCOME_NOT_A_REPORT;
    case Outcome::kDuplicate:
      return v1::ITEM_OUTCOME_DUPLICATE;
  }
  return v1::ITEM_OUTCOME_UNSPECIFIED;
}

v1::UntrustedText ToUntrusted(std::string_view text) {
  v1::UntrustedText out;
  out.set_truncated(text.size() > kTextLimitBytes);
  const std::string_view cut = text.substr(0, kTextLimitBytes);
  out.set_value(ToValidUtf8(cut));
  out.set_altered(out.value() != cut);
  return out;
}

std::string CleanFileName(std::string_view name) {
  return ToValidUtf8(name.substr(0, kTextLimitBytes));
}

v1::SubmittedItem ToProto(const ReceiptItem& item) {
  v1::SubmittedItem out;
  out.set_outcome(ToProtoOutcome(item));
  if (!item.report_name.empty()) {
    if (item.kind == kTlsKind) {
      out.set_tls_report(ReportResource(item, "tlsReports"));
    } else if (item.kind == kFailureKind) {
      out.set_failure_report(ReportResource(item, "failureReports"));
    } else {
      out.set_aggregate_report(ReportResource(item, "aggregateReports"));
    }
  }
  out.set_reason(item.reason);
  out.set_detail(item.detail);
  out.set_domain(item.domain);
  out.set_record_count(Narrow<int32_t>(item.records));
  out.set_message_count(item.messages);
  out.set_material(item.outcome == Outcome::kAcceptedMaterial);
  out.set_finding_count(Narrow<int32_t>(item.findings));
  if (!item.file_name.empty()) *out.mutable_file_name() = ToUntrusted(item.file_name);
  return out;
}

v1::SubmittedItem RefusedItem(v1::ItemOutcome outcome, std::string_view reason,
                              std::string_view detail) {
  v1::SubmittedItem out;
  out.set_outcome(outcome);
  out.set_reason(std::string(reason));
  out.set_detail(std::string(detail));
  return out;
}

v1::SubmittedItem WaitingItem(const absl::Status& why) {
  return RefusedItem(v1::ITEM_OUTCOME_WAITING, "dns_unreachable", MessageOf(why));
}

v1::ReportRelease ToProto(const Release& release) {
  v1::ReportRelease out;
  out.set_released_by(release.by);
  out.mutable_release_time()->set_seconds(absl::ToUnixSeconds(release.time));
  out.set_reason(release.why);
  out.set_quarantine_reason(std::string(TrustReasonName(release.quarantined_for)));
  return out;
}

bool IsRequestId(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = AsciiLower(text[i]);
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

grpc::Status FieldError(Reason reason, const std::string& field, const std::string& description) {
  return MakeRpcError({.reason = reason,
                       .message = fmt::format("{}: {}", field, description),
                       .fields = {{field, description}}});
}

grpc::Status ToIntakeError(const absl::Status& status) {
  RpcError error;
  error.message = std::string(MessageOf(status));
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      error.reason = Reason::kShuttingDown;
      error.retry_after = absl::Seconds(5);
      break;
    case absl::StatusCode::kResourceExhausted:
      error.reason = Reason::kStorageWatermark;
      error.retry_after = absl::Minutes(1);
      break;
    case absl::StatusCode::kFailedPrecondition:
      error.reason = Reason::kStoreReadOnly;
      break;
    default:
      return ToRpcError(status, Reason::kStoreUnavailable);
  }
  return MakeRpcError(error);
}

}  // namespace dmarcate
