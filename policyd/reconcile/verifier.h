// policyd/reconcile/verifier.h
// A write counts when every authoritative server shows it, never because a call returned 200.

#ifndef DMARCATE_POLICYD_RECONCILE_VERIFIER_H_
#define DMARCATE_POLICYD_RECONCILE_VERIFIER_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/mailauth/domain_name.h"
#include "policyd/reconcile/change_engine.h"

namespace dmarcate {

// One RRset on its way from one image to another.
struct Transition {
  DomainName zone, owner;
  std::vector<TxtRecord> from, to;
  uint32_t ttl_from = 0, ttl_to = 0;
  // Delegated mode: the name in the domain's own zone that leads to `owner`, where it does.
  std::optional<DomainName> alias = std::nullopt;
};
//   kDataLoss  the stored images do not parse
absl::StatusOr<Transition> TransitionOf(const RecordChangeRecord& record);
Transition Reverse(const Transition& transition);

// What a name holds, compared with a transition.
enum class HeldTexts : uint8_t { kFrom, kTo, kThird };
HeldTexts Compare(const Transition& transition, const std::vector<TxtRecord>& records);

struct ServerVerification {
  enum class Outcome : uint8_t {
    kVerified,
    kTimeout,   // some servers still show the old records, or nothing
    kConflict,  // a server shows a third value
    kStopped,   // policyd is stopping
  };
  Outcome outcome = Outcome::kTimeout;
  std::string message;  // which server, and what it said
};

// Asks all servers of each transition over TCP, again and again, until every name server shows `to`
// (at an alias of addresses: every address that answers, and one at least) in two looks one after
// the other, or `patience` has passed; once at least, and once more where that look shows it. Of a
// delegated record the servers of the alias are asked, too, whether
// they still lead there. `on_progress` gets the state of every server each time more of them agree.
ServerVerification VerifyServers(
    const ChangeWorld& world, const ChangeEngineOptions& options,
    const std::vector<Transition>& transitions, absl::Duration patience,
    const std::function<absl::Status(std::vector<VerificationRecord>)>& on_progress);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_VERIFIER_H_
