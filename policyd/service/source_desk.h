// policyd/service/source_desk.h
// What the methods of SourceService share: finding a source with its statistics and decision, and
// deciding about it.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/dns/resolver.h"
#include "lib/store/policy_store.h"
#include "policyd/analysis/statistics.h"
#include "policyd/service/handler.h"

namespace dmarcate {

// One source of one range. `source` lies in `statistics`, or is silent: decided about, without mail
// in the range.
struct SourceCase {
  DomainRecord domain;
  std::shared_ptr<const DomainStatistics> statistics;
  std::shared_ptr<const SourceStatistics> source;
  std::optional<SourceDecision> decision;

  v1::Source ToMessage() const;
};

struct DecisionRequest {
  std::string name;
  std::string evidence_etag;
  std::string note;
  SourceState state = SourceState::kPending;
  const v1::Authorization* authorization = nullptr;  // null: propose one, if approving
  bool validate_only = false;
};

// Thread-safe.
class SourceDesk {
 public:
  SourceDesk(const ServiceParts& parts, Resolver& resolver) : parts_(parts), resolver_(resolver) {}

  //   kNotFound  the domain is not managed, or no mail of the source in the range and no decision
  absl::StatusOr<SourceCase> Find(const Call& call, std::string_view name, const DayRange& range);

  // Checks and stores; the source as it is then, over the default range.
  //   errors as source.proto says for ApproveSource
  absl::StatusOr<v1::Source> Decide(const Call& call, const DecisionRequest& request);

 private:
  // The decision to store, or nothing if it is taken already.
  absl::StatusOr<std::optional<SourceDecision>> Draft(const Call& call, const SourceCase& found,
                                                      const DecisionRequest& request);

  const ServiceParts& parts_;
  Resolver& resolver_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_
