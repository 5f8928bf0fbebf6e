#include "policyd/reconcile/fleet_engine.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/reconcile/fleet_member.h"
#include "policyd/reconcile/fleet_run.h"
#include "policyd/reconcile/fleet_selection.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// A thread looks again that often whether a member's time has come.
constexpr absl::Duration kLongestNap = absl::Milliseconds(200);
// After the store refused an entry.
constexpr absl::Duration kStorePause = absl::Seconds(5);

absl::Status NotFound(std::string_view id) {
  return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                           fmt::format("fleetChanges/{} does not exist", id));
}

absl::Status WrongState(const FleetRecord& fleet, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "CHANGE_STATE",
                           fmt::format("fleet change {}: {}", fleet.id, why));
}

absl::Status CheckRevisionShown(const FleetRecord& fleet, uint64_t revision) {
  if (fleet.revision == revision) return absl::OkStatus();
  return MakeReasonedError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("fleet change {} is not what was shown any more", fleet.id));
}

bool IsAtWork(FleetState state) { return IsOpen(state) && state != FleetState::kPaused; }

}  // namespace

class FleetEngine::Impl {
 public:
  Impl(const FleetWorld& world, const FleetEngineOptions& options);
  ~Impl() { Stop(); }

  absl::StatusOr<FleetRecord> Create(const FleetRequest& request);
  absl::StatusOr<FleetRecord> Apply(const FleetApplyRequest& request);
  absl::StatusOr<FleetRecord> Pause(const FleetAction& action);
  absl::StatusOr<FleetRecord> Resume(const FleetAction& action);
  absl::StatusOr<FleetRecord> Cancel(const FleetAction& action);
  absl::StatusOr<FleetProgress> Look(std::string_view id);
  absl::StatusOr<std::vector<FleetMemberRecord>> Members(std::string_view id,
                                                         std::string_view after, size_t limit);
  uint64_t AwaitNews(uint64_t seen, absl::Duration wait);
  absl::Status TakeUp();
  void BeginStop();
  void Stop();
  void WaitIdle();

 private:
  using Turn = std::function<FleetTurn()>;

  // All below: mutex_ is held.
  absl::StatusOr<FleetRecord> Get(std::string_view id);
  // The run of a fleet change, made from what is stored if it has none.
  absl::StatusOr<FleetRun*> Run(const FleetRecord& fleet);
  absl::Status Save(FleetRun& run, const std::vector<FleetMemberRecord>& members = {});
  // Changes the record by `change`; as it was, if it cannot be stored.
  absl::StatusOr<FleetRecord> Move(const FleetRecord& fleet,
                                   const std::function<void(FleetRun&)>& change);
  // The next thing to do, if there is one; else for how long nothing is.
  struct Task {
    std::string fleet;
    size_t seat = 0;
    FleetRecord record;  // as it is now, for the thread
    FleetMemberRecord member;
  };
  std::optional<Task> NextTask(absl::Duration& wake);
  absl::Status Begin(FleetRun& run, const FleetStep& step);
  absl::Status PauseFor(FleetRun& run, const FleetStep& step);
  absl::Status EndStage(FleetRun& run);
  void Told() {
    ++news_;
    news_changed_.notify_all();
  }

  // Without mutex_.
  void WorkerLoop();
  FleetTurn TakeTurn(const Task& task) const;
  void Settle(const Task& task, FleetTurn turn);

  const FleetWorld world_;
  const FleetEngineOptions options_;
  const FleetMemberRunner members_{world_.store, world_.changes, world_.clock};

  std::mutex mutex_;
  std::condition_variable work_changed_;
  std::condition_variable news_changed_;
  std::map<std::string, FleetRun, std::less<>> runs_;  // oldest first
  uint64_t news_ = 1;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

FleetEngine::Impl::Impl(const FleetWorld& world, const FleetEngineOptions& options)
    : world_(world), options_(options) {
  for (uint32_t i = 0; i < options_.bounds.parallel; ++i) {
    threads_.emplace_back([this] { WorkerLoop(); });
  }
}

void FleetEngine::Impl::BeginStop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  work_changed_.notify_all();
  Told();
}

