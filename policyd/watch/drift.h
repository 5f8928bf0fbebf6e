// policyd/watch/drift.h
// Drift: what is live is not what Dmarcate last applied, or a name that the SPF record includes is
// no longer what it was. Pure. Dmarcate never corrects it by itself: somebody else may have had a
// reason, and two programs that correct each other never end.

#ifndef DMARCATE_POLICYD_WATCH_DRIFT_H_
#define DMARCATE_POLICYD_WATCH_DRIFT_H_

#include <map>
#include <set>
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

// Owner names at which nothing is expected any more, since a change of them has ended in
// NEEDS_ATTENTION and none has succeeded there since. What was applied before is no measure: that
// change may have written, and its own steps say what a person has to look at. None while a change
// is under way, which has yet to say.
std::set<std::string> NothingExpectedAt(const std::vector<ChangeRecord>& changes);

// Whether the last look can tell drift: it learned something, and not longer than kRememberedFor
// ago. An older answer, or one before a look that learned nothing, may be true no more.
bool CanTellDrift(const std::vector<Observation>& history, absl::Time now);
// Whether what was applied can be read back from what is stored of it.
bool CanBeCompared(const AppliedRecord& applied);

// `history` of applied.record.owner_name, newest first. Nothing if no look since the change learned
// anything, or the last one cannot tell.
std::vector<Drift> FindDrift(const DomainRecord& domain, const AppliedRecord& applied,
                             const std::vector<Observation>& history, absl::Time now);

// Of a name that the SPF record of `domain` leads to. Where the last look learned nothing, that is
// all there is to tell.
std::vector<Drift> FindIncludedDrift(const DomainName& domain, const ObservedName& name,
                                     const std::vector<Observation>& history, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_DRIFT_H_
