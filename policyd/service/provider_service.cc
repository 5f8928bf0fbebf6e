#include "policyd/service/provider_service.h"

#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/provider.grpc.pb.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/server_stream.h"
#include "lib/rpc/unary.h"
#include "policyd/service/convert.h"
#include "policyd/service/names.h"
#include "policyd/service/provider_change.h"
#include "policyd/service/provider_config.h"

namespace dmarcate {
namespace {

class ProviderServiceImpl final : public v1::ProviderService::CallbackService {
 public:
  ProviderServiceImpl(const ServiceParts& parts, ProviderFactory& providers, RemovalStore& removals)
      : parts_(parts), providers_(providers), removals_(removals) {}

  grpc::ServerUnaryReactor* ListDnsProviders(grpc::CallbackServerContext* context,
                                             const v1::ListDnsProvidersRequest* request,
                                             v1::ListDnsProvidersResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetDnsProvider(grpc::CallbackServerContext* context,
                                           const v1::GetDnsProviderRequest* request,
                                           v1::GetDnsProviderResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }
  grpc::ServerUnaryReactor* CreateDnsProvider(grpc::CallbackServerContext* context,
                                              const v1::CreateDnsProviderRequest* request,
                                              v1::CreateDnsProviderResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateDnsProvider", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* UpdateDnsProvider(grpc::CallbackServerContext* context,
                                              const v1::UpdateDnsProviderRequest* request,
                                              v1::UpdateDnsProviderResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "UpdateDnsProvider", in, out,
                                             [&] { return Update(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* DeleteDnsProvider(grpc::CallbackServerContext* context,
                                              const v1::DeleteDnsProviderRequest* request,
                                              v1::DeleteDnsProviderResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "DeleteDnsProvider", in, out,
                                             [&] { return Delete(call, in, out); }));
                      });
  }
  grpc::ServerWriteReactor<v1::TestDnsProviderResponse>* TestDnsProvider(
      grpc::CallbackServerContext* context, const v1::TestDnsProviderRequest* request) override {
    return ServeStream<v1::TestDnsProviderRequest, v1::TestDnsProviderResponse>(
        parts_.host, context, request,
        [this](const Call&, const auto& in, auto& writer) { return ToGrpc(Test(in, writer)); });
  }

 private:
  absl::Status List(const Call& call, const v1::ListDnsProvidersRequest& in,
                    v1::ListDnsProvidersResponse* out);
  absl::Status Get(const v1::GetDnsProviderRequest& in, v1::GetDnsProviderResponse* out);
  absl::Status Create(const Call& call, const v1::CreateDnsProviderRequest& in,
                      v1::CreateDnsProviderResponse* out);
  absl::Status Update(const Call& call, const v1::UpdateDnsProviderRequest& in,
                      v1::UpdateDnsProviderResponse* out);
  absl::Status Delete(const Call& call, const v1::DeleteDnsProviderRequest& in,
                      v1::DeleteDnsProviderResponse* out);
  absl::Status Test(const v1::TestDnsProviderRequest& in,
                    StreamWriter<v1::TestDnsProviderResponse>& writer);
  absl::StatusOr<DnsProviderRecord> Find(const std::string& name, std::string_view field);

  const ServiceParts& parts_;
  ProviderFactory& providers_;
  RemovalStore& removals_;
};

absl::StatusOr<DnsProviderRecord> ProviderServiceImpl::Find(const std::string& name,
                                                            std::string_view field) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string id, ParseProviderResource(name, field));
  absl::StatusOr<DnsProviderRecord> record = parts_.policies.GetProvider(id);
  if (record.status().code() == absl::StatusCode::kNotFound) return NotFound(name);
  return record;
}

