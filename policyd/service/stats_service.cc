#include "policyd/service/stats_service.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dmarcate/v1/stats.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/service/analysis_queries.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/place.h"
#include "policyd/service/policy_simulation.h"

namespace dmarcate {
namespace {

// What the series is about.
absl::StatusOr<DomainChild> ReadSeriesParent(const std::string& parent) {
  if (Split(parent, '/').size() > 2) return ParseDomainChild(parent, kSources, "parent");
  DMARCATE_ASSIGN_OR_RETURN(std::string domain, ParseDomainResource(parent, "parent"));
  return DomainChild{std::move(domain), ""};
}

absl::StatusOr<std::optional<RowDimension>> ReadDimension(v1::BreakdownDimension dimension) {
  switch (dimension) {
    case v1::BREAKDOWN_DIMENSION_SOURCE:
      return RowDimension::kSource;
    case v1::BREAKDOWN_DIMENSION_ADDRESS:
      return std::optional<RowDimension>();  // the one that there are too many of to be kept
    case v1::BREAKDOWN_DIMENSION_REPORTER:
      return RowDimension::kReporter;
    case v1::BREAKDOWN_DIMENSION_HEADER_FROM:
      return RowDimension::kHeaderFrom;
    case v1::BREAKDOWN_DIMENSION_DISPOSITION:
      return RowDimension::kDisposition;
    case v1::BREAKDOWN_DIMENSION_TRUST:
      return RowDimension::kTrust;
    case v1::BREAKDOWN_DIMENSION_UNSPECIFIED:
      return FieldRequired("dimension");
    default:
      return FieldError("dimension", "unknown");
  }
}

class StatsServiceImpl final : public v1::StatsService::CallbackService {
 public:
  StatsServiceImpl(const ServiceParts& parts, const ReportFollower& reports,
                   const PublicSuffixList& suffixes)
      : parts_(parts), simulation_(parts, reports, suffixes) {}

  grpc::ServerUnaryReactor* QueryTimeSeries(grpc::CallbackServerContext* context,
                                            const v1::QueryTimeSeriesRequest* request,
                                            v1::QueryTimeSeriesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(TimeSeries(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* QueryBreakdown(grpc::CallbackServerContext* context,
                                           const v1::QueryBreakdownRequest* request,
                                           v1::QueryBreakdownResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Breakdown(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* SimulatePolicy(grpc::CallbackServerContext* context,
                                           const v1::SimulatePolicyRequest* request,
                                           v1::SimulatePolicyResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(simulation_.Run(call, in, out));
                      });
  }

 private:
  absl::Status TimeSeries(const Call& call, const v1::QueryTimeSeriesRequest& in,
                          v1::QueryTimeSeriesResponse* out);
  absl::Status Breakdown(const Call& call, const v1::QueryBreakdownRequest& in,
                         v1::QueryBreakdownResponse* out);

  const ServiceParts& parts_;
  PolicySimulation simulation_;
};

absl::Status StatsServiceImpl::TimeSeries(const Call& call, const v1::QueryTimeSeriesRequest& in,
                                          v1::QueryTimeSeriesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainChild parent, ReadSeriesParent(in.parent()));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, parent.domain).status());
  DMARCATE_ASSIGN_OR_RETURN(const SourceSeries series,
                            SeriesOf(parts_.analysis, call, parent.domain, range, parent.id));
  if (!parent.id.empty() && !series.known) {
    const absl::Status decided = parts_.policies.GetDecision(parent.domain, parent.id).status();
    if (absl::IsNotFound(decided)) return NotFound(in.parent());
    DMARCATE_RETURN_IF_ERROR(decided);
  }
  const bool of_domain = parent.id.empty();
  Counts total;
  for (const DayStats& day : series.days) {
    Counts counts = day.counts;
    if (of_domain) counts.Add(day.expired);
    v1::TimeSeriesPoint* point = out->add_points();
    *point->mutable_date() = ToMessage(day.day);
    *point->mutable_counts() = ToMessage(counts);
    point->set_report_count(day.reports + (of_domain ? day.expired_reports : 0));
    point->set_estimated(day.estimated);
    point->set_expired_message_count(day.expired.messages);
    total.Add(counts);
  }
  *out->mutable_total() = ToMessage(total);
  out->set_expired_message_count(series.expired.messages);
  return absl::OkStatus();
}

absl::Status StatsServiceImpl::Breakdown(const Call& call, const v1::QueryBreakdownRequest& in,
                                         v1::QueryBreakdownResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.parent(), "parent"));
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("QueryBreakdown", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<Place> after,
                            ReadPlace(parts_.pages, scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const DayRange range, ReadRange(in.date_range(), parts_.clock));
  DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
  DMARCATE_ASSIGN_OR_RETURN(const std::optional<RowDimension> dimension,
                            ReadDimension(in.dimension()));
  DMARCATE_ASSIGN_OR_RETURN(const RowBreakdown breakdown,
                            BreakdownOf(parts_.analysis, call, domain, range, dimension));
  *out->mutable_total() = ToMessage(breakdown.total);
  out->set_expired_message_count(breakdown.expired.messages);
  const BreakdownEntry* last = nullptr;
  for (const BreakdownEntry& entry : breakdown.entries) {
    if (after && !after->IsBefore(entry.counts.messages, entry.key)) continue;
    if (static_cast<size_t>(out->rows_size()) == page_size) {
      out->set_next_page_token(
          parts_.pages.Make(scope, Place{last->counts.messages, last->key}.ToString()));
      break;
    }
    v1::BreakdownRow* row = out->add_rows();
    row->set_key(entry.key);
    *row->mutable_counts() = ToMessage(entry.counts);
    last = &entry;
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeStatsService(const ServiceParts& parts,
                                                const ReportFollower& reports,
                                                const PublicSuffixList& suffixes) {
  return std::make_unique<StatsServiceImpl>(parts, reports, suffixes);
}

}  // namespace dmarcate
