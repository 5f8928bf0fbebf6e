#include "lib/inbound/mta_sts_fetch.h"

#include <utility>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/inbound/addresses.h"
#include "lib/inbound/certificate.h"
#include "lib/inspect/posture_judge.h"
#include "lib/mailauth/syntax_error.h"

namespace dmarcate {
namespace {

constexpr std::string_view kPath = "mta-sts-policy";
constexpr std::string_view kSection = "RFC 8461 section 3.3";

// What the record says about a policy.
enum class Announced : uint8_t { kNo, kYes, kUnknown };

Announced AnnouncedBy(const MtaStsPosture& record) {
  if (record.record.has_value()) return Announced::kYes;
  // Void, or bogus: senders see none.
  const bool known = record.view.resolver.ok() ||
                     record.view.resolver.status().code() == absl::StatusCode::kDataLoss;
  return known ? Announced::kNo : Announced::kUnknown;
}

LintFinding Finding(std::string_view code, Severity severity, std::string message,
                    std::string fix) {
  return MakeFinding(code, severity, kPath, std::move(message), std::move(fix),
                     std::string(kSection));
}

class Judge {
 public:
  Judge(Announced announced, const MxPosture& mx, MtaStsPolicyPosture& out)
      : announced_(announced), mx_(mx), out_(out) {}

  void Run() {
    std::string good = "no policy is announced, and none was found";
    if (!out_.response.ok()) {
      OnError(out_.response.status());
    } else if (out_.response->status != 200) {
      OnStatus(*out_.response);
    } else {
      OnPolicy(*out_.response);
    }
    if (out_.policy.has_value()) {
      good = fmt::format("mode {} for {} days", ToString(out_.policy->mode),
                         absl::ToInt64Hours(out_.policy->max_age) / 24);
    }
    ConcludeFindings(std::move(good), out_.judgement);
    if (unknown_.empty() || out_.judgement.verdict == Verdict::kFail) return;
    out_.judgement.verdict = Verdict::kUnknown;
    out_.judgement.reason = unknown_;
    out_.judgement.fix = fix_;
  }

 private:
  void Add(LintFinding finding) { out_.judgement.findings.push_back(std::move(finding)); }
  // Nothing was learned; of weight only if somebody is told to look for a policy.
  void Unknown(std::string_view code, std::string why, std::string fix) {
    const bool matters = announced_ != Announced::kNo;
    Add(Finding(code, matters ? Severity::kWarning : Severity::kInfo, why, fix));
    if (!matters) return;
    unknown_ = std::move(why);
    fix_ = std::move(fix);
  }
  // Senders that look find no policy; nobody looks where none is announced.
  void Missing(std::string why, std::string fix) {
    if (announced_ == Announced::kYes) {
      Add(Finding(lint_code::kMtaStsPolicyMissing, Severity::kError, std::move(why),
                  std::move(fix)));
    } else if (announced_ == Announced::kUnknown) {
      unknown_ = fmt::format("{}; whether a record announces one is not known", why);
      fix_ = "Try again later.";
    }
  }

  void OnError(const absl::Status& status) {
    const std::string what(MessageOf(status));
    switch (status.code()) {
      case absl::StatusCode::kNotFound:
        return Missing(fmt::format("{}, so senders find no policy", what),
                       "Give the name an address with a web server that serves the policy.");
      case absl::StatusCode::kPermissionDenied:
        return Unknown(
            lint_code::kAddressNotPublic,
            fmt::format("the policy was not fetched, its web server is not public: {}", what),
            "Publish a public address. If only this view of the DNS is internal, allow "
            "the network.");
      case absl::StatusCode::kFailedPrecondition:
        if (announced_ != Announced::kYes) return Missing("there is no policy", "");
        return Add(Finding(lint_code::kMtaStsCertificate, Severity::kError,
                           fmt::format("senders take no policy from a server whose certificate is "
                                       "not trusted: {}",
                                       what),
                           "Get a certificate for the name from a public authority."));
      case absl::StatusCode::kResourceExhausted:
        return Missing(fmt::format("the policy is larger than senders read: {}", what),
                       "Serve the policy alone at its address.");
      case absl::StatusCode::kInternal:
        return Unknown(lint_code::kLookupFailed,
                       fmt::format("the policy was not fetched: {}", what),
                       std::string(kInstallAuthorities));
      default:
        return Unknown(lint_code::kLookupFailed,
                       fmt::format("the policy was not fetched: {}", what), "Try again later.");
    }
  }

  void OnStatus(const HttpResponse& response) {
    const bool redirect = response.status >= 300 && response.status < 400;
    Missing(fmt::format("the web server answers {}{}, so senders find no policy", response.status,
                        redirect ? ", and they follow no redirect" : ""),
            "Serve the policy with status 200 at exactly this address.");
    if (!out_.judgement.findings.empty()) {
      out_.judgement.findings.back().metadata["status"] = std::to_string(response.status);
    }
  }

