// policyd/rollout/report_evidence.h
// What the stored reports of one domain say, as evidence for its rollout: sources and anchors from
// ANCHORED reports alone; what the other classes say as sentences. Pure.
//
// A report in which a policy changed (RFC 9990 section 3.3) takes its days out of every gate. A
// report over several days is spread as in the statistics (policyd/analysis/spread.h).

#ifndef DMARCATE_POLICYD_ROLLOUT_REPORT_EVIDENCE_H_
#define DMARCATE_POLICYD_ROLLOUT_REPORT_EVIDENCE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/base/time.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/rollout/evidence.h"

namespace dmarcate {

struct ReportEvidenceInput {
  std::string domain;                               // policy domain, lower case
  DayNumber last = 0;                               // of the range, which has kLongestWindowDays
  std::vector<absl::Time> policy_changes;           // verified live, of the last 180 days
  std::optional<DmarcRecord> published;             // the record that is live
  std::map<std::string, SourceStanding> decisions;  // by source id; others are pending
};

// Not thread-safe. Add() each report once, in any order; then Finish().
class ReportEvidenceBuilder {
 public:
  // `catalogue` outlives it.
  ReportEvidenceBuilder(ReportEvidenceInput input, const Catalogue& catalogue);
  ~ReportEvidenceBuilder();
  ReportEvidenceBuilder(const ReportEvidenceBuilder&) = delete;
  ReportEvidenceBuilder& operator=(const ReportEvidenceBuilder&) = delete;

  // Of another domain or day, or superseded: left out.
  void Add(const StoredReport& report);
  // Fills `sources`, `anchors`, `excluded_days` and `advisories`; all else stays as it is.
  void Finish(Evidence& evidence);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ROLLOUT_REPORT_EVIDENCE_H_
