// Rules of rollouts in the policy database.

#include <utility>

#include "fmt/format.h"

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_removals.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;
namespace pb = storage::v1;

constexpr int kFamily = 0;

}  // namespace

std::string EncodeRecord(std::string_view key, const RolloutRules& record) {
  pb::RolloutRules out;
  out.set_revision(record.revision);
  for (const RolloutFreeze& freeze : record.freezes) {
    pb::RolloutFreeze* const stored = out.add_freezes();
    stored->set_id(freeze.id);
    stored->set_begin_us(ToStoredTime(freeze.begin));
    stored->set_end_us(ToStoredTime(freeze.end));
    stored->set_reason(freeze.reason);
    stored->set_created_by(freeze.created_by);
    stored->set_create_time_us(ToStoredTime(freeze.create_time));
  }
  out.set_two_people(record.two_people);
  out.set_release_by(record.release_by);
  out.set_release_time_us(ToStoredTime(record.release_time));
  out.set_suspended(record.suspended);
  out.set_suspend_reason(record.suspend_reason);
  for (const RolloutRulesEntry& entry : record.log) {
    pb::RolloutRulesEntry* const stored = out.add_log();
    stored->set_time_us(ToStoredTime(entry.time));
    stored->set_who(entry.who);
    stored->set_text(entry.text);
  }
  return SealMessage(key, out);
}

// Without the domain, which is in the key.
absl::Status DecodeRecord(std::string_view key, std::string_view value, RolloutRules* record) {
  pb::RolloutRules in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->freezes.clear();
  for (const pb::RolloutFreeze& stored : in.freezes()) {
    RolloutFreeze& freeze = record->freezes.emplace_back();
    freeze.id = stored.id();
    freeze.begin = FromStoredTime(stored.begin_us());
    freeze.end = FromStoredTime(stored.end_us());
    freeze.reason = stored.reason();
    freeze.created_by = stored.created_by();
    freeze.create_time = FromStoredTime(stored.create_time_us());
  }
  record->two_people = in.two_people();
  record->release_by = in.release_by();
  record->release_time = FromStoredTime(in.release_time_us());
  record->suspended = in.suspended();
  record->suspend_reason = in.suspend_reason();
  record->log.clear();
  for (const pb::RolloutRulesEntry& stored : in.log()) {
    record->log.push_back({FromStoredTime(stored.time_us()), stored.who(), stored.text()});
  }
  return absl::OkStatus();
}

absl::StatusOr<RolloutRules> RocksPolicyStore::GetRolloutRules(std::string_view domain) {
  RolloutRules out;
  out.domain = std::string(domain);
  const std::string key = keys::RolloutRules(domain);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (value) DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &out));
  return out;
}

absl::StatusOr<RolloutRules> RocksPolicyStore::PutRolloutRules(RolloutRules rules) {
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("rollout rules", {rules.domain}));
  DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, rules.domain));
  DMARCATE_ASSIGN_OR_RETURN(const RolloutRules stored, GetRolloutRules(rules.domain));
  DMARCATE_RETURN_IF_ERROR(
      CheckRevision(fmt::format("rollout rules of {}", rules.domain), rules.revision,
                    stored.revision == 0 ? std::nullopt : std::optional(stored.revision)));
  ++rules.revision;
  std::string key = keys::RolloutRules(rules.domain);
  std::string value = EncodeRecord(key, rules);
  WriteSet changes(1);
  changes.Put(kFamily, std::move(key), std::move(value));
  DMARCATE_RETURN_IF_ERROR(Write(changes));
  return rules;
}

}  // namespace dmarcate
