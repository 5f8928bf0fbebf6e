// One RRset of a change: written once, read back, and what is certain about it then. Part of
// Transaction.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/txt_image.h"
#include "policyd/reconcile/reason.h"
#include "policyd/reconcile/transaction.h"

namespace dmarcate {
namespace {

std::string Detail(const Transition& transition, std::string_view mark) {
  return fmt::format("{}{}", transition.owner.text(), mark);
}

}  // namespace

Transaction::Written Transaction::WriteOne(const Transition& transition, std::string_view mark) {
  const absl::Duration end = world_.clock.Monotonic() + options_.read_deadline;
  absl::Duration pause = options_.first_pause;
  bool repeated = false;
  // Announced before a restart, and nobody knows what came of it.
  const bool announced = mark.empty() && journal_.HasStep(step::kWriting, Detail(transition, mark));
  // The provider says that nothing was changed; the zone, if it can be read, is believed more. An
  // earlier try of unknown outcome may still arrive: then nothing is certain.
  const auto refused = [&](std::string_view reason) {
    const absl::StatusOr<RrSet> now = provider_->ReadRrSet(transition.zone, transition.owner);
    if (now.ok() && Compare(transition, now->records) == HeldTexts::kTo) {
      journal_.Step(step::kReadBack, Detail(transition, mark));
      return Written::kYes;
    }
    if (announced && !repeated) {
      message_ = fmt::format(
          "interrupted while writing {}, which {}; that write may still arrive. Now: {}",
          transition.owner.text(),
          now.ok() && Compare(transition, now->records) == HeldTexts::kFrom
              ? "still holds what was there"
              : "holds something else, or cannot be read",
          message_);
      if (reason == "PROVIDER_UNAVAILABLE") {  // read again when it is back
        later_ = absl::OkStatus();
        return Written::kLater;
      }
    }
    reason_ = repeated || announced ? "WRITE_OUTCOME_UNKNOWN" : std::string(reason);
    return repeated || announced ? Written::kAttention : Written::kNo;
  };
  while (true) {
    // Ahead of the write, and the fence: who lost the lease cannot save.
    journal_.Step(step::kWriting, Detail(transition, mark));
    later_ = journal_.Save();
    if (!later_.ok()) return Written::kLater;
    const absl::Status applied = provider_->Apply(
        transition.zone, {transition.owner, transition.from, transition.to, transition.ttl_to});
    message_ = std::string(MessageOf(applied));
    switch (applied.code()) {
      case absl::StatusCode::kOk:
      case absl::StatusCode::kUnknown:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kDataLoss:
      case absl::StatusCode::kAborted:
        break;  // what the zone holds decides
      case absl::StatusCode::kUnavailable:
        if (world_.clock.Monotonic() + pause > end) return refused("PROVIDER_UNAVAILABLE");
        if (!world_.pacer.Wait(pause)) return Written::kLater;
        pause = std::min(pause * 2, options_.longest_pause);
        continue;
      case absl::StatusCode::kPermissionDenied:
        return refused("PROVIDER_CREDENTIAL");
      default:
        return refused("PROVIDER_REJECTED");
    }
    if (!applied.ok()) journal_.Step(step::kUnknown, EscapeForTerminal(message_));
    const Written settled = Settle(transition, mark);
    if (settled != Written::kNo) {
      // Refused because the zone holds something else: that is no write of ours.
      const bool conflict =
          settled == Written::kAttention && applied.code() == absl::StatusCode::kAborted;
      return conflict ? refused("STALE_PLAN") : settled;
    }
    if (std::exchange(repeated, true)) {
      reason_ = "WRITE_OUTCOME_UNKNOWN";
      message_ =
          fmt::format("{} still holds what was there, after two tries: {}", transition.owner.text(),
                      message_.empty() ? "the provider reported success" : message_);
      return Written::kAttention;
    }
  }
}

absl::Status Transaction::Later() const {
  if (!later_.ok()) return later_;
  return MakeError(absl::StatusCode::kUnavailable, message_);
}

// Reads until the provider shows the new records. kNo: it kept showing the old ones.
Transaction::Written Transaction::Settle(const Transition& transition, std::string_view mark) {
  const absl::Duration end = world_.clock.Monotonic() + options_.settle_deadline;
  absl::Duration pause = options_.first_pause;
  while (true) {
    const absl::StatusOr<RrSet> now =
        reader_.ReadProvider(*provider_, transition.zone, transition.owner);
    if (now.ok()) {
      switch (Compare(transition, now->records)) {
        case HeldTexts::kTo:
          if (!now->records.empty() && now->ttl_seconds != transition.ttl_to) {
            journal_.Step(step::kReadBack,
                          fmt::format("{}: TTL {} s, asked for {} s", transition.owner.text(),
                                      now->ttl_seconds, transition.ttl_to));
          }
          journal_.Step(step::kReadBack, Detail(transition, mark));
          return Written::kYes;
        case HeldTexts::kThird:
          reason_ = "VERIFY_CONFLICT";
          message_ = fmt::format("{} holds neither what was there nor what the change writes",
                                 transition.owner.text());
          journal_.change().error_metadata = {
              {"owner", transition.owner.text()},
              {"expected", Join(ToPresentations(transition.from), "\n")},
              {"found", Join(ToPresentations(now->records), "\n")}};
          return Written::kAttention;
        case HeldTexts::kFrom:
          break;
      }
    } else if (const auto why = ErrorReasonOf(now.status()); why && why->code == "SHUTTING_DOWN") {
      return Written::kLater;
    }
    if (world_.clock.Monotonic() + pause > end) {
      if (now.ok()) return Written::kNo;
      reason_ = "WRITE_OUTCOME_UNKNOWN";
      message_ = std::string(MessageOf(now.status()));
      return Written::kAttention;
    }
    if (!world_.pacer.Wait(pause)) return Written::kLater;
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

}  // namespace dmarcate
