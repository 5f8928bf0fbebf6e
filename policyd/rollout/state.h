// policyd/rollout/state.h
// One rollout as it is kept: where a ladder stands, who steers it, what people signed. The numbers
// of the enums are at rest (codec.h).

#ifndef DMARCATE_POLICYD_ROLLOUT_STATE_H_
#define DMARCATE_POLICYD_ROLLOUT_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/policy_ladder.h"
#include "policyd/rollout/settings.h"

namespace dmarcate {

enum class RolloutMode : uint8_t {
  kAdvise = 1,     // says what it would do
  kConfirm = 2,    // a person takes each step, while all gates hold
  kAutomatic = 3,  // takes steps by itself, within what was signed beforehand
};
enum class RolloutStatus : uint8_t { kActive = 1, kPaused = 2, kCompleted = 3, kAborted = 4 };

enum class GateId : uint8_t {
  kDwell = 0,           // days with reports since the stage began
  kCoverage = 1,        // G1
  kSourcesHealthy = 2,  // G2
  kDkim = 3,            // G3
  kNothingUnknown = 4,  // G4
  kRareSenders = 5,     // G5
  kRecords = 6,         // G6
  kIngest = 7,          // G7
  kForwarding = 8,      // G8
  kBlastRadius = 9,     // G9
  kWindow = 10,         // G10
  kLossBound = 11,      // the promise of DESIGN 13.9
  kReceiverProof = 12,
};
inline constexpr size_t kGates = 13;
std::string_view ToString(GateId id);  // "G1", "dwell", "loss-bound", "receiver-proof"

// Since when a gate is as it is; NextStep returns the new ones.
struct GateMemory {
  GateId id = GateId::kDwell;
  bool holds = false;
  absl::Time since;
  friend bool operator==(const GateMemory&, const GateMemory&) = default;
};

// A person's yes to the next step, on exactly the evidence that was shown; and of another person to
// the same, where two are wanted.
struct Confirmation {
  std::string by;
  absl::Time time;
  PolicyStage stage = PolicyStage::kObserve;  // to which
  std::string decisions_etag;                 // of the evidence that was shown
  // Of a domain with too little mail to prove the bound: the bound that was shown, and signed; 0:
  // the proof itself is wanted. Of two people: the lower one.
  double accepted_bound = 0;
  std::string second_by = {};  // empty: nobody yet
  absl::Time second_time = absl::InfinitePast();
  friend bool operator==(const Confirmation&, const Confirmation&) = default;
};

enum class PauseReason : uint8_t {
  kNone = 0,
  kOperator = 1,
  kDrift = 2,          // somebody else changed the DMARC record
  kSourceFailing = 3,  // an approved source fails, by anchors' reports
  kNewSource = 4,      // much mail of a source that nobody has decided about
  kBreakage = 5,       // we saw it broken; after a step down, or in place of one
  kAttention = 6,      // a change's outcome is not known
};
std::string_view ToString(PauseReason reason);  // "drift"
std::string_view ToString(RolloutMode mode);    // "confirm"
std::string_view ToString(RolloutStatus status);

struct RolloutState {
  std::string domain;  // policy domain: the name whose _dmarc record it moves
  std::string id;
  PolicyScope scope = PolicyScope::kDomain;
  RolloutMode mode = RolloutMode::kConfirm;
  RolloutStatus status = RolloutStatus::kActive;
  PolicyStage stage = PolicyStage::kObserve;  // verified live
  PolicyStage target = PolicyStage::kQuarantine;
  RolloutSettings settings;

  absl::Time create_time;
  absl::Time stage_start;                            // when the stage was verified live
  absl::Time last_up = absl::InfinitePast();         // of this ladder
  absl::Time last_auto_down = absl::InfinitePast();  // by itself
  PauseReason pause_reason = PauseReason::kNone;
  std::string pause_detail;  // a sentence; who, for kOperator
  absl::Time pause_time = absl::InfinitePast();
  // Breakage and failures before it were shown to who resumed, and pause no more.
  absl::Time resume_time = absl::InfinitePast();
  std::optional<Confirmation> confirmation;
  std::optional<PolicyStage> abort_to;  // asked for by a person; goes before everything else
  std::string pending_change;           // id of the change that carries a step out now
  std::vector<GateMemory> gates;        // by id; none before the first decision
  friend bool operator==(const RolloutState&, const RolloutState&) = default;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_STATE_H_
