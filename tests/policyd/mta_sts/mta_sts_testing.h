// tests/policyd/mta_sts/mta_sts_testing.h
// A domain on whose MTA-STS ladder everything is well, as values: tests break one thing at a time.

#ifndef DMARCATE_TESTS_POLICYD_MTA_STS_MTA_STS_TESTING_H_
#define DMARCATE_TESTS_POLICYD_MTA_STS_MTA_STS_TESTING_H_

#include <string>
#include <utility>

#include "lib/base/time.h"
#include "policyd/mta_sts/evidence.h"
#include "policyd/mta_sts/next_step.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

inline constexpr absl::Time kBegin = absl::FromUnixSeconds(1'767'571'200);  // Monday 2026-01-05

// Noon of a day of the ladder, whose stage begins on day 0.
inline absl::Time Noon(int day) { return kBegin + absl::Hours(24 * day + 12); }

inline StsSettings HealthyStsSettings() {
  StsSettings settings;
  settings.mx = {"mx1.example.com", "mx2.example.com"};
  for (bool& day : settings.hours.days) day = true;
  return settings;
}

// At `stage`, as if its file had been published as the first.
inline StsState HealthySts(StsStage stage) {
  StsState state;
  state.domain = "example.com";
  state.id = "s1";
  state.mode = RolloutMode::kAutomatic;
  state.settings = HealthyStsSettings();
  state.stage = stage;
  state.create_time = state.stage_start = kBegin;
  state.file = WantedStsFile(state.settings, stage);
  if (stage != StsStage::kOff) {
    state.serial = 1;
    state.record_id = StsId(state.file, 1);
  }
  return state;
}

struct StsTraffic {
  int64_t sessions = 100;  // of each of three reporters, each day
  int64_t failed = 0;
};

// Reports of each day since the stage began, up to the day before `now`.
inline StsEvidence HealthyStsEvidence(const StsState& state, absl::Time now,
                                      const StsTraffic& traffic = {}) {
  StsEvidence evidence;
  evidence.domain = state.domain;
  for (const char* id : {"google.com", "microsoft.com", "yahooinc.com"}) {
    StsReporter reporter{id, {}};
    for (DayNumber day = DayOf(state.stage_start); day < DayOf(now); ++day) {
      reporter.days.push_back({day, traffic.sessions, traffic.failed});
    }
    evidence.reporters.push_back(std::move(reporter));
  }
  evidence.mx.looked = now;
  for (const std::string& host : state.settings.mx) {
    MxHost mx;
    mx.name = host;
    mx.since = kBegin;
    mx.looks = 10;
    evidence.mx.hosts.push_back(std::move(mx));
  }
  const std::string served = state.move.has_value() ? state.move->file : state.file;
  evidence.file.looked = now;
  evidence.file.sight = served.empty() ? FileSight::kMissing : FileSight::kServed;
  evidence.file.body = served;
  evidence.file.since = kBegin;
  evidence.file.looks = 10;
  if (served.empty()) evidence.file.detail = "mta-sts.example.com has no address";
  evidence.records.looked = now;
  if (!state.record_id.empty()) evidence.records.mta_sts = {StsRecordText(state.record_id)};
  evidence.records.tls_rpt = {"v=TLSRPTv1; rua=mailto:tls@reports.test"};
  return evidence;
}

inline const StsGate& GateOf(const StsStep& step, StsGateId id) {
  return step.gates.at(static_cast<size_t>(id));
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_MTA_STS_MTA_STS_TESTING_H_
