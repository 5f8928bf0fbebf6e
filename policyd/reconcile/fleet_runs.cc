#include "policyd/reconcile/fleet_runs.h"

#include <algorithm>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/fleet/fleet_plan.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// After the store refused an entry.
constexpr absl::Duration kStorePause = absl::Seconds(5);

absl::Status NotFound(std::string_view id) {
  return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                           fmt::format("fleetChanges/{} does not exist", id));
}

}  // namespace

bool IsAtWork(FleetState state) { return IsOpen(state) && state != FleetState::kPaused; }

absl::StatusOr<FleetRecord> FleetRuns::Get(std::string_view id) {
  if (const auto run = runs_.find(id); run != runs_.end()) return run->second.record();
  absl::StatusOr<FleetRecord> fleet = store_.GetFleet(id);
  if (fleet.status().code() == absl::StatusCode::kNotFound) return NotFound(id);
  return fleet;
}

FleetRun* FleetRuns::Find(std::string_view id) {
  const auto run = runs_.find(id);
  return run == runs_.end() ? nullptr : &run->second;
}

absl::StatusOr<FleetRun*> FleetRuns::Take(const FleetRecord& fleet) {
  if (const auto run = runs_.find(fleet.id); run != runs_.end()) return &run->second;
  DMARCATE_ASSIGN_OR_RETURN(std::vector<FleetMemberRecord> members,
                            store_.ListFleetMembers(fleet.id, "", SIZE_MAX));
  FleetRun run(fleet, std::move(members), options_, clock_.Monotonic());
  return &runs_.emplace(fleet.id, std::move(run)).first->second;
}

absl::StatusOr<FleetRecord> FleetRuns::Add(FleetRecord fleet,
                                           std::vector<FleetMemberRecord> members) {
  FleetRun run(std::move(fleet), std::move(members), options_, clock_.Monotonic());
  DMARCATE_RETURN_IF_ERROR(Save(run, run.members()));
  FleetRecord stored = run.record();
  runs_.emplace(stored.id, std::move(run));
  return stored;
}

absl::Status FleetRuns::Save(FleetRun& run, const std::vector<FleetMemberRecord>& members) {
  DMARCATE_ASSIGN_OR_RETURN(run.record(), store_.PutFleet(run.record(), members));
  LogInfo("fleet_change", {{"fleet_change", run.record().id},
                           {"state", static_cast<int>(run.record().state)},
                           {"reason", run.record().pause_reason}});
  changed_();
  return absl::OkStatus();
}

absl::StatusOr<FleetRecord> FleetRuns::Move(const FleetRecord& fleet,
                                            const std::function<void(FleetRun&)>& change) {
  DMARCATE_ASSIGN_OR_RETURN(FleetRun * run, Take(fleet));
  const FleetRecord before = run->record();
  std::vector<FleetMemberRecord> members = run->members();
  change(*run);
  std::vector<FleetMemberRecord> changed;
  for (size_t i = 0; i < members.size(); ++i) {
    if (run->members()[i] != members[i]) changed.push_back(run->members()[i]);
  }
  if (const absl::Status saved = Save(*run, changed); !saved.ok()) {
    run->record() = before;
    run->members() = std::move(members);
    return saved;
  }
  run->Restart(clock_.Monotonic());
  return run->record();
}

std::optional<FleetTask> FleetRuns::NextTask(absl::Duration& wake) {
  wake = absl::InfiniteDuration();
  for (auto it = runs_.begin(); it != runs_.end();) {
    FleetRun& run = it->second;
    const FleetStep step = run.Next(clock_.Monotonic());
    absl::Status status;
    switch (step.kind) {
      case FleetStep::Kind::kBegin:
        run.Take(step.seat);
        return FleetTask{run.record().id, step.seat, run.record(), run.members()[step.seat]};
      case FleetStep::Kind::kPause:
        status = PauseFor(run, step);
        if (status.ok()) continue;  // what is begun goes on
        break;
      case FleetStep::Kind::kEnd:
        status = EndStage(run);
        if (status.ok()) {
          it = runs_.erase(it);
          continue;
        }
        break;
      case FleetStep::Kind::kWait:
        break;
    }
    wake = std::min(wake, step.wake);
    if (!status.ok()) {
      LogError("fleet_change_not_stored", {{"fleet_change", run.record().id}, {"error", status}});
      wake = std::min(wake, kStorePause);
    }
    ++it;
  }
  return std::nullopt;
}

absl::Status FleetRuns::PauseFor(FleetRun& run, const FleetStep& step) {
  const FleetRecord before = run.record();
  run.record().state = FleetState::kPaused;
  run.record().pause_reason = step.reason;
  run.record().pause_message = step.message;
  absl::Status saved = Save(run);
  if (!saved.ok()) run.record() = before;
  return saved;
}

absl::Status FleetRuns::EndStage(FleetRun& run) {
  const FleetRecord before = run.record();
  FleetRecord& record = run.record();
  const FleetCounts counts = CountMembers(run.members());
  const absl::Time now = clock_.Now();
  switch (record.state) {
    case FleetState::kPlanning:
      record.plan_digest = FleetDigest(record, run.members());
      record.plan_end_time = now;
      record.plan_expire_time = now + options_.plan_lifetime;
      record.state = FleetState::kPlanned;
      if (CountOf(counts, FleetMemberState::kPlanned) == 0) {
        const bool none = CountOf(counts, FleetMemberState::kUnchanged) == record.member_count;
        record.state = none ? FleetState::kSucceeded : FleetState::kFailed;
        record.end_time = now;
      }
      break;
    case FleetState::kCancelling:
      record.state = FleetState::kCancelled;
      record.end_time = now;
      break;
    default:
      record.state = CountFailures(counts) + CountOf(counts, FleetMemberState::kCancelled) == 0
                         ? FleetState::kSucceeded
                         : FleetState::kFailed;
      record.pause_reason.clear();
      record.pause_message.clear();
      record.end_time = now;
      break;
  }
  absl::Status saved = Save(run);
  if (!saved.ok()) run.record() = before;
  return saved;
}

size_t FleetRuns::CountAtWork() const {
  return static_cast<size_t>(std::ranges::count_if(
      runs_, [](const auto& entry) { return IsAtWork(entry.second.record().state); }));
}

bool FleetRuns::IsIdle() const {
  return std::ranges::none_of(runs_, [](const auto& entry) {
    return IsAtWork(entry.second.record().state) || entry.second.IsBusy();
  });
}

}  // namespace dmarcate
