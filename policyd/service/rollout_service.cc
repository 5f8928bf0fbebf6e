#include "policyd/service/rollout_service.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/rollout.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/rollout_settings.h"
#include "policyd/service/rollout_view.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAllDomains = "domains/-";
// An entry holds all that was decided from, and is sent without it.
constexpr size_t kEntriesPerRead = 8;

RunMode ModeOf(bool validate_only) {
  return validate_only ? RunMode::kValidateOnly : RunMode::kExecute;
}

class RolloutServiceImpl final : public v1::RolloutService::CallbackService {
 public:
  RolloutServiceImpl(const ServiceParts& parts, RolloutStore& rollouts,
                     RolloutController& controller)
      : parts_(parts), rollouts_(rollouts), controller_(controller) {}

  grpc::ServerUnaryReactor* CreateRollout(grpc::CallbackServerContext* context,
                                          const v1::CreateRolloutRequest* request,
                                          v1::CreateRolloutResponse* response) override {
    return Write(
        "CreateRollout", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Create(call, in, out); });
  }
  grpc::ServerUnaryReactor* GetRollout(grpc::CallbackServerContext* context,
                                       const v1::GetRolloutRequest* request,
                                       v1::GetRolloutResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* ListRollouts(grpc::CallbackServerContext* context,
                                         const v1::ListRolloutsRequest* request,
                                         v1::ListRolloutsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ExplainRollout(grpc::CallbackServerContext* context,
                                           const v1::ExplainRolloutRequest* request,
                                           v1::ExplainRolloutResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Explain(in, out)); });
  }
  grpc::ServerUnaryReactor* SimulateRollout(grpc::CallbackServerContext* context,
                                            const v1::SimulateRolloutRequest* request,
                                            v1::SimulateRolloutResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Simulate(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ListRolloutEvents(grpc::CallbackServerContext* context,
                                              const v1::ListRolloutEventsRequest* request,
                                              v1::ListRolloutEventsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListEvents(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* UpdateRollout(grpc::CallbackServerContext* context,
                                          const v1::UpdateRolloutRequest* request,
                                          v1::UpdateRolloutResponse* response) override {
    return Write(
        "UpdateRollout", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Update(call, in, out); });
  }
  grpc::ServerUnaryReactor* AdvanceRollout(grpc::CallbackServerContext* context,
                                           const v1::AdvanceRolloutRequest* request,
                                           v1::AdvanceRolloutResponse* response) override {
    return Write(
        "AdvanceRollout", context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Advance(call, in, out); });
  }
  grpc::ServerUnaryReactor* PauseRollout(grpc::CallbackServerContext* context,
                                         const v1::PauseRolloutRequest* request,
                                         v1::PauseRolloutResponse* response) override {
    return Write(
        "PauseRollout", context, request, response,
        [this](const Call& call, const auto& in, auto* out) -> absl::Status {
          DMARCATE_RETURN_IF_ERROR(CheckLength("note", in.note(), kMaxNoteCharacters));
          DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked, Read(call, in, Etag::kOptional));
          DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, controller_.Pause(asked, in.note()));
          *out->mutable_rollout() = ToMessage(rollout);
          return absl::OkStatus();
        });
  }
  grpc::ServerUnaryReactor* ResumeRollout(grpc::CallbackServerContext* context,
                                          const v1::ResumeRolloutRequest* request,
                                          v1::ResumeRolloutResponse* response) override {
    return Write("ResumeRollout", context, request, response,
                 [this](const Call& call, const auto& in, auto* out) -> absl::Status {
                   DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked,
                                             Read(call, in, Etag::kRequired));
                   DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, controller_.Resume(asked));
                   *out->mutable_rollout() = ToMessage(rollout);
                   return absl::OkStatus();
                 });
  }
  grpc::ServerUnaryReactor* AbortRollout(grpc::CallbackServerContext* context,
                                         const v1::AbortRolloutRequest* request,
                                         v1::AbortRolloutResponse* response) override {
    return Write("AbortRollout", context, request, response,
                 [this](const Call& call, const auto& in, auto* out) -> absl::Status {
                   DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked,
                                             Read(call, in, Etag::kOptional));
                   DMARCATE_ASSIGN_OR_RETURN(const PolicyStage to, ReadStage(in.stage(), "stage"));
                   DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, controller_.Abort(asked, to));
                   *out->mutable_rollout() = ToMessage(rollout);
                   return absl::OkStatus();
                 });
  }

 private:
  enum class Etag : uint8_t { kOptional, kRequired };

  template <typename Request, typename Response, typename Act>
  grpc::ServerUnaryReactor* Write(std::string_view method, grpc::CallbackServerContext* context,
                                  const Request* request, Response* response, Act act) {
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this, method, act](const Call& call, const auto& in, auto* out) {
          return ToGrpc(Mutate(parts_, call, method, in, out, [&] { return act(call, in, out); }));
        });
  }

  template <typename Request>
  static absl::StatusOr<RolloutRequest> Read(const Call& call, const Request& in, Etag etag) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                              ParseDomainChild(in.name(), kRollouts, "name"));
    RolloutRequest out{.domain = child.domain,
                       .id = child.id,
                       .revision = 0,
                       .principal = call.principal().name,
                       .mode = ModeOf(in.validate_only())};
    if (etag == Etag::kRequired || !in.etag().empty()) {
      DMARCATE_ASSIGN_OR_RETURN(out.revision, ReadEtag(in.etag()));
    }
    return out;
  }
  static absl::StatusOr<PolicyStage> ReadStage(v1::Rollout::Stage stage, std::string_view field) {
    if (stage == v1::Rollout::STAGE_UNSPECIFIED) return FieldRequired(field);
    if (!v1::Rollout::Stage_IsValid(stage)) return FieldError(field, "is no stage");
    return static_cast<PolicyStage>(stage);  // numbered alike, rollout_view.cc
  }

  // As CreateRollout and a simulation of what it would begin are asked.
  absl::StatusOr<RolloutState> ReadNew(const std::string& parent, const v1::Rollout& in) const;
  absl::Status Create(const Call& call, const v1::CreateRolloutRequest& in,
                      v1::CreateRolloutResponse* out);
  absl::Status Update(const Call& call, const v1::UpdateRolloutRequest& in,
                      v1::UpdateRolloutResponse* out);
  absl::StatusOr<Rollout> Find(const std::string& name, std::string_view field) const;
  absl::Status Get(const v1::GetRolloutRequest& in, v1::GetRolloutResponse* out) const;
  absl::Status List(const Call& call, const v1::ListRolloutsRequest& in,
                    v1::ListRolloutsResponse* out) const;
  absl::Status Explain(const v1::ExplainRolloutRequest& in, v1::ExplainRolloutResponse* out);
  absl::StatusOr<RolloutExplanation> ExplainForSimulation(const Call& call,
                                                          const v1::SimulateRolloutRequest& in);
  absl::Status Simulate(const Call& call, const v1::SimulateRolloutRequest& in,
                        v1::SimulateRolloutResponse* out);
  absl::Status ListEvents(const Call& call, const v1::ListRolloutEventsRequest& in,
                          v1::ListRolloutEventsResponse* out) const;
  absl::Status Advance(const Call& call, const v1::AdvanceRolloutRequest& in,
                       v1::AdvanceRolloutResponse* out);

  const ServiceParts& parts_;
  RolloutStore& rollouts_;
  RolloutController& controller_;
};

