#include "policyd/notify/webhook.h"

#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inbound/addresses.h"
#include "policyd/alert/webhook_url.h"

namespace dmarcate {
namespace {

absl::StatusOr<std::vector<IpAddress>> AddressesOf(const WebhookUrl& url, Resolver& resolver) {
  if (url.literal) return std::vector<IpAddress>{*url.literal};
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(url.host));
  auto found = LookupAddresses(name, resolver);
  // Here a name that the DNS says nothing of is no refusal, whatever code the error has.
  if (!found.ok()) {
    return MakeError(absl::StatusCode::kUnavailable,
                     fmt::format("{}: {}", url.host, MessageOf(found.status())));
  }
  if (found->addresses.empty()) {
    return MakeError(absl::StatusCode::kUnavailable, fmt::format("{} has no address", url.host));
  }
  return std::move(found->addresses);
}

// SendGuarded refuses these, too; here the operator is told where they are allowed.
absl::Status CheckAddresses(const std::vector<IpAddress>& addresses, const EgressGuard& guard) {
  for (const IpAddress& address : addresses) {
    const absl::Status allowed = guard.Check(address);
    if (allowed.ok()) continue;
    return MakeError(allowed.code(),
                     fmt::format("{}; webhooks go to public addresses, and to the networks of "
                                 "alerts.allow_networks in policyd.toml",
                                 MessageOf(allowed)));
  }
  return absl::OkStatus();
}

absl::Status Judge(int status) {
  if (status >= 200 && status < 300) return absl::OkStatus();
  if (status >= 300 && status < 400) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     fmt::format("http {}; redirects are not followed", status));
  }
  const bool refuses = status == 401 || status == 403;
  return MakeError(refuses ? absl::StatusCode::kPermissionDenied : absl::StatusCode::kUnavailable,
                   fmt::format("http {}", status));
}

}  // namespace

std::string WebhookSignature(const Secret& key, std::string_view time, std::string_view body) {
  return "v1=" + ToHex(HmacSha256(key.Reveal(), fmt::format("{}.{}", time, body)));
}

absl::Status SendWebhook(const std::string& url, const Secret& key, const DeliveryRecord& delivery,
                         HttpTransport& http, Resolver& resolver, const EgressGuard& guard,
                         const Clock& clock, const std::function<bool()>& stop) {
  DMARCATE_ASSIGN_OR_RETURN(const WebhookUrl target, ParseWebhookUrl(url));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<IpAddress> addresses, AddressesOf(target, resolver));
  DMARCATE_RETURN_IF_ERROR(CheckAddresses(addresses, guard));
  const std::string time = fmt::format("{}", absl::ToUnixSeconds(clock.Now()));
  HttpRequest request;
  request.method = "POST";
  request.url = target.url;
  request.body = delivery.json;
  request.deadline = kWebhookDeadline;
  request.response_limit_bytes = kWebhookResponseBytes;
  request.stop = stop;
  request.headers = {{"Content-Type", "application/json"},
                     {"Dmarcate-Time", time},
                     {"Dmarcate-Signature", WebhookSignature(key, time, delivery.json)},
                     {"Idempotency-Key", delivery.id}};
  DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                            SendGuarded(http, std::move(request), addresses, target.port, guard));
  return Annotate(Judge(response.status), target.host);
}

}  // namespace dmarcate
