// Groupings in memory that keep the contract of grouping_store.h; for tests.

#ifndef DMARCATE_LIB_STORE_FAKE_GROUPING_STORE_H_
#define DMARCATE_LIB_STORE_FAKE_GROUPING_STORE_H_

#include <map>
#include <mutex>
#include <string>

#include "lib/store/grouping_store.h"

namespace dmarcate {

// Thread-safe.
class FakeGroupingStore final : public GroupingStore {
 public:
  absl::StatusOr<SourceGroupings> GetGroupings(std::string_view domain) override;
  absl::StatusOr<SourceGroupings> PutGroupings(SourceGroupings groupings) override;

 private:
  std::mutex mutex_;
  std::map<std::string, SourceGroupings, std::less<>> domains_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_GROUPING_STORE_H_
