// lib/store/fake_insight_store.h
// Insights in memory that keep the contract of insight_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_INSIGHT_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_INSIGHT_STORE_H_

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "lib/store/insight_store.h"

namespace dmarcate {

// Thread-safe.
class FakeInsightStore final : public InsightStore {
 public:
  // All further updates fail with `error` and write nothing, until it is OK again.
  void FailUpdates(absl::Status error);
  // What is kept of this domain's look cannot be read until it is written anew.
  void FailLook(const std::string& domain, absl::Status error);

  absl::StatusOr<std::vector<InsightRecord>> ListInsights(std::string_view domain) override;
  absl::StatusOr<InsightRecord> GetInsight(std::string_view domain, std::string_view id) override;
  absl::StatusOr<std::optional<InsightLookRecord>> GetInsightLook(std::string_view domain) override;
  absl::Status UpdateInsights(std::string_view domain, const InsightUpdate& update,
                              InsightSync sync) override;

 private:
  struct Kept {
    std::map<std::string, InsightRecord, std::less<>> insights;
    std::optional<InsightLookRecord> look;
    absl::Status look_error;
  };

  std::mutex mutex_;
  absl::Status update_error_;
  std::map<std::string, Kept, std::less<>> domains_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_INSIGHT_STORE_H_
