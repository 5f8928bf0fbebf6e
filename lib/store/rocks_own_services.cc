// Services of one's own in the policy database.

#include <optional>
#include <utility>

#include "fmt/format.h"

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;
namespace pb = storage::v1;

constexpr int kFamily = 0;

absl::Status NoSuchService(std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("mail service {}: no such record", id));
}

// What is stored about a service, for a write in its place. One that does not decode can be
// removed and written anew.
std::optional<uint64_t> RevisionOf(std::string_view key, const std::string& value) {
  OwnServiceRecord record;
  if (DecodeRecord(key, value, &record).ok()) return record.revision;
  return std::nullopt;
}

}  // namespace

std::string EncodeRecord(std::string_view key, const OwnServiceRecord& record) {
  pb::OwnService out;
  out.set_revision(record.revision);
  out.set_id(record.id);
  out.set_text(record.text);
  out.set_create_time_us(ToStoredTime(record.create_time));
  out.set_update_time_us(ToStoredTime(record.update_time));
  out.set_updated_by(record.updated_by);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, OwnServiceRecord* record) {
  pb::OwnService in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->id = in.id();
  record->text = in.text();
  record->create_time = FromStoredTime(in.create_time_us());
  record->update_time = FromStoredTime(in.update_time_us());
  record->updated_by = in.updated_by();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<OwnServiceRecord>> RocksPolicyStore::ListOwnServices() {
  std::vector<OwnServiceRecord> out;
  const std::string all = keys::Tag(keys::kOwnServiceTag);
  DMARCATE_RETURN_IF_ERROR(db_->Scan(
      kFamily, all, KeyAfterPrefix(all), Direction::kForward,
      [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
        OwnServiceRecord record;
        if (const absl::Status decoded = DecodeRecord(key, value, &record); decoded.ok()) {
          out.push_back(std::move(record));
        } else {
          LogError("mail_service_unreadable", {{"error", decoded}});
        }
        return true;
      }));
  return out;
}

absl::StatusOr<OwnServiceRecord> RocksPolicyStore::GetOwnService(std::string_view id) {
  const std::string key = keys::OwnService(id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (!value) return NoSuchService(id);
  OwnServiceRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

absl::StatusOr<OwnServiceRecord> RocksPolicyStore::PutOwnService(OwnServiceRecord record) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("mail service", {record.id}));
  std::string key = keys::OwnService(record.id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, db_->Get(kFamily, key));
  DMARCATE_RETURN_IF_ERROR(CheckRevision(fmt::format("mail service {}", record.id), record.revision,
                                         stored ? RevisionOf(key, *stored) : std::nullopt));
  ++record.revision;
  std::string value = EncodeRecord(key, record);
  WriteSet changes(1);
  changes.Put(kFamily, std::move(key), std::move(value));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return record;
}

absl::Status RocksPolicyStore::DeleteOwnService(std::string_view id, uint64_t revision) {
  const std::lock_guard lock(put_mutex_);
  const std::string key = keys::OwnService(id);
  DMARCATE_ASSIGN_OR_RETURN(const auto stored, db_->Get(kFamily, key));
  if (!stored) return NoSuchService(id);
  if (const auto kept = RevisionOf(key, *stored)) {
    DMARCATE_RETURN_IF_ERROR(CheckRevision(fmt::format("mail service {}", id), revision, kept));
  }
  WriteSet changes(1);
  changes.Delete(kFamily, key);
  return Write(changes);
}

}  // namespace dmarcate
