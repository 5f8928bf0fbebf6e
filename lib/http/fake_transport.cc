#include "lib/http/fake_transport.h"

#include <utility>

#include "lib/base/status_macros.h"

namespace dmarcate {

void FakeHttpTransport::SetHandler(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

absl::StatusOr<HttpResponse> FakeHttpTransport::Send(const HttpRequest& request) {
  DMARCATE_RETURN_IF_ERROR(ValidateRequest(request));
  Handler handler;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    handler = handler_;
  }
  if (!handler) {
    return MakeError(
        absl::StatusCode::kUnavailable,
        fmt::format("{} {}: connection refused", request.method, OriginOf(request.url)));
  }
  DMARCATE_ASSIGN_OR_RETURN(HttpResponse response, handler(request));
  if (response.body.size() > request.response_limit_bytes) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("{} {}: response over {} bytes", request.method,
                                 OriginOf(request.url), request.response_limit_bytes));
  }
  for (HttpHeader& header : response.headers) header.name = AsciiLower(header.name);
  return response;
}

std::vector<HttpRequest> FakeHttpTransport::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeHttpTransport::ClearRequests() {
  const std::lock_guard lock(mutex_);
  requests_.clear();
}

}  // namespace dmarcate
