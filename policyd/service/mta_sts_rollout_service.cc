#include "policyd/service/mta_sts_rollout_service.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/mta_sts.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/service/convert.h"
#include "policyd/service/mta_sts_patterns.h"
#include "policyd/service/mta_sts_rollout_request.h"
#include "policyd/service/mta_sts_rollout_view.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAllDomains = "domains/-";
// An entry holds all that was decided from, and is sent without it.
constexpr size_t kEntriesPerRead = 8;
constexpr size_t kMaxFileCharacters = 64 << 10;

RunMode ModeOf(bool validate_only) {
  return validate_only ? RunMode::kValidateOnly : RunMode::kExecute;
}

class MtaStsRolloutServiceImpl final : public v1::MtaStsRolloutService::CallbackService {
 public:
  MtaStsRolloutServiceImpl(const ServiceParts& parts, RolloutStore& rollouts, Resolver& resolver,
                           MtaStsController& controller)
      : parts_(parts), rollouts_(rollouts), resolver_(resolver), controller_(controller) {}

  grpc::ServerUnaryReactor* CreateMtaStsRollout(
      grpc::CallbackServerContext* context, const v1::CreateMtaStsRolloutRequest* request,
      v1::CreateMtaStsRolloutResponse* response) override {
    return Write("CreateMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) { return Create(call, in); });
  }
  grpc::ServerUnaryReactor* GetMtaStsRollout(grpc::CallbackServerContext* context,
                                             const v1::GetMtaStsRolloutRequest* request,
                                             v1::GetMtaStsRolloutResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* ListMtaStsRollouts(grpc::CallbackServerContext* context,
                                               const v1::ListMtaStsRolloutsRequest* request,
                                               v1::ListMtaStsRolloutsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* UpdateMtaStsRollout(
      grpc::CallbackServerContext* context, const v1::UpdateMtaStsRolloutRequest* request,
      v1::UpdateMtaStsRolloutResponse* response) override {
    return Write("UpdateMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) { return Update(call, in); });
  }
  grpc::ServerUnaryReactor* ExplainMtaStsRollout(
      grpc::CallbackServerContext* context, const v1::ExplainMtaStsRolloutRequest* request,
      v1::ExplainMtaStsRolloutResponse* response) override {
    // Strangers' mail and web servers take longer than the DNS does.
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Explain(in, out)); });
  }
  grpc::ServerUnaryReactor* ListMtaStsRolloutEvents(
      grpc::CallbackServerContext* context, const v1::ListMtaStsRolloutEventsRequest* request,
      v1::ListMtaStsRolloutEventsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListEvents(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* AdvanceMtaStsRollout(
      grpc::CallbackServerContext* context, const v1::AdvanceMtaStsRolloutRequest* request,
      v1::AdvanceMtaStsRolloutResponse* response) override {
    return Write("AdvanceMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) { return Advance(call, in); });
  }
  grpc::ServerUnaryReactor* PauseMtaStsRollout(grpc::CallbackServerContext* context,
                                               const v1::PauseMtaStsRolloutRequest* request,
                                               v1::PauseMtaStsRolloutResponse* response) override {
    return Write("PauseMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) -> absl::StatusOr<StsRollout> {
                   DMARCATE_RETURN_IF_ERROR(CheckLength("note", in.note(), kMaxNoteCharacters));
                   DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked,
                                             Read(call, in.name(), in, Etag::kOptional));
                   return controller_.Pause(asked, in.note());
                 });
  }
  grpc::ServerUnaryReactor* ResumeMtaStsRollout(
      grpc::CallbackServerContext* context, const v1::ResumeMtaStsRolloutRequest* request,
      v1::ResumeMtaStsRolloutResponse* response) override {
    return Write("ResumeMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) -> absl::StatusOr<StsRollout> {
                   DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked,
                                             Read(call, in.name(), in, Etag::kRequired));
                   return controller_.Resume(asked);
                 });
  }
  grpc::ServerUnaryReactor* AbortMtaStsRollout(grpc::CallbackServerContext* context,
                                               const v1::AbortMtaStsRolloutRequest* request,
                                               v1::AbortMtaStsRolloutResponse* response) override {
    return Write("AbortMtaStsRollout", context, request, response,
                 [this](const Call& call, const auto& in) -> absl::StatusOr<StsRollout> {
                   DMARCATE_ASSIGN_OR_RETURN(const RolloutRequest asked,
                                             Read(call, in.name(), in, Etag::kOptional));
                   DMARCATE_ASSIGN_OR_RETURN(const StsStage to, ReadStsStage(in.stage(), "stage"));
                   return controller_.Abort(asked, to);
                 });
  }

