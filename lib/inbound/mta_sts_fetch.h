// The MTA-STS policy of a domain as its web server serves it (RFC 8461 section 3.3), and what is
// to be said of it beside the record and the MX hosts.

#ifndef DMARCATE_LIB_INBOUND_MTA_STS_FETCH_H_
#define DMARCATE_LIB_INBOUND_MTA_STS_FETCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/dns/resolver.h"
#include "lib/http/egress.h"
#include "lib/http/transport.h"
#include "lib/inspect/posture.h"
#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/mta_sts_policy.h"

namespace dmarcate {

struct MtaStsFetchOptions {
  EgressGuard guard;
  uint16_t port = 443;
  absl::Duration limit = absl::Seconds(10);  // senders take up to a minute (section 3.3)
  std::function<bool()> stop;                // as HttpRequest::stop
};

// "https://mta-sts.example.com/.well-known/mta-sts.txt"
std::string MtaStsPolicyUrl(const DomainName& domain);

// Asks once, follows nothing, reads at most kMaxMtaStsPolicyOctets.
//   kNotFound            mta-sts.<domain> has no address
//   kPermissionDenied    it has one that is not public
//   kFailedPrecondition  the server's certificate is not trusted
//   kResourceExhausted   the answer is too large
//   others               nothing was learned
absl::StatusOr<HttpResponse> FetchMtaStsPolicy(const DomainName& domain, Resolver& resolver,
                                               HttpTransport& http,
                                               const MtaStsFetchOptions& options);

struct MtaStsPolicyPosture {
  std::string url;
  absl::StatusOr<HttpResponse> response = absl::UnknownError("not asked");
  std::optional<MtaStsPolicy> policy;  // if it is one
  Judgement judgement;
};

// Pure. `record` and `mx`: of the same domain. `response`: as FetchMtaStsPolicy gives it, or
// kInternal where it was not asked, since this machine can trust no certificate.
MtaStsPolicyPosture JudgeMtaStsPolicy(const DomainName& domain, const MtaStsPosture& record,
                                      const MxPosture& mx, absl::StatusOr<HttpResponse> response);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_MTA_STS_FETCH_H_
