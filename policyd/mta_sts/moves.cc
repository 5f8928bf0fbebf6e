#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/mta_sts/step_parts.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kRecheckFile = absl::Minutes(5);
constexpr absl::Duration kFreshFile = absl::Hours(1);
constexpr int32_t kLooksOfFile = 2;  // a name may have several web servers

bool HasRecord(const StsState& state, const LiveStsRecord& live) {
  return state.stage == StsStage::kOff ? live.none() : live.id == state.record_id;
}

StsStep End(const StsState& state, absl::Time now) {
  return MakeStsStep(state, StsAction::kEnd,
                     fmt::format("ended at {}: asked for", ToString(state.stage)),
                     now + kStsRecheck);
}

}  // namespace

StsStep MakeStsStep(const StsState& state, StsAction action, std::string reason,
                    absl::Time ask_again) {
  StsStep step;
  step.action = action;
  step.to = state.stage;
  step.reason = std::move(reason);
  step.ask_again = ask_again;
  return step;
}

StsStep HoldSts(const StsState& state, absl::Time now, std::string reason) {
  return MakeStsStep(state, StsAction::kHold, std::move(reason), now + kStsRecheck);
}

std::string StsPausedText(const StsState& state) {
  return fmt::format("paused ({}): {}", ToString(state.pause_reason), state.pause_detail);
}

// A ladder that is paused already stays as it is.
StsStep PauseSts(const StsState& state, absl::Time now, StsPause why, std::string detail) {
  if (state.status == RolloutStatus::kPaused) {
    StsStep step = HoldSts(state, now, StsPausedText(state));
    step.next_commands = {fmt::format("dmarcate mta-sts resume {}", state.domain)};
    return step;
  }
  StsStep step =
      MakeStsStep(state, StsAction::kPause, fmt::format("pause ({}): {}", ToString(why), detail),
                  now + kStsRecheck);
  step.pause = why;
  step.pause_detail = std::move(detail);
  step.alert = true;
  step.next_commands = {fmt::format("dmarcate mta-sts explain {}", state.domain),
                        fmt::format("dmarcate mta-sts resume {}", state.domain)};
  return step;
}

StsStep ServeSts(const StsState& state, absl::Time now, StsStage to, StsMoveKind kind,
                 std::string reason) {
  StsStep step = MakeStsStep(state, StsAction::kServe, std::move(reason), now + kRecheckFile);
  step.to = to;
  step.kind = kind;
  step.file = WantedStsFile(state.settings, to);
  step.id = StsId(step.file, state.serial + 1);
  step.next_commands = {fmt::format("dmarcate mta-sts show {} --file", state.domain)};
  return step;
}

StsStep OnStsMove(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  const StsMove& move = *state.move;
  const FileEvidence& file = evidence.file;
  const std::string what = fmt::format("the file of {}", ToString(move.to));
  const auto wait = [&](std::string why) {
    StsStep step = MakeStsStep(state, StsAction::kHold,
                               fmt::format("wait with the id: {} is not served yet: {}", what, why),
                               now + kRecheckFile);
    step.next_commands = {fmt::format("dmarcate mta-sts show {} --file", state.domain)};
    return step;
  };
  if (file.looked == absl::InfinitePast() || now - file.looked > kFreshFile) {
    return wait("it could not be fetched within the last hour");
  }
  if (file.sight != FileSight::kServed) {
    return wait(file.detail.empty() ? std::string("not found") : EscapeForTerminal(file.detail));
  }
  if (file.body != move.file) return wait(DescribeStsDifference(move.file, file.body));
  if (!file.plain_text) return wait("its media type is not text/plain");
  if (file.looks < kLooksOfFile) {
    return wait(fmt::format("seen in {} of {} looks in a row", file.looks, kLooksOfFile));
  }
  const StsRecordEvidence& records = evidence.records;
  if (records.looked == absl::InfinitePast() || now - records.looked > kFreshStsRecords) {
    return HoldSts(state, now, "the live records could not be read for 6 hours");
  }
  if (!HasRecord(state, FindStsRecord(records.mta_sts))) {
    return HoldSts(state, now,
                   fmt::format("_mta-sts.{} is not what it was: {}", state.domain,
                               FindStsRecord(records.mta_sts).Describe()));
  }
  const bool up = move.kind == StsMoveKind::kUp || move.kind == StsMoveKind::kRefresh;
  if (up && move.to == StsStage::kEnforce) {
    for (const StsGate& gate : {JudgeStsMx(state, evidence, move.to, now),
                                JudgeStsFailures(state, evidence, move.to, now)}) {
      if (gate.holds) continue;
      StsStep step = HoldSts(
          state, now, fmt::format("{} is served, but its id waits: {}", what, gate.measured));
      step.alert = true;
      return step;
    }
  }
  if (const StsGate window = JudgeStsWindow(state, evidence, now);
      up && !window.holds && evidence.control.open_change.empty()) {
    return MakeStsStep(state, StsAction::kHold,
                       fmt::format("{} is served, but its id waits: {}", what, window.measured),
                       now + kStsRecheck);
  }
  if (!evidence.control.open_change.empty()) {
    return MakeStsStep(
        state, StsAction::kHold,
        fmt::format("{} is served; change {} is open", what, evidence.control.open_change),
        now + kRecheckFile);
  }
  StsStep step = MakeStsStep(state, StsAction::kPublish,
                             fmt::format("publish the id of {}: it is served, byte for byte", what),
                             now + kRecheckFile);
  step.to = move.to;
  step.kind = move.kind;
  step.file = move.file;
  step.id = move.id;
  return step;
}

StsStep OnStsAbort(const StsState& state, const StsEvidence& evidence, absl::Time now) {
  const StsStage to = *state.abort_to;
  const bool moving = state.move.has_value();
  if (state.stage == StsStage::kOff) return End(state, now);
  if (state.stage == StsStage::kWithdrawn) {
    if (now < state.cached_until) {
      return MakeStsStep(
          state, StsAction::kHold,
          fmt::format("withdrawn; senders may have older policies in their caches until {}",
                      FormatRfc3339(state.cached_until)),
          std::min(state.cached_until, now + absl::Hours(24)));
    }
    const StsRecordEvidence& records = evidence.records;
    if (records.looked == absl::InfinitePast() || now - records.looked > kFreshStsRecords) {
      return HoldSts(state, now, "the live records could not be read for 6 hours");
    }
    const LiveStsRecord live = FindStsRecord(records.mta_sts);
    if (!live.none() && live.id != state.record_id) {
      return HoldSts(state, now,
                     fmt::format("the record is not ours to remove: {}", live.Describe()));
    }
    StsStep step =
        MakeStsStep(state, StsAction::kRemove,
                    "remove the record: no sender can have a policy any more", now + kStsRecheck);
    step.to = StsStage::kOff;
    return step;
  }
  const StsStage wanted = to == StsStage::kOff ? StsStage::kWithdrawn : to;
  if (moving && state.move->to == wanted && state.move->kind == StsMoveKind::kByPerson) {
    return OnStsMove(state, evidence, now);
  }
  // A file of enforce may have been fetched already, under the id that is there now.
  if (state.stage == wanted && !moving) return End(state, now);
  StsStep step = ServeSts(state, now, wanted, StsMoveKind::kByPerson,
                          fmt::format("serve the file of {}: asked for", ToString(wanted)));
  step.alert = true;
  return step;
}

}  // namespace dmarcate
