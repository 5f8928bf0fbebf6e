// A channel of alerts as the API has it, and as it is kept.

#ifndef DMARCATE_POLICYD_SERVICE_ALERT_CHANNEL_H_
#define DMARCATE_POLICYD_SERVICE_ALERT_CHANNEL_H_

#include "absl/status/statusor.h"

#include "dmarcate/v1/alert.pb.h"
#include "lib/store/alert_store.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

inline constexpr int kMaxRecipients = 50;
inline constexpr int kMaxChannelDomains = 1'000;
inline constexpr int kMaxChannelCodes = 100;

// What a person asked for; without id, time and caller.
//   kInvalidArgument FIELD_INVALID, FIELD_REQUIRED, CREDENTIAL_MALFORMED
//   kNotFound RESOURCE_NOT_FOUND  a domain that is not managed
absl::StatusOr<AlertChannelRecord> ReadChannel(const v1::AlertChannel& in, PolicyStore& policies);

// `record` with what `paths` name as `in` has it; the rest as it is, also what is not shown. Paths
// of what only the server says are without effect (AIP-161).
//   kInvalidArgument UPDATE_MASK_REQUIRED, UPDATE_MASK_INVALID; FIELD_INVALID  a target of another
//   kind; and as ReadChannel
absl::StatusOr<AlertChannelRecord> ChangeChannel(
    const AlertChannelRecord& record, const v1::AlertChannel& in,
    const google::protobuf::RepeatedPtrField<std::string>& paths, PolicyStore& policies);

// The path of a webhook may be a secret, and is not shown.
v1::AlertChannel Show(const AlertChannelRecord& record);
v1::AlertDelivery Show(const DeliveryRecord& record);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ALERT_CHANNEL_H_
