// lib/report/model.h
// What an aggregate report says, as values: RFC 7489 appendix C and RFC 9990, both generations in
// one model. Three states are kept apart everywhere (report-quirks G5): absent (nullopt), empty,
// and a value; defaults are applied by readers, never here. Where a value was not recognised, the
// enum is kUnspecified and the raw text stands in `Repair`.
//
// All strings are valid UTF-8. Domains are lower case without a trailing dot, as A-labels where the
// conversion was possible; they are claims by a stranger and may be no host names at all.

#ifndef DMARCATE_LIB_REPORT_MODEL_H_
#define DMARCATE_LIB_REPORT_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/ip_address.h"

namespace dmarcate {

enum class Policy : uint8_t { kUnspecified, kNone, kQuarantine, kReject };
enum class AlignmentMode : uint8_t { kUnspecified, kRelaxed, kStrict };
enum class Disposition : uint8_t {
  kUnspecified,
  kNone,
  kQuarantine,
  kReject,
  kPass
};  // RFC 9990: pass
// The DMARC-aligned result of one mechanism. Only kPass is a pass.
enum class AlignedResult : uint8_t { kUnspecified, kPass, kFail };
// SPF and DKIM results; kSoftfail occurs in SPF only.
enum class AuthResult : uint8_t {
  kUnspecified,
  kNone,
  kPass,
  kFail,
  kPolicy,
  kNeutral,
  kTemperror,
  kPermerror,
  kSoftfail,
};
enum class SpfScope : uint8_t { kUnspecified, kMfrom, kHelo };
enum class ReasonType : uint8_t {
  kUnspecified,
  kForwarded,
  kSampledOut,
  kTrustedForwarder,
  kMailingList,
  kLocalPolicy,
  kOther,
  kPolicyTestMode,
};
enum class DiscoveryMethod : uint8_t { kUnspecified, kPsl, kTreeWalk };
enum class Dialect : uint8_t { kRfc7489, kRfc9990 };  // a hint for display, never for acceptance

// One deviation and what was made of it (report-quirks G3). `code` is stable: "date_scaled".
struct Repair {
  std::string code;
  std::string path;       // "record[3]/row/count", records counted from 1
  std::string raw;        // as sent, cut at 256 bytes
  std::string chosen;     // what it was read as; empty: dropped
  bool material = false;  // touched a domain, address, counter, interval or result
  friend bool operator==(const Repair&, const Repair&) = default;
};

// report-quirks section 1.
enum class Outcome : uint8_t {
  kAccepted,
  kAcceptedCosmetic,
  kAcceptedMaterial,
  kQuarantined,
  kOverLimit,
  kNotAReport,
  kDuplicate,
};

struct OverrideReason {
  ReasonType type = ReasonType::kUnspecified;
  std::string comment;
  friend bool operator==(const OverrideReason&, const OverrideReason&) = default;
};

struct DkimAuth {
  std::string domain;                   // d=
  std::optional<std::string> selector;  // s=
  AuthResult result = AuthResult::kUnspecified;
  std::string human_result;
  friend bool operator==(const DkimAuth&, const DkimAuth&) = default;
};

struct SpfAuth {
  std::optional<std::string> domain;
  SpfScope scope = SpfScope::kUnspecified;
  AuthResult result = AuthResult::kUnspecified;
  std::string human_result;
  friend bool operator==(const SpfAuth&, const SpfAuth&) = default;
};

// One <record>. `count` is messages; 0 is kept and contributes nothing.
struct AggregateRecord {
  std::optional<IpAddress> source_ip;  // nullopt: none that could be read
  uint64_t count = 0;
  Disposition disposition = Disposition::kUnspecified;
  AlignedResult dkim_aligned = AlignedResult::kUnspecified;
  AlignedResult spf_aligned = AlignedResult::kUnspecified;
  std::vector<OverrideReason> reasons;
  std::string header_from;
  std::optional<std::string> envelope_from;  // empty: the null reverse path
  std::optional<std::string> envelope_to;
  std::vector<DkimAuth> dkim;  // at most 100, aligned ones first when cut (RFC 9990)
  std::vector<SpfAuth> spf;
  bool dmarc_pass() const {
    return dkim_aligned == AlignedResult::kPass || spf_aligned == AlignedResult::kPass;
  }
  friend bool operator==(const AggregateRecord&, const AggregateRecord&) = default;
};

struct PublishedPolicy {
  std::string domain;  // where the record was found; in an accepted report always a host name
  std::optional<Policy> p, sp, np;
  std::optional<AlignmentMode> adkim, aspf;
  std::optional<int32_t> pct;
  std::optional<std::string> fo;
  std::optional<bool> testing;
  std::optional<DiscoveryMethod> discovery_method;
  std::string p_raw;  // as written, for display ("Quarantine")
  friend bool operator==(const PublishedPolicy&, const PublishedPolicy&) = default;
};

struct ReportMetadata {
  std::string org_name;
  std::string email;  // the first addr-spec, or empty
  std::string extra_contact_info;
  std::string report_id;  // "sha256:..." if the report had none
  std::vector<std::string> errors;
  std::string generator;
  int64_t begin = 0;  // seconds since 1970 UTC, as sent (after repairs)
  int64_t end = 0;    // inclusive or exclusive as the reporter likes; see MidpointDay()
  friend bool operator==(const ReportMetadata&, const ReportMetadata&) = default;
};

// What the records of a report come to.
struct RecordSums {
  int64_t records = 0;
  uint64_t messages = 0;  // saturating
  uint64_t largest_count = 0;
  void Add(const AggregateRecord& record) {
    ++records;
    messages = messages > UINT64_MAX - record.count ? UINT64_MAX : messages + record.count;
    if (record.count > largest_count) largest_count = record.count;
  }
  friend bool operator==(const RecordSums&, const RecordSums&) = default;
};

struct AggregateReport {
  Dialect dialect = Dialect::kRfc7489;
  std::string version;
  std::string xml_namespace;
  ReportMetadata metadata;
  PublishedPolicy policy;
  std::vector<AggregateRecord> records;
  // Of a report whose records went elsewhere while they came (record_sink.h); `records` is empty.
  std::optional<RecordSums> gone;
  std::vector<std::string> extensions;  // names of skipped elements, each once, at most 32

