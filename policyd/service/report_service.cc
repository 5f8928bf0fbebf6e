#include "policyd/service/report_service.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "fmt/format.h"

#include "dmarcate/v1/report.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"
#include "lib/view/report_view.h"
#include "policyd/service/convert.h"
#include "policyd/service/failure_reports.h"
#include "policyd/service/names.h"
#include "policyd/service/report_listing.h"
#include "policyd/service/report_pages.h"
#include "policyd/service/reporters.h"
#include "policyd/service/tls_reports.h"

namespace dmarcate {
namespace {

constexpr size_t kRecordsPerPage = 1000;
// A page ends here, too, its findings (200 at most, each text cut at 4 KiB) counted, but has one
// record at least: gRPC's clients take 4 MiB if nobody tells them otherwise.
constexpr size_t kPageBytes = size_t{3} << 20;
constexpr size_t kChunkBytes = 256 << 10;

// All but records and findings.
void Fill(const StoredReport& stored, v1::AggregateReport* out) {
  ToMessage(stored.report, out);
  out->set_name(DomainChildResource(stored.key.domain, kAggregateReports, stored.key.ToId()));
  out->set_content_sha256(ToHex(stored.document_sha256));
  *out->mutable_date() = ToMessage(stored.key.day);
  out->set_trust(ToMessage(stored.trust));
  out->set_trust_reason(std::string(TrustReasonName(stored.reason)));
  out->set_outcome(ToMessage(stored.outcome));
  *out->mutable_receive_time() = ToTimestamp(stored.received_time);
  out->set_channel(std::string(ChannelName(stored.channel)));
  // A listed report comes without its rows; the store counts them.
  out->set_record_count(static_cast<int32_t>(stored.record_count));
  out->set_message_count(static_cast<int64_t>(
      std::min<uint64_t>(stored.message_count, std::numeric_limits<int64_t>::max())));
  out->set_finding_count(static_cast<int32_t>(stored.repair_count));
  out->set_superseded(!stored.current);
  if (stored.release) {
    v1::ReportRelease* release = out->mutable_release();
    release->set_released_by(stored.release->by);
    *release->mutable_release_time() = ToTimestamp(stored.release->time);
    release->set_reason(stored.release->why);
    release->set_quarantine_reason(std::string(TrustReasonName(stored.release->quarantined_for)));
  }
}

class ReportServiceImpl final : public v1::ReportService::CallbackService {
 public:
  ReportServiceImpl(const ServiceParts& parts, const ReportFollower& reports,
                    const PublicSuffixList& suffixes)
      : parts_(parts),
        reports_(reports),
        tls_(parts, reports),
        failures_(parts, reports),
        reporters_(parts, reports, suffixes) {}

  grpc::ServerUnaryReactor* ListAggregateReports(
      grpc::CallbackServerContext* context, const v1::ListAggregateReportsRequest* request,
      v1::ListAggregateReportsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetAggregateReport(grpc::CallbackServerContext* context,
                                               const v1::GetAggregateReportRequest* request,
                                               v1::GetAggregateReportResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return ToGrpc(Get(call, in, out)); });
  }
  grpc::ServerWriteReactor<v1::DownloadReportResponse>* DownloadReport(
      grpc::CallbackServerContext* context, const v1::DownloadReportRequest* request) override {
    return ServeStream<v1::DownloadReportRequest, v1::DownloadReportResponse>(
        parts_.host, context, request,
        [this](const Call&, const auto& in, auto& writer) { return ToGrpc(Download(in, writer)); });
  }

