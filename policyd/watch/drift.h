// policyd/watch/drift.h
// Drift: what is live is not what Dmarcate last applied, or a name that the SPF record includes is
// no longer what it was. Pure. Dmarcate never corrects it by itself: somebody else may have had a
// reason, and two programs that correct each other never end.

#ifndef DMARCATE_POLICYD_WATCH_DRIFT_H_
#define DMARCATE_POLICYD_WATCH_DRIFT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/domain_name.h"
#include "lib/mailauth/lint.h"
#include "lib/store/observation_store.h"
#include "lib/store/policy_store.h"

namespace dmarcate {

// API: never renamed, only added (record.proto, docs/changes.md).
namespace drift_code {
inline constexpr std::string_view kRecordGone = "DRIFT_RECORD_GONE";
inline constexpr std::string_view kRecordMultiple = "DRIFT_RECORD_MULTIPLE";
inline constexpr std::string_view kCname = "DRIFT_CNAME";
inline constexpr std::string_view kTermLost = "DRIFT_TERM_LOST";
inline constexpr std::string_view kRuaLost = "DRIFT_RUA_LOST";
inline constexpr std::string_view kRecordChanged = "DRIFT_RECORD_CHANGED";
inline constexpr std::string_view kIncludeGone = "INCLUDE_GONE";
inline constexpr std::string_view kIncludeNoSpf = "INCLUDE_NO_SPF";
inline constexpr std::string_view kIncludeUnreadable = "INCLUDE_UNREADABLE";
inline constexpr std::string_view kIncludeChanged = "INCLUDE_CHANGED";
}  // namespace drift_code

// What is at an included name is told only if a look is no older: nobody may look any more.
inline constexpr absl::Duration kIncludeSeenWithin = absl::Hours(3 * 24);
// How long another record at an included name is told.
inline constexpr absl::Duration kIncludeChangedFor = absl::Hours(7 * 24);

struct Drift {
  std::string code;
  Severity severity = Severity::kWarning;
  ObservedName name;
  std::string message;         // text from outside is escaped
  std::string expected, live;  // the two records, octets; `live` is empty if there is not one
  absl::Time since;            // first seen so
  std::string fix_hint;
  std::string change_id;                        // that applied `expected`; empty: none
  std::map<std::string, std::string> metadata;  // "term", "source", "address"
};

// One record as a change left it.
struct AppliedRecord {
  std::string change_id;
  absl::Time end_time;
  RecordChangeRecord record;
};

// What was last applied at each owner name, given a domain's changes, newest first. A name that a
// later change left in an unknown state (NEEDS_ATTENTION) is not among them, and nothing is while a
// change is under way: what is live then is that change's to say.
std::vector<AppliedRecord> LastApplied(const std::vector<ChangeRecord>& changes);

// `history` of applied.record.owner_name, newest first. Nothing if no look since the change learned
// anything.
std::vector<Drift> FindDrift(const DomainRecord& domain, const AppliedRecord& applied,
                             const std::vector<Observation>& history);

// Of a name that the SPF record of `domain` leads to.
std::vector<Drift> FindIncludedDrift(const DomainName& domain, const ObservedName& name,
                                     const std::vector<Observation>& history, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_DRIFT_H_