absl::StatusOr<RolloutState> RolloutServiceImpl::ReadNew(const std::string& parent,
                                                         const v1::Rollout& in) const {
  RolloutState state;
  DMARCATE_ASSIGN_OR_RETURN(state.domain, ParseDomainResource(parent, "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord managed, FindDomain(parts_.policies, state.domain));
  if (!managed.delegation_zone.empty()) {
    return ReasonError(
        Reason::kRolloutState,
        fmt::format("{}: its DMARC record lies in {}; a rollout does not move it there yet",
                    state.domain, managed.delegation_zone));
  }
  if (!v1::Rollout::Scope_IsValid(in.scope())) return FieldError("rollout.scope", "is no scope");
  if (in.scope() != v1::Rollout::SCOPE_UNSPECIFIED) {
    state.scope = static_cast<PolicyScope>(in.scope());
  }
  DMARCATE_ASSIGN_OR_RETURN(state.mode, ReadMode(in.mode()));
  DMARCATE_ASSIGN_OR_RETURN(state.target, ReadTarget(in.target()));
  DMARCATE_ASSIGN_OR_RETURN(state.settings, ReadSettings(in.settings()));
  return state;
}

absl::Status RolloutServiceImpl::Create(const Call& call, const v1::CreateRolloutRequest& in,
                                        v1::CreateRolloutResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(RolloutState state, ReadNew(in.parent(), in.rollout()));
  DMARCATE_ASSIGN_OR_RETURN(
      const Rollout rollout,
      controller_.Create(std::move(state), call.principal().name, ModeOf(in.validate_only())));
  *out->mutable_rollout() = ToMessage(rollout);
  return absl::OkStatus();
}

absl::Status RolloutServiceImpl::Update(const Call& call, const v1::UpdateRolloutRequest& in,
                                        v1::UpdateRolloutResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const Rollout before, Find(in.rollout().name(), "rollout.name"));
  DMARCATE_ASSIGN_OR_RETURN(const RolloutEdit edit, ReadEdit(in, before.state));
  RolloutRequest asked{.domain = before.record.domain,
                       .id = before.record.id,
                       .revision = 0,
                       .principal = call.principal().name,
                       .mode = ModeOf(in.validate_only())};
  DMARCATE_ASSIGN_OR_RETURN(asked.revision, ReadEtag(in.rollout().etag()));
  DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, controller_.Edit(asked, edit));
  *out->mutable_rollout() = ToMessage(rollout);
  return absl::OkStatus();
}