void FleetEngine::Impl::Stop() {
  BeginStop();
  world_.pacer.Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void FleetEngine::Impl::WaitIdle() {
  std::unique_lock lock(mutex_);
  news_changed_.wait(lock, [&] {
    return stopping_ || std::ranges::none_of(runs_, [](const auto& entry) {
             return IsAtWork(entry.second.record().state) || entry.second.IsBusy();
           });
  });
}

uint64_t FleetEngine::Impl::AwaitNews(uint64_t seen, absl::Duration wait) {
  std::unique_lock lock(mutex_);
  news_changed_.wait_for(lock, absl::ToChronoNanoseconds(wait),
                         [&] { return stopping_ || news_ != seen; });
  return news_;
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Get(std::string_view id) {
  if (const auto run = runs_.find(id); run != runs_.end()) return run->second.record();
  absl::StatusOr<FleetRecord> fleet = world_.fleets.GetFleet(id);
  if (fleet.status().code() == absl::StatusCode::kNotFound) return NotFound(id);
  return fleet;
}

absl::StatusOr<FleetRun*> FleetEngine::Impl::Run(const FleetRecord& fleet) {
  if (const auto run = runs_.find(fleet.id); run != runs_.end()) return &run->second;
  DMARCATE_ASSIGN_OR_RETURN(std::vector<FleetMemberRecord> members,
                            world_.fleets.ListFleetMembers(fleet.id, "", SIZE_MAX));
  FleetRun run(fleet, std::move(members), options_, world_.clock.Monotonic());
  return &runs_.emplace(fleet.id, std::move(run)).first->second;
}

absl::Status FleetEngine::Impl::Save(FleetRun& run, const std::vector<FleetMemberRecord>& members) {
  DMARCATE_ASSIGN_OR_RETURN(run.record(), world_.fleets.PutFleet(run.record(), members));
  LogInfo("fleet_change", {{"fleet_change", run.record().id},
                           {"state", static_cast<int>(run.record().state)},
                           {"reason", run.record().pause_reason}});
  work_changed_.notify_all();
  Told();
  return absl::OkStatus();
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Move(const FleetRecord& fleet,
                                                    const std::function<void(FleetRun&)>& change) {
  if (stopping_) {
    return MakeReasonedError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                             "policyd is stopping");
  }
  DMARCATE_ASSIGN_OR_RETURN(FleetRun * run, Run(fleet));
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
  run->Restart(world_.clock.Monotonic());
  return run->record();
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Create(const FleetRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(
      std::vector<FleetMemberRecord> members,
      SelectFleetMembers(request, options_.max_members, world_.fleets, world_.store));
  const std::lock_guard lock(mutex_);
  FleetRecord fleet;
  fleet.create_time = world_.clock.Now();
  fleet.id = MakeSortableId(fleet.create_time, world_.random);
  fleet.selection = request.selection;
  fleet.intent = request.intent;
  fleet.member_count = static_cast<uint32_t>(members.size());
  fleet.requested_by = request.principal;
  if (request.mode == RunMode::kValidateOnly) return fleet;
  FleetRun run(std::move(fleet), std::move(members), options_, world_.clock.Monotonic());
  DMARCATE_RETURN_IF_ERROR(Save(run, run.members()));
  FleetRecord stored = run.record();
  runs_.emplace(stored.id, std::move(run));
  return stored;
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Apply(const FleetApplyRequest& request) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, Get(request.id));
  if (fleet.state == FleetState::kPlanning) {
    return WrongState(fleet, "it is still being planned");
  }
  if (fleet.plan_digest != request.plan_digest) {
    return MakeReasonedError(absl::StatusCode::kAborted, "PLAN_DIGEST_MISMATCH",
                             "the plan that was shown is not that of this fleet change",
                             {{"plan_digest", fleet.plan_digest}});
  }
  if (fleet.state != FleetState::kPlanned) {
    if (fleet.apply_time != absl::InfinitePast()) return fleet;  // again
    return WrongState(fleet, "it cannot be applied any more; plan again");
  }
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(fleet, request.revision));
  const absl::Time now = world_.clock.Now();
  if (now > fleet.plan_expire_time) {
    return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PLAN_EXPIRED",
                             "the plan has expired; plan again");
  }
  if (request.mode == RunMode::kValidateOnly) return fleet;
  return Move(fleet, [&](FleetRun& run) {
    FleetRecord& record = run.record();
    record.state = FleetState::kApplying;
    record.limits = request.limits;
    record.applied_by = request.principal;
    record.apply_time = now;
    record.apply_expire_time = now + options_.apply_lifetime;
    ChooseCanaries(request.limits.canaries, run.members());
  });
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Pause(const FleetAction& action) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, Get(action.id));
  if (fleet.state == FleetState::kPaused) return fleet;
  if (fleet.state != FleetState::kApplying) return WrongState(fleet, "it is not being applied");
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(fleet, action.revision));
  if (action.mode == RunMode::kValidateOnly) return fleet;
  return Move(fleet, [&](FleetRun& run) {
    run.record().state = FleetState::kPaused;
    run.record().pause_reason = kPausedByOperator;
    run.record().pause_message = fmt::format("by {}", action.principal);
  });
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Resume(const FleetAction& action) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, Get(action.id));
  if (fleet.state == FleetState::kApplying) return fleet;
  if (fleet.state != FleetState::kPaused) return WrongState(fleet, "it is not paused");
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(fleet, action.revision));
  if (action.mode == RunMode::kValidateOnly) return fleet;
  return Move(fleet, [&](FleetRun& run) {
    FleetRecord& record = run.record();
    record.state = FleetState::kApplying;
    record.pause_reason.clear();
    record.pause_message.clear();
    record.accepted_failures = CountFailures(CountMembers(run.members()));
    record.limits.max_failures = action.max_failures.value_or(record.limits.max_failures);
  });
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Cancel(const FleetAction& action) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, Get(action.id));
  if (fleet.state == FleetState::kCancelling || fleet.state == FleetState::kCancelled) return fleet;
  if (fleet.state == FleetState::kSucceeded || fleet.state == FleetState::kFailed) {
    return WrongState(fleet, "it has ended; there is nothing to cancel");
  }
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(fleet, action.revision));
  if (action.mode == RunMode::kValidateOnly) return fleet;
  LogInfo("fleet_change_cancelled", {{"fleet_change", fleet.id}, {"by", action.principal}});
  return Move(fleet, [](FleetRun& run) { run.record().state = FleetState::kCancelling; });
}

