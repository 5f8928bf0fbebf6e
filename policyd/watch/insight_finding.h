// policyd/watch/insight_finding.h
// Which findings of the lints and of drift are insights, and what each is known by. Pure.

#ifndef DMARCATE_POLICYD_WATCH_INSIGHT_FINDING_H_
#define DMARCATE_POLICYD_WATCH_INSIGHT_FINDING_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/lint.h"
#include "policyd/plan/spf_follow.h"
#include "policyd/watch/drift.h"

namespace dmarcate {

// An included name that cannot be read is told after that; servers fail now and then.
inline constexpr absl::Duration kUnreadableTold = absl::Hours(24);
// What strangers publish is cut after that.
inline constexpr size_t kMaxInsightMessageBytes = 1000;
inline constexpr size_t kMaxInsightTextBytes = 300;  // path, metadata

// API: never renamed, only added (docs/insights.md).
namespace insight_code {
inline constexpr std::string_view kSpfVendorChanged = "SPF_VENDOR_CHANGED";
inline constexpr std::string_view kSpfVendorBroken = "SPF_VENDOR_BROKEN";
// Out of reports (report_look.h).
inline constexpr std::string_view kSourceUnapproved = "SOURCE_UNAPPROVED";
inline constexpr std::string_view kSourceFailing = "SOURCE_FAILING";
inline constexpr std::string_view kSpoofingBurst = "SPOOFING_BURST";
inline constexpr std::string_view kReporterSilent = "REPORTER_SILENT";
inline constexpr std::string_view kQuarantineSpike = "QUARANTINE_SPIKE";
// Out of rollouts (rollout_look.h).
inline constexpr std::string_view kRolloutBlocked = "ROLLOUT_BLOCKED";
inline constexpr std::string_view kRolloutReady = "ROLLOUT_READY";
inline constexpr std::string_view kRolloutPaused = "ROLLOUT_PAUSED";
inline constexpr std::string_view kPolicyLowered = "POLICY_LOWERED";
// Out of rollouts of MTA-STS (mta_sts_look.h).
inline constexpr std::string_view kMtaStsBlocked = "MTA_STS_BLOCKED";
inline constexpr std::string_view kMtaStsReady = "MTA_STS_READY";
inline constexpr std::string_view kMtaStsPaused = "MTA_STS_PAUSED";
inline constexpr std::string_view kMtaStsLowered = "MTA_STS_LOWERED";
}  // namespace insight_code

// What has to be learned to find something, and to find it gone.
namespace insight_scope {
inline constexpr std::string_view kSpf = "spf";                   // the domain's own record
inline constexpr std::string_view kSpfTree = "spf-tree";          // and all that it leads to
inline constexpr std::string_view kDmarc = "dmarc";               // the domain's own record
inline constexpr std::string_view kDmarcPolicy = "dmarc-policy";  // which record applies
std::string DmarcReport(std::string_view query_name);             // whether that report host agrees
std::string Dkim(std::string_view selector);
std::string Dnssec(std::string_view owner);
std::string Drift(std::string_view owner);
std::string Include(std::string_view owner);
std::string Flattened(std::string_view term);
// Out of reports: what mail says, and whether a reporter still reports.
inline constexpr std::string_view kMail = "mail";
inline constexpr std::string_view kReporters = "reporters";
// Out of what policyd itself keeps of rollouts.
inline constexpr std::string_view kRollouts = "rollouts";
inline constexpr std::string_view kMtaSts = "mta-sts";  // of those of MTA-STS
}  // namespace insight_scope

struct InsightFinding {
  std::string id;  // "spf-dangling-" and 20 hex digits: equal for equal code, subject and place
  std::string code;
  Severity severity = Severity::kWarning;
  std::string scope;  // of insight_scope
  std::string subject, path;
  std::string message, fix_hint, evidence_command, reference;
  std::map<std::string, std::string> metadata;
  std::string content;  // 16 hex digits; another one: it says something else
  int64_t weight = 0;   // a count; larger is worse
  // One count gives one of two insights: the other's id, if that is told of a larger count, or of a
  // smaller one. Both empty: it does not.
  std::string more_id, less_id;
  absl::Time since;  // first seen so, as far as is known
};

// Whether insights have this code. INCLUDE_GONE and INCLUDE_NO_SPF are told as SPF_DANGLING.
bool IsInsightCode(std::string_view code);

// "spf-dangling-" and 20 hex digits. `place` tells apart what has one code and one subject.
std::string InsightIdOf(std::string_view code, std::string_view subject, std::string_view place);
// A name as a word of a command line: whoever copies it must not run what a stranger wrote.
std::string ShellWordOf(std::string_view text);

// In both nothing means that it is none that people are told of.

// `subject`: owner name of the record that the lint is about. Included names that dangle have the
// scope of that name, so that another one that is silent hides nothing.
std::optional<InsightFinding> SelectLint(const DomainName& domain, const LintFinding& finding,
                                         std::string_view subject, absl::Time since);
// INCLUDE_GONE and INCLUDE_NO_SPF come out as SPF_DANGLING, which says the same.
std::optional<InsightFinding> SelectDrift(const DomainName& domain, const Drift& drift,
                                          absl::Time now);

// The vendor behind a flattened term of the domain's SPF record lets other addresses through than
// those that are published for it, or can no longer be flattened; nothing if all is as it was, or
// if it could not be read.
std::optional<InsightFinding> VendorFinding(const DomainName& domain, const ManagedTerm& term,
                                            const VendorFollow& follow, absl::Time since);

// `owner`, at or below `domain`, cannot be validated.
InsightFinding BogusName(const DomainName& domain, const std::string& owner, absl::Time since);

// The lint that says less than the drift of the same name does; empty: none.
std::string_view Superseded(std::string_view drift_code, bool spf);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_INSIGHT_FINDING_H_
