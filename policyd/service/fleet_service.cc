#include "policyd/service/fleet_service.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "dmarcate/v1/fleet_change.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"
#include "policyd/service/change_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/fleet_view.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr int32_t kDefaultCanaries = 5;
constexpr int32_t kDefaultMaxFailures = 5;
constexpr int kMaxNamed = 10'000;
constexpr absl::Duration kBetweenNews = absl::Milliseconds(250);
constexpr absl::Duration kHeartbeat = absl::Seconds(10);
// How soon a stream whose client has gone notices it.
constexpr absl::Duration kNap = absl::Seconds(1);

RunMode ModeOf(bool validate_only) {
  return validate_only ? RunMode::kValidateOnly : RunMode::kExecute;
}

absl::StatusOr<FleetSelection> ReadSelection(const v1::FleetSelection& in) {
  FleetSelection out;
  out.named = !in.domains().empty();
  if (!in.dns_provider().empty()) {
    DMARCATE_ASSIGN_OR_RETURN(out.dns_provider,
                              ParseProviderResource(in.dns_provider(), "selection.dns_provider"));
  }
  if (!in.under().empty()) {
    const absl::StatusOr<DomainName> under = DomainName::Parse(in.under());
    if (!under.ok()) return FieldError("selection.under", MessageOf(under.status()));
    out.under = under->text();
  }
  if (!in.retry_of().empty()) {
    DMARCATE_ASSIGN_OR_RETURN(out.retry_of,
                              ParseFleetResource(in.retry_of(), "selection.retry_of"));
  }
  if (!in.rollback_of().empty()) {
    DMARCATE_ASSIGN_OR_RETURN(out.rollback_of,
                              ParseFleetResource(in.rollback_of(), "selection.rollback_of"));
  }
  return out;
}

absl::Status CheckCount(std::string_view field, int32_t value) {
  if (value >= 0) return absl::OkStatus();
  return FieldError(field, fmt::format("{} is below 0", value));
}

absl::StatusOr<FleetLimits> ReadLimits(const v1::FleetLimits& in) {
  const int32_t canaries = in.has_canaries() ? in.canaries() : kDefaultCanaries;
  const int32_t failures = in.has_max_failures() ? in.max_failures() : kDefaultMaxFailures;
  DMARCATE_RETURN_IF_ERROR(CheckCount("limits.canaries", canaries));
  DMARCATE_RETURN_IF_ERROR(CheckCount("limits.max_failures", failures));
  DMARCATE_RETURN_IF_ERROR(CheckCount("limits.parallel", in.parallel()));
  return FleetLimits{static_cast<uint32_t>(canaries), static_cast<uint32_t>(failures),
                     static_cast<uint32_t>(in.parallel())};
}

class FleetServiceImpl final : public v1::FleetChangeService::CallbackService {
 public:
  FleetServiceImpl(const ServiceParts& parts, FleetStore& fleets, FleetEngine& engine)
      : parts_(parts), fleets_(fleets), engine_(engine) {}

