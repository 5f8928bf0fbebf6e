#include "policyd/analysis/catalogue_file.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/toml_config.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {
namespace {

constexpr char kApplication[] =
#include "policyd/analysis/catalogue/application.toml.inc"
    ;
constexpr char kDelivery[] =
#include "policyd/analysis/catalogue/delivery.toml.inc"
    ;
constexpr char kForwarder[] =
#include "policyd/analysis/catalogue/forwarder.toml.inc"
    ;
constexpr char kGateway[] =
#include "policyd/analysis/catalogue/gateway.toml.inc"
    ;
constexpr char kMailbox[] =
#include "policyd/analysis/catalogue/mailbox.toml.inc"
    ;
constexpr char kMarketing[] =
#include "policyd/analysis/catalogue/marketing.toml.inc"
    ;

constexpr size_t kMaxLabelOctets = 63;
constexpr int kWidestV4 = 8, kWidestV6 = 24;

const std::vector<std::pair<std::string_view, ServiceKind>>& Kinds() {
  static const auto& kinds = *new std::vector<std::pair<std::string_view, ServiceKind>>{
      {"mailbox", ServiceKind::kMailbox},     {"delivery", ServiceKind::kDelivery},
      {"marketing", ServiceKind::kMarketing}, {"application", ServiceKind::kApplication},
      {"gateway", ServiceKind::kGateway},     {"forwarder", ServiceKind::kForwarder}};
  return kinds;
}

MailService ReadService(TomlConfig& table) {
  MailService out;
  out.id = table.String("id", "");
  out.name = table.String("name", "");
  if (out.id.empty()) table.Reject("id", "required: a short name that is never changed");
  if (out.name.empty()) table.Reject("name", "required: as the service calls itself");
  if (!table.Has("kind")) table.Reject("kind", "required: mailbox, delivery, marketing, ...");
  out.kind = table.OneOf<ServiceKind>("kind", Kinds(), ServiceKind::kApplication);
  out.spf_includes = table.Strings("spf_includes", {});
  out.dkim_domains = table.Strings("dkim_domains", {});
  out.envelope_domains = table.Strings("envelope_domains", {});
  out.selectors = table.Strings("selectors", {});
  out.reverse_names = table.Strings("reverse_names", {});
  out.mx_names = table.Strings("mx_names", {});
  out.ranges = table.Strings("ranges", {});
  out.shares = table.Strings("shares", {});
  out.spf_alignment = table.OneOf<SpfAlignment>("spf",
                                                {{"include", SpfAlignment::kByInclude},
                                                 {"return_path", SpfAlignment::kCustomReturnPath},
                                                 {"never", SpfAlignment::kNever}},
                                                SpfAlignment::kUnknown);
  out.setup = table.String("setup", "");
  out.url = table.String("url", "");
  return out;
}

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelOctets && text.front() != '-' &&
         text.back() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

bool IsSelectorPattern(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabelOctets &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "0123456789-_.#") == std::string_view::npos &&
         text.find_first_not_of('#') != std::string_view::npos;
}

bool IsPrivate(const IpNetwork& network) {
  static const auto& kPrivate = *new std::vector<IpNetwork>{
      *IpNetwork::Parse("0.0.0.0/8"),      *IpNetwork::Parse("10.0.0.0/8"),
      *IpNetwork::Parse("100.64.0.0/10"),  *IpNetwork::Parse("127.0.0.0/8"),
      *IpNetwork::Parse("169.254.0.0/16"), *IpNetwork::Parse("172.16.0.0/12"),
      *IpNetwork::Parse("192.168.0.0/16"), *IpNetwork::Parse("224.0.0.0/3"),
      *IpNetwork::Parse("fc00::/7"),       *IpNetwork::Parse("fe80::/10"),
      *IpNetwork::Parse("ff00::/8"),       *IpNetwork::Parse("::1")};
  for (const IpNetwork& other : kPrivate) {
    if (other.Contains(network) || network.Contains(other)) return true;
  }
  return false;
}

// Says what is wrong with one service, each time with the field.
class ServiceLint {
 public:
  ServiceLint(const MailService& service, const PublicSuffixList& suffixes,
              std::vector<std::string>* out)
      : service_(service), suffixes_(suffixes), out_(out) {}

  void Run() {
    CheckId();
    CheckNames("spf_includes", service_.spf_includes);
    CheckNames("dkim_domains", service_.dkim_domains);
    CheckNames("envelope_domains", service_.envelope_domains);
    CheckNames("reverse_names", service_.reverse_names);
    CheckNames("mx_names", service_.mx_names);
    for (const std::string& selector : service_.selectors) {
      if (!IsSelectorPattern(selector)) Say("selectors", selector, "is no selector or pattern");
    }
    CheckSize("selectors", service_.selectors.size());
    for (const std::string& range : service_.ranges) CheckRange(range);
    CheckSize("ranges", service_.ranges.size());
    CheckText("name", service_.name);
    CheckText("setup", service_.setup);
    CheckText("url", service_.url);
    if (!service_.url.empty() && !service_.url.starts_with("https://")) {
      Say("url", service_.url, "want https");
    }
    if (!service_.setup.empty() && !service_.setup.ends_with('.')) {
      Say("setup", service_.setup, "want a sentence with a full stop");
    }
    if (service_.spf_includes.empty() && service_.dkim_domains.empty() &&
        service_.envelope_domains.empty() && service_.selectors.empty() &&
        service_.reverse_names.empty() && service_.ranges.empty()) {
      Say("", "", "nothing to recognise it by");
    }
    if (service_.spf_alignment == SpfAlignment::kByInclude && service_.spf_includes.empty() &&
        service_.reverse_names.empty()) {
      Say("spf", "include", "there is no include, nor a name to tell it by");
    }
  }

