// What lib/inbound found, as messages of the API.

#ifndef DMARCATE_LIB_VIEW_INBOUND_VIEW_H_
#define DMARCATE_LIB_VIEW_INBOUND_VIEW_H_

#include "dmarcate/v1/record.pb.h"
#include "lib/inbound/inbound.h"

namespace dmarcate {

void ToMessage(const InboundPosture& posture, v1::InboundPosture* out);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_VIEW_INBOUND_VIEW_H_
