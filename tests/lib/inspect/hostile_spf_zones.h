// tests/lib/inspect/hostile_spf_zones.h
// Kinds of zones that somebody made to be asked for SPF, each with what must come of it.

#ifndef DMARCATE_TESTS_LIB_INSPECT_HOSTILE_SPF_ZONES_H_
#define DMARCATE_TESTS_LIB_INSPECT_HOSTILE_SPF_ZONES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/mailauth/spf_evaluate.h"
#include "tests/lib/inspect/hostile_dns.h"

namespace dmarcate {

// What a look at the SPF of the domain must come to.
enum class Tree : uint8_t {
  kComplete,
  kIncomplete,  // lower bounds
  kPermerror,   // no record, several, or one that does not parse
  kNothing,     // nothing was learned
};
enum class Judged : uint8_t { kGood, kFail, kUnknown };  // good: pass, or a warning

struct HostileSpfZone {
  std::string name;
  std::function<void(HostileDns&)> fill;  // "victim.test" and what it leads to
  SpfResult want;                         // for user@victim.test from 192.0.2.1
  Tree tree;
  Judged judged;
};

std::vector<HostileSpfZone> HostileSpfZones();

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_INSPECT_HOSTILE_SPF_ZONES_H_
