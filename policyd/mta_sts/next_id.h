// policyd/mta_sts/next_id.h
// Under which id a policy file is announced, beside the record that is live. Pure.

#ifndef DMARCATE_POLICYD_MTA_STS_NEXT_ID_H_
#define DMARCATE_POLICYD_MTA_STS_NEXT_ID_H_

#include <string>
#include <string_view>

#include "policyd/mta_sts/live_record.h"

namespace dmarcate {

// The live id, if that is of this file, else the one after it (StsId).
std::string NextStsId(std::string_view file, const LiveStsRecord& live);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_NEXT_ID_H_
