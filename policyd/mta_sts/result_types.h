// policyd/mta_sts/result_types.h
// The kinds of failure that TLS reports name (RFC 8460 section 4.3), in words for who has to mend
// them. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_RESULT_TYPES_H_
#define DMARCATE_POLICYD_MTA_STS_RESULT_TYPES_H_

#include <string_view>

namespace dmarcate {

// What it means and what to do, a sentence without a full stop. The registry is open: an unknown
// type says so.
std::string_view ExplainTlsResult(std::string_view result_type);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_RESULT_TYPES_H_
