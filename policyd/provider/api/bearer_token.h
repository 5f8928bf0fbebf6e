// policyd/provider/api/bearer_token.h
// Access tokens that a host gives out for a while (OAuth 2.0, RFC 6749 section 5), kept until
// shortly before they end, for ten minutes at most.

#ifndef DMARCATE_POLICYD_PROVIDER_API_BEARER_TOKEN_H_
#define DMARCATE_POLICYD_PROVIDER_API_BEARER_TOKEN_H_

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/secret.h"
#include "policyd/provider/api/call.h"

namespace dmarcate {

// How a token endpoint is spoken to: a form, answered by {access_token, expires_in} or by
// {error, error_description}. Whatever it refuses is about the credential: kPermissionDenied.
class TokenDialect final : public ApiDialect {
 public:
  TokenDialect(std::string host, std::vector<std::string> secrets)
      : host_(std::move(host)), secrets_(std::move(secrets)) {}
  std::string_view host() const override { return host_; }
  absl::Status Authorize(ApiCall&, HttpRequest&) override { return absl::OkStatus(); }
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override;
  std::vector<std::string> Secrets() const override { return secrets_; }

 private:
  const std::string host_;
  const std::vector<std::string> secrets_;
};

// Thread-safe.
class BearerToken {
 public:
  // The token that is kept, or a new one by `fetch`.
  //   kDataLoss  an answer without a token
  absl::StatusOr<Secret> Get(
      ApiCall& call, const std::function<absl::StatusOr<HttpResponse>(ApiCall& call)>& fetch);
  // The one that is kept, for Secrets(); perhaps empty.
  std::string Kept() const;

 private:
  mutable std::mutex mutex_;
  Secret token_;
  absl::Duration end_;  // monotonic
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PROVIDER_API_BEARER_TOKEN_H_
