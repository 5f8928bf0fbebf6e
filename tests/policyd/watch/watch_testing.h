// tests/policyd/watch/watch_testing.h
// Entries of a history, in few words.

#ifndef DMARCATE_TESTS_POLICYD_WATCH_WATCH_TESTING_H_
#define DMARCATE_TESTS_POLICYD_WATCH_WATCH_TESTING_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/observation_store.h"

namespace dmarcate::watch_testing {

inline const absl::Time kStart = absl::FromUnixSeconds(1'782'820'800);  // 2026-06-30 12:00
inline absl::Time At(int hours) { return kStart + absl::Hours(hours); }

// Seen from `first` to `last`, in hours after kStart, on the authoritative servers.
inline Observation Seen(std::vector<std::string> values, int first, int last) {
  Observation out;
  out.outcome = values.empty() ? ObservedOutcome::kNoData : ObservedOutcome::kRecords;
  out.values = std::move(values);
  out.ttl_seconds = 300;
  out.from_servers = true;
  out.dnssec = DnssecState::kInsecure;
  out.first_seen = At(first);
  out.last_seen = At(last);
  return out;
}
inline Observation Seen(std::vector<std::string> values, int at) {
  return Seen(std::move(values), at, at);
}
inline Observation Unknown(ObservedOutcome outcome, int first, int last) {
  Observation out;
  out.outcome = outcome;
  out.error = "why";
  out.first_seen = At(first);
  out.last_seen = At(last);
  return out;
}
inline Observation Unknown(ObservedOutcome outcome, int at) { return Unknown(outcome, at, at); }

}  // namespace dmarcate::watch_testing

#endif  // DMARCATE_TESTS_POLICYD_WATCH_WATCH_TESTING_H_
