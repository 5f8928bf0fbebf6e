#include "policyd/service/stats_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dmarcate/v1/stats.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
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

// Every breakdown in the same form and order: most messages first, then by key.
absl::StatusOr<std::vector<BreakdownEntry>> EntriesOf(const DomainStatistics& statistics,
                                                      v1::BreakdownDimension dimension) {
  std::vector<BreakdownEntry> entries;
  switch (dimension) {
    case v1::BREAKDOWN_DIMENSION_SOURCE:
      for (const SourceStatistics& source : statistics.sources) {
        entries.push_back({source.id, source.counts});
      }
      return entries;
    case v1::BREAKDOWN_DIMENSION_ADDRESS:
      return statistics.by_address;
    case v1::BREAKDOWN_DIMENSION_REPORTER:
      return statistics.by_reporter;
    case v1::BREAKDOWN_DIMENSION_HEADER_FROM:
      return statistics.by_header_from;
    case v1::BREAKDOWN_DIMENSION_DISPOSITION:
      return statistics.by_disposition;
    case v1::BREAKDOWN_DIMENSION_TRUST:
      for (size_t trust = 0; trust < kTrustClasses; ++trust) {
        if (statistics.by_trust[trust].messages == 0) continue;
        entries.push_back({std::string(TrustKey(trust)), statistics.by_trust[trust]});
      }
      break;
    case v1::BREAKDOWN_DIMENSION_UNSPECIFIED:
      return FieldRequired("dimension");
    default:
      return FieldError("dimension", "unknown");
  }
  std::ranges::sort(entries, [](const BreakdownEntry& a, const BreakdownEntry& b) {
    if (a.counts.messages != b.counts.messages) return a.counts.messages > b.counts.messages;
    return a.key < b.key;
  });
  return entries;
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
  DMARCATE_ASSIGN_OR_RETURN(const auto statistics,
                            parts_.analysis.Get(call, parent.domain, range, parent.id));
  if (!parent.id.empty() && statistics->FindSource(parent.id) == nullptr) {
    const absl::Status decided = parts_.policies.GetDecision(parent.domain, parent.id).status();
    if (absl::IsNotFound(decided)) return NotFound(in.parent());
    DMARCATE_RETURN_IF_ERROR(decided);
  }
  const bool of_domain = parent.id.empty();
  Counts total;
  for (const DayStats& day : statistics->days) {
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
  out->set_expired_message_count(statistics->expired.messages);
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
  DMARCATE_ASSIGN_OR_RETURN(const auto statistics, parts_.analysis.Get(call, domain, range));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<BreakdownEntry> entries,
                            EntriesOf(*statistics, in.dimension()));
  *out->mutable_total() = ToMessage(statistics->total);
  out->set_expired_message_count(statistics->expired.messages);
  const BreakdownEntry* last = nullptr;
  for (const BreakdownEntry& entry : entries) {
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
