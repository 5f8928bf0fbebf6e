#include "policyd/mta_sts/never_events.h"

#include <algorithm>
#include <set>
#include <string>

#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/mta_sts_record.h"

namespace dmarcate {
namespace {

// Floors and ceilings of CheckStsSettings: what no setting can undercut.
constexpr size_t kLeastDays = 7;
constexpr size_t kLeastReporters = 2;
constexpr double kMostFailed = 0.02;
constexpr absl::Duration kStalest = absl::Hours(24);
constexpr absl::Duration kStalestFile = absl::Hours(1);

absl::Status Never(std::string_view what) {
  return MakeError(absl::StatusCode::kFailedPrecondition, what);
}

// The id of the one record that a sender would take; empty: there is none.
std::string LiveId(const StsEvidence& evidence) {
  const RecordSelection selection = SelectMtaSts(evidence.records.mta_sts);
  if (selection.outcome != RecordSelection::Outcome::kOne) return "";
  const auto record = ParseMtaStsRecord(evidence.records.mta_sts[selection.indexes.front()]);
  return record.ok() ? record->id : "";
}

absl::Status CheckHosts(const StsEvidence& evidence, const std::string& file, absl::Time now) {
  const auto policy = ParseMtaStsPolicy(file);
  if (!policy.ok() || policy->mode != MtaStsMode::kEnforce) return Never("S3: no file of enforce");
  if (evidence.mx.looked == absl::InfinitePast() || now - evidence.mx.looked > kStalest ||
      evidence.mx.hosts.empty() || evidence.mx.left_out > 0) {
    return Never("S3: not every MX host was looked at within 24 h");
  }
  for (const MxHost& host : evidence.mx.hosts) {
    const auto name = DomainName::Parse(host.name);
    if (!name.ok() || !policy->AllowsMx(*name)) {
      return Never(fmt::format("S3: no mx of the file matches {}", EscapeForTerminal(host.name)));
    }
    if (!host.faults.empty()) {
      return Never(
          fmt::format("S3: {}: {}", EscapeForTerminal(host.name), ToString(host.faults.front())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckReports(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  std::set<DayNumber> days;
  std::set<std::string> reporters;
  double sessions = 0;
  double failed = 0;
  for (const StsReporter& reporter : evidence.reporters) {
    for (const StsReporterDay& day : reporter.days) {
      if (day.day <= DayOf(state.stage_start) || day.day >= DayOf(now)) continue;
      if (day.day < DayOf(now) - 180) continue;
      sessions += static_cast<double>(day.sessions);
      failed += static_cast<double>(day.failed);
      if (day.sessions <= day.failed) continue;
      days.insert(day.day);
      reporters.insert(reporter.id);
    }
  }
  if (days.size() < kLeastDays || reporters.size() < kLeastReporters) {
    return Never(
        fmt::format("S4: enforce on {} days of {} reporters", days.size(), reporters.size()));
  }
  if (failed > kMostFailed * sessions) {
    return Never(fmt::format("S4: {:.0f} of {:.0f} sessions failed", failed, sessions));
  }
  return absl::OkStatus();
}

absl::Status CheckUp(const StsState& state, const StsEvidence& evidence, const StsStep& step,
                     absl::Time now) {
  if (state.status != RolloutStatus::kActive && state.status != RolloutStatus::kCompleted) {
    return Never("S5: a ladder that is not active");
  }
  if (state.mode == RolloutMode::kAdvise) return Never("S5: this ladder only advises");
  if (step.to != StsStage::kTesting && step.to != StsStage::kEnforce) {
    return Never("S2: a step up that goes nowhere");
  }
  if (step.action == StsAction::kServe && state.mode == RolloutMode::kConfirm &&
      (!state.confirmation.has_value() || state.confirmation->stage != step.to ||
       state.confirmation->file != step.file)) {
    return Never("S5: nobody has said yes to this file");
  }
  if (evidence.rules.two_people) {
    const std::optional<StsConfirmation>& yes = state.confirmation;
    if (!yes.has_value() || yes->by.empty() || yes->second_by.empty() ||
        yes->by == yes->second_by) {
      return Never("R17: two people are wanted, and not two have said yes");
    }
  }
  for (const FreezeWindow& freeze : evidence.rules.freezes) {
    if (freeze.begin <= now && now < freeze.end) return Never("R18: a step up in a freeze");
  }
  if (step.to != StsStage::kEnforce) return absl::OkStatus();
  if (state.stage == StsStage::kOff || state.stage == StsStage::kWithdrawn) {
    return Never("S2: enforce without testing before it");
  }
  if (state.stage == StsStage::kTesting) {
    if (state.target != StsStage::kEnforce) return Never("S2: beyond the target");
    DMARCATE_RETURN_IF_ERROR(CheckReports(state, evidence, now));
  }
  return CheckHosts(evidence, step.file, now);
}

absl::Status CheckDown(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  if (state.mode != RolloutMode::kAutomatic || !state.settings.step_down) {
    return Never("S7: down by itself is not allowed here");
  }
  if (now - state.last_auto_down < absl::Hours(24)) return Never("S7: twice in 24 hours");
  const bool out_of_date = std::ranges::any_of(evidence.mx.hosts, [](const MxHost& host) {
    return host.faults == std::vector<MxFault>{MxFault::kExpired};
  });
  return out_of_date ? absl::OkStatus() : Never("S7: no certificate is out of date");
}

absl::Status CheckPublish(const StsState& state, const StsEvidence& evidence, const StsStep& step,
                          absl::Time now) {
  const FileEvidence& file = evidence.file;
  if (file.sight != FileSight::kServed || file.body != step.file ||
      now - file.looked > kStalestFile) {
    return Never("S1: the file is not what is served at its address");
  }
  if (!state.move.has_value() || state.move->file != step.file || state.move->id != step.id) {
    return Never("S1: another file was to be served");
  }
  const bool none =
      SelectMtaSts(evidence.records.mta_sts).outcome == RecordSelection::Outcome::kNone;
  const bool ours = state.stage == StsStage::kOff ? none : LiveId(evidence) == state.record_id;
  return ours ? absl::OkStatus() : Never("S8: the record is not ours");
}

absl::Status CheckRemove(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  const auto policy = ParseMtaStsPolicy(state.file);
  if (state.stage != StsStage::kWithdrawn || !policy.ok() || policy->mode != MtaStsMode::kNone) {
    return Never("S6: the policy does not say mode none");
  }
  if (now < state.cached_until) return Never("S6: caches can hold an older policy");
  if (!evidence.records.mta_sts.empty() && LiveId(evidence) != state.record_id) {
    return Never("S8: the record is not ours");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckNeverEvents(const StsState& state, const StsEvidence& evidence,
                              const StsStep& step, absl::Time now) {
  if (step.action == StsAction::kRemove) return CheckRemove(state, evidence, now);
  if (step.action != StsAction::kServe && step.action != StsAction::kPublish) {
    return absl::OkStatus();
  }
  if (step.action == StsAction::kPublish) {
    DMARCATE_RETURN_IF_ERROR(CheckPublish(state, evidence, step, now));
  }
  switch (step.kind) {
    case StsMoveKind::kUp:
    case StsMoveKind::kRefresh:
      return CheckUp(state, evidence, step, now);
    case StsMoveKind::kDown:
      if (step.action == StsAction::kServe) return CheckDown(state, evidence, now);
      return step.to == StsStage::kTesting ? absl::OkStatus() : Never("S7: not to testing");
    case StsMoveKind::kByPerson:
      return state.abort_to.has_value() ? absl::OkStatus() : Never("S5: nobody has asked for it");
  }
  return Never("S5: a move of no kind");
}

}  // namespace dmarcate
