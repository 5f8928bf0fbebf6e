// policyd/reconcile/transaction.h
// One run of one change, from its plan or from where a journal left it, to an end state. What the
// zone holds decides every step: a write that got no clear answer is read back, never repeated
// blindly.

#ifndef DMARCATE_POLICYD_RECONCILE_TRANSACTION_H_
#define DMARCATE_POLICYD_RECONCILE_TRANSACTION_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "policyd/provider/provider.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/journal.h"
#include "policyd/reconcile/lease_watch.h"
#include "policyd/reconcile/live_reader.h"
#include "policyd/reconcile/planner.h"
#include "policyd/reconcile/verifier.h"

namespace dmarcate {

// Runs on one thread; the caller holds the lease.
class Transaction {
 public:
  Transaction(const ChangeWorld& world, const ChangeEngineOptions& options,
              const LiveReader& reader, const Planner& planner, LeaseWatch& watch,
              std::string_view holder, ChangeRecord change)
      : world_(world),
        options_(options),
        reader_(reader),
        planner_(planner),
        watch_(watch),
        holder_(holder),
        journal_(world.store, world.clock, std::move(change)) {}

  // From kPlanned. An error: nothing was written, and the change is as it was, or kFailed when its
  // plan can never be applied any more (STALE_PLAN).
  // `last_look` is made once the intent is in the journal, where others see it: an error withdraws
  // it.
  absl::Status Begin(std::string_view principal, const std::function<absl::Status()>& last_look);
  // From kApplying, kVerifying or kRollingBack, as a restart finds them. An error, or no end state:
  // the journal keeps the work for the next time.
  absl::Status Resume();

  const ChangeRecord& change() const { return journal_.change(); }

 private:
  // How one RRset's write ended.
  enum class Written : uint8_t {
    kYes,
    kNo,         // for certain; `reason_` and `message_` say why
    kAttention,  // not known, or a third value: a person must look
    kLater,      // policyd is stopping, or the provider is down: stay in the journal
  };

  // `may_converge`: it is too early to give servers up that are behind.
  struct Proof {
    ServerVerification verification;
    bool may_converge = false;
  };

  absl::Status OpenAndParse();
  // In memory: the number under which this engine writes from now on.
  void TakeLease();
  absl::Status Forward();
  // In the place of writing, where a person does that (manual_wait.cc). Stays kApplying, and is OK,
  // as long as the records are not there.
  absl::Status AwaitPerson();
  // `direction`: "", "back", or "children" for those of the SPF record alone.
  Proof Prove(const std::vector<Transition>& transitions, std::string_view direction);
  // Before the record that leads to them: whether all servers show the new child records. False:
  // not yet, or the change goes back; there is nothing else to do now.
  absl::StatusOr<bool> ShowChildren();
  absl::Status Verify();
  absl::Status RollBack();

  Written WriteOne(const Transition& transition, std::string_view mark);
  absl::Status Later() const;
  Written Settle(const Transition& transition, std::string_view mark);
  // After a restart: notes what is written already. False: the change has ended, or gone back.
  absl::StatusOr<bool> Survey();
  // Empty, or why receivers fail on what is live, in every look over options.verdict_period.
  //   kUnavailable  policyd is stopping
  absl::StatusOr<std::string> JudgeLiveAgainAndAgain();
  SpfMeasure MeasureThrough(const DomainName& domain, const DomainName& target,
                            const std::string& text, const absl::StatusOr<DnsAnswer>& seen) const;
  // One look: empty, or why receivers fail on what is live now.
  std::string JudgeLive();

  absl::Status Succeed();
  absl::Status Fail(std::string_view reason, std::string_view message);
  absl::Status NeedAttention(std::string_view reason, std::string_view message);
  absl::Status TurnBack(std::string_view reason, std::string_view message);
  absl::Status MarkOriginal();
  bool IsByHand() const;
  bool HoldsNew(const Transition& transition) const;  // this change wrote it
  bool AnyHoldsNew() const;
  bool IsMainSpf(const Transition& transition) const;  // the record that child records belong to
  // A child record that was created, once the record that leads to it may have been seen.
  bool Stays(const Transition& transition) const;
  void SetError(std::string_view reason, std::string_view message);

  const ChangeWorld& world_;
  const ChangeEngineOptions& options_;
  const LiveReader& reader_;
  const Planner& planner_;
  LeaseWatch& watch_;
  const std::string holder_;
  Journal journal_;
  std::shared_ptr<DnsProvider> provider_;
  std::vector<Transition> transitions_;  // in the order of writing
  std::string reason_, message_;         // of Written::kNo and kAttention
  absl::Status later_;                   // of Written::kLater: why the journal took nothing
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_TRANSACTION_H_
