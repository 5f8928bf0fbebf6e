#include "policyd/service/catalogue_service.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "google/protobuf/util/field_mask_util.h"

#include "dmarcate/v1/catalogue.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/analysis/catalogue_text.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

using google::protobuf::util::FieldMaskUtil;

v1::MailService Show(const MailService& service, v1::MailService::Origin origin) {
  v1::MailService out;
  out.set_name(MailServiceResource(service.id));
  out.set_origin(origin);
  out.set_display_name(ToValidUtf8(service.name));
  out.set_kind(static_cast<v1::MailService::Kind>(static_cast<int>(service.kind) + 1));
  out.mutable_spf_includes()->Assign(service.spf_includes.begin(), service.spf_includes.end());
  out.mutable_dkim_domains()->Assign(service.dkim_domains.begin(), service.dkim_domains.end());
  out.mutable_envelope_domains()->Assign(service.envelope_domains.begin(),
                                         service.envelope_domains.end());
  out.mutable_selectors()->Assign(service.selectors.begin(), service.selectors.end());
  out.mutable_reverse_names()->Assign(service.reverse_names.begin(), service.reverse_names.end());
  out.mutable_mx_names()->Assign(service.mx_names.begin(), service.mx_names.end());
  out.mutable_ranges()->Assign(service.ranges.begin(), service.ranges.end());
  out.mutable_shares()->Assign(service.shares.begin(), service.shares.end());
  out.set_spf_alignment(static_cast<v1::MailService::SpfAlignment>(service.spf_alignment));
  out.set_setup(ToValidUtf8(service.setup));
  out.set_url(ToValidUtf8(service.url));
  return out;
}
// The kinds are numbered from one, since zero is unspecified.
static_assert(static_cast<int>(ServiceKind::kMailbox) + 1 == v1::MailService::KIND_MAILBOX &&
              static_cast<int>(ServiceKind::kForwarder) + 1 == v1::MailService::KIND_FORWARDER);
static_assert(static_cast<int>(SpfAlignment::kByInclude) ==
                  v1::MailService::SPF_ALIGNMENT_BY_INCLUDE &&
              static_cast<int>(SpfAlignment::kNever) == v1::MailService::SPF_ALIGNMENT_NEVER);

v1::MailService Show(const OwnService& own) {
  v1::MailService out = Show(own.service, v1::MailService::ORIGIN_API);
  out.set_etag(MakeEtag(own.record.revision));
  *out.mutable_create_time() = ToTimestamp(own.record.create_time);
  *out.mutable_update_time() = ToTimestamp(own.record.update_time);
  out.set_updated_by(own.record.updated_by);
  out.set_ignored_reason(ToValidUtf8(own.ignored_reason));
  return out;
}

absl::StatusOr<MailService> Read(const v1::MailService& in, const std::string& id) {
  if (in.display_name().empty()) return FieldRequired("mail_service.display_name");
  if (in.kind() == v1::MailService::KIND_UNSPECIFIED) return FieldRequired("mail_service.kind");
  if (!v1::MailService::Kind_IsValid(in.kind())) {
    return FieldError("mail_service.kind", "unknown kind");
  }
  if (!v1::MailService::SpfAlignment_IsValid(in.spf_alignment())) {
    return FieldError("mail_service.spf_alignment", "unknown");
  }
  MailService out;
  out.id = id;
  out.name = in.display_name();
  out.kind = static_cast<ServiceKind>(in.kind() - 1);
  out.spf_includes = {in.spf_includes().begin(), in.spf_includes().end()};
  out.dkim_domains = {in.dkim_domains().begin(), in.dkim_domains().end()};
  out.envelope_domains = {in.envelope_domains().begin(), in.envelope_domains().end()};
  out.selectors = {in.selectors().begin(), in.selectors().end()};
  out.reverse_names = {in.reverse_names().begin(), in.reverse_names().end()};
  out.mx_names = {in.mx_names().begin(), in.mx_names().end()};
  out.ranges = {in.ranges().begin(), in.ranges().end()};
  out.shares = {in.shares().begin(), in.shares().end()};
  out.spf_alignment = static_cast<SpfAlignment>(in.spf_alignment());
  out.setup = in.setup();
  out.url = in.url();
  return out;
}

