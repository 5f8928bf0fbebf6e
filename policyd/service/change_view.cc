#include "policyd/service/change_view.h"

#include <string>

#include "lib/base/text.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/spf_preview.h"

namespace dmarcate {
namespace {

std::string ChangeName(const ChangeRecord& record, const std::string& id) {
  return id.empty() ? std::string() : DomainChildResource(record.domain, kChanges, id);
}

void Fill(const RecordChangeRecord& change, v1::RecordChange* out) {
  out->set_owner_name(change.owner_name);
  out->set_type(change.type);
  for (const std::string& text : change.before) out->add_before(ToValidUtf8(text));
  for (const std::string& text : change.after) out->add_after(ToValidUtf8(text));
  out->set_ttl_seconds_before(change.ttl_before);
  out->set_ttl_seconds_after(change.ttl_after);
  for (const TermChangeRecord& term : change.term_changes) {
    *out->add_term_changes() = ToMessage(term);
  }
  for (const std::string& text : change.untouched) out->add_untouched(ToValidUtf8(text));
  out->set_lookups_before(change.lookups_before);
  out->set_lookups_after(change.lookups_after);
}

void SetTime(absl::Time time, google::protobuf::Timestamp* (*mutable_field)(v1::Change*),
             v1::Change* out) {
  if (time != absl::InfinitePast() && time != absl::InfiniteFuture()) {
    *mutable_field(out) = ToTimestamp(time);
  }
}

}  // namespace

v1::Change ToMessage(const ChangeRecord& record, absl::Time now) {
  v1::Change out;
  out.set_name(ChangeName(record, record.id));
  out.set_etag(MakeEtag(record.revision));
  const bool expired = record.state == ChangeState::kPlanned && record.plan_expire_time <= now;
  out.set_state(static_cast<v1::Change::State>(  // numbered alike
      expired ? ChangeState::kExpired : record.state));
  out.mutable_intent()->set_spf_from_decisions(record.intent.spf_from_decisions);
  out.mutable_intent()->set_dmarc_report_address(record.intent.dmarc_report_address);
  out.mutable_intent()->set_flatten(  // numbered alike
      static_cast<v1::Intent::Flatten>(record.intent.flatten));
  if (record.intent.policy.has_value()) {
    v1::PolicyMove* move = out.mutable_intent()->mutable_policy();
    move->set_scope(std::string(ToString(record.intent.policy->scope)));
    move->set_stage(std::string(ToString(record.intent.policy->to)));
    move->set_rollout(
        DomainChildResource(record.domain, kRollouts, record.intent.policy->rollout_id));
  }
  out.mutable_intent()->set_rollback_of(ChangeName(record, record.intent.rollback_of));
  for (const RecordChangeRecord& change : record.record_changes) {
    Fill(change, out.add_record_changes());
  }
  out.set_plan_digest(record.plan_digest);
  for (const GuardRecord& guard : record.guards) {
    v1::GuardResult* message = out.add_guards();
    message->set_code(guard.code);
    message->set_result(static_cast<v1::GuardResult::Result>(guard.verdict));  // numbered alike
    message->set_message(ToValidUtf8(guard.message));
    for (const auto& [key, value] : guard.metadata) {
      (*message->mutable_metadata())[ToValidUtf8(key)] = ToValidUtf8(value);
    }
  }
  if (!record.dns_provider.empty()) out.set_dns_provider(ProviderResource(record.dns_provider));
  out.set_provider_class(static_cast<v1::ProviderClass>(record.provider_class));  // numbered alike
  for (const StepRecord& step : record.steps) {
    v1::Step* message = out.add_steps();
    message->set_step(step.step);
    message->set_detail(ToValidUtf8(step.detail));
    *message->mutable_time() = ToTimestamp(step.time);
  }
  for (const VerificationRecord& verification : record.verifications) {
    v1::ServerVerification* message = out.add_verifications();
    message->set_name_server(verification.name_server);
    message->set_address(verification.address);
    message->set_owner_name(verification.owner_name);
    message->set_verified(verification.verified);
    message->set_detail(ToValidUtf8(verification.detail));
    *message->mutable_time() = ToTimestamp(verification.time);
  }
  out.set_requested_by(record.requested_by);
  out.set_applied_by(record.applied_by);
  SetTime(record.create_time, [](v1::Change* c) { return c->mutable_create_time(); }, &out);
  SetTime(record.apply_time, [](v1::Change* c) { return c->mutable_apply_time(); }, &out);
  SetTime(record.end_time, [](v1::Change* c) { return c->mutable_end_time(); }, &out);
  SetTime(
      record.plan_expire_time, [](v1::Change* c) { return c->mutable_plan_expire_time(); }, &out);
  if (record.scheduled()) {
    SetTime(record.apply_after, [](v1::Change* c) { return c->mutable_apply_after_time(); }, &out);
  }
  out.set_rollback_of(ChangeName(record, record.rollback_of));
  out.set_rolled_back_by(ChangeName(record, record.rolled_back_by));
  if (!record.error_reason.empty()) {
    out.mutable_error()->set_reason(record.error_reason);
    out.mutable_error()->set_message(ToValidUtf8(record.error_message));
    for (const auto& [key, value] : record.error_metadata) {
      (*out.mutable_error()->mutable_metadata())[ToValidUtf8(key)] = ToValidUtf8(value);
    }
  }
  return out;
}
static_assert(static_cast<int>(ChangeState::kPlanned) == v1::Change::STATE_PLANNED &&
              static_cast<int>(ChangeState::kCancelled) == v1::Change::STATE_CANCELLED &&
              static_cast<int>(ChangeState::kSucceeded) == v1::Change::STATE_SUCCEEDED &&
              static_cast<int>(ChangeState::kNeedsAttention) == v1::Change::STATE_NEEDS_ATTENTION &&
              static_cast<int>(GuardVerdict::kRefuse) == v1::GuardResult::RESULT_REFUSE);

}  // namespace dmarcate
