#include "policyd/service/insight_book.h"

#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "policyd/service/convert.h"
#include "policyd/watch/insights.h"

namespace dmarcate {
namespace {

std::string_view NameOf(InsightState state) {
  switch (state) {
    case InsightState::kActive:
      return "active";
    case InsightState::kAccepted:
      return "accepted";
    case InsightState::kDismissed:
      return "dismissed";
    case InsightState::kResolved:
      return "resolved";
  }
  return "";
}

}  // namespace

absl::Status InsightBook::Fold(const std::string& domain, const InsightLook& look) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> stored, store_.ListInsights(domain));
  auto before = LastLook(domain);
  if (absl::IsDataLoss(before.status())) before = std::nullopt;
  DMARCATE_RETURN_IF_ERROR(before.status());
  return store_.UpdateInsights(domain, FoldInsights(stored, *before, look, clock_.Now()),
                               InsightSync::kLater);
}

absl::StatusOr<std::optional<InsightLookRecord>> InsightBook::LastLook(const std::string& domain) {
  auto look = store_.GetInsightLook(domain);
  const std::lock_guard lock(unreadable_mutex_);
  if (!absl::IsDataLoss(look.status())) {
    unreadable_.erase(domain);
  } else if (unreadable_.insert(domain).second) {
    LogError("insight_look_unreadable", {{"domain", domain}, {"error", look.status()}});
  }
  return look;
}

absl::StatusOr<InsightRecord> InsightBook::Decide(const InsightDecisionRequest& request) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(InsightRecord record, store_.GetInsight(request.domain, request.id));
  DMARCATE_RETURN_IF_ERROR(CheckEtag(request.etag, record.revision));
  InsightRecord decided =
      Decided(record, request.state, request.decided_by, request.note, clock_.Now());
  if (decided == record || request.validate_only) return decided;
  DMARCATE_RETURN_IF_ERROR(store_.UpdateInsights(
      request.domain, {.put = {decided}, .forget = {}, .look = {}}, InsightSync::kSynced));
  LogInfo("insight_decided", {{"domain", request.domain},
                              {"insight", request.id},
                              {"state", NameOf(decided.state)},
                              {"by", request.decided_by}});
  return decided;
}

}  // namespace dmarcate
