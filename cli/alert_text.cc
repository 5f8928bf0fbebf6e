#include "cli/alert_text.h"

#include <string>
#include <string_view>
#include <vector>

#include "cli/app.h"
#include "cli/messages.h"
#include "lib/base/text.h"

namespace dmarcate::cli {
namespace {

std::string TargetText(const v1::AlertChannel& channel) {
  switch (channel.target_case()) {
    case v1::AlertChannel::kWebhook:
      return channel.webhook().url();
    case v1::AlertChannel::kMail:
      return Join({channel.mail().recipients().begin(), channel.mail().recipients().end()}, " ");
    default:
      return "";
  }
}

std::string_view KindText(const v1::AlertChannel& channel) {
  switch (channel.target_case()) {
    case v1::AlertChannel::kWebhook:
      return "webhook";
    case v1::AlertChannel::kMail:
      return "mail";
    case v1::AlertChannel::kSyslog:
      return "syslog";
    default:
      return "";
  }
}

}  // namespace

Table ChannelTable(const google::protobuf::RepeatedPtrField<v1::AlertChannel>& channels) {
  Table table({{"CHANNEL"},
               {"KIND"},
               {"TARGET"},
               {"MIN_SEVERITY"},
               {"DOMAINS"},
               {"DIGEST"},
               {"CODES", Align::kLeft, true},
               {"CLEARED", Align::kLeft, true}});
  for (const v1::AlertChannel& channel : channels) {
    std::vector<std::string> domains;
    for (const std::string& domain : channel.domains()) {
      domains.emplace_back(LastSegment(domain));
    }
    table.Add(
        channel.name(),
        {std::string(LastSegment(channel.name())), std::string(KindText(channel)),
         TargetText(channel), EnumText(v1::Severity_Name(channel.min_severity()), "SEVERITY_"),
         domains.empty() ? "all" : Join(domains, " "), channel.digest() ? "weekly" : "",
         channel.codes().empty() ? "all"
                                 : Join({channel.codes().begin(), channel.codes().end()}, " "),
         channel.without_cleared() ? "" : "yes"});
  }
  return table;
}

Table DeliveryTable(const google::protobuf::RepeatedPtrField<v1::AlertDelivery>& deliveries) {
  Table table({{"TIME"},
               {"CHANNEL"},
               {"STATE"},
               {"ATTEMPTS", Align::kRight},
               {"SUBJECT"},
               {"ERROR"},
               {"ID", Align::kLeft, true}});
  for (const v1::AlertDelivery& delivery : deliveries) {
    table.Add(delivery.id(),
              {Text(delivery.create_time()), std::string(LastSegment(delivery.channel())),
               EnumText(v1::AlertDelivery::State_Name(delivery.state()), "STATE_"),
               std::to_string(delivery.attempt_count()), delivery.subject(), delivery.last_error(),
               delivery.id()});
  }
  return table;
}

}  // namespace dmarcate::cli