  grpc::ServerUnaryReactor* ListTlsReports(grpc::CallbackServerContext* context,
                                           const v1::ListTlsReportsRequest* request,
                                           v1::ListTlsReportsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(tls_.List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetTlsReport(grpc::CallbackServerContext* context,
                                         const v1::GetTlsReportRequest* request,
                                         v1::GetTlsReportResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(tls_.Get(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* SummarizeTlsReports(
      grpc::CallbackServerContext* context, const v1::SummarizeTlsReportsRequest* request,
      v1::SummarizeTlsReportsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(tls_.Summarize(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* ListFailureReports(grpc::CallbackServerContext* context,
                                               const v1::ListFailureReportsRequest* request,
                                               v1::ListFailureReportsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(failures_.List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetFailureReport(grpc::CallbackServerContext* context,
                                             const v1::GetFailureReportRequest* request,
                                             v1::GetFailureReportResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(failures_.Get(in, out)); });
  }
  grpc::ServerUnaryReactor* ListReporters(grpc::CallbackServerContext* context,
                                          const v1::ListReportersRequest* request,
                                          v1::ListReportersResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(reporters_.List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetReporter(grpc::CallbackServerContext* context,
                                        const v1::GetReporterRequest* request,
                                        v1::GetReporterResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(reporters_.Get(call, in, out));
                      });
  }

 private:
  absl::Status List(const Call& call, const v1::ListAggregateReportsRequest& in,
                    v1::ListAggregateReportsResponse* out);
  absl::Status Get(const Call& call, const v1::GetAggregateReportRequest& in,
                   v1::GetAggregateReportResponse* out);
  absl::Status Download(const v1::DownloadReportRequest& in,
                        StreamWriter<v1::DownloadReportResponse>& writer);
  absl::StatusOr<StoredReport> Find(const std::string& name) const;
  absl::Status FindAny(const std::string& name, ReportKey* key) const;
  absl::StatusOr<std::string> ReadRaw(const std::string& name) const;

  const ServiceParts& parts_;
  const ReportFollower& reports_;
  ReportPages pages_;
  const TlsReports tls_;
  const FailureReports failures_;
  Reporters reporters_;
};

absl::StatusOr<StoredReport> ReportServiceImpl::Find(const std::string& name) const {
  DMARCATE_ASSIGN_OR_RETURN(const ReportKey key, ReadReportName(parts_, name, kAggregateReports));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  absl::StatusOr<StoredReport> stored = reader->GetReport(key);
  if (stored.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  return stored;
}

// Whether there is such a report, whatever its kind. Of a name that is none the error is the one
// for aggregate reports.
absl::Status ReportServiceImpl::FindAny(const std::string& name, ReportKey* key) const {
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const auto read = [&]<typename Stored>(std::string_view collection,
                                         absl::StatusOr<Stored> (ReportReader::*get)(
                                             const ReportKey&)) -> absl::Status {
    DMARCATE_ASSIGN_OR_RETURN(*key, ReadReportName(parts_, name, collection));
    const absl::Status found = (reader->*get)(*key).status();
    return absl::IsNotFound(found) ? NotFound(name) : found;
  };
  const auto parts = Split(name, '/');
  const std::string_view collection = parts.size() == 4 ? parts[2] : "";
  if (collection == kTlsReports) return read(kTlsReports, &ReportReader::GetTlsReport);
  if (collection == kFailureReports) return read(kFailureReports, &ReportReader::GetFailureReport);
  return read(kAggregateReports, &ReportReader::GetReport);
}

absl::StatusOr<std::string> ReportServiceImpl::ReadRaw(const std::string& name) const {
  ReportKey key;
  DMARCATE_RETURN_IF_ERROR(FindAny(name, &key));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  absl::StatusOr<std::string> raw = reader->ReadRawOf(key.receipt);
  if (!absl::IsNotFound(raw.status())) return raw;
  return ReasonError(Reason::kResourceNotFound,
                     fmt::format("{}: the bytes that it came in are not kept any more: their time "
                                 "is up, or they say too much about persons",
                                 EscapeForTerminal(name)),
                     {{"resource", name}});
}

absl::Status ReportServiceImpl::List(const Call& call, const v1::ListAggregateReportsRequest& in,
                                     v1::ListAggregateReportsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const ReportListing asked,
                            ReadReportListing(parts_, call, "ListAggregateReports", in));
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  DMARCATE_ASSIGN_OR_RETURN(const auto page,
                            reader->ListReports(asked.domain, asked.range.first, asked.range.last,
                                                asked.from, asked.page_size));
  const std::optional<ReportKey> next =
      FillListing(page.reports, page.next, &Fill, out->mutable_aggregate_reports());
  if (next) out->set_next_page_token(parts_.pages.Make(asked.scope, next->ToId()));
  return absl::OkStatus();
}

absl::Status ReportServiceImpl::Get(const Call& call, const v1::GetAggregateReportRequest& in,
                                    v1::GetAggregateReportResponse* out) {
  const std::string scope = PageScope("GetAggregateReport", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string place,
                            parts_.pages.Read(scope, in.record_page_token()));
  size_t first = 0;
  if (!place.empty()) std::from_chars(place.data(), place.data() + place.size(), first);
  DMARCATE_ASSIGN_OR_RETURN(
      const ReportPages::Report stored,
      pages_.Get(in.name(), first == 0 ? ReportPages::Page::kFirst : ReportPages::Page::kLater,
                 [&] { return Find(in.name()); }));
  v1::AggregateReport* report = out->mutable_aggregate_report();
  Fill(*stored, report);
  if (first == 0) {
    for (const Repair& repair : stored->repairs) ToMessage(repair, report->add_findings());
  }
  const std::vector<AggregateRecord>& records = stored->report.records;
  size_t end = first;
  for (size_t bytes = report->ByteSizeLong(); end < records.size() && end - first < kRecordsPerPage;
       ++end) {
    v1::AggregateRecord record;
    ToMessage(records[end], &record);
    bytes += record.ByteSizeLong();
    if (bytes > kPageBytes && end > first) break;
    *report->add_records() = std::move(record);
  }
  if (end < records.size()) {
    out->set_next_record_page_token(parts_.pages.Make(scope, fmt::format("{}", end)));
  } else {
    pages_.Forget(in.name());
  }
  return absl::OkStatus();
}

absl::Status ReportServiceImpl::Download(const v1::DownloadReportRequest& in,
                                         StreamWriter<v1::DownloadReportResponse>& writer) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string raw, ReadRaw(in.name()));
  for (size_t at = 0; at < raw.size(); at += kChunkBytes) {
    v1::DownloadReportResponse response;
    response.set_chunk(raw.substr(at, kChunkBytes));
    if (!writer.Write(response)) break;  // nobody listens
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeReportService(const ServiceParts& parts,
                                                 const ReportFollower& reports,
                                                 const PublicSuffixList& suffixes) {
  return std::make_unique<ReportServiceImpl>(parts, reports, suffixes);
}

}  // namespace dmarcate
