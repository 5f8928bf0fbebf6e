#include "policyd/service/change_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/change.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/analysis/advice.h"
#include "policyd/plan/export/plan_export.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/reconcile/reason.h"
#include "policyd/service/change_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

// The answer has to be on its way before the caller's deadline; the transaction goes on.
constexpr absl::Duration kAnswerMargin = absl::Seconds(1);
constexpr absl::Duration kMaxDelay = absl::Hours(7 * 24);
constexpr std::string_view kAllDomains = "domains/-";

RunMode ModeOf(bool validate_only) {
  return validate_only ? RunMode::kValidateOnly : RunMode::kExecute;
}

class ChangeServiceImpl final : public v1::ChangeService::CallbackService {
 public:
  ChangeServiceImpl(const ServiceParts& parts, ChangeEngine& engine, SpfTermDesk& terms)
      : parts_(parts), engine_(engine), terms_(terms) {}

  grpc::ServerUnaryReactor* CreateChange(grpc::CallbackServerContext* context,
                                         const v1::CreateChangeRequest* request,
                                         v1::CreateChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateChange", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* GetChange(grpc::CallbackServerContext* context,
                                      const v1::GetChangeRequest* request,
                                      v1::GetChangeResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const v1::ListChangesRequest* request,
                                        v1::ListChangesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ApplyChange(grpc::CallbackServerContext* context,
                                        const v1::ApplyChangeRequest* request,
                                        v1::ApplyChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "ApplyChange", in, out,
                                             [&] { return Apply(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* CancelChange(grpc::CallbackServerContext* context,
                                         const v1::CancelChangeRequest* request,
                                         v1::CancelChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CancelChange", in, out,
                                             [&] { return Cancel(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* ExportChange(grpc::CallbackServerContext* context,
                                         const v1::ExportChangeRequest* request,
                                         v1::ExportChangeResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Export(in, out)); });
  }
  grpc::ServerUnaryReactor* ReviewSpfTerms(grpc::CallbackServerContext* context,
                                           const v1::ReviewSpfTermsRequest* request,
                                           v1::ReviewSpfTermsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Review(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* RollbackChange(grpc::CallbackServerContext* context,
                                           const v1::RollbackChangeRequest* request,
                                           v1::RollbackChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "RollbackChange", in, out,
                                             [&] { return Rollback(call, in, out); }));
                      });
  }

 private:
  // Approved sources that have terms in SPF and pass without, by the reports of the last days.
  std::vector<SpfNotNeeded> NotNeeded(const Call& call, const std::string& domain);
  absl::Status Create(const Call& call, const v1::CreateChangeRequest& in,
                      v1::CreateChangeResponse* out);
  absl::Status Get(const v1::GetChangeRequest& in, v1::GetChangeResponse* out);
  absl::Status List(const Call& call, const v1::ListChangesRequest& in,
                    v1::ListChangesResponse* out);
  absl::Status Apply(const Call& call, const v1::ApplyChangeRequest& in,
                     v1::ApplyChangeResponse* out);
  absl::Status Cancel(const Call& call, const v1::CancelChangeRequest& in,
                      v1::CancelChangeResponse* out);
  absl::Status Export(const v1::ExportChangeRequest& in, v1::ExportChangeResponse* out);
  absl::Status Rollback(const Call& call, const v1::RollbackChangeRequest& in,
                        v1::RollbackChangeResponse* out);
  absl::Status Review(const Call& call, const v1::ReviewSpfTermsRequest& in,
                      v1::ReviewSpfTermsResponse* out);
  absl::StatusOr<ChangeRecord> Find(const std::string& name);

  v1::Change Show(const ChangeRecord& record) const {
    return ToMessage(record, parts_.clock.Now());
  }
  static absl::Duration Patience(const Call& call) {
    return std::max(call.deadline() - absl::Now() - kAnswerMargin, absl::ZeroDuration());
  }

  const ServiceParts& parts_;
  ChangeEngine& engine_;
  SpfTermDesk& terms_;
};

std::vector<SpfNotNeeded> ChangeServiceImpl::NotNeeded(const Call& call,
                                                       const std::string& domain) {
  std::vector<SpfNotNeeded> out;
  const auto decisions = parts_.policies.ListDecisions(domain);
  if (!decisions.ok()) return out;  // the plan says it, if it matters
  std::vector<std::string> with_terms;
  for (const SourceDecision& decision : *decisions) {
    const AuthorizationSpec::Kind kind = decision.authorization.kind;
    if (decision.state == SourceState::kApproved &&
        (kind == AuthorizationSpec::Kind::kSpfInclude ||
         kind == AuthorizationSpec::Kind::kSpfAddresses)) {
      with_terms.push_back(decision.source_id);
    }
  }
  if (with_terms.empty()) return out;
  // Advice: without reports there is none.
  const auto statistics = parts_.analysis.Get(call, domain, DefaultRange(parts_.clock));
  if (!statistics.ok()) return out;
  for (const std::string& id : with_terms) {
    const SourceStatistics* source = (*statistics)->FindSource(id);
    if (source == nullptr || NeedsSpf(*source)) continue;
    out.push_back(
        {id, fmt::format("DKIM aligns for {} of {} messages of the last {} days",
                         source->counts.dkim_aligned, source->counts.messages, kDefaultRangeDays)});
  }
  return out;
}

absl::Status ChangeServiceImpl::Create(const Call& call, const v1::CreateChangeRequest& in,
                                       v1::CreateChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  if (in.intent().has_policy()) {
    return FieldError("intent.policy", "a policy is moved by a rollout (RolloutService)");
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord managed, FindDomain(parts_.policies, domain));
  DMARCATE_ASSIGN_OR_RETURN(const ChangeIntent intent,
                            ReadIntent(in.intent(), FlattenAsNow(managed.managed_terms)));
  ReportFacts facts;
  if (intent.prune.empty()) {
    facts.not_needed = NotNeeded(call, domain);
  } else {
    DMARCATE_ASSIGN_OR_RETURN(const SpfTermsSeen seen,
                              terms_.Look(call, managed, kPruneWindowDays));
    facts.prune = ToFacts(seen);
  }
  DMARCATE_ASSIGN_OR_RETURN(
      const ChangeRecord record,
      engine_.Plan(domain, intent, call.principal().name, ModeOf(in.validate_only()), facts));
  *out->mutable_change() = Show(record);
  return absl::OkStatus();
}

absl::Status ChangeServiceImpl::Review(const Call& call, const v1::ReviewSpfTermsRequest& in,
                                       v1::ReviewSpfTermsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  if (in.days() < 0 || in.days() > kMaxRangeDays) {
    return FieldError("days",
                      fmt::format("wants 1 to {}, or 0 for {}", kMaxRangeDays, kPruneWindowDays));
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord managed, FindDomain(parts_.policies, domain));
  DMARCATE_ASSIGN_OR_RETURN(
      const SpfTermsSeen seen,
      terms_.Look(call, managed, in.days() == 0 ? kPruneWindowDays : in.days()));
  ToMessage(seen, out);
  return absl::OkStatus();
}

absl::StatusOr<ChangeRecord> ChangeServiceImpl::Find(const std::string& name) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(name, kChanges, "name"));
  absl::StatusOr<ChangeRecord> record = parts_.policies.GetChange(child.domain, child.id);
  if (record.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  return record;
}

absl::Status ChangeServiceImpl::Get(const v1::GetChangeRequest& in, v1::GetChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const ChangeRecord record, Find(in.name()));
  *out->mutable_change() = Show(record);
  return absl::OkStatus();
}

