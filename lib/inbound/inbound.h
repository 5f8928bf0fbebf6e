// How mail to a domain is protected on its way, as a sender finds it: the MTA-STS policy, and each
// MX host with its TLS, certificate and TLSA records. Opens connections to hosts that the domain
// names, so it is done only where somebody asks for it, within the egress guard, and by one limit.

#ifndef DMARCATE_LIB_INBOUND_INBOUND_H_
#define DMARCATE_LIB_INBOUND_INBOUND_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"
#include "lib/http/egress.h"
#include "lib/http/transport.h"
#include "lib/inbound/certificate.h"
#include "lib/inbound/mail_server.h"
#include "lib/inbound/mta_sts_fetch.h"
#include "lib/inspect/posture.h"

namespace dmarcate {

inline constexpr size_t kMaxMailServers = 10;
inline constexpr size_t kMaxAddressesOfServer = 2;

struct InboundOptions {
  EgressGuard guard;
  uint16_t smtp_port = 25;
  uint16_t https_port = 443;
  // Of all of it. The DNS gets a third, then the policy half of what is left and ten seconds at
  // most, then the sessions 15 seconds at most and less a tenth, in which certificates are
  // verified; a DNS question that began in time may take its own deadline longer.
  absl::Duration limit = absl::Seconds(30);
  // Asked at least once a second between answers of the DNS, on the calling thread; true: end now.
  // What was not looked at yet is unknown then. Empty: never.
  std::function<bool()> stop;
};

// What it takes. All must outlive the call.
struct InboundParts {
  Resolver& resolver;
  HttpTransport& http;  // https only, redirects not followed
  const TrustStore& trust;
  const Clock& clock;
};

struct InboundPosture {
  Verdict verdict = Verdict::kUnknown;  // the worst of the parts
  MtaStsPolicyPosture policy;
  std::vector<MailServerPosture> servers;  // by preference; none for a domain that receives no mail
  size_t servers_left_out = 0;             // over kMaxMailServers
};

// `mx` and `mta_sts`: of `domain`, as posture.h has them. Never fails as a whole.
InboundPosture InspectInbound(const DomainName& domain, const MxPosture& mx,
                              const MtaStsPosture& mta_sts, const InboundParts& parts,
                              const InboundOptions& options);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_INBOUND_H_
