// What SourceService says about a source beyond its numbers: whether Dmarcate itself suggests to
// approve it, and the whole explanation of one.

#ifndef DMARCATE_POLICYD_SERVICE_SOURCE_EXPLAINER_H_
#define DMARCATE_POLICYD_SERVICE_SOURCE_EXPLAINER_H_

#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/dns/resolver.h"
#include "lib/store/insight_store.h"
#include "policyd/analysis/statistics.h"
#include "policyd/service/handler.h"
#include "policyd/service/network_book.h"
#include "policyd/service/source_desk.h"

namespace dmarcate {

// Names that the SPF records of one domain lead to, and that lead to nothing, as the last look at
// its records found them.
struct DanglingTargets {
  // False: nobody has looked of late, more was found than is kept, or it cannot be read.
  bool known = false;
  std::set<std::string> targets;  // lower case; those of which nothing could be learned, too
};
// `insights` null: not known.
DanglingTargets DanglingTargetsOf(InsightStore* insights, std::string_view domain, absl::Time now);

// Says of a pending source whether it is suggested, and why or why not.
void Suggest(const SourceStatistics& source, const DanglingTargets& dangling, v1::Source* out);

// Thread-safe. All outlive it.
class SourceExplainer {
 public:
  // `network` null: nothing is known about addresses; `insights` as above.
  SourceExplainer(const ServiceParts& parts, Resolver& resolver, const NetworkBook* network,
                  InsightStore* insights)
      : parts_(parts), resolver_(resolver), network_(network), insights_(insights) {}

  // What could not be previewed is said in `out`.
  void Explain(const SourceCase& found, v1::ExplainSourceResponse* out) const;

 private:
  void AddEvidence(const SourceCase& found, v1::ExplainSourceResponse* out) const;
  void AddCosts(const SourceCase& found, v1::ExplainSourceResponse* out) const;
  void AddPreview(const SourceCase& found, const AuthorizationSpec& proposal,
                  v1::ExplainSourceResponse* out) const;

  const ServiceParts& parts_;
  Resolver& resolver_;
  const NetworkBook* const network_;
  InsightStore* const insights_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SOURCE_EXPLAINER_H_
