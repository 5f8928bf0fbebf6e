// What the methods of SourceService do that merge and split sources.

#ifndef DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_
#define DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_

#include "absl/status/status.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/store/grouping_store.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// Thread-safe. source.proto says what each method promises.
class GroupingDesk {
 public:
  // `groupings` null: all fail.
  GroupingDesk(const ServiceParts& parts, GroupingStore* groupings)
      : parts_(parts), groupings_(groupings) {}

  absl::Status Merge(const Call& call, const v1::MergeSourcesRequest& in,
                     v1::MergeSourcesResponse* out);
  absl::Status Split(const Call& call, const v1::SplitSourceRequest& in,
                     v1::SplitSourceResponse* out);
  absl::Status Ungroup(const Call& call, const v1::UngroupSourceRequest& in,
                       v1::UngroupSourceResponse* out);
  absl::Status List(const v1::ListSourceGroupingsRequest& in, v1::ListSourceGroupingsResponse* out);

 private:
  absl::StatusOr<SourceGroupings> Read(const std::string& domain);

  const ServiceParts& parts_;
  GroupingStore* const groupings_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_
