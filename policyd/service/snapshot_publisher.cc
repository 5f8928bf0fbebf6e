#include "policyd/service/snapshot_publisher.h"

#include <sys/stat.h>
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

std::set<std::string, std::less<>> AddressesOf(const Snapshot& snapshot) {
  std::set<std::string, std::less<>> out;
  for (const Snapshot::Address& address : snapshot.addresses) out.insert(address.address);
  return out;
}

// Whether ingestd, which is in the group of the directory, may read it. Where the directory does
// not hand its group on, writing the file anew would not help.
bool IsForItsGroup(const std::string& file) {
  struct stat info = {};
  struct stat directory = {};
  if (stat(file.c_str(), &info) != 0 ||
      stat(std::filesystem::path(file).parent_path().c_str(), &directory) != 0) {
    return false;
  }
  return (info.st_mode & 07777) == kMode &&
         ((directory.st_mode & S_ISGID) == 0 || info.st_gid == directory.st_gid);
}

// Temporary files of a policyd that was killed before it could rename them. There is one policyd
// at a time, which holds the lock of its store.
void RemoveLeftovers(const std::string& file) {
  const std::filesystem::path path(file);
  const std::string prefix = path.filename().string() + ".";
  std::error_code error;
  std::filesystem::directory_iterator entry(path.parent_path(), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    std::error_code ignored;
    std::filesystem::remove(entry->path(), ignored);
  }
}

}  // namespace

SnapshotPublisher::SnapshotPublisher(PolicyStore& policies, RemovalStore& removals,
                                     std::string file)
    : policies_(policies), removals_(removals), file_(std::move(file)) {}

absl::Status SnapshotPublisher::Write() {
  const absl::StatusOr<std::string> there = ReadFile(file_, kSnapshotLimitBytes);
  const absl::StatusOr<std::vector<DomainRecord>> domains = AllDomains(policies_);
  absl::Status written = domains.status();
  if (written.ok()) written = Replace(*domains, there);
  if (written.ok()) return written;
  const absl::StatusOr<Snapshot> seen = there.ok() ? ParseSnapshot(*there) : there.status();
  const std::lock_guard lock(mutex_);
  addresses_.reset();
  if (seen.ok()) addresses_ = AddressesOf(*seen);
  return written;
}

// An empty store where the disk is not mounted, or one restored from a back-up, would take back
// addresses that are in the DNS, and ingestd would refuse their reports for good. What was removed
// is known.
absl::Status SnapshotPublisher::CheckKnown(std::string_view there,
                                           const std::vector<DomainRecord>& domains) const {
  const absl::StatusOr<Snapshot> seen = ParseSnapshot(there);
  if (!seen.ok()) return absl::OkStatus();  // nobody goes by it
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<RemovalRecord> removals,
                            removals_.ListRemovals(RemovedKind::kDomain));
  std::set<std::string_view> known;
  const auto add = [&known](std::string_view name,
                            const std::vector<ReportAddressRecord>& addresses) {
    known.insert(name);
    for (const ReportAddressRecord& address : addresses) known.insert(address.address);
  };
  for (const DomainRecord& domain : domains) add(domain.name, domain.report_addresses);
  for (const RemovalRecord& removal : removals) add(removal.id, removal.report_addresses);
  const auto unknown = [&](std::string_view what, std::string_view name) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("{}: it has the {} {}, which this store has never known: another "
                                 "store made it, or this one has lost something. The file stays as "
                                 "it is. If the store is right, remove the file",
                                 file_, what, name));
  };
  for (const std::string& domain : seen->domains) {
    if (!known.contains(domain)) return unknown("domain", domain);
  }
  for (const Snapshot::Address& address : seen->addresses) {
    if (!known.contains(address.address)) return unknown("address", address.address);
  }
  return absl::OkStatus();
}

absl::Status SnapshotPublisher::Replace(const std::vector<DomainRecord>& domains,
                                        const absl::StatusOr<std::string>& there) {
  Snapshot snapshot = SnapshotOf(domains);
  auto addresses = AddressesOf(snapshot);
  const size_t managed = snapshot.domains.size();
  const std::string text = RenderSnapshot(std::move(snapshot));
  if (text.size() > kSnapshotLimitBytes) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("{}: {} addresses take {} bytes, over the limit of {}", file_,
                                 addresses.size(), text.size(), kSnapshotLimitBytes));
  }
  if (there.ok() && *there != text) DMARCATE_RETURN_IF_ERROR(CheckKnown(*there, domains));
  if (!there.ok() || *there != text || !IsForItsGroup(file_)) {
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

bool SnapshotPublisher::Says(std::string_view address, bool taken) const {
  const std::lock_guard lock(mutex_);
  return addresses_.has_value() && addresses_->contains(address) == taken;
}

}  // namespace dmarcate
