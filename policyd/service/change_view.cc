#include "policyd/service/change_view.h"

#include <optional>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "policyd/plan/manual_sheet.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"
#include "policyd/service/names.h"
#include "policyd/service/spf_preview.h"

namespace dmarcate {
namespace {

constexpr int kMaxPruned = 100;  // terms; a record of more would not fit
constexpr std::string_view kMtaStsRollouts = "mtaStsRollouts";

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
  out->set_alias(change.alias.name);
  out->set_alias_in_place(change.alias.in_place);
}

void SetTime(absl::Time time, google::protobuf::Timestamp* (*mutable_field)(v1::Change*),
             v1::Change* out) {
  if (time != absl::InfinitePast() && time != absl::InfiniteFuture()) {
    *mutable_field(out) = ToTimestamp(time);
  }
}

void FillEdits(const ChangeRecord& record, v1::Change* out) {
  const absl::StatusOr<std::vector<ManualEdit>> edits = ManualEditsOf(record);
  if (!edits.ok()) return;  // the change as a whole does not parse: applying it says so
  for (const ManualEdit& edit : *edits) {
    v1::ManualEdit* message = out->add_manual_edits();
    message->set_action(static_cast<v1::ManualEdit::Action>(edit.action));  // numbered alike
    message->set_zone(edit.zone);
    message->set_owner_name(edit.owner);
    message->set_host(edit.host);
    message->set_type("TXT");
    message->set_ttl_seconds(edit.ttl_seconds);
    message->set_value(edit.value);
    message->set_old_value(edit.old_value);
    message->set_zone_line(edit.zone_line);
  }
}
static_assert(static_cast<int>(ManualEdit::Action::kRemove) == v1::ManualEdit::ACTION_REMOVE);

absl::StatusOr<std::optional<StsAnnouncement>> ReadAnnouncement(const v1::Intent& intent) {
  if (!intent.has_mta_sts()) return std::nullopt;
  const v1::MtaStsAnnouncement& in = intent.mta_sts();
  if (intent.spf_from_decisions() || intent.dmarc_report_address() || !intent.prune().empty() ||
      intent.repair() != v1::Intent::REPAIR_UNSPECIFIED ||
      intent.flatten() != v1::Intent::FLATTEN_UNSPECIFIED) {
    return FieldError("intent.mta_sts", "no other intent goes with it");
  }
  if (!in.id().empty() || !in.rollout().empty()) {
    return FieldError("intent.mta_sts", "id and rollout are set by a rollout of MTA-STS");
  }
  if (in.file().empty()) return StsAnnouncement{};
  if (const auto policy = ParseMtaStsPolicy(in.file()); !policy.ok()) {
    return FieldError("intent.mta_sts.file",
                      fmt::format("is no policy: {}", MessageOf(policy.status())));
  }
  return StsAnnouncement{.file = in.file()};
}

}  // namespace

v1::Intent ToMessage(const ChangeIntent& intent, std::string_view domain) {
  v1::Intent out;
  out.set_spf_from_decisions(intent.spf_from_decisions);
  out.set_dmarc_report_address(intent.dmarc_report_address);
  out.set_flatten(static_cast<v1::Intent::Flatten>(intent.flatten));  // numbered alike
  out.set_repair(static_cast<v1::Intent::Repair>(intent.repair));     // numbered alike
  out.set_repair_keep(ToValidUtf8(intent.repair_keep));
  for (const std::string& term : intent.prune) out.add_prune(ToValidUtf8(term));
  if (intent.policy.has_value()) {
    v1::PolicyMove* move = out.mutable_policy();
    move->set_scope(std::string(ToString(intent.policy->scope)));
    move->set_stage(std::string(ToString(intent.policy->to)));
    move->set_rollout(DomainChildResource(domain, kRollouts, intent.policy->rollout_id));
  }
  if (intent.mta_sts.has_value()) {
    v1::MtaStsAnnouncement* announcement = out.mutable_mta_sts();
    announcement->set_file(ToValidUtf8(intent.mta_sts->file));
    announcement->set_id(ToValidUtf8(intent.mta_sts->id));
    if (!intent.mta_sts->rollout_id.empty()) {
      announcement->set_rollout(
          DomainChildResource(domain, kMtaStsRollouts, intent.mta_sts->rollout_id));
    }
  }
  if (!intent.rollback_of.empty()) {
    out.set_rollback_of(DomainChildResource(domain, kChanges, intent.rollback_of));
  }
  return out;
}

