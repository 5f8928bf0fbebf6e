#include "policyd/service/insight_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/insight.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/unary.h"
#include "lib/store/key_codec.h"
#include "lib/view/posture_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/insight_view.h"
#include "policyd/service/names.h"
#include "policyd/service/report_listing.h"
#include "policyd/watch/insight_finding.h"

namespace dmarcate {
namespace {

constexpr std::string_view kAllDomains = "domains/-";
constexpr size_t kMaxUnknown = 100;

// The last insight of the page before.
struct InsightPlace {
  std::string domain;
  uint64_t severity = 0;
  std::string id;

  std::string ToString() const {
    std::string out;
    AppendKeyText(domain, &out);
    AppendKeyNumber(severity, 1, &out);
    AppendKeyText(id, &out);
    return out;
  }
  static std::optional<InsightPlace> Parse(std::string_view text) {
    auto domain = TakeKeyText(&text);
    const auto severity = TakeKeyNumber(&text, 1);
    auto id = TakeKeyText(&text);
    if (!domain || !severity || !id) return std::nullopt;  // the first page
    return InsightPlace{*std::move(domain), *severity, *std::move(id)};
  }
};

struct InsightQuery {
  std::vector<std::string> domains;  // by name
  std::optional<InsightPlace> after;
  size_t page_size = 0;
  const v1::ListInsightsRequest& in;

  bool Wants(const std::string& domain, const InsightRecord& record) const {
    if (!in.states().empty() &&
        std::ranges::find(in.states(), ToMessage(record.state)) == in.states().end()) {
      return false;
    }
    if (!in.codes().empty() && std::ranges::find(in.codes(), record.code) == in.codes().end()) {
      return false;
    }
    if (dmarcate::ToMessage(record.severity) < in.min_severity()) return false;
    if (!after || after->domain != domain) return true;
    InsightRecord last;
    last.severity = static_cast<Severity>(after->severity);
    last.id = after->id;
    return ComesBefore(last, record);
  }
};

class InsightServiceImpl final : public v1::InsightService::CallbackService {
 public:
  InsightServiceImpl(const ServiceParts& parts, InsightStore& insights, InsightBook& book)
      : parts_(parts), insights_(insights), book_(book) {}

