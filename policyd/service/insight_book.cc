#include "policyd/service/insight_book.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
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

// kInvalidArgument ETAG_REQUIRED, kAborted ETAG_MISMATCH
absl::Status CheckInsightEtag(std::string_view etag, const InsightRecord& record) {
  if (etag == InsightEtag(record)) return absl::OkStatus();
  if (etag.empty()) return ReadEtag(etag).status();
  return ReasonError(Reason::kEtagMismatch,
                     "etag: the resource has changed since it was read; read it again",
                     {{"etag", InsightEtag(record)}});
}

}  // namespace

std::string InsightEtag(const InsightRecord& record) {
  const std::string what =
      fmt::format("{} {} {} {}", absl::ToUnixMicros(record.first_seen),
                  static_cast<int>(record.severity), record.weight, record.content);
  return fmt::format("{}-{}", MakeEtag(record.revision), Sha256Hex(what).substr(0, 12));
}

absl::Status InsightBook::Fold(const std::string& domain, const InsightLook& look) {
  const std::lock_guard lock(mutex_);
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> stored, store_.ListInsights(domain));
  auto before = LastLook(domain);
  if (absl::IsDataLoss(before.status())) before = std::nullopt;
  DMARCATE_RETURN_IF_ERROR(before.status());
  return store_.UpdateInsights(domain, FoldInsights(stored, *before, look, clock_.Now()),
                               InsightSync::kLater);
}

absl::StatusOr<std::set<std::string>> InsightBook::OpenIds(const std::string& domain) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<InsightRecord> stored, store_.ListInsights(domain));
  std::set<std::string> out;
  for (const InsightRecord& record : stored) {
    if (record.state != InsightState::kResolved) out.insert(record.id);
  }
  return out;
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
  DMARCATE_RETURN_IF_ERROR(CheckInsightEtag(request.etag, record));
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
