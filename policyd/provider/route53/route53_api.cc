#include "policyd/provider/route53/route53_api.h"

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/provider/api/record_steps.h"
#include "policyd/provider/api/url.h"
#include "policyd/provider/route53/route53_message.h"

namespace dmarcate {
namespace {

struct Partition {
  std::string_view name, host, region;
};
constexpr Partition kPartitions[] = {
    {"aws", "route53.amazonaws.com", "us-east-1"},
    {"aws-cn", "route53.amazonaws.com.cn", "cn-northwest-1"},
    {"aws-us-gov", "route53.us-gov.amazonaws.com", "us-gov-west-1"},
};
constexpr std::string_view kVersion = "2013-04-01";
constexpr uint32_t kMaxTtl = 2'147'483'647;
// What no zone has: asked to be deleted where rights are tried.
constexpr std::string_view kNobodysName = "_dmarcate-rights-test";
constexpr std::string_view kNobodysText = "\"dmarcate: a test of rights, never published\"";
constexpr std::string_view kNobodysAddress = "192.0.2.1";
// For all servers to take a change over; what is left of the call's time is for reading back.
constexpr absl::Duration kLeaveForReadBack = absl::Seconds(40);
constexpr absl::Duration kFirstPoll = absl::Seconds(2);

absl::Status Refuse(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, what);
}

class Route53Api final : public ZoneApi {
 public:
  Route53Api(const Partition& partition, AwsCredential credential)
      : partition_(partition), credential_(std::move(credential)) {}

  ProviderClass provider_class() const override { return ProviderClass::kA; }
  std::string_view host() const override { return "route53"; }
  std::vector<std::string> Secrets() const override {
    return {credential_.secret_access_key.Reveal(), credential_.session_token.Reveal()};
  }
  absl::Status Authorize(ApiCall& call, HttpRequest& request) override {
    SignSigV4(credential_, {std::string(partition_.region), "route53"}, call.world().clock.Now(),
              request);
    return absl::OkStatus();
  }
  std::optional<ApiError> ErrorOf(const HttpResponse& response) const override {
    if (response.status >= 200 && response.status < 300) return std::nullopt;
    return ParseRoute53Error(response.body, response.status);
  }

  absl::StatusOr<std::vector<HostedZone>> ListZones(ApiCall& call) override;
  absl::StatusOr<std::vector<HostedZone>> FindZones(ApiCall& call, const DomainName& name) override;
  absl::StatusOr<HostedRrSet> Read(ApiCall& call, const HostedZone& zone,
                                   const DomainName& owner) override;
  absl::Status Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                     const RrSetChange& change) override;
  void Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) override;

 private:
  ApiRequest Request(std::string_view method, std::string_view path_and_query,
                     std::string body = "") const {
    return {.method = std::string(method),
            .url = fmt::format("https://{}/{}/{}", partition_.host, kVersion, path_and_query),
            .body = std::move(body),
            .content_type = "application/xml",
            .accept = "application/xml"};
  }
  void AwaitSync(ApiCall& call, const std::string& change_id) const;
  // What the host says to the deletion of a set that is not there, which changes nothing: kAborted
  // or kInvalidArgument to a key that may change it, kPermissionDenied to one that may not.
  absl::Status TryRight(ApiCall& call, const HostedZone& zone, const DomainName& owner,
                        Route53Type type) const;

  const Partition partition_;
  const AwsCredential credential_;
};

absl::StatusOr<std::vector<HostedZone>> Route53Api::ListZones(ApiCall& call) {
  std::vector<HostedZone> zones;
  PageGuard guard;
  for (std::string query = "maxitems=100"; !query.empty();) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(query));
    DMARCATE_ASSIGN_OR_RETURN(const HttpResponse response,
                              call.Read(Request("GET", fmt::format("hostedzone?{}", query))));
    DMARCATE_ASSIGN_OR_RETURN(Route53ZonePage page, ParseRoute53Zones(response.body));
    std::ranges::move(page.zones, std::back_inserter(zones));
    query = page.next.empty() ? "" : fmt::format("{}&maxitems=100", page.next);
  }
  return zones;
}

