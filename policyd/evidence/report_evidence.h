// policyd/evidence/report_evidence.h
// What a rollout is decided by, out of the reports about its domain: days by source and anchor, who
// the anchors are, and since when they show the policy that is published (policyd/rollout/
// evidence.h). Pure.
//
// Only ANCHORED reports count. Of the others there are sentences, and how many in an anchor's name
// wait in quarantine.

#ifndef DMARCATE_POLICYD_EVIDENCE_REPORT_EVIDENCE_H_
#define DMARCATE_POLICYD_EVIDENCE_REPORT_EVIDENCE_H_

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/mailauth/dmarc_record.h"
#include "lib/store/grouping_store.h"
#include "lib/store/policy_store.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/rollout/evidence.h"

namespace dmarcate {

// When the policy changed: somewhere between the two.
using PolicyChange = std::pair<absl::Time, absl::Time>;

struct ReportEvidenceInput {
  std::string domain;
  std::vector<SourceDecision> decisions;
  std::vector<PolicyChange> policy_changes;
  std::optional<DmarcRecord> live;  // absent: nobody can have seen it
  absl::Time now;
  std::vector<SourceGrouping> groupings = {};  // what people merged and split
};

// The own selectors with which a source's mail passed, by source id; for looks at their keys.
struct SourceSelectors {
  std::string source_id;
  std::set<std::string> selectors;
  bool passes_by_spf = false;  // 99 % of its direct mail of 30 days is aligned by SPF
  bool needs_spf = false;      // less than 99 % of it is signed in our name
};

struct ReportEvidence {
  std::vector<SourceEvidence> sources;  // by id
  std::vector<AnchorEvidence> anchors;  // by id
  std::vector<DayNumber> excluded_days;
  std::vector<std::string> advisories;
  std::vector<SourceSelectors> selectors;  // of approved sources
  int64_t quarantined_in_anchors_names = 0;
  std::vector<absl::Time> received;  // of all reports, when; ascending
};

// Not thread-safe. Add() each current report of the last kLongestWindowDays days once, of whatever
// class; then Finish().
class ReportEvidenceBuilder {
 public:
  // `catalogue` outlives it.
  ReportEvidenceBuilder(ReportEvidenceInput input, const Catalogue& catalogue);
  ~ReportEvidenceBuilder();
  ReportEvidenceBuilder(const ReportEvidenceBuilder&) = delete;
  ReportEvidenceBuilder& operator=(const ReportEvidenceBuilder&) = delete;

  void Add(const StoredReport& report);
  ReportEvidence Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a report shows the policy of `live` as it was published. What it leaves out it has not
// shown.
bool ShowsPolicy(const PublishedPolicy& published, const DmarcRecord& live);

// The spans in which policy plans among `changes` moved the record; the watch sees them later.
std::vector<PolicyChange> PolicyMovesOf(const std::vector<ChangeRecord>& changes);

// The longest span of the gates' window without anything received, from the first to `now`. What
// came while the clock was ahead counts as not received. Nothing received: infinite.
absl::Duration LongestGap(std::vector<absl::Time> received, absl::Time now);

// Digest over all decisions, and their revisions.
std::string DecisionsEtagOf(const std::vector<SourceDecision>& decisions);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_EVIDENCE_REPORT_EVIDENCE_H_
