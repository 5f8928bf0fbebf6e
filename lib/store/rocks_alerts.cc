// Alerts in the policy database.

#include <cstdint>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_readable.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;

constexpr int kFamily = 0;
// One value that does not decode costs itself only: nobody may be left untold of the rest.
constexpr std::string_view kUnreadable = "alert_record_unreadable";

absl::StatusOr<std::optional<AlertChannelRecord>> Find(const RocksDb& db, const std::string& key) {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db.Get(kFamily, key));
  if (!value) return std::nullopt;
  AlertChannelRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

absl::Status NoSuchChannel(std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("alert channel {}: no such record", id));
}

}  // namespace

absl::StatusOr<std::vector<AlertChannelRecord>> RocksPolicyStore::ListAlertChannels() {
  const std::string all = keys::Tag(keys::kAlertChannelTag);
  return ListReadable<AlertChannelRecord>(*db_, kFamily, kUnreadable, all, KeyAfterPrefix(all),
                                          Direction::kForward, SIZE_MAX);
}

absl::StatusOr<AlertChannelRecord> RocksPolicyStore::GetAlertChannel(std::string_view id) {
  DMARCATE_ASSIGN_OR_RETURN(auto record, Find(*db_, keys::AlertChannel(id)));
  if (!record) return NoSuchChannel(id);
  return *std::move(record);
}

absl::StatusOr<AlertChannelRecord> RocksPolicyStore::PutAlertChannel(AlertChannelRecord record) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("alert channel", {record.id}));
  std::string key = keys::AlertChannel(record.id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find(*db_, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(fmt::format("alert channel {}", record.id),
                                         record.revision,
                                         stored ? std::optional(stored->revision) : std::nullopt));
  ++record.revision;
  WriteSet changes(1);
  std::string value = EncodeRecord(key, record);
  changes.Put(kFamily, std::move(key), std::move(value));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::Status RocksPolicyStore::DeleteAlertChannel(std::string_view id, uint64_t revision) {
  const std::lock_guard lock(put_mutex_);
  const std::string key = keys::AlertChannel(id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, Find(*db_, key));
  if (!stored) return NoSuchChannel(id);
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(fmt::format("alert channel {}", id), revision, stored->revision));
  WriteSet changes(1);
  changes.Delete(kFamily, key);
  return Write(changes);
}

absl::StatusOr<std::vector<DeliveryRecord>> RocksPolicyStore::ListDeliveries(
    const std::optional<std::pair<absl::Time, std::string>>& before, size_t limit) {
  const std::string all = keys::Tag(keys::kDeliveryTag);
  const std::string to =
      before ? keys::Delivery(before->first, before->second) : KeyAfterPrefix(all);
  return ListReadable<DeliveryRecord>(*db_, kFamily, kUnreadable, all, to, Direction::kBackward,
                                      limit);
}

absl::StatusOr<std::vector<ToldRecord>> RocksPolicyStore::ListTold() {
  const std::string all = keys::Tag(keys::kToldTag);
  return ListReadable<ToldRecord>(*db_, kFamily, kUnreadable, all, KeyAfterPrefix(all),
                                  Direction::kForward, SIZE_MAX);
}

absl::StatusOr<std::optional<absl::Time>> RocksPolicyStore::LastDigest() {
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, keys::kDigest));
  if (!value) return std::nullopt;
  DMARCATE_ASSIGN_OR_RETURN(const absl::Time time, DecodeDigestTime(keys::kDigest, *value));
  return std::optional(time);
}

absl::Status RocksPolicyStore::UpdateAlerts(const AlertUpdate& update) {
  if (update.empty()) return absl::OkStatus();
  WriteSet changes(1);
  for (const DeliveryRecord& delivery : update.forget) {
    changes.Delete(kFamily, keys::Delivery(delivery.create_time, delivery.id));
  }
  for (const DeliveryRecord& delivery : update.put) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("delivery", {delivery.id}));
    std::string key = keys::Delivery(delivery.create_time, delivery.id);
    std::string value = EncodeRecord(key, delivery);
    changes.Put(kFamily, std::move(key), std::move(value));
  }
  for (const auto& [domain, insight] : update.forget_told) {
    changes.Delete(kFamily, keys::Told(domain, insight));
  }
  for (const ToldRecord& told : update.told) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("told", {told.domain, told.insight}));
    std::string key = keys::Told(told.domain, told.insight);
    std::string value = EncodeRecord(key, told);
    changes.Put(kFamily, std::move(key), std::move(value));
  }
  if (update.digest) {
    changes.Put(kFamily, std::string(keys::kDigest),
                EncodeDigestTime(keys::kDigest, *update.digest));
  }
  return Write(changes);
}

}  // namespace dmarcate