 private:
  enum class Etag : uint8_t { kOptional, kRequired };

  // `act` gives the rollout as it is then, which is the answer.
  template <typename Request, typename Response, typename Act>
  grpc::ServerUnaryReactor* Write(std::string_view method, grpc::CallbackServerContext* context,
                                  const Request* request, Response* response, Act act) {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this, method, act](const Call& call, const auto& in, auto* out) {
                        const auto run = [&]() -> absl::Status {
                          DMARCATE_ASSIGN_OR_RETURN(const StsRollout rollout, act(call, in));
                          *out->mutable_rollout() = ToMessage(rollout);
                          return absl::OkStatus();
                        };
                        return ToGrpc(Mutate(parts_, call, method, in, out, run));
                      });
  }

  // `in`: has etag and validate_only, or the rollout has the etag.
  template <typename Request>
  static absl::StatusOr<RolloutRequest> Read(const Call& call, const std::string& name,
                                             const Request& in, Etag etag) {
    return ReadAt(call, name, in.etag(), in.validate_only(), etag);
  }
  static absl::StatusOr<RolloutRequest> ReadAt(const Call& call, const std::string& name,
                                               const std::string& revision, bool validate_only,
                                               Etag etag) {
    DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                              ParseDomainChild(name, kMtaStsRollouts, "name"));
    RolloutRequest out{.domain = child.domain,
                       .id = child.id,
                       .revision = 0,
                       .principal = call.principal().name,
                       .mode = ModeOf(validate_only)};
    if (etag == Etag::kRequired || !revision.empty()) {
      DMARCATE_ASSIGN_OR_RETURN(out.revision, ReadEtag(revision));
    }
    return out;
  }

  absl::StatusOr<StsRollout> Create(const Call& call, const v1::CreateMtaStsRolloutRequest& in);
  absl::StatusOr<StsRollout> Update(const Call& call, const v1::UpdateMtaStsRolloutRequest& in);
  absl::StatusOr<StsRollout> Advance(const Call& call, const v1::AdvanceMtaStsRolloutRequest& in);
  absl::StatusOr<StsRollout> Find(const std::string& name, std::string_view field) const;
  absl::Status Get(const v1::GetMtaStsRolloutRequest& in, v1::GetMtaStsRolloutResponse* out) const;
  absl::Status List(const Call& call, const v1::ListMtaStsRolloutsRequest& in,
                    v1::ListMtaStsRolloutsResponse* out) const;
  absl::Status Explain(const v1::ExplainMtaStsRolloutRequest& in,
                       v1::ExplainMtaStsRolloutResponse* out);
  absl::Status ListEvents(const Call& call, const v1::ListMtaStsRolloutEventsRequest& in,
                          v1::ListMtaStsRolloutEventsResponse* out) const;

  const ServiceParts& parts_;
  RolloutStore& rollouts_;
  Resolver& resolver_;
  MtaStsController& controller_;
};

absl::StatusOr<StsRollout> MtaStsRolloutServiceImpl::Create(
    const Call& call, const v1::CreateMtaStsRolloutRequest& in) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string name, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord managed, FindDomain(parts_.policies, name));
  if (!managed.delegation_zone.empty()) {
    return ReasonError(Reason::kRolloutState,
                       fmt::format("{}: only its DMARC record lies in {}; policyd cannot write "
                                   "_mta-sts.{}",
                                   name, managed.delegation_zone, name));
  }
  const absl::StatusOr<DomainName> domain = DomainName::Parse(name);
  if (!domain.ok()) return FieldError("parent", MessageOf(domain.status()));
  DMARCATE_ASSIGN_OR_RETURN(StsState state, ReadNewStsRollout(in.rollout()));
  state.domain = name;
  const auto& named = in.rollout().settings().mx();
  absl::StatusOr<std::vector<std::string>> hosts = std::vector<std::string>();
  if (named.empty()) hosts = LiveMxHosts(*domain, resolver_);
  DMARCATE_ASSIGN_OR_RETURN(state.settings.mx, StsPatterns(*domain, {named.begin(), named.end()},
                                                           hosts, "rollout.settings.mx"));
  return controller_.Create(std::move(state), call.principal().name, ModeOf(in.validate_only()));
}

