#include "policyd/reconcile/mta_sts_adopt.h"

#include <algorithm>

#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

absl::Status NoStage(const StsState& state, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
                           fmt::format("_mta-sts.{}: {}", state.domain, why));
}

// Forgets what belonged to the stage before. Whoever fetched its files keeps them until then.
void Leave(absl::Time now, StsState& state) {
  absl::Duration age = std::max(StsFileAge(state.file), state.abandoned_age);
  if (state.move.has_value()) age = std::max(age, StsFileAge(state.move->file));
  if (age > absl::ZeroDuration()) state.cached_until = std::max(state.cached_until, now + age);
  state.abandoned_age = absl::ZeroDuration();
  state.move.reset();
  state.confirmation.reset();
  state.gates.clear();
  state.stage_start = now;
}

}  // namespace

absl::Status AdoptLive(const StsEvidence& evidence, absl::Time now, StsState& state) {
  if (evidence.records.looked == absl::InfinitePast()) {
    return MakeReasonedError(
        absl::StatusCode::kUnavailable, "DNS_UNAVAILABLE",
        fmt::format("_mta-sts.{} could not be read from every server", state.domain));
  }
  const LiveStsRecord live = FindStsRecord(evidence.records.mta_sts);
  if (live.none()) {
    if (state.stage == StsStage::kOff) return absl::OkStatus();
    Leave(now, state);
    state.stage = StsStage::kOff;
    state.file.clear();
    state.record_id.clear();
    return absl::OkStatus();
  }
  if (live.id.empty()) {
    return NoStage(state, fmt::format("{}; leave one record, or none", live.Describe()));
  }
  if (state.stage != StsStage::kOff && live.id == state.record_id) return absl::OkStatus();
  const FileEvidence& file = evidence.file;
  if (state.move.has_value() && live.id == state.move->id && file.body == state.move->file) {
    StsStep step;
    step.action = StsAction::kPublish;
    step.to = state.move->to;
    step.file = state.move->file;
    step.id = state.move->id;
    state = AfterPublished(std::move(state), step, now);
    return absl::OkStatus();
  }
  const std::string remove = "serve it again, or remove the record";
  if (file.sight != FileSight::kServed) {
    return NoStage(state, fmt::format("{}, and its policy is not served: {}; {}", live.Describe(),
                                      EscapeForTerminal(file.detail), remove));
  }
  const auto policy = ParseMtaStsPolicy(file.body);
  if (!policy.ok()) {
    return NoStage(state,
                   fmt::format("{}, and what is served is no policy: {}; {}", live.Describe(),
                               EscapeForTerminal(MessageOf(policy.status())), remove));
  }
  if (policy->mode == MtaStsMode::kNone) {
    return NoStage(state, fmt::format("{}, of a policy of mode none: it is being withdrawn; remove "
                                      "the record when no sender can keep an older one",
                                      live.Describe()));
  }
  Leave(now, state);
  state.stage = policy->mode == MtaStsMode::kEnforce ? StsStage::kEnforce : StsStage::kTesting;
  state.file = file.body;
  state.record_id = live.id;
  state.serial = std::max(state.serial, StsSerialOf(live.id));
  state.cached_until = now + kMaxMtaStsAge;
  return absl::OkStatus();
}

}  // namespace dmarcate
