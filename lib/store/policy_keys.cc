#include "lib/store/policy_keys.h"

#include "lib/store/key_codec.h"

namespace dmarcate::policy_keys {
namespace {

std::string Key(char tag, std::string_view first) {
  std::string key(1, tag);
  AppendKeyText(first, &key);
  return key;
}

std::string Key(char tag, std::string_view first, std::string_view second) {
  std::string key = Key(tag, first);
  AppendKeyText(second, &key);
  return key;
}

// Signed numbers sort as unsigned ones once the sign bit is turned over.
constexpr uint64_t kSignBit = uint64_t{1} << 63;

uint64_t AscendingTime(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMicros(time)) ^ kSignBit;
}

std::string TimeKey(absl::Time time) {
  std::string key(1, kRequestTimeTag);
  AppendKeyNumber(AscendingTime(time), 8, &key);
  return key;
}

std::optional<std::pair<std::string, std::string>> TakeTwo(std::string_view key) {
  auto first = TakeKeyText(&key);
  auto second = TakeKeyText(&key);
  if (!first || !second || !key.empty()) return std::nullopt;
  return std::pair(*std::move(first), *std::move(second));
}

}  // namespace

std::string Tag(char tag) { return std::string(1, tag); }
std::string Domain(std::string_view name) { return Key(kDomainTag, name); }
std::string Decisions(std::string_view domain) { return Key(kDecisionTag, domain); }
std::string Decision(std::string_view domain, std::string_view source_id) {
  return Key(kDecisionTag, domain, source_id);
}
std::string Provider(std::string_view id) { return Key(kProviderTag, id); }
std::string Changes(std::string_view domain) { return Key(kChangeTag, domain); }
std::string Change(std::string_view domain, std::string_view id) {
  return Key(kChangeTag, domain, id);
}
std::string ChangeId(std::string_view id, std::string_view domain) {
  return Key(kChangeIdTag, id, domain);
}
std::string OpenChange(std::string_view id, std::string_view domain) {
  return Key(kOpenTag, id, domain);
}
std::optional<std::pair<std::string, std::string>> ParseChangeId(std::string_view key) {
  if (key.empty()) return std::nullopt;
  return TakeTwo(key.substr(1));
}
std::string Request(std::string_view caller, std::string_view request_id) {
  return Key(kRequestTag, caller, request_id);
}
std::string RequestTime(absl::Time time, std::string_view caller, std::string_view request_id) {
  std::string key = TimeKey(time);
  AppendKeyText(caller, &key);
  AppendKeyText(request_id, &key);
  return key;
}
std::string RequestsUntil(absl::Time time) { return TimeKey(time + absl::Microseconds(1)); }
std::optional<std::pair<std::string, std::string>> ParseRequestTime(std::string_view key) {
  if (key.size() < 9) return std::nullopt;
  return TakeTwo(key.substr(9));
}

std::string Insights(std::string_view domain) { return Key(kInsightTag, domain); }
std::string Insight(std::string_view domain, std::string_view id) {
  return Key(kInsightTag, domain, id);
}
std::optional<std::string> ParseInsight(std::string_view key) {
  if (key.empty()) return std::nullopt;
  auto both = TakeTwo(key.substr(1));
  if (!both) return std::nullopt;
  return std::move(both->second);
}
std::string InsightLook(std::string_view domain) { return Key(kInsightLookTag, domain); }

