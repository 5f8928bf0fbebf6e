#include "policyd/service/rollout_watcher.h"

#include <iterator>
#include <utility>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/rollout/codec.h"

namespace dmarcate {
namespace {

constexpr size_t kPage = 100;
// Entries hold all that was decided from, so they are read few at a time.
constexpr size_t kLogPage = 5;
constexpr absl::Duration kAgain = absl::Hours(1);

}  // namespace

void RolloutWatcher::Tick() {
  const auto domains = ByDomain();
  if (!domains.ok()) return LogWarn("rollouts_not_listed", {{"error", domains.status()}});
  for (const auto& [domain, rollouts] : *domains) {
    Revisions revisions;
    for (const RolloutRecord& rollout : rollouts) {
      revisions.emplace_back(rollout.id, rollout.revision);
    }
    const absl::Duration now = world_.clock.Monotonic();
    const auto seen = seen_.find(domain);
    if (seen != seen_.end() && seen->second.revisions == revisions &&
        now - seen->second.looked < kAgain) {
      continue;
    }
    const absl::Status looked = LookAt(domain, rollouts);
    if (looked.ok()) {
      seen_[domain] = {std::move(revisions), now};
    } else {
      LogWarn("rollouts_not_looked_at", {{"domain", domain}, {"error", looked}});
    }
  }
}

absl::StatusOr<std::map<std::string, std::vector<RolloutRecord>>> RolloutWatcher::ByDomain() {
  std::map<std::string, std::vector<RolloutRecord>> out;
  std::string domain, id;
  for (;;) {
    DMARCATE_ASSIGN_OR_RETURN(std::vector<RolloutRecord> page,
                              world_.rollouts.ListRollouts("-", domain, id, kPage));
    const bool last = page.size() < kPage;
    if (!page.empty()) {
      domain = page.back().domain;
      id = page.back().id;
    }
    for (RolloutRecord& rollout : page) {
      std::vector<RolloutRecord>& rollouts = out[rollout.domain];
      rollouts.push_back(std::move(rollout));
    }
    if (last) return out;
  }
}

absl::Status RolloutWatcher::LookAt(const std::string& domain,
                                    const std::vector<RolloutRecord>& rollouts) {
  // Nobody is told of a domain that is no longer managed.
  const absl::Status managed = world_.policies.GetDomain(domain).status();
  if (absl::IsNotFound(managed)) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(managed);
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(domain));
  std::vector<RolloutSight> sights;
  for (const RolloutRecord& rollout : rollouts) {
    DMARCATE_ASSIGN_OR_RETURN(RolloutSight sight, Read(rollout));
    sights.push_back(std::move(sight));
  }
  return world_.insights.Fold(domain, LookAtRollouts(name, sights, world_.clock.Now()));
}

absl::StatusOr<RolloutSight> RolloutWatcher::Read(const RolloutRecord& rollout) {
  RolloutSight out;
  DMARCATE_ASSIGN_OR_RETURN(out.state, DecodeState(rollout.state));
  const absl::Time oldest = world_.clock.Now() - kLoweredTold;
  for (;;) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<RolloutLogRecord> page,
        world_.rollouts.ListRolloutLog(rollout.domain, rollout.id,
                                       out.log.empty() ? "" : out.log.back().id, kLogPage));
    const bool last = page.size() < kLogPage;
    std::move(page.begin(), page.end(), std::back_inserter(out.log));
    if (last || out.log.back().time < oldest) return out;
  }
}

}  // namespace dmarcate
