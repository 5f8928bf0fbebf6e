// One mail server of a domain: what was seen of it, and what is to be said of that.

#ifndef DMARCATE_LIB_INBOUND_MAIL_SERVER_H_
#define DMARCATE_LIB_INBOUND_MAIL_SERVER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/dns/resolver.h"
#include "lib/inbound/addresses.h"
#include "lib/inbound/certificate.h"
#include "lib/inbound/smtp_probe.h"
#include "lib/inspect/posture.h"
#include "lib/mailauth/mta_sts_policy.h"
#include "lib/mailauth/tlsa_record.h"

namespace dmarcate {

inline constexpr size_t kMaxTlsaRecords = 32;  // of one server

// One session, and what its certificates are worth.
struct ProbedAddress {
  SmtpProbe probe;
  std::vector<Certificate> certificates;  // those of probe.chain that can be read
  ChainProblems problems;                 // of probe.chain; meaningless if that is empty
  bool dane_matches = false;              // the TLSA records stand for it
  absl::Status dane_error;                // why that is not known; OK: it is
};

struct SeenTlsa {
  TlsaRecord record;
  bool usable = false;
  bool matches = false;    // the chain of an address that showed one
  bool outranked = false;  // does not count beside a stronger digest (RFC 7671 section 9)
};
struct DanePosture {
  DomainName base;   // the TLSA base domain (RFC 7672 section 2.2.3): "mx.example.com"
  DomainName owner;  // "_25._tcp.mx.example.com"
  absl::StatusOr<DnsAnswer> answer = absl::UnknownError("not asked");
  // DNSSEC vouches for MX and address records. Where not, senders do not ask for TLSA records (RFC
  // 7672 section 2.2.2).
  bool base_secure = false;
  bool secure = false;  // and for the TLSA records
  std::vector<SeenTlsa> records;
  bool records_cut = false;  // there were more than kMaxTlsaRecords
};

struct MailServerPosture {
  DomainName host;
  DomainName
      asked_for;  // the name that the sessions said in SNI; not `host` where DANE has another
  uint16_t preference = 0;
  absl::StatusOr<HostAddresses> addresses = absl::UnknownError("not asked");
  std::vector<ProbedAddress> probes;  // of the first two addresses
  DanePosture dane;
  Judgement judgement;
};

// The MTA-STS policy that senders apply.
struct AppliedPolicy {
  bool known = true;               // false: there may be one of any mode
  std::optional<MtaStsMode> mode;  // none: there is no policy
};

// Findings and verdict, from all that is in `server` already. Pure. Path of the findings:
// "mx/<host>".
void JudgeMailServer(const AppliedPolicy& policy, absl::Time now, MailServerPosture& server);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INBOUND_MAIL_SERVER_H_
