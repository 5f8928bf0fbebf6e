#include "lib/store/fake_insight_store.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/policy_rules.h"

namespace dmarcate {

void FakeInsightStore::FailUpdates(absl::Status error) {
  const std::lock_guard lock(mutex_);
  update_error_ = std::move(error);
}

void FakeInsightStore::FailLook(const std::string& domain, absl::Status error) {
  const std::lock_guard lock(mutex_);
  domains_[domain].look_error = std::move(error);
}

absl::StatusOr<std::vector<InsightRecord>> FakeInsightStore::ListInsights(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  std::vector<InsightRecord> out;
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return out;
  for (const auto& [id, insight] : found->second.insights) out.push_back(insight);
  return out;
}

absl::StatusOr<InsightRecord> FakeInsightStore::GetInsight(std::string_view domain,
                                                           std::string_view id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = domains_.find(domain); found != domains_.end()) {
    const auto insight = found->second.insights.find(id);
    if (insight != found->second.insights.end()) return insight->second;
  }
  return MakeError(absl::StatusCode::kNotFound,
                   fmt::format("insight {} of {}: no such record", id, domain));
}

absl::StatusOr<std::optional<InsightLookRecord>> FakeInsightStore::GetInsightLook(
    std::string_view domain) {
  const std::lock_guard lock(mutex_);
  const auto found = domains_.find(domain);
  if (found == domains_.end()) return std::nullopt;
  DMARCATE_RETURN_IF_ERROR(found->second.look_error);
  return found->second.look;
}

absl::Status FakeInsightStore::UpdateInsights(std::string_view domain, const InsightUpdate& update,
                                              InsightSync) {
  const std::lock_guard lock(mutex_);
  DMARCATE_RETURN_IF_ERROR(update_error_);
  DMARCATE_RETURN_IF_ERROR(CheckKey("insight", {domain}));
  for (const InsightRecord& insight : update.put) {
    DMARCATE_RETURN_IF_ERROR(CheckKey("insight", {insight.id}));
  }
  if (update.empty()) return absl::OkStatus();
  Kept& kept = domains_[std::string(domain)];
  for (const std::string& id : update.forget) kept.insights.erase(id);
  for (const InsightRecord& insight : update.put) kept.insights[insight.id] = insight;
  if (update.look) {
    kept.look = update.look;
    kept.look_error = absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace dmarcate
