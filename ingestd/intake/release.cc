#include "ingestd/intake/release.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "ingestd/intake/quarantine.h"
#include "ingestd/intake/to_proto.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

constexpr int64_t kReasonLimit = 2000;  // characters
constexpr size_t kEtagHexDigits = 16;

// Or the error to answer with.
grpc::Status CheckRequest(const v1::ReleaseQuarantinedMessageRequest& in) {
  if (!ParseQuarantineName(in.name())) {
    return FieldError(Reason::kNameMalformed, "name", "want quarantinedMessages/{message}");
  }
  if (TrimAscii(in.reason()).empty()) {
    return FieldError(Reason::kFieldRequired, "reason", "why it is released; it is kept and shown");
  }
  const auto characters = std::ranges::count_if(
      in.reason(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  if (characters > kReasonLimit) {
    return MakeRpcError(
        {.reason = Reason::kFieldTooLong,
         .message = fmt::format("reason: {} characters, limit {}", characters, kReasonLimit),
         .metadata = {{"field", "reason"}, {"limit", std::to_string(kReasonLimit)}}});
  }
  if (!in.request_id().empty() && !IsRequestId(in.request_id())) {
    return FieldError(Reason::kRequestIdInvalid, "request_id", "not a UUID");
  }
  if (in.etag().empty()) {
    return FieldError(Reason::kEtagRequired, "etag", "required; read the message first");
  }
  return grpc::Status::OK;
}

grpc::Status NotReleasable(const std::string& name, std::string_view why, std::string_view code) {
  return MakeRpcError({.reason = Reason::kNotReleasable,
                       .message = fmt::format("{}: {}", name, why),
                       .metadata = {{"resource", name}, {"cause", std::string(code)}}});
}

grpc::Status ToStatus(ReleaseOutcome outcome, const std::string& name) {
  switch (outcome) {
    case ReleaseOutcome::kReleased:
    case ReleaseOutcome::kAlready:
      return grpc::Status::OK;
    case ReleaseOutcome::kNotThere:
      return NotInQuarantine(name);
    case ReleaseOutcome::kImpossible:
      return NotReleasable(
          name,
          "its numbers cannot be, and would drown all others in the totals; ask the reporter for a "
          "report with right ones",
          TrustReasonName(TrustReason::kImpossibleCount));
    case ReleaseOutcome::kNoRoom:
      return NotReleasable(
          name,
          fmt::format("{} imported reports with its identity are kept already", kMaxRevisions),
          "too_many_revisions");
  }
  return grpc::Status::OK;
}

void Fill(const ReleaseResult& result, v1::ReleaseQuarantinedMessageResponse* out) {
  const StoredReport& report = result.report;
  out->set_aggregate_report(
      fmt::format("domains/{}/aggregateReports/{}", report.key.domain, report.key.ToId()));
  out->set_trust(static_cast<v1::TrustClass>(report.trust));  // both number the classes alike
  if (report.release) *out->mutable_release() = ToProto(*report.release);
  out->set_record_count(static_cast<int32_t>(
      std::min<int64_t>(report.record_count, std::numeric_limits<int32_t>::max())));
  out->set_message_count(static_cast<int64_t>(
      std::min<uint64_t>(report.message_count, std::numeric_limits<int64_t>::max())));
  out->set_superseded(!report.current);
  out->set_already_released(result.outcome == ReleaseOutcome::kAlready);
}

}  // namespace

std::string QuarantineEtag(const Receipt& receipt, const ReceiptItem& item) {
  return Sha256Hex(fmt::format("{}\n{}\n{}\n{}\n{}\n{}", receipt.id, ToHex(receipt.raw_sha256),
                               static_cast<int>(item.outcome), item.domain, item.report_name,
                               item.reason))
      .substr(0, kEtagHexDigits);
}

std::string QuarantinedReport(ReceiptId receipt, const ReceiptItem& item) {
  if (item.outcome != Outcome::kQuarantined || !ReportOf(receipt, item)) return "";
  return fmt::format("domains/{}/aggregateReports/{}", item.domain, item.report_name);
}

grpc::Status ReleaseQuarantinedMessage(Pipeline& pipeline, ReportWriter& store, StorageGauge& gauge,
                                       const Call& call, absl::Time now,
                                       const v1::ReleaseQuarantinedMessageRequest& in,
                                       v1::ReleaseQuarantinedMessageResponse* out) {
  if (const grpc::Status wrong = CheckRequest(in); !wrong.ok()) return wrong;
  const ReportWriter::ItemPlace place = *ParseQuarantineName(in.name());
  const absl::StatusOr<StoredReceipt> stored = store.GetReceipt(place.receipt);
  if (absl::IsNotFound(stored.status())) return NotInQuarantine(in.name());
  if (absl::IsDataLoss(stored.status())) {  // it is listed as that
    return NotReleasable(in.name(), "its receipt does not decode, so nothing is known of it",
                         "receipt_unreadable");
  }
  if (!stored.ok()) return ToRpcError(stored.status(), Reason::kStoreUnavailable);
  if (place.ordinal >= stored->items.size()) return NotInQuarantine(in.name());
  const ReceiptItem& item = stored->items[place.ordinal];
  const auto key = ReportOf(place.receipt, item);
  if (IsUnreadable(item.outcome)) {
    if (!key || item.kind != kAggregateKind) {
      return NotReleasable(
          in.name(),
          item.outcome == Outcome::kOverLimit
              ? fmt::format("a limit stopped it ({}), so there is nothing to release", item.reason)
              : fmt::format("it could not be read as a report ({}), so there is nothing to "
                            "release; after an upgrade replay it",
                            item.reason),
          "unreadable");
    }
    if (const std::string etag = QuarantineEtag(stored->receipt, item); etag != in.etag()) {
      return MakeRpcError(
          {.reason = Reason::kEtagMismatch,
           .message = "etag: the message has changed since it was read; read it again",
           .metadata = {{"etag", etag}}});
    }
  }
  // What has left the quarantine was released before, or else is not found.
  if (!key || item.kind != kAggregateKind) return NotInQuarantine(in.name());

  if (const absl::Status admitted = gauge.AdmitRows(); !admitted.ok()) {
    return ToIntakeError(admitted);
  }
  ReleasedReport released{*key, {.by = call.principal().name, .time = now, .why = in.reason()}};
  if (in.validate_only()) {
    const absl::StatusOr<ReleaseResult> checked = store.CheckRelease(released);
    if (!checked.ok()) return ToRpcError(checked.status(), Reason::kStoreUnavailable);
    const grpc::Status status = ToStatus(checked->outcome, in.name());
    if (status.ok()) Fill(*checked, out);
    return status;
  }
  CommitBatch batch;
  batch.released.push_back(std::move(released));
  const absl::StatusOr<CommitResult> committed = pipeline.Apply(std::move(batch));
  if (!committed.ok()) return ToIntakeError(committed.status());
  const ReleaseResult& result = committed->released.at(0);
  grpc::Status status = ToStatus(result.outcome, in.name());
  if (!status.ok()) return status;
  if (result.outcome == ReleaseOutcome::kReleased) {
    LogInfo("report_released",
            {{"domain", key->domain},
             {"report", key->ToId()},
             {"by", call.principal().name},
             {"quarantined_for", TrustReasonName(result.report.release->quarantined_for)}});
  }
  Fill(result, out);
  return grpc::Status::OK;
}

}  // namespace dmarcate