absl::StatusOr<ChangeIntent> ReadIntent(const v1::Intent& intent, FlattenMode as_now) {
  if (!intent.rollback_of().empty()) {
    return FieldError("intent.rollback_of", "a rollback is made by RollbackChange");
  }
  FlattenMode flatten = as_now;
  switch (intent.flatten()) {
    case v1::Intent::FLATTEN_UNSPECIFIED:
      break;
    case v1::Intent::FLATTEN_IF_NEEDED:
      flatten = FlattenMode::kIfNeeded;
      break;
    case v1::Intent::FLATTEN_NEVER:
      flatten = FlattenMode::kNever;
      break;
    default:
      return FieldError("intent.flatten", "is neither FLATTEN_IF_NEEDED nor FLATTEN_NEVER");
  }
  if (!v1::Intent::Repair_IsValid(intent.repair())) {
    return FieldError("intent.repair", "is neither SPF nor DMARC");
  }
  if (intent.repair() == v1::Intent::REPAIR_UNSPECIFIED) {
    if (!intent.repair_keep().empty()) return FieldError("intent.repair_keep", "without a repair");
  } else if (intent.spf_from_decisions() || intent.dmarc_report_address()) {
    return FieldError("intent.repair", "no other intent goes with it");
  }
  if (!intent.prune().empty() && (intent.spf_from_decisions() || intent.dmarc_report_address() ||
                                  intent.repair() != v1::Intent::REPAIR_UNSPECIFIED ||
                                  intent.flatten() != v1::Intent::FLATTEN_UNSPECIFIED)) {
    return FieldError("intent.prune", "no other intent goes with it");
  }
  if (intent.prune_size() > kMaxPruned) {
    return FieldError("intent.prune",
                      fmt::format("{} terms, limit {}", intent.prune_size(), kMaxPruned));
  }
  DMARCATE_ASSIGN_OR_RETURN(std::optional<StsAnnouncement> mta_sts, ReadAnnouncement(intent));
  return ChangeIntent{.spf_from_decisions = intent.spf_from_decisions(),
                      .dmarc_report_address = intent.dmarc_report_address(),
                      .flatten = flatten,
                      .repair = static_cast<RepairKind>(intent.repair()),
                      .repair_keep = intent.repair_keep(),
                      .prune = {intent.prune().begin(), intent.prune().end()},
                      .mta_sts = std::move(mta_sts)};
}

v1::Change ToMessage(const ChangeRecord& record, absl::Time now) {
  v1::Change out;
  out.set_name(ChangeName(record, record.id));
  out.set_etag(MakeEtag(record.revision));
  const bool expired = record.state == ChangeState::kPlanned && record.plan_expire_time <= now;
  out.set_state(static_cast<v1::Change::State>(  // numbered alike
      expired ? ChangeState::kExpired : record.state));
  *out.mutable_intent() = ToMessage(record.intent, record.domain);
  for (const RecordChangeRecord& change : record.record_changes) {
    Fill(change, out.add_record_changes());
  }
  if (record.by_hand) FillEdits(record, &out);
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
static_assert(static_cast<int>(RepairKind::kSpf) == v1::Intent::REPAIR_SPF &&
              static_cast<int>(RepairKind::kDmarc) == v1::Intent::REPAIR_DMARC);
static_assert(static_cast<int>(ChangeState::kPlanned) == v1::Change::STATE_PLANNED &&
              static_cast<int>(ChangeState::kCancelled) == v1::Change::STATE_CANCELLED &&
              static_cast<int>(ChangeState::kSucceeded) == v1::Change::STATE_SUCCEEDED &&
              static_cast<int>(ChangeState::kNeedsAttention) == v1::Change::STATE_NEEDS_ATTENTION &&
              static_cast<int>(GuardVerdict::kRefuse) == v1::GuardResult::RESULT_REFUSE);

}  // namespace dmarcate
