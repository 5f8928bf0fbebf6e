#include <algorithm>
#include <vector>

#include "lib/base/binomial.h"
#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "policyd/mta_sts/figures.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/mta_sts/step_parts.h"
#include "policyd/rollout/figures.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kBetweenStepsDown = absl::Hours(24);
// What is broken counts when it was seen so often in a row, over so long: a restart is none.
constexpr int32_t kLooksOfBreakage = 3;
constexpr absl::Duration kAgeOfBreakage = absl::Minutes(30);

bool IsProved(absl::Time since, int32_t looks, absl::Time now) {
  return looks >= kLooksOfBreakage && now - since >= kAgeOfBreakage;
}

}  // namespace

std::optional<StsStep> OnStsDrift(const StsState& state, const StsEvidence& evidence,
                                  absl::Time now) {
  if (state.stage == StsStage::kOff) return std::nullopt;  // a gate looks at what is there
  const LiveStsRecord live = FindStsRecord(evidence.records.mta_sts);
  if (live.id != state.record_id) {
    return PauseSts(state, now, StsPause::kDrift,
                    fmt::format("_mta-sts.{} is not ours any more: {}, ours has id {}",
                                state.domain, live.Describe(), state.record_id));
  }
  const FileEvidence& file = evidence.file;
  if (file.sight == FileSight::kUnknown || !IsProved(file.since, file.looks, now)) {
    return std::nullopt;
  }
  if (file.since <= state.resume_time) return std::nullopt;  // known to who resumed
  if (file.sight == FileSight::kServed) {
    if (file.body == state.file || (state.move.has_value() && file.body == state.move->file)) {
      return std::nullopt;
    }
    return PauseSts(state, now, StsPause::kDrift,
                    fmt::format("what is served is not the policy of {}: {}", ToString(state.stage),
                                DescribeStsDifference(state.file, file.body)));
  }
  return PauseSts(
      state, now, StsPause::kDrift,
      fmt::format("senders cannot fetch the policy: {}", EscapeForTerminal(file.detail)));
}

std::optional<StsStep> OnStsMxTrouble(const StsState& state, const StsEvidence& evidence,
                                      absl::Time now) {
  std::vector<std::string> names;
  for (const MxHost& host : evidence.mx.hosts) names.push_back(host.name);
  const std::vector<std::string> unmatched = HostsNotMatched(state.settings.mx, names);
  if (!unmatched.empty() && evidence.mx.looked > state.resume_time) {
    return PauseSts(state, now, StsPause::kMx,
                    fmt::format("the MX records name {}, which the policy does not have; if it is "
                                "yours, add it to the policy; if not, somebody forges your DNS",
                                EscapeForTerminal(Join(unmatched, ", "))));
  }
  for (const MxHost& host : evidence.mx.hosts) {
    if (host.faults.empty() || !IsProved(host.since, host.looks, now)) continue;
    if (state.status != RolloutStatus::kPaused && host.since <= state.resume_time) continue;
    std::vector<std::string> words;
    for (const MxFault fault : host.faults) words.push_back(std::string(ToString(fault)));
    const std::string detail =
        fmt::format("{}: {}, seen {} times since {}", EscapeForTerminal(host.name),
                    Join(words, ", "), host.looks, FormatRfc3339(host.since));
    const bool down =
        state.stage == StsStage::kEnforce && state.mode == RolloutMode::kAutomatic &&
        state.settings.step_down && !state.move.has_value() &&
        host.faults == std::vector<MxFault>{MxFault::kExpired} &&
        now - state.last_auto_down >= kBetweenStepsDown &&
        (state.status != RolloutStatus::kPaused || state.pause_reason == StsPause::kMx);
    if (!down) return PauseSts(state, now, StsPause::kMx, detail);
    StsStep step = ServeSts(state, now, StsStage::kTesting, StsMoveKind::kDown,
                            fmt::format("step down to testing: {}", detail));
    step.pause = StsPause::kMx;
    step.pause_detail = detail;
    step.alert = true;
    return step;
  }
  return std::nullopt;
}

std::optional<StsStep> OnStsFailures(const StsState& state, const StsEvidence& evidence,
                                     absl::Time now) {
  const StsFigures figures = MeasureSts(state, evidence, now);
  const StsSessions& recent = figures.recent;
  if (state.resume_time != absl::InfinitePast() &&
      DayOf(now) - DayOf(state.resume_time) <= kStsRecentDays) {
    return std::nullopt;  // days of before were shown to who resumed
  }
  const double least = LowerBound(recent.failed, recent.sessions, kLookConfidence);
  if (least <= state.settings.failure_share) return std::nullopt;
  const std::string type =
      figures.failures.empty() ? "not named" : figures.failures.front().result_type;
  return PauseSts(
      state, now, StsPause::kFailures,
      fmt::format("{} of {} sessions in {} days failed, by anchors' reports, most of "
                  "them: {}",
                  recent.failed, recent.sessions, kStsRecentDays, EscapeForTerminal(type)));
}

}  // namespace dmarcate
