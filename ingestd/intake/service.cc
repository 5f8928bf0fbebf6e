#include "ingestd/intake/service.h"

#include <algorithm>
#include <future>
#include <utility>

#include "fmt/format.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "ingestd/intake/import_session.h"
#include "ingestd/intake/purge.h"
#include "ingestd/intake/quarantine.h"
#include "ingestd/intake/release.h"
#include "ingestd/intake/to_proto.h"
#include "ingestd/intake/verify_totals.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"

namespace dmarcate {
namespace {

constexpr size_t kSubmitLimitBytes = 3 << 20;

}  // namespace

class IntakeService::Impl final : public v1::IntakeService::CallbackService {
 public:
  explicit Impl(const IntakeParts& parts)
      : parts_(parts), quarantine_(parts.pipeline, parts.store, parts.gauge) {}

  grpc::ServerUnaryReactor* SubmitReport(grpc::CallbackServerContext* context,
                                         const v1::SubmitReportRequest* request,
                                         v1::SubmitReportResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return Submit(call, in, out); });
  }

  grpc::ServerBidiReactor<v1::ImportReportsRequest, v1::ImportReportsResponse>* ImportReports(
      grpc::CallbackServerContext* context) override {
    return StartImportSession(parts_, sessions_, *context);
  }

  grpc::ServerUnaryReactor* ListQuarantinedMessages(
      grpc::CallbackServerContext* context, const v1::ListQuarantinedMessagesRequest* request,
      v1::ListQuarantinedMessagesResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return quarantine_.List(in, out); });
  }
  grpc::ServerUnaryReactor* GetQuarantinedMessage(
      grpc::CallbackServerContext* context, const v1::GetQuarantinedMessageRequest* request,
      v1::GetQuarantinedMessageResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return quarantine_.Get(in, out); });
  }
  grpc::ServerWriteReactor<v1::DownloadQuarantinedMessageResponse>* DownloadQuarantinedMessage(
      grpc::CallbackServerContext* context,
      const v1::DownloadQuarantinedMessageRequest* request) override {
    return ServeStream<v1::DownloadQuarantinedMessageRequest,
                       v1::DownloadQuarantinedMessageResponse>(
        parts_.host, context, request, [this](const Call&, const auto& in, auto& writer) {
          return quarantine_.Download(in, writer);
        });
  }
  grpc::ServerWriteReactor<v1::ReplayQuarantinedMessagesResponse>* ReplayQuarantinedMessages(
      grpc::CallbackServerContext* context,
      const v1::ReplayQuarantinedMessagesRequest* request) override {
    return ServeStream<v1::ReplayQuarantinedMessagesRequest, v1::ReplayQuarantinedMessagesResponse>(
        parts_.host, context, request, [this](const Call& call, const auto& in, auto& writer) {
          return quarantine_.Replay(call, in, writer);
        });
  }
  grpc::ServerWriteReactor<v1::DropQuarantinedMessagesResponse>* DropQuarantinedMessages(
      grpc::CallbackServerContext* context,
      const v1::DropQuarantinedMessagesRequest* request) override {
    return ServeStream<v1::DropQuarantinedMessagesRequest, v1::DropQuarantinedMessagesResponse>(
        parts_.host, context, request, [this](const Call& call, const auto& in, auto& writer) {
          return quarantine_.Drop(call, in, writer);
        });
  }

  grpc::ServerUnaryReactor* ReleaseQuarantinedMessage(
      grpc::CallbackServerContext* context, const v1::ReleaseQuarantinedMessageRequest* request,
      v1::ReleaseQuarantinedMessageResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return dmarcate::ReleaseQuarantinedMessage(parts_.pipeline, parts_.store,
                                                                   parts_.gauge, call, absl::Now(),
                                                                   in, out);
                      });
  }

  grpc::ServerWriteReactor<v1::PurgeReportsResponse>* PurgeReports(
      grpc::CallbackServerContext* context, const v1::PurgeReportsRequest* request) override {
    return ServeStream<v1::PurgeReportsRequest, v1::PurgeReportsResponse>(
        parts_.host, context, request, [this](const Call& call, const auto& in, auto& writer) {
          return dmarcate::PurgeReports(parts_.pipeline, parts_.gauge, call, in, writer);
        });
  }

  grpc::ServerWriteReactor<v1::VerifyTotalsResponse>* VerifyTotals(
      grpc::CallbackServerContext* context, const v1::VerifyTotalsRequest* request) override {
    return ServeStream<v1::VerifyTotalsRequest, v1::VerifyTotalsResponse>(
        parts_.host, context, request, [this](const Call& call, const auto& in, auto& writer) {
          return dmarcate::VerifyTotals(parts_.store, call, in, writer);
        });
  }

  void EndImports() { sessions_.EndAll(); }

 private:
  grpc::Status Submit(const Call& call, const v1::SubmitReportRequest& request,
                      v1::SubmitReportResponse* response);

  const IntakeParts parts_;
  QuarantineDesk quarantine_;
  ImportSessions sessions_;
};

