#include "policyd/service/fleet_view.h"

#include <string>

#include "lib/base/text.h"
#include "policyd/service/change_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

void SetTime(absl::Time time, google::protobuf::Timestamp* (*mutable_field)(v1::FleetChange*),
             v1::FleetChange* out) {
  if (time != absl::InfinitePast()) *mutable_field(out) = ToTimestamp(time);
}

void Fill(const FleetProgress& progress, v1::FleetProgress* out) {
  const auto count = [&](FleetMemberState state) {
    return static_cast<int32_t>(CountOf(progress.counts, state));
  };
  const auto running = static_cast<int32_t>(progress.running);
  const auto open = static_cast<int32_t>(progress.open);
  const bool planning = progress.record.state == FleetState::kPlanning;
  out->set_total(static_cast<int32_t>(progress.record.member_count));
  out->set_unplanned(count(FleetMemberState::kUnplanned) - (planning ? running : 0));
  out->set_waiting(count(FleetMemberState::kPlanned) - (planning ? 0 : running + open));
  out->set_running(running);
  out->set_verifying(open);
  out->set_retrying(static_cast<int32_t>(progress.retrying));
  out->set_unchanged(count(FleetMemberState::kUnchanged));
  out->set_refused(count(FleetMemberState::kRefused));
  out->set_unplannable(count(FleetMemberState::kPlanFailed));
  out->set_succeeded(count(FleetMemberState::kSucceeded));
  out->set_failed(count(FleetMemberState::kFailed));
  out->set_rolled_back(count(FleetMemberState::kRolledBack));
  out->set_needs_attention(count(FleetMemberState::kNeedsAttention));
  out->set_cancelled(count(FleetMemberState::kCancelled));
  out->set_per_minute(progress.ended_per_minute);
  if (progress.time_left != absl::InfiniteDuration()) {
    out->mutable_time_left()->set_seconds(
        absl::ToInt64Seconds(absl::Ceil(progress.time_left, absl::Seconds(1))));
  }
}

void Fill(const FleetSelection& selection, v1::FleetSelection* out) {
  out->set_named(selection.named);
  if (!selection.dns_provider.empty()) {
    out->set_dns_provider(ProviderResource(selection.dns_provider));
  }
  out->set_under(selection.under);
  if (!selection.retry_of.empty()) out->set_retry_of(FleetResource(selection.retry_of));
  if (!selection.rollback_of.empty()) out->set_rollback_of(FleetResource(selection.rollback_of));
}

}  // namespace

v1::FleetChange ToMessage(const FleetRecord& record, absl::Time now) {
  v1::FleetChange out;
  out.set_name(FleetResource(record.id));
  out.set_etag(MakeEtag(record.revision));
  const bool expired = record.state == FleetState::kPlanned && record.plan_expire_time <= now;
  out.set_state(expired ? v1::FleetChange::STATE_EXPIRED
                        : static_cast<v1::FleetChange::State>(record.state));  // numbered alike
  Fill(record.selection, out.mutable_selection());
  *out.mutable_intent() = ToMessage(record.intent, "");
  out.set_plan_digest(record.plan_digest);
  out.set_requested_by(record.requested_by);
  out.set_applied_by(record.applied_by);
  SetTime(record.create_time, [](auto* f) { return f->mutable_create_time(); }, &out);
  SetTime(record.plan_end_time, [](auto* f) { return f->mutable_plan_end_time(); }, &out);
  SetTime(record.plan_expire_time, [](auto* f) { return f->mutable_plan_expire_time(); }, &out);
  SetTime(record.apply_time, [](auto* f) { return f->mutable_apply_time(); }, &out);
  SetTime(record.apply_expire_time, [](auto* f) { return f->mutable_apply_expire_time(); }, &out);
  SetTime(record.end_time, [](auto* f) { return f->mutable_end_time(); }, &out);
  if (record.apply_time != absl::InfinitePast()) {
    out.mutable_limits()->set_canaries(static_cast<int32_t>(record.limits.canaries));
    out.mutable_limits()->set_max_failures(static_cast<int32_t>(record.limits.max_failures));
    out.mutable_limits()->set_parallel(static_cast<int32_t>(record.limits.parallel));
  }
  out.set_pause_reason(record.pause_reason);
  out.set_pause_message(record.pause_message);
  return out;
}
static_assert(static_cast<int>(FleetState::kPlanning) == v1::FleetChange::STATE_PLANNING &&
              static_cast<int>(FleetState::kPaused) == v1::FleetChange::STATE_PAUSED &&
              static_cast<int>(FleetState::kFailed) == v1::FleetChange::STATE_FAILED);

v1::FleetChange ToMessage(const FleetProgress& progress, absl::Time now) {
  v1::FleetChange out = ToMessage(progress.record, now);
  Fill(progress, out.mutable_progress());
  for (const FleetGroup& group : progress.groups) {
    v1::FleetGroup* message = out.add_groups();
    message->set_state(static_cast<v1::FleetMember::State>(group.state));  // numbered alike
    message->set_reason(group.reason);
    message->set_message(ToValidUtf8(group.message));
    message->set_count(static_cast<int32_t>(group.count));
    for (const std::string& domain : group.domains) message->add_domains(DomainResource(domain));
  }
  return out;
}

v1::FleetMember ToMessage(const FleetMemberRecord& member) {
  v1::FleetMember out;
  out.set_domain(DomainResource(member.domain));
  out.set_state(static_cast<v1::FleetMember::State>(member.state));  // numbered alike
  if (!member.change_id.empty()) {
    out.set_change(DomainChildResource(member.domain, kChanges, member.change_id));
  }
  out.set_plan_digest(member.plan_digest);
  if (!member.dns_provider.empty()) out.set_dns_provider(ProviderResource(member.dns_provider));
  out.set_canary(member.canary);
  out.set_reason(member.reason);
  out.set_message(ToValidUtf8(member.message));
  if (member.end_time != absl::InfinitePast()) {
    *out.mutable_end_time() = ToTimestamp(member.end_time);
  }
  return out;
}
static_assert(static_cast<int>(FleetMemberState::kUnplanned) == v1::FleetMember::STATE_UNPLANNED &&
              static_cast<int>(FleetMemberState::kSucceeded) == v1::FleetMember::STATE_SUCCEEDED &&
              static_cast<int>(FleetMemberState::kCancelled) == v1::FleetMember::STATE_CANCELLED);

}  // namespace dmarcate
