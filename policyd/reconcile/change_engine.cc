#include "policyd/reconcile/change_engine.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/reconcile/journal.h"
#include "policyd/reconcile/lease_table.h"
#include "policyd/reconcile/lease_watch.h"
#include "policyd/reconcile/live_reader.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/run_pool.h"
#include "policyd/reconcile/transaction.h"

namespace dmarcate {
namespace {

absl::Status NotFound(std::string_view what) {
  return MakeReasonedError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                           fmt::format("{} does not exist", what));
}

absl::Status WrongState(const ChangeRecord& change, std::string_view why) {
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "CHANGE_STATE",
                           fmt::format("change {}: {}", change.id, why));
}

absl::Status CheckRevisionShown(const ChangeRecord& change, uint64_t revision) {
  if (change.revision == revision) return absl::OkStatus();
  return MakeReasonedError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                           fmt::format("change {} is not what was shown any more", change.id));
}

// A plan writes nothing and somebody waits for it: who does not answer by then is named.
constexpr absl::Duration kPlanReadDeadline = absl::Seconds(5);

ChangeEngineOptions ForPlans(ChangeEngineOptions options) {
  options.read_deadline = std::min(options.read_deadline, kPlanReadDeadline);
  return options;
}

// What a change that ended tells the one who applied it.
absl::StatusOr<ChangeRecord> Outcome(ChangeRecord change) {
  if (change.state == ChangeState::kFailed && change.error_reason == "STALE_PLAN") {
    return MakeReasonedError(absl::StatusCode::kAborted, change.error_reason, change.error_message,
                             change.error_metadata);
  }
  return change;
}

}  // namespace

class ChangeEngine::Impl {
 public:
  Impl(const ChangeWorld& world, const ChangeEngineOptions& options);
  ~Impl() { Stop(); }

  absl::StatusOr<ChangeRecord> Plan(std::string_view domain, const ChangeIntent& intent,
                                    std::string_view principal, RunMode mode,
                                    const ReportFacts& facts, absl::Duration lifetime);
  absl::StatusOr<ChangeRecord> Apply(const ApplyRequest& request, absl::Duration wait);
  absl::StatusOr<ChangeRecord> Cancel(const CancelRequest& request);
  absl::StatusOr<ChangeRecord> Rollback(const RollbackRequest& request, absl::Duration wait);
  absl::Status Resume();
  void Stop();
  void WaitIdle();

 private:
  using Run = RunPool::Run;

  absl::StatusOr<ChangeRecord> GetChange(std::string_view domain, std::string_view id);
  absl::StatusOr<DomainRecord> GetDomain(std::string_view name);
  absl::Status CheckAppliable(const ChangeRecord& change, RunMode mode);
  absl::Status CheckOnly(const ChangeRecord& change);
  // The rollback of that change which is under way, and its run if a worker has it.
  struct UnderWay {
    std::optional<ChangeRecord> rollback;
    std::shared_ptr<Run> run;
  };
  absl::StatusOr<UnderWay> FindRollback(std::string_view domain, std::string_view id);
  // kAborted CHANGE_IN_PROGRESS: an open change works on the same domain or zone.
  absl::Status CheckNothingOpen(const ChangeRecord& change);
  // Gives up a change that was stored and will not be run.
  void Abandon(ChangeRecord change);
  // As RunPool::Start, if nothing that is open is in the way.
  absl::StatusOr<std::shared_ptr<Run>> Start(const ChangeRecord& change, RunPool::Work work);
  absl::StatusOr<ChangeRecord> Await(const std::shared_ptr<Run>& run, const ChangeRecord& change,
                                     absl::Duration wait);
  absl::StatusOr<ChangeRecord> RunFresh(const ChangeRecord& change, const std::string& principal);
  absl::StatusOr<ChangeRecord> RunAgain(const ChangeRecord& change);
  absl::StatusOr<ChangeRecord> RunScheduled(const ChangeRecord& change);
  absl::StatusOr<ChangeRecord> Schedule(ChangeRecord change, const ApplyRequest& request);
  // Whether an open change that is not running here is this engine's to go on with now.
  bool IsOurs(const ChangeRecord& change);