grpc::Status IntakeService::Impl::Submit(const Call& call, const v1::SubmitReportRequest& request,
                                         v1::SubmitReportResponse* response) {
  if (request.content().empty()) {
    return FieldError(Reason::kFieldRequired, "content", "a mail, archive or report document");
  }
  if (request.content().size() > kSubmitLimitBytes) {
    return MakeRpcError({.reason = Reason::kMessageTooLarge,
                         .message = fmt::format("content: {} bytes, limit {}; use ImportReports",
                                                request.content().size(), kSubmitLimitBytes),
                         .metadata = {{"size_bytes", std::to_string(request.content().size())},
                                      {"limit_bytes", std::to_string(kSubmitLimitBytes)}}});
  }
  // Repeating a request is safe with or without an id: the same bytes are the same report.
  if (!request.request_id().empty() && !IsRequestId(request.request_id())) {
    return FieldError(Reason::kRequestIdInvalid, "request_id", "not a UUID");
  }
  if (const absl::Status admitted = parts_.gauge.Admit(Channel::kUpload); !admitted.ok()) {
    return ToIntakeError(admitted);
  }
  Delivery delivery;
  delivery.reservation = parts_.budget.AcquireUnless(
      static_cast<int64_t>(request.content().size()),
      [&call] { return call.cancelled() || absl::Now() >= call.deadline(); });
  if (!delivery.reservation.valid()) {
    return parts_.host.draining() ? ShuttingDownError() : QueueFullError();
  }
  delivery.content = request.content();
  delivery.sha256 = Sha256(delivery.content);
  delivery.file_name = CleanFileName(request.file_name());
  delivery.channel = Channel::kUpload;
  delivery.received_time = absl::Now();
  response->set_content_sha256(ToHex(delivery.sha256));

  using Result = absl::StatusOr<std::vector<ReceiptItem>>;
  const auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> future = promise->get_future();
  parts_.pipeline.Submit(
      std::move(delivery), [](const absl::Status&) {},
      [promise](const Result& result) { promise->set_value(result); });
  if (future.wait_until(absl::ToChronoTime(call.deadline())) != std::future_status::ready) {
    return DeadlineError();
  }
  const Result result = future.get();
  if (IsWaitingForDns(result.status())) {
    *response->add_items() = WaitingItem(result.status());
    return grpc::Status::OK;
  }
  if (!result.ok()) return ToIntakeError(result.status());
  for (const ReceiptItem& item : *result) *response->add_items() = ToProto(item);
  return grpc::Status::OK;
}

IntakeService::IntakeService(const IntakeParts& parts) : impl_(std::make_unique<Impl>(parts)) {}
IntakeService::~IntakeService() = default;
grpc::Service* IntakeService::service() { return impl_.get(); }
void IntakeService::EndImports() { impl_->EndImports(); }

}  // namespace dmarcate
