// policyd/analysis/what_if.h
// What the reports of some days would have said under another policy, other alignment modes and
// other decisions about sources. Pure, and exact over the rows: the counts by trust class, by
// source and by reporter each add up to the total.
//
// A receiver's word stands where nothing changes: in the mode that was published when it looked,
// its own evaluation counts. In another mode the identities that it lists are aligned anew (RFC
// 9989 section 4.4); where it says "pass" and lists none, its word is kept and counted as assumed.
// What receivers do by policies of their own is not foreseen: mail for which they gave a reason to
// go another way is counted as excused, beside what the policy asks for.
//
// Reports of the classes UNVERIFIED and QUARANTINED count nowhere, as in statistics.h, and the same
// bounds hold: what comes after kMaxSources sources or kMaxKeys reporters is counted in one that
// stands for the rest.

#ifndef DMARCATE_POLICYD_ANALYSIS_WHAT_IF_H_
#define DMARCATE_POLICYD_ANALYSIS_WHAT_IF_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/mailauth/alignment.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// What is supposed to be done about a source.
enum class Treatment : uint8_t {
  kAsItIs,
  // Its addresses are in SPF: SPF passes for whatever envelope domain it uses. That helps only
  // where this domain aligns, which is what people want to know before they add an include.
  kSpfAuthorized,
  kSigned,        // it signs each mail with the domain of its From
  kSpfWithdrawn,  // its addresses leave SPF
};

struct WhatIfPolicy {
  DmarcPolicy p = DmarcPolicy::kNone;
  std::optional<DmarcPolicy> sp, np;  // absent: as RFC 9989 section 4.7 has them follow sp and p
  bool testing = false;               // t=y: one step less is asked for
  DmarcAlignmentMode adkim = DmarcAlignmentMode::kRelaxed;
  DmarcAlignmentMode aspf = DmarcAlignmentMode::kRelaxed;
};

struct WhatIf {
  WhatIfPolicy policy;
  std::map<std::string, Treatment, std::less<>> treatments;  // by source id
  std::set<std::string, std::less<>> missing_names;  // names below the domain that do not exist: np
};

// All fields are messages; sums saturate.
struct WhatIfCounts {
  int64_t messages = 0;
  int64_t passed = 0, quarantined_then = 0, rejected_then = 0;  // as it was reported
  int64_t would_pass = 0, quarantined = 0, rejected = 0;        // as it would be
  int64_t newly_refused = 0;    // delivered then; would be quarantined or rejected
  int64_t newly_delivered = 0;  // the other way round
  int64_t excused = 0;  // of quarantined and rejected: the receiver gave a reason to deliver
  int64_t assumed = 0;  // the receiver listed no identity to align anew
  // What is left: messages - quarantined - rejected.
  int64_t delivered() const { return messages - quarantined - rejected; }

  void Add(const WhatIfCounts& other);
  friend bool operator==(const WhatIfCounts&, const WhatIfCounts&) = default;
};

struct WhatIfRow {
  std::string key;  // source id, or organisation
  WhatIfCounts counts;
  std::array<WhatIfCounts, kTrustClasses> by_trust;
};

struct WhatIfResult {
  WhatIfCounts total;
  std::array<WhatIfCounts, kTrustClasses> by_trust;
  std::vector<WhatIfRow> sources;    // most refused first, then most messages, then by key
  std::vector<WhatIfRow> reporters;  // likewise
};

// One row of a report that counts. `published`: the policy that the report says was published.
// `source_id`: by Attribute(). `domain`: the policy domain.
WhatIfCounts Evaluate(const AggregateRecord& record, const PublishedPolicy& published,
                      std::string_view domain, std::string_view source_id, const WhatIf& what_if,
                      const PublicSuffixList& suffixes);

// Not thread-safe. Add() each report of the range once, in any order; then Finish().
class WhatIfBuilder {
 public:
  // All outlive it. `network` and `regrouping`: as for StatisticsBuilder, so that both name the
  // same sources.
  WhatIfBuilder(std::string_view domain, const DayRange& range, const Catalogue& catalogue,
                const PublicSuffixList& suffixes, const WhatIf& what_if,
                const NetworkEvidence* network = nullptr, const Regrouping* regrouping = nullptr);
  ~WhatIfBuilder();
  WhatIfBuilder(const WhatIfBuilder&) = delete;
  WhatIfBuilder& operator=(const WhatIfBuilder&) = delete;

  // What lies outside the range, or does not count, is left out.
  void Add(const StoredReport& report);
  WhatIfResult Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_WHAT_IF_H_