  const ChangeWorld world_;
  const ChangeEngineOptions options_;
  const LiveReader reader_{world_, options_};
  const Planner planner_{world_, options_, reader_};
  // What nothing has been written for yet.
  const ChangeEngineOptions plan_options_ = ForPlans(options_);
  const LiveReader plan_reader_{world_, plan_options_};
  const Planner drafter_{world_, plan_options_, plan_reader_};
  LeaseTable leases_;
  LeaseWatch watch_{world_.clock};
  const std::string holder_ = MakeSortableId(world_.clock.Now(), world_.random);
  RunPool pool_;
};

ChangeEngine::Impl::Impl(const ChangeWorld& world, const ChangeEngineOptions& options)
    : world_(world),
      options_(options),
      pool_(leases_, options_.max_running, options_.max_waiting) {}

void ChangeEngine::Impl::Stop() {
  if (!pool_.BeginStop()) return;
  // What waits gives up at once; what is queued does not begin. Both stay in the journal.
  world_.pacer.Stop();
  pool_.Join();
}

void ChangeEngine::Impl::WaitIdle() { pool_.WaitIdle(); }

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::GetChange(std::string_view domain,
                                                           std::string_view id) {
  absl::StatusOr<ChangeRecord> change = world_.store.GetChange(domain, id);
  if (change.status().code() == absl::StatusCode::kNotFound) {
    return NotFound(fmt::format("domains/{}/changes/{}", domain, id));
  }
  return change;
}

absl::StatusOr<DomainRecord> ChangeEngine::Impl::GetDomain(std::string_view name) {
  absl::StatusOr<DomainRecord> domain = world_.store.GetDomain(name);
  if (domain.status().code() == absl::StatusCode::kNotFound) {
    return NotFound(fmt::format("domains/{}", name));
  }
  return domain;
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Plan(std::string_view domain,
                                                      const ChangeIntent& intent,
                                                      std::string_view principal, RunMode mode,
                                                      const ReportFacts& facts,
                                                      absl::Duration lifetime) {
  DMARCATE_ASSIGN_OR_RETURN(DomainRecord record, GetDomain(domain));
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord change, drafter_.Plan(record, intent, principal, facts));
  if (lifetime > absl::ZeroDuration()) change.plan_expire_time = change.create_time + lifetime;
  if (mode == RunMode::kValidateOnly) return change;
  if (change.state != ChangeState::kSucceeded || change.managed_after == record.managed_terms) {
    return world_.store.PutChange(std::move(change));
  }
  // Nothing to write, yet the book of what is ours is wrong: somebody took a term out.
  record.managed_terms = change.managed_after;
  DMARCATE_RETURN_IF_ERROR(world_.store.PutChangeAndDomain(change, record));
  return GetChange(change.domain, change.id);
}

absl::Status ChangeEngine::Impl::CheckAppliable(const ChangeRecord& change, RunMode mode) {
  switch (change.state) {
    case ChangeState::kPlanned:
      break;
    case ChangeState::kRefused:
      for (const GuardRecord& guard : change.guards) {
        if (guard.verdict == GuardVerdict::kRefuse) return GuardRefused(guard);
      }
      return WrongState(change, "it was refused");
    case ChangeState::kExpired:
      return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PLAN_EXPIRED",
                               "the plan has expired; plan again");
    case ChangeState::kFailed:
      if (change.error_reason == "STALE_PLAN") return Outcome(change).status();
      return WrongState(change, "it has failed; plan again");
    default:
      return WrongState(change, "it cannot be applied any more; plan again");
  }
  if (world_.clock.Now() <= change.plan_expire_time) return absl::OkStatus();
  if (mode == RunMode::kExecute) {
    ChangeRecord expired = change;
    expired.state = ChangeState::kExpired;
    expired.end_time = world_.clock.Now();
    DMARCATE_RETURN_IF_ERROR(world_.store.PutChange(std::move(expired)).status());
  }
  return MakeReasonedError(absl::StatusCode::kFailedPrecondition, "PLAN_EXPIRED",
                           "the plan has expired; plan again");
}

