// policyd/service/request_memory.h
// At most once (AIP-155): the first answer to a request id is kept for 7 days and given again to
// the same request of the same caller. Only successes are kept: what failed changed nothing and
// may be tried again under its id.
//
// The answer is stored after the mutation. After a crash between the two the id is forgotten; the
// retry then meets the mutation's own guard (an etag, an existing resource).

#ifndef DMARCATE_POLICYD_SERVICE_REQUEST_MEMORY_H_
#define DMARCATE_POLICYD_SERVICE_REQUEST_MEMORY_H_

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

#include "lib/base/clock.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// Thread-safe.
class RequestMemory {
 public:
  RequestMemory(PolicyStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Runs `act`, which fills `response`, unless `request_id` (a UUID, or empty for none) has been
  // answered. `request` is compared without its field request_id.
  //   kInvalidArgument REQUEST_ID_INVALID, REQUEST_ID_REUSED (other method or other request)
  //   kAborted OPERATION_IN_PROGRESS  the same id is being answered right now
  absl::Status Once(std::string_view caller, std::string_view method,
                    const google::protobuf::Message& request, std::string_view request_id,
                    google::protobuf::Message* response, const std::function<absl::Status()>& act);

 private:
  using Key = std::pair<std::string, std::string>;  // caller, request id
  PolicyStore& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::set<Key> running_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_REQUEST_MEMORY_H_
