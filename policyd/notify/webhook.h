// Deliveries as POST requests, signed over time and body.
//
//   Dmarcate-Time       seconds since 1970, when this attempt was made
//   Dmarcate-Signature  "v1=" and the hex HMAC-SHA-256, with the channel's key, of the time, "."
//   and
//                       the body. A receiver refuses what is older than five minutes
//   Idempotency-Key     the delivery's id
//
// Where it may go: safety.md 3 D and lib/http/egress.h. The host is resolved once, all its
// addresses are checked, and the connection is made to one of them.

#ifndef DMARCATE_POLICYD_NOTIFY_WEBHOOK_H_
#define DMARCATE_POLICYD_NOTIFY_WEBHOOK_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/dns/resolver.h"
#include "lib/http/egress.h"
#include "lib/http/transport.h"
#include "lib/store/alert_store.h"

namespace dmarcate {

inline constexpr absl::Duration kWebhookDeadline = absl::Seconds(10);
inline constexpr size_t kWebhookResponseBytes = 64 << 10;

std::string WebhookSignature(const Secret& key, std::string_view time, std::string_view body);

// Errors as Notifier::Send.
absl::Status SendWebhook(const std::string& url, const Secret& key, const DeliveryRecord& delivery,
                         HttpTransport& http, Resolver& resolver, const EgressGuard& guard,
                         const Clock& clock, const std::function<bool()>& stop);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_WEBHOOK_H_