absl::StatusOr<std::vector<HostedZone>> Route53Api::FindZones(ApiCall& call,
                                                              const DomainName& name) {
  std::vector<HostedZone> found;
  PageGuard guard;
  std::string query = fmt::format("dnsname={}", QueryEscape(name.ToFqdn()));
  while (!query.empty()) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(query));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read(Request("GET", fmt::format("hostedzonesbyname?{}&maxitems=100", query))));
    DMARCATE_ASSIGN_OR_RETURN(Route53ZonePage page, ParseRoute53Zones(response.body));
    // In order of their names from this one on.
    bool past = false;
    for (HostedZone& zone : page.zones) {
      past = past || zone.name != name;
      if (zone.name == name) found.push_back(std::move(zone));
    }
    query = past ? "" : page.next;
  }
  return found;
}

absl::StatusOr<HostedRrSet> Route53Api::Read(ApiCall& call, const HostedZone& zone,
                                             const DomainName& owner) {
  HostedRrSet rrset;
  PageGuard guard;
  std::string query = fmt::format("name={}&type=TXT", QueryEscape(owner.ToFqdn()));
  while (!query.empty()) {
    DMARCATE_RETURN_IF_ERROR(guard.Next(query));
    DMARCATE_ASSIGN_OR_RETURN(
        const HttpResponse response,
        call.Read(Request("GET", fmt::format("hostedzone/{}/rrset?{}&maxitems=300",
                                             QueryEscape(zone.id), query))));
    DMARCATE_ASSIGN_OR_RETURN(Route53RrSetPage page, ParseRoute53RrSets(response.body, owner));
    std::ranges::move(page.rrset.records, std::back_inserter(rrset.records));
    if (!page.rrset.refuse.empty()) rrset.refuse = page.rrset.refuse;
    if (page.rrset.ttl_seconds != 0) rrset.ttl_seconds = page.rrset.ttl_seconds;
    query = page.next;
  }
  return rrset;
}

absl::Status Route53Api::Write(ApiCall& call, const HostedZone& zone, const HostedRrSet& now,
                               const RrSetChange& change) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<std::string> values,
                            KeepValues(now, change.after, TxtForm::kQuotedOctal));
  std::vector<std::string> stored;
  for (const HostedRecord& record : now.records) stored.push_back(record.raw);
  const uint32_t ttl = change.after.empty() ? now.ttl_seconds : change.ttl_seconds;
  DMARCATE_ASSIGN_OR_RETURN(
      const HttpResponse response,
      call.Write(Request("POST", fmt::format("hostedzone/{}/rrset/", QueryEscape(zone.id)),
                         MakeRoute53ChangeBatch(change.owner, stored, now.ttl_seconds, values,
                                                std::min(ttl, kMaxTtl)))));
  const absl::StatusOr<Route53Change> accepted = ParseRoute53Change(response.body);
  if (!accepted.ok()) return MakeError(absl::StatusCode::kUnknown, MessageOf(accepted.status()));
  if (!accepted->in_sync) AwaitSync(call, accepted->id);
  return absl::OkStatus();
}

// The change is accepted; whether all servers show it, the authoritative servers say later anyway.
void Route53Api::AwaitSync(ApiCall& call, const std::string& change_id) const {
  for (absl::Duration pause = kFirstPoll;
       call.TimeLeft() > kLeaveForReadBack + pause && call.Pause(pause); pause = pause * 3 / 2) {
    const absl::StatusOr<HttpResponse> response =
        call.Read(Request("GET", fmt::format("change/{}", QueryEscape(change_id))));
    if (!response.ok()) return;
    const absl::StatusOr<Route53Change> change = ParseRoute53Change(response->body);
    if (!change.ok() || change->in_sync) return;
  }
}

