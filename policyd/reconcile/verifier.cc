#include "policyd/reconcile/verifier.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/delegation.h"
#include "policyd/plan/txt_image.h"
#include "policyd/plan/zone_guard.h"
#include "policyd/provider/provider.h"
#include "policyd/reconcile/live_reader.h"

namespace dmarcate {
namespace {

// One look at all servers.
struct Round {
  std::vector<VerificationRecord> records;
  size_t verified = 0;
  std::string missing;   // the first server that is not there yet
  std::string conflict;  // the first that shows a third value
};

void LookAt(const Transition& transition, const AuthoritativeAnswer& answer, absl::Time now,
            Round& round) {
  for (const ServerAnswer& server : answer.servers) {
    VerificationRecord record;
    record.name_server = server.name_server.text();
    record.address = server.address;
    record.owner_name = transition.owner.text();
    record.time = now;
    const ServerVerdict verdict = JudgeServer(server, transition.to);
    record.verified = verdict == ServerVerdict::kHolds;
    if (record.verified) {
      ++round.verified;
    } else {
      record.detail = DescribeAnswer(server);
      const std::string seen = fmt::format("{} at {}: {}", transition.owner.text(),
                                           DescribeServer(server), record.detail);
      const bool old = JudgeServer(server, transition.from) == ServerVerdict::kHolds;
      if (verdict != ServerVerdict::kUnreachable && !old && round.conflict.empty()) {
        round.conflict = seen;
      }
      if (verdict != ServerVerdict::kUnreachable && round.missing.empty()) round.missing = seen;
    }
    round.records.push_back(std::move(record));
  }
  const std::vector<std::string> silent = SilentServers(answer);
  if (round.missing.empty() && !silent.empty()) {
    round.missing =
        fmt::format("{}: no answer from {}", transition.owner.text(), Join(silent, ", "));
  }
  if (round.missing.empty() && answer.servers.empty()) {
    round.missing = fmt::format("{}: no servers are known", transition.owner.text());
  }
}

// The same at the name that receivers ask for. A domain's own zone that leads elsewhere meanwhile
// is nothing that this change has written: no conflict, but not there either.
void LookAtAlias(const ChangeWorld& world, const Transition& transition, Round& round) {
  const absl::StatusOr<AuthoritativeAnswer> answer =
      LookupOwn(world.authoritative, RoleOf(transition.owner), *transition.alias);
  if (!answer.ok()) {
    if (round.missing.empty()) {
      round.missing = fmt::format("{}: {}", transition.alias->text(), MessageOf(answer.status()));
    }
    return;
  }
  size_t leading = 0;
  for (const ServerAnswer& server : answer->servers) {
    VerificationRecord record;
    record.name_server = server.name_server.text();
    record.address = server.address;
    record.owner_name = transition.alias->text();
    record.time = world.clock.Now();
    record.verified = LeadsTo(RoleOf(transition.owner), server, transition.owner);
    if (record.verified) {
      ++leading;
      ++round.verified;
    } else {
      record.detail = DescribeAnswer(server);
      if (server.answer.ok() && round.missing.empty()) {
        round.missing = fmt::format("{} at {} does not lead to {}: {}", transition.alias->text(),
                                    DescribeServer(server), transition.owner.text(), record.detail);
      }
    }
    round.records.push_back(std::move(record));
  }
  if (leading == 0 && round.missing.empty()) {
    round.missing = fmt::format("{}: no server answers", transition.alias->text());
  }
}

Round LookAround(const ChangeWorld& world, const std::vector<Transition>& transitions) {
  Round round;
  for (const Transition& transition : transitions) {
    const absl::StatusOr<AuthoritativeAnswer> answer =
        world.authoritative.LookupAll(transition.owner, RrType::kTxt, /*over_tcp=*/true);
    if (answer.ok()) {
      LookAt(transition, *answer, world.clock.Now(), round);
    } else if (round.missing.empty()) {
      round.missing = fmt::format("{}: {}", transition.owner.text(), MessageOf(answer.status()));
    }
    if (transition.alias.has_value()) LookAtAlias(world, transition, round);
  }
  return round;
}

}  // namespace

absl::StatusOr<Transition> TransitionOf(const RecordChangeRecord& record) {
  const absl::StatusOr<DomainName> zone = DomainName::Parse(record.zone);
  const absl::StatusOr<DomainName> owner = DomainName::Parse(record.owner_name);
  if (!zone.ok() || !owner.ok()) {
    return MakeError(absl::StatusCode::kDataLoss, "stored change: a name does not parse");
  }
  Transition transition{*zone, *owner, {}, {}, record.ttl_before, record.ttl_after};
  if (record.alias.in_place) {
    DMARCATE_ASSIGN_OR_RETURN(transition.alias, DomainName::Parse(record.alias.name));
  }
  DMARCATE_ASSIGN_OR_RETURN(transition.from, FromPresentations(record.before));
  DMARCATE_ASSIGN_OR_RETURN(transition.to, FromPresentations(record.after));
  return transition;
}

Transition Reverse(const Transition& transition) {
  return {transition.zone,   transition.owner,    transition.to,   transition.from,
          transition.ttl_to, transition.ttl_from, transition.alias};
}

HeldTexts Compare(const Transition& transition, const std::vector<TxtRecord>& records) {
  if (SameTexts(records, transition.to)) return HeldTexts::kTo;
  return SameTexts(records, transition.from) ? HeldTexts::kFrom : HeldTexts::kThird;
}

ServerVerification VerifyServers(
    const ChangeWorld& world, const ChangeEngineOptions& options,
    const std::vector<Transition>& transitions, absl::Duration patience,
    const std::function<absl::Status(std::vector<VerificationRecord>)>& on_progress) {
  const absl::Duration end = world.clock.Monotonic() + patience;
  absl::Duration pause = options.first_pause;
  size_t best = 0;
  bool seen = false;  // in the look before
  while (true) {
    Round round = LookAround(world, transitions);
    const bool done = round.missing.empty() && round.conflict.empty();
    const bool over = world.clock.Monotonic() + pause > end;
    if (round.verified > best || done || over || !round.conflict.empty()) {
      best = round.verified;
      const absl::Status kept = on_progress(std::move(round.records));
      if (!kept.ok()) return {ServerVerification::Outcome::kStopped, std::string(MessageOf(kept))};
    }
    if (!round.conflict.empty()) return {ServerVerification::Outcome::kConflict, round.conflict};
    if (done && std::exchange(seen, true)) return {ServerVerification::Outcome::kVerified, ""};
    if (!done) seen = false;
    if (!done && over) return {ServerVerification::Outcome::kTimeout, round.missing};
    // An address may stand for many machines: the next connection meets another one.
    const absl::Duration wait = done ? options.first_pause : pause;
    if (!world.pacer.Wait(wait))
      return {ServerVerification::Outcome::kStopped, "policyd is stopping"};
    pause = std::min(pause * 2, options.longest_pause);
  }
}

}  // namespace dmarcate
