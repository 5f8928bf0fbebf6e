#include "policyd/provider/api/call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"

#include "lib/base/status_macros.h"
#include "policyd/provider/api/scrub.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kExchangeDeadline = absl::Seconds(20);  // of one attempt
constexpr size_t kAnswerLimitBytes = size_t{16} << 20;
// Of all pages of all lists of one call together. Parsed, they take several times as much.
constexpr size_t kCallLimitBytes = size_t{32} << 20;
constexpr int kMaxAttempts = 5;
constexpr absl::Duration kFirstPause = absl::Milliseconds(500);
constexpr absl::Duration kThrottledPause = absl::Seconds(1);  // if the host does not say
constexpr absl::Duration kLongestPause = absl::Seconds(8);
// How long a whole account is left alone because of one answer. A date is told by the wall clock,
// which may be a year off; a host that means it says so again.
constexpr absl::Duration kLongestHold = absl::Hours(1);
constexpr size_t kMaxQuotedError = 300;
constexpr size_t kMaxScrubbed = size_t{64} << 10;  // of what a host says
constexpr char kRetryAfterUrl[] = "dmarcate/retry-after-ms";

// RFC 9110 section 10.2.3: seconds, or a date. Zero if it is neither.
absl::Duration ParseRetryAfter(const HttpResponse& response, absl::Time now) {
  const std::optional<std::string_view> value = response.Header("retry-after");
  if (!value || value->empty()) return absl::ZeroDuration();
  if (std::ranges::all_of(*value, [](char c) { return c >= '0' && c <= '9'; })) {
    if (value->size() > 7) return absl::Hours(24 * 100);
    int64_t seconds = 0;
    for (const char c : *value) seconds = seconds * 10 + (c - '0');
    return absl::Seconds(seconds);
  }
  absl::Time when;
  std::string error;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", ToAbsl(*value), &when, &error)) {
    return absl::ZeroDuration();
  }
  return std::max(when - now, absl::ZeroDuration());
}

// Cut after the scrubbing: half a secret is one, too.
std::string Said(const ApiError& error, const ApiDialect& dialect) {
  std::string said = error.said.substr(0, kMaxScrubbed);
  said = ScrubCut(said, dialect.Secrets());
  if (said.size() > kMaxQuotedError) said.resize(kMaxQuotedError);
  return EscapeForTerminal(ToValidUtf8(said));
}

absl::StatusCode CodeOf(ApiFailure failure, bool write) {
  switch (failure) {
    case ApiFailure::kCredential:
      return absl::StatusCode::kPermissionDenied;
    case ApiFailure::kConflict:
      return absl::StatusCode::kAborted;
    case ApiFailure::kMissing:
      return absl::StatusCode::kNotFound;
    case ApiFailure::kRefused:
      return absl::StatusCode::kInvalidArgument;
    case ApiFailure::kNotHere:
      return absl::StatusCode::kFailedPrecondition;
    case ApiFailure::kThrottled:
      return absl::StatusCode::kUnavailable;
    case ApiFailure::kTransient:
      return write ? absl::StatusCode::kUnknown : absl::StatusCode::kUnavailable;
    case ApiFailure::kNonsense:
      return write ? absl::StatusCode::kUnknown : absl::StatusCode::kDataLoss;
  }
  return absl::StatusCode::kDataLoss;
}

// A transport's error as provider.h has it.
absl::Status TransportError(const absl::Status& status, bool write, bool& repeat) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      repeat = true;  // nothing was sent, so a write may be repeated by its caller
      return status;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
      return MakeError(write ? absl::StatusCode::kUnknown : absl::StatusCode::kDataLoss,
                       MessageOf(status));
    case absl::StatusCode::kFailedPrecondition:
      // A certificate that is not trusted: somebody else may be answering, and nothing was sent.
      return MakeError(absl::StatusCode::kUnavailable, MessageOf(status));
    case absl::StatusCode::kInvalidArgument:
      return status;
    default:
      repeat = true;
      return MakeError(write ? absl::StatusCode::kUnknown : absl::StatusCode::kUnavailable,
                       MessageOf(status));
  }
}

}  // namespace

std::optional<ApiFailure> FailureOfStatus(int http_status) {
  if (http_status >= 200 && http_status < 300) return std::nullopt;
  switch (http_status) {
    case 401:
    case 403:
      return ApiFailure::kCredential;
    case 404:
    case 410:
      return ApiFailure::kMissing;
    case 408:
      return ApiFailure::kTransient;
    case 409:
    case 412:
      return ApiFailure::kConflict;
    case 429:
      return ApiFailure::kThrottled;
    default:
      break;
  }
  if (http_status >= 400 && http_status < 500) return ApiFailure::kRefused;
  if (http_status >= 500 && http_status < 600) return ApiFailure::kTransient;
  return ApiFailure::kNonsense;  // a redirect is not followed: it would carry the credential along
}

ApiCall::ApiCall(const ApiWorld& world, ApiDialect& dialect, absl::Duration deadline)
    : world_(world), dialect_(dialect), end_(world.clock.Monotonic() + deadline) {}

absl::Duration ApiCall::TimeLeft() const { return end_ - world_.clock.Monotonic(); }

bool ApiCall::Pause(absl::Duration at_least, const absl::Status& why) {
  const absl::Duration pause = std::max(at_least, RetryAfterOf(why));
  if (pause >= TimeLeft()) return false;
  world_.sleep(pause);
  return true;
}

