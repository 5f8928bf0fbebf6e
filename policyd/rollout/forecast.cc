#include "policyd/rollout/forecast.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "policyd/rollout/figures.h"
#include "policyd/rollout/next_step.h"

namespace dmarcate {
namespace {

constexpr char kSomebody[] = "(supposed)", kAnother[] = "(supposed, too)";

// The evidence of a later day, made of that of `now`.
class Projection {
 public:
  Projection(const Evidence& evidence, absl::Time now, int32_t traffic_days)
      : evidence_(evidence), now_(now), today_(DayOf(now)), cycle_(traffic_days) {
    for (const AnchorEvidence& anchor : evidence.anchors) {
      anchor_days_.emplace_back(anchor.days.begin(), anchor.days.end());
    }
    evidence_.breakages = evidence.breakages;
  }

  // `stage_start`: when the stage of `record` was published; before `now_`: it is the one that is
  // live.
  Evidence At(absl::Time when, const std::string& record, absl::Time stage_start) {
    Grow(DayOf(when));
    Evidence out = evidence_;
    out.records.looked = when;
    if (!record.empty()) out.records.dmarc = {record};
    if (when > now_) out.control.open_change.clear();
    if (DayOf(when) > today_) out.ingest.queued = 0;
    // A gap leaves the window with the days that it lies in.
    if (when - now_ > absl::Hours(24 * kGateWindowDays)) {
      out.ingest.longest_gap = std::min(out.ingest.longest_gap, absl::Hours(24));
    }
    for (AnchorEvidence& anchor : out.anchors) See(stage_start, anchor);
    return out;
  }
  void Exclude(DayNumber day) {
    evidence_.excluded_days.push_back(day);
    std::ranges::sort(evidence_.excluded_days);
  }

 private:
  // The day of the past that `day` is like.
  DayNumber Like(DayNumber day) const { return today_ - cycle_ + (day - today_) % cycle_; }

  // Adds the days that are over before `day`.
  void Grow(DayNumber day) {
    for (; grown_ + today_ < day; ++grown_) {
      const DayNumber add = today_ + grown_;
      const DayNumber like = Like(add);
      for (SourceEvidence& source : evidence_.sources) {
        std::vector<SourceDay> more;
        // What came in of today already is part of the day that is like it.
        std::erase_if(source.days, [add](const SourceDay& one) { return one.day == add; });
        for (const SourceDay& one : source.days) {
          if (one.day != like) continue;
          more.push_back(one);
          more.back().day = add;
        }
        std::ranges::move(more, std::back_inserter(source.days));
      }
      for (size_t i = 0; i < evidence_.anchors.size(); ++i) {
        if (!anchor_days_[i].contains(like)) continue;
        AnchorEvidence& anchor = evidence_.anchors[i];
        anchor_days_[i].insert(add);
        anchor.days.assign(anchor_days_[i].begin(), anchor_days_[i].end());
        anchor.last_report = std::max(anchor.last_report, StartOfDay(add + 1));
      }
    }
  }

  // An anchor has seen a stage in its first report of a whole day of it.
  void See(absl::Time stage_start, AnchorEvidence& anchor) const {
    const bool live = stage_start <= now_;
    if (live && anchor.policy_seen_since.has_value()) return;
    const DayNumber from = live ? today_ : DayOf(stage_start) + 1;
    const auto first = std::ranges::lower_bound(anchor.days, from);
    anchor.policy_seen_since.reset();
    if (first != anchor.days.end()) anchor.policy_seen_since = *first;
  }

