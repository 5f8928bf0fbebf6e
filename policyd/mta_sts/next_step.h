// policyd/mta_sts/next_step.h
// The next step of one domain's MTA-STS ladder: values in, a step and its reason out. Pure: equal
// input, equal step, whatever was restarted.
//
// Each change of the policy is two steps: first the file is to be served (kServe), and only when it
// was fetched from its address, byte for byte, twice in a row, its id is published (kPublish; RFC
// 8461 section 8.1). Up only while every gate holds. Whatever somebody else changes pauses the
// ladder; nothing is fought over.
//
// Down by itself only in mode AUTOMATIC, and only where an MX host shows a certificate that is out
// of date and right in all else: nobody but who has its key can show it. That STARTTLS is missing,
// that a certificate is not trusted, or that the MX records name another host, is what an attacker
// on the path would show, and the policy is there to resist him: that pauses, and a person is told.

#ifndef DMARCATE_POLICYD_MTA_STS_NEXT_STEP_H_
#define DMARCATE_POLICYD_MTA_STS_NEXT_STEP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/gates.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// The numbers are at rest.
enum class StsAction : uint8_t {
  kHold = 1,      // nothing; `reason` says what is missing
  kReady = 2,     // all but a person's yes (CONFIRM), or a person's hand (ADVISE)
  kServe = 3,     // `file` is to be served from now on; the record stays
  kPublish = 4,   // `file` is there: its record is to be published
  kRemove = 5,    // the record is to be removed, then the file
  kPause = 6,     // stop until a person has looked
  kComplete = 7,  // the target is reached
  kEnd = 8,       // an abort has come to its end: the ladder is over
};
std::string_view ToString(StsAction action);  // "serve"

struct StsStep {
  StsAction action = StsAction::kHold;
  StsStage to = StsStage::kOff;         // kServe, kPublish, kRemove, kReady; else where it stands
  StsMoveKind kind = StsMoveKind::kUp;  // kServe
  std::string file;                     // kReady, kServe, kPublish
  std::string id;                       // kServe, kPublish: StsId
  std::string reason;                   // a sentence; never empty
  absl::Time ask_again;                 // when the answer may be another one
  StsPause pause = StsPause::kNone;     // kPause, and kServe on the way down
  std::string pause_detail;
  std::vector<StsGate> gates;  // all of them, if another file is wanted and nothing came before
  std::vector<std::string> next_commands;  // what a person would type
  bool alert = false;                      // a person should be told now
  friend bool operator==(const StsStep&, const StsStep&) = default;
};

StsStep NextStep(const StsState& state, const StsEvidence& evidence, absl::Time now);

// The state after a step that writes no DNS: all but kPublish and kRemove, for which it is the
// memory of the gates only.
StsState AfterDecision(StsState state, const StsStep& step, absl::Time now);

// The state once the change of a kPublish or kRemove is verified live on every server. `now`: when.
StsState AfterPublished(StsState state, const StsStep& step, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_NEXT_STEP_H_
