#include "lib/store/fake_observation_store.h"

#include <utility>

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {

void FakeObservationStore::FailUpdates(absl::Status error) {
  const std::lock_guard lock(mutex_);
  update_error_ = std::move(error);
}

void FakeObservationStore::FailHistory(const ObservedName& name, absl::Status error) {
  const std::lock_guard lock(mutex_);
  history_errors_[name] = std::move(error);
}

absl::StatusOr<std::vector<ObservedName>> FakeObservationStore::ListObserved(
    std::string_view domain) {
  const std::lock_guard lock(mutex_);
  std::vector<ObservedName> out;
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return out;
  for (const auto& [name, history] : found->second) out.push_back(name);
  return out;
}

absl::StatusOr<std::vector<Observation>> FakeObservationStore::GetHistory(
    std::string_view domain, const ObservedName& name) {
  const std::lock_guard lock(mutex_);
  if (const auto error = history_errors_.find(name); error != history_errors_.end()) {
    return error->second;
  }
  std::vector<Observation> out;
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return out;
  const auto history = found->second.find(name);
  if (history == found->second.end()) return out;
  for (const auto& [time, observation] : history->second) out.push_back(observation);
  return out;
}

absl::Status FakeObservationStore::UpdateHistory(std::string_view domain, const ObservedName& name,
                                                 const HistoryUpdate& update) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(update_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("observation", {domain, name.owner}));
  auto& names = domains_[std::string(domain)];
  History& history = names[name];
  for (const absl::Time time : update.forget) history.erase(time);
  for (const Observation& observation : update.put) history[observation.first_seen] = observation;
  if (history.empty()) names.erase(name);
  return absl::OkStatus();
}

}  // namespace dmarcate