absl::Status ChangeEngine::Impl::CheckOnly(const ChangeRecord& change) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord domain, GetDomain(change.domain));
  DMARCATE_ASSIGN_OR_RETURN(const std::shared_ptr<DnsProvider> provider,
                            planner_.OpenProvider(change.dns_provider));
  return planner_.Check(change, domain, *provider);
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Apply(const ApplyRequest& request,
                                                       absl::Duration wait) {
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord change, GetChange(request.domain, request.id));
  if (change.plan_digest != request.plan_digest) {
    return MakeReasonedError(absl::StatusCode::kAborted, "PLAN_DIGEST_MISMATCH",
                             "the plan that was shown is not that of this change",
                             {{"plan_digest", change.plan_digest}});
  }
  if (change.state == ChangeState::kSucceeded) return change;
  if (const auto running = pool_.Find(change.domain, change.id)) {
    return Await(running, change, wait);
  }
  if (!IsEndState(change.state) && change.state != ChangeState::kPlanned) return change;  // resumes
  const bool extend = change.state == ChangeState::kPlanned &&
                      change.plan_expire_time < request.valid_until &&
                      request.mode == RunMode::kExecute;
  if (extend) change.plan_expire_time = request.valid_until;
  DMARCATE_RETURN_IF_ERROR(CheckAppliable(change, request.mode));
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(change, request.revision));
  if (extend) {
    DMARCATE_ASSIGN_OR_RETURN(change, world_.store.PutChange(std::move(change)));
  }
  if (request.mode == RunMode::kValidateOnly) {
    DMARCATE_RETURN_IF_ERROR(CheckOnly(change));
    return change;
  }
  if (request.delay > absl::ZeroDuration()) return Schedule(change, request);
  DMARCATE_ASSIGN_OR_RETURN(const std::shared_ptr<Run> run,
                            Start(change, [this, change, principal = request.principal] {
                              return RunFresh(change, principal);
                            }));
  return Await(run, change, wait);
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Schedule(ChangeRecord change,
                                                          const ApplyRequest& request) {
  DMARCATE_RETURN_IF_ERROR(CheckOnly(change));
  change.apply_after = world_.clock.Now() + request.delay;
  change.applied_by = request.principal;
  // Long enough for a provider that is down when the time comes.
  change.plan_expire_time =
      std::max(change.plan_expire_time, change.apply_after + options_.plan_lifetime);
  change.steps.push_back(
      {std::string(step::kScheduled),
       fmt::format("for {}, by {}",
                   absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", change.apply_after, absl::UTCTimeZone()),
                   request.principal),
       world_.clock.Now()});
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord stored, world_.store.PutChange(std::move(change)));
  (void)watch_.IsDue(stored);  // measured from now on
  return stored;
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Cancel(const CancelRequest& request) {
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord change, GetChange(request.domain, request.id));
  if (change.state == ChangeState::kCancelled) return change;
  // READ_BACK alone: a person has set a part of it.
  const bool announced = std::ranges::any_of(change.steps, [](const StepRecord& step) {
    return step.step == step::kWriting || step.step == step::kReadBack;
  });
  if (change.state != ChangeState::kPlanned &&
      (change.state != ChangeState::kApplying || announced)) {
    return WrongState(change, IsEndState(change.state) ? "it has ended; there is nothing to cancel"
                              : change.by_hand
                                  ? "a part of it is set; set the rest, and roll it back then"
                                  : "it is being written; it finishes or goes back by itself, and "
                                    "can be rolled back then");
  }
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(change, request.revision));
  if (request.mode == RunMode::kValidateOnly) return change;
  change.state = ChangeState::kCancelled;
  change.end_time = world_.clock.Now();
  change.steps.push_back(
      {std::string(step::kCancelled), fmt::format("by {}", request.principal), world_.clock.Now()});
  absl::StatusOr<ChangeRecord> stored = world_.store.PutChange(std::move(change));
  if (stored.status().code() == absl::StatusCode::kAborted) {
    return MakeReasonedError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                             "the change has gone on meanwhile; look again");
  }
  if (stored.ok()) watch_.Forget(*stored);
  return stored;
}

