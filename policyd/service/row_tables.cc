#include "policyd/service/row_tables.h"

#include <utility>
#include <vector>

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::StatusOr<bool> RowTables::Use(const Call& call, const RowStore& store,
                                    std::string_view domain, const DayRange& range,
                                    const RowAttribution& attribution,
                                    const std::function<void(const RowDays&)>& use) {
  const std::shared_ptr<RowDomain> kept = Find(domain);
  bool refreshed = false;
  const absl::StatusOr<bool> used =
      kept->Use(call, store, former_version_, range, attribution, use, &refreshed);
  if (refreshed) Account(domain, kept);
  return used;
}

void RowTables::Freshen(
    const Call& call, const RowStore& store,
    const std::function<absl::StatusOr<RowAttribution>(std::string_view domain)>& attribution_of) {
  std::vector<std::pair<std::string, std::shared_ptr<RowDomain>>> wanted;
  {
    const std::lock_guard lock(mutex_);
    ++freshened_;
    for (const Entry& entry : entries_) {
      if (freshened_ - entry.asked > kFreshenedFor || wanted.size() == kMaxFreshened) break;
      wanted.emplace_back(entry.name, entry.domain);
    }
    former_version_ = std::exchange(last_version_, store.reader.version());
  }
  for (const auto& [name, domain] : wanted) {
    const absl::StatusOr<RowAttribution> attribution = attribution_of(name);
    if (!attribution.ok() || !domain->Freshen(call, store, *attribution).ok()) continue;
    Account(name, domain);
  }
  former_version_ = 0;
}

std::shared_ptr<RowDomain> RowTables::Find(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(domain); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    found->second->asked = freshened_;
    return found->second->domain;
  }
  std::string name(domain);
  auto made = std::make_shared<RowDomain>(name, workshop_);
  entries_.push_front({.name = name, .domain = std::move(made), .asked = freshened_});
  index_.emplace(std::move(name), entries_.begin());
  return entries_.front().domain;
}

void RowTables::Account(std::string_view name, const std::shared_ptr<RowDomain>& domain) {
  size_t bytes = domain->MemoryBytes();
  if (bytes > limit_bytes_) {
    domain->Clear();
    bytes = 0;
  }
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(name);
  if (found == index_.end() || found->second->domain != domain) return;  // evicted meanwhile
  bytes_ += bytes - found->second->bytes;
  found->second->bytes = bytes;
  // Who uses an evicted one holds it until then.
  while (bytes_ > limit_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    index_.erase(entries_.back().name);
    entries_.pop_back();
  }
}

size_t RowTables::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace dmarcate
