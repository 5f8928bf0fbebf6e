#include "ingestd/intake/service.h"

#include <algorithm>
#include <charconv>
#include <future>
#include <utility>

#include "fmt/format.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "ingestd/intake/import_session.h"
#include "ingestd/intake/to_proto.h"
#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"

namespace dmarcate {
namespace {

constexpr size_t kSubmitLimitBytes = 3 << 20;
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 1000;

grpc::Status FieldError(Reason reason, const std::string& field, const std::string& description) {
  return MakeRpcError({.reason = reason,
                       .message = fmt::format("{}: {}", field, description),
                       .fields = {{field, description}}});
}

// "8-4-4-4-12" hex digits.
bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = AsciiLower(text[i]);
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

// Opaque to clients: where the next page begins.
std::string PageToken(const ReportWriter::ItemPlace& next) {
  return Base64Encode(fmt::format("q{:x}-{:x}", next.receipt, next.ordinal));
}

// All of `text`, in hexadecimal.
template <typename T>
bool ParseHex(std::string_view text, T* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out, 16);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<ReportWriter::ItemPlace> ParsePageToken(const std::string& token) {
  const auto text = Base64Decode(token);
  if (!text.ok() || !text->starts_with('q')) return std::nullopt;
  const std::string_view place = std::string_view(*text).substr(1);
  const size_t dash = std::min(place.find('-'), place.size());
  ReportWriter::ItemPlace next;
  if (!ParseHex(place.substr(0, dash), &next.receipt) || dash == place.size() ||
      !ParseHex(place.substr(dash + 1), &next.ordinal) || next.receipt == 0) {
    return std::nullopt;
  }
  return next;
}

}  // namespace

class IntakeService::Impl final : public v1::IntakeService::CallbackService {
 public:
  explicit Impl(const IntakeParts& parts) : parts_(parts) {}

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
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call&, const auto& in, auto* out) { return List(in, out); });
  }

  void EndImports() { sessions_.EndAll(); }

 private:
  grpc::Status Submit(const Call& call, const v1::SubmitReportRequest& request,
                      v1::SubmitReportResponse* response);
  grpc::Status List(const v1::ListQuarantinedMessagesRequest& request,
                    v1::ListQuarantinedMessagesResponse* response);

  const IntakeParts parts_;
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
  if (!request.request_id().empty() && !IsUuid(request.request_id())) {
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
  if (!result.ok()) return ToIntakeError(result.status());
  for (const ReceiptItem& item : *result) *response->add_items() = ToProto(item);
  return grpc::Status::OK;
}

grpc::Status IntakeService::Impl::List(const v1::ListQuarantinedMessagesRequest& request,
                                       v1::ListQuarantinedMessagesResponse* response) {
  if (request.page_size() < 0) {
    return FieldError(Reason::kPageSizeNegative, "page_size", "negative");
  }
  std::optional<ReportWriter::ItemPlace> from;
  if (!request.page_token().empty()) {
    from = ParsePageToken(request.page_token());
    if (!from) return FieldError(Reason::kPageTokenInvalid, "page_token", "not one of ours");
  }
  const int size =
      request.page_size() == 0 ? kDefaultPageSize : std::min(request.page_size(), kMaxPageSize);
  const auto page = parts_.store.ListUnreadable(from, static_cast<size_t>(size));
  if (!page.ok()) return ToRpcError(page.status(), Reason::kStoreUnavailable);
  for (const auto& [receipt, item, ordinal] : page->rows) {
    v1::QuarantinedMessage* out = response->add_quarantined_messages();
    out->set_name(fmt::format("quarantinedMessages/{:016x}-{}", receipt.id, ordinal));
    out->set_outcome(ToProtoOutcome(item));
    out->set_reason(item.reason);
    out->set_detail(item.detail);
    out->mutable_receive_time()->set_seconds(absl::ToUnixSeconds(receipt.received_time));
    out->set_channel(std::string(ChannelName(receipt.channel)));
    out->set_size_bytes(receipt.size_bytes);
    out->set_content_sha256(ToHex(receipt.raw_sha256));
    *out->mutable_file_name() =
        ToUntrusted(item.file_name.empty() ? receipt.file_name : item.file_name);
    *out->mutable_subject() = ToUntrusted(receipt.subject);
    *out->mutable_from_domain() = ToUntrusted(receipt.from_domain);
  }
  if (page->next) response->set_next_page_token(PageToken(*page->next));
  return grpc::Status::OK;
}

IntakeService::IntakeService(const IntakeParts& parts) : impl_(std::make_unique<Impl>(parts)) {}
IntakeService::~IntakeService() = default;
grpc::Service* IntakeService::service() { return impl_.get(); }
void IntakeService::EndImports() { impl_->EndImports(); }

}  // namespace dmarcate