absl::StatusOr<HttpResponse> ApiCall::Read(const ApiRequest& request) {
  return Send(dialect_, request, /*write=*/false);
}
absl::StatusOr<HttpResponse> ApiCall::Write(const ApiRequest& request) {
  return Send(dialect_, request, /*write=*/true);
}
absl::StatusOr<HttpResponse> ApiCall::ReadBy(ApiDialect& dialect, const ApiRequest& request) {
  return Send(dialect, request, /*write=*/false);
}

absl::StatusOr<HttpResponse> ApiCall::Send(ApiDialect& dialect, const ApiRequest& request,
                                           bool write) {
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    bool repeat = false;
    absl::StatusOr<HttpResponse> response = SendOnce(dialect, request, write, repeat);
    if (response.ok() || !repeat || write || attempt == kMaxAttempts) return response;
    // Half of it to the whole, so that many callers do not come back together.
    const int64_t jitter = absl::ToInt64Nanoseconds(world_.clock.Monotonic()) % 1000;
    if (!Pause(pause / 2 + pause / 2 * jitter / 1000, response.status())) return response;
    pause = std::min(pause * 2, kLongestPause);
  }
}

absl::Status ApiCall::AwaitTurn(std::string_view host) {
  if (world_.pace == nullptr) return absl::OkStatus();
  const absl::Duration wait = world_.pace->Reserve(world_.clock.Monotonic(), TimeLeft());
  if (wait <= absl::ZeroDuration()) return absl::OkStatus();
  if (wait < TimeLeft()) {
    world_.sleep(wait);
    return absl::OkStatus();
  }
  absl::Status status = MakeError(
      absl::StatusCode::kUnavailable,
      fmt::format("{}: not asked: the account's next turn is in {} s, by the limit of the host",
                  host, absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1)))));
  status.SetPayload(kRetryAfterUrl,
                    absl::Cord(ToAbsl(std::to_string(absl::ToInt64Milliseconds(wait)))));
  return status;
}

absl::StatusOr<HttpResponse> ApiCall::SendOnce(ApiDialect& dialect, const ApiRequest& request,
                                               bool write, bool& repeat) {
  HttpRequest http;
  http.method = request.method;
  http.url = request.url;
  http.headers = request.headers;
  http.headers.push_back({"Accept", request.accept});
  if (!request.body.empty()) {
    http.headers.push_back({"Content-Type", request.content_type});
    http.body = request.body;
  }
  http.response_limit_bytes = kAnswerLimitBytes;
  const std::string_view host = dialect.host();
  DMARCATE_RETURN_IF_ERROR(AwaitTurn(host));
  DMARCATE_RETURN_IF_ERROR(dialect.Authorize(*this, http));
  http.deadline = std::min(kExchangeDeadline, TimeLeft());
  absl::StatusOr<HttpResponse> response = world_.http.Send(http);
  if (!response.ok()) {
    return Annotate(TransportError(response.status(), write, repeat), host);
  }
  received_bytes_ += response->body.size();
  if (!write && received_bytes_ > kCallLimitBytes) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("{}: the answers to one call are over {} MiB together", host,
                                 kCallLimitBytes >> 20));
  }
  const std::optional<ApiError> error = dialect.ErrorOf(*response);
  if (!error) return response;
  repeat = error->failure == ApiFailure::kThrottled || error->failure == ApiFailure::kTransient;
  absl::Duration wait = ParseRetryAfter(*response, world_.clock.Now());
  if (wait == absl::ZeroDuration()) wait = error->retry_after;
  std::string message = fmt::format("{}: http {}", host, response->status);
  if (const std::string said = Said(*error, dialect); !said.empty()) {
    message += fmt::format(": {}", said);
  }
  if (repeat && wait > absl::ZeroDuration()) {
    message += fmt::format("; it asks to wait {} s", absl::ToInt64Seconds(wait));
  }
  absl::Status status = MakeError(CodeOf(error->failure, write), message);
  if (error->failure == ApiFailure::kThrottled) {
    // Nothing was done: even a write may come again.
    const absl::Duration least = std::max(wait, kThrottledPause);
    if (world_.pace != nullptr) {
      world_.pace->HoldFor(world_.clock.Monotonic(), std::min(least, kLongestHold));
    }
    status.SetPayload(kRetryAfterUrl,
                      absl::Cord(ToAbsl(std::to_string(absl::ToInt64Milliseconds(least)))));
  } else if (repeat && !write && wait > absl::ZeroDuration()) {
    status.SetPayload(kRetryAfterUrl,
                      absl::Cord(ToAbsl(std::to_string(absl::ToInt64Milliseconds(wait)))));
  }
  return status;
}

absl::Duration RetryAfterOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterUrl);
  if (!payload) return absl::ZeroDuration();
  int64_t milliseconds = 0;
  for (const char c : std::string(*payload)) milliseconds = milliseconds * 10 + (c - '0');
  return absl::Milliseconds(milliseconds);
}

absl::Status PageGuard::Next(std::string_view token) {
  if (seen_.size() >= kMaxPages) {
    return MakeError(absl::StatusCode::kDataLoss,
                     fmt::format("the list has over {} pages", kMaxPages));
  }
  if (!seen_.emplace(token).second) {
    return MakeError(absl::StatusCode::kDataLoss, "the pages of the list go round in a circle");
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
