// What the methods of SourceService do that merge and split sources.

#ifndef DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_
#define DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_

#include "absl/status/status.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/store/grouping_store.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"
#include "policyd/service/source_desk.h"

namespace dmarcate {

// Thread-safe. source.proto says what each method promises.
class GroupingDesk {
 public:
  // `groupings` null: all fail. All outlive it.
  GroupingDesk(const ServiceParts& parts, SourceDesk& sources, GroupingStore* groupings)
      : parts_(parts), sources_(sources), groupings_(groupings) {}

  absl::Status Merge(const Call& call, const v1::MergeSourcesRequest& in,
                     v1::MergeSourcesResponse* out);
  absl::Status Split(const Call& call, const v1::SplitSourceRequest& in,
                     v1::SplitSourceResponse* out);
  absl::Status Ungroup(const Call& call, const v1::UngroupSourceRequest& in,
                       v1::UngroupSourceResponse* out);
  absl::Status List(const v1::ListSourceGroupingsRequest& in, v1::ListSourceGroupingsResponse* out);

 private:
  absl::StatusOr<SourceGroupings> Read(const std::string& domain);
  // A word that names no source would be merged in vain, and merged into take mail out of sight.
  absl::Status CheckKnown(const Call& call, const DomainChild& source,
                          const SourceGroupings& groupings);

  const ServiceParts& parts_;
  SourceDesk& sources_;
  GroupingStore* const groupings_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_GROUPING_DESK_H_