absl::StatusOr<Rollout> RolloutServiceImpl::Find(const std::string& name,
                                                 std::string_view field) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child, ParseDomainChild(name, kRollouts, field));
  absl::StatusOr<RolloutRecord> record = rollouts_.GetRollout(child.domain, child.id);
  if (record.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  DMARCATE_RETURN_IF_ERROR(record.status());
  return ToRollout(*std::move(record));
}

absl::Status RolloutServiceImpl::Get(const v1::GetRolloutRequest& in,
                                     v1::GetRolloutResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, Find(in.name(), "name"));
  *out->mutable_rollout() = ToMessage(rollout);
  return absl::OkStatus();
}

absl::Status RolloutServiceImpl::List(const Call& call, const v1::ListRolloutsRequest& in,
                                      v1::ListRolloutsResponse* out) const {
  std::string domain = "-";
  if (in.parent() != kAllDomains) {
    DMARCATE_ASSIGN_OR_RETURN(domain, ParseDomainResource(in.parent(), "parent"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  }
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListRollouts", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  const size_t slash = after.find('/');
  DMARCATE_ASSIGN_OR_RETURN(
      std::vector<RolloutRecord> records,
      rollouts_.ListRollouts(domain, after.substr(0, slash),
                             slash == std::string::npos ? "" : after.substr(slash + 1),
                             page_size + 1));
  const bool more = records.size() > page_size;
  if (more) records.resize(page_size);
  for (const RolloutRecord& record : records) {
    DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, ToRollout(record));
    *out->add_rollouts() = ToMessage(rollout);
  }
  if (more) {
    out->set_next_page_token(
        parts_.pages.Make(scope, fmt::format("{}/{}", records.back().domain, records.back().id)));
  }
  return absl::OkStatus();
}

absl::Status RolloutServiceImpl::Explain(const v1::ExplainRolloutRequest& in,
                                         v1::ExplainRolloutResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(in.name(), kRollouts, "name"));
  DMARCATE_ASSIGN_OR_RETURN(const RolloutExplanation explanation,
                            controller_.Explain(child.domain, child.id));
  Fill(explanation, out);
  return absl::OkStatus();
}