absl::StatusOr<FleetProgress> FleetEngine::Impl::Look(std::string_view id) {
  FleetRecord fleet;
  {
    const std::lock_guard lock(mutex_);
    if (const auto run = runs_.find(id); run != runs_.end()) {
      return run->second.Progress(world_.clock.Monotonic());
    }
    DMARCATE_ASSIGN_OR_RETURN(fleet, Get(id));
  }
  // Nobody works on it. A list of old ones reads thousands of members; who works on others does not
  // wait for that.
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetMemberRecord> members,
                            world_.fleets.ListFleetMembers(id, "", SIZE_MAX));
  return ProgressOf(fleet, members);
}

absl::StatusOr<std::vector<FleetMemberRecord>> FleetEngine::Impl::Members(std::string_view id,
                                                                          std::string_view after,
                                                                          size_t limit) {
  {
    const std::lock_guard lock(mutex_);
    DMARCATE_RETURN_IF_ERROR(Get(id).status());
    if (const auto run = runs_.find(id); run != runs_.end()) {
      std::vector<FleetMemberRecord> out;
      for (const FleetMemberRecord& member : run->second.members()) {
        if (member.domain > after && out.size() < limit) out.push_back(member);
      }
      return out;
    }
  }
  return world_.fleets.ListFleetMembers(id, after, limit);
}

absl::Status FleetEngine::Impl::TakeUp() {
  const std::lock_guard lock(mutex_);
  std::string before;
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetRecord> fleets,
                              world_.fleets.ListFleets(before, 100));
    if (fleets.empty()) break;
    for (const FleetRecord& fleet : fleets) {
      if (!IsOpen(fleet.state)) continue;
      const absl::StatusOr<FleetRun*> taken = Run(fleet);
      if (!taken.ok()) {
        // It stays where it is; the others, and policyd, do not wait for it.
        LogError("fleet_change_not_taken_up",
                 {{"fleet_change", fleet.id}, {"error", taken.status()}});
        continue;
      }
      FleetRun& run = **taken;
      for (size_t i = 0; i < run.members().size(); ++i) {
        if (members_.HasBegun(fleet, run.members()[i])) run.MarkBegun(i);
      }
    }
    before = fleets.back().id;
  }
  work_changed_.notify_all();
  return absl::OkStatus();
}

