#include "policyd/service/alert_channel.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/http/transport.h"
#include "lib/rpc/errors.h"
#include "lib/view/posture_view.h"
#include "policyd/alert/mail_message.h"
#include "policyd/alert/webhook_url.h"
#include "policyd/provider/secret_source.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"
#include "policyd/watch/insight_finding.h"

namespace dmarcate {
namespace {

constexpr std::string_view kInsights = "insights";

absl::Status ReadWebhook(const v1::WebhookTarget& in, AlertChannelRecord* record) {
  record->kind = AlertChannelKind::kWebhook;
  if (in.url().empty()) return FieldRequired("alert_channel.webhook.url");
  if (in.secret().empty()) return FieldRequired("alert_channel.webhook.secret");
  const auto url = ParseWebhookUrl(in.url());
  if (!url.ok()) return FieldError("alert_channel.webhook.url", MessageOf(url.status()));
  record->url = url->url;
  record->secret_name = in.secret();
  // What somebody puts there may be the secret itself: the value is never repeated.
  if (!ValidateSecretName(record->secret_name).ok()) {
    return ReasonError(Reason::kCredentialMalformed,
                       "secret: want the name of a file in the secrets directory (letters, digits, "
                       "'.', '_' and '-'), not the secret itself",
                       {{"field", "alert_channel.webhook.secret"}});
  }
  return absl::OkStatus();
}

absl::Status ReadMail(const v1::MailTarget& in, AlertChannelRecord* record) {
  constexpr std::string_view kField = "alert_channel.mail.recipients";
  record->kind = AlertChannelKind::kMail;
  if (in.recipients().empty()) return FieldRequired(kField);
  if (in.recipients_size() > kMaxRecipients) {
    return FieldError(kField,
                      fmt::format("{} of them, limit {}", in.recipients_size(), kMaxRecipients));
  }
  for (const std::string& address : in.recipients()) {
    if (!IsMailAddress(address)) {
      return FieldError(kField, fmt::format("\"{}\": want name@domain, nothing around it",
                                            EscapeForTerminal(address.substr(0, 100))));
    }
    record->recipients.push_back(address);
  }
  return absl::OkStatus();
}

absl::StatusOr<Severity> ReadSeverity(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_INFO:
      return Severity::kInfo;
    case v1::SEVERITY_UNSPECIFIED:
    case v1::SEVERITY_WARNING:
      return Severity::kWarning;
    case v1::SEVERITY_ERROR:
      return Severity::kError;
    default:
      return FieldError("alert_channel.min_severity", "unknown severity");
  }
}

v1::Alert Show(const AlertRecord& alert) {
  v1::Alert out;
  out.set_event(static_cast<v1::Alert::Event>(alert.event));  // numbered alike
  out.set_insight(DomainChildResource(alert.domain, kInsights, alert.insight));
  out.set_code(ToValidUtf8(alert.code));
  out.set_severity(ToMessage(alert.severity));
  out.set_message(ToValidUtf8(alert.message));
  return out;
}
static_assert(static_cast<int>(AlertEvent::kFired) == v1::Alert::EVENT_FIRED &&
              static_cast<int>(AlertEvent::kCleared) == v1::Alert::EVENT_CLEARED);

// "https://hooks.example/..." of a URL with a path.
std::string WithoutPath(const std::string& url) {
  const std::string origin = OriginOf(url);
  const bool more = url.size() > origin.size() && url.substr(origin.size()) != "/";
  return more ? origin + "/..." : url;
}

}  // namespace

