#include "policyd/service/source_service.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/source.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/unary.h"
#include "policyd/analysis/health.h"
#include "policyd/service/analysis_queries.h"
#include "policyd/service/convert.h"
#include "policyd/service/grouping_desk.h"
#include "policyd/service/names.h"
#include "policyd/service/place.h"
#include "policyd/service/source_desk.h"
#include "policyd/service/source_explainer.h"
#include "policyd/service/source_view.h"

namespace dmarcate {
namespace {

constexpr int64_t kMaxComparedDays = 200;
constexpr int kMaxSourceChanges = 1000;

class SourceServiceImpl final : public v1::SourceService::CallbackService {
 public:
  SourceServiceImpl(const ServiceParts& parts, Resolver& resolver, const SourceWorld& world)
      : parts_(parts),
        insights_(world.insights),
        network_(world.network),
        desk_(parts, resolver, world.network),
        explainer_(parts, resolver, world.network, world.insights),
        grouping_desk_(parts, desk_, world.groupings) {}

  grpc::ServerUnaryReactor* ListSources(grpc::CallbackServerContext* context,
                                        const v1::ListSourcesRequest* request,
                                        v1::ListSourcesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetSource(grpc::CallbackServerContext* context,
                                      const v1::GetSourceRequest* request,
                                      v1::GetSourceResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return ToGrpc(Get(call, in, out)); });
  }
  grpc::ServerUnaryReactor* ExplainSource(grpc::CallbackServerContext* context,
                                          const v1::ExplainSourceRequest* request,
                                          v1::ExplainSourceResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Explain(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* CompareSources(grpc::CallbackServerContext* context,
                                           const v1::CompareSourcesRequest* request,
                                           v1::CompareSourcesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Compare(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ApproveSource(grpc::CallbackServerContext* context,
                                          const v1::ApproveSourceRequest* request,
                                          v1::ApproveSourceResponse* response) override {
    return ServeDecision(SourceState::kApproved, "ApproveSource", context, request, response);
  }
  grpc::ServerUnaryReactor* RejectSource(grpc::CallbackServerContext* context,
                                         const v1::RejectSourceRequest* request,
                                         v1::RejectSourceResponse* response) override {
    return ServeDecision(SourceState::kRejected, "RejectSource", context, request, response);
  }
  grpc::ServerUnaryReactor* ResetSource(grpc::CallbackServerContext* context,
                                        const v1::ResetSourceRequest* request,
                                        v1::ResetSourceResponse* response) override {
    return ServeDecision(SourceState::kPending, "ResetSource", context, request, response);
  }
  grpc::ServerUnaryReactor* ListSourceAddresses(
      grpc::CallbackServerContext* context, const v1::ListSourceAddressesRequest* request,
      v1::ListSourceAddressesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListAddresses(call, in, out));
                      });
  }

  grpc::ServerUnaryReactor* MergeSources(grpc::CallbackServerContext* context,
                                         const v1::MergeSourcesRequest* request,
                                         v1::MergeSourcesResponse* response) override {
    return ServeGrouping("MergeSources", &GroupingDesk::Merge, context, request, response);
  }
  grpc::ServerUnaryReactor* SplitSource(grpc::CallbackServerContext* context,
                                        const v1::SplitSourceRequest* request,
                                        v1::SplitSourceResponse* response) override {
    return ServeGrouping("SplitSource", &GroupingDesk::Split, context, request, response);
  }
  grpc::ServerUnaryReactor* UngroupSource(grpc::CallbackServerContext* context,
                                          const v1::UngroupSourceRequest* request,
                                          v1::UngroupSourceResponse* response) override {
    return ServeGrouping("UngroupSource", &GroupingDesk::Ungroup, context, request, response);
  }
  grpc::ServerUnaryReactor* ListSourceGroupings(
      grpc::CallbackServerContext* context, const v1::ListSourceGroupingsRequest* request,
      v1::ListSourceGroupingsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call&, const auto& in, auto* out) {
                        return ToGrpc(grouping_desk_.List(in, out));
                      });
  }

