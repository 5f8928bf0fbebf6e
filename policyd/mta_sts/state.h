// policyd/mta_sts/state.h
// The MTA-STS ladder of one domain as it is kept: where it stands, which file is on its way, who
// steers it, what people signed. The numbers of the enums are at rest (codec.h).
//
//   off -> testing -> enforce      up: gates; each step is file first, then id (RFC 8461
//   section 8.1) enforce -> testing             down, the same way testing, enforce -> withdrawn
//   mode none, until no cache can hold an older policy (section 8.3) withdrawn -> off record
//   removed, then the file may go

#ifndef DMARCATE_POLICYD_MTA_STS_STATE_H_
#define DMARCATE_POLICYD_MTA_STS_STATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "policyd/mta_sts/settings.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

enum class StsStage : uint8_t { kOff = 1, kTesting = 2, kEnforce = 3, kWithdrawn = 4 };
std::string_view ToString(StsStage stage);  // "testing"

enum class StsGateId : uint8_t {
  kDwell = 0,         // days with TLS reports in testing
  kReporters = 1,     // who reports under the live policy
  kFailures = 2,      // share of failed sessions, exactly bounded
  kMx = 3,            // every MX host probed, and matched
  kFile = 4,          // what is served is ours
  kRecord = 5,        // _mta-sts has our id
  kTlsRpt = 6,        // reports are asked for
  kWindow = 7,        // working hours, no freeze, no other change
  kConfirmation = 8,  // a person's yes, or mode automatic
};
inline constexpr size_t kStsGates = 9;
std::string_view ToString(StsGateId id);  // "dwell"

struct StsGateMemory {
  StsGateId id = StsGateId::kDwell;
  bool holds = false;
  absl::Time since;
  friend bool operator==(const StsGateMemory&, const StsGateMemory&) = default;
};

enum class StsPause : uint8_t {
  kNone = 0,
  kOperator = 1,
  kDrift = 2,      // somebody else changed record or file
  kMx = 3,         // an MX host that the policy does not name, or that was seen broken
  kFailures = 4,   // reporters see sessions fail
  kAttention = 5,  // a change's outcome is not known
};
std::string_view ToString(StsPause reason);  // "drift"

// A person's yes to one step.
struct StsConfirmation {
  std::string by;
  absl::Time time;
  StsStage stage = StsStage::kTesting;  // to which
  std::string file;                     // as it was shown
  // Of a domain with too few sessions to prove the bound: the bound that was shown, and signed; 0:
  // the proof itself is wanted.
  double accepted_bound = 0;
  // Where two people are wanted: the other one.
  std::string second_by = {};  // empty: nobody yet
  absl::Time second_time = absl::InfinitePast();
  friend bool operator==(const StsConfirmation&, const StsConfirmation&) = default;
};

// Why a file is on its way. The numbers are at rest.
enum class StsMoveKind : uint8_t {
  kUp = 1,
  kRefresh = 2,   // the same stage with other settings
  kDown = 3,      // by itself, on breakage
  kByPerson = 4,  // an abort
};

// A file that is to be served in place of the one that is; its id is not published yet.
struct StsMove {
  StsStage to = StsStage::kTesting;
  StsMoveKind kind = StsMoveKind::kUp;
  std::string file;    // RenderStsFile
  std::string id;      // StsId
  absl::Time since;    // wanted since
  std::string reason;  // the sentence of the step that began it
  friend bool operator==(const StsMove&, const StsMove&) = default;
};

struct StsState {
  std::string domain, id;
  RolloutMode mode = RolloutMode::kConfirm;
  RolloutStatus status = RolloutStatus::kActive;
  StsStage stage = StsStage::kOff;       // file and id verified live
  StsStage target = StsStage::kEnforce;  // kTesting or kEnforce
  StsSettings settings;

  absl::Time create_time;
  absl::Time stage_start;  // when the stage was verified live
  std::string file;        // of the stage; empty: none is served
  std::string record_id;   // under which it is announced
  uint32_t serial = 0;     // of the last file that was to be served
  // No sender can hold a policy older than `file` after that; InfinitePast: there was none.
  absl::Time cached_until = absl::InfinitePast();
  std::optional<StsMove> move;
  // The longest of files that were to be served since `file` was, and gave way to others: they may
  // be served, and fetched, until the next one is there.
  absl::Duration abandoned_age;
  absl::Time last_auto_down = absl::InfinitePast();
  StsPause pause_reason = StsPause::kNone;
  std::string pause_detail;  // a sentence; who, for kOperator
  absl::Time pause_time = absl::InfinitePast();
  // What was broken before was shown to who resumed, and pauses no more.
  absl::Time resume_time = absl::InfinitePast();
  std::optional<StsConfirmation> confirmation;
  std::optional<StsStage> abort_to;  // kTesting or kOff: asked for by a person
  std::string pending_change;        // id of the change that writes the record now
  std::vector<StsGateMemory> gates;  // by id; none before the first decision
  friend bool operator==(const StsState&, const StsState&) = default;
};

// The file of `stage` as the settings want it; empty for kOff.
std::string WantedStsFile(const StsSettings& settings, StsStage stage);
// How long senders may keep `file`; zero for what is no policy.
absl::Duration StsFileAge(std::string_view file);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_STATE_H_
