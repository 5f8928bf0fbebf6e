#include "policyd/mta_sts/next_id.h"

#include "policyd/mta_sts/policy_file.h"

namespace dmarcate {

std::string NextStsId(std::string_view file, const LiveStsRecord& live) {
  return IsStsIdOf(file, live.id) ? live.id : StsId(file, StsSerialOf(live.id) + 1);
}

}  // namespace dmarcate
