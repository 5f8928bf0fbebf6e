// policyd/service/spf_preview.h
// What the SPF record would become if one decision were different: the same plan as that of a
// change, over the live record, and nothing stored.

#ifndef DMARCATE_POLICYD_SERVICE_SPF_PREVIEW_H_
#define DMARCATE_POLICYD_SERVICE_SPF_PREVIEW_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "dmarcate/v1/source.pb.h"
#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/spf_children.h"

namespace dmarcate {

// Looks the live record up once; then each preview is a plan over it. Not thread-safe.
class SpfPreviewer {
 public:
  SpfPreviewer(const DomainRecord& domain, std::vector<SourceDecision> decisions,
               Resolver& resolver, const Clock& clock)
      : domain_(domain), decisions_(std::move(decisions)), resolver_(resolver), clock_(clock) {}

  //   the look-up's own error  nothing was learned     kInvalidArgument  as PlanSpf
  absl::Status ReadLive();
  // With `decision` in place of what is decided about its source.
  absl::StatusOr<v1::ChangePreview> If(const SourceDecision& decision);

 private:
  const DomainRecord& domain_;
  const std::vector<SourceDecision> decisions_;
  Resolver& resolver_;
  const Clock& clock_;
  std::vector<std::string> live_;
  std::vector<SpfChild> children_;
};

v1::TermChange ToMessage(const TermChangeRecord& change);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_SPF_PREVIEW_H_
