// lib/inspect/lookup_budget.h
// What one inspection may ask, however much a hostile zone makes it want. Beyond it no question is
// asked any more, and the answer is an error: nothing was learned.

#ifndef DMARCATE_LIB_INSPECT_LOOKUP_BUDGET_H_
#define DMARCATE_LIB_INSPECT_LOOKUP_BUDGET_H_

#include <atomic>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/dns/resolver.h"

namespace dmarcate {

struct LookupBudget {
  int max_lookups = 0;
  absl::Duration max_time;  // after this no question begins; the last one may take its own deadline
  // Asked before each question; true: nobody waits for the answer any more. Thread-safe if the
  // resolver is used by several threads; empty: never.
  std::function<bool()> stop;
};

// Counts what is asked of either view. Thread-safe. `clock` must outlive it.
class LookupMeter {
 public:
  LookupMeter(const Clock& clock, const LookupBudget& budget)
      : clock_(clock), budget_(budget), start_(clock.Monotonic()) {}

  // One more question.
  //   kResourceExhausted, kDeadlineExceeded  the budget is used up    kCancelled  `stop` said so
  absl::Status Take();

 private:
  const Clock& clock_;
  const LookupBudget budget_;
  const absl::Duration start_;  // monotonic
  std::atomic<int> lookups_ = 0;
};

// Both as those they stand before, within the budget. What they are given must outlive them.
class BudgetedResolver final : public Resolver {
 public:
  BudgetedResolver(Resolver& resolver, LookupMeter& meter) : resolver_(resolver), meter_(meter) {}
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override;

 private:
  Resolver& resolver_;
  LookupMeter& meter_;
};

class BudgetedAuthoritativeResolver final : public AuthoritativeResolver {
 public:
  BudgetedAuthoritativeResolver(AuthoritativeResolver& authoritative, LookupMeter& meter)
      : authoritative_(authoritative), meter_(meter) {}
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override;

 private:
  AuthoritativeResolver& authoritative_;
  LookupMeter& meter_;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_INSPECT_LOOKUP_BUDGET_H_