absl::Status ChangeServiceImpl::Export(const v1::ExportChangeRequest& in,
                                       v1::ExportChangeResponse* out) {
  if (in.format() == v1::ExportChangeRequest::FORMAT_UNSPECIFIED) return FieldRequired("format");
  if (!v1::ExportChangeRequest::Format_IsValid(in.format())) {
    return FieldError("format", "is none of bind, dnscontrol, octodns, terraform");
  }
  DMARCATE_ASSIGN_OR_RETURN(const ChangeRecord record, Find(in.name()));
  // What is refused here is not to be published by another way.
  for (const GuardRecord& guard : record.guards) {
    if (record.state != ChangeState::kRefused || guard.verdict != GuardVerdict::kRefuse) continue;
    return ReasonError(Reason::kGuardRefused, fmt::format("{}: {}", guard.code, guard.message),
                       {{"guard", guard.code}});
  }
  const absl::StatusOr<std::string> text =
      ExportPlan(record, static_cast<ExportFormat>(in.format()));  // numbered alike
  if (text.status().code() == absl::StatusCode::kFailedPrecondition) {
    return FieldError("format", MessageOf(text.status()));
  }
  DMARCATE_RETURN_IF_ERROR(text.status());
  out->set_text(*text);
  return absl::OkStatus();
}
static_assert(static_cast<int>(ExportFormat::kBind) == v1::ExportChangeRequest::FORMAT_BIND &&
              static_cast<int>(ExportFormat::kTerraform) ==
                  v1::ExportChangeRequest::FORMAT_TERRAFORM);