absl::StatusOr<ChangeEngine::Impl::UnderWay> ChangeEngine::Impl::FindRollback(
    std::string_view domain, std::string_view id) {
  UnderWay found;
  std::string rollback_id;
  std::tie(found.run, rollback_id) = pool_.FindRollbackOf(domain, id);
  if (found.run != nullptr) {
    DMARCATE_ASSIGN_OR_RETURN(found.rollback, GetChange(domain, rollback_id));
    return found;
  }
  DMARCATE_ASSIGN_OR_RETURN(std::vector<ChangeRecord> open, world_.store.OpenChanges());
  for (ChangeRecord& change : open) {
    if (change.domain != domain || change.intent.rollback_of != id) continue;
    found.rollback = std::move(change);
  }
  return found;
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Rollback(const RollbackRequest& request,
                                                          absl::Duration wait) {
  // Looked for first: a rollback that ends meanwhile has marked the change by then.
  DMARCATE_ASSIGN_OR_RETURN(const UnderWay under_way, FindRollback(request.domain, request.id));
  if (under_way.run != nullptr) return Await(under_way.run, *under_way.rollback, wait);
  if (under_way.rollback.has_value()) return *under_way.rollback;  // resumes
  DMARCATE_ASSIGN_OR_RETURN(const ChangeRecord change, GetChange(request.domain, request.id));
  if (!change.rolled_back_by.empty()) return GetChange(request.domain, change.rolled_back_by);
  if (change.state != ChangeState::kSucceeded && change.state != ChangeState::kNeedsAttention) {
    return WrongState(change, "only a change that was applied can be rolled back");
  }
  if (change.record_changes.empty()) return WrongState(change, "it has written nothing");
  DMARCATE_RETURN_IF_ERROR(CheckRevisionShown(change, request.revision));
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord domain, GetDomain(request.domain));
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord rollback,
                            drafter_.PlanRollbackOf(change, domain, request.principal));
  if (!request.plan_digest.empty() && request.plan_digest != rollback.plan_digest) {
    return MakeReasonedError(absl::StatusCode::kAborted, "PLAN_DIGEST_MISMATCH",
                             "the rollback that was shown is not what it would be now; look again",
                             {{"plan_digest", rollback.plan_digest}});
  }
  if (request.mode == RunMode::kValidateOnly) return rollback;
  // Stored once nothing else is in the way: who asks again and again leaves one record, not many.
  DMARCATE_RETURN_IF_ERROR(CheckNothingOpen(rollback));
  DMARCATE_RETURN_IF_ERROR(leases_.Acquire(rollback));
  absl::StatusOr<ChangeRecord> stored = world_.store.PutChange(rollback);
  absl::Status ready = stored.status();
  if (ready.ok()) ready = CheckAppliable(*stored, request.mode);
  if (!ready.ok()) {
    leases_.Release(rollback);
    return ready;
  }
  const absl::StatusOr<std::shared_ptr<Run>> run =
      Start(*stored, [this, rollback = *stored, principal = request.principal] {
        return RunFresh(rollback, principal);
      });
  if (!run.ok()) {
    Abandon(*std::move(stored));
    return run.status();
  }
  return Await(*run, *stored, wait);
}

void ChangeEngine::Impl::Abandon(ChangeRecord change) {
  leases_.Release(change);
  change.state = ChangeState::kExpired;
  change.end_time = world_.clock.Now();
  // If this fails, too, the plan's own time ends it.
  (void)world_.store.PutChange(std::move(change));
}

