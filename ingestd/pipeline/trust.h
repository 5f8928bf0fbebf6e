// ingestd/pipeline/trust.h
// How far a report's origin can be believed, by what its mail proves (DESIGN section 5, safety.md
// section 4.1). Pure. docs/trust.md is the same for operators.
//
// A report is a claim by a stranger. What the mail proves is who sent it; that this is who the
// report says it is, and that nobody changed it on the way, is judged here. Whether what it says
// fits the history of our own records is judged by policyd, which can only lower the class.

#ifndef DMARCATE_INGESTD_PIPELINE_TRUST_H_
#define DMARCATE_INGESTD_PIPELINE_TRUST_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

#include "ingestd/pipeline/anchors.h"
#include "lib/mailauth/alignment.h"
#include "lib/mailauth/carrier.h"
#include "lib/report/model.h"
#include "lib/store/report_store.h"
#include "lib/store/trust_reason.h"

namespace dmarcate {

// Mail in a mailbox for longer than this may have outlived its key.
inline constexpr absl::Duration kHistoryAge = absl::Hours(7 * 24);
// More messages than this in one record, or in one report, nobody received from one domain.
inline constexpr uint64_t kMaxRecordMessages = 1'000'000'000;
inline constexpr uint64_t kMaxReportMessages = 100'000'000'000;
// Anchors report by the day, give or take.
inline constexpr int64_t kShortestAnchorSeconds = 60;
inline constexpr int64_t kLongestAnchorSeconds = 35 * 86'400;

// What is known about the mail that carried a report.
struct CarrierEvidence {
  bool is_mail = false;
  // Not set: nothing to check, as there is neither a signature nor an envelope.
  std::optional<CarrierAuth> auth;
  bool one_reading = false;  // lib/unpack/reading.h; asked only where NeedsReading()
  Channel channel = Channel::kUnspecified;
  absl::Time received_time;  // of the mailbox, where it has one; never the sender's Date
  std::string file_name;     // of the report
  std::string subject;
  bool is_tls_report = false;  // what the mail carries: then a key for TLS reports is one
  bool is_enclosed = false;    // in another mail that the verified one forwards
};

struct TrustVerdict {
  TrustClass trust = TrustClass::kUnverified;
  TrustReason reason = TrustReason::kNone;
  std::string detail;    // a sentence for the operator
  std::string reporter;  // report-quirks D1: authenticated where the class says so
};

// The channels of an operator who vouches for the bytes; all others are feeds for anyone's mail.
bool IsHandedIn(Channel channel);

// Who reports as far as the report itself says: the Organizational Domain of its e-mail address,
// else the organisation's name, folded; "unknown" without either.
std::string ClaimedReporter(const ReportMetadata& metadata, const PublicSuffixList& suffixes);

// True if the best signature leaves open how the mail is to be read.
bool NeedsReading(const CarrierAuth& auth);

TrustVerdict JudgeTrust(const CarrierEvidence& evidence, const AggregateReport& report,
                        const AnchorList& anchors, const PublicSuffixList& suffixes,
                        absl::Time now);

// What the mail alone proves, for reports of other kinds: AUTHENTICATED, IMPORTED or UNVERIFIED.
// `claim` is who reports by the report's own word; it names the reporter where nothing better does.
// No such report is ANCHORED, as nothing of it is compared with an anchor's, and none QUARANTINED,
// as a false one changes no number of messages.
TrustVerdict JudgeMail(const CarrierEvidence& evidence, const ReportMetadata& claim,
                       const PublicSuffixList& suffixes, absl::Time now);

// Of a report whose carriers are not verified (trust.verify = false): IMPORTED, or QUARANTINED for
// a claim that cannot be.
TrustVerdict JudgeUnverified(const AggregateReport& report, const PublicSuffixList& suffixes);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_TRUST_H_
