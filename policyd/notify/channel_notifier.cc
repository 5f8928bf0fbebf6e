#include "policyd/notify/channel_notifier.h"

#include <string_view>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "policyd/alert/mail_message.h"
#include "policyd/alert/webhook_url.h"
#include "policyd/notify/syslog.h"
#include "policyd/notify/webhook.h"

namespace dmarcate {
namespace {

// What the configuration binds a secret to: "webhook", or "webhook:HOST".
constexpr std::string_view kWebhookUse = "webhook";

// What is wrong with a secret is ours to mend.
absl::StatusOr<Secret> ReadSecret(SecretSource& secrets, const std::string& name) {
  auto secret = secrets.Read(name);
  if (secret.ok()) return secret;
  return MakeError(absl::StatusCode::kFailedPrecondition, MessageOf(secret.status()));
}

}  // namespace

absl::Status ChannelNotifier::Send(const AlertChannelRecord& channel,
                                   const DeliveryRecord& delivery,
                                   const std::function<bool()>& stop) {
  switch (channel.kind) {
    case AlertChannelKind::kWebhook:
      return Webhook(channel, delivery, stop);
    case AlertChannelKind::kMail:
      return Mail(channel, delivery, stop);
    case AlertChannelKind::kSyslog:
      return SendSyslog(config_.syslog_socket, delivery, clock_.Now());
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "unknown kind of channel");
}

absl::Status ChannelNotifier::Webhook(const AlertChannelRecord& channel,
                                      const DeliveryRecord& delivery,
                                      const std::function<bool()>& stop) {
  DMARCATE_ASSIGN_OR_RETURN(const WebhookUrl target, ParseWebhookUrl(channel.url));
  // Whoever may add a channel names a secret and a host. The secret stays here, but a digest made
  // with it does not, and of a weak one that is enough to guess it: what is bound to a provider is
  // not for that.
  const absl::Status use = secrets_.CheckUse(
      channel.secret_name, {.type = std::string(kWebhookUse), .where = target.host});
  if (!use.ok()) return MakeError(absl::StatusCode::kFailedPrecondition, MessageOf(use));
  DMARCATE_ASSIGN_OR_RETURN(const Secret key, ReadSecret(secrets_, channel.secret_name));
  return SendWebhook(channel.url, key, delivery, http_, resolver_, config_.guard, clock_, stop);
}

absl::Status ChannelNotifier::Mail(const AlertChannelRecord& channel,
                                   const DeliveryRecord& delivery,
                                   const std::function<bool()>& stop) {
  if (config_.relay.url.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "no mail relay: set alerts.mail.relay and alerts.mail.from in policyd.toml");
  }
  Secret password;
  if (!config_.relay.user.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(password, ReadSecret(secrets_, config_.relay.secret_name));
  }
  const std::string mail = RenderMail({.from = config_.relay.from,
                                       .to = channel.recipients,
                                       .subject = delivery.subject,
                                       .text = delivery.text,
                                       .html = delivery.html,
                                       .date = delivery.create_time,
                                       .id = delivery.id});
  return SendMail(config_.relay, password, channel.recipients, mail, stop);
}

}  // namespace dmarcate
