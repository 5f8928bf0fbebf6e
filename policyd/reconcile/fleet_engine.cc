#include "policyd/reconcile/fleet_engine.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/reconcile/fleet_member.h"
#include "policyd/reconcile/fleet_run.h"
#include "policyd/reconcile/fleet_runs.h"
#include "policyd/reconcile/fleet_selection.h"
#include "policyd/reconcile/reason.h"

namespace dmarcate {
namespace {

// A thread looks again that often whether a member's time has come.
constexpr absl::Duration kLongestNap = absl::Milliseconds(200);
// That go on by themselves at once, each with up to max_members members in memory.
constexpr size_t kMostAtWork = 16;

absl::Status WrongState(const FleetRecord& fleet, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "CHANGE_STATE",
                           fmt::format("fleet change {}: {}", fleet.id, why));
}

absl::Status CheckRevisionShown(const FleetRecord& fleet, uint64_t revision) {
  if (fleet.revision == revision) return absl::OkStatus();
  return MakeReasonedError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("fleet change {} is not what was shown any more", fleet.id));
}

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
  // With mutex_ held.
  absl::StatusOr<FleetRecord> Move(const FleetRecord& fleet,
                                   const std::function<void(FleetRun&)>& change);
  void Told() {
    ++news_;
    news_changed_.notify_all();
  }

  // Without mutex_.
  void WorkerLoop();
  FleetTurn TakeTurn(const FleetTask& task) const;
  void Settle(const FleetTask& task, FleetTurn turn);

  const FleetWorld world_;
  const FleetEngineOptions options_;
  const FleetMemberRunner members_{world_.store, world_.changes, world_.clock};

  std::mutex mutex_;
  std::condition_variable work_changed_;
  std::condition_variable news_changed_;
  FleetRuns runs_;
  uint64_t news_ = 1;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

FleetEngine::Impl::Impl(const FleetWorld& world, const FleetEngineOptions& options)
    : world_(world), options_(options), runs_(world.fleets, world.clock, options, [this] {
        work_changed_.notify_all();
        Told();
      }) {
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
  news_changed_.wait(lock, [&] { return stopping_ || runs_.IsIdle(); });
}

uint64_t FleetEngine::Impl::AwaitNews(uint64_t seen, absl::Duration wait) {
  std::unique_lock lock(mutex_);
  news_changed_.wait_for(lock, absl::ToChronoNanoseconds(wait),
                         [&] { return stopping_ || news_ != seen; });
  return news_;
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Move(const FleetRecord& fleet,
                                                    const std::function<void(FleetRun&)>& change) {
  if (!stopping_) return runs_.Move(fleet, change);
  return MakeReasonedError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN", "policyd is stopping");
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
  if (runs_.CountAtWork() >= kMostAtWork) {
    return MakeReasonedError(
        absl::StatusCode::kResourceExhausted, "RATE_LIMITED",
        fmt::format("{} fleet changes are at work; wait for one of them, or cancel it",
                    kMostAtWork));
  }
  return runs_.Add(std::move(fleet), std::move(members));
}

absl::StatusOr<FleetRecord> FleetEngine::Impl::Apply(const FleetApplyRequest& request) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, runs_.Get(request.id));
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
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, runs_.Get(action.id));
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
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, runs_.Get(action.id));
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
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord fleet, runs_.Get(action.id));
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
    if (const FleetRun* const run = runs_.Find(id)) {
      return run->Progress(world_.clock.Monotonic());
    }
    DMARCATE_ASSIGN_OR_RETURN(fleet, runs_.Get(id));
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
    DMARCATE_RETURN_IF_ERROR(runs_.Get(id).status());
    if (const FleetRun* const run = runs_.Find(id)) {
      std::vector<FleetMemberRecord> out;
      for (const FleetMemberRecord& member : run->members()) {
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
      const absl::StatusOr<FleetRun*> taken = runs_.Take(fleet);
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

FleetTurn FleetEngine::Impl::TakeTurn(const FleetTask& task) const {
  switch (task.record.state) {
    case FleetState::kPlanning:
      return members_.Plan(task.record, task.member);
    case FleetState::kCancelling:
      return members_.Withdraw(task.record, task.member);
    default:
      return members_.Apply(task.record, task.member);
  }
}

void FleetEngine::Impl::Settle(const FleetTask& task, FleetTurn turn) {
  {
    const std::lock_guard lock(mutex_);
    const FleetRun& run = *runs_.Find(task.fleet);
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
  runs_.Find(task.fleet)->Settle(task.seat, turn, world_.clock.Monotonic());
  work_changed_.notify_all();
  Told();
}

void FleetEngine::Impl::WorkerLoop() {
  while (true) {
    std::optional<FleetTask> task;
    absl::Duration wake;
    {
      std::unique_lock lock(mutex_);
      if (stopping_) return;
      task = runs_.NextTask(wake);
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
