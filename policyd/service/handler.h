// policyd/service/handler.h
// What every handler ends with, and what every service is made of.

#ifndef DMARCATE_POLICYD_SERVICE_HANDLER_H_
#define DMARCATE_POLICYD_SERVICE_HANDLER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/status.h"

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/rpc/call.h"
#include "lib/store/policy_store.h"
#include "policyd/service/analysis_cache.h"
#include "policyd/service/paging.h"
#include "policyd/service/request_memory.h"

namespace dmarcate {

// All outlive the services.
struct ServiceParts {
  const CallHost& host;
  const Clock& clock;
  Random& random;
  PolicyStore& policies;
  AnalysisCache& analysis;
  RequestMemory& requests;
  const PageTokens& pages;
};

// Runs the body of a mutation, at most once per request id (RequestMemory). validate_only writes
// nothing, so there is nothing to remember either.
template <typename Request, typename Response, typename Act>
absl::Status Mutate(const ServiceParts& parts, const Call& call, std::string_view method,
                    const Request& in, Response* out, Act&& act) {
  if (in.validate_only()) return act();
  return parts.requests.Once(call.principal().name, method, in, in.request_id(), out, act);
}

// A handler's result as it is sent.
grpc::Status ToGrpc(const absl::Status& status);

// A field that is wrong: INVALID_ARGUMENT with `reason`, "FIELD: MESSAGE" and the field in
// metadata.
absl::Status FieldError(std::string_view field, std::string_view message);
absl::Status FieldRequired(std::string_view field);
// At most `limit` characters (code points).
absl::Status CheckLength(std::string_view field, std::string_view value, size_t limit);
inline constexpr size_t kMaxNoteCharacters = 2000;

// The domain, if it is managed. kNotFound RESOURCE_NOT_FOUND.
absl::StatusOr<DomainRecord> FindDomain(PolicyStore& policies, std::string_view domain);
// All managed domains, by name: few thousands at most, and their records small.
absl::StatusOr<std::vector<DomainRecord>> AllDomains(PolicyStore& policies);
absl::Status NotFound(std::string_view resource);
// Of a handler that ended early since nobody waits for its answer.
absl::Status Cancelled();

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_HANDLER_H_
