#include "lib/store/fake_grouping_store.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {

absl::StatusOr<SourceGroupings> FakeGroupingStore::GetGroupings(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  const auto found = domains_.find(domain);
  if (found != domains_.end()) return found->second;
  SourceGroupings none;
  none.domain = std::string(domain);
  return none;
}

absl::StatusOr<SourceGroupings> FakeGroupingStore::PutGroupings(SourceGroupings groupings) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("groupings", {groupings.domain}));
  const auto found = domains_.find(groupings.domain);
  DMARCATE_RETURN_IF_ERROR(CheckRevision(
      fmt::format("groupings of {}", groupings.domain), groupings.revision,
      found == domains_.end() ? std::nullopt : std::optional(found->second.revision)));
  ++groupings.revision;
  domains_[groupings.domain] = groupings;
  return groupings;
}

}  // namespace dmarcate
