#include "policyd/rollout/codec.h"

#include <bit>
#include <charconv>
#include <concepts>
#include <type_traits>

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

constexpr std::string_view kMagic = "dmarcate rollout";
constexpr int64_t kMostItems = 5'000'000;  // of one list

class Writer {
 public:
  static constexpr bool kReads = false;
  bool ok() const { return true; }
  void Number(int64_t& value) { bytes_ += fmt::format("{};", value); }
  void Text(std::string& text) { bytes_ += fmt::format("{}:{};", text.size(), text); }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  static constexpr bool kReads = true;
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  void Fail() { ok_ = false; }
  void Number(int64_t& value) {
    const size_t end = rest_.find(';');
    if (!ok_ || end == std::string_view::npos) return Fail();
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + end, value);
    if (error != std::errc() || stop != rest_.data() + end) return Fail();
    rest_.remove_prefix(end + 1);
  }
  void Text(std::string& text) {
    const size_t colon = rest_.find(':');
    size_t size = 0;
    if (!ok_ || colon == std::string_view::npos) return Fail();
    const auto [stop, error] = std::from_chars(rest_.data(), rest_.data() + colon, size);
    if (error != std::errc() || stop != rest_.data() + colon) return Fail();
    rest_.remove_prefix(colon + 1);
    if (rest_.size() <= size || rest_[size] != ';') return Fail();
    text = rest_.substr(0, size);
    rest_.remove_prefix(size + 1);
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// One list of fields for both directions: what is written is what is read.
template <typename A, typename T>
void Each(A& archive, T& value);

template <typename A, std::integral T>
void Field(A& archive, T& value) {
  auto number = static_cast<int64_t>(value);
  archive.Number(number);
  if constexpr (A::kReads) {
    if (!std::in_range<std::conditional_t<std::is_same_v<T, bool>, int8_t, T>>(number)) {
      return archive.Fail();
    }
    value = static_cast<T>(number);
  }
}
template <typename A, typename T>
  requires std::is_enum_v<T>
void Field(A& archive, T& value) {
  auto number = static_cast<std::underlying_type_t<T>>(value);
  Field(archive, number);
  value = static_cast<T>(number);
}
template <typename A>
void Field(A& archive, double& value) {
  auto bits = std::bit_cast<int64_t>(value);
  archive.Number(bits);
  value = std::bit_cast<double>(bits);
}
template <typename A>
void Field(A& archive, std::string& value) {
  archive.Text(value);
}
// Infinite times have no number: a mark goes before.
template <typename A>
void Field(A& archive, absl::Duration& value) {
  int64_t kind = value == absl::InfiniteDuration()    ? 1
                 : value == -absl::InfiniteDuration() ? -1
                                                      : 0;
  int64_t nanos = kind == 0 ? absl::ToInt64Nanoseconds(value) : 0;
  archive.Number(kind);
  archive.Number(nanos);
  value = kind > 0   ? absl::InfiniteDuration()
          : kind < 0 ? -absl::InfiniteDuration()
                     : absl::Nanoseconds(nanos);
}
template <typename A>
void Field(A& archive, absl::Time& value) {
  absl::Duration since = value - absl::UnixEpoch();
  Field(archive, since);
  value = absl::UnixEpoch() + since;
}
template <typename A>
void Field(A& archive, std::array<bool, 7>& values) {
  for (bool& value : values) Field(archive, value);
}
template <typename A, typename T>
void Field(A& archive, std::vector<T>& values) {
  auto size = static_cast<int64_t>(values.size());
  archive.Number(size);
  if constexpr (A::kReads) {
    if (size < 0 || size > kMostItems) return archive.Fail();
    values.clear();
    for (int64_t i = 0; i < size && archive.ok(); ++i) {
      values.emplace_back();
      Each(archive, values.back());
    }
  } else {
    for (T& value : values) Each(archive, value);
  }
}
template <typename A, typename T>
void Field(A& archive, std::optional<T>& value) {
  bool present = value.has_value();
  Field(archive, present);
  if (!present) {
    value.reset();
    return;
  }
  if (!value.has_value()) value.emplace();
  Each(archive, *value);
}

template <typename A, typename... T>
void All(A& archive, T&... fields) {
  (Each(archive, fields), ...);
}

template <typename A>
void Fields(A& archive, SourceDay& v) {
  All(archive, v.day, v.anchor, v.messages, v.aligned, v.dkim_aligned, v.forwarded);
}
template <typename A>
void Fields(A& archive, SourceEvidence& v) {
  All(archive, v.id, v.standing, v.looks_legitimate, v.spf_only, v.declared_rare, v.days);
}
template <typename A>
void Fields(A& archive, AnchorEvidence& v) {
  All(archive, v.id, v.days, v.usual_gap, v.last_report, v.messages, v.policy_seen_since, v.waived);
}
template <typename A>
void Fields(A& archive, Breakage& v) {
  All(archive, v.kind, v.source_id, v.name, v.since, v.looks, v.carried);
}
template <typename A>
void Fields(A& archive, RecordEvidence& v) {
  All(archive, v.looked, v.dmarc, v.lint_errors, v.spf_lookups, v.dangling, v.last_drift);
}
template <typename A>
void Fields(A& archive, IngestEvidence& v) {
  All(archive, v.longest_gap, v.queued, v.quarantined_unreviewed, v.disk_full);
}
template <typename A>
void Fields(A& archive, ControlEvidence& v) {
  All(archive, v.domain_verified, v.suspended, v.writable, v.open_change, v.attention_change);
}
template <typename A>
void Fields(A& archive, Evidence& v) {
  All(archive, v.domain, v.decisions_etag, v.sources, v.anchors, v.excluded_days, v.breakages,
      v.records, v.ingest, v.control, v.advisories);
}
template <typename A>
void Fields(A& archive, FreezeWindow& v) {
  All(archive, v.begin, v.end, v.reason);
}
template <typename A>
void Fields(A& archive, WorkingHours& v) {
  All(archive, v.days, v.from_minute, v.to_minute, v.utc_offset_minutes);
}
template <typename A>
void Fields(A& archive, GateSettings& v) {
  All(archive, v.observe_days, v.test_days, v.quarantine_days, v.min_anchors, v.covered_days,
      v.freshness, v.source_floor, v.source_aligned, v.source_dkim, v.unexplained,
      v.forwarding_loss, v.receiver_proof, v.signed_impact);
}
template <typename A>
void Fields(A& archive, RolloutSettings& v) {
  All(archive, v.gates, v.freezes, v.hours, v.ordinary_mailboxes, v.accepted_loss, v.waived_sources,
      v.step_down);
}
template <typename A>
void Fields(A& archive, GateMemory& v) {
  All(archive, v.id, v.holds, v.since);
}
template <typename A>
void Fields(A& archive, Confirmation& v) {
  All(archive, v.by, v.time, v.stage, v.decisions_etag, v.accepted_bound);
}
template <typename A>
void Fields(A& archive, RolloutState& v) {
  All(archive, v.domain, v.id, v.scope, v.mode, v.status, v.stage, v.target, v.settings,
      v.create_time, v.stage_start, v.last_up, v.last_auto_down, v.pause_reason, v.pause_detail,
      v.pause_time, v.resume_time, v.confirmation, v.abort_to, v.pending_change, v.gates);
}
template <typename A>
void Fields(A& archive, DecisionInput& v) {
  All(archive, v.state, v.evidence, v.now);
}
template <typename A>
void Fields(A& archive, Decision& v) {
  All(archive, v.time, v.input_digest, v.input, v.action, v.from, v.to, v.reason);
}

template <typename A, typename T>
void Each(A& archive, T& value) {
  if constexpr (requires { Field(archive, value); }) {
    Field(archive, value);
  } else {
    Fields(archive, value);
  }
}

template <typename T>
std::string Encode(T value) {
  Writer writer;
  std::string magic(kMagic);
  int64_t version = kRolloutCodecVersion;
  writer.Text(magic);
  writer.Number(version);
  Each(writer, value);
  return writer.Take();
}

template <typename T>
absl::StatusOr<T> Decode(std::string_view bytes, std::string_view what) {
  Reader reader(bytes);
  std::string magic;
  int64_t version = 0;
  reader.Text(magic);
  reader.Number(version);
  if (!reader.ok() || magic != kMagic) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: no such bytes", what));
  }
  if (version != kRolloutCodecVersion) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: version {}, this one reads {}",
                                                              what, version, kRolloutCodecVersion));
  }
  T value;
  Each(reader, value);
  if (!reader.AtEnd()) {
    return MakeError(absl::StatusCode::kDataLoss, fmt::format("{}: does not decode", what));
  }
  return value;
}

}  // namespace

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
