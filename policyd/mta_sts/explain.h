// policyd/mta_sts/explain.h
// A step in words: the text that is stored with it, mailed and shown. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_EXPLAIN_H_
#define DMARCATE_POLICYD_MTA_STS_EXPLAIN_H_

#include <string>
#include <string_view>

#include "policyd/mta_sts/next_step.h"
#include "policyd/mta_sts/state.h"

namespace dmarcate {

// Several lines: where the ladder stands, the decision and why, each gate with what was measured,
// what is required, since when and the command that shows the evidence; the file that is wanted,
// and where it belongs; what to type next. Ends with a line feed.
std::string ExplainStep(const StsState& state, const StsStep& step);

// "https://mta-sts.example.com/.well-known/mta-sts.txt"
std::string StsFileUrl(std::string_view domain);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_EXPLAIN_H_
