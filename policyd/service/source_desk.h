// policyd/service/source_desk.h
// What the methods of SourceService share: finding a source with its statistics and decision, and
// deciding about it.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/dns/resolver.h"
#include "lib/store/policy_store.h"
#include "policyd/analysis/advice.h"
#include "policyd/analysis/declared.h"
#include "policyd/analysis/statistics.h"
#include "policyd/service/handler.h"
#include "policyd/service/network_book.h"

namespace dmarcate {

// One source of one range. `source` lies in `statistics`, or is silent: decided about or declared
// by the domain's own DNS, without mail in the range.
struct SourceCase {
  DomainRecord domain;
  std::shared_ptr<const DomainStatistics> statistics;
  std::shared_ptr<const SourceStatistics> source;
  std::optional<SourceDecision> decision;
  std::vector<Declaration> declarations;

  v1::Source ToMessage() const;
  // What to do about it, and how.
  Advice Advised() const;
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
  // `network` null: nothing is declared.
  SourceDesk(const ServiceParts& parts, Resolver& resolver, const NetworkBook* network)
      : parts_(parts), resolver_(resolver), network_(network) {}

  //   kNotFound  the domain is not managed; or no mail of the source in the range, no decision, and
  //              no declaration
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
  const NetworkBook* const network_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_DESK_H_
