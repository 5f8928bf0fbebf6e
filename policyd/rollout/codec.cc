#include "policyd/rollout/codec.h"

#include "lib/base/digest.h"
#include "lib/base/field_archive.h"
#include "lib/base/status_macros.h"

namespace dmarcate {

constexpr std::string_view kRolloutMagic = "dmarcate rollout";

// Found by EachField through the structs' namespace; of this file only.
template <typename A>
static void Fields(A& archive, SourceDay& v) {
  AllFields(archive, v.day, v.anchor, v.messages, v.aligned, v.dkim_aligned, v.forwarded);
}
template <typename A>
static void Fields(A& archive, SourceEvidence& v) {
  AllFields(archive, v.id, v.standing, v.looks_legitimate, v.spf_only, v.declared_rare, v.days);
}
template <typename A>
static void Fields(A& archive, AnchorEvidence& v) {
  AllFields(archive, v.id, v.days, v.usual_gap, v.last_report, v.messages, v.policy_seen_since,
            v.waived);
}
template <typename A>
static void Fields(A& archive, Breakage& v) {
  AllFields(archive, v.kind, v.source_id, v.name, v.since, v.looks, v.carried);
}
template <typename A>
static void Fields(A& archive, RecordEvidence& v) {
  AllFields(archive, v.looked, v.dmarc, v.lint_errors, v.spf_lookups, v.dangling, v.last_drift);
  if (archive.version() >= 2) AllFields(archive, v.alias);
}
template <typename A>
static void Fields(A& archive, IngestEvidence& v) {
  AllFields(archive, v.longest_gap, v.queued, v.quarantined_unreviewed, v.disk_full);
}
template <typename A>
static void Fields(A& archive, ControlEvidence& v) {
  AllFields(archive, v.domain_verified, v.suspended, v.writable, v.open_change, v.attention_change);
  if (archive.version() >= 2) AllFields(archive, v.why);
}
template <typename A>
static void Fields(A& archive, FreezeWindow& v) {
  AllFields(archive, v.begin, v.end, v.reason);
}
template <typename A>
static void Fields(A& archive, StandingRules& v) {
  AllFields(archive, v.freezes, v.two_people);
}
template <typename A>
static void Fields(A& archive, Evidence& v) {
  AllFields(archive, v.domain, v.decisions_etag, v.sources, v.anchors, v.excluded_days, v.breakages,
            v.records, v.ingest, v.control, v.advisories);
  if (archive.version() >= 2) AllFields(archive, v.rules, v.decisions_settled);
}
template <typename A>
static void Fields(A& archive, WorkingHours& v) {
  AllFields(archive, v.days, v.from_minute, v.to_minute, v.utc_offset_minutes);
}
template <typename A>
static void Fields(A& archive, GateSettings& v) {
  AllFields(archive, v.observe_days, v.test_days, v.quarantine_days, v.min_anchors, v.covered_days,
            v.freshness, v.source_floor, v.source_aligned, v.source_dkim, v.unexplained,
            v.forwarding_loss, v.receiver_proof, v.signed_impact);
}
template <typename A>
static void Fields(A& archive, RolloutSettings& v) {
  AllFields(archive, v.gates, v.freezes, v.hours, v.ordinary_mailboxes, v.accepted_loss,
            v.waived_sources, v.step_down);
}
template <typename A>
static void Fields(A& archive, GateMemory& v) {
  AllFields(archive, v.id, v.holds, v.since);
}
template <typename A>
static void Fields(A& archive, Confirmation& v) {
  AllFields(archive, v.by, v.time, v.stage, v.decisions_etag, v.accepted_bound);
  if (archive.version() >= 2) AllFields(archive, v.second_by, v.second_time);
}
template <typename A>
static void Fields(A& archive, RolloutState& v) {
  AllFields(archive, v.domain, v.id, v.scope, v.mode, v.status, v.stage, v.target, v.settings,
            v.create_time, v.stage_start, v.last_up, v.last_auto_down, v.pause_reason,
            v.pause_detail, v.pause_time, v.resume_time, v.confirmation, v.abort_to,
            v.pending_change, v.gates);
}
template <typename A>
static void Fields(A& archive, DecisionInput& v) {
  AllFields(archive, v.state, v.evidence, v.now);
}
template <typename A>
static void Fields(A& archive, Decision& v) {
  AllFields(archive, v.time, v.input_digest, v.input, v.action, v.from, v.to, v.reason);
}

template <typename T>
static std::string Encode(const T& value) {
  return EncodeFields(value, kRolloutMagic, kRolloutCodecVersion);
}
template <typename T>
static absl::StatusOr<T> Decode(std::string_view bytes, std::string_view what) {
  return DecodeFields<T>(bytes, kRolloutMagic, kOldestRolloutCodec, kRolloutCodecVersion, what);
}

std::string EncodeState(const RolloutState& state) { return Encode(state); }
absl::StatusOr<RolloutState> DecodeState(std::string_view bytes) {
  return Decode<RolloutState>(bytes, "rollout");
}
std::string EncodeInput(const DecisionInput& input) { return Encode(input); }
absl::StatusOr<DecisionInput> DecodeInput(std::string_view bytes) {
  return Decode<DecisionInput>(bytes, "input of a decision");
}
std::string EncodeDecision(const Decision& decision) { return Encode(decision); }
absl::StatusOr<Decision> DecodeDecision(std::string_view bytes) {
  return Decode<Decision>(bytes, "decision");
}

Decision Record(const DecisionInput& input, const Step& step) {
  Decision decision;
  decision.time = input.now;
  decision.input = EncodeInput(input);
  decision.input_digest = Sha256Hex(decision.input);
  decision.action = step.action;
  decision.from = input.state.stage;
  decision.to = step.to;
  decision.reason = step.reason;
  return decision;
}

absl::Status Replay(const Decision& decision) {
  if (Sha256Hex(decision.input) != decision.input_digest) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("decision of {}: the input is not what its digest says",
                                 FormatRfc3339(decision.time)));
  }
  DMARCATE_ASSIGN_OR_RETURN(const DecisionInput input, DecodeInput(decision.input));
  const Step step = NextStep(input.state, input.evidence, input.now);
  if (step.action == decision.action && step.to == decision.to && step.reason == decision.reason) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("decision of {}: was \"{}\", is \"{}\" now",
                               FormatRfc3339(decision.time), decision.reason, step.reason));
}

}  // namespace dmarcate
