// Alerts in memory that keep the contract of alert_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_ALERT_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_ALERT_STORE_H_

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "lib/store/alert_store.h"

namespace dmarcate {

// Thread-safe.
class FakeAlertStore final : public AlertStore {
 public:
  // All further updates fail with `error` and write nothing, until it is OK again.
  void FailUpdates(absl::Status error);

  absl::StatusOr<std::vector<AlertChannelRecord>> ListAlertChannels() override;
  absl::StatusOr<AlertChannelRecord> GetAlertChannel(std::string_view id) override;
  absl::StatusOr<AlertChannelRecord> PutAlertChannel(AlertChannelRecord record) override;
  absl::Status DeleteAlertChannel(std::string_view id, uint64_t revision) override;
  absl::StatusOr<std::vector<DeliveryRecord>> ListDeliveries(
      const std::optional<std::pair<absl::Time, std::string>>& before, size_t limit) override;
  absl::StatusOr<std::vector<ToldRecord>> ListTold() override;
  absl::StatusOr<std::optional<absl::Time>> LastDigest() override;
  absl::Status UpdateAlerts(const AlertUpdate& update) override;

 private:
  std::mutex mutex_;
  absl::Status update_error_;
  std::map<std::string, AlertChannelRecord, std::less<>> channels_;
  std::map<std::pair<absl::Time, std::string>, DeliveryRecord> deliveries_;
  std::map<std::pair<std::string, std::string>, ToldRecord> told_;
  std::optional<absl::Time> digest_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_ALERT_STORE_H_