absl::Status ProviderServiceImpl::List(const Call& call, const v1::ListDnsProvidersRequest& in,
                                       v1::ListDnsProvidersResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListDnsProviders", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  DMARCATE_ASSIGN_OR_RETURN(std::vector<DnsProviderRecord> records,
                            parts_.policies.ListProviders(after, page_size + 1));
  const bool more = records.size() > page_size;
  if (more) records.resize(page_size);
  for (const DnsProviderRecord& record : records) *out->add_dns_providers() = ShowProvider(record);
  if (more) out->set_next_page_token(parts_.pages.Make(scope, records.back().id));
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Get(const v1::GetDnsProviderRequest& in,
                                      v1::GetDnsProviderResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord record, Find(in.name(), "name"));
  *out->mutable_dns_provider() = ShowProvider(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Create(const Call& call, const v1::CreateDnsProviderRequest& in,
                                         v1::CreateDnsProviderResponse* out) {
  if (in.dns_provider_id().empty()) return FieldRequired("dns_provider_id");
  if (!IsChosenId(in.dns_provider_id())) {
    return FieldError("dns_provider_id", "want 1 to 63 of a-z, 0-9 and '-', no '-' at an end");
  }
  DnsProviderRecord record;
  record.id = in.dns_provider_id();
  record.create_time = parts_.clock.Now();
  DMARCATE_RETURN_IF_ERROR(ReadProviderConfig(in.dns_provider(), providers_, &record));
  const auto exists = [&record] {
    return ReasonError(Reason::kResourceExists,
                       fmt::format("{} is there already", ProviderResource(record.id)),
                       {{"resource", ProviderResource(record.id)}});
  };
  const absl::Status known = parts_.policies.GetProvider(record.id).status();
  if (known.ok()) return exists();
  if (known.code() != absl::StatusCode::kNotFound) return known;
  if (in.validate_only()) {
    DMARCATE_ASSIGN_OR_RETURN(const auto removal,
                              removals_.FindRemoval(RemovedKind::kProvider, record.id));
    record.revision = removal ? removal->revision + 1 : 1;
  } else {
    absl::StatusOr<DnsProviderRecord> stored = parts_.policies.PutProvider(record);
    if (stored.status().code() == absl::StatusCode::kAlreadyExists) return exists();
    DMARCATE_ASSIGN_OR_RETURN(record, std::move(stored));
    LogInfo("dns_provider_created",
            {{"provider", record.id}, {"type", record.type}, {"by", call.principal().name}});
  }
  *out->mutable_dns_provider() = ShowProvider(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Update(const Call& call, const v1::UpdateDnsProviderRequest& in,
                                         v1::UpdateDnsProviderResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord before,
                            Find(in.dns_provider().name(), "dns_provider.name"));
  DMARCATE_RETURN_IF_ERROR(ReadEtag(in.dns_provider().etag()).status());
  DMARCATE_RETURN_IF_ERROR(CheckEtag(in.dns_provider().etag(), before.revision));
  DMARCATE_ASSIGN_OR_RETURN(DnsProviderRecord record, MergeProvider(before, in, providers_));
  DMARCATE_RETURN_IF_ERROR(CheckProviderChange(before, record, parts_.policies));
  DMARCATE_ASSIGN_OR_RETURN(*out->mutable_test_result(),
                            TryProvider(record, parts_.policies, providers_));
  if (!in.validate_only()) {
    absl::StatusOr<DnsProviderRecord> stored = parts_.policies.PutProvider(record);
    if (stored.status().code() == absl::StatusCode::kAborted) {
      return WithReason(stored.status(), Reason::kEtagMismatch);
    }
    DMARCATE_ASSIGN_OR_RETURN(record, std::move(stored));
    LogInfo("dns_provider_updated", {{"provider", record.id},
                                     {"secret_changed", before.secret_name != record.secret_name},
                                     {"by", call.principal().name}});
  }
  *out->mutable_dns_provider() = ShowProvider(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Delete(const Call& call, const v1::DeleteDnsProviderRequest& in,
                                         v1::DeleteDnsProviderResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord record, Find(in.name(), "name"));
  DMARCATE_RETURN_IF_ERROR(ReadEtag(in.etag()).status());
  DMARCATE_RETURN_IF_ERROR(CheckEtag(in.etag(), record.revision));
  absl::Status in_the_way = CheckProviderUnused(record.id, parts_.policies);
  DMARCATE_RETURN_IF_ERROR(in_the_way);
  if (!in.validate_only()) {
    const absl::Status removed = removals_.RemoveProvider(
        {record.id, record.revision, parts_.clock.Now(), call.principal().name, [&] {
           in_the_way = CheckProviderUnused(record.id, parts_.policies);
           return in_the_way;
         }});
    DMARCATE_RETURN_IF_ERROR(in_the_way);
    if (removed.code() == absl::StatusCode::kAborted) {
      return WithReason(removed, Reason::kEtagMismatch);
    }
    DMARCATE_RETURN_IF_ERROR(removed);
    providers_.Forget(record);
    LogInfo("dns_provider_removed", {{"provider", record.id}, {"by", call.principal().name}});
  }
  *out->mutable_dns_provider() = ShowProvider(record);
  return absl::OkStatus();
}

absl::Status ProviderServiceImpl::Test(const v1::TestDnsProviderRequest& in,
                                       StreamWriter<v1::TestDnsProviderResponse>& writer) {
  DMARCATE_ASSIGN_OR_RETURN(const DnsProviderRecord record, Find(in.name(), "name"));
  v1::TestDnsProviderResponse response;
  if (!record.secret_name.empty()) {
    response.set_progress(fmt::format("reading the secret {}", record.secret_name));
    if (!writer.Write(response)) return absl::OkStatus();
  }
  const absl::StatusOr<std::shared_ptr<DnsProvider>> provider = providers_.Open(record);
  if (!provider.ok()) {
    // A result, not a failure of the call: it says what to do.
    response.mutable_result()->set_state(v1::DnsProviderTestResult::STATE_MISCONFIGURED);
    response.mutable_result()->set_message(std::string(MessageOf(provider.status())));
    writer.Write(response);
    return absl::OkStatus();
  }
  response.set_progress("asking the host what the credential may do");
  if (!writer.Write(response)) return absl::OkStatus();
  *response.mutable_result() = ToTestResult((*provider)->Test(), (*provider)->provider_class());
  writer.Write(response);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeProviderService(const ServiceParts& parts,
                                                   ProviderFactory& providers,
                                                   RemovalStore& removals) {
  return std::make_unique<ProviderServiceImpl>(parts, providers, removals);
}

}  // namespace dmarcate
