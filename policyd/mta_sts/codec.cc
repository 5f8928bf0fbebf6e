#include "policyd/mta_sts/codec.h"

#include <algorithm>
#include <cstddef>

#include "lib/base/digest.h"
#include "lib/base/field_archive.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"

namespace dmarcate {

constexpr std::string_view kStsMagic = "dmarcate mta-sts";

// Found by EachField through the structs' namespace; of this file only.
template <typename A>
static void Fields(A& archive, FreezeWindow& v) {
  AllFields(archive, v.begin, v.end, v.reason);
}
template <typename A>
static void Fields(A& archive, WorkingHours& v) {
  AllFields(archive, v.days, v.from_minute, v.to_minute, v.utc_offset_minutes);
}
template <typename A>
static void Fields(A& archive, ControlEvidence& v) {
  AllFields(archive, v.domain_verified, v.suspended, v.writable, v.open_change, v.attention_change,
            v.why);
}
template <typename A>
static void Fields(A& archive, StandingRules& v) {
  AllFields(archive, v.freezes, v.two_people);
}
template <typename A>
static void Fields(A& archive, StsSettings& v) {
  AllFields(archive, v.mx, v.testing_days, v.min_reporters, v.failure_share, v.testing_max_age,
            v.enforce_max_age, v.freezes, v.hours, v.step_down);
}
template <typename A>
static void Fields(A& archive, StsGateMemory& v) {
  AllFields(archive, v.id, v.holds, v.since);
}
template <typename A>
static void Fields(A& archive, StsConfirmation& v) {
  AllFields(archive, v.by, v.time, v.stage, v.file, v.accepted_bound, v.second_by, v.second_time);
}
template <typename A>
static void Fields(A& archive, StsMove& v) {
  AllFields(archive, v.to, v.kind, v.file, v.id, v.since, v.reason);
}
template <typename A>
static void Fields(A& archive, StsState& v) {
  AllFields(archive, v.domain, v.id, v.mode, v.status, v.stage, v.target, v.settings, v.create_time,
            v.stage_start, v.file, v.record_id, v.serial, v.cached_until, v.move, v.abandoned_age,
            v.last_auto_down, v.pause_reason, v.pause_detail, v.pause_time, v.resume_time,
            v.confirmation, v.abort_to, v.pending_change, v.gates);
}
template <typename A>
static void Fields(A& archive, StsReporterDay& v) {
  AllFields(archive, v.day, v.sessions, v.failed);
}
template <typename A>
static void Fields(A& archive, StsReporter& v) {
  AllFields(archive, v.id, v.days);
}
template <typename A>
static void Fields(A& archive, StsFailure& v) {
  AllFields(archive, v.day, v.reporter, v.result_type, v.mx_host, v.failed);
}
template <typename A>
static void Fields(A& archive, MxHost& v) {
  AllFields(archive, v.name, v.faults, v.detail, v.since, v.looks, v.expires);
}
template <typename A>
static void Fields(A& archive, MxEvidence& v) {
  AllFields(archive, v.looked, v.hosts, v.left_out);
}
template <typename A>
static void Fields(A& archive, FileEvidence& v) {
  AllFields(archive, v.looked, v.sight, v.body, v.detail, v.plain_text, v.since, v.looks);
}
template <typename A>
static void Fields(A& archive, StsRecordEvidence& v) {
  AllFields(archive, v.looked, v.mta_sts, v.tls_rpt, v.last_drift);
}
template <typename A>
static void Fields(A& archive, StsEvidence& v) {
  AllFields(archive, v.domain, v.reporters, v.failures, v.mx, v.file, v.records, v.control,
            v.disk_full, v.advisories, v.rules);
}
template <typename A>
static void Fields(A& archive, StsDecisionInput& v) {
  AllFields(archive, v.state, v.evidence, v.now);
}
template <typename A>
static void Fields(A& archive, StsDecision& v) {
  AllFields(archive, v.time, v.input_digest, v.input, v.action, v.from, v.to, v.file, v.id,
            v.reason);
}

namespace {

template <typename T>
std::string Encode(const T& value) {
  return EncodeFields(value, kStsMagic, kStsCodecVersion);
}
template <typename T>
absl::StatusOr<T> Decode(std::string_view bytes, std::string_view what) {
  return DecodeFields<T>(bytes, kStsMagic, kStsCodecVersion, what);
}

// A number that names no value of its enum would be taken for none of the cases by whoever decides.
template <typename E>
bool IsIn(E value, E first, E last) {
  return value >= first && value <= last;
}
bool IsKnown(StsStage stage) { return IsIn(stage, StsStage::kOff, StsStage::kWithdrawn); }

bool IsKnown(const StsState& state) {
  const bool move =
      !state.move.has_value() ||
      (IsKnown(state.move->to) && IsIn(state.move->kind, StsMoveKind::kUp, StsMoveKind::kByPerson));
  const bool gates = std::ranges::all_of(state.gates, [](const StsGateMemory& gate) {
    return static_cast<size_t>(gate.id) < kStsGates;
  });
  return IsIn(state.mode, RolloutMode::kAdvise, RolloutMode::kAutomatic) &&
         IsIn(state.status, RolloutStatus::kActive, RolloutStatus::kAborted) &&
         IsIn(state.pause_reason, StsPause::kNone, StsPause::kAttention) && IsKnown(state.stage) &&
         IsKnown(state.target) && move && gates &&
         (!state.confirmation.has_value() || IsKnown(state.confirmation->stage)) &&
         (!state.abort_to.has_value() || IsKnown(*state.abort_to));
}
bool IsKnown(const StsDecisionInput& input) {
  const bool faults = std::ranges::all_of(input.evidence.mx.hosts, [](const MxHost& host) {
    return std::ranges::all_of(host.faults, [](MxFault fault) {
      return IsIn(fault, MxFault::kNotReached, MxFault::kNotVerified);
    });
  });
  return IsKnown(input.state) && faults &&
         IsIn(input.evidence.file.sight, FileSight::kUnknown, FileSight::kUntrusted);
}
bool IsKnown(const StsDecision& decision) {
  return IsIn(decision.action, StsAction::kHold, StsAction::kEnd) && IsKnown(decision.from) &&
         IsKnown(decision.to);
}

template <typename T>
absl::StatusOr<T> DecodeKnown(std::string_view bytes, std::string_view what) {
  absl::StatusOr<T> value = Decode<T>(bytes, what);
  if (!value.ok() || IsKnown(*value)) return value;
  return MakeError(absl::StatusCode::kDataLoss,
                   fmt::format("{}: has a number that means nothing here", what));
}

}  // namespace

std::string EncodeStsState(const StsState& state) { return Encode(state); }
absl::StatusOr<StsState> DecodeStsState(std::string_view bytes) {
  return DecodeKnown<StsState>(bytes, "mta-sts ladder");
}
std::string EncodeStsInput(const StsDecisionInput& input) { return Encode(input); }
absl::StatusOr<StsDecisionInput> DecodeStsInput(std::string_view bytes) {
  return DecodeKnown<StsDecisionInput>(bytes, "input of an mta-sts decision");
}
std::string EncodeStsDecision(const StsDecision& decision) { return Encode(decision); }
absl::StatusOr<StsDecision> DecodeStsDecision(std::string_view bytes) {
  return DecodeKnown<StsDecision>(bytes, "mta-sts decision");
}

StsDecision Record(const StsDecisionInput& input, const StsStep& step) {
  StsDecision decision;
  decision.time = input.now;
  decision.input = EncodeStsInput(input);
  decision.input_digest = Sha256Hex(decision.input);
  decision.action = step.action;
  decision.from = input.state.stage;
  decision.to = step.to;
  decision.file = step.file;
  decision.id = step.id;
  decision.reason = step.reason;
  return decision;
}

absl::Status Replay(const StsDecision& decision) {
  if (Sha256Hex(decision.input) != decision.input_digest) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("mta-sts decision of {}: the input is not what its digest says",
                                 FormatRfc3339(decision.time)));
  }
  DMARCATE_ASSIGN_OR_RETURN(const StsDecisionInput input, DecodeStsInput(decision.input));
  const StsStep step = NextStep(input.state, input.evidence, input.now);
  if (Record(input, step) == decision) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   fmt::format("mta-sts decision of {}: was \"{}\", is \"{}\" now",
                               FormatRfc3339(decision.time), decision.reason, step.reason));
}

}  // namespace dmarcate