// `own` with what the mask names. What only the server sets is without effect (AIP-161).
absl::StatusOr<v1::MailService> Changed(const OwnService& own,
                                        const v1::UpdateMailServiceRequest& in) {
  if (in.update_mask().paths().empty()) return in.mail_service();
  for (const std::string& path : in.update_mask().paths()) {
    if (FieldMaskUtil::IsValidPath<v1::MailService>(path)) continue;
    return ReasonError(
        Reason::kUpdateMaskInvalid,
        fmt::format("update_mask: there is no \"{}\"", EscapeForTerminal(path.substr(0, 100))),
        {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
  }
  v1::MailService out = Show(own);
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(in.mail_service(), in.update_mask(), options, &out);
  return out;
}

class CatalogueServiceImpl final : public v1::CatalogueService::CallbackService {
 public:
  CatalogueServiceImpl(const ServiceParts& parts, const CatalogueBook& book, CatalogueDesk& desk)
      : parts_(parts), book_(book), desk_(desk) {}

  grpc::ServerUnaryReactor* ListMailServices(grpc::CallbackServerContext* context,
                                             const v1::ListMailServicesRequest* request,
                                             v1::ListMailServicesResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetMailService(grpc::CallbackServerContext* context,
                                           const v1::GetMailServiceRequest* request,
                                           v1::GetMailServiceResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* CreateMailService(grpc::CallbackServerContext* context,
                                              const v1::CreateMailServiceRequest* request,
                                              v1::CreateMailServiceResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateMailService", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* UpdateMailService(grpc::CallbackServerContext* context,
                                              const v1::UpdateMailServiceRequest* request,
                                              v1::UpdateMailServiceResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "UpdateMailService", in, out,
                                             [&] { return Update(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* DeleteMailService(grpc::CallbackServerContext* context,
                                              const v1::DeleteMailServiceRequest* request,
                                              v1::DeleteMailServiceResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "DeleteMailService", in, out,
                                             [&] { return Delete(call, in); }));
                      });
  }

 private:
  absl::Status List(const Call& call, const v1::ListMailServicesRequest& in,
                    v1::ListMailServicesResponse* out);
  absl::Status Get(const v1::GetMailServiceRequest& in, v1::GetMailServiceResponse* out);
  absl::Status Create(const Call& call, const v1::CreateMailServiceRequest& in,
                      v1::CreateMailServiceResponse* out);
  absl::Status Update(const Call& call, const v1::UpdateMailServiceRequest& in,
                      v1::UpdateMailServiceResponse* out);
  absl::Status Delete(const Call& call, const v1::DeleteMailServiceRequest& in);
  v1::MailService ShowBase(const MailService& service) const;

  const ServiceParts& parts_;
  const CatalogueBook& book_;
  CatalogueDesk& desk_;
};

// What the operator's file says as the shipped files do counts as shipped.
v1::MailService CatalogueServiceImpl::ShowBase(const MailService& service) const {
  const MailService* const shipped = Catalogue::Default().FindById(service.id);
  const bool same = shipped != nullptr && RenderService(*shipped) == RenderService(service);
  return Show(service, same ? v1::MailService::ORIGIN_SHIPPED : v1::MailService::ORIGIN_FILE);
}

absl::Status CatalogueServiceImpl::List(const Call& call, const v1::ListMailServicesRequest& in,
                                        v1::ListMailServicesResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListMailServices", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  std::map<std::string, v1::MailService> all;
  for (const MailService& service : book_.base().services()) all[service.id] = ShowBase(service);
  for (const OwnService& own : desk_.List()) all[own.record.id] = Show(own);
  std::string last;
  for (auto& [id, service] : all) {
    if (id <= after) continue;
    if (!in.origins().empty() &&
        std::ranges::find(in.origins(), service.origin()) == in.origins().end()) {
      continue;
    }
    if (static_cast<size_t>(out->mail_services_size()) == page_size) {
      out->set_next_page_token(parts_.pages.Make(scope, last));
      break;
    }
    last = id;
    *out->add_mail_services() = std::move(service);
  }
  return absl::OkStatus();
}

absl::Status CatalogueServiceImpl::Get(const v1::GetMailServiceRequest& in,
                                       v1::GetMailServiceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseMailServiceResource(in.name(), "name"));
  if (const auto own = desk_.Find(id)) {
    *out->mutable_mail_service() = Show(*own);
    return absl::OkStatus();
  }
  const MailService* const service = book_.base().FindById(id);
  if (service == nullptr) return NotFound(in.name());
  *out->mutable_mail_service() = ShowBase(*service);
  return absl::OkStatus();
}

absl::Status CatalogueServiceImpl::Create(const Call& call, const v1::CreateMailServiceRequest& in,
                                          v1::CreateMailServiceResponse* out) {
  if (in.mail_service_id().empty()) return FieldRequired("mail_service_id");
  if (!IsChosenId(in.mail_service_id())) {
    return FieldError("mail_service_id", "want 1 to 63 of a-z, 0-9 and '-', no '-' at an end");
  }
  PutOwnRequest request{.who = call.principal().name, .validate_only = in.validate_only()};
  DMARCATE_ASSIGN_OR_RETURN(request.service, Read(in.mail_service(), in.mail_service_id()));
  DMARCATE_ASSIGN_OR_RETURN(const OwnService own, desk_.Put(request));
  *out->mutable_mail_service() = Show(own);
  return absl::OkStatus();
}

absl::Status CatalogueServiceImpl::Update(const Call& call, const v1::UpdateMailServiceRequest& in,
                                          v1::UpdateMailServiceResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseMailServiceResource(in.mail_service().name(),
                                                                           "mail_service.name"));
  const auto own_before = desk_.Find(id);
  if (!own_before) return desk_.NotAdded(id);
  DMARCATE_ASSIGN_OR_RETURN(const v1::MailService changed, Changed(*own_before, in));
  PutOwnRequest request{.etag = in.mail_service().etag(),
                        .who = call.principal().name,
                        .validate_only = in.validate_only()};
  DMARCATE_ASSIGN_OR_RETURN(request.service, Read(changed, id));
  DMARCATE_ASSIGN_OR_RETURN(const OwnService own, desk_.Put(request));
  *out->mutable_mail_service() = Show(own);
  return absl::OkStatus();
}

absl::Status CatalogueServiceImpl::Delete(const Call& call,
                                          const v1::DeleteMailServiceRequest& in) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseMailServiceResource(in.name(), "name"));
  return desk_.Delete(id, in.etag(), call.principal().name, in.validate_only());
}

}  // namespace

std::unique_ptr<grpc::Service> MakeCatalogueService(const ServiceParts& parts,
                                                    const CatalogueBook& book,
                                                    CatalogueDesk& desk) {
  return std::make_unique<CatalogueServiceImpl>(parts, book, desk);
}

}  // namespace dmarcate
