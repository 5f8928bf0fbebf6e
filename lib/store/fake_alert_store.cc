#include "lib/store/fake_alert_store.h"

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {

void FakeAlertStore::FailUpdates(absl::Status error) {
  const std::lock_guard lock(mutex_);
  update_error_ = std::move(error);
}

absl::StatusOr<std::vector<AlertChannelRecord>> FakeAlertStore::ListAlertChannels() {
  const std::lock_guard lock(mutex_);
  std::vector<AlertChannelRecord> out;
  for (const auto& [id, channel] : channels_) out.push_back(channel);
  return out;
}

absl::StatusOr<AlertChannelRecord> FakeAlertStore::GetAlertChannel(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(id);
  if (found != channels_.end()) return found->second;
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("alert channel {}: no such record", id));
}

absl::StatusOr<AlertChannelRecord> FakeAlertStore::PutAlertChannel(AlertChannelRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("alert channel", {record.id}));
  const auto found = channels_.find(record.id);
  DMARCATE_RETURN_IF_ERROR(CheckRevision(
      fmt::format("alert channel {}", record.id), record.revision,
      found == channels_.end() ? std::nullopt : std::optional(found->second.revision)));
  ++record.revision;
  channels_[record.id] = record;
  return record;
}

absl::Status FakeAlertStore::DeleteAlertChannel(std::string_view id, uint64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(id);
  if (found == channels_.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("alert channel {}: no such record", id));
  }
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(fmt::format("alert channel {}", id), revision, found->second.revision));
  channels_.erase(found);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DeliveryRecord>> FakeAlertStore::ListDeliveries(
    const std::optional<std::pair<absl::Time, std::string>>& before, size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<DeliveryRecord> out;
  auto end = before ? deliveries_.lower_bound(*before) : deliveries_.end();
  while (end != deliveries_.begin() && out.size() < limit) out.push_back((--end)->second);
  return out;
}

absl::StatusOr<std::vector<ToldRecord>> FakeAlertStore::ListTold() {
  const std::lock_guard lock(mutex_);
  std::vector<ToldRecord> out;
  for (const auto& [key, told] : told_) out.push_back(told);
  return out;
}

absl::StatusOr<std::optional<absl::Time>> FakeAlertStore::LastDigest() {
  const std::lock_guard lock(mutex_);
  return digest_;
}

absl::Status FakeAlertStore::UpdateAlerts(const AlertUpdate& update) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(update_error_);
  for (const DeliveryRecord& delivery : update.put) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("delivery", {delivery.id}));
  }
  for (const ToldRecord& told : update.told) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("told", {told.domain, told.insight}));
  }
  for (const DeliveryRecord& delivery : update.forget) {
    deliveries_.erase({delivery.create_time, delivery.id});
  }
  for (const DeliveryRecord& delivery : update.put) {
    deliveries_[{delivery.create_time, delivery.id}] = delivery;
  }
  for (const auto& key : update.forget_told) told_.erase(key);
  for (const ToldRecord& told : update.told) told_[{told.domain, told.insight}] = told;
  if (update.digest) digest_ = update.digest;
  return absl::OkStatus();
}

}  // namespace dmarcate
