#include "policyd/reconcile/rollout_control.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fmt/format.h"

namespace dmarcate {
namespace {

constexpr size_t kChangesLookedAt = 50;
constexpr size_t kMostChangesLookedAt = 10'000;
// Named where the store cannot say which: what is not known is never good.
constexpr char kUnknownChange[] = "(unknown)";

// The change after which nobody knows what `owner` holds: it needs attention, and none has
// succeeded there since. Empty: there is none.
std::string AttentionAt(PolicyStore& policies, const std::string& domain,
                        const std::string& owner) {
  std::string before;
  // Plans that were never applied may lie between, any number of them.
  for (size_t looked = 0; looked < kMostChangesLookedAt; looked += kChangesLookedAt) {
    const absl::StatusOr<std::vector<ChangeRecord>> changes =
        policies.ListChanges(domain, before, kChangesLookedAt);
    if (!changes.ok()) return kUnknownChange;
    for (const ChangeRecord& change : *changes) {
      const bool succeeded = change.state == ChangeState::kSucceeded;
      if (!succeeded && change.state != ChangeState::kNeedsAttention) continue;
      const bool here = std::ranges::any_of(
          change.record_changes,
          [&owner](const RecordChangeRecord& record) { return record.owner_name == owner; });
      if (here) return succeeded ? std::string() : change.id;
    }
    if (changes->size() < kChangesLookedAt) return std::string();
    before = changes->back().id;
  }
  return std::string();
}

}  // namespace

ControlEvidence ReadControl(const RolloutState& state, PolicyStore& policies) {
  ControlEvidence control =
      ReadControl(state.domain, "_dmarc." + state.domain, state.pending_change, policies);
  const absl::StatusOr<DomainRecord> domain = policies.GetDomain(state.domain);
  if (domain.ok() && !domain->delegation_zone.empty()) {
    control.writable = false;
    control.why = fmt::format(
        "the DMARC record of {} lies in {} (delegated mode), where a rollout does not move it; it "
        "goes on once the domain has its own record again, or is aborted after that",
        state.domain, domain->delegation_zone);
  }
  return control;
}

ControlEvidence ReadControl(const std::string& domain, const std::string& owner,
                            const std::string& own_change, PolicyStore& policies) {
  ControlEvidence control;
  const absl::StatusOr<DomainRecord> record = policies.GetDomain(domain);
  // Whose provider account writes into the zone has proved that it is theirs.
  control.domain_verified = record.ok() && !record->dns_provider.empty();
  const absl::StatusOr<std::vector<ChangeRecord>> open = policies.OpenChanges();
  if (!open.ok()) {
    control.open_change = kUnknownChange;
  } else {
    for (const ChangeRecord& change : *open) {
      if (change.domain == domain && change.id != own_change) {
        control.open_change = change.id;
      }
    }
  }
  control.attention_change = AttentionAt(policies, domain, owner);
  return control;
}

}  // namespace dmarcate