 private:
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* ServeGrouping(
      std::string_view method,
      absl::Status (GroupingDesk::*act)(const Call&, const Request&, Response*),
      grpc::CallbackServerContext* context, const Request* request, Response* response) {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this, method, act](const Call& call, const Request& in, Response* out) {
                        return ToGrpc(Mutate(parts_, call, method, in, out,
                                             [&] { return (grouping_desk_.*act)(call, in, out); }));
                      });
  }

  absl::Status List(const Call& call, const v1::ListSourcesRequest& in,
                    v1::ListSourcesResponse* out);
  absl::Status Get(const Call& call, const v1::GetSourceRequest& in, v1::GetSourceResponse* out);
  absl::Status Explain(const Call& call, const v1::ExplainSourceRequest& in,
                       v1::ExplainSourceResponse* out);
  absl::Status Compare(const Call& call, const v1::CompareSourcesRequest& in,
                       v1::CompareSourcesResponse* out);
  absl::Status ListAddresses(const Call& call, const v1::ListSourceAddressesRequest& in,
                             v1::ListSourceAddressesResponse* out);
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* ServeDecision(SourceState state, std::string_view method,
                                          grpc::CallbackServerContext* context,
                                          const Request* request, Response* response);

  const ServiceParts& parts_;
  InsightStore* const insights_;
  const NetworkBook* const network_;
  SourceDesk desk_;
  const SourceExplainer explainer_;
  GroupingDesk grouping_desk_;
};

absl::Status SourceServiceImpl::List(const Call& call, const v1::ListSourcesRequest& in,
                                     v1::ListSourcesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListSources", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<Place> after,
                            ReadPlace(parts_.pages, scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  DMARCATE_ASSIGN_OR_RETURN(std::vector<SourceDecision> decided,
                            parts_.policies.ListDecisions(domain));
  SourceQuery query{.limit = page_size};
  if (after) query.after = {after->messages, after->key};
  std::map<std::string, SourceDecision, std::less<>> decisions;
  for (SourceDecision& decision : decided) {
    std::string id = decision.source_id;
    if (decision.state != SourceState::kPending) query.ask.push_back(id);
    decisions.emplace(std::move(id), std::move(decision));
  }
  const Declarations declared = DeclarationsOf(network_, domain, parts_.analysis.catalogue());
  for (const auto& [id, declarations] : declared) {
    const auto decision = decisions.find(id);
    if (decision == decisions.end() || decision->second.state == SourceState::kPending) {
      query.ask.push_back(id);
    }
  }
  out->set_declarations_pending(network_ != nullptr && network_->gathered() &&
                                !network_->DeclaredOf(domain));
  const auto decision_of = [&decisions](std::string_view id) {
    const auto it = decisions.find(id);
    return it == decisions.end() ? std::nullopt : std::optional(it->second);
  };
  const auto wanted = [&](const std::string& id) {
    const auto it = decisions.find(id);
    const int state =
        static_cast<int>(it == decisions.end() ? SourceState::kPending : it->second.state);
    return std::ranges::find(in.states(), state) != in.states().end();
  };
  if (!in.states().empty()) query.wanted = wanted;
  DMARCATE_ASSIGN_OR_RETURN(const SourcePage page,
                            PageOfSources(parts_.analysis, call, domain, range, query));

  *out->mutable_total() = ToMessage(page.statistics.total);
  const auto end_page = [&] {
    const v1::Source& last = out->sources(out->sources_size() - 1);
    const std::string id = last.name().substr(last.name().rfind('/') + 1);
    out->set_next_page_token(
        parts_.pages.Make(scope, Place{last.stats().counts().message_count(), id}.ToString()));
  };
  const DanglingTargets dangling = DanglingTargetsOf(insights_, domain, parts_.clock.Now());
  const auto show = [&](const SourceStatistics& source) {
    v1::Source* shown = out->add_sources();
    *shown = MakeSource(source, page.statistics, decision_of(source.id));
    if (const auto found = declared.find(source.id); found != declared.end()) {
      Declare(found->second, source, domain, shown);
    }
    Suggest(source, dangling, shown);
  };
  for (const SourceStatistics& source : page.statistics.sources) show(source);
  if (page.more) {
    end_page();
    return absl::OkStatus();
  }
  // Approved, rejected or declared, and silent in these days: they do not vanish from the list.
  std::set<std::string> silent(page.silent.begin(), page.silent.end());
  for (const std::string& id : silent) {
    if ((after && !after->IsBefore(0, id)) || (query.wanted && !query.wanted(id))) continue;
    if (static_cast<size_t>(out->sources_size()) == page_size) {
      end_page();
      return absl::OkStatus();
    }
    show(SilentSource(id, parts_.analysis.catalogue()));
  }
  return absl::OkStatus();
}

absl::Status SourceServiceImpl::Get(const Call& call, const v1::GetSourceRequest& in,
                                    v1::GetSourceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_ASSIGN_OR_RETURN(const SourceCase found, desk_.Find(call, in.name(), range));
  *out->mutable_source() = found.ToMessage();
  Suggest(*found.source, DanglingTargetsOf(insights_, found.domain.name, parts_.clock.Now()),
          out->mutable_source());
  return absl::OkStatus();
}

absl::Status SourceServiceImpl::Explain(const Call& call, const v1::ExplainSourceRequest& in,
                                        v1::ExplainSourceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_ASSIGN_OR_RETURN(const SourceCase found, desk_.Find(call, in.name(), range));
  explainer_.Explain(found, out);
  return absl::OkStatus();
}

absl::Status SourceServiceImpl::Compare(const Call& call, const v1::CompareSourcesRequest& in,
                                        v1::CompareSourcesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange after, ReadRange(in.date_range(), parts_.clock));
  if (after.days() > kMaxComparedDays) {
    return FieldError("date_range", fmt::format("more than {} days", kMaxComparedDays));
  }
  const DayRange before{after.first - static_cast<DayNumber>(after.days()), after.first - 1};
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  DMARCATE_ASSIGN_OR_RETURN(const auto now, parts_.analysis.Get(call, domain, after));
  DMARCATE_ASSIGN_OR_RETURN(const auto then, parts_.analysis.Get(call, domain, before));
  *out->mutable_before() = ToMessage(before);
  *out->mutable_after() = ToMessage(after);
  for (const SourceChange& change : dmarcate::CompareSources(*then, *now)) {
    if (out->changes_size() == kMaxSourceChanges) {
      out->set_left_out(out->left_out() + 1);
      continue;
    }
    *out->add_changes() = MakeSourceChange(change, domain);
  }
  return absl::OkStatus();
}

