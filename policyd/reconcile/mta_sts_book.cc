#include "policyd/reconcile/mta_sts_book.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {

absl::StatusOr<StsRollout> ToStsRollout(RolloutRecord record) {
  absl::StatusOr<StsState> state = DecodeStsState(record.state);
  if (!state.ok()) {
    return Annotate(state.status(),
                    fmt::format("mta-sts rollout {} of {}", record.id, record.domain));
  }
  return StsRollout{std::move(record), *std::move(state)};
}

absl::StatusOr<StsRollout> MtaStsBook::Get(std::string_view domain, std::string_view id,
                                           uint64_t revision) {
  absl::StatusOr<RolloutRecord> record = store_.GetRollout(domain, id);
  if (record.status().code() == absl::StatusCode::kNotFound) {
    return MakeReasonedError(
        absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
        fmt::format("domains/{}/mtaStsRollouts/{} does not exist", domain, id));
  }
  DMARCATE_RETURN_IF_ERROR(record.status());
  DMARCATE_ASSIGN_OR_RETURN(StsRollout rollout, ToStsRollout(*std::move(record)));
  if (revision != 0 && revision != rollout.record.revision) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the mta-sts rollout of {} is not what was shown any more; look again",
                    domain));
  }
  return rollout;
}

absl::StatusOr<std::optional<StsRollout>> MtaStsBook::Last(std::string_view domain) {
  DMARCATE_ASSIGN_OR_RETURN(std::vector<RolloutRecord> records, List(domain, "", "", SIZE_MAX));
  if (records.empty()) return std::optional<StsRollout>();
  DMARCATE_ASSIGN_OR_RETURN(StsRollout last, ToStsRollout(std::move(records.back())));
  return std::optional<StsRollout>(std::move(last));
}

absl::StatusOr<StsRollout> MtaStsBook::Put(StsRollout rollout, std::vector<RolloutLogRecord> log) {
  rollout.record.state = EncodeStsState(rollout.state);
  rollout.record.update_time = clock_.Now();
  absl::StatusOr<RolloutRecord> stored = store_.PutRollout(rollout.record, std::move(log));
  if (stored.status().code() == absl::StatusCode::kAborted) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the mta-sts rollout of {} has gone on meanwhile; look again",
                    rollout.record.domain));
  }
  DMARCATE_RETURN_IF_ERROR(stored.status());
  rollout.record = *std::move(stored);
  return rollout;
}

}  // namespace dmarcate
