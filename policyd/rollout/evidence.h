// policyd/rollout/evidence.h
// Everything from outside that a step of a rollout is decided by, as values: reports, the live DNS,
// the state of policyd and ingestd. Who gathers it fills in each field as it is described here;
// nothing in policyd/rollout asks anybody.
//
// Only reports of the class ANCHORED go into `sources` and `anchors` (docs/trust.md): strangers'
// claims can neither open a gate nor close one. What the other classes say is in `advisories`,
// which is shown and decides nothing.
//
// Days are UTC days of the midpoint of a report's period, each at most once and ascending. The
// order in which reports came in, and how often, leaves no trace.

#ifndef DMARCATE_POLICYD_ROLLOUT_EVIDENCE_H_
#define DMARCATE_POLICYD_ROLLOUT_EVIDENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "policyd/rollout/settings.h"

namespace dmarcate {

enum class SourceStanding : uint8_t { kPending = 1, kApproved = 2, kRejected = 3 };

// One source on one day by one anchor, in messages, from ANCHORED reports.
struct SourceDay {
  DayNumber day = 0;
  int32_t anchor = 0;  // who says so: index into Evidence::anchors
  int64_t messages = 0;
  int64_t aligned = 0;       // DMARC pass: aligned by DKIM or by SPF
  int64_t dkim_aligned = 0;  // aligned by DKIM
  int64_t forwarded = 0;     // not aligned, and a forwarder or a list explains it
  friend bool operator==(const SourceDay&, const SourceDay&) = default;
};

// Every source with an ANCHORED message in the last 180 days, and every approved one.
struct SourceEvidence {
  std::string id;  // "sendgrid"
  SourceStanding standing = SourceStanding::kPending;
  // A pending source that looks like us: it signs or has its envelope in our name, or its identity
  // is a catalogued service's.
  bool looks_legitimate = false;
  // An approved source that can pass by SPF only: it is authorized in SPF, and neither reports nor
  // the live DNS have a DKIM key with which it signs in our name.
  bool spf_only = false;
  // An operator said that it sends once a month, a quarter or a year (gate G5).
  bool declared_rare = false;
  std::vector<SourceDay> days;  // the last 180, by day and anchor
  friend bool operator==(const SourceEvidence&, const SourceEvidence&) = default;
};

// One reporter of the list of anchors that has ever reported about the domain.
struct AnchorEvidence {
  std::string id;               // as in `reports reporters`: "google.com"
  std::vector<DayNumber> days;  // with at least one ANCHORED report, empty ones included; 180 days
  // Nine of ten of its reports come at most so many days after the one before; 0: not known yet, as
  // it has sent fewer than kFewestDaysOfRhythm (policyd/analysis/reporter_ledger.h).
  int32_t usual_gap = 0;
  absl::Time last_report = absl::InfinitePast();  // when the newest one was received
  int64_t messages = 0;                           // of the last 30 days
  // The first day from which on each of its reports has shown the policy that is published now in
  // policy_published. Absent: it has not.
  std::optional<DayNumber> policy_seen_since;
  bool waived = false;  // an operator said that its silence is known (it reports no more)
  friend bool operator==(const AnchorEvidence&, const AnchorEvidence&) = default;
};

enum class BreakageKind : uint8_t {
  kSelectorGone = 1,   // an approved source's DKIM key answers NXDOMAIN, NODATA or is revoked
  kIncludeBroken = 2,  // an approved source's SPF include has no single record
  kSpfPermerror = 3,   // the domain's SPF record is a permerror
};

// What we saw broken in the live DNS ourselves, for an approved source. Seen from every
// authoritative server; an answer that is missing (timeout, SERVFAIL) is none.
struct Breakage {
  BreakageKind kind = BreakageKind::kSelectorGone;
  std::string source_id;  // empty: all that need SPF
  std::string name;       // where: "s1._domainkey.example.com"
  absl::Time since;       // the first of the looks in a row that saw it
  int32_t looks = 0;      // in a row
  // The source's mail still passes without what is broken: by DKIM for SPF, by SPF for DKIM.
  bool carried = false;
  friend bool operator==(const Breakage&, const Breakage&) = default;
};

// The records as the authoritative servers hold them.
struct RecordEvidence {
  absl::Time looked =
      absl::InfinitePast();           // when all of this was read; InfinitePast: could not be
  std::vector<std::string> dmarc;     // all TXT texts at _dmarc
  int32_t lint_errors = 0;            // of SPF and DMARC; warnings do not count
  int32_t spf_lookups = 0;            // of the SPF record; limit 10
  std::vector<std::string> dangling;  // include targets that lead nowhere
  absl::Time last_drift = absl::InfinitePast();  // of SPF or DMARC, against what was expected
  std::string alias = {};  // _dmarc is a CNAME that leads there: the record is somebody else's
  friend bool operator==(const RecordEvidence&, const RecordEvidence&) = default;
};

// How reports come in.
struct IngestEvidence {
  // The longest span in the last 30 days in which ingestd took nothing in, was down or was not
  // watched, up to now.
  absl::Duration longest_gap;
  int64_t queued = 0;                  // received and not yet read
  int64_t quarantined_unreviewed = 0;  // of reports in an anchor's name
  bool disk_full = false;              // of either store
  friend bool operator==(const IngestEvidence&, const IngestEvidence&) = default;
};

// What this policyd may do.
struct ControlEvidence {
  bool domain_verified = true;  // ownership proved, and the proof has not lapsed
  bool suspended = false;       // a person has suspended the domain, or all
  bool writable = true;         // false: policyd is read-only: a demo, a dry run, a restored backup
  std::string open_change;      // id of another change of the domain that has not ended
  std::string attention_change;  // id of one that NEEDS_ATTENTION
  std::string why = {};          // it is suspended or not writable; for people
  friend bool operator==(const ControlEvidence&, const ControlEvidence&) = default;
};

// What people set for every rollout of the domain and for all (lib/store/rollout_rules_store.h).
struct StandingRules {
  std::vector<FreezeWindow> freezes;  // by begin
  bool two_people = false;            // a step up needs the yes of two
  friend bool operator==(const StandingRules&, const StandingRules&) = default;
};

struct Evidence {
  std::string domain;  // whose evidence this is
  // Changes with every approval and rejection; a decision on an older one is void.
  std::string decisions_etag;
  std::vector<SourceEvidence> sources;  // by id
  std::vector<AnchorEvidence> anchors;  // by id
  // Days that count nowhere: a report's period spans a change of the policy (RFC 9990 section 3.3).
  std::vector<DayNumber> excluded_days;
  std::vector<Breakage> breakages;
  RecordEvidence records;
  IngestEvidence ingest;
  ControlEvidence control;
  std::vector<std::string> advisories;  // sentences; shown, and no gate reads them
  StandingRules rules;
  // False: sources were approved or rejected each time that this was gathered.
  bool decisions_settled = true;
  friend bool operator==(const Evidence&, const Evidence&) = default;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_EVIDENCE_H_
