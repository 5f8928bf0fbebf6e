// lib/store/policy_keys.h
// The keys of the policy database: one letter, then what names the record (key_codec.h).

#ifndef DMARCATE_LIB_STORE_POLICY_KEYS_H_
#define DMARCATE_LIB_STORE_POLICY_KEYS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

#include "lib/store/observation_store.h"

namespace dmarcate::policy_keys {

inline constexpr std::string_view kFormat = "Mformat";  // -> version of the layout
inline constexpr char kDomainTag = 'D', kDecisionTag = 'S', kProviderTag = 'P', kChangeTag = 'C',
                      kChangeIdTag = 'N', kOpenTag = 'O', kRequestTag = 'Q', kRequestTimeTag = 'T',
                      kObservationTag = 'H', kInsightTag = 'I', kInsightLookTag = 'J',
                      kFleetTag = 'F', kFleetMemberTag = 'G', kAlertChannelTag = 'a',
                      kDeliveryTag = 'b', kToldTag = 'c', kRolloutTag = 'R', kRolloutLogTag = 'L',
                      kGroupingsTag = 'e', kOwnServiceTag = 'h', kMtaStsTag = 'm',
                      kMtaStsLogTag = 'n', kRolloutRulesTag = 'o', kRemovalTag = 'p';
inline constexpr std::string_view kDigest = "ddigest";  // -> when the last one was made

std::string Tag(char tag);
std::string Domain(std::string_view name);
std::string Decisions(std::string_view domain);  // prefix of a domain's
std::string Decision(std::string_view domain, std::string_view source_id);
std::string Provider(std::string_view id);
std::string Changes(std::string_view domain);  // prefix of a domain's
std::string Change(std::string_view domain, std::string_view id);
// -> empty. All changes by id, and those that a restart has to resume.
std::string ChangeId(std::string_view id, std::string_view domain);
std::string OpenChange(std::string_view id, std::string_view domain);
// (id, domain) of a key with either tag.
std::optional<std::pair<std::string, std::string>> ParseChangeId(std::string_view key);
std::string Request(std::string_view caller, std::string_view request_id);
// -> empty. Requests by time.
std::string RequestTime(absl::Time time, std::string_view caller, std::string_view request_id);
std::string RequestsUntil(absl::Time time);  // after the keys of `time` and before
// The history of records: by name and kind, newest first.
std::string Observations(std::string_view domain);                            // a domain's
std::string Observations(std::string_view domain, const ObservedName& name);  // a name's
std::string Observation(std::string_view domain, const ObservedName& name, absl::Time first_seen);
// (name, time first seen)
std::optional<std::pair<ObservedName, absl::Time>> ParseObservation(std::string_view key);
std::string Insights(std::string_view domain);  // prefix of a domain's
std::string Insight(std::string_view domain, std::string_view id);
std::optional<std::string> ParseInsight(std::string_view key);  // the id
std::string InsightLook(std::string_view domain);
std::string Fleet(std::string_view id);
std::optional<std::string> ParseFleet(std::string_view key);  // the id
std::string FleetMembers(std::string_view id);                // prefix of a fleet's
std::string FleetMember(std::string_view id, std::string_view domain);
std::optional<std::string> ParseFleetMember(std::string_view key);  // the domain
std::string Groupings(std::string_view domain);
std::string OwnService(std::string_view id);
std::string AlertChannel(std::string_view id);
std::optional<std::string> ParseAlertChannel(std::string_view key);
// By time, then by id.
std::string Delivery(absl::Time time, std::string_view id);
std::optional<std::pair<absl::Time, std::string>> ParseDelivery(std::string_view key);
std::string ToldOf(std::string_view domain);  // prefix of a domain's
std::string Told(std::string_view domain, std::string_view insight);
std::optional<std::pair<std::string, std::string>> ParseTold(std::string_view key);
// Where the rollouts of one kind are kept.
struct RolloutTags {
  std::string_view what;  // in errors: "rollout"
  char rollout = 0, log = 0;
  std::string_view lease;  // its whole key
};
inline constexpr RolloutTags kDmarcRollouts = {"rollout", kRolloutTag, kRolloutLogTag, "A"};
inline constexpr RolloutTags kMtaStsRollouts = {"mta-sts rollout", kMtaStsTag, kMtaStsLogTag,
                                                "Amta-sts"};
std::string Rollouts(const RolloutTags& tags, std::string_view domain);  // prefix of a domain's
std::string Rollout(const RolloutTags& tags, std::string_view domain, std::string_view id);
// Prefix of a rollout's.
std::string RolloutLogs(const RolloutTags& tags, std::string_view domain, std::string_view id);
std::string RolloutLog(const RolloutTags& tags, std::string_view domain, std::string_view id,
                       std::string_view entry);
std::optional<std::string> ParseRolloutLog(std::string_view key);  // the entry's id
std::string RolloutRules(std::string_view domain);
// `kind`: "domain" or "provider".
std::string Removals(std::string_view kind);  // prefix of a kind's
std::string Removal(std::string_view kind, std::string_view id);
std::optional<std::string> ParseRemoval(std::string_view key);  // the id
// (caller, request id)
std::optional<std::pair<std::string, std::string>> ParseRequestTime(std::string_view key);

}  // namespace dmarcate::policy_keys

#endif  // DMARCATE_LIB_STORE_POLICY_KEYS_H_
