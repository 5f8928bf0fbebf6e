#include "policyd/service/alert_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/alert.grpc.pb.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "lib/store/key_codec.h"
#include "policyd/service/alert_channel.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr size_t kJournalPage = 1000;

// The last delivery of the page before.
std::string PlaceOf(const DeliveryRecord& delivery) {
  std::string out;
  AppendKeyNumber(static_cast<uint64_t>(absl::ToUnixMicros(delivery.create_time)), 8, &out);
  AppendKeyText(delivery.id, &out);
  return out;
}
std::optional<std::pair<absl::Time, std::string>> ReadDeliveryPlace(std::string_view text) {
  const auto time = TakeKeyNumber(&text, 8);
  auto id = TakeKeyText(&text);
  if (!time || !id) return std::nullopt;  // the first page
  return std::pair(absl::FromUnixMicros(static_cast<int64_t>(*time)), *std::move(id));
}

class AlertServiceImpl final : public v1::AlertService::CallbackService {
 public:
  AlertServiceImpl(const ServiceParts& parts, AlertStore& alerts, AlertDesk& desk)
      : parts_(parts), alerts_(alerts), desk_(desk) {}

  grpc::ServerUnaryReactor* ListAlertChannels(grpc::CallbackServerContext* context,
                                              const v1::ListAlertChannelsRequest* request,
                                              v1::ListAlertChannelsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListChannels(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetAlertChannel(grpc::CallbackServerContext* context,
                                            const v1::GetAlertChannelRequest* request,
                                            v1::GetAlertChannelResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(GetChannel(in, out)); });
  }
  grpc::ServerUnaryReactor* CreateAlertChannel(grpc::CallbackServerContext* context,
                                               const v1::CreateAlertChannelRequest* request,
                                               v1::CreateAlertChannelResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateAlertChannel", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* UpdateAlertChannel(grpc::CallbackServerContext* context,
                                               const v1::UpdateAlertChannelRequest* request,
                                               v1::UpdateAlertChannelResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "UpdateAlertChannel", in, out,
                                             [&] { return Update(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* DeleteAlertChannel(grpc::CallbackServerContext* context,
                                               const v1::DeleteAlertChannelRequest* request,
                                               v1::DeleteAlertChannelResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "DeleteAlertChannel", in, out,
                                             [&] { return Delete(call, in); }));
                      });
  }
  grpc::ServerUnaryReactor* TestAlertChannel(grpc::CallbackServerContext* context,
                                             const v1::TestAlertChannelRequest* request,
                                             v1::TestAlertChannelResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Test(in, out)); });
  }
  grpc::ServerUnaryReactor* ListAlertDeliveries(
      grpc::CallbackServerContext* context, const v1::ListAlertDeliveriesRequest* request,
      v1::ListAlertDeliveriesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(ListDeliveries(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* PreviewDigest(grpc::CallbackServerContext* context,
                                          const v1::PreviewDigestRequest* request,
                                          v1::PreviewDigestResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Preview(call, in, out));
                      });
  }

 private:
  absl::Status ListChannels(const Call& call, const v1::ListAlertChannelsRequest& in,
                            v1::ListAlertChannelsResponse* out);
  absl::Status GetChannel(const v1::GetAlertChannelRequest& in, v1::GetAlertChannelResponse* out);
  absl::Status Create(const Call& call, const v1::CreateAlertChannelRequest& in,
                      v1::CreateAlertChannelResponse* out);
  absl::Status Update(const Call& call, const v1::UpdateAlertChannelRequest& in,
                      v1::UpdateAlertChannelResponse* out);
  absl::Status Delete(const Call& call, const v1::DeleteAlertChannelRequest& in);
  absl::Status Test(const v1::TestAlertChannelRequest& in, v1::TestAlertChannelResponse* out);
  absl::Status ListDeliveries(const Call& call, const v1::ListAlertDeliveriesRequest& in,
                              v1::ListAlertDeliveriesResponse* out);
  absl::Status Preview(const Call& call, const v1::PreviewDigestRequest& in,
                       v1::PreviewDigestResponse* out);
  absl::StatusOr<AlertChannelRecord> Find(const std::string& name);

  const ServiceParts& parts_;
  AlertStore& alerts_;
  AlertDesk& desk_;
};

absl::StatusOr<AlertChannelRecord> AlertServiceImpl::Find(const std::string& name) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseAlertChannelResource(name, "name"));
  auto record = alerts_.GetAlertChannel(id);
  if (absl::IsNotFound(record.status())) return NotFound(name);
  return record;
}

