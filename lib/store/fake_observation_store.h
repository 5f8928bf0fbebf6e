// lib/store/fake_observation_store.h
// A history of records in memory that keeps the contract of observation_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_OBSERVATION_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_OBSERVATION_STORE_H_

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "lib/store/observation_store.h"

namespace dmarcate {

// Thread-safe.
class FakeObservationStore final : public ObservationStore {
 public:
  // All further updates fail with `error` and write nothing, until it is OK again.
  void FailUpdates(absl::Status error);
  // From now on this history cannot be read.
  void FailHistory(const ObservedName& name, absl::Status error);

  absl::StatusOr<std::vector<ObservedName>> ListObserved(std::string_view domain) override;
  absl::StatusOr<std::vector<Observation>> GetHistory(std::string_view domain,
                                                      const ObservedName& name) override;
  absl::Status UpdateHistory(std::string_view domain, const ObservedName& name,
                             const HistoryUpdate& update) override;

 private:
  using History = std::map<absl::Time, Observation, std::greater<>>;

  std::mutex mutex_;
  absl::Status update_error_;
  std::map<ObservedName, absl::Status> history_errors_;
  std::map<std::string, std::map<ObservedName, History>, std::less<>> domains_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_OBSERVATION_STORE_H_
