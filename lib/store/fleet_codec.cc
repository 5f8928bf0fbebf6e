// A change of many domains as it is stored (policy_codec.h).

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/policy_codec.h"
#include "lib/store/policy_keys.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

}  // namespace

bool IsOpen(FleetState state) {
  return state == FleetState::kPlanning || state == FleetState::kApplying ||
         state == FleetState::kPaused || state == FleetState::kCancelling;
}

std::string EncodeRecord(std::string_view key, const FleetRecord& record) {
  pb::Fleet out;
  out.set_revision(record.revision);
  out.set_state(static_cast<uint32_t>(record.state));
  pb::FleetSelection* selection = out.mutable_selection();
  selection->set_named(record.selection.named);
  selection->set_dns_provider(record.selection.dns_provider);
  selection->set_under(record.selection.under);
  selection->set_retry_of(record.selection.retry_of);
  selection->set_rollback_of(record.selection.rollback_of);
  out.mutable_intent()->set_spf_from_decisions(record.intent.spf_from_decisions);
  out.mutable_intent()->set_dmarc_report_address(record.intent.dmarc_report_address);
  out.mutable_intent()->set_flatten(static_cast<uint32_t>(record.intent.flatten));
  out.set_canaries(record.limits.canaries);
  out.set_max_failures(record.limits.max_failures);
  out.set_parallel(record.limits.parallel);
  out.set_member_count(record.member_count);
  out.set_plan_digest(record.plan_digest);
  out.set_requested_by(record.requested_by);
  out.set_applied_by(record.applied_by);
  out.set_create_time_us(ToStoredTime(record.create_time));
  const auto put = [&](absl::Time time, void (pb::Fleet::*set)(int64_t)) {
    if (time != absl::InfinitePast()) (out.*set)(ToStoredTime(time));
  };
  put(record.plan_end_time, &pb::Fleet::set_plan_end_time_us);
  put(record.plan_expire_time, &pb::Fleet::set_plan_expire_time_us);
  put(record.apply_time, &pb::Fleet::set_apply_time_us);
  put(record.end_time, &pb::Fleet::set_end_time_us);
  put(record.apply_expire_time, &pb::Fleet::set_apply_expire_time_us);
  out.set_pause_reason(record.pause_reason);
  out.set_pause_message(record.pause_message);
  out.set_accepted_failures(record.accepted_failures);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, FleetRecord* record) {
  pb::Fleet in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto id = policy_keys::ParseFleet(key);
  if (!id || in.state() < 1 || in.state() > static_cast<uint32_t>(FleetState::kFailed)) {
    return DoesNotDecode(key);
  }
  *record = FleetRecord();
  record->id = *std::move(id);
  record->revision = in.revision();
  record->state = static_cast<FleetState>(in.state());
  const pb::FleetSelection& selection = in.selection();
  record->selection = {selection.named(), selection.dns_provider(), selection.under(),
                       selection.retry_of(), selection.rollback_of()};
  record->intent.spf_from_decisions = in.intent().spf_from_decisions();
  record->intent.dmarc_report_address = in.intent().dmarc_report_address();
  record->intent.flatten = static_cast<FlattenMode>(in.intent().flatten());
  record->limits = {in.canaries(), in.max_failures(), in.parallel()};
  record->member_count = in.member_count();
  record->plan_digest = in.plan_digest();
  record->requested_by = in.requested_by();
  record->applied_by = in.applied_by();
  record->create_time = FromStoredTime(in.create_time_us());
  const auto get = [](bool has, int64_t time) {
    return has ? FromStoredTime(time) : absl::InfinitePast();
  };
  record->plan_end_time = get(in.has_plan_end_time_us(), in.plan_end_time_us());
  record->plan_expire_time = get(in.has_plan_expire_time_us(), in.plan_expire_time_us());
  record->apply_time = get(in.has_apply_time_us(), in.apply_time_us());
  record->end_time = get(in.has_end_time_us(), in.end_time_us());
  record->apply_expire_time = get(in.has_apply_expire_time_us(), in.apply_expire_time_us());
  record->pause_reason = in.pause_reason();
  record->pause_message = in.pause_message();
  record->accepted_failures = in.accepted_failures();
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const FleetMemberRecord& record) {
  pb::FleetMember out;
  out.set_dns_provider(record.dns_provider);
  out.set_state(static_cast<uint32_t>(record.state));
  out.set_change_id(record.change_id);
  out.set_plan_digest(record.plan_digest);
  out.set_reason(record.reason);
  out.set_message(record.message);
  out.set_canary(record.canary);
  if (record.end_time != absl::InfinitePast()) out.set_end_time_us(ToStoredTime(record.end_time));
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, FleetMemberRecord* record) {
  pb::FleetMember in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  auto domain = policy_keys::ParseFleetMember(key);
  if (!domain || in.state() < 1 ||
      in.state() > static_cast<uint32_t>(FleetMemberState::kCancelled)) {
    return DoesNotDecode(key);
  }
  *record = FleetMemberRecord();
  record->domain = *std::move(domain);
  record->dns_provider = in.dns_provider();
  record->state = static_cast<FleetMemberState>(in.state());
  record->change_id = in.change_id();
  record->plan_digest = in.plan_digest();
  record->reason = in.reason();
  record->message = in.message();
  record->canary = in.canary();
  if (in.has_end_time_us()) record->end_time = FromStoredTime(in.end_time_us());
  return absl::OkStatus();
}

}  // namespace dmarcate