  grpc::ServerUnaryReactor* CreateFleetChange(grpc::CallbackServerContext* context,
                                              const v1::CreateFleetChangeRequest* request,
                                              v1::CreateFleetChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateFleetChange", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* GetFleetChange(grpc::CallbackServerContext* context,
                                           const v1::GetFleetChangeRequest* request,
                                           v1::GetFleetChangeResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* ListFleetChanges(grpc::CallbackServerContext* context,
                                             const v1::ListFleetChangesRequest* request,
                                             v1::ListFleetChangesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ListFleetMembers(grpc::CallbackServerContext* context,
                                             const v1::ListFleetMembersRequest* request,
                                             v1::ListFleetMembersResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListMembers(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ApplyFleetChange(grpc::CallbackServerContext* context,
                                             const v1::ApplyFleetChangeRequest* request,
                                             v1::ApplyFleetChangeResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "ApplyFleetChange", in, out,
                                             [&] { return Apply(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* PauseFleetChange(grpc::CallbackServerContext* context,
                                             const v1::PauseFleetChangeRequest* request,
                                             v1::PauseFleetChangeResponse* response) override {
    return Act("PauseFleetChange", &FleetEngine::Pause, context, request, response);
  }
  grpc::ServerUnaryReactor* ResumeFleetChange(grpc::CallbackServerContext* context,
                                              const v1::ResumeFleetChangeRequest* request,
                                              v1::ResumeFleetChangeResponse* response) override {
    return Act("ResumeFleetChange", &FleetEngine::Resume, context, request, response);
  }
  grpc::ServerUnaryReactor* CancelFleetChange(grpc::CallbackServerContext* context,
                                              const v1::CancelFleetChangeRequest* request,
                                              v1::CancelFleetChangeResponse* response) override {
    return Act("CancelFleetChange", &FleetEngine::Cancel, context, request, response);
  }
  grpc::ServerWriteReactor<v1::WatchFleetChangeResponse>* WatchFleetChange(
      grpc::CallbackServerContext* context, const v1::WatchFleetChangeRequest* request) override {
    return ServeStream<v1::WatchFleetChangeRequest, v1::WatchFleetChangeResponse>(
        parts_.host, context, request, [this](const Call& call, const auto& in, auto& writer) {
          return ToGrpc(Watch(call, in, writer));
        });
  }

 private:
  absl::Status Create(const Call& call, const v1::CreateFleetChangeRequest& in,
                      v1::CreateFleetChangeResponse* out);
  absl::Status Get(const v1::GetFleetChangeRequest& in, v1::GetFleetChangeResponse* out);
  absl::Status List(const Call& call, const v1::ListFleetChangesRequest& in,
                    v1::ListFleetChangesResponse* out);
  absl::Status ListMembers(const Call& call, const v1::ListFleetMembersRequest& in,
                           v1::ListFleetMembersResponse* out);
  absl::Status Apply(const Call& call, const v1::ApplyFleetChangeRequest& in,
                     v1::ApplyFleetChangeResponse* out);
  absl::Status Watch(const Call& call, const v1::WatchFleetChangeRequest& in,
                     StreamWriter<v1::WatchFleetChangeResponse>& writer);

  // One of the calls that only move it.
  using Action = absl::StatusOr<FleetRecord> (FleetEngine::*)(const FleetAction&);
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* Act(const char* method, Action action,
                                grpc::CallbackServerContext* context, const Request* request,
                                Response* response) {
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this, method, action](const Call& call, const auto& in, auto* out) {
          return ToGrpc(Mutate(parts_, call, method, in, out, [&]() -> absl::Status {
            DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseFleetResource(in.name(), "name"));
            DMARCATE_ASSIGN_OR_RETURN(const uint64_t revision, ReadEtag(in.etag()));
            FleetAction asked{id, revision, call.principal().name, ModeOf(in.validate_only())};
            if constexpr (std::is_same_v<Request, v1::ResumeFleetChangeRequest>) {
              if (in.has_max_failures()) {
                DMARCATE_RETURN_IF_ERROR(CheckCount("max_failures", in.max_failures()));
                asked.max_failures = static_cast<uint32_t>(in.max_failures());
              }
            }
            DMARCATE_RETURN_IF_ERROR((engine_.*action)(asked).status());
            return Show(id, out->mutable_fleet_change());
          }));
        });
  }

  absl::Status Show(std::string_view id, v1::FleetChange* out) {
    DMARCATE_ASSIGN_OR_RETURN(const FleetProgress progress, engine_.Look(id));
    *out = ToMessage(progress, parts_.clock.Now());
    return absl::OkStatus();
  }

  const ServiceParts& parts_;
  FleetStore& fleets_;
  FleetEngine& engine_;
};

absl::Status FleetServiceImpl::Create(const Call& call, const v1::CreateFleetChangeRequest& in,
                                      v1::CreateFleetChangeResponse* out) {
  if (in.selection().domains_size() > kMaxNamed) {
    return FieldError("selection.domains", fmt::format("{} domains, limit {}",
                                                       in.selection().domains_size(), kMaxNamed));
  }
  FleetRequest request;
  DMARCATE_ASSIGN_OR_RETURN(request.selection, ReadSelection(in.selection()));
  for (const std::string& name : in.selection().domains()) {
    DMARCATE_ASSIGN_OR_RETURN(request.domains.emplace_back(),
                              ParseDomainResource(name, "selection.domains"));
  }
  if (in.intent().flatten() != v1::Intent::FLATTEN_UNSPECIFIED) {
    return FieldError("intent.flatten", "each domain stays as it is; plan it alone to change that");
  }
  DMARCATE_ASSIGN_OR_RETURN(request.intent, ReadIntent(in.intent(), FlattenMode::kNever));
  if (!request.selection.rollback_of.empty() &&
      (request.intent.spf_from_decisions || request.intent.dmarc_report_address)) {
    return FieldError("intent", "a rollback has no other intent");
  }
  if (!request.intent.prune.empty()) {
    return FieldError("intent.prune", "what goes is looked at domain by domain");
  }
  if (request.intent.mta_sts.has_value()) {
    return FieldError("intent.mta_sts", "each domain has a file of its own");
  }
  if (request.intent.repair != RepairKind::kNone) {
    return FieldError("intent.repair", "a repair is looked at domain by domain");
  }
  request.principal = call.principal().name;
  request.mode = ModeOf(in.validate_only());
  DMARCATE_ASSIGN_OR_RETURN(const FleetRecord record, engine_.Create(request));
  if (!in.validate_only()) return Show(record.id, out->mutable_fleet_change());
  *out->mutable_fleet_change() = ToMessage(record, parts_.clock.Now());
  out->mutable_fleet_change()->clear_name();
  out->mutable_fleet_change()->mutable_progress()->set_total(
      static_cast<int32_t>(record.member_count));
  return absl::OkStatus();
}

absl::Status FleetServiceImpl::Get(const v1::GetFleetChangeRequest& in,
                                   v1::GetFleetChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseFleetResource(in.name(), "name"));
  return Show(id, out->mutable_fleet_change());
}

absl::Status FleetServiceImpl::List(const Call& call, const v1::ListFleetChangesRequest& in,
                                    v1::ListFleetChangesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListFleetChanges", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string before, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<FleetRecord> records,
                            fleets_.ListFleets(before, page_size + 1));
  const bool more = records.size() > page_size;
  if (more) records.resize(page_size);
  for (const FleetRecord& record : records) {
    if (call.cancelled()) return Cancelled();
    DMARCATE_RETURN_IF_ERROR(Show(record.id, out->add_fleet_changes()));
    out->mutable_fleet_changes()->rbegin()->clear_groups();
  }
  if (more) out->set_next_page_token(parts_.pages.Make(scope, records.back().id));
  return absl::OkStatus();
}

absl::Status FleetServiceImpl::ListMembers(const Call& call, const v1::ListFleetMembersRequest& in,
                                           v1::ListFleetMembersResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseFleetResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListFleetMembers", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(std::string after, parts_.pages.Read(scope, in.page_token()));
  const auto wanted = [&](const FleetMemberRecord& member) {
    return in.states().empty() || std::ranges::any_of(in.states(), [&](int state) {
             return state == static_cast<int>(member.state);  // numbered alike
           });
  };
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<FleetMemberRecord> members,
                              engine_.Members(id, after, kMaxPageSize));
    for (const FleetMemberRecord& member : members) {
      if (!wanted(member)) continue;
      if (out->fleet_members_size() == static_cast<int>(page_size)) {
        // The token names the last one that was given.
        const std::string last = out->fleet_members().rbegin()->domain();
        DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(last, "domain"));
        out->set_next_page_token(parts_.pages.Make(scope, domain));
        return absl::OkStatus();
      }
      *out->add_fleet_members() = ToMessage(member);
    }
    if (members.size() < static_cast<size_t>(kMaxPageSize)) return absl::OkStatus();
    after = members.back().domain;
  }
}

