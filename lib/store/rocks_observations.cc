// The history of records in the policy database.

#include <optional>

#include "lib/base/status_macros.h"
#include "lib/store/key_codec.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/policy_rules.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_removals.h"

namespace dmarcate {
namespace {

namespace keys = policy_keys;

constexpr int kFamily = 0;

}  // namespace

absl::StatusOr<std::vector<ObservedName>> RocksPolicyStore::ListObserved(std::string_view domain) {
  std::vector<ObservedName> out;
  const std::string prefix = keys::Observations(domain);
  const std::string end = KeyAfterPrefix(prefix);
  std::string from = prefix;
  // From the first entry of a name to the first of the next: a history has hundreds.
  while (true) {
    std::optional<ObservedName> name;
    const auto take = [&](std::string_view key, std::string_view) -> absl::StatusOr<bool> {
      const auto place = keys::ParseObservation(key);
      if (!place) {
        return MakeError(absl::StatusCode::kDataLoss, "policy store: a key does not decode");
      }
      name = place->first;
      return false;
    };
    DMARCATE_RETURN_IF_ERROR(db_->Scan(kFamily, from, end, Direction::kForward, take));
    if (!name) return out;
    from = KeyAfterPrefix(keys::Observations(domain, *name));
    out.push_back(*std::move(name));
  }
}

absl::StatusOr<std::vector<Observation>> RocksPolicyStore::GetHistory(std::string_view domain,
                                                                      const ObservedName& name) {
  std::vector<Observation> out;
  const std::string prefix = keys::Observations(domain, name);
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, value, &out.emplace_back()));
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      db_->Scan(kFamily, prefix, KeyAfterPrefix(prefix), Direction::kForward, add));
  return out;
}

absl::Status RocksPolicyStore::UpdateHistory(std::string_view domain, const ObservedName& name,
                                             const HistoryUpdate& update) {
  DMARCATE_RETURN_IF_ERROR(CheckKey("observation", {domain, name.owner}));
  if (update.empty()) return absl::OkStatus();
  WriteSet changes(1);
  for (const absl::Time time : update.forget) {
    changes.Delete(kFamily, keys::Observation(domain, name, time));
  }
  for (const Observation& observation : update.put) {
    std::string key = keys::Observation(domain, name, observation.first_seen);
    std::string value = EncodeRecord(key, observation);
    changes.Put(kFamily, std::move(key), std::move(value));
  }
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, domain));
  return db_->Write(changes, Sync::kNo);
}

}  // namespace dmarcate
