#include "policyd/service/domain_service.h"

#include <algorithm>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "dmarcate/v1/domain.grpc.pb.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/host_name.h"
#include "lib/mailauth/unicode_name.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/service/convert.h"
#include "policyd/service/domain_fields.h"
#include "policyd/service/domain_removal.h"
#include "policyd/service/names.h"
#include "policyd/service/report_addresses.h"
#include "policyd/service/snapshot_publisher.h"

namespace dmarcate {
namespace {

// What is left of the call's time must do for the answer itself: a domain without its summary
// beats no list.
constexpr absl::Duration kSummaryMargin = absl::Seconds(3);

class DomainServiceImpl final : public v1::DomainService::CallbackService {
 public:
  DomainServiceImpl(const ServiceParts& parts, const PublicSuffixList& suffixes,
                    const std::string& address_domain, SnapshotPublisher& publisher,
                    const DomainStores& stores)
      : parts_(parts),
        suffixes_(suffixes),
        address_domain_(address_domain),
        publisher_(publisher),
        stores_(stores) {}

  grpc::ServerUnaryReactor* ListDomains(grpc::CallbackServerContext* context,
                                        const v1::ListDomainsRequest* request,
                                        v1::ListDomainsResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kRead, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(List(call, in, out));
                      });
  }
  grpc::ServerUnaryReactor* GetDomain(grpc::CallbackServerContext* context,
                                      const v1::GetDomainRequest* request,
                                      v1::GetDomainResponse* response) override {
    return ServeUnary(
        parts_.host, CallKind::kRead, context, request, response,
        [this](const Call& call, const auto& in, auto* out) { return ToGrpc(Get(call, in, out)); });
  }
  grpc::ServerUnaryReactor* CreateDomain(grpc::CallbackServerContext* context,
                                         const v1::CreateDomainRequest* request,
                                         v1::CreateDomainResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "CreateDomain", in, out,
                                             [&] { return Create(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* UpdateDomain(grpc::CallbackServerContext* context,
                                         const v1::UpdateDomainRequest* request,
                                         v1::UpdateDomainResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "UpdateDomain", in, out,
                                             [&] { return Update(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* DeleteDomain(grpc::CallbackServerContext* context,
                                         const v1::DeleteDomainRequest* request,
                                         v1::DeleteDomainResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "DeleteDomain", in, out,
                                             [&] { return Delete(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* RotateReportAddress(
      grpc::CallbackServerContext* context, const v1::RotateReportAddressRequest* request,
      v1::RotateReportAddressResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "RotateReportAddress", in, out,
                                             [&] { return Rotate(call, in, out); }));
                      });
  }
  grpc::ServerUnaryReactor* RevokeReportAddress(
      grpc::CallbackServerContext* context, const v1::RevokeReportAddressRequest* request,
      v1::RevokeReportAddressResponse* response) override {
    return ServeUnary(parts_.host, CallKind::kMutation, context, request, response,
                      [this](const Call& call, const auto& in, auto* out) {
                        return ToGrpc(Mutate(parts_, call, "RevokeReportAddress", in, out,
                                             [&] { return Revoke(call, in, out); }));
                      });
  }

 private:
  absl::Status List(const Call& call, const v1::ListDomainsRequest& in,
                    v1::ListDomainsResponse* out);
  absl::Status Get(const Call& call, const v1::GetDomainRequest& in, v1::GetDomainResponse* out);
  absl::Status Create(const Call& call, const v1::CreateDomainRequest& in,
                      v1::CreateDomainResponse* out);
  absl::Status Update(const Call& call, const v1::UpdateDomainRequest& in,
                      v1::UpdateDomainResponse* out);
  absl::Status Delete(const Call& call, const v1::DeleteDomainRequest& in,
                      v1::DeleteDomainResponse* out);
  absl::Status Rotate(const Call& call, const v1::RotateReportAddressRequest& in,
                      v1::RotateReportAddressResponse* out);
  absl::Status Revoke(const Call& call, const v1::RevokeReportAddressRequest& in,
                      v1::RevokeReportAddressResponse* out);

  // The domain, if `etag` is the one that it has now.
  absl::StatusOr<DomainRecord> FindAtEtag(const std::string& domain, const std::string& etag) const;
  // Stores what was changed since it was read. ABORTED ETAG_MISMATCH if others were faster.
  absl::Status Store(DomainRecord* record) const;
  absl::StatusOr<DomainName> ReadNewName(const std::string& id) const;
  absl::StatusOr<std::string> ReadProvider(const std::string& name) const;
  // The record as a message, with what the reports said; without it while the reports store is not
  // there, and once the call's time runs out.
  v1::Domain Show(const Call& call, const DomainRecord& record) const;

  const ServiceParts& parts_;
  const PublicSuffixList& suffixes_;
  const std::string address_domain_;
  SnapshotPublisher& publisher_;
  const DomainStores stores_;
};

absl::StatusOr<DomainName> DomainServiceImpl::ReadNewName(const std::string& id) const {
  if (id.empty()) return FieldRequired("domain_id");
  absl::StatusOr<DomainName> name = DomainName::Parse(id);
  if (!name.ok() || !IsHostName(*name)) {
    return ReasonError(
        Reason::kDomainNameInvalid,
        fmt::format("domain_id: {}", name.ok() ? "want letters, digits and hyphens between dots"
                                               : MessageOf(name.status())),
        {{"field", "domain_id"}});
  }
  if (suffixes_.IsPublicSuffix(*name)) {
    return ReasonError(
        Reason::kDomainIsPublicSuffix,
        fmt::format("domain_id: {} is a public suffix: others register names below it",
                    name->text()),
        {{"field", "domain_id"}, {"domain", name->text()}});
  }
  return name;
}

absl::StatusOr<std::string> DomainServiceImpl::ReadProvider(const std::string& name) const {
  if (name.empty()) return std::string();
  DMARCATE_ASSIGN_OR_RETURN(std::string id, ParseProviderResource(name, "domain.dns_provider"));
  const absl::Status found = parts_.policies.GetProvider(id).status();
  if (found.code() == absl::StatusCode::kNotFound) {
    return FieldError("domain.dns_provider", fmt::format("there is no {}", name));
  }
  DMARCATE_RETURN_IF_ERROR(found);
  return id;
}

v1::Domain DomainServiceImpl::Show(const Call& call, const DomainRecord& record) const {
  v1::Domain out;
  out.set_name(DomainResource(record.name));
  out.set_uid(record.uid);
  out.set_etag(MakeEtag(record.revision));
  *out.mutable_create_time() = ToTimestamp(record.create_time);
  *out.mutable_update_time() = ToTimestamp(record.update_time);
  if (const auto name = DomainName::Parse(record.name); name.ok()) {
    out.set_unicode_name(ToUnicode(*name));
  }
  if (!record.dns_provider.empty()) out.set_dns_provider(ProviderResource(record.dns_provider));
  out.set_report_mailbox(record.report_mailbox);
  out.set_delegation_zone(record.delegation_zone);
  if (const auto* current = CurrentReportAddress(record)) out.set_report_address(current->address);
  for (const ReportAddressRecord& address : std::views::reverse(record.report_addresses)) {
    v1::ReportAddress* to = out.add_report_addresses();
    to->set_address(address.address);
    *to->mutable_create_time() = ToTimestamp(address.create_time);
    if (address.revoked()) *to->mutable_revoke_time() = ToTimestamp(address.revoke_time);
    to->set_published(publisher_.Says(address.address, !address.revoked()));
  }

  if (call.deadline() - absl::Now() < kSummaryMargin) return out;
  const auto statistics = parts_.analysis.Get(call, record.name, DefaultRange(parts_.clock));
  if (!statistics.ok()) return out;
  v1::DomainSummary* summary = out.mutable_summary();
  *summary->mutable_counts() = ToMessage((*statistics)->total);
  const std::vector<SourceStatistics>& sources = (*statistics)->sources;
  summary->set_source_count(static_cast<int32_t>(sources.size()));
  const auto decisions = parts_.policies.ListDecisions(record.name);
  if (decisions.ok()) {
    std::vector<std::string> decided;
    for (const SourceDecision& decision : *decisions) {
      if (decision.state != SourceState::kPending) decided.push_back(decision.source_id);
    }
    std::ranges::sort(decided);
    summary->set_pending_source_count(static_cast<int32_t>(
        std::ranges::count_if(sources, [&decided](const SourceStatistics& source) {
          return !std::ranges::binary_search(decided, source.id);
        })));
  } else {
    LogError("decisions_unreadable", {{"domain", record.name}, {"error", decisions.status()}});
  }
  if ((*statistics)->last_report_day) {
    *summary->mutable_last_report_date() = ToMessage(*(*statistics)->last_report_day);
  }
  return out;
}

absl::Status DomainServiceImpl::List(const Call& call, const v1::ListDomainsRequest& in,
                                     v1::ListDomainsResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const size_t page_size, PageSize(in.page_size()));
  const std::string scope = PageScope("ListDomains", call.principal().name, in);
  DMARCATE_ASSIGN_OR_RETURN(const std::string after, parts_.pages.Read(scope, in.page_token()));
  // The store lists by name; newest first is by time.
  DMARCATE_ASSIGN_OR_RETURN(std::vector<DomainRecord> records, AllDomains(parts_.policies));
  const auto place = [](const DomainRecord& record) {  // sorts newest first, then by name
    return fmt::format("{:020}{}", INT64_MAX - absl::ToUnixMicros(record.create_time), record.name);
  };
  std::ranges::sort(records, {}, place);
  std::string last;
  for (const DomainRecord& record : records) {
    const std::string here = place(record);
    if (!after.empty() && here <= after) continue;
    if (static_cast<size_t>(out->domains_size()) == page_size) {
      out->set_next_page_token(parts_.pages.Make(scope, last));
      break;
    }
    v1::Domain* shown = out->add_domains();
    *shown = Show(call, record);
    // A page of domains with long histories would be over the limit of an answer.
    auto* addresses = shown->mutable_report_addresses();
    addresses->erase(
        std::ranges::remove_if(*addresses, &v1::ReportAddress::has_revoke_time).begin(),
        addresses->end());
    last = here;
  }
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Get(const Call& call, const v1::GetDomainRequest& in,
                                    v1::GetDomainResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.name(), "name"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord record, FindDomain(parts_.policies, domain));
  *out->mutable_domain() = Show(call, record);
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Create(const Call& call, const v1::CreateDomainRequest& in,
                                       v1::CreateDomainResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, ReadNewName(in.domain_id()));
  DomainRecord record;
  record.name = name.text();
  record.uid = MakeSortableId(parts_.clock.Now(), parts_.random);
  record.create_time = record.update_time = parts_.clock.Now();
  DMARCATE_ASSIGN_OR_RETURN(record.dns_provider, ReadProvider(in.domain().dns_provider()));
  DMARCATE_ASSIGN_OR_RETURN(record.report_mailbox, ReadMailbox(in.domain().report_mailbox()));
  DMARCATE_ASSIGN_OR_RETURN(record.delegation_zone,
                            ReadDelegationZone(in.domain().delegation_zone(), record.name));

  absl::Status known = parts_.policies.GetDomain(record.name).status();
  const auto exists = [&record] {
    return ReasonError(Reason::kResourceExists,
                       fmt::format("{} is managed already", DomainResource(record.name)),
                       {{"resource", DomainResource(record.name)}});
  };
  if (known.ok()) return exists();
  if (known.code() != absl::StatusCode::kNotFound) return known;
  // Its old addresses stay refused, and plans warn where rua= still names one.
  DMARCATE_ASSIGN_OR_RETURN(const auto removal,
                            stores_.removals.FindRemoval(RemovedKind::kDomain, record.name));
  if (removal) record.report_addresses = LastRevoked(removal->report_addresses);
  if (in.validate_only()) {
    record.revision = removal ? removal->revision + 1 : 1;
  } else {
    if (!address_domain_.empty()) {
      DMARCATE_RETURN_IF_ERROR(
          AddReportAddress(address_domain_, record.create_time, parts_.random, &record));
    }
    absl::StatusOr<DomainRecord> stored = parts_.policies.PutDomain(record);
    if (stored.status().code() == absl::StatusCode::kAlreadyExists) return exists();
    DMARCATE_ASSIGN_OR_RETURN(record, std::move(stored));
    LogInfo("domain_created", {{"domain", record.name}, {"by", call.principal().name}});
    publisher_.Publish().IgnoreError();  // logged, tried again, and shown
  }
  *out->mutable_domain() = Show(call, record);
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Update(const Call& call, const v1::UpdateDomainRequest& in,
                                       v1::UpdateDomainResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain,
                            ParseDomainResource(in.domain().name(), "domain.name"));
  if (in.update_mask().paths().empty()) {
    return ReasonError(Reason::kUpdateMaskRequired,
                       "update_mask: required; name \"dns_provider\", \"report_mailbox\" or "
                       "\"delegation_zone\"",
                       {{"field", "update_mask"}});
  }
  DMARCATE_ASSIGN_OR_RETURN(DomainRecord record, FindAtEtag(domain, in.domain().etag()));
  const DomainRecord before = record;
  // Known, output only: named by clients that send back all they got, and without effect (AIP-161).
  const std::vector<std::string> kOutputOnly = {
      "name",         "uid",     "etag",           "create_time",     "update_time",
      "unicode_name", "summary", "report_address", "report_addresses"};
  for (const std::string& path : in.update_mask().paths()) {
    if (path == "dns_provider") {
      DMARCATE_ASSIGN_OR_RETURN(record.dns_provider, ReadProvider(in.domain().dns_provider()));
    } else if (path == "report_mailbox") {
      DMARCATE_ASSIGN_OR_RETURN(record.report_mailbox, ReadMailbox(in.domain().report_mailbox()));
    } else if (path == "delegation_zone") {
      DMARCATE_ASSIGN_OR_RETURN(record.delegation_zone,
                                ReadDelegationZone(in.domain().delegation_zone(), record.name));
    } else if (std::ranges::find(kOutputOnly, path) == kOutputOnly.end()) {
      const std::string near = Nearest(path, {"dns_provider", "report_mailbox", "delegation_zone"});
      return ReasonError(Reason::kUpdateMaskInvalid,
                         fmt::format("update_mask: there is no \"{}\"{}", EscapeForTerminal(path),
                                     near.empty() ? "" : fmt::format("; \"{}\"?", near)),
                         {{"field", "update_mask"}, {"path", path.substr(0, 100)}});
    }
  }
  if (record.dns_provider != before.dns_provider ||
      record.delegation_zone != before.delegation_zone) {
    DMARCATE_RETURN_IF_ERROR(CheckNoneBegun(record.name, parts_.policies));
  }
  record.update_time = parts_.clock.Now();
  if (!in.validate_only()) {
    DMARCATE_RETURN_IF_ERROR(Store(&record));
    LogInfo("domain_updated", {{"domain", record.name}, {"by", call.principal().name}});
  }
  *out->mutable_domain() = Show(call, record);
  return absl::OkStatus();
}

absl::StatusOr<DomainRecord> DomainServiceImpl::FindAtEtag(const std::string& domain,
                                                           const std::string& etag) const {
  DMARCATE_RETURN_IF_ERROR(ReadEtag(etag).status());
  DMARCATE_ASSIGN_OR_RETURN(DomainRecord record, FindDomain(parts_.policies, domain));
  DMARCATE_RETURN_IF_ERROR(CheckEtag(etag, record.revision));
  return record;
}

absl::Status DomainServiceImpl::Store(DomainRecord* record) const {
  absl::StatusOr<DomainRecord> stored = parts_.policies.PutDomain(*record);
  if (stored.status().code() == absl::StatusCode::kAborted) {
    return WithReason(stored.status(), Reason::kEtagMismatch);
  }
  DMARCATE_ASSIGN_OR_RETURN(*record, std::move(stored));
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Delete(const Call& call, const v1::DeleteDomainRequest& in,
                                       v1::DeleteDomainResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.name(), "name"));
  DMARCATE_ASSIGN_OR_RETURN(const DomainRecord record, FindAtEtag(domain, in.etag()));
  v1::DeleteDomainResponse answer;
  *answer.mutable_domain() = Show(call, record);
  DMARCATE_RETURN_IF_ERROR(dmarcate::RemoveDomain(
      record, in, call.principal().name, parts_.clock.Now(), parts_.policies, stores_, &answer));
  if (!in.validate_only()) publisher_.Publish().IgnoreError();  // logged, and tried again
  *out = std::move(answer);
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Rotate(const Call& call, const v1::RotateReportAddressRequest& in,
                                       v1::RotateReportAddressResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.name(), "name"));
  DMARCATE_ASSIGN_OR_RETURN(DomainRecord record, FindAtEtag(domain, in.etag()));
  DomainRecord rotated = record;
  rotated.update_time = parts_.clock.Now();
  DMARCATE_RETURN_IF_ERROR(
      AddReportAddress(address_domain_, rotated.update_time, parts_.random, &rotated));
  if (!in.validate_only()) {
    DMARCATE_RETURN_IF_ERROR(Store(&rotated));
    record = std::move(rotated);
    LogInfo("report_address_made", {{"domain", record.name},
                                    {"address", record.report_addresses.back().address},
                                    {"by", call.principal().name}});
    publisher_.Publish().IgnoreError();
  }
  *out->mutable_domain() = Show(call, record);
  return absl::OkStatus();
}

absl::Status DomainServiceImpl::Revoke(const Call& call, const v1::RevokeReportAddressRequest& in,
                                       v1::RevokeReportAddressResponse* out) {
  DMARCATE_ASSIGN_OR_RETURN(const std::string domain, ParseDomainResource(in.name(), "name"));
  if (in.address().empty()) return FieldRequired("address");
  DMARCATE_ASSIGN_OR_RETURN(DomainRecord record, FindAtEtag(domain, in.etag()));
  const std::vector<ReportAddressRecord> before = record.report_addresses;
  const absl::Time now = parts_.clock.Now();
  DMARCATE_RETURN_IF_ERROR(dmarcate::RevokeReportAddress(in.address(), now, &record));
  if (record.report_addresses != before) {
    record.update_time = now;
    if (!in.validate_only()) {
      DMARCATE_RETURN_IF_ERROR(Store(&record));
      LogInfo("report_address_revoked", {{"domain", record.name},
                                         {"address", AsciiLower(in.address())},
                                         {"by", call.principal().name}});
    }
  }
  // Also of one that was revoked before: perhaps the file could not be written then.
  if (!in.validate_only()) publisher_.Publish().IgnoreError();
  *out->mutable_domain() = Show(call, record);
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<grpc::Service> MakeDomainService(const ServiceParts& parts,
                                                 const PublicSuffixList& suffixes,
                                                 const std::string& address_domain,
                                                 SnapshotPublisher& publisher,
                                                 const DomainStores& stores) {
  return std::make_unique<DomainServiceImpl>(parts, suffixes, address_domain, publisher, stores);
}

}  // namespace dmarcate
