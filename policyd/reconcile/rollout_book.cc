#include "policyd/reconcile/rollout_book.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/reconcile/reason.h"
#include "policyd/rollout/codec.h"

namespace dmarcate {

absl::StatusOr<Rollout> ToRollout(RolloutRecord record) {
  absl::StatusOr<RolloutState> state = DecodeState(record.state);
  if (!state.ok()) {
    return Annotate(state.status(), fmt::format("rollout {} of {}", record.id, record.domain));
  }
  return Rollout{std::move(record), *std::move(state)};
}

absl::StatusOr<Rollout> RolloutBook::Get(std::string_view domain, std::string_view id,
                                         uint64_t revision) {
  absl::StatusOr<RolloutRecord> record = store_.GetRollout(domain, id);
  if (record.status().code() == absl::StatusCode::kNotFound) {
    return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                             fmt::format("domains/{}/rollouts/{} does not exist", domain, id));
  }
  DMARCATE_RETURN_IF_ERROR(record.status());
  DMARCATE_ASSIGN_OR_RETURN(Rollout rollout, ToRollout(*std::move(record)));
  if (revision != 0 && revision != rollout.record.revision) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the rollout of {} is not what was shown any more; look again", domain));
  }
  return rollout;
}

absl::StatusOr<std::vector<RolloutRecord>> RolloutBook::List(std::string_view domain,
                                                             std::string_view after_domain,
                                                             std::string_view after_id,
                                                             size_t limit) {
  return store_.ListRollouts(domain, after_domain, after_id, limit);
}

absl::StatusOr<Rollout> RolloutBook::Put(Rollout rollout, std::vector<RolloutLogRecord> log) {
  rollout.record.state = EncodeState(rollout.state);
  rollout.record.update_time = clock_.Now();
  absl::StatusOr<RolloutRecord> stored = store_.PutRollout(rollout.record, std::move(log));
  if (stored.status().code() == absl::StatusCode::kAborted) {
    return MakeReasonedError(
        absl::StatusCode::kAborted, "ETAG_MISMATCH",
        fmt::format("the rollout of {} has gone on meanwhile; look again", rollout.record.domain));
  }
  DMARCATE_RETURN_IF_ERROR(stored.status());
  rollout.record = *std::move(stored);
  return rollout;
}

RolloutLogRecord RolloutBook::Entry(RolloutEvent event, std::string_view who,
                                    std::string text) const {
  RolloutLogRecord entry;
  entry.time = clock_.Now();
  entry.event = event;
  entry.who = std::string(who);
  entry.text = std::move(text);
  return entry;
}

}  // namespace dmarcate