  void OnPolicy(const HttpResponse& response) {
    auto policy = ParseMtaStsPolicy(response.body);
    if (!policy.ok()) {
      // Without a record it may be any page at all.
      if (announced_ != Announced::kYes) return Missing("what is served is no policy", "");
      return Add(SyntaxFinding(lint_code::kMtaStsSyntax, kPath, policy.status(),
                               "senders see no policy", "RFC 8461 section 3.2"));
    }
    out_.policy = *std::move(policy);
    if (announced_ == Announced::kNo) {
      Add(Finding(lint_code::kMtaStsNoRecord, Severity::kWarning,
                  "a policy is served, but no record announces it, so senders do not look for it",
                  "Publish the record at _mta-sts, \"v=STSv1; id=1\"."));
    }
    if (announced_ == Announced::kUnknown) {
      unknown_ = "whether a record announces the policy is not known";
      fix_ = "Try again later.";
    }
    Append(out_.judgement.findings, LintMtaStsPolicy(*out_.policy, kPath));
    CheckType(response);
    CheckHosts();
  }

  void CheckType(const HttpResponse& response) {
    const std::string_view type = response.Header("content-type").value_or("");
    if (EqualsIgnoreCase(TrimAscii(type.substr(0, type.find(';'))), "text/plain")) return;
    Add(Finding(lint_code::kMtaStsContentType, Severity::kWarning,
                fmt::format("the policy is served as {}, for which a sender may refuse it",
                            type.empty() ? "no type at all" : Quoted(type)),
                "Serve it as text/plain."));
  }

  void CheckHosts() {
    if (out_.policy->mode == MtaStsMode::kNone || mx_.null_mx) return;
    if (!mx_.view.resolver.ok()) {
      unknown_ = "whether the policy has all MX hosts is not known";
      fix_ = "Try again later.";
      return;
    }
    const bool enforce = out_.policy->mode == MtaStsMode::kEnforce;
    std::vector<DomainName> hosts;
    for (const MxRecord& mx : mx_.records) hosts.push_back(mx.exchange);
    if (hosts.empty()) hosts.push_back(mx_.view.owner);  // RFC 5321 section 5.1
    for (const DomainName& host : hosts) {
      if (host.IsRoot() || out_.policy->AllowsMx(host)) continue;
      Add(Finding(
          lint_code::kMtaStsMx, enforce ? Severity::kError : Severity::kWarning,
          fmt::format("no mx of the policy matches {}, so senders {}", host.text(),
                      enforce ? "do not deliver there" : "report a failure"),
          fmt::format("Add the line mx: {} to the policy, then change the id of the record.",
                      host.text())));
      out_.judgement.findings.back().metadata["host"] = host.text();
    }
  }

  const Announced announced_;
  const MxPosture& mx_;
  MtaStsPolicyPosture& out_;
  std::string unknown_;  // why the verdict is not known, if nothing fails
  std::string fix_;
};

}  // namespace

std::string MtaStsPolicyUrl(const DomainName& domain) {
  return fmt::format("https://mta-sts.{}/.well-known/mta-sts.txt", domain.text());
}

absl::StatusOr<HttpResponse> FetchMtaStsPolicy(const DomainName& domain, Resolver& resolver,
                                               HttpTransport& http,
                                               const MtaStsFetchOptions& options) {
  const auto host = domain.Child("mta-sts");
  if (!host.ok()) return MakeError(absl::StatusCode::kNotFound, "no name can be that long");
  const auto found = LookupAddresses(*host, resolver);
  // Here a name that DNS says nothing of is no refusal of ours, whatever code the error has.
  if (!found.ok()) return MakeError(absl::StatusCode::kUnavailable, MessageOf(found.status()));
  if (found->addresses.empty()) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("{} has no address", host->text()));
  }
  if (options.limit <= absl::ZeroDuration()) {
    return MakeError(absl::StatusCode::kDeadlineExceeded, "no time left");
  }
  HttpRequest request;
  request.url = MtaStsPolicyUrl(domain);
  request.deadline = options.limit;
  request.stop = options.stop;
  request.response_limit_bytes = kMaxMtaStsPolicyOctets;
  return SendGuarded(http, std::move(request), found->addresses, options.port, options.guard);
}

MtaStsPolicyPosture JudgeMtaStsPolicy(const DomainName& domain, const MtaStsPosture& record,
                                      const MxPosture& mx, absl::StatusOr<HttpResponse> response) {
  MtaStsPolicyPosture out;
  out.url = MtaStsPolicyUrl(domain);
  out.response = std::move(response);
  Judge(AnnouncedBy(record), mx, out).Run();
  return out;
}

}  // namespace dmarcate
