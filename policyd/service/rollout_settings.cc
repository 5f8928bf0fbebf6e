#include "policyd/service/rollout_settings.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/field_mask_util.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

using google::protobuf::util::FieldMaskUtil;

constexpr size_t kMaxLossCharacters = 500;
constexpr int kMaxWaived = 200;
constexpr size_t kMaxSourceIdCharacters = 100;
constexpr int kWeek = 7;
constexpr std::string_view kSettingsPath = "settings";

absl::StatusOr<WorkingHours> ReadHours(const v1::RolloutHours& in) {
  WorkingHours out;
  out.days.fill(false);
  for (const int32_t day : in.weekdays()) {
    if (day < 1 || day > kWeek) {
      return FieldError("rollout.settings.hours.weekdays",
                        fmt::format("{} is not in 1 (Monday) to 7", day));
    }
    bool& there = out.days[static_cast<size_t>(day - 1)];
    if (there) return FieldError("rollout.settings.hours.weekdays", fmt::format("{} twice", day));
    there = true;
  }
  out.from_minute = in.from_minute();
  if (in.to_minute() != 0) out.to_minute = in.to_minute();
  out.utc_offset_minutes = in.utc_offset_minutes();
  return out;
}

}  // namespace

void FillSettings(const RolloutSettings& settings, v1::RolloutSettings* out) {
  out->set_no_ordinary_mailboxes(!settings.ordinary_mailboxes);
  out->set_accepted_loss(ToValidUtf8(settings.accepted_loss));
  for (const std::string& source : settings.waived_sources) out->add_waived_sources(source);
  out->set_no_step_down(!settings.step_down);
  const GateSettings& gates = settings.gates;
  out->set_observe_days(gates.observe_days);
  out->set_test_days(gates.test_days);
  out->set_quarantine_days(gates.quarantine_days);
  out->set_min_anchors(gates.min_anchors);
  out->set_covered_days(gates.covered_days);
  out->set_freshness_hours(static_cast<int32_t>(absl::ToInt64Hours(gates.freshness)));
  out->set_source_floor(gates.source_floor);
  out->set_source_aligned(gates.source_aligned);
  out->set_source_dkim(gates.source_dkim);
  out->set_unexplained(gates.unexplained);
  out->set_forwarding_loss(gates.forwarding_loss);
  out->set_receiver_proof(gates.receiver_proof);
  out->set_signed_impact(gates.signed_impact);
  v1::RolloutHours& hours = *out->mutable_hours();
  for (int day = 1; day <= kWeek; ++day) {
    if (settings.hours.days[static_cast<size_t>(day - 1)]) hours.add_weekdays(day);
  }
  hours.set_from_minute(settings.hours.from_minute);
  hours.set_to_minute(settings.hours.to_minute);
  hours.set_utc_offset_minutes(settings.hours.utc_offset_minutes);
}

absl::StatusOr<RolloutSettings> ReadSettings(const v1::RolloutSettings& in) {
  RolloutSettings out;
  out.ordinary_mailboxes = !in.no_ordinary_mailboxes();
  DMARCATE_RETURN_IF_ERROR(
      CheckLength("rollout.settings.accepted_loss", in.accepted_loss(), kMaxLossCharacters));
  out.accepted_loss = in.accepted_loss();
  if (in.waived_sources_size() > kMaxWaived) {
    return FieldError("rollout.settings.waived_sources",
                      fmt::format("{} sources, limit {}", in.waived_sources_size(), kMaxWaived));
  }
  for (const std::string& source : in.waived_sources()) {
    DMARCATE_RETURN_IF_ERROR(
        CheckLength("rollout.settings.waived_sources", source, kMaxSourceIdCharacters));
  }
  out.waived_sources = {in.waived_sources().begin(), in.waived_sources().end()};
  out.step_down = !in.no_step_down();
  GateSettings& gates = out.gates;
  if (in.observe_days() != 0) gates.observe_days = in.observe_days();
  if (in.test_days() != 0) gates.test_days = in.test_days();
  if (in.quarantine_days() != 0) gates.quarantine_days = in.quarantine_days();
  if (in.min_anchors() != 0) gates.min_anchors = in.min_anchors();
  if (in.covered_days() != 0) gates.covered_days = in.covered_days();
  if (in.freshness_hours() != 0) gates.freshness = absl::Hours(in.freshness_hours());
  if (in.source_floor() != 0) gates.source_floor = in.source_floor();
  if (in.has_source_aligned()) gates.source_aligned = in.source_aligned();
  if (in.has_source_dkim()) gates.source_dkim = in.source_dkim();
  if (in.has_unexplained()) gates.unexplained = in.unexplained();
  if (in.has_forwarding_loss()) gates.forwarding_loss = in.forwarding_loss();
  if (in.has_receiver_proof()) gates.receiver_proof = in.receiver_proof();
  if (in.has_signed_impact()) gates.signed_impact = in.signed_impact();
  if (in.has_hours()) {
    DMARCATE_ASSIGN_OR_RETURN(out.hours, ReadHours(in.hours()));
  }
  return out;
}