absl::Status ChangeServiceImpl::Cancel(const Call& call, const v1::CancelChangeRequest& in,
                                       v1::CancelChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(in.name(), kChanges, "name"));
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t revision, ReadEtag(in.etag()));
  DMARCATE_ASSIGN_OR_RETURN(const ChangeRecord record,
                            engine_.Cancel({.domain = child.domain,
                                            .id = child.id,
                                            .revision = revision,
                                            .principal = call.principal().name,
                                            .mode = ModeOf(in.validate_only())}));
  *out->mutable_change() = Show(record);
  return absl::OkStatus();
}

absl::Status ChangeServiceImpl::List(const Call& call, const v1::ListChangesRequest& in,
                                     v1::ListChangesResponse* out) {
  std::string domain = "-";
  absl::Status managed;
  if (in.parent() != kAllDomains) {
    DMARCATE_ASSIGN_OR_RETURN(domain, ParseDomainResource(in.parent(), "parent"));
    managed = FindDomain(parts_.policies, domain).status();
  }
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListChanges", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string before, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<ChangeRecord> records,
                            parts_.policies.ListChanges(domain, before, page_size + 1));
  if (records.empty()) DMARCATE_RETURN_IF_ERROR(managed);  // of one that was removed, they stay
  const bool more = records.size() > page_size;
  if (more) records.resize(page_size);
  for (const ChangeRecord& record : records) *out->add_changes() = Show(record);
  if (more) out->set_next_page_token(parts_.pages.Make(scope, records.back().id));
  return absl::OkStatus();
}

absl::Status ChangeServiceImpl::Apply(const Call& call, const v1::ApplyChangeRequest& in,
                                      v1::ApplyChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(in.name(), kChanges, "name"));
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t revision, ReadEtag(in.etag()));
  if (in.plan_digest().empty()) return FieldRequired("plan_digest");
  const absl::Duration delay =
      absl::Seconds(in.delay().seconds()) + absl::Nanoseconds(in.delay().nanos());
  if (delay < absl::ZeroDuration() || delay > kMaxDelay) {
    return FieldError("delay", "wants 0 to 7 days");
  }
  const absl::StatusOr<ChangeRecord> planned = parts_.policies.GetChange(child.domain, child.id);
  if (planned.ok() && planned->intent.policy.has_value() && planned->intent.rollback_of.empty()) {
    return ReasonError(Reason::kChangeState,
                       "this change moves a policy: its rollout applies it, with its gates",
                       {{"change", in.name()}});
  }
  const ApplyRequest request{.domain = child.domain,
                             .id = child.id,
                             .plan_digest = in.plan_digest(),
                             .revision = revision,
                             .principal = call.principal().name,
                             .mode = ModeOf(in.validate_only()),
                             .delay = delay};
  const absl::StatusOr<ChangeRecord> record = engine_.Apply(request, Patience(call));
  if (const auto reason = ErrorReasonOf(record.status()); reason && reason->code == "LEASE_LOST") {
    return ReasonError(Reason::kChangeInProgress,
                       "somebody else has gone on with it, or has cancelled it; look again",
                       {{"change", in.name()}});
  }
  DMARCATE_RETURN_IF_ERROR(record.status());
  *out->mutable_change() = Show(*record);
  return absl::OkStatus();
}

absl::Status ChangeServiceImpl::Rollback(const Call& call, const v1::RollbackChangeRequest& in,
                                         v1::RollbackChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(in.name(), kChanges, "name"));
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t revision, ReadEtag(in.etag()));
  const RollbackRequest request{.domain = child.domain,
                                .id = child.id,
                                .revision = revision,
                                .principal = call.principal().name,
                                .mode = ModeOf(in.validate_only()),
                                .plan_digest = in.plan_digest()};
  DMARCATE_ASSIGN_OR_RETURN(const ChangeRecord record, engine_.Rollback(request, Patience(call)));
  *out->mutable_change() = Show(record);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeChangeService(const ServiceParts& parts, ChangeEngine& engine,
                                                 SpfTermDesk& terms) {
  return std::make_unique<ChangeServiceImpl>(parts, engine, terms);
}

}  // namespace dmarcate
