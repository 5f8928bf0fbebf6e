#include "policyd/service/mta_sts_watcher.h"

#include <iterator>
#include <utility>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/mailauth/domain_name.h"
#include "policyd/mta_sts/codec.h"
#include "policyd/watch/mta_sts_look.h"

namespace dmarcate {
namespace {

constexpr size_t kPage = 100;
// Entries hold all that was decided from, so they are read few at a time.
constexpr size_t kLogPage = 5;
constexpr absl::Duration kAgain = absl::Hours(1);

}  // namespace

void MtaStsWatcher::Tick() {
  const auto rollouts = LastOfEach();
  if (!rollouts.ok()) return LogWarn("mta_sts_not_listed", {{"error", rollouts.status()}});
  for (const auto& [domain, rollout] : *rollouts) {
    const absl::Duration now = world_.clock.Monotonic();
    const auto seen = seen_.find(domain);
    if (seen != seen_.end() && seen->second.id == rollout.id &&
        seen->second.revision == rollout.revision && now - seen->second.looked < kAgain) {
      continue;
    }
    const absl::Status looked = LookAt(rollout);
    if (looked.ok()) {
      seen_[domain] = {rollout.id, rollout.revision, now};
    } else {
      LogWarn("mta_sts_not_looked_at", {{"domain", domain}, {"error", looked}});
    }
  }
}

absl::StatusOr<std::map<std::string, RolloutRecord>> MtaStsWatcher::LastOfEach() {
  std::map<std::string, RolloutRecord> out;
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
      std::string of = rollout.domain;
      out.insert_or_assign(std::move(of), std::move(rollout));
    }
    if (last) return out;
  }
}

absl::Status MtaStsWatcher::LookAt(const RolloutRecord& rollout) {
  // Nobody is told of a domain that is no longer managed.
  const absl::Status managed = world_.policies.GetDomain(rollout.domain).status();
  if (absl::IsNotFound(managed)) return absl::OkStatus();
  DMARCATE_RETURN_IF_ERROR(managed);
  DMARCATE_ASSIGN_OR_RETURN(const DomainName name, DomainName::Parse(rollout.domain));
  DMARCATE_ASSIGN_OR_RETURN(const StsState state, DecodeStsState(rollout.state));
  const absl::Time now = world_.clock.Now();
  std::vector<RolloutLogRecord> log;
  for (bool more = true; more;) {
    DMARCATE_ASSIGN_OR_RETURN(
        std::vector<RolloutLogRecord> page,
        world_.rollouts.ListRolloutLog(rollout.domain, rollout.id, log.empty() ? "" : log.back().id,
                                       kLogPage));
    more = page.size() == kLogPage;
    std::move(page.begin(), page.end(), std::back_inserter(log));
    more = more && log.back().time >= now - kLoweredTold;
  }
  return world_.insights.Fold(rollout.domain, LookAtMtaSts(name, state, log, now));
}

}  // namespace dmarcate
