// policyd/plan/spf_choice.h
// Which terms are flattened: the fewest that bring the record within the limit; among as many,
// those that are flattened already, and then those that save most look-ups for the networks they
// bring. Pure. Internal to CompileSpf.

#ifndef DMARCATE_POLICYD_PLAN_SPF_CHOICE_H_
#define DMARCATE_POLICYD_PLAN_SPF_CHOICE_H_

#include <set>
#include <string>
#include <vector>

#include "lib/base/ip_address.h"
#include "lib/base/ip_range_set.h"
#include "lib/inspect/spf_outcome.h"
#include "policyd/plan/spf_compile.h"

namespace dmarcate {

struct SpfChoiceRequest {
  const DomainName& domain;
  const SpfTree& intended;
  std::vector<ManagedTerm> own;             // terms of the record that are ours
  const std::vector<ManagedTerm>& managed;  // the book, with what is flattened now
  const SpfCompileOptions& options;
  std::vector<SpfChild> chain = {};  // what there is
  std::set<DomainName> taken = {};
};
struct SpfChoice {
  std::vector<FlattenedTerm> flattened;  // in the order of the record; none: nothing to do, or
  std::vector<std::string> kept;         // nothing helps; why each of ours cannot be
  IpRangeSet carried;                    // what the children let through for them: CarriedBy
};
SpfChoice ChooseFlattened(const SpfChoiceRequest& request);

// What the term alone lets through, in the record of `domain`.
SpfPassSet PassSetOfTerm(const SpfNode& term, const std::string& domain);
// Whether the term's addresses are known and all there is to know about it. If not, and they were
// flattened, those that they were stay: never shrink because something could not be read.
bool IsAddressesOnly(const SpfNode& term, const SpfPassSet& set);

// Those that parse.
std::vector<IpNetwork> ParseNetworks(const std::vector<std::string>& texts);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_SPF_CHOICE_H_