absl::Status SourceServiceImpl::ListAddresses(const Call& call,
                                              const v1::ListSourceAddressesRequest& in,
                                              v1::ListSourceAddressesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListSourceAddresses", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<Place> after,
                            ReadPlace(parts_.pages, scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_ASSIGN_OR_RETURN(const SourceCase found, desk_.Find(call, in.parent(), range));
  // The sort key of statistics.cc is the address itself; as text it sorts by its bytes here.
  const auto key = [](const AddressStats& stats) {
    if (!stats.address) return std::string();
    const auto& bytes = stats.address->bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const AddressStats* last = nullptr;
  for (const AddressStats& stats : found.source->addresses) {
    if (after && !after->IsBefore(stats.counts.messages, key(stats))) continue;
    if (static_cast<size_t>(out->addresses_size()) == page_size) {
      out->set_next_page_token(
          parts_.pages.Make(scope, Place{last->counts.messages, key(*last)}.ToString()));
      break;
    }
    last = &stats;
    v1::SourceAddress* message = out->add_addresses();
    if (stats.address) message->set_address(stats.address->ToString());
    *message->mutable_counts() = ToMessage(stats.counts);
    *message->mutable_first_seen_date() = ToMessage(stats.first_day);
    *message->mutable_last_seen_date() = ToMessage(stats.last_day);
    for (const uint32_t reporter : stats.reporters) {
      message->add_reporters(found.statistics->reporters[reporter]);
    }
  }
  return absl::OkStatus();
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* SourceServiceImpl::ServeDecision(SourceState state,
                                                           std::string_view method,
                                                           grpc::CallbackServerContext* context,
                                                           const Request* request,
                                                           Response* response) {
  const auto decide = [this, state](const Call& call, const Request& in,
                                    Response* out) -> absl::Status {
    DecisionRequest decision{.name = in.name(),
                             .evidence_etag = in.evidence_etag(),
                             .note = in.note(),
                             .state = state,
                             .validate_only = in.validate_only()};
    if constexpr (requires { in.authorization(); }) {
      if (in.has_authorization()) decision.authorization = &in.authorization();
    }
    DMARCATE_ASSIGN_OR_RETURN(*out->mutable_source(), desk_.Decide(call, decision));
    return absl::OkStatus();
  };
  return ServeUnary(
      parts_.host, CallKind::kMutation, context, request, response,
      [this, method, decide](const Call& call, const Request& in, Response* out) {
        return ToGrpc(Mutate(parts_, call, method, in, out, [&] { return decide(call, in, out); }));
      });
}

}  // namespace

std::unique_ptr<grpc::Service> MakeSourceService(const ServiceParts& parts, Resolver& resolver,
                                                 const SourceWorld& world) {
  return std::make_unique<SourceServiceImpl>(parts, resolver, world);
}

}  // namespace dmarcate