absl::StatusOr<AlertChannelRecord> ReadChannel(const v1::AlertChannel& in, PolicyStore& policies) {
  AlertChannelRecord record;
  switch (in.target_case()) {
    case v1::AlertChannel::kWebhook:
      DMARCATE_RETURN_IF_ERROR(ReadWebhook(in.webhook(), &record));
      break;
    case v1::AlertChannel::kMail:
      DMARCATE_RETURN_IF_ERROR(ReadMail(in.mail(), &record));
      break;
    case v1::AlertChannel::kSyslog:
      record.kind = AlertChannelKind::kSyslog;
      break;
    case v1::AlertChannel::TARGET_NOT_SET:
      return FieldRequired("alert_channel.target");
  }
  DMARCATE_ASSIGN_OR_RETURN(record.min_severity, ReadSeverity(in.min_severity()));
  if (in.domains_size() > kMaxChannelDomains) {
    return FieldError("alert_channel.domains", fmt::format("more than {}", kMaxChannelDomains));
  }
  for (const std::string& name : in.domains()) {
    DMARCATE_ASSIGN_OR_RETURN(std::string domain,
                              ParseDomainResource(name, "alert_channel.domains"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(policies, domain).status());
    record.domains.push_back(std::move(domain));
  }
  if (in.codes_size() > kMaxChannelCodes) {
    return FieldError("alert_channel.codes", fmt::format("more than {}", kMaxChannelCodes));
  }
  for (const std::string& code : in.codes()) {
    if (!IsInsightCode(code)) {
      return FieldError("alert_channel.codes", fmt::format("\"{}\" is no code of an insight",
                                                           EscapeForTerminal(code.substr(0, 100))));
    }
    record.codes.push_back(code);
  }
  record.cleared = !in.without_cleared();
  record.digest = in.digest();
  return record;
}

absl::StatusOr<AlertChannelRecord> ChangeChannel(
    const AlertChannelRecord& record, const v1::AlertChannel& in,
    const google::protobuf::RepeatedPtrField<std::string>& paths, PolicyStore& policies) {
  if (paths.empty()) {
    return ReasonError(Reason::kUpdateMaskRequired,
                       "update_mask: required; name what is to change, such as \"webhook.url\"",
                       {{"field", "update_mask"}});
  }
  v1::AlertChannel changed = Show(record);
  if (record.kind == AlertChannelKind::kWebhook) changed.mutable_webhook()->set_url(record.url);
  changed.clear_domains();  // one that is no longer managed keeps nobody from changing the rest
  bool domains = false;
  for (const std::string& path : paths) {
    const bool webhook = path == "webhook.url" || path == "webhook.secret";
    if ((webhook && record.kind != AlertChannelKind::kWebhook) ||
        (path == "mail.recipients" && record.kind != AlertChannelKind::kMail)) {
      return FieldError(fmt::format("alert_channel.{}", path),
                        "the channel is of another kind; remove it and add one");
    }
    if (path == "webhook.url") {
      // As a client sends back what it got: nobody means that path.
      if (in.webhook().url() != record.url && in.webhook().url() == WithoutPath(record.url)) {
        return FieldError("alert_channel.webhook.url",
                          "its path is not shown; give the whole URL, or leave it out");
      }
      changed.mutable_webhook()->set_url(in.webhook().url());
    } else if (path == "webhook.secret") {
      changed.mutable_webhook()->set_secret(in.webhook().secret());
    } else if (path == "mail.recipients") {
      *changed.mutable_mail()->mutable_recipients() = in.mail().recipients();
    } else if (path == "min_severity") {
      changed.set_min_severity(in.min_severity());
    } else if (path == "domains") {
      *changed.mutable_domains() = in.domains();
      domains = true;
    } else if (path == "codes") {
      *changed.mutable_codes() = in.codes();
    } else if (path == "without_cleared") {
      changed.set_without_cleared(in.without_cleared());
    } else if (path == "digest") {
      changed.set_digest(in.digest());
    } else if (path != "name" && path != "etag" && path != "create_time" && path != "created_by") {
      const std::string near =
          Nearest(path, {"webhook.url", "webhook.secret", "mail.recipients", "min_severity",
                         "domains", "codes", "without_cleared", "digest"});
      return ReasonError(
          Reason::kUpdateMaskInvalid,
          fmt::format("update_mask: there is no \"{}\"{}", EscapeForTerminal(path.substr(0, 100)),
                      near.empty() ? "" : fmt::format("; \"{}\"?", near)),
          {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
    }
  }
  DMARCATE_ASSIGN_OR_RETURN(AlertChannelRecord out, ReadChannel(changed, policies));
  if (!domains) out.domains = record.domains;
  out.id = record.id;
  out.create_time = record.create_time;
  out.created_by = record.created_by;
  out.revision = record.revision;
  return out;
}

v1::AlertChannel Show(const AlertChannelRecord& record) {
  v1::AlertChannel out;
  out.set_name(AlertChannelResource(record.id));
  out.set_etag(MakeEtag(record.revision));
  *out.mutable_create_time() = ToTimestamp(record.create_time);
  out.set_created_by(record.created_by);
  switch (record.kind) {
    case AlertChannelKind::kWebhook:
      out.mutable_webhook()->set_url(WithoutPath(record.url));
      out.mutable_webhook()->set_secret(record.secret_name);
      break;
    case AlertChannelKind::kMail:
      for (const std::string& address : record.recipients) {
        out.mutable_mail()->add_recipients(address);
      }
      break;
    case AlertChannelKind::kSyslog:
      out.mutable_syslog();
      break;
  }
  out.set_min_severity(ToMessage(record.min_severity));
  for (const std::string& domain : record.domains) out.add_domains(DomainResource(domain));
  for (const std::string& code : record.codes) out.add_codes(code);
  out.set_without_cleared(!record.cleared);
  out.set_digest(record.digest);
  return out;
}

v1::AlertDelivery Show(const DeliveryRecord& record) {
  v1::AlertDelivery out;
  out.set_id(record.id);
  out.set_channel(AlertChannelResource(record.channel));
  out.set_state(static_cast<v1::AlertDelivery::State>(record.state));  // numbered alike
  *out.mutable_create_time() = ToTimestamp(record.create_time);
  if (record.state == DeliveryState::kPending) {
    *out.mutable_next_attempt_time() = ToTimestamp(record.next_attempt);
  } else {
    *out.mutable_end_time() = ToTimestamp(record.end_time);
  }
  out.set_attempt_count(static_cast<int32_t>(record.attempts));
  out.set_last_error(ToValidUtf8(record.last_error));
  out.set_subject(ToValidUtf8(record.subject));
  for (const AlertRecord& alert : record.alerts) *out.add_alerts() = Show(alert);
  return out;
}
static_assert(static_cast<int>(DeliveryState::kPending) == v1::AlertDelivery::STATE_PENDING &&
              static_cast<int>(DeliveryState::kFailed) == v1::AlertDelivery::STATE_FAILED);

}  // namespace dmarcate
