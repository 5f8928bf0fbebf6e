// policyd/plan/zone_guard.h
// Whether a name is in a state in which it may be written: the provider and every authoritative
// server hold the same RRset, and it is not somewhere else's (CNAME). Pure.

#ifndef DMARCATE_POLICYD_PLAN_ZONE_GUARD_H_
#define DMARCATE_POLICYD_PLAN_ZONE_GUARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/dns/resolver.h"
#include "lib/store/policy_store.h"
#include "policyd/plan/txt_image.h"

namespace dmarcate {

// What one server holds, compared with what one asks for.
enum class ServerVerdict : uint8_t {
  kHolds,        // the texts asked for
  kHoldsOther,   // an answer, but not that
  kAlias,        // a CNAME
  kUnreachable,  // nothing was learned
};
ServerVerdict JudgeServer(const ServerAnswer& server, const std::vector<TxtRecord>& wanted);
// "TXT \"v=spf1 -all\"", "no TXT record", "timeout", ...: for showing.
std::string DescribeAnswer(const ServerAnswer& server);
// "ns1.example.net 192.0.2.53:53".
std::string DescribeServer(const ServerAnswer& server);

// A name server counts as answered if one of its addresses did: not reaching IPv6 from here is no
// failure of the zone. The names of those that did not answer at all.
std::vector<std::string> SilentServers(const AuthoritativeAnswer& answer);

// CNAME_AT_NAME, ZONE_MOVED (passes, with the names of the servers) and ZONE_INCONSISTENT. `image`
// is what the provider holds.
std::vector<GuardRecord> GuardZone(const TxtImage& image, const AuthoritativeAnswer& servers);

// ZONE_MOVED for each name whose name servers are not those that GuardZone saw when the plan was
// made: what is written would go where nobody asks any more. A plan of before this guard passes.
std::vector<GuardRecord> GuardMoved(const std::vector<GuardRecord>& planned,
                                    const std::vector<GuardRecord>& now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_ZONE_GUARD_H_
