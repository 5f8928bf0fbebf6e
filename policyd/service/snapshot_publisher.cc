#include "policyd/service/snapshot_publisher.h"

#include <sys/types.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/snapshot/snapshot.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr mode_t kMode = 0640;  // for the group of the directory, ingestd's

Snapshot SnapshotOf(const std::vector<DomainRecord>& domains) {
  Snapshot out;
  for (const DomainRecord& domain : domains) {
    out.domains.push_back(domain.name);
    for (const ReportAddressRecord& address : domain.report_addresses) {
      if (!address.revoked()) out.addresses.push_back({address.address, domain.name});
    }
  }
  return out;
}

// Temporary files of a policyd that was killed before it could rename them. There is one policyd
// at a time, which holds the lock of its store.
void RemoveLeftovers(const std::string& file) {
  const std::filesystem::path path(file);
  const std::string prefix = path.filename().string() + ".";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".tmp")) {
      std::filesystem::remove(entry.path(), error);
    }
  }
}

}  // namespace

SnapshotPublisher::SnapshotPublisher(PolicyStore& policies, std::string file)
    : policies_(policies), file_(std::move(file)) {}

absl::Status SnapshotPublisher::Write() {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> domains, AllDomains(policies_));
  Snapshot snapshot = SnapshotOf(domains);
  std::set<std::string, std::less<>> addresses;
  for (const Snapshot::Address& address : snapshot.addresses) addresses.insert(address.address);
  const size_t managed = snapshot.domains.size();
  const std::string text = RenderSnapshot(std::move(snapshot));
  if (text.size() > kSnapshotLimitBytes) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("{}: {} addresses take {} bytes, over the limit of {}", file_,
                                 addresses.size(), text.size(), kSnapshotLimitBytes));
  }
  const absl::StatusOr<std::string> there = ReadFile(file_, kSnapshotLimitBytes);
  if (!there.ok() || *there != text) {
    DMARCATE_RETURN_IF_ERROR(WriteFileAtomically(file_, text, kMode));
    LogInfo("snapshot_published",
            {{"file", file_}, {"domains", managed}, {"addresses", addresses.size()}});
  }
  const std::lock_guard lock(mutex_);
  addresses_ = std::move(addresses);
  return absl::OkStatus();
}

absl::Status SnapshotPublisher::Publish() {
  if (file_.empty()) return absl::OkStatus();
  const std::lock_guard publishing(publishing_);
  if (!std::exchange(begun_, true)) RemoveLeftovers(file_);
  const absl::Status written = Write();
  const std::string failure = written.ok() ? "" : written.ToString();
  if (std::exchange(failure_, failure) != failure && !written.ok()) {
    LogError("snapshot_unpublished", {{"error", written}});
  }
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = std::exchange(up_to_date_, written.ok()) != written.ok();
  }
  if (changed && on_change_) on_change_(written.ok());
  return written;
}

void SnapshotPublisher::CallOnChange(std::function<void(bool)> call) {
  const std::lock_guard publishing(publishing_);
  on_change_ = std::move(call);
  on_change_(up_to_date_);
}

bool SnapshotPublisher::Takes(std::string_view address) const {
  const std::lock_guard lock(mutex_);
  return addresses_.contains(address);
}

}  // namespace dmarcate