std::optional<FleetEngine::Impl::Task> FleetEngine::Impl::NextTask(absl::Duration& wake) {
  wake = absl::InfiniteDuration();
  for (auto it = runs_.begin(); it != runs_.end();) {
    FleetRun& run = it->second;
    const FleetStep step = run.Next(world_.clock.Monotonic());
    absl::Status status;
    switch (step.kind) {
      case FleetStep::Kind::kBegin:
        run.Take(step.seat);
        return Task{run.record().id, step.seat, run.record(), run.members()[step.seat]};
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

absl::Status FleetEngine::Impl::PauseFor(FleetRun& run, const FleetStep& step) {
  const FleetRecord before = run.record();
  run.record().state = FleetState::kPaused;
  run.record().pause_reason = step.reason;
  run.record().pause_message = step.message;
  absl::Status saved = Save(run);
  if (!saved.ok()) run.record() = before;
  return saved;
}

absl::Status FleetEngine::Impl::EndStage(FleetRun& run) {
  const FleetRecord before = run.record();
  FleetRecord& record = run.record();
  const FleetCounts counts = CountMembers(run.members());
  const absl::Time now = world_.clock.Now();
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

FleetTurn FleetEngine::Impl::TakeTurn(const Task& task) const {
  switch (task.record.state) {
    case FleetState::kPlanning:
      return members_.Plan(task.record, task.member);
    case FleetState::kCancelling:
      return members_.Withdraw(task.record, task.member);
    default:
      return members_.Apply(task.record, task.member);
  }
}

void FleetEngine::Impl::Settle(const Task& task, FleetTurn turn) {
  {
    const std::lock_guard lock(mutex_);
    const FleetRun& run = runs_.find(task.fleet)->second;
    if (turn.after == FleetTurn::After::kTrouble &&
        run.IsPatienceOver(task.seat, world_.clock.Monotonic())) {
      turn =
          members_.GiveUp(turn.member,
                          task.record.state == FleetState::kPlanning ? FleetMemberState::kPlanFailed
                                                                     : FleetMemberState::kFailed,
                          turn.error);
    }
  }
  if (turn.after == FleetTurn::After::kDone) {
    if (const absl::Status kept = world_.fleets.PutFleetMember(task.fleet, turn.member);
        !kept.ok()) {
      // The next turn comes to the same.
      LogError("fleet_member_not_stored",
               {{"fleet_change", task.fleet}, {"domain", task.member.domain}, {"error", kept}});
      turn = {FleetTurn::After::kTrouble, task.member, kept};
    }
  }
  const std::lock_guard lock(mutex_);
  runs_.find(task.fleet)->second.Settle(task.seat, turn, world_.clock.Monotonic());
  work_changed_.notify_all();
  Told();
}

void FleetEngine::Impl::WorkerLoop() {
  while (true) {
    std::optional<Task> task;
    absl::Duration wake;
    {
      std::unique_lock lock(mutex_);
      if (stopping_) return;
      task = NextTask(wake);
      if (!task && wake == absl::InfiniteDuration()) {
        work_changed_.wait(lock);
        continue;
      }
    }
    if (task) {
      Settle(*task, TakeTurn(*task));
    } else if (!world_.pacer.Wait(std::min(wake, kLongestNap))) {
      return;
    }
  }
}

FleetEngine::FleetEngine(const FleetWorld& world, const FleetEngineOptions& options)
    : impl_(std::make_unique<Impl>(world, options)) {}
FleetEngine::~FleetEngine() = default;

absl::StatusOr<FleetRecord> FleetEngine::Create(const FleetRequest& request) {
  return impl_->Create(request);
}
absl::StatusOr<FleetRecord> FleetEngine::Apply(const FleetApplyRequest& request) {
  return impl_->Apply(request);
}
absl::StatusOr<FleetRecord> FleetEngine::Pause(const FleetAction& action) {
  return impl_->Pause(action);
}
absl::StatusOr<FleetRecord> FleetEngine::Resume(const FleetAction& action) {
  return impl_->Resume(action);
}
absl::StatusOr<FleetRecord> FleetEngine::Cancel(const FleetAction& action) {
  return impl_->Cancel(action);
}
absl::StatusOr<FleetProgress> FleetEngine::Look(std::string_view id) { return impl_->Look(id); }
absl::StatusOr<std::vector<FleetMemberRecord>> FleetEngine::Members(std::string_view id,
                                                                    std::string_view after,
                                                                    size_t limit) {
  return impl_->Members(id, after, limit);
}
uint64_t FleetEngine::AwaitNews(uint64_t seen, absl::Duration wait) {
  return impl_->AwaitNews(seen, wait);
}
absl::Status FleetEngine::TakeUp() { return impl_->TakeUp(); }
void FleetEngine::BeginStop() { impl_->BeginStop(); }
void FleetEngine::Stop() { impl_->Stop(); }
void FleetEngine::WaitIdle() { impl_->WaitIdle(); }

}  // namespace dmarcate
