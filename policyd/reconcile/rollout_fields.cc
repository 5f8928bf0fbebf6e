#include "policyd/reconcile/rollout_fields.h"

#include <concepts>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

std::string Tell(bool value) { return value ? "yes" : "no"; }
std::string Tell(std::integral auto value) { return std::to_string(value); }
std::string Tell(double value) { return fmt::format("{}", value); }
std::string Tell(absl::Duration value) { return fmt::format("{} h", absl::ToInt64Hours(value)); }
std::string Tell(const std::string& value) { return fmt::format("\"{}\"", value); }
std::string Tell(const std::vector<std::string>& value) {
  return value.empty() ? "none" : Join(value, " ");
}
std::string Tell(const WorkingHours& value) {
  std::string days;
  for (size_t i = 0; i < value.days.size(); ++i) {
    if (value.days[i]) days += std::to_string(i + 1);
  }
  return fmt::format("days {}, minutes {} to {}, UTC {:+} min", days, value.from_minute,
                     value.to_minute, value.utc_offset_minutes);
}

// What was changed, in the order in which it is noted.
class Differences {
 public:
  template <typename T>
  void Note(std::string_view name, const T& before, const T& after) {
    if (before == after) return;
    parts_.push_back(fmt::format("{} {}, was {}", name, Tell(after), Tell(before)));
  }
  void Add(std::string part) { parts_.push_back(std::move(part)); }
  std::string Take() const { return Join(parts_, "; "); }

 private:
  std::vector<std::string> parts_;
};

void NoteSettings(const RolloutSettings& before, const RolloutSettings& after, Differences& out) {
  const GateSettings& a = before.gates;
  const GateSettings& b = after.gates;
  out.Note("observe_days", a.observe_days, b.observe_days);
  out.Note("test_days", a.test_days, b.test_days);
  out.Note("quarantine_days", a.quarantine_days, b.quarantine_days);
  out.Note("min_anchors", a.min_anchors, b.min_anchors);
  out.Note("covered_days", a.covered_days, b.covered_days);
  out.Note("freshness", a.freshness, b.freshness);
  out.Note("source_floor", a.source_floor, b.source_floor);
  out.Note("source_aligned", a.source_aligned, b.source_aligned);
  out.Note("source_dkim", a.source_dkim, b.source_dkim);
  out.Note("unexplained", a.unexplained, b.unexplained);
  out.Note("forwarding_loss", a.forwarding_loss, b.forwarding_loss);
  out.Note("receiver_proof", a.receiver_proof, b.receiver_proof);
  out.Note("signed_impact", a.signed_impact, b.signed_impact);
  out.Note("hours", before.hours, after.hours);
  out.Note("ordinary_mailboxes", before.ordinary_mailboxes, after.ordinary_mailboxes);
  out.Note("accepted_loss", before.accepted_loss, after.accepted_loss);
  out.Note("waived_sources", before.waived_sources, after.waived_sources);
  out.Note("step_down", before.step_down, after.step_down);
}

}  // namespace

absl::Status WrongRolloutState(const RolloutState& state, std::string_view why) {
  return MakeReasonedError(
      absl::StatusCode::kFailedPrecondition, "ROLLOUT_STATE",
      fmt::format("rollout of {} ({}): {}", state.domain, ToString(state.scope), why));
}

absl::Status RolloutFieldInvalid(std::string_view field, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kInvalidArgument, "FIELD_INVALID",
                           fmt::format("{}: {}", field, why), {{"field", std::string(field)}});
}

absl::Status CheckRolloutFields(const RolloutState& state) {
  if (const absl::Status settings = CheckSettings(state.settings); !settings.ok()) {
    return RolloutFieldInvalid("settings", MessageOf(settings));
  }
  if (state.target == PolicyStage::kObserve || IsTestStage(state.target)) {
    return RolloutFieldInvalid("target", "quarantine or reject");
  }
  if (state.target == PolicyStage::kReject && state.settings.ordinary_mailboxes &&
      state.settings.accepted_loss.empty()) {
    return RolloutFieldInvalid(
        "accepted_loss",
        "reject for a domain whose people write to mailing lists needs a sentence that names what "
        "is lost (RFC 9989 section 7.4); or say that it has none");
  }
  return absl::OkStatus();
}

absl::StatusOr<EditedRollout> EditRollout(RolloutState state, const RolloutEdit& edit) {
  if (state.status == RolloutStatus::kAborted) return WrongRolloutState(state, "it was aborted");
  if (state.abort_to.has_value()) return WrongRolloutState(state, "it is about to be aborted");
  if (!state.pending_change.empty()) {
    return WrongRolloutState(state, fmt::format("change {} is on its way", state.pending_change));
  }
  Differences told;
  if (edit.target.has_value() && *edit.target != state.target) {
    if (*edit.target < state.stage) {
      return RolloutFieldInvalid(
          "target", fmt::format("{} is below {}, where it stands; what lowers it is an abort",
                                ToString(*edit.target), ToString(state.stage)));
    }
    told.Add(fmt::format("target {}, was {}", ToString(*edit.target), ToString(state.target)));
    state.target = *edit.target;
    if (state.status == RolloutStatus::kCompleted && state.stage < state.target) {
      state.status = RolloutStatus::kActive;
    }
  }
  if (edit.mode.has_value() && *edit.mode != state.mode) {
    told.Add(fmt::format("mode {}, was {}", ToString(*edit.mode), ToString(state.mode)));
    state.mode = *edit.mode;
  }
  if (edit.settings.has_value()) {
    NoteSettings(state.settings, *edit.settings, told);
    state.settings = *edit.settings;
  }
  DMARCATE_RETURN_IF_ERROR(CheckRolloutFields(state));
  EditedRollout out{std::move(state), told.Take()};
  if (!out.told.empty()) out.state.confirmation.reset();
  return out;
}

}  // namespace dmarcate
