#include "policyd/provider/api/bearer_token.h"

#include <algorithm>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/json.h"

namespace dmarcate {
namespace {

constexpr absl::Duration kBeforeTheEnd = absl::Minutes(2);
// A token may be revoked before its end; what is opened once and kept must notice.
constexpr absl::Duration kLongestKept = absl::Minutes(10);

}  // namespace

std::optional<ApiError> TokenDialect::ErrorOf(const HttpResponse& response) const {
  std::optional<ApiFailure> failure = FailureOfStatus(response.status);
  if (!failure) return std::nullopt;
  const Json body = ParseJson(response.body);
  const std::optional<std::string> error = StringAt(body, "error");
  if (failure == ApiFailure::kRefused || failure == ApiFailure::kMissing) {
    failure = ApiFailure::kCredential;
  }
  if (!error) return ApiError{*failure, ""};
  return ApiError{*failure,
                  fmt::format("{}: {}", *error, StringAt(body, "error_description").value_or(""))};
}

absl::StatusOr<Secret> BearerToken::Get(
    ApiCall& call, const std::function<absl::StatusOr<HttpResponse>(ApiCall& call)>& fetch) {
  {
    const std::lock_guard lock(mutex_);
    if (!token_.empty() && call.world().clock.Monotonic() < end_) return token_;
  }
  DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response, fetch(call));
  const Json body = ParseJson(response.body);
  const std::optional<std::string> token = StringAt(body, "access_token");
  if (!token || token->empty()) return NotUnderstood("no access token");
  const absl::Duration lasts =
      absl::Seconds(static_cast<int64_t>(NumberAt(body, "expires_in").value_or(0)));
  const std::lock_guard lock(mutex_);
  token_ = Secret(*token);
  end_ = call.world().clock.Monotonic() + std::min(lasts, kLongestKept) - kBeforeTheEnd;
  return token_;
}

std::string BearerToken::Kept() const {
  const std::lock_guard lock(mutex_);
  return token_.Reveal();
}

}  // namespace dmarcate