absl::Status Route53Api::TryRight(ApiCall& call, const HostedZone& zone, const DomainName& owner,
                                  Route53Type type) const {
  return call
      .Read(Request("POST", fmt::format("hostedzone/{}/rrset/", QueryEscape(zone.id)),
                    MakeRoute53Deletion(
                        owner, type, type == Route53Type::kTxt ? kNobodysText : kNobodysAddress)))
      .status();
}

// Who is not allowed to is told so before the batch is looked at (IAM, "Policy evaluation logic"),
// and no batch with a deletion of what is not there is carried out.
void Route53Api::Probe(ApiCall& call, const std::vector<HostedZone>& zones, ProviderTest& test) {
  const HostedZone& zone = zones.front();
  const absl::StatusOr<DomainName> dmarc = zone.name.Child("_dmarc");
  const absl::StatusOr<DomainName> other = zone.name.Child(kNobodysName);
  if (!dmarc.ok() || !other.ok()) return TellNotKnown("whether the key may write", test);
  const auto may = [&](const absl::Status& said) {
    return said.code() == absl::StatusCode::kAborted ||
           said.code() == absl::StatusCode::kInvalidArgument;
  };
  const absl::Status txt = TryRight(call, zone, *dmarc, Route53Type::kTxt);
  if (txt.code() == absl::StatusCode::kPermissionDenied) {
    return TellMissing(fmt::format("the key may not change the TXT records of {}: {}; allow "
                                   "route53:ChangeResourceRecordSets",
                                   dmarc->text(), MessageOf(txt)),
                       test);
  }
  if (!may(txt)) return TellNotKnown("whether the key may write: the host did not say", test);
  if (may(TryRight(call, zone, *other, Route53Type::kA))) {
    test.warnings.push_back(fmt::format(
        "the key may do more than is needed: it changes records of other names and types of {}; "
        "conditions of its policy can confine it",
        zone.name.text()));
  }
}

}  // namespace

absl::StatusOr<AwsCredential> ParseAwsCredential(std::string_view text) {
  std::map<std::string, std::string> values;
  for (std::string_view line : Split(text, '\n')) {
    line = TrimAscii(line);
    if (line.empty() || line.front() == '#' || line.front() == ';' || line.front() == '[') continue;
    const size_t equals = line.find('=');
    const std::string key(TrimAscii(line.substr(0, equals)));
    if (equals == std::string_view::npos ||
        (key != "aws_access_key_id" && key != "aws_secret_access_key" &&
         key != "aws_session_token")) {
      continue;  // region, output and the like
    }
    if (!values.emplace(key, TrimAscii(line.substr(equals + 1))).second) {
      return Refuse(fmt::format("secret: {} twice; one profile is wanted", key));
    }
  }
  for (const std::string key : {"aws_access_key_id", "aws_secret_access_key"}) {
    if (values[key].empty()) {
      return Refuse(
          fmt::format("secret: no {}; the lines of one profile of an AWS credentials file "
                      "are wanted",
                      key));
    }
  }
  return AwsCredential{values["aws_access_key_id"], Secret(values["aws_secret_access_key"]),
                       Secret(values["aws_session_token"])};
}

absl::StatusOr<std::unique_ptr<ZoneApi>> OpenRoute53(const HostedSettings& settings,
                                                     Secret secret) {
  const auto given = settings.find("partition");
  std::string_view name = "aws";
  if (given != settings.end() && !given->second.empty()) name = given->second;
  const auto* const partition = std::ranges::find(kPartitions, name, &Partition::name);
  if (partition == std::end(kPartitions)) {
    return Refuse("partition: aws, aws-cn or aws-us-gov is wanted");
  }
  AwsCredential credential;
  if (!secret.empty()) {
    DMARCATE_ASSIGN_OR_RETURN(credential, ParseAwsCredential(secret.Reveal()));
  }
  return std::make_unique<Route53Api>(*partition, std::move(credential));
}

}  // namespace dmarcate