absl::StatusOr<StsRollout> MtaStsRolloutServiceImpl::Update(
    const Call& call, const v1::UpdateMtaStsRolloutRequest& in) {
  DMARCATE_ASSIGN_OR_RETURN(
      const RolloutRequest asked,
      ReadAt(call, in.rollout().name(), in.rollout().etag(), in.validate_only(), Etag::kRequired));
  const std::vector<std::string> paths(in.update_mask().paths().begin(),
                                       in.update_mask().paths().end());
  return controller_.Update(asked, Join(paths, ", "), [&in, &paths](StsState& state) {
    return EditStsRollout(in.rollout(), paths, state);
  });
}

absl::StatusOr<StsRollout> MtaStsRolloutServiceImpl::Advance(
    const Call& call, const v1::AdvanceMtaStsRolloutRequest& in) {
  StsAdvanceRequest request;
  DMARCATE_ASSIGN_OR_RETURN(request.rollout, Read(call, in.name(), in, Etag::kRequired));
  DMARCATE_ASSIGN_OR_RETURN(request.stage, ReadStsStage(in.stage(), "stage"));
  if (in.file().empty()) return FieldRequired("file");
  DMARCATE_RETURN_IF_ERROR(CheckLength("file", in.file(), kMaxFileCharacters));
  request.file = in.file();
  if (!(in.accepted_bound() >= 0 && in.accepted_bound() <= 1)) {
    return FieldError("accepted_bound", "is a share, 0 to 1");
  }
  request.accepted_bound = in.accepted_bound();
  return controller_.Advance(request);
}

absl::StatusOr<StsRollout> MtaStsRolloutServiceImpl::Find(const std::string& name,
                                                          std::string_view field) const {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(name, kMtaStsRollouts, field));
  absl::StatusOr<RolloutRecord> record = rollouts_.GetRollout(child.domain, child.id);
  if (record.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  DMARCATE_RETURN_IF_ERROR(record.status());
  return ToStsRollout(*std::move(record));
}

absl::Status MtaStsRolloutServiceImpl::Get(const v1::GetMtaStsRolloutRequest& in,
                                           v1::GetMtaStsRolloutResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const StsRollout rollout, Find(in.name(), "name"));
  *out->mutable_rollout() = ToMessage(rollout);
  return absl::OkStatus();
}

absl::Status MtaStsRolloutServiceImpl::List(const Call& call,
                                            const v1::ListMtaStsRolloutsRequest& in,
                                            v1::ListMtaStsRolloutsResponse* out) const {
  std::string domain = "-";
  if (in.parent() != kAllDomains) {
    DMARCATE_ASSIGN_OR_RETURN(domain, ParseDomainResource(in.parent(), "parent"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  }
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListMtaStsRollouts", call.principal().name, in);
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
    DMARCATE_ASSIGN_OR_RETURN(const StsRollout rollout, ToStsRollout(record));
    *out->add_rollouts() = ToMessage(rollout);
  }
  if (more) {
    out->set_next_page_token(
        parts_.pages.Make(scope, fmt::format("{}/{}", records.back().domain, records.back().id)));
  }
  return absl::OkStatus();
}

absl::Status MtaStsRolloutServiceImpl::Explain(const v1::ExplainMtaStsRolloutRequest& in,
                                               v1::ExplainMtaStsRolloutResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(in.name(), kMtaStsRollouts, "name"));
  DMARCATE_ASSIGN_OR_RETURN(const StsExplanation explanation,
                            controller_.Explain(child.domain, child.id));
  Fill(explanation, out);
  return absl::OkStatus();
}

absl::Status MtaStsRolloutServiceImpl::ListEvents(const Call& call,
                                                  const v1::ListMtaStsRolloutEventsRequest& in,
                                                  v1::ListMtaStsRolloutEventsResponse* out) const {
  DMARCATE_ASSIGN_OR_RETURN(const StsRollout rollout, Find(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListMtaStsRolloutEvents", call.principal().name, in);
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
      *out->add_events() = ToStsEvent(rollout.record.domain, entry);
      before = entry.id;
    }
    if (log.size() < kEntriesPerRead) return absl::OkStatus();
  }
}

}  // namespace

std::unique_ptr<grpc::Service> MakeMtaStsRolloutService(const ServiceParts& parts,
                                                        RolloutStore& rollouts, Resolver& resolver,
                                                        MtaStsController& controller) {
  return std::make_unique<MtaStsRolloutServiceImpl>(parts, rollouts, resolver, controller);
}

}  // namespace dmarcate