absl::Status FleetServiceImpl::Apply(const Call& call, const v1::ApplyFleetChangeRequest& in,
                                     v1::ApplyFleetChangeResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseFleetResource(in.name(), "name"));
  DMARCATE_ASSIGN_OR_RETURN(const uint64_t revision, ReadEtag(in.etag()));
  if (in.plan_digest().empty()) return FieldRequired("plan_digest");
  DMARCATE_ASSIGN_OR_RETURN(const FleetLimits limits, ReadLimits(in.limits()));
  DMARCATE_RETURN_IF_ERROR(engine_
                               .Apply({id, in.plan_digest(), revision, call.principal().name,
                                       limits, ModeOf(in.validate_only())})
                               .status());
  return Show(id, out->mutable_fleet_change());
}

absl::Status FleetServiceImpl::Watch(const Call& call, const v1::WatchFleetChangeRequest& in,
                                     StreamWriter<v1::WatchFleetChangeResponse>& writer) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseFleetResource(in.name(), "name"));
  uint64_t seen = engine_.AwaitNews(0, absl::ZeroDuration());
  while (true) {
    DMARCATE_ASSIGN_OR_RETURN(const FleetProgress progress, engine_.Look(id));
    v1::WatchFleetChangeResponse response;
    *response.mutable_fleet_change() = ToMessage(progress, parts_.clock.Now());
    if (!writer.Write(response)) return absl::OkStatus();
    const FleetState state = progress.record.state;
    const bool at_work = IsOpen(state) && state != FleetState::kPaused;
    if (!at_work && progress.running + progress.open == 0) return absl::OkStatus();
    absl::SleepFor(kBetweenNews);
    const absl::Time beat = absl::Now() + kHeartbeat;
    uint64_t now = seen;
    while (now == seen && absl::Now() < beat && !call.cancelled() && !parts_.host.draining()) {
      now = engine_.AwaitNews(seen, kNap);
    }
    seen = now;
  }
}

}  // namespace

std::unique_ptr<grpc::Service> MakeFleetService(const ServiceParts& parts, FleetStore& fleets,
                                                FleetEngine& engine) {
  return std::make_unique<FleetServiceImpl>(parts, fleets, engine);
}

}  // namespace dmarcate
