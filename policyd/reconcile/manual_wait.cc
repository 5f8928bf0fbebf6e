// A change that a person makes: it is announced, and the authoritative servers are looked at, each
// time that the change is taken up, until they all show it or its time is over. Part of
// Transaction.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/reconcile/transaction.h"

namespace dmarcate {
namespace {

bool SameSight(const std::vector<VerificationRecord>& a, const std::vector<VerificationRecord>& b) {
  return std::ranges::equal(a, b, [](const VerificationRecord& x, const VerificationRecord& y) {
    return x.name_server == y.name_server && x.address == y.address &&
           x.owner_name == y.owner_name && x.verified == y.verified && x.detail == y.detail;
  });
}

bool AnyShows(const std::vector<VerificationRecord>& sight, const DomainName& owner) {
  return std::ranges::any_of(sight, [&](const VerificationRecord& server) {
    return server.verified && server.owner_name == owner.text();
  });
}

}  // namespace

absl::Status Transaction::AwaitPerson() {
  if (!journal_.HasStep(step::kWaiting, "")) {
    // Days, over restarts: by the wall clock, for nothing was written and nothing can be lost.
    journal_.change().plan_expire_time =
        std::max(journal_.change().plan_expire_time, world_.clock.Now() + options_.manual_limit);
    journal_.Step(step::kWaiting, "");
    DMARCATE_RETURN_IF_ERROR(journal_.Save());
  }
  // One look at each.
  std::vector<VerificationRecord> sight;
  size_t set = 0;
  std::string missing, conflict;
  bool news = false;
  for (const Transition& transition : transitions_) {
    std::vector<VerificationRecord> seen;
    const ServerVerification look =
        VerifyServers(world_, options_, {transition}, absl::ZeroDuration(),
                      [&seen](std::vector<VerificationRecord> records) {
                        seen = std::move(records);
                        return absl::OkStatus();
                      });
    // One server that shows it is enough for this: somebody has set it.
    if (!HoldsNew(transition) && AnyShows(seen, transition.owner)) {
      journal_.Step(step::kReadBack, transition.owner.text());
      news = true;
    }
    std::ranges::move(seen, std::back_inserter(sight));
    switch (look.outcome) {
      case ServerVerification::Outcome::kVerified:
        ++set;
        break;
      case ServerVerification::Outcome::kConflict:
        // A slip of the pen, or half of the typing: the person may see it and go on.
        if (conflict.empty()) conflict = look.message;
        break;
      case ServerVerification::Outcome::kTimeout:
        if (missing.empty()) missing = look.message;
        break;
      case ServerVerification::Outcome::kStopped:
        return MakeError(absl::StatusCode::kUnavailable, look.message);
    }
  }
  news = news || !SameSight(sight, change().verifications);
  if (news) journal_.change().verifications = std::move(sight);
  if (set == transitions_.size()) {
    journal_.change().state = ChangeState::kVerifying;
    journal_.Step(step::kVerifying, "");
    DMARCATE_RETURN_IF_ERROR(journal_.Save());
    return Verify();
  }
  if (world_.clock.Now() <= change().plan_expire_time) {
    return news ? journal_.Save() : absl::OkStatus();
  }
  const std::string count =
      fmt::format("{} of {} records set when the time was over", set, transitions_.size());
  if (!conflict.empty()) {
    return NeedAttention("VERIFY_CONFLICT", fmt::format("{}: {}", count, conflict));
  }
  if (set > 0 || AnyHoldsNew()) {
    return NeedAttention("VERIFY_TIMEOUT", fmt::format("{}: {}", count, missing));
  }
  return Fail("PLAN_EXPIRED", fmt::format("nobody set the records in time: {}", missing));
}

}  // namespace dmarcate
