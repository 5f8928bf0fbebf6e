// lib/store/policy_codec.h
// The values of the policy database: each record as a message of dmarcate.storage.v1, sealed with
// its key (envelope.h). Equal records, equal bytes. Times are kept to the microsecond.
//
// Decoding: kDataLoss, kFailedPrecondition as Unseal().

#ifndef DMARCATE_LIB_STORE_POLICY_CODEC_H_
#define DMARCATE_LIB_STORE_POLICY_CODEC_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/store/alert_store.h"
#include "lib/store/fleet_store.h"
#include "lib/store/grouping_store.h"
#include "lib/store/insight_store.h"
#include "lib/store/observation_store.h"
#include "lib/store/own_service_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/rollout_rules_store.h"
#include "lib/store/rollout_store.h"

namespace dmarcate {

std::string EncodeRecord(std::string_view key, const DomainRecord& record);
std::string EncodeRecord(std::string_view key, const SourceDecision& record);
std::string EncodeRecord(std::string_view key, const DnsProviderRecord& record);
std::string EncodeRecord(std::string_view key, const ChangeRecord& record);
std::string EncodeRecord(std::string_view key, const RequestRecord& record);
// Without the time first seen, which is in the key.
std::string EncodeRecord(std::string_view key, const Observation& record);
// Without the id, which is in the key.
std::string EncodeRecord(std::string_view key, const InsightRecord& record);
std::string EncodeRecord(std::string_view key, const InsightLookRecord& record);
std::string EncodeRecord(std::string_view key, const RolloutRecord& record);
// Without the id, which is in the key.
std::string EncodeRecord(std::string_view key, const RolloutLogRecord& record);
std::string EncodeRecord(std::string_view key, const RolloutLease& record);
std::string EncodeRecord(std::string_view key, const RolloutRules& record);
// Without the id and the domain, which are in the key.
std::string EncodeRecord(std::string_view key, const FleetRecord& record);
std::string EncodeRecord(std::string_view key, const FleetMemberRecord& record);
// Without what is in the key.
std::string EncodeRecord(std::string_view key, const AlertChannelRecord& record);
std::string EncodeRecord(std::string_view key, const DeliveryRecord& record);
std::string EncodeRecord(std::string_view key, const ToldRecord& record);
std::string EncodeRecord(std::string_view key, const SourceGroupings& record);
std::string EncodeRecord(std::string_view key, const OwnServiceRecord& record);
std::string EncodeDigestTime(std::string_view key, absl::Time time);

absl::Status DecodeRecord(std::string_view key, std::string_view value, DomainRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, SourceDecision* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, DnsProviderRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, ChangeRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, RequestRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, Observation* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, InsightRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, InsightLookRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, FleetRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, FleetMemberRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, AlertChannelRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, DeliveryRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, ToldRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, SourceGroupings* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, OwnServiceRecord* record);
absl::StatusOr<absl::Time> DecodeDigestTime(std::string_view key, std::string_view value);
absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutLogRecord* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutLease* record);
absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutRules* record);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_POLICY_CODEC_H_
