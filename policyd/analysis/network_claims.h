// What the live DNS says about the addresses of one source, as evidence that a person reads beside
// what the reports say. Pure.

#ifndef DMARCATE_POLICYD_ANALYSIS_NETWORK_CLAIMS_H_
#define DMARCATE_POLICYD_ANALYSIS_NETWORK_CLAIMS_H_

#include <vector>

#include "policyd/analysis/advice.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/network_evidence.h"
#include "policyd/analysis/service_ranges.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

// Ranges first, then the terms of the domain's own record, then names, and last what is not known.
// An address that nobody has asked the DNS about is said to be so, never to be without a name.
// `own`: OwnTerms() of the domain's live record, or nothing.
std::vector<EvidenceItem> NetworkClaims(const SourceStatistics& source,
                                        const NetworkEvidence& network,
                                        const std::vector<OwnTerm>& own,
                                        const Catalogue& catalogue);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_NETWORK_CLAIMS_H_
