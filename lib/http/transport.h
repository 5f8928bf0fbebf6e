// lib/http/transport.h
// One HTTP exchange as a value in and a value out; the interface that every DNS provider, webhook
// and policy fetch is written against. libcurl stays in curl_transport.cc, tests use
// fake_transport.h.
//
// The error says whether the server can have seen the request, because that decides whether a write
// may be repeated:
//   kInvalidArgument     the request cannot be sent as it is; nothing was sent
//   kUnavailable         not resolved, refused, no route, no connection in time; nothing was sent
//   kFailedPrecondition  the server's certificate is not trusted; nothing was sent
//   kUnknown             sent at least in part, then a timeout or a reset: outcome unknown. Read
//   back
//                        before a write is repeated
//   kResourceExhausted   the response is over its limit. It was sent, too: as kUnknown for a write
//   kCancelled           the request's `stop` said so; as kUnknown for a write
// Any status code, 3xx to 5xx included, is a response and no error.

#ifndef DMARCATE_LIB_HTTP_TRANSPORT_H_
#define DMARCATE_LIB_HTTP_TRANSPORT_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

struct HttpHeader {
  std::string name;
  std::string value;
  friend bool operator==(const HttpHeader&, const HttpHeader&) = default;
};

struct HttpRequest {
  std::string method = "GET";       // a token: GET, HEAD, POST, PUT, PATCH, DELETE
  std::string url;                  // absolute, https or http, without user and password
  std::vector<HttpHeader> headers;  // may hold credentials
  std::string body;                 // sent with any method if not empty
  absl::Duration deadline = absl::Seconds(30);    // for the whole exchange, name look-up included
  size_t response_limit_bytes = size_t{8} << 20;  // of the body as decoded
  // "192.0.2.1:443", "[2001:db8::1]:443": where to connect, instead of where the URL's host
  // resolves to. The certificate must be the URL host's all the same.
  std::string connect_to;
  // Asked at least once a second, on the calling thread; true: end now. Empty: never.
  std::function<bool()> stop;
};

struct HttpResponse {
  int status = 0;
  std::vector<HttpHeader> headers;  // of the final response, in order; names in lower case
  std::string body;
  // The first header of that name (any case).
  std::optional<std::string_view> Header(std::string_view name) const;
};

// Thread-safe. Keeps no cookies, follows no redirect (a 3xx is handed to the caller: following one
// would carry a credential to a host nobody configured), repeats nothing. Messages name method and
// origin only: paths, queries, headers and bodies may hold secrets.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual absl::StatusOr<HttpResponse> Send(const HttpRequest& request) = 0;
};

// "https://api.example.com:8443" of a URL: what messages and logs may show.
std::string OriginOf(std::string_view url);

// What every transport refuses before it sends, the fake too: an unknown scheme, user and password
// in the URL, control characters in URL, method or headers, a header name that is no token.
absl::Status ValidateRequest(const HttpRequest& request);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_HTTP_TRANSPORT_H_