absl::StatusOr<RolloutExplanation> RolloutServiceImpl::ExplainForSimulation(
    const Call& call, const v1::SimulateRolloutRequest& in) {
  if (in.name().empty() == in.parent().empty()) {
    return FieldError("name", "want this of a rollout, or parent of one that would be started");
  }
  if (in.name().empty()) {
    DMARCATE_ASSIGN_OR_RETURN(RolloutState state, ReadNew(in.parent(), in.rollout()));
    return controller_.Preview(std::move(state), call.principal().name);
  }
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(in.name(), kRollouts, "name"));
  return controller_.Explain(child.domain, child.id);
}

absl::Status RolloutServiceImpl::Simulate(const Call& call, const v1::SimulateRolloutRequest& in,
                                          v1::SimulateRolloutResponse* out) {
  ForecastOptions options;
  if (in.days() != 0) options.days = in.days();
  if (in.traffic_days() != 0) options.traffic_days = in.traffic_days();
  if (options.days < 1 || options.days > kMostForecastDays) {
    return FieldError("days", fmt::format("{} is not in 1 to {}", in.days(), kMostForecastDays));
  }
  if (options.traffic_days < kLeastTrafficDays || options.traffic_days > kMostTrafficDays) {
    return FieldError("traffic_days", fmt::format("{} is not in {} to {}", in.traffic_days(),
                                                  kLeastTrafficDays, kMostTrafficDays));
  }
  DMARCATE_ASSIGN_OR_RETURN(const RolloutExplanation explanation, ExplainForSimulation(call, in));
  const Forecast forecast =
      ForecastRollout(explanation.rollout.state, explanation.evidence, parts_.clock.Now(), options);
  Fill(explanation, forecast, options, out);
  return absl::OkStatus();
}

absl::Status RolloutServiceImpl::ListEvents(const Call& call,
                                            const v1::ListRolloutEventsRequest& in,
                                            v1::ListRolloutEventsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, Find(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListRolloutEvents", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(std::string before, parts_.pages.Read(scope, in.page_token()));
  while (true) {
    if (call.cancelled()) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<RolloutLogRecord> log,
                              rollouts_.ListRolloutLog(rollout.record.domain, rollout.record.id,
                                                       before, kEntriesPerRead));
    for (const RolloutLogRecord& entry : log) {
      if (static_cast<size_t>(out->events_size()) == page_size) {
        out->set_next_page_token(parts_.pages.Make(scope, before));
        return absl::OkStatus();
      }
      *out->add_events() = ToMessage(rollout.record.domain, entry);
      before = entry.id;
    }
    if (log.size() < kEntriesPerRead) return absl::OkStatus();
  }
}

absl::Status RolloutServiceImpl::Advance(const Call& call, const v1::AdvanceRolloutRequest& in,
                                         v1::AdvanceRolloutResponse* out) {
  AdvanceRequest request;
  DMARCATE_ASSIGN_OR_RETURN(request.rollout, Read(call, in, Etag::kRequired));
  DMARCATE_ASSIGN_OR_RETURN(request.stage, ReadStage(in.stage(), "stage"));
  if (!(in.accepted_bound() >= 0 && in.accepted_bound() <= 1)) {
    return FieldError("accepted_bound", "is a share, 0 to 1");
  }
  request.accepted_bound = in.accepted_bound();
  if (in.decisions_etag().empty()) return FieldRequired("decisions_etag");
  request.decisions_etag = in.decisions_etag();
  DMARCATE_ASSIGN_OR_RETURN(const Rollout rollout, controller_.Advance(request));
  *out->mutable_rollout() = ToMessage(rollout);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeRolloutService(const ServiceParts& parts, RolloutStore& rollouts,
                                                  RolloutController& controller) {
  return std::make_unique<RolloutServiceImpl>(parts, rollouts, controller);
}

}  // namespace dmarcate
