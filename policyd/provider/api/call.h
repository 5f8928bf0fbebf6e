// policyd/provider/api/call.h
// The HTTP under one call of provider.h: several exchanges that share one deadline, with what can
// be repeated repeated and every answer mapped to the errors of provider.h.
//
//   reads   repeated after 429 and 503 (Retry-After), 500, 502, 504 and broken connections, with
//           growing pauses; never after another 4xx
//   writes  sent once. 429: kUnavailable, nothing was changed, the caller compares again before it
//           repeats. Broken, timed out, 5xx, or an answer that cannot be read: kUnknown
//
// Messages: "cloudflare: http 403: 9109: Invalid access token"; what the host said is cut, made
// safe for terminals and freed of credentials.

#ifndef DMARCATE_POLICYD_PROVIDER_API_CALL_H_
#define DMARCATE_POLICYD_PROVIDER_API_CALL_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/http/transport.h"
#include "policyd/provider/api/pace.h"

namespace dmarcate {

// What an adapter needs of the world. All outlive it; `sleep` may be called from several threads.
struct ApiWorld {
  HttpTransport& http;
  const Clock& clock;
  std::function<void(absl::Duration)> sleep;
  // Of the account that is asked; null: only what the host throttles is waited for, call by call.
  std::shared_ptr<AccountPace> pace = nullptr;
};

// What a host says is wrong, as far as it matters here (reference/providers.md section 18).
enum class ApiFailure : uint8_t {
  kCredential,  // kPermissionDenied: refused, or it may not do this
  kConflict,    // kAborted: not what was read any more; nothing was written
  kMissing,     // kNotFound
  kRefused,     // kInvalidArgument: this value never
  kNotHere,     // kFailedPrecondition: the zone or the name cannot be changed
  kThrottled,   // kUnavailable, nothing was done; Retry-After counts
  kTransient,   // a read: repeated, then kUnavailable. A write: kUnknown
  kNonsense,    // a read: kDataLoss. A write: kUnknown
};
struct ApiError {
  ApiFailure failure = ApiFailure::kNonsense;
  std::string said;  // "9109: Invalid access token"; from the host, as it came
  // How long the host wants to be left alone, by this error; Retry-After goes first.
  absl::Duration retry_after = absl::ZeroDuration();
};

// By the status alone; nothing for 2xx.
std::optional<ApiFailure> FailureOfStatus(int http_status);

struct ApiRequest {
  std::string method = "GET";
  std::string url;   // whole; QueryEscape for what is variable
  std::string body;  // with its type, if not empty
  std::string content_type = "application/json";
  std::string accept = "application/json";
  std::vector<HttpHeader> headers;  // beside the credential
};

class ApiCall;

// How one host is spoken to. Thread-safe.
class ApiDialect {
 public:
  virtual ~ApiDialect() = default;
  // "cloudflare": what messages begin with.
  virtual std::string_view host() const = 0;
  // Puts the credential in; asked anew for every attempt (signatures hold the time). May use `call`
  // to fetch a token, by another dialect.
  virtual absl::Status Authorize(ApiCall& call, HttpRequest& request) = 0;
  // What the answer says is wrong; nothing if it is a success.
  virtual std::optional<ApiError> ErrorOf(const HttpResponse& response) const = 0;
  // Must not be seen in a message, whatever the host repeats.
  virtual std::vector<std::string> Secrets() const = 0;
};

// Not thread-safe: one for each call of provider.h.
class ApiCall {
 public:
  // For all exchanges and pauses together.
  ApiCall(const ApiWorld& world, ApiDialect& dialect, absl::Duration deadline);

  // A request that changes nothing, whatever its method.
  absl::StatusOr<HttpResponse> Read(const ApiRequest& request);
  // A request that may change something.
  absl::StatusOr<HttpResponse> Write(const ApiRequest& request);
  // As Read, spoken otherwise: for tokens.
  absl::StatusOr<HttpResponse> ReadBy(ApiDialect& dialect, const ApiRequest& request);

  // Sleeps as long as a kUnavailable status of ours asks for, or `at_least`; false, without
  // sleeping, if that goes beyond the deadline.
  bool Pause(absl::Duration at_least, const absl::Status& why = absl::OkStatus());
  absl::Duration TimeLeft() const;
  const ApiWorld& world() const { return world_; }

 private:
  absl::StatusOr<HttpResponse> Send(ApiDialect& dialect, const ApiRequest& request, bool write);
  // Waits for the account's turn.
  //   kUnavailable  it does not come before the deadline; nothing was sent
  absl::Status AwaitTurn(std::string_view host);
  absl::StatusOr<HttpResponse> SendOnce(ApiDialect& dialect, const ApiRequest& request, bool write,
                                        bool& repeat);

  const ApiWorld& world_;
  ApiDialect& dialect_;
  const absl::Duration end_;   // monotonic
  size_t received_bytes_ = 0;  // a list of any length is bounded by what all its pages hold
};

// How long to wait before asking again: what the host says, of a kThrottled answer a second at
// least; zero for every other status.
absl::Duration RetryAfterOf(const absl::Status& status);

// Ends a walk over pages that would not end by itself.
class PageGuard {
 public:
  static constexpr size_t kMaxPages = 200;
  // Before each further page. `token` is what names it: a number, a cursor, an URL.
  //   kDataLoss  that page was there already, or there are too many
  absl::Status Next(std::string_view token);

 private:
  std::set<std::string, std::less<>> seen_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_CALL_H_