 private:
  void Say(std::string_view field, std::string_view value, std::string_view what) {
    const std::string id = EscapeForTerminal(service_.id);
    out_->push_back(field.empty() ? fmt::format("service {}: {}", id, what)
                                  : fmt::format("service {}: {}: '{}': {}", id, field,
                                                EscapeForTerminal(value), what));
  }
  void CheckId() {
    if (!IsLabel(service_.id)) Say("id", service_.id, "want a-z, 0-9 and '-', at most 63");
    for (const std::string_view prefix : {"own-", "dkim-", "spf-", "ip-"}) {
      if (service_.id.starts_with(prefix)) Say("id", service_.id, "looks like another source's id");
    }
  }
  void CheckSize(std::string_view field, size_t size) {
    if (size > kMaxNamesOfService) {
      Say(field, std::to_string(size), fmt::format("more than {}", kMaxNamesOfService));
    }
  }
  void CheckText(std::string_view field, const std::string& text) {
    if (text.size() > kMaxServiceTextBytes) {
      Say(field, "...", fmt::format("longer than {} bytes", kMaxServiceTextBytes));
    }
    if (text != EscapeForTerminal(text)) Say(field, text, "holds control characters");
  }
  void CheckNames(std::string_view field, const std::vector<std::string>& names) {
    CheckSize(field, names.size());
    for (const std::string& name : names) {
      const auto parsed = DomainName::Parse(name);
      if (!parsed.ok()) {
        Say(field, name, MessageOf(parsed.status()));
      } else if (parsed->text() != name) {
        Say(field, name, fmt::format("want the canonical form, {}", parsed->text()));
      } else if (suffixes_.IsPublicSuffix(*parsed)) {
        Say(field, name, "is a public suffix: strangers have names below it");
      }
    }
  }
  void CheckRange(const std::string& text) {
    const auto network = IpNetwork::Parse(text);
    if (!network) {
      Say("ranges", text, "want 192.0.2.0/24");
    } else if (network->prefix_length < (network->address.is_v4() ? kWidestV4 : kWidestV6)) {
      Say("ranges", text, "is wider than any one service");
    } else if (IsPrivate(*network)) {
      Say("ranges", text, "is not public");
    }
  }

  const MailService& service_;
  const PublicSuffixList& suffixes_;
  std::vector<std::string>* out_;
};

}  // namespace

absl::StatusOr<std::vector<MailService>> ParseServices(std::string_view text,
                                                       std::string_view origin) {
  DMARCATE_ASSIGN_OR_RETURN(TomlConfig file, TomlConfig::Parse(text, origin));
  std::vector<MailService> out;
  for (TomlConfig* table : file.Tables("service")) out.push_back(ReadService(*table));
  DMARCATE_RETURN_IF_ERROR(file.Finish());
  return out;
}

std::vector<MailService> ShippedServices() {
  std::vector<MailService> all;
  for (const char* text : {kMailbox, kDelivery, kMarketing, kApplication, kGateway, kForwarder}) {
    auto services = ParseServices(text, "catalogue");
    if (!services.ok()) {
      const std::string message(MessageOf(services.status()));
      std::fprintf(stderr, "%s\n", message.c_str());
      std::abort();
    }
    for (MailService& service : *services) all.push_back(std::move(service));
  }
  return all;
}

std::vector<std::string> LintServices(std::span<const MailService> services,
                                      const PublicSuffixList& suffixes) {
  std::vector<std::string> out;
  for (const MailService& service : services) ServiceLint(service, suffixes, &out).Run();
  return out;
}

absl::StatusOr<std::unique_ptr<Catalogue>> ExtendCatalogue(std::string_view text,
                                                           std::string_view origin,
                                                           const PublicSuffixList& suffixes) {
  DMARCATE_ASSIGN_OR_RETURN(std::vector<MailService> own, ParseServices(text, origin));
  if (own.size() > kMaxOwnServices) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     fmt::format("{}: {} services, limit {}", origin, own.size(), kMaxOwnServices));
  }
  const std::vector<std::string> wrong = LintServices(own, suffixes);
  if (!wrong.empty()) {
    return MakeError(
        absl::StatusCode::kInvalidArgument,
        fmt::format(
            "{}: {}{}", origin, wrong.front(),
            wrong.size() == 1 ? std::string() : fmt::format("; and {} more", wrong.size() - 1)));
  }
  auto catalogue = Catalogue::Extended(std::move(own));
  if (!catalogue.ok()) return Annotate(catalogue.status(), origin);
  return catalogue;
}

}  // namespace dmarcate
