// tests/policyd/rollout/rollout_testing.h
// A domain on which everything is well, as values: tests break one thing at a time.

#ifndef DMARCATE_TESTS_POLICYD_ROLLOUT_ROLLOUT_TESTING_H_
#define DMARCATE_TESTS_POLICYD_ROLLOUT_ROLLOUT_TESTING_H_

#include <string>
#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "lib/base/time.h"
#include "policyd/rollout/evidence.h"
#include "policyd/rollout/next_step.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

inline constexpr absl::Time kBegin = absl::FromUnixSeconds(1'767'571'200);  // Monday 2026-01-05

// Noon of a day of the rollout, which begins on day 0.
inline absl::Time Noon(int day) { return kBegin + absl::Hours(24 * day + 12); }

inline std::string TextOf(PolicyStage stage) {
  const DmarcRecord base = ParseDmarc("v=DMARC1; p=none; rua=mailto:r@reports.test").value();
  return WithStage(base, PolicyScope::kDomain, stage).value().Render();
}

inline RolloutState HealthyState(PolicyStage stage = PolicyStage::kObserve) {
  RolloutState state;
  state.domain = "example.com";
  state.id = "r1";
  state.mode = RolloutMode::kAutomatic;
  state.stage = stage;
  state.target = PolicyStage::kReject;
  state.settings.ordinary_mailboxes = false;
  for (bool& day : state.settings.hours.days) day = true;
  state.create_time = state.stage_start = kBegin;
  return state;
}

// One line of what a source sends each day.
struct Traffic {
  std::string id = "exchange";
  SourceStanding standing = SourceStanding::kApproved;
  int64_t messages = 300, failing = 0, spf_only = 0, forwarded = 0;
  bool looks_legitimate = true;
};

// Shares of three anchors: 60, 30 and 10 of 100.
inline void AddDays(const Traffic& traffic, DayNumber first, DayNumber last,
                    SourceEvidence& source) {
  const int64_t parts[] = {60, 30, 10};
  for (DayNumber day = first; day <= last; ++day) {
    for (int32_t anchor = 0; anchor < 3; ++anchor) {
      SourceDay one;
      one.day = day;
      one.anchor = anchor;
      one.messages = traffic.messages * parts[anchor] / 100;
      one.forwarded = traffic.forwarded * parts[anchor] / 100;
      one.aligned = one.messages - one.forwarded - traffic.failing * parts[anchor] / 100;
      one.dkim_aligned = one.aligned - traffic.spf_only * parts[anchor] / 100;
      source.days.push_back(one);
    }
  }
}

inline SourceEvidence SourceOf(const Traffic& traffic, DayNumber first, DayNumber last) {
  SourceEvidence source;
  source.id = traffic.id;
  source.standing = traffic.standing;
  source.looks_legitimate = traffic.looks_legitimate;
  AddDays(traffic, first, last, source);
  return source;
}

// Reports up to the day before `now`, of 60 days at most, by three daily anchors.
inline Evidence HealthyEvidence(const RolloutState& state, absl::Time now,
                                const std::vector<Traffic>& traffic = {Traffic{}}) {
  Evidence evidence;
  evidence.domain = state.domain;
  evidence.decisions_etag = "e1";
  const DayNumber last = DayOf(now) - 1;
  const DayNumber first = last - 59;
  for (const char* id : {"google.com", "microsoft.com", "yahooinc.com"}) {
    AnchorEvidence anchor;
    anchor.id = id;
    for (DayNumber day = first; day <= last; ++day) anchor.days.push_back(day);
    anchor.usual_gap = 1;
    anchor.last_report = StartOfDay(last + 1) + absl::Hours(6);
    anchor.messages = 3000;
    anchor.policy_seen_since = std::min(last, DayOf(state.stage_start) + 1);
    evidence.anchors.push_back(std::move(anchor));
  }
  for (const Traffic& one : traffic) evidence.sources.push_back(SourceOf(one, first, last));
  evidence.records.looked = now;
  evidence.records.dmarc = {TextOf(state.stage)};
  return evidence;
}

inline const Gate& GateOf(const Step& step, GateId id) {
  return step.gates.at(static_cast<size_t>(id));
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_ROLLOUT_ROLLOUT_TESTING_H_