absl::StatusOr<PolicyStage> ReadTarget(v1::Rollout::Stage stage) {
  if (stage == v1::Rollout::STAGE_UNSPECIFIED) return RolloutState().target;
  if (!v1::Rollout::Stage_IsValid(stage)) return FieldError("rollout.target", "is no stage");
  return static_cast<PolicyStage>(stage);  // numbered alike, rollout_view.cc
}

absl::StatusOr<RolloutMode> ReadMode(v1::Rollout::Mode mode) {
  if (mode == v1::Rollout::MODE_UNSPECIFIED) return RolloutState().mode;
  if (!v1::Rollout::Mode_IsValid(mode)) return FieldError("rollout.mode", "is no mode");
  return static_cast<RolloutMode>(mode);
}

absl::StatusOr<RolloutEdit> ReadEdit(const v1::UpdateRolloutRequest& in,
                                     const RolloutState& state) {
  if (in.update_mask().paths().empty()) {
    return ReasonError(Reason::kUpdateMaskRequired,
                       "update_mask: required; name \"target\", \"mode\", \"settings\" or single "
                       "ones of these (\"settings.observe_days\")",
                       {{"field", "update_mask"}});
  }
  RolloutEdit out;
  google::protobuf::FieldMask settings;
  // Known, output only: named by clients that send back all they got, and without effect (AIP-161).
  const std::vector<std::string> kOutputOnly = {"name",
                                                "etag",
                                                "scope",
                                                "state",
                                                "stage",
                                                "pause_reason",
                                                "pause_detail",
                                                "pending_change",
                                                "abort_to",
                                                "create_time",
                                                "stage_start_time",
                                                "pause_time",
                                                "created_by",
                                                "approved_by",
                                                "approved_stage",
                                                "approve_time"};
  for (const std::string& path : in.update_mask().paths()) {
    if (path == "target") {
      DMARCATE_ASSIGN_OR_RETURN(out.target, ReadTarget(in.rollout().target()));
    } else if (path == "mode") {
      DMARCATE_ASSIGN_OR_RETURN(out.mode, ReadMode(in.rollout().mode()));
    } else if (FieldMaskUtil::IsValidPath<v1::Rollout>(path) &&
               (path == kSettingsPath || path.starts_with("settings."))) {
      settings.add_paths(path);
    } else if (std::ranges::find(kOutputOnly, path) == kOutputOnly.end()) {
      return ReasonError(Reason::kUpdateMaskInvalid,
                         fmt::format("update_mask: there is no \"{}\"", EscapeForTerminal(path)),
                         {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
    }
  }
  if (settings.paths().empty()) return out;
  v1::Rollout merged;
  FillSettings(state.settings, merged.mutable_settings());
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(in.rollout(), settings, options, &merged);
  DMARCATE_ASSIGN_OR_RETURN(out.settings, ReadSettings(merged.settings()));
  out.settings->freezes = state.settings.freezes;
  return out;
}

}  // namespace dmarcate
