#include "policyd/service/insight_view.h"

#include <string>
#include <tuple>

#include "lib/base/text.h"
#include "lib/view/posture_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/insight_book.h"
#include "policyd/service/names.h"

namespace dmarcate {

v1::Insight::State ToMessage(InsightState state) {
  switch (state) {
    case InsightState::kActive:
      return v1::Insight::STATE_ACTIVE;
    case InsightState::kAccepted:
      return v1::Insight::STATE_ACCEPTED;
    case InsightState::kDismissed:
      return v1::Insight::STATE_DISMISSED;
    case InsightState::kResolved:
      return v1::Insight::STATE_RESOLVED;
  }
  return v1::Insight::STATE_UNSPECIFIED;
}

v1::Insight MakeInsight(std::string_view domain, const InsightRecord& record) {
  v1::Insight out;
  out.set_name(DomainChildResource(domain, kInsights, record.id));
  out.set_code(record.code);
  out.set_severity(dmarcate::ToMessage(record.severity));
  out.set_state(ToMessage(record.state));
  out.set_subject(ToValidUtf8(record.subject));
  out.set_path(ToValidUtf8(record.path));
  out.set_message(ToValidUtf8(record.message));
  out.set_fix_hint(ToValidUtf8(record.fix_hint));
  out.set_evidence_command(ToValidUtf8(record.evidence_command));
  out.set_reference(record.reference);
  for (const auto& [key, value] : record.metadata) {
    (*out.mutable_metadata())[key] = ToValidUtf8(value);
  }
  *out.mutable_first_seen_time() = ToTimestamp(record.first_seen);
  *out.mutable_last_seen_time() = ToTimestamp(record.last_seen);
  if (record.resolve_time != absl::InfiniteFuture()) {
    *out.mutable_resolve_time() = ToTimestamp(record.resolve_time);
  }
  out.set_active_count(static_cast<int32_t>(record.active_count));
  if (record.decide_time != absl::InfinitePast()) {
    v1::InsightDecision* decision = out.mutable_decision();
    decision->set_state(ToMessage(record.decision));
    decision->set_decided_by(record.decided_by);
    *decision->mutable_decide_time() = ToTimestamp(record.decide_time);
    decision->set_note(ToValidUtf8(record.note));
  }
  out.set_etag(InsightEtag(record));
  return out;
}

bool ComesBefore(const InsightRecord& a, const InsightRecord& b) {
  return std::tie(b.severity, a.id) < std::tie(a.severity, b.id);
}

}  // namespace dmarcate