  Evidence evidence_;
  const absl::Time now_;
  const DayNumber today_;
  const int32_t cycle_;
  std::vector<std::set<DayNumber>> anchor_days_;
  int32_t grown_ = 0;  // days added
};

// When somebody would look on that day: in working hours, if there are any on it.
absl::Time LookOn(DayNumber day, const WorkingHours& hours) {
  const int32_t minute = std::clamp(10 * 60, hours.from_minute, hours.to_minute - 1);
  return StartOfDay(day) + absl::Minutes(minute - hours.utc_offset_minutes);
}

void NoteGates(const std::vector<Gate>& gates, DayNumber day, bool first, ForecastStage& stage) {
  for (const Gate& gate : gates) {
    if (gate.holds || gate.id == GateId::kBlastRadius) continue;
    auto known = std::ranges::find(stage.waits, gate.id, &ForecastGate::id);
    if (known == stage.waits.end()) {
      if (!first && gate.id == GateId::kWindow) continue;  // every weekend
      known = stage.waits.insert(stage.waits.end(),
                                 {gate.id, gate.name, gate.measured, gate.required, {}});
    }
    known->closed_until = day;
  }
}

std::string TellGate(const ForecastGate& gate) {
  const std::string until = gate.closed_until.has_value()
                                ? fmt::format("until {}", FormatDay(*gate.closed_until))
                                : std::string("to the end");
  return fmt::format("    {} {}: {}: {}; wanted: {}\n", ToString(gate.id), gate.name, until,
                     EscapeForTerminal(gate.measured), gate.required);
}

}  // namespace

Forecast ForecastRollout(RolloutState state, const Evidence& evidence, absl::Time now,
                         const ForecastOptions& options) {
  Forecast out;
  out.end = now;
  out.stages.push_back({state.stage, state.stage_start, false, {}, {}});
  // Where two people are wanted, they are in mode automatic as well.
  if (state.mode == RolloutMode::kAdvise || evidence.rules.two_people) {
    state.mode = RolloutMode::kConfirm;
  }
  const std::optional<DmarcRecord> live = LiveRecord(evidence);
  std::string record = live.has_value() ? live->Render() : std::string();
  Projection projection(evidence, now,
                        std::clamp(options.traffic_days, kLeastTrafficDays, kMostTrafficDays));
  const int32_t days = std::clamp(options.days, 1, kMostForecastDays);
  bool first = true;  // look at this stage
  for (int32_t i = 0; i <= days; ++i) {
    const absl::Time when =
        i == 0 ? now : std::max(now, LookOn(DayOf(now) + i, state.settings.hours));
    const Evidence then = projection.At(when, record, state.stage_start);
    state.confirmation.reset();
    Step step = NextStep(state, then, when);
    const bool by_person = step.action == StepAction::kReady;
    if (by_person) {
      state.confirmation =
          Confirmation{kSomebody, when, step.to, then.decisions_etag, 0, kAnother, when};
      step = NextStep(state, then, when);
    }
    out.reason = step.reason;
    out.end = when;
    NoteGates(step.gates, DayOf(when), first, out.stages.back());
    first = false;
    state = AfterDecision(std::move(state), step, when);
    if (step.action == StepAction::kComplete || state.status == RolloutStatus::kCompleted) {
      out.reached = true;
      break;
    }
    if (state.status != RolloutStatus::kActive || step.action == StepAction::kAbort) break;
    if (step.action != StepAction::kStepUp) continue;
    const std::optional<DmarcRecord> before = LiveRecord(then);
    const absl::StatusOr<DmarcRecord> after =
        before.has_value() ? WithStage(*before, state.scope, step.to)
                           : absl::StatusOr<DmarcRecord>(absl::NotFoundError("no record"));
    if (!after.ok()) {
      out.reason = std::string(after.status().message());
      break;
    }
    record = after->Render();
    projection.Exclude(DayOf(when));
    state = AfterPublished(std::move(state), step, when);
    out.stages.push_back({step.to, when, by_person, {}, step.impact});
    first = true;
  }
  if (!out.reached) {
    // What was closed on the last day did not open.
    for (ForecastGate& gate : out.stages.back().waits) {
      if (gate.closed_until == DayOf(out.end)) gate.closed_until.reset();
    }
  }
  return out;
}

std::vector<std::string> ForecastAssumptions(const ForecastOptions& options) {
  return {
      fmt::format("the mail of the last {} days comes again, reported by the same anchors",
                  std::clamp(options.traffic_days, kLeastTrafficDays, kMostTrafficDays)),
      "receivers show a new stage in their reports from the day after it was published",
      "records, approvals and settings stay as they are; what waits is read",
      "a person says yes on the day on which it is asked for; nobody signs a loss without proof"};
}

std::string TellForecast(const RolloutState& state, const Forecast& forecast,
                         const ForecastOptions& options) {
  std::string text =
      fmt::format("{} ({}): what would follow, if\n", state.domain, ToString(state.scope));
  for (const std::string& assumption : ForecastAssumptions(options)) {
    text += fmt::format("  - {}\n", assumption);
  }
  for (size_t i = 0; i < forecast.stages.size(); ++i) {
    const ForecastStage& stage = forecast.stages[i];
    text += fmt::format("{}  {:<16}{}\n", FormatDay(DayOf(stage.since)), ToString(stage.stage),
                        i == 0            ? "where it stands"
                        : stage.by_person ? "with a person's yes"
                                          : "");
    if (stage.impact.has_value()) {
      const PolicyImpact& impact = *stage.impact;
      text += fmt::format("    touches {} of {} messages in 30 days, {} of {} wanted ones\n",
                          IsTestStage(stage.stage) ? 0 : impact.touched, impact.messages,
                          IsTestStage(stage.stage) ? 0 : impact.wanted_touched, impact.wanted);
    }
    for (const ForecastGate& gate : stage.waits) text += TellGate(gate);
  }
  text += forecast.reached
              ? fmt::format("{}  the target {} is reached\n", FormatDay(DayOf(forecast.end)),
                            ToString(state.target))
              : fmt::format("{}  {} is not reached by then: {}\n", FormatDay(DayOf(forecast.end)),
                            ToString(state.target), EscapeForTerminal(forecast.reason));
  return text;
}

}  // namespace dmarcate