std::string Fleet(std::string_view id) { return Key(kFleetTag, id); }
std::optional<std::string> ParseFleet(std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  auto id = TakeKeyText(&key);
  if (!id || !key.empty()) return std::nullopt;
  return id;
}
std::string Groupings(std::string_view domain) { return Key(kGroupingsTag, domain); }
std::string OwnService(std::string_view id) { return Key(kOwnServiceTag, id); }
std::string AlertChannel(std::string_view id) { return Key(kAlertChannelTag, id); }
std::optional<std::string> ParseAlertChannel(std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  auto id = TakeKeyText(&key);
  if (!id || !key.empty()) return std::nullopt;
  return id;
}
std::string FleetMembers(std::string_view id) { return Key(kFleetMemberTag, id); }
std::string FleetMember(std::string_view id, std::string_view domain) {
  return Key(kFleetMemberTag, id, domain);
}
std::optional<std::string> ParseFleetMember(std::string_view key) { return ParseInsight(key); }
std::string Delivery(absl::Time time, std::string_view id) {
  std::string key(1, kDeliveryTag);
  AppendKeyNumber(AscendingTime(time), 8, &key);
  AppendKeyText(id, &key);
  return key;
}
std::optional<std::pair<absl::Time, std::string>> ParseDelivery(std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  const auto time = TakeKeyNumber(&key, 8);
  auto id = TakeKeyText(&key);
  if (!time || !id || !key.empty()) return std::nullopt;
  return std::pair(absl::FromUnixMicros(static_cast<int64_t>(*time ^ kSignBit)), *std::move(id));
}
std::string ToldOf(std::string_view domain) { return Key(kToldTag, domain); }
std::string Told(std::string_view domain, std::string_view insight) {
  return Key(kToldTag, domain, insight);
}
std::optional<std::pair<std::string, std::string>> ParseTold(std::string_view key) {
  if (key.empty()) return std::nullopt;
  return TakeTwo(key.substr(1));
}
std::string Rollouts(const RolloutTags& tags, std::string_view domain) {
  return Key(tags.rollout, domain);
}
std::string Rollout(const RolloutTags& tags, std::string_view domain, std::string_view id) {
  return Key(tags.rollout, domain, id);
}
std::string RolloutLogs(const RolloutTags& tags, std::string_view domain, std::string_view id) {
  return Key(tags.log, domain, id);
}
std::string RolloutLog(const RolloutTags& tags, std::string_view domain, std::string_view id,
                       std::string_view entry) {
  std::string key = RolloutLogs(tags, domain, id);
  AppendKeyText(entry, &key);
  return key;
}
std::optional<std::string> ParseRolloutLog(std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  const auto domain = TakeKeyText(&key);
  const auto id = TakeKeyText(&key);
  auto entry = TakeKeyText(&key);
  if (!domain || !id || !entry || !key.empty()) return std::nullopt;
  return entry;
}
std::string Removals(std::string_view kind) { return Key(kRemovalTag, kind); }
std::string Removal(std::string_view kind, std::string_view id) {
  return Key(kRemovalTag, kind, id);
}
std::optional<std::string> ParseRemoval(std::string_view key) { return ParseInsight(key); }
std::string RolloutRules(std::string_view domain) { return Key(kRolloutRulesTag, domain); }

std::string Observations(std::string_view domain) { return Key(kObservationTag, domain); }
std::string Observations(std::string_view domain, const ObservedName& name) {
  std::string key = Key(kObservationTag, domain, name.owner);
  AppendKeyNumber(static_cast<uint64_t>(name.kind), 1, &key);
  return key;
}
std::string Observation(std::string_view domain, const ObservedName& name, absl::Time first_seen) {
  std::string key = Observations(domain, name);
  AppendKeyNumber(~AscendingTime(first_seen), 8, &key);
  return key;
}
std::optional<std::pair<ObservedName, absl::Time>> ParseObservation(std::string_view key) {
  if (key.empty()) return std::nullopt;
  key.remove_prefix(1);
  const auto domain = TakeKeyText(&key);
  auto owner = TakeKeyText(&key);
  const auto kind = TakeKeyNumber(&key, 1);
  const auto time = TakeKeyNumber(&key, 8);
  if (!domain || !owner || !kind || !time || !key.empty() || *kind < 1 ||
      *kind > static_cast<uint64_t>(RecordKind::kTlsRpt)) {
    return std::nullopt;
  }
  return std::pair(ObservedName{*std::move(owner), static_cast<RecordKind>(*kind)},
                   absl::FromUnixMicros(static_cast<int64_t>(~*time ^ kSignBit)));
}

}  // namespace dmarcate::policy_keys
