// What a person should know about the flattening of a plan, of spf_compile.h.

#include <algorithm>
#include <utility>

#include "lib/base/status_macros.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_compile.h"
#include "policyd/plan/spf_follow.h"

namespace dmarcate {
namespace {

GuardRecord TellVendor(const FlattenedTerm& term, const VendorChange& change) {
  const std::vector<IpNetwork> gained = change.gained.ToNetworks();
  const std::vector<IpNetwork> lost = change.lost.ToNetworks();
  std::string message = fmt::format(
      "{} lets other addresses through than when it was flattened: "
      "{} networks come, {} go",
      term.term, gained.size(), lost.size());
  if (!change.needs_person.empty()) {
    message += fmt::format("; a person must say yes to that: {}", change.needs_person);
  }
  return Warn(guard_code::kSpfVendorChanged, std::move(message),
              {{"term", term.term},
               {"gained", std::to_string(gained.size())},
               {"lost", std::to_string(lost.size())},
               {"needs_person", change.needs_person}});
}

}  // namespace

void FillFlattenedCosts(const SpfCompiled& compiled, std::vector<TermChangeRecord>& changes) {
  for (TermChangeRecord& change : changes) {
    const auto flat = std::ranges::find(compiled.flattened, change.term, &FlattenedTerm::term);
    if (!change.flattened_into.empty() && flat != compiled.flattened.end()) {
      change.lookup_cost = flat->lookup_cost;
    }
  }
}

std::vector<GuardRecord> TellFlattening(const SpfCompiled& compiled, int lookups_after) {
  std::vector<GuardRecord> guards;
  if (compiled.flattened.empty()) {
    if (compiled.lookups_unflattened > kMaxSpfLookups && !compiled.kept.empty()) {
      guards.push_back(Warn(guard_code::kSpfNotFlattened,
                            fmt::format("flattening does not help: {}", Join(compiled.kept, "; ")),
                            {{"kept", Join(compiled.kept, "\n")}}));
    }
    return guards;
  }
  std::vector<std::string> terms;
  std::vector<std::string> described;
  std::vector<std::string> children;
  for (const FlattenedTerm& one : compiled.flattened) {
    terms.push_back(one.term);
    described.push_back(fmt::format("{} ({} look-ups, {} networks)", one.term, one.lookup_cost,
                                    one.networks.size()));
    if (!one.networks_before.empty() && !one.remembered) {
      const VendorChange change = CompareVendor(one.networks_before, one.networks);
      if (!change.empty()) guards.push_back(TellVendor(one, change));
    }
    if (!one.remembered) continue;
    guards.push_back(
        Warn(guard_code::kSpfVendorUnreadable,
             fmt::format("{} cannot be read now, or says more than addresses: its last known {} "
                         "networks stay",
                         one.term, one.networks.size()),
             {{"term", one.term}}));
  }
  for (auto child = compiled.writes.rbegin(); child != compiled.writes.rend(); ++child) {
    children.push_back(child->owner.text());
  }
  guards.push_back(Warn(
      guard_code::kSpfFlattened,
      fmt::format("{} would take {} look-ups, limit {}: {} stand{} as addresses in {}, which makes "
                  "{}; from now on the vendor is followed, and a change there is a plan to apply",
                  "the record", compiled.lookups_unflattened, kMaxSpfLookups, Join(described, ", "),
                  terms.size() == 1 ? "s" : "", Join(children, ", "), lookups_after),
      {{"terms", Join(terms, " ")},
       {"children", Join(children, " ")},
       {"unflattened", std::to_string(compiled.lookups_unflattened)},
       {"lookups", std::to_string(lookups_after)},
       {"kept", Join(compiled.kept, "\n")}}));
  return guards;
}

}  // namespace dmarcate
