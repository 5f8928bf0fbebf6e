// cli/alert_text.h
// Channels of alerts and what was told, as tables.

#ifndef DMARCATE_CLI_ALERT_TEXT_H_
#define DMARCATE_CLI_ALERT_TEXT_H_

#include "cli/output.h"
#include "dmarcate/v1/alert.pb.h"

namespace dmarcate::cli {

Table ChannelTable(const google::protobuf::RepeatedPtrField<v1::AlertChannel>& channels);
Table DeliveryTable(const google::protobuf::RepeatedPtrField<v1::AlertDelivery>& deliveries);

}  // namespace dmarcate::cli

#endif  // DMARCATE_CLI_ALERT_TEXT_H_
