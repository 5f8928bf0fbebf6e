// lib/http/curl_transport.h
// The HttpTransport over libcurl.

#ifndef DMARCATE_LIB_HTTP_CURL_TRANSPORT_H_
#define DMARCATE_LIB_HTTP_CURL_TRANSPORT_H_

#include <memory>
#include <string>

#include "lib/http/transport.h"

namespace dmarcate {

struct CurlTransportOptions {
  enum class Schemes { kHttpsOnly, kHttpsAndHttp };
  Schemes schemes = Schemes::kHttpsAndHttp;
  absl::Duration connect_timeout = absl::Seconds(10);  // shortened by the request's deadline
  std::string ca_file;                                 // PEM; empty: the system's
  std::string user_agent = "dmarcate";
};

// Thread-safe: one libcurl handle per exchange in flight, at most kPooledHandles kept for their
// open connections. Goes to the server itself: the proxies of the environment (http_proxy and so
// on) are not used, for a request carries a credential, and its server may be on this machine.
//
// Only GET and HEAD use a connection again: on one that died while idle libcurl repeats the request
// by itself, and a write must not be sent twice.
class CurlTransport final : public HttpTransport {
 public:
  static constexpr size_t kPooledHandles = 8;
  explicit CurlTransport(CurlTransportOptions options = {});
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override;

 private:
  class Pool;
  const CurlTransportOptions options_;
  const std::unique_ptr<Pool> pool_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_HTTP_CURL_TRANSPORT_H_
