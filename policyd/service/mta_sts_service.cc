#include "policyd/service/mta_sts_service.h"

#include <string>
#include <utility>
#include <vector>

#include "dmarcate/v1/mta_sts.grpc.pb.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/rpc/errors.h"
#include "lib/rpc/unary.h"
#include "policyd/mta_sts/explain.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/mta_sts/next_id.h"
#include "policyd/mta_sts/policy_file.h"
#include "policyd/mta_sts/settings.h"
#include "policyd/plan/txt_image.h"
#include "policyd/service/mta_sts_patterns.h"
#include "policyd/service/names.h"

namespace dmarcate {
namespace {

constexpr int64_t kLeastAgeSeconds = 86400;

absl::StatusOr<MtaStsMode> ReadMode(v1::MtaStsPolicy::Mode mode) {
  switch (mode) {
    case v1::MtaStsPolicy::MODE_UNSPECIFIED:
    case v1::MtaStsPolicy::MODE_TESTING:
      return MtaStsMode::kTesting;
    case v1::MtaStsPolicy::MODE_ENFORCE:
      return MtaStsMode::kEnforce;
    case v1::MtaStsPolicy::MODE_NONE:
      return MtaStsMode::kNone;
    default:
      return FieldError("policy.mode", "is neither testing, enforce nor none");
  }
}

v1::MtaStsPolicy::Mode ToMessage(MtaStsMode mode) {
  switch (mode) {
    case MtaStsMode::kTesting:
      return v1::MtaStsPolicy::MODE_TESTING;
    case MtaStsMode::kEnforce:
      return v1::MtaStsPolicy::MODE_ENFORCE;
    case MtaStsMode::kNone:
      break;
  }
  return v1::MtaStsPolicy::MODE_NONE;
}

absl::StatusOr<absl::Duration> ReadAge(const v1::MtaStsPolicy& in, MtaStsMode mode) {
  const StsSettings defaults;
  if (in.max_age_seconds() == 0) {
    return mode == MtaStsMode::kEnforce ? defaults.enforce_max_age : defaults.testing_max_age;
  }
  const int64_t most = absl::ToInt64Seconds(kMaxMtaStsAge);
  if (in.max_age_seconds() < kLeastAgeSeconds || in.max_age_seconds() > most) {
    return FieldError(
        "policy.max_age_seconds",
        fmt::format("{} is not in {} to {}", in.max_age_seconds(), kLeastAgeSeconds, most));
  }
  return absl::Seconds(in.max_age_seconds());
}

void FillServed(const DomainName& domain, StsFileSource& files, v1::GetMtaStsPolicyResponse* out) {
  const absl::StatusOr<ServedStsFile> served = files.Fetch(domain);
  std::string difference = served.ok() ? DescribeStsDifference(out->file(), served->body)
                                       : EscapeForTerminal(MessageOf(served.status()));
  if (difference.empty() && !served->plain_text) difference = "it is not served as text/plain";
  out->set_served(difference.empty());
  out->set_served_difference(std::move(difference));
}

absl::Status FillRecord(const DomainName& domain, Resolver& resolver,
                        v1::GetMtaStsPolicyResponse* out) {
  const absl::StatusOr<DomainName> owner = domain.Child("_mta-sts");
  if (!owner.ok()) return FieldError("parent", MessageOf(owner.status()));
  out->set_record_name(owner->text());
  const absl::StatusOr<DnsAnswer> answer = resolver.Lookup(*owner, RrType::kTxt);
  LiveStsRecord live;
  if (answer.ok()) live = FindStsRecord(TextsOf(answer->txt));
  out->set_live_record(
      answer.ok() ? live.Describe()
                  : fmt::format("not known: {}", EscapeForTerminal(MessageOf(answer.status()))));
  const std::string id = NextStsId(out->file(), live);
  out->set_announced(live.records == 1 && live.id == id);
  out->set_record(StsRecordText(id));
  return absl::OkStatus();
}

class MtaStsServiceImpl final : public v1::MtaStsService::CallbackService {
 public:
  MtaStsServiceImpl(const ServiceParts& parts, Resolver& resolver, StsFileSource& files)
      : parts_(parts), resolver_(resolver), files_(files) {}

  grpc::ServerUnaryReactor* GetMtaStsPolicy(grpc::CallbackServerContext* context,
                                            const v1::GetMtaStsPolicyRequest* request,
                                            v1::GetMtaStsPolicyResponse* response) override {
    // A stranger's web server takes longer than the DNS does.
    return ServeUnary(
        parts_.host, CallKind::kMutation, context, request, response,
        [this](const Call&, const auto& in, auto* out) { return ToGrpc(Get(in, out)); });
  }

 private:
  absl::Status Get(const v1::GetMtaStsPolicyRequest& in, v1::GetMtaStsPolicyResponse* out) {
    DMARCATE_ASSIGN_OR_RETURN(const std::string name, ParseDomainResource(in.parent(), "parent"));
    DMARCATE_RETURN_IF_ERROR(FindDomain(parts_.policies, name).status());
    const absl::StatusOr<DomainName> domain = DomainName::Parse(name);
    if (!domain.ok()) return FieldError("parent", MessageOf(domain.status()));
    return FillStsPolicy(*domain, in.policy(), resolver_, files_, out);
  }

  const ServiceParts& parts_;
  Resolver& resolver_;
  StsFileSource& files_;
};

}  // namespace

absl::Status FillStsPolicy(const DomainName& domain, const v1::MtaStsPolicy& in, Resolver& resolver,
                           StsFileSource& files, v1::GetMtaStsPolicyResponse* out) {
  StsFile file;
  DMARCATE_ASSIGN_OR_RETURN(file.mode, ReadMode(in.mode()));
  DMARCATE_ASSIGN_OR_RETURN(file.max_age, ReadAge(in, file.mode));
  v1::MtaStsPolicy* policy = out->mutable_policy();
  if (file.mode != MtaStsMode::kNone) {
    const absl::StatusOr<std::vector<std::string>> hosts = LiveMxHosts(domain, resolver);
    DMARCATE_ASSIGN_OR_RETURN(
        file.mx, StsPatterns(domain, {in.mx().begin(), in.mx().end()}, hosts, "policy.mx"));
    for (const std::string& pattern : file.mx) policy->add_mx(pattern);
    if (!hosts.ok()) out->set_mx_error(EscapeForTerminal(MessageOf(hosts.status())));
    for (std::string& host : HostsNotMatched(file.mx, hosts.value_or(std::vector<std::string>{}))) {
      out->add_unmatched_mx_hosts(EscapeForTerminal(host));
    }
  }
  policy->set_mode(ToMessage(file.mode));
  policy->set_max_age_seconds(absl::ToInt64Seconds(file.max_age));
  out->set_file(RenderStsFile(file));
  out->set_url(StsFileUrl(domain.text()));
  FillServed(domain, files, out);
  return FillRecord(domain, resolver, out);
}

std::unique_ptr<grpc::Service> MakeMtaStsService(const ServiceParts& parts, Resolver& resolver,
                                                 StsFileSource& files) {
  return std::make_unique<MtaStsServiceImpl>(parts, resolver, files);
}

}  // namespace dmarcate
