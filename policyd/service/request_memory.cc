#include "policyd/service/request_memory.h"

#include <cctype>
#include <memory>
#include <optional>

#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "policyd/service/message_bytes.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kMemory = absl::Hours(7 * 24);

bool IsUuid(std::string_view text) {  // 8-4-4-4-12 hex digits
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return true;
}

// The request without its id.
std::string BodyHash(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> body(request.New());
  body->CopyFrom(request);
  ClearField(*body, "request_id");
  return Sha256Hex(DeterministicBytes(*body));
}

absl::Status Reused(std::string_view request_id) {
  return ReasonError(Reason::kRequestIdReused,
                     "request_id: it was used for another request; take a new one",
                     {{"field", "request_id"}, {"request_id", std::string(request_id)}});
}

}  // namespace

absl::Status RequestMemory::Once(std::string_view caller, std::string_view method,
                                 const google::protobuf::Message& request,
                                 std::string_view request_id, google::protobuf::Message* response,
                                 const std::function<absl::Status()>& act) {
  if (request_id.empty()) return act();
  if (!IsUuid(request_id)) {
    return ReasonError(Reason::kRequestIdInvalid, "request_id: want a UUID",
                       {{"field", "request_id"}});
  }
  const std::string id = AsciiLower(request_id);
  const Key key{std::string(caller), id};
  {
    const std::lock_guard lock(mutex_);
    if (!running_.insert(key).second) {
      return ReasonError(Reason::kOperationInProgress,
                         "request_id: the same request is being answered right now",
                         {{"request_id", id}});
    }
  }
  struct Release {
    RequestMemory& memory;
    const Key& key;
    ~Release() {
      const std::lock_guard lock(memory.mutex_);
      memory.running_.erase(key);
    }
  } release{*this, key};

  const std::string body_hash = BodyHash(request);
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<RequestRecord> known,
                            store_.FindRequest(caller, id));
  if (known && clock_.Now() - known->time < kMemory) {
    if (known->method != method || known->body_sha256 != body_hash) return Reused(id);
    if (response->ParseFromString(known->response)) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDataLoss, "the stored answer does not decode");
  }
  DMARCATE_RETURN_IF_ERROR(act());
  const absl::Status kept = store_.PutRequest({.caller = key.first,
                                               .request_id = id,
                                               .method = std::string(method),
                                               .body_sha256 = body_hash,
                                               .response = response->SerializeAsString(),
                                               .time = clock_.Now()});
  // The mutation has happened; failing now would be a lie.
  if (!kept.ok()) LogError("request_not_kept", {{"method", method}, {"error", kept}});
  return absl::OkStatus();
}

}  // namespace dmarcate
