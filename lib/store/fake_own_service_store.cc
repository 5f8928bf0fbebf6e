#include "lib/store/fake_own_service_store.h"

#include <optional>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {
namespace {

absl::Status NoSuchService(std::string_view id) {
  return MakeError(absl::StatusCode::kNotFound, fmt::format("mail service {}: no such record", id));
}

}  // namespace

absl::StatusOr<std::vector<OwnServiceRecord>> FakeOwnServiceStore::ListOwnServices() {
  const std::lock_guard lock(mutex_);
  std::vector<OwnServiceRecord> out;
  for (const auto& [id, service] : services_) out.push_back(service);
  return out;
}

absl::StatusOr<OwnServiceRecord> FakeOwnServiceStore::GetOwnService(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = services_.find(id);
  if (found == services_.end()) return NoSuchService(id);
  return found->second;
}

absl::StatusOr<OwnServiceRecord> FakeOwnServiceStore::PutOwnService(OwnServiceRecord record) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("mail service", {record.id}));
  const auto found = services_.find(record.id);
  DMARCATE_RETURN_IF_ERROR(CheckRevision(
      fmt::format("mail service {}", record.id), record.revision,
      found == services_.end() ? std::nullopt : std::optional(found->second.revision)));
  ++record.revision;
  services_[record.id] = record;
  return record;
}

absl::Status FakeOwnServiceStore::DeleteOwnService(std::string_view id, uint64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto found = services_.find(id);
  if (found == services_.end()) return NoSuchService(id);
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(fmt::format("mail service {}", id), revision, found->second.revision));
  services_.erase(found);
  return absl::OkStatus();
}

}  // namespace dmarcate