  RecordSums sums() const {
    RecordSums out;
    if (gone) return *gone;
    for (const AggregateRecord& record : records) out.Add(record);
    return out;
  }
  uint64_t messages() const { return sums().messages; }
  friend bool operator==(const AggregateReport&, const AggregateReport&) = default;
};

// The UTC day of the middle of [begin, end] (DESIGN: time; spans up to 26 hours belong to it).
// Days since 1970.
inline int32_t MidpointDay(int64_t begin, int64_t end) {
  const int64_t middle = begin + (end - begin) / 2;
  return static_cast<int32_t>(middle >= 0 ? middle / 86400 : (middle - 86399) / 86400);
}

// RFC 8460. Domains and host names keep the letters and dots they were sent with; types are lower
// case. The counts of failure details may overlap: they never add up to a policy's failed sessions,
// and one session may be in two policies (tlsa and sts).
struct TlsReport {
  std::string organization_name, report_id, contact_info;
  std::string begin_text, end_text;
  int64_t begin = 0, end = 0;
  struct FailureDetail {
    std::string result_type, sending_mta_ip, receiving_mx_hostname, receiving_mx_helo, receiving_ip;
    std::string additional_information;  // a URI, as sent: never followed
    std::string reason_code;
    uint64_t failed_sessions = 0;
  };
  struct PolicyResult {
    int ordinal = 0;  // among "policies", from 1, as in the paths of repairs; not stored
    std::string policy_type, policy_domain;
    std::vector<std::string> policy_strings, mx_hosts;
    uint64_t successful_sessions = 0, failed_sessions = 0;
    std::vector<FailureDetail> failures;
  };
  std::vector<PolicyResult> policies;
};

// RFC 6591 and RFC 9991: the machine-readable part, and of the original message what says how it
// was authenticated. No body, no subject. Addresses are reduced to domains, but for the last two
// fields, which hold what stood there until RedactFailureReport() (redaction.h) has replaced local
// parts.
struct FailureReport {
  std::string feedback_type, user_agent, version;
  std::vector<std::string> auth_failure;
  std::string reported_domain, source_ip, arrival_date, delivery_result, identity_alignment;
  std::string dkim_domain, dkim_selector, spf_dns;
  std::string original_mail_from_domain, original_from_domain;
  uint64_t incidents = 1;
  std::string authentication_results, original_message_id;
  friend bool operator==(const FailureReport&, const FailureReport&) = default;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_REPORT_MODEL_H_
