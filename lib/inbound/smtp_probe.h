// Looks at mail servers as a sender would: greeting, EHLO, STARTTLS, EHLO, QUIT. No mail is
// offered, no command is sent that a sender does not send. What comes back is a value; judging it
// is elsewhere.
//
// The servers are strangers': all sessions together end by one deadline, and what one says is
// bounded (kMax... below). Any certificate and any version of TLS from 1.0 on is taken, so that it
// can be told; nothing secret is sent.

#ifndef DMARCATE_LIB_INBOUND_SMTP_PROBE_H_
#define DMARCATE_LIB_INBOUND_SMTP_PROBE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/base/ip_address.h"
#include "lib/http/egress.h"
#include "lib/mailauth/domain_name.h"

namespace dmarcate {

inline constexpr size_t kMaxProbes = 20;           // at once; each has a connection
inline constexpr size_t kMaxSmtpReplyLine = 2048;  // octets; RFC 5321 section 4.5.3.1.5 says 512
inline constexpr size_t kMaxSmtpReplyLines = 100;  // of one reply
inline constexpr size_t kMaxSmtpSessionOctets = size_t{256} << 10;  // received, TLS included
inline constexpr size_t kMaxChainCertificates = 10;
inline constexpr size_t kMaxChainOctets = size_t{64} << 10;

// The last stage that was reached: what the server was waited for when the session ended.
enum class SmtpStage : uint8_t {
  kRefused,   // not connected to
  kConnect,   // no connection
  kGreeting,  // connected
  kEhlo,      // greeted
  kStartTls,  // answered EHLO
  kTls,       // agreed to STARTTLS
  kTlsEhlo,   // TLS stands
  kDone,      // answered EHLO under TLS
};
std::string_view ToString(SmtpStage stage);  // "greeting"

// What one address showed.
struct SmtpProbe {
  IpAddress address;
  SmtpStage stage = SmtpStage::kConnect;
  // Why the session ended at `stage`; OK for kDone, and at kStartTls if TLS is not offered.
  //   kPermissionDenied    the egress guard (kRefused)
  //   kUnavailable         no connection, or it was closed
  //   kDeadlineExceeded    too slow, for us
  //   kCancelled           `stop` said so
  //   kFailedPrecondition  the server said no, or no TLS came about
  //   kInvalidArgument     what it says is not SMTP
  //   kResourceExhausted   it says too much
  absl::Status error;
  std::string reply;  // the last line in clear; a stranger's text of any octets
  bool starttls_offered = false;
  size_t clear_octets = 0;         // that came in clear between STARTTLS and TLS
  std::string tls_version;         // "TLSv1.3"; empty without TLS
  bool tls_current = false;        // 1.2 or later
  std::string cipher;              // "TLS_AES_256_GCM_SHA384"
  std::vector<std::string> chain;  // DER, as sent; at most kMaxChainCertificates
};

struct SmtpTarget {
  DomainName host;  // said in SNI
  IpAddress address;
};

struct SmtpProbeOptions {
  uint16_t port = 25;
  EgressGuard guard;
  absl::Duration limit = absl::Seconds(15);  // for all of them together
  // Asked ten times a second, on the calling thread; true: end now. Empty: never.
  std::function<bool()> stop;
};

// One result for each target, in order; those beyond kMaxProbes are kResourceExhausted. Blocks for
// `limit` at most. Thread-safe.
std::vector<SmtpProbe> ProbeMailServers(const std::vector<SmtpTarget>& targets,
                                        const SmtpProbeOptions& options, const Clock& clock);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_SMTP_PROBE_H_
