// What may be concluded about a source from reports that a stranger could have written (report
// poisoning). Pure.
//
// A conclusion needs either two anchors, of which the most agree, or reports that the operator
// handed in. A single anchor may be compromised, and anybody can be a reporter that is no anchor:
// what they say is shown, and is a ground for nothing.

#ifndef DMARCATE_POLICYD_ANALYSIS_TRUSTED_H_
#define DMARCATE_POLICYD_ANALYSIS_TRUSTED_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "policyd/analysis/counts.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// What reports say that can be believed (IsBelieved): the rest anybody may claim.
Counts BelievedCounts(const std::array<Counts, kTrustClasses>& by_trust);

enum class TrustedGround : uint8_t {
  kNone,       // only reporters that are no anchors speak of it
  kOneAnchor,  // and no report that the operator handed in
  kImported,   // handed in, perhaps beside one anchor's
  kAnchors,    // two or more
};
enum class Agreement : uint8_t { kNo, kSplit, kYes };

struct TrustedEvidence {
  TrustedGround ground = TrustedGround::kNone;
  Counts counts;  // of that ground
  // Whether its mail carries an aligned signature, passes SPF aligned, or does either, but for
  // single failures. Of several anchors each has one voice, however much it reports.
  Agreement dkim_set_up = Agreement::kNo, spf_set_up = Agreement::kNo, passes = Agreement::kNo;

  bool conclusive() const {
    return ground == TrustedGround::kImported || ground == TrustedGround::kAnchors;
  }
};
// Of a source without mail nothing contradicts a conclusion, and its ground is kImported.
TrustedEvidence TrustedOf(const SourceStatistics& source);

inline constexpr int32_t kSuggestionDays = 7;

// Whether Dmarcate itself says that a source is one to approve. At least two anchors have seen mail
// of it that proves who it is, over kSuggestionDays, and most of them say that it aligns by DKIM,
// so that the domain's own zone has let it sign; nothing that it is known by dangles.
struct Suggestion {
  bool suggested = false;
  std::string reason;  // what speaks for it, or the first thing that is missing; one clause
};
// `dangling`: an SPF name of the source leads to nothing, or whether it does is not known.
Suggestion SuggestApproval(const SourceStatistics& source, bool dangling);

// From here on a mechanism counts as set up: single failures are the receivers' (broken bodies,
// time-outs), not the sender's.
bool NearlyAll(int64_t part, int64_t whole);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_TRUSTED_H_
