// Insights in the policy database.

#include <utility>

#include "fmt/format.h"

#include "lib/base/log.h"
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

absl::StatusOr<std::vector<InsightRecord>> RocksPolicyStore::ListInsights(std::string_view domain) {
  std::vector<InsightRecord> out;
  const std::string prefix = keys::Insights(domain);
  const auto add = [&](std::string_view key, std::string_view value) -> absl::StatusOr<bool> {
    InsightRecord record;
    // One value that does not decode costs itself only: the next look finds again what is still so.
    if (const absl::Status decoded = DecodeRecord(key, value, &record); decoded.ok()) {
      out.push_back(std::move(record));
    } else {
      LogError("insight_unreadable", {{"domain", domain}, {"error", decoded}});
    }
    return true;
  };
  DMARCATE_RETURN_IF_ERROR(
      db_->Scan(kFamily, prefix, KeyAfterPrefix(prefix), Direction::kForward, add));
  return out;
}

absl::StatusOr<InsightRecord> RocksPolicyStore::GetInsight(std::string_view domain,
                                                           std::string_view id) {
  const std::string key = keys::Insight(domain, id);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (!value) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("insight {} of {}: no such record", id, domain));
  }
  InsightRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

absl::StatusOr<std::optional<InsightLookRecord>> RocksPolicyStore::GetInsightLook(
    std::string_view domain) {
  const std::string key = keys::InsightLook(domain);
  DMARCATE_ASSIGN_OR_RETURN(const auto value, db_->Get(kFamily, key));
  if (!value) return std::nullopt;
  InsightLookRecord record;
  DMARCATE_RETURN_IF_ERROR(DecodeRecord(key, *value, &record));
  return record;
}

absl::Status RocksPolicyStore::UpdateInsights(std::string_view domain, const InsightUpdate& update,
                                              InsightSync sync) {
  DMARCATE_RETURN_IF_ERROR(CheckKey("insight", {domain}));
  if (update.empty()) return absl::OkStatus();
  WriteSet changes(1);
  for (const std::string& id : update.forget) changes.Delete(kFamily, keys::Insight(domain, id));
  for (const InsightRecord& insight : update.put) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("insight", {insight.id}));
    std::string key = keys::Insight(domain, insight.id);
    std::string value = EncodeRecord(key, insight);
    changes.Put(kFamily, std::move(key), std::move(value));
  }
  if (update.look) {
    std::string key = keys::InsightLook(domain);
    std::string value = EncodeRecord(key, *update.look);
    changes.Put(kFamily, std::move(key), std::move(value));
  }
  const std::lock_guard lock(put_mutex_);
  DMARCATE_RETURN_IF_ERROR(CheckThere(*db_, RemovedKind::kDomain, domain));
  return db_->Write(changes, sync == InsightSync::kSynced ? Sync::kYes : Sync::kNo);
}

}  // namespace dmarcate
