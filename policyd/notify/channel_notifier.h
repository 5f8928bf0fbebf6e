// The Notifier of the daemon: each kind of channel by what it needs.

#ifndef DMARCATE_POLICYD_NOTIFY_CHANNEL_NOTIFIER_H_
#define DMARCATE_POLICYD_NOTIFY_CHANNEL_NOTIFIER_H_

#include <functional>
#include <string>
#include <utility>

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/http/egress.h"
#include "lib/http/transport.h"
#include "policyd/notify/mail_relay.h"
#include "policyd/notify/notifier.h"
#include "policyd/provider/secret_source.h"

namespace dmarcate {

struct NotifyConfig {
  EgressGuard guard;      // of webhooks
  MailRelayConfig relay;  // without a url there is no mail
  std::string syslog_socket = "/dev/log";
};

class ChannelNotifier final : public Notifier {
 public:
  // `http` sends https alone. All outlive it.
  ChannelNotifier(HttpTransport& http, Resolver& resolver, SecretSource& secrets,
                  const Clock& clock, NotifyConfig config)
      : http_(http),
        resolver_(resolver),
        secrets_(secrets),
        clock_(clock),
        config_(std::move(config)) {}

  absl::Status Send(const AlertChannelRecord& channel, const DeliveryRecord& delivery,
                    const std::function<bool()>& stop) override;

 private:
  absl::Status Webhook(const AlertChannelRecord& channel, const DeliveryRecord& delivery,
                       const std::function<bool()>& stop);
  absl::Status Mail(const AlertChannelRecord& channel, const DeliveryRecord& delivery,
                    const std::function<bool()>& stop);

  HttpTransport& http_;
  Resolver& resolver_;
  SecretSource& secrets_;
  const Clock& clock_;
  const NotifyConfig config_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_NOTIFY_CHANNEL_NOTIFIER_H_
