#include "lib/inspect/lookup_budget.h"

#include "lib/base/status_macros.h"

namespace dmarcate {

absl::Status LookupMeter::Take() {
  if (budget_.stop && budget_.stop()) {
    return MakeError(absl::StatusCode::kCancelled, "told to stop");
  }
  if (lookups_++ >= budget_.max_lookups) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     fmt::format("the budget of {} look-ups is used up", budget_.max_lookups));
  }
  if (clock_.Monotonic() - start_ >= budget_.max_time) {
    return MakeError(
        absl::StatusCode::kDeadlineExceeded,
        fmt::format("the budget of {} seconds is used up", absl::ToInt64Seconds(budget_.max_time)));
  }
  return absl::OkStatus();
}

absl::StatusOr<DnsAnswer> BudgetedResolver::Lookup(const DomainName& name, RrType type) {
  DMARCATE_RETURN_IF_ERROR(meter_.Take());
  return resolver_.Lookup(name, type);
}

absl::StatusOr<AuthoritativeAnswer> BudgetedAuthoritativeResolver::LookupAll(
    const DomainName& owner, RrType type, bool over_tcp) {
  DMARCATE_RETURN_IF_ERROR(meter_.Take());
  return authoritative_.LookupAll(owner, type, over_tcp);
}

}  // namespace dmarcate