  grpc::ServerUnaryReactor* ListInsights(grpc::CallbackServerContext* context,
                                         const v1::ListInsightsRequest* request,
                                         v1::ListInsightsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetInsight(grpc::CallbackServerContext* context,
                                       const v1::GetInsightRequest* request,
                                       v1::GetInsightResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* AcceptInsight(grpc::CallbackServerContext* context,
                                          const v1::AcceptInsightRequest* request,
                                          v1::AcceptInsightResponse* response) override {
    return ServeDecision(InsightState::kAccepted, "AcceptInsight", context, request, response);
  }
  grpc::ServerUnaryReactor* DismissInsight(grpc::CallbackServerContext* context,
                                           const v1::DismissInsightRequest* request,
                                           v1::DismissInsightResponse* response) override {
    return ServeDecision(InsightState::kDismissed, "DismissInsight", context, request, response);
  }

 private:
  absl::Status List(const Call& call, const v1::ListInsightsRequest& in,
                    v1::ListInsightsResponse* out);
  absl::StatusOr<InsightQuery> ReadQuery(const std::string& scope,
                                         const v1::ListInsightsRequest& in);
  absl::Status TellUnknown(const Call& call, const std::vector<std::string>& domains,
                           v1::ListInsightsResponse* out);
  absl::Status Get(const v1::GetInsightRequest& in, v1::GetInsightResponse* out);
  // kNotFound of the store as clients see it.
  static absl::Status Missing(const absl::Status& status, std::string_view name) {
    return status.code() == absl::StatusCode::kNotFound ? NotFound(name) : status;
  }
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* ServeDecision(InsightState state, std::string_view method,
                                          grpc::CallbackServerContext* context,
                                          const Request* request, Response* response);

  const ServiceParts& parts_;
  InsightStore& insights_;
  InsightBook& book_;
};

absl::StatusOr<InsightQuery> InsightServiceImpl::ReadQuery(const std::string& scope,
                                                           const v1::ListInsightsRequest& in) {
  InsightQuery query{.domains = {}, .after = {}, .page_size = 0, .in = in};
  DMARCATE_ASSIGN_OR_RETURN(query.page_size, PageSize(in.page_size()));
  if (!v1::Severity_IsValid(in.min_severity())) {
    return FieldError("min_severity", "unknown severity");
  }
  for (const int state : in.states()) {
    if (!v1::Insight::State_IsValid(state) || state == v1::Insight::STATE_UNSPECIFIED) {
      return FieldError("states", "unknown state");
    }
  }
  for (const std::string& code : in.codes()) {
    if (!IsInsightCode(code)) {
      return FieldError("codes", fmt::format("\"{}\" is no code of an insight",
                                             EscapeForTerminal(code.substr(0, 100))));
    }
  }
  DMARCATE_ASSIGN_OR_RETURN(const std::string place, parts_.pages.Read(scope, in.page_token()));
  query.after = InsightPlace::Parse(place);
  if (in.parent() == kAllDomains) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DomainRecord> all, AllDomains(parts_.policies));
    for (const DomainRecord& domain : all) query.domains.push_back(domain.name);
    std::ranges::sort(query.domains);
  } else {
    DMARCATE_ASSIGN_OR_RETURN(std::string domain, ParseDomainResource(in.parent(), "parent"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
    query.domains.push_back(std::move(domain));
  }
  return query;
}

absl::Status InsightServiceImpl::List(const Call& call, const v1::ListInsightsRequest& in,
                                      v1::ListInsightsResponse* out) {
  const std::string scope = PageScope("ListInsights", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const InsightQuery query, ReadQuery(scope, in));
  if (!query.after) DMARCATE_RETURN_IF_ERROR(TellUnknown(call, query.domains, out));
  size_t bytes = out->ByteSizeLong();
  InsightPlace last;
  for (const std::string& domain : query.domains) {
    if (query.after && domain < query.after->domain) continue;
    if (call.cancelled()) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(std::vector<InsightRecord> records, insights_.ListInsights(domain));
    std::ranges::sort(records, ComesBefore);
    for (const InsightRecord& record : records) {
      if (!query.Wants(domain, record)) continue;
      v1::Insight insight = MakeInsight(domain, record);
      bytes += insight.ByteSizeLong();
      const auto filled = static_cast<size_t>(out->insights_size());
      if (filled == query.page_size || (bytes > kListBytes && filled > 0)) {
        out->set_next_page_token(parts_.pages.Make(scope, last.ToString()));
        return absl::OkStatus();
      }
      last = {domain, static_cast<uint64_t>(record.severity), record.id};
      *out->add_insights() = std::move(insight);
    }
  }
  return absl::OkStatus();
}

absl::Status InsightServiceImpl::TellUnknown(const Call& call,
                                             const std::vector<std::string>& domains,
                                             v1::ListInsightsResponse* out) {
  // A name or two that are not known matter less than a domain of which nothing is.
  std::vector<v1::InsightUnknown> nothing, some;
  int32_t left_out_domains = 0;
  for (const std::string& domain : domains) {
    if (call.cancelled()) return Cancelled();
    const auto read = book_.LastLook(domain);
    const bool unreadable = absl::IsDataLoss(read.status());
    if (!unreadable) DMARCATE_RETURN_IF_ERROR(read.status());
    const std::optional<InsightLookRecord> look = unreadable ? std::nullopt : *read;
    const bool stale = look && parts_.clock.Now() - look->time > kStaleLook;
    const uint32_t left_out = look ? look->left_out + look->forgotten_unknown : 0;
    if (look && !stale && look->unknown_names.empty() && left_out == 0) continue;
    std::vector<v1::InsightUnknown>& kind = !look || stale ? nothing : some;
    if (kind.size() == kMaxUnknown) {
      ++left_out_domains;
      continue;
    }
    v1::InsightUnknown& unknown = kind.emplace_back();
    unknown.set_domain(DomainResource(domain));
    unknown.set_unreadable(unreadable);
    if (!look) continue;
    *unknown.mutable_look_time() = ToTimestamp(look->time);
    unknown.set_stale(stale);
    for (const std::string& name : look->unknown_names) unknown.add_names(ToValidUtf8(name));
    unknown.set_names_left_out_count(static_cast<int32_t>(look->unknown_names_left_out));
    unknown.set_left_out_count(static_cast<int32_t>(left_out));
  }
  for (std::vector<v1::InsightUnknown>* kind : {&nothing, &some}) {
    for (v1::InsightUnknown& unknown : *kind) {
      if (static_cast<size_t>(out->unknown_size()) == kMaxUnknown) {
        ++left_out_domains;
      } else {
        *out->add_unknown() = std::move(unknown);
      }
    }
  }
  out->set_unknown_left_out(left_out_domains);
  return absl::OkStatus();
}

absl::Status InsightServiceImpl::Get(const v1::GetInsightRequest& in, v1::GetInsightResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                            ParseDomainChild(in.name(), kInsights, "name"));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, child.domain).status());
  const auto record = insights_.GetInsight(child.domain, child.id);
  if (!record.ok()) return Missing(record.status(), in.name());
  *out->mutable_insight() = MakeInsight(child.domain, *record);
  return absl::OkStatus();
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* InsightServiceImpl::ServeDecision(InsightState state,
                                                            std::string_view method,
                                                            grpc::CallbackServerContext* context,
                                                            const Request* request,
                                                            Response* response) {
  const auto decide = [this, state](const Call& call, const Request& in,
                                    Response* out) -> absl::Status {
    DMARCATE_RETURN_IF_ERROR(CheckLength("note", in.note(), kMaxNoteCharacters));
    DMARCATE_ASSIGN_OR_RETURN(const DomainChild child,
                              ParseDomainChild(in.name(), kInsights, "name"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, child.domain).status());
    const auto record = book_.Decide({.domain = child.domain,
                                      .id = child.id,
                                      .etag = in.etag(),
                                      .state = state,
                                      .decided_by = call.principal().name,
                                      .note = in.note(),
                                      .validate_only = in.validate_only()});
    if (!record.ok()) return Missing(record.status(), in.name());
    *out->mutable_insight() = MakeInsight(child.domain, *record);
    return absl::OkStatus();
  };
  return ServeUnary(
      parts_.host, CallKind::kMutation, context, request, response,
      [this, method, decide](const Call& call, const Request& in, Response* out) {
        return ToGrpc(Mutate(parts_, call, method, in, out, [&] { return decide(call, in, out); }));
      });
}

}  // namespace

std::unique_ptr<grpc::Service> MakeInsightService(const ServiceParts& parts, InsightStore& insights,
                                                  InsightBook& book) {
  return std::make_unique<InsightServiceImpl>(parts, insights, book);
}

}  // namespace dmarcate