absl::Status ChangeEngine::Impl::CheckNothingOpen(const ChangeRecord& change) {
  // An open change that nobody runs (its store or provider failed it) still owns what it wrote to.
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> open, world_.store.OpenChanges());
  for (const ChangeRecord& other : open) {
    if (other.state == ChangeState::kPlanned) continue;  // scheduled, not begun
    if (other.id != change.id && Overlap(other, change)) {
      return ChangeInProgress(fmt::format("domains/{}/changes/{}", other.domain, other.id));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<RunPool::Run>> ChangeEngine::Impl::Start(const ChangeRecord& change,
                                                                        RunPool::Work work) {
  DMARCATE_RETURN_IF_ERROR(CheckNothingOpen(change));
  return pool_.Start(change, [this, work = std::move(work)] {
    absl::StatusOr<ChangeRecord> result = work();
    if (result.ok() && IsEndState(result->state)) watch_.Forget(*result);
    return result;
  });
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::Await(const std::shared_ptr<Run>& run,
                                                       const ChangeRecord& change,
                                                       absl::Duration wait) {
  if (auto result = pool_.Await(run, wait)) return *std::move(result);
  return GetChange(change.domain, change.id);  // the state reached; it goes on
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::RunFresh(const ChangeRecord& change,
                                                          const std::string& principal) {
  // Between the caller's check and the lease another run may have come and gone.
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord now, GetChange(change.domain, change.id));
  if (now.state == ChangeState::kSucceeded) return now;
  DMARCATE_RETURN_IF_ERROR(CheckAppliable(now, RunMode::kExecute));
  Transaction transaction(world_, options_, reader_, planner_, watch_, holder_, std::move(now));
  // Engines that share a store may begin at the same time: each sees the other here, one at least.
  DMARCATE_RETURN_IF_ERROR(transaction.Begin(principal, [&] { return CheckNothingOpen(change); }));
  return Outcome(transaction.change());
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::RunScheduled(const ChangeRecord& change) {
  absl::StatusOr<ChangeRecord> result = RunFresh(change, change.applied_by);
  if (result.ok()) return result;
  LogWarn("scheduled_change_not_applied",
          {{"domain", change.domain}, {"change", change.id}, {"error", result.status()}});
  // What may pass is tried again until the plan expires. What the guards refuse now is over: nobody
  // is there to be told.
  const std::optional<ErrorReason> reason = ErrorReasonOf(result.status());
  if (!reason.has_value() || reason->code != "GUARD_REFUSED") return result;
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord now, GetChange(change.domain, change.id));
  if (now.state != ChangeState::kPlanned) return now;
  now.state = ChangeState::kFailed;
  now.end_time = world_.clock.Now();
  now.error_reason = reason->code;
  now.error_message = EscapeForTerminal(MessageOf(result.status()));
  now.error_metadata = reason->metadata;
  return world_.store.PutChange(std::move(now));
}

absl::StatusOr<ChangeRecord> ChangeEngine::Impl::RunAgain(const ChangeRecord& change) {
  DMARCATE_ASSIGN_OR_RETURN(ChangeRecord now, GetChange(change.domain, change.id));
  Transaction transaction(world_, options_, reader_, planner_, watch_, holder_, std::move(now));
  if (const absl::Status status = transaction.Resume(); !status.ok()) {
    LogWarn("change_not_resumed",
            {{"domain", change.domain}, {"change", change.id}, {"error", status}});
    return status;
  }
  return Outcome(transaction.change());
}

absl::Status ChangeEngine::Impl::Resume() {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<ChangeRecord> open, world_.store.OpenChanges());
  watch_.KeepOnly(open);
  absl::Status first_error;
  for (const ChangeRecord& change : open) {
    if (pool_.Find(change.domain, change.id) != nullptr || !IsOurs(change)) continue;
    const auto run = Start(change, [this, change] {
      return change.scheduled() ? RunScheduled(change) : RunAgain(change);
    });
    // A plan whose zone is busy waits its turn.
    if (!change.scheduled()) first_error.Update(run.status());
  }
  return first_error;
}

bool ChangeEngine::Impl::IsOurs(const ChangeRecord& change) {
  if (change.scheduled()) return watch_.IsDue(change);
  return options_.store_use == StoreUse::kExclusive || change.lease_holder == holder_ ||
         watch_.IsSilent(change, options_.lease);
}

ChangeEngine::ChangeEngine(const ChangeWorld& world, const ChangeEngineOptions& options)
    : impl_(std::make_unique<Impl>(world, options)) {}
ChangeEngine::~ChangeEngine() = default;

absl::StatusOr<ChangeRecord> ChangeEngine::Plan(std::string_view domain, const ChangeIntent& intent,
                                                std::string_view principal, RunMode mode,
                                                const ReportFacts& facts, absl::Duration lifetime) {
  return impl_->Plan(domain, intent, principal, mode, facts, lifetime);
}
absl::StatusOr<ChangeRecord> ChangeEngine::Apply(const ApplyRequest& request, absl::Duration wait) {
  return impl_->Apply(request, wait);
}
absl::StatusOr<ChangeRecord> ChangeEngine::Cancel(const CancelRequest& request) {
  return impl_->Cancel(request);
}
absl::StatusOr<ChangeRecord> ChangeEngine::Rollback(const RollbackRequest& request,
                                                    absl::Duration wait) {
  return impl_->Rollback(request, wait);
}
absl::Status ChangeEngine::Resume() { return impl_->Resume(); }
void ChangeEngine::Stop() { impl_->Stop(); }
void ChangeEngine::WaitIdle() { impl_->WaitIdle(); }

}  // namespace dmarcate
