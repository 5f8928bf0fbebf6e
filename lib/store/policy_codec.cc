#include "lib/store/policy_codec.h"

#include <map>
#include <vector>

#include "dmarcate/storage/v1/policy.pb.h"
#include "lib/base/status_macros.h"
#include "lib/store/sealed_message.h"

namespace dmarcate {
namespace {

namespace pb = storage::v1;

// An enum whose numbers are 1 to `last`; false for others.
template <typename E>
bool FromNumber(uint32_t number, E last, E* out) {
  *out = static_cast<E>(number);
  return number >= 1 && number <= static_cast<uint32_t>(last);
}

template <typename Repeated>
void PutTexts(const std::vector<std::string>& from, Repeated* to) {
  for (const std::string& text : from) to->Add()->assign(text);
}
template <typename Repeated>
std::vector<std::string> Texts(const Repeated& from) {
  return {from.begin(), from.end()};
}
template <typename Map>
void PutMap(const std::map<std::string, std::string>& from, Map* to) {
  for (const auto& [name, text] : from) (*to)[name] = text;
}
template <typename Map>
std::map<std::string, std::string> FromMap(const Map& from) {
  return {from.begin(), from.end()};
}

template <typename Repeated>
void PutManaged(const std::vector<ManagedTerm>& from, Repeated* to) {
  for (const ManagedTerm& term : from) {
    auto* out = to->Add();
    out->set_term(term.term);
    out->set_source_id(term.source_id);
    out->set_flattened(term.flattened);
    PutTexts(term.networks, out->mutable_networks());
    out->set_stands_for(term.stands_for);
  }
}
template <typename Repeated>
std::vector<ManagedTerm> Managed(const Repeated& from) {
  std::vector<ManagedTerm> out;
  for (const auto& term : from) {
    out.push_back({term.term(), term.source_id(), term.flattened(), Texts(term.networks()),
                   term.stands_for()});
  }
  return out;
}

void PutRecordChange(const RecordChangeRecord& from, pb::RecordChange* to) {
  to->set_zone(from.zone);
  to->set_owner_name(from.owner_name);
  to->set_type(from.type);
  PutTexts(from.before, to->mutable_before());
  PutTexts(from.after, to->mutable_after());
  to->set_ttl_before(from.ttl_before);
  to->set_ttl_after(from.ttl_after);
  to->set_alias_name(from.alias.name);
  to->set_alias_in_place(from.alias.in_place);
  PutTexts(from.alias.held, to->mutable_alias_held());
  for (const TermChangeRecord& term : from.term_changes) {
    pb::TermChange* out = to->add_term_changes();
    out->set_action(static_cast<uint32_t>(term.action));
    out->set_term(term.term);
    out->set_before(term.before);
    out->set_source_id(term.source_id);
    out->set_lookup_cost(term.lookup_cost);
    out->set_flattened_into(term.flattened_into);
  }
  PutTexts(from.untouched, to->mutable_untouched());
  to->set_lookups_before(from.lookups_before);
  to->set_lookups_after(from.lookups_after);
}

bool GetRecordChange(const pb::RecordChange& from, RecordChangeRecord* to) {
  to->zone = from.zone();
  to->owner_name = from.owner_name();
  to->type = from.type();
  to->before = Texts(from.before());
  to->after = Texts(from.after());
  to->ttl_before = from.ttl_before();
  to->ttl_after = from.ttl_after();
  to->alias = {from.alias_name(), from.alias_in_place(), Texts(from.alias_held())};
  bool known = true;
  for (const pb::TermChange& term : from.term_changes()) {
    TermChangeRecord& out = to->term_changes.emplace_back();
    known = FromNumber(term.action(), TermAction::kModify, &out.action) && known;
    out.term = term.term();
    out.before = term.before();
    out.source_id = term.source_id();
    out.lookup_cost = term.lookup_cost();
    out.flattened_into = term.flattened_into();
  }
  to->untouched = Texts(from.untouched());
  to->lookups_before = from.lookups_before();
  to->lookups_after = from.lookups_after();
  return known;
}

}  // namespace

std::string EncodeRecord(std::string_view key, const DomainRecord& record) {
  pb::Domain out;
  out.set_revision(record.revision);
  out.set_name(record.name);
  out.set_uid(record.uid);
  out.set_create_time_us(ToStoredTime(record.create_time));
  out.set_update_time_us(ToStoredTime(record.update_time));
  out.set_dns_provider(record.dns_provider);
  out.set_report_mailbox(record.report_mailbox);
  out.set_delegation_zone(record.delegation_zone);
  PutManaged(record.managed_terms, out.mutable_managed_terms());
  for (const ReportAddressRecord& address : record.report_addresses) {
    pb::ReportAddress* to = out.add_report_addresses();
    to->set_address(address.address);
    to->set_create_time_us(ToStoredTime(address.create_time));
    if (address.revoked()) to->set_revoke_time_us(ToStoredTime(address.revoke_time));
  }
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, DomainRecord* record) {
  pb::Domain in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->name = in.name();
  record->uid = in.uid();
  record->create_time = FromStoredTime(in.create_time_us());
  record->update_time = FromStoredTime(in.update_time_us());
  record->dns_provider = in.dns_provider();
  record->report_mailbox = in.report_mailbox();
  record->delegation_zone = in.delegation_zone();
  record->managed_terms = Managed(in.managed_terms());
  record->report_addresses.clear();
  for (const pb::ReportAddress& address : in.report_addresses()) {
    record->report_addresses.push_back({address.address(), FromStoredTime(address.create_time_us()),
                                        address.has_revoke_time_us()
                                            ? FromStoredTime(address.revoke_time_us())
                                            : absl::InfiniteFuture()});
  }
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const SourceDecision& record) {
  pb::SourceDecision out;
  out.set_revision(record.revision);
  out.set_domain(record.domain);
  out.set_source_id(record.source_id);
  out.set_state(static_cast<uint32_t>(record.state));
  out.set_decided_by(record.decided_by);
  out.set_note(record.note);
  out.set_evidence_etag(record.evidence_etag);
  out.set_decide_time_us(ToStoredTime(record.decide_time));
  pb::Authorization* authorization = out.mutable_authorization();
  authorization->set_kind(static_cast<uint32_t>(record.authorization.kind));
  authorization->set_include_domain(record.authorization.include_domain);
  PutTexts(record.authorization.ranges, authorization->mutable_ranges());
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, SourceDecision* record) {
  pb::SourceDecision in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->domain = in.domain();
  record->source_id = in.source_id();
  record->decided_by = in.decided_by();
  record->note = in.note();
  record->evidence_etag = in.evidence_etag();
  record->decide_time = FromStoredTime(in.decide_time_us());
  using Kind = AuthorizationSpec::Kind;
  const uint32_t kind = in.authorization().kind();
  record->authorization.kind = static_cast<Kind>(kind);
  record->authorization.include_domain = in.authorization().include_domain();
  record->authorization.ranges = Texts(in.authorization().ranges());
  if (!FromNumber(in.state(), SourceState::kRejected, &record->state) ||
      kind > static_cast<uint32_t>(Kind::kAlreadyAuthorized)) {
    return DoesNotDecode(key);
  }
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const DnsProviderRecord& record) {
  pb::DnsProvider out;
  out.set_revision(record.revision);
  out.set_id(record.id);
  out.set_type(record.type);
  PutMap(record.settings, out.mutable_settings());
  PutTexts(record.zones, out.mutable_zones());
  out.set_secret_name(record.secret_name);
  out.set_create_time_us(ToStoredTime(record.create_time));
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, DnsProviderRecord* record) {
  pb::DnsProvider in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->revision = in.revision();
  record->id = in.id();
  record->type = in.type();
  record->settings = FromMap(in.settings());
  record->zones = Texts(in.zones());
  record->secret_name = in.secret_name();
  record->create_time = FromStoredTime(in.create_time_us());
  return absl::OkStatus();
}

std::string EncodeRecord(std::string_view key, const ChangeRecord& record) {
  pb::Change out;
  out.set_revision(record.revision);
  out.set_domain(record.domain);
  out.set_id(record.id);
  out.set_state(static_cast<uint32_t>(record.state));
  out.mutable_intent()->set_spf_from_decisions(record.intent.spf_from_decisions);
  out.mutable_intent()->set_dmarc_report_address(record.intent.dmarc_report_address);
  out.mutable_intent()->set_rollback_of(record.intent.rollback_of);
  out.mutable_intent()->set_flatten(static_cast<uint32_t>(record.intent.flatten));
  out.mutable_intent()->set_repair(static_cast<uint32_t>(record.intent.repair));
  out.mutable_intent()->set_repair_keep(record.intent.repair_keep);
  for (const std::string& term : record.intent.prune) out.mutable_intent()->add_prune(term);
  if (record.intent.policy.has_value()) {
    pb::PolicyMove* move = out.mutable_intent()->mutable_policy();
    move->set_scope(static_cast<uint32_t>(record.intent.policy->scope));
    move->set_to(static_cast<uint32_t>(record.intent.policy->to));
    move->set_direction(static_cast<uint32_t>(record.intent.policy->direction));
    move->set_rollout_id(record.intent.policy->rollout_id);
  }
  if (record.intent.mta_sts.has_value()) {
    pb::MtaStsAnnouncement* announcement = out.mutable_intent()->mutable_mta_sts();
    announcement->set_file(record.intent.mta_sts->file);
    announcement->set_id(record.intent.mta_sts->id);
    announcement->set_rollout_id(record.intent.mta_sts->rollout_id);
  }
  for (const RecordChangeRecord& change : record.record_changes) {
    PutRecordChange(change, out.add_record_changes());
  }
  PutManaged(record.managed_before, out.mutable_managed_before());
  PutManaged(record.managed_after, out.mutable_managed_after());
  out.set_plan_digest(record.plan_digest);
  for (const GuardRecord& guard : record.guards) {
    pb::Guard* to = out.add_guards();
    to->set_code(guard.code);
    to->set_verdict(static_cast<uint32_t>(guard.verdict));
    to->set_message(guard.message);
    PutMap(guard.metadata, to->mutable_metadata());
  }
  out.set_dns_provider(record.dns_provider);
  out.set_provider_class(record.provider_class);
  for (const StepRecord& step : record.steps) {
    pb::Step* to = out.add_steps();
    to->set_step(step.step);
    to->set_detail(step.detail);
    to->set_time_us(ToStoredTime(step.time));
  }
  for (const VerificationRecord& verification : record.verifications) {
    pb::Verification* to = out.add_verifications();
    to->set_name_server(verification.name_server);
    to->set_address(verification.address);
    to->set_owner_name(verification.owner_name);
    to->set_detail(verification.detail);
    to->set_verified(verification.verified);
    to->set_time_us(ToStoredTime(verification.time));
  }
  out.set_requested_by(record.requested_by);
  out.set_applied_by(record.applied_by);
  out.set_create_time_us(ToStoredTime(record.create_time));
  if (record.apply_time != absl::InfinitePast())
    out.set_apply_time_us(ToStoredTime(record.apply_time));
  if (record.end_time != absl::InfinitePast()) out.set_end_time_us(ToStoredTime(record.end_time));
  out.set_plan_expire_time_us(ToStoredTime(record.plan_expire_time));
  out.set_rollback_of(record.rollback_of);
  out.set_rolled_back_by(record.rolled_back_by);
  out.set_error_reason(record.error_reason);
  out.set_error_message(record.error_message);
  PutMap(record.error_metadata, out.mutable_error_metadata());
  if (record.apply_after != absl::InfinitePast()) {
    out.set_apply_after_us(ToStoredTime(record.apply_after));
  }
  out.set_lease_holder(record.lease_holder);
  out.set_fence(record.fence);
  out.set_by_hand(record.by_hand);
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, ChangeRecord* record) {
  pb::Change in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  *record = ChangeRecord();
  record->revision = in.revision();
  record->domain = in.domain();
  record->id = in.id();
  bool known = FromNumber(in.state(), ChangeState::kNeedsAttention, &record->state);
  record->intent.spf_from_decisions = in.intent().spf_from_decisions();
  record->intent.dmarc_report_address = in.intent().dmarc_report_address();
  record->intent.rollback_of = in.intent().rollback_of();
  record->intent.repair_keep = in.intent().repair_keep();
  record->intent.prune.assign(in.intent().prune().begin(), in.intent().prune().end());
  if (in.intent().repair() != 0) {
    known = FromNumber(in.intent().repair(), RepairKind::kDmarc, &record->intent.repair) && known;
  }
  if (in.intent().flatten() != 0) {
    known =
        FromNumber(in.intent().flatten(), FlattenMode::kNever, &record->intent.flatten) && known;
  }
  if (in.intent().has_policy()) {
    const pb::PolicyMove& move = in.intent().policy();
    PolicyMove& to = record->intent.policy.emplace();
    known = FromNumber(move.scope(), PolicyScope::kNonExistent, &to.scope) && known;
    known = FromNumber(move.to(), PolicyStage::kReject, &to.to) && known;
    known = FromNumber(move.direction(), PolicyDirection::kDown, &to.direction) && known;
    to.rollout_id = move.rollout_id();
  }
  if (in.intent().has_mta_sts()) {
    const pb::MtaStsAnnouncement& announcement = in.intent().mta_sts();
    record->intent.mta_sts =
        StsAnnouncement{announcement.file(), announcement.id(), announcement.rollout_id()};
  }
  for (const pb::RecordChange& change : in.record_changes()) {
    known = GetRecordChange(change, &record->record_changes.emplace_back()) && known;
  }
  record->managed_before = Managed(in.managed_before());
  record->managed_after = Managed(in.managed_after());
  record->plan_digest = in.plan_digest();
  for (const pb::Guard& guard : in.guards()) {
    GuardRecord& to = record->guards.emplace_back();
    to.code = guard.code();
    known = FromNumber(guard.verdict(), GuardVerdict::kRefuse, &to.verdict) && known;
    to.message = guard.message();
    to.metadata = FromMap(guard.metadata());
  }
  record->dns_provider = in.dns_provider();
  record->provider_class = static_cast<uint8_t>(in.provider_class());
  for (const pb::Step& step : in.steps()) {
    record->steps.push_back({step.step(), step.detail(), FromStoredTime(step.time_us())});
  }
  for (const pb::Verification& verification : in.verifications()) {
    record->verifications.push_back(
        {verification.name_server(), verification.address(), verification.owner_name(),
         verification.detail(), verification.verified(), FromStoredTime(verification.time_us())});
  }
  record->requested_by = in.requested_by();
  record->applied_by = in.applied_by();
  record->create_time = FromStoredTime(in.create_time_us());
  if (in.has_apply_time_us()) record->apply_time = FromStoredTime(in.apply_time_us());
  if (in.has_end_time_us()) record->end_time = FromStoredTime(in.end_time_us());
  record->plan_expire_time = FromStoredTime(in.plan_expire_time_us());
  record->rollback_of = in.rollback_of();
  record->rolled_back_by = in.rolled_back_by();
  record->error_reason = in.error_reason();
  record->error_message = in.error_message();
  record->error_metadata = FromMap(in.error_metadata());
  if (in.has_apply_after_us()) record->apply_after = FromStoredTime(in.apply_after_us());
  record->lease_holder = in.lease_holder();
  record->fence = in.fence();
  record->by_hand = in.by_hand();
  return known ? absl::OkStatus() : DoesNotDecode(key);
}

std::string EncodeRecord(std::string_view key, const RequestRecord& record) {
  pb::Request out;
  out.set_caller(record.caller);
  out.set_request_id(record.request_id);
  out.set_method(record.method);
  out.set_body_sha256(record.body_sha256);
  out.set_response(record.response);
  out.set_time_us(ToStoredTime(record.time));
  return SealMessage(key, out);
}

absl::Status DecodeRecord(std::string_view key, std::string_view value, RequestRecord* record) {
  pb::Request in;
  DMARCATE_RETURN_IF_ERROR(UnsealMessage(key, value, &in));
  record->caller = in.caller();
  record->request_id = in.request_id();
  record->method = in.method();
  record->body_sha256 = in.body_sha256();
  record->response = in.response();
  record->time = FromStoredTime(in.time_us());
  return absl::OkStatus();
}

}  // namespace dmarcate
