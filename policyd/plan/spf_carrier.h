// policyd/plan/spf_carrier.h
// What stands in the child records for terms that leave their places in the record. Together they
// stand where the first of them stood, so the others pass terms that somebody wrote between:
// "include:a -ip4:192.0.2.4 include:b". What such a term decides must stay decided, so the
// addresses for which it makes a difference are left out. Pure. Internal to CompileSpf.

#ifndef DMARCATE_POLICYD_PLAN_SPF_CARRIER_H_
#define DMARCATE_POLICYD_PLAN_SPF_CARRIER_H_

#include <string>
#include <vector>

#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_tree.h"
#include "policyd/plan/spf_compile.h"

namespace dmarcate {

struct CarriedSet {
  IpRangeSet passing;
  // Not empty: no set of addresses does; between the terms stands what depends on more than the
  // address.
  std::string why_not;
};
// `intended`: the record with every term in its place; `flattened`: terms of it, with the networks
// that they let through.
CarriedSet CarriedBy(const SpfTree& intended, const std::vector<FlattenedTerm>& flattened);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_CARRIER_H_
