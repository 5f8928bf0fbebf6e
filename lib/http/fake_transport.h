// lib/http/fake_transport.h
// An HTTP server in memory: a handler answers, requests are kept for the test to look at.

#ifndef DMARCATE_LIB_HTTP_FAKE_TRANSPORT_H_
#define DMARCATE_LIB_HTTP_FAKE_TRANSPORT_H_

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "lib/http/transport.h"

namespace dmarcate {

// Thread-safe; the handler runs under no lock and may be called from several threads at once.
class FakeHttpTransport final : public HttpTransport {
 public:
  using Handler = std::function<absl::StatusOr<HttpResponse>(const HttpRequest&)>;
  // Without a handler every request is kUnavailable, as when nobody listens.
  FakeHttpTransport() = default;
  explicit FakeHttpTransport(Handler handler) : handler_(std::move(handler)) {}

  void SetHandler(Handler handler);
  // Refuses what ValidateRequest refuses, and responses over the request's limit, as the real one
  // does.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override;
  // All that reached the handler, oldest first.
  std::vector<HttpRequest> requests() const;
  void ClearRequests();

 private:
  mutable std::mutex mutex_;
  Handler handler_;
  std::vector<HttpRequest> requests_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_HTTP_FAKE_TRANSPORT_H_
