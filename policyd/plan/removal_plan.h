// policyd/plan/removal_plan.h
// What stays in the DNS when a domain is managed no more, by the journal of its changes, and how it
// could be brought back first. Nothing is read from the DNS: a record that somebody else has
// changed since is told as Dmarcate left it. Pure.

#ifndef DMARCATE_POLICYD_PLAN_REMOVAL_PLAN_H_
#define DMARCATE_POLICYD_PLAN_REMOVAL_PLAN_H_

#include <string>
#include <vector>

#include "lib/store/policy_store.h"

namespace dmarcate {

struct LeftRecord {
  std::string owner_name, type, zone;
  std::vector<std::string> values;         // presentation form; none: the record is gone
  std::vector<std::string> values_before;  // before the first change; none: there was no record
  std::string dns_provider;                // id, of the last change
  // What stops working or being looked after, as half sentences joined by "; "; empty: nothing.
  std::string consequence;
  friend bool operator==(const LeftRecord&, const LeftRecord&) = default;
};

struct RemovalPlan {
  std::vector<LeftRecord> left;   // by owner name
  std::vector<std::string> undo;  // change ids, newest first: rolled back in this order
};

// `changes`: all of the domain, newest first. Those that were rolled back cancel out; one that
// needs attention counts as written.
RemovalPlan PlanRemoval(const DomainRecord& domain, const std::vector<ChangeRecord>& changes);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_PLAN_REMOVAL_PLAN_H_
