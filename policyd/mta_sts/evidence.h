// policyd/mta_sts/evidence.h
// Everything from outside that a step of the MTA-STS ladder is decided by, as values: TLS reports,
// MX hosts, the file as it is served, the records. Who gathers it fills in each field as it is
// described here; nothing in policyd/mta_sts asks anybody.
//
// Only TLS reports of the class ANCHORED are in `reporters` and `failures` (docs/trust.md), and of
// them only what they say about sessions under policy type sts with the policy that is live now
// (report_tally.h). Days are UTC days of the midpoint of a report's period.

#ifndef DMARCATE_POLICYD_MTA_STS_EVIDENCE_H_
#define DMARCATE_POLICYD_MTA_STS_EVIDENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "policyd/rollout/evidence.h"

namespace dmarcate {

struct StsReporterDay {
  DayNumber day = 0;
  int64_t sessions = 0;  // failed ones included
  int64_t failed = 0;
  friend bool operator==(const StsReporterDay&, const StsReporterDay&) = default;
};
struct StsReporter {
  std::string id;                    // as in `tls list`: "google.com"
  std::vector<StsReporterDay> days;  // with a report under the live policy; ascending, each once
  friend bool operator==(const StsReporter&, const StsReporter&) = default;
};

// Sessions that failed in one way. These overlap (RFC 8460 section 4.4): never added up to a total.
struct StsFailure {
  DayNumber day = 0;
  int32_t reporter = 0;     // index into StsEvidence::reporters
  std::string result_type;  // "certificate-expired"
  std::string mx_host;      // lower case; empty: the reporter did not say
  int64_t failed = 0;
  friend bool operator==(const StsFailure&, const StsFailure&) = default;
};

// The numbers are at rest.
enum class MxFault : uint8_t {
  kNotReached = 1,  // no session: nothing is known of its TLS
  kNoStartTls = 2,
  kNoTls = 3,        // STARTTLS is offered, and no TLS comes about
  kOldTls = 4,       // below 1.2
  kUntrusted = 5,    // no public authority vouches for the certificate
  kWrongName = 6,    // the certificate is not for the host
  kExpired = 7,      // or not valid yet
  kNotVerified = 8,  // we could not verify it
};
std::string_view ToString(MxFault fault);  // "no STARTTLS"

// One host of the live MX records, as the newest look saw all of its addresses that were tried.
struct MxHost {
  std::string name;             // lower case, no dot at the end
  std::vector<MxFault> faults;  // ascending, each once; none: all of it is well
  std::string detail;           // the server's or OpenSSL's words; a stranger's text
  absl::Time since;             // the first of the looks in a row that saw these faults
  int32_t looks = 0;            // in a row
  absl::Time expires = absl::InfiniteFuture();  // the earliest of its certificates
  friend bool operator==(const MxHost&, const MxHost&) = default;
};
struct MxEvidence {
  absl::Time looked = absl::InfinitePast();  // at all hosts; InfinitePast: MX could not be read
  std::vector<MxHost> hosts;                 // by preference; none: the domain receives no mail
  int32_t left_out = 0;                      // hosts that were not looked at, since there are many
  friend bool operator==(const MxEvidence&, const MxEvidence&) = default;
};

enum class FileSight : uint8_t {
  kUnknown = 0,    // nothing was learned
  kServed = 1,     // status 200 over https with a trusted certificate
  kMissing = 2,    // the name has no address, another status, or too large
  kUntrusted = 3,  // the web server's certificate
};
// The newest look at https://mta-sts.<domain>/.well-known/mta-sts.txt.
struct FileEvidence {
  absl::Time looked = absl::InfinitePast();  // when anything was learned
  FileSight sight = FileSight::kUnknown;
  std::string body;        // kServed; the first 64 KiB
  std::string detail;      // else: what was found
  bool plain_text = true;  // kServed: its media type is text/plain
  absl::Time since;        // the first of the looks in a row that saw the same
  int32_t looks = 0;       // in a row
  friend bool operator==(const FileEvidence&, const FileEvidence&) = default;
};

// As the authoritative servers hold them.
struct StsRecordEvidence {
  absl::Time looked = absl::InfinitePast();      // InfinitePast: could not be read
  std::vector<std::string> mta_sts;              // all TXT texts at _mta-sts
  std::vector<std::string> tls_rpt;              // all TXT texts at _smtp._tls
  absl::Time last_drift = absl::InfinitePast();  // of _mta-sts, against what was expected
  friend bool operator==(const StsRecordEvidence&, const StsRecordEvidence&) = default;
};

struct StsEvidence {
  std::string domain;  // whose evidence this is
  std::vector<StsReporter> reporters;
  std::vector<StsFailure> failures;
  MxEvidence mx;
  FileEvidence file;
  StsRecordEvidence records;
  ControlEvidence control;
  bool disk_full = false;               // of either store
  std::vector<std::string> advisories;  // sentences; shown, and no gate reads them
  StandingRules rules = {};
  friend bool operator==(const StsEvidence&, const StsEvidence&) = default;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_EVIDENCE_H_