absl::Status AlertServiceImpl::ListChannels(const Call& call,
                                            const v1::ListAlertChannelsRequest& in,
                                            v1::ListAlertChannelsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListAlertChannels", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<AlertChannelRecord> records,
                            alerts_.ListAlertChannels());
  std::string last;
  for (const AlertChannelRecord& record : records) {
    if (record.id <= after) continue;
    if (static_cast<size_t>(out->alert_channels_size()) == page_size) {
      out->set_next_page_token(parts_.pages.Make(scope, last));
      break;
    }
    last = record.id;
    *out->add_alert_channels() = Show(record);
  }
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::GetChannel(const v1::GetAlertChannelRequest& in,
                                          v1::GetAlertChannelResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const AlertChannelRecord record, Find(in.name()));
  *out->mutable_alert_channel() = Show(record);
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::Create(const Call& call, const v1::CreateAlertChannelRequest& in,
                                      v1::CreateAlertChannelResponse* out) {
  if (in.alert_channel_id().empty()) return FieldRequired("alert_channel_id");
  if (!IsChosenId(in.alert_channel_id())) {
    return FieldError("alert_channel_id", "want 1 to 63 of a-z, 0-9 and '-', no '-' at an end");
  }
  DMARCATE_ASSIGN_OR_RETURN(AlertChannelRecord record,
                            ReadChannel(in.alert_channel(), parts_.policies));
  record.id = in.alert_channel_id();
  record.create_time = parts_.clock.Now();
  record.created_by = call.principal().name;
  const auto exists = [&record] {
    return ReasonError(Reason::kResourceExists,
                       fmt::format("{} is there already", AlertChannelResource(record.id)),
                       {{"resource", AlertChannelResource(record.id)}});
  };
  const absl::Status known = alerts_.GetAlertChannel(record.id).status();
  if (known.ok()) return exists();
  if (!absl::IsNotFound(known)) return known;
  if (in.validate_only()) {
    record.revision = 1;
  } else {
    auto stored = alerts_.PutAlertChannel(record);
    if (absl::IsAlreadyExists(stored.status())) return exists();
    DMARCATE_ASSIGN_OR_RETURN(record, std::move(stored));
    LogInfo("alert_channel_created", {{"channel", record.id}, {"by", record.created_by}});
  }
  *out->mutable_alert_channel() = Show(record);
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::Update(const Call& call, const v1::UpdateAlertChannelRequest& in,
                                      v1::UpdateAlertChannelResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const AlertChannelRecord record, Find(in.alert_channel().name()));
  DMARCATE_RETURN_IF_ERROR(CheckEtag(in.alert_channel().etag(), record.revision));
  DMARCATE_ASSIGN_OR_RETURN(
      AlertChannelRecord changed,
      ChangeChannel(record, in.alert_channel(), in.update_mask().paths(), parts_.policies));
  if (!in.validate_only() && !(changed == record)) {
    auto stored = alerts_.PutAlertChannel(std::move(changed));
    if (absl::IsAborted(stored.status())) {
      return WithReason(stored.status(), Reason::kEtagMismatch);
    }
    DMARCATE_ASSIGN_OR_RETURN(changed, std::move(stored));
    LogInfo("alert_channel_changed", {{"channel", changed.id}, {"by", call.principal().name}});
  }
  *out->mutable_alert_channel() = Show(changed);
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::Delete(const Call& call, const v1::DeleteAlertChannelRequest& in) {
  DMARCATE_ASSIGN_OR_RETURN(const AlertChannelRecord record, Find(in.name()));
  DMARCATE_RETURN_IF_ERROR(CheckEtag(in.etag(), record.revision));
  if (in.validate_only()) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(alerts_.DeleteAlertChannel(record.id, record.revision));
  LogInfo("alert_channel_deleted", {{"channel", record.id}, {"by", call.principal().name}});
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::Test(const v1::TestAlertChannelRequest& in,
                                    v1::TestAlertChannelResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const AlertChannelRecord record, Find(in.name()));
  DMARCATE_ASSIGN_OR_RETURN(const DeliveryRecord delivery, desk_.Test(record));
  *out->mutable_delivery() = Show(delivery);
  return absl::OkStatus();
}

absl::Status AlertServiceImpl::ListDeliveries(const Call& call,
                                              const v1::ListAlertDeliveriesRequest& in,
                                              v1::ListAlertDeliveriesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListAlertDeliveries", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string token, parts_.pages.Read(scope, in.page_token()));
  std::string channel;
  if (!in.channel().empty()) {
    DMARCATE_ASSIGN_OR_RETURN(channel, ParseAlertChannelResource(in.channel(), "channel"));
  }
  auto before = ReadDeliveryPlace(token);
  std::string last;
  for (;;) {
    if (call.cancelled()) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DeliveryRecord> page,
                              alerts_.ListDeliveries(before, kJournalPage));
    for (const DeliveryRecord& delivery : page) {
      if (!channel.empty() && delivery.channel != channel) continue;
      if (!in.states().empty() &&
          std::ranges::find(in.states(), static_cast<int>(delivery.state)) == in.states().end()) {
        continue;
      }
      if (static_cast<size_t>(out->deliveries_size()) == page_size) {
        out->set_next_page_token(parts_.pages.Make(scope, last));
        return absl::OkStatus();
      }
      last = PlaceOf(delivery);
      *out->add_deliveries() = Show(delivery);
    }
    if (page.size() < kJournalPage) return absl::OkStatus();
    before = std::pair(page.back().create_time, page.back().id);
  }
}

absl::Status AlertServiceImpl::Preview(const Call& call, const v1::PreviewDigestRequest& in,
                                       v1::PreviewDigestResponse* out) {
  std::vector<std::string> domains;
  for (const std::string& name : in.domains()) {
    DMARCATE_ASSIGN_OR_RETURN(std::string domain, ParseDomainResource(name, "domains"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, domain).status());
    domains.push_back(std::move(domain));
  }
  DMARCATE_ASSIGN_OR_RETURN(const Digest digest, desk_.DigestNow(call, std::move(domains)));
  out->set_subject(DigestSubject(digest));
  out->set_text(DigestText(digest));
  out->set_html(DigestHtml(digest));
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeAlertService(const ServiceParts& parts, AlertStore& alerts,
                                                AlertDesk& desk) {
  return std::make_unique<AlertServiceImpl>(parts, alerts, desk);
}

}  // namespace dmarcate
