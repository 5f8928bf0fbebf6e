#include "tests/simulation/honest_truth.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

namespace dmarcate::simulation {
namespace {

struct Sums {
  int64_t messages = 0, failing = 0, unsigned_mail = 0, listed = 0;
  bool Exceeds(int64_t part, double share) const {
    return static_cast<double>(part) > share * static_cast<double>(messages);
  }
};

// Of all known receivers, and without any one of them.
template <typename F>
bool AnyView(const SimWorld& world, F open) {
  for (int32_t without = -1; without < std::ssize(world.reporters); ++without) {
    if (open(without)) return true;
  }
  return false;
}

bool IsApproved(const SimWorld& world, const SimWorld::Site& site, const Sender& sender) {
  const auto decision = const_cast<SimWorld&>(world).policies.GetDecision(site.domain, sender.id);
  return decision.ok() && decision->state == SourceState::kApproved;
}

// What known receivers saw of each approved sender in the last `days` days; `without`: but for that
// reporter.
std::vector<Sums> SumsOf(const SimWorld& world, const SimWorld::Site& site, int32_t days,
                         int32_t without = -1) {
  std::vector<Sums> out(site.senders.size());
  for (const Tally& tally : site.delivered) {
    if (tally.day < world.Today() - days || tally.day >= world.Today()) continue;
    if (tally.reporter == without) continue;
    Sums& sums = out[static_cast<size_t>(tally.sender)];
    sums.messages += tally.messages;
    sums.failing += tally.messages - tally.aligned;
    sums.unsigned_mail += tally.messages - tally.dkim_aligned;
    sums.listed += tally.listed;
  }
  return out;
}

Sums TotalOf(const SimWorld& world, const SimWorld::Site& site, int32_t days, int32_t without) {
  Sums total;
  const std::vector<Sums> all = SumsOf(world, site, days, without);
  for (size_t i = 0; i < all.size(); ++i) {
    if (!IsApproved(world, site, site.senders[i])) continue;
    total.messages += all[i].messages;
    total.failing += all[i].failing;
  }
  return total;
}

// So many failures may be hidden behind `k` that were seen; near enough to the exact bound.
double MostHidden(int64_t k, double z, double least) {
  return static_cast<double>(k) + z * std::sqrt(static_cast<double>(k) + 1) + least;
}

bool LossIsOpen(const SimWorld& world, const SimWorld::Site& site) {
  // Whatever window is asked of 30 to 180 days: unmet if it is so for the longest or the shortest.
  for (const int32_t days : {30, 60, 90, 180}) {
    const Sums all = TotalOf(world, site, days, -1);
    if (MostHidden(all.failing, 2.6, 2.0) > 0.0095 * static_cast<double>(all.messages)) return true;
    for (size_t i = 0; i < world.reporters.size(); ++i) {
      const Sums others = TotalOf(world, site, days, static_cast<int32_t>(i));
      if (MostHidden(others.failing, 1.9, 1.2) > 0.0095 * static_cast<double>(others.messages)) {
        return true;
      }
    }
  }
  return false;
}

int32_t CoveredDays(const SimWorld::Site& site, DayNumber first, DayNumber last) {
  int32_t covered = 0;
  for (DayNumber day = first; day <= last; ++day) {
    int with = 0;
    for (const auto& [reporter, days] : site.reported) with += days.contains(day) ? 1 : 0;
    // Every known receiver that has begun to report has done so.
    int begun = 0;
    for (const auto& [reporter, days] : site.reported) begun += *days.begin() <= day ? 1 : 0;
    if (with >= 2 && with == begun) ++covered;
  }
  return covered;
}

bool CoverageIsOpen(const SimWorld& world, const SimWorld::Site& site) {
  if (site.reported.size() < 2) return true;
  if (CoveredDays(site, world.Today() - 32, world.Today() - 3) < 28) return true;
  return std::ranges::any_of(site.reported, [&world](const auto& reporter) {
    return *reporter.second.rbegin() < world.Today() - 2;
  });
}

}  // namespace

bool IsTrulyUnmet(GateId gate, const SimWorld& world, const SimWorld::Site& site,
                  const RolloutState& state, const Judge& judge) {
  const DayNumber since = DayOf(world.TrueTime() - (world.now() - judge.StageSince(site)));
  const std::vector<Sums> recent = SumsOf(world, site, 35);
  switch (gate) {
    case GateId::kDwell:
      return CoveredDays(site, since + 1, world.Today() - 1) <
             DwellDays(state, PolicyStage::kReject) + 5;
    case GateId::kCoverage:
      return CoverageIsOpen(world, site);
    case GateId::kSourcesHealthy:
      return AnyView(world, [&](int32_t without) {
        return std::ranges::any_of(SumsOf(world, site, 35, without),
                                   [](const Sums& one) { return one.Exceeds(one.failing, 0.008); });
      });
    case GateId::kDkim:
      return AnyView(world, [&](int32_t without) {
        const std::vector<Sums> seen = SumsOf(world, site, 35, without);
        for (size_t i = 0; i < seen.size(); ++i) {
          if (!IsApproved(world, site, site.senders[i])) continue;
          if (seen[i].Exceeds(seen[i].unsigned_mail, 0.015)) return true;
          if (site.senders[i].selector.empty()) return true;
        }
        return false;
      });
    case GateId::kNothingUnknown:
      for (size_t i = 0; i < recent.size(); ++i) {
        if (site.senders[i].legitimate() && recent[i].messages > 0 &&
            !IsApproved(world, site, site.senders[i])) {
          return true;
        }
      }
      return false;
    case GateId::kRareSenders: {
      const std::set<DayNumber> mixed = judge.MixedDays(site);
      std::set<int32_t> seen;
      for (const Tally& tally : site.delivered) {
        const bool recently = tally.day >= world.Today() - 28 && tally.day < world.Today();
        if (recently && tally.messages > 0 && !mixed.contains(tally.day)) seen.insert(tally.sender);
      }
      for (size_t i = 0; i < site.senders.size(); ++i) {
        if (!IsApproved(world, site, site.senders[i])) continue;
        if (!seen.contains(static_cast<int32_t>(i))) return true;
      }
      // No month's last day that every known receiver has reported about.
      for (DayNumber day = world.Today() - 30; day < world.Today(); ++day) {
        if (ToCivil(day + 1).day() == 1 && CoveredDays(site, day, day) == 1) return false;
      }
      return true;
    }
    case GateId::kRecords:
      return false;  // nobody touches them in an honest run
    case GateId::kIngest: {
      // No report for two days.
      absl::Duration newest = -absl::InfiniteDuration();
      for (const auto& [reporter, time] : site.last_delivered) newest = std::max(newest, time);
      return world.now() - newest > absl::Hours(40) ||
             CoveredDays(site, world.Today() - 32, world.Today() - 2) < 31;
    }
    case GateId::kForwarding: {
      const bool by_name =
          state.settings.ordinary_mailboxes && state.settings.accepted_loss.empty();
      return by_name || AnyView(world, [&](int32_t without) {
               Sums all;
               const std::vector<Sums> seen = SumsOf(world, site, 35, without);
               for (size_t i = 0; i < seen.size(); ++i) {
                 if (!site.senders[i].legitimate()) continue;
                 all.listed += seen[i].listed;
                 all.messages += seen[i].messages + seen[i].listed;
               }
               return all.Exceeds(all.listed, 0.008);
             });
    }
    case GateId::kBlastRadius: {
      return state.mode != RolloutMode::kAutomatic || AnyView(world, [&](int32_t without) {
               Sums all;
               const std::vector<Sums> seen = SumsOf(world, site, 35, without);
               for (size_t i = 0; i < seen.size(); ++i) {
                 if (!site.senders[i].legitimate()) continue;
                 all.failing += seen[i].failing;
                 all.messages += seen[i].messages;
               }
               return all.Exceeds(all.failing, 0.008);
             });
    }
    case GateId::kWindow: {
      const absl::Weekday today = absl::GetWeekday(ToCivil(world.Today()));
      return today == absl::Weekday::saturday || today == absl::Weekday::sunday;
    }
    case GateId::kLossBound:
      return LossIsOpen(world, site);
    case GateId::kReceiverProof:
      return std::ranges::any_of(site.reported, [&](const auto& reporter) {
        return *reporter.second.rbegin() <= since + 1;
      });
  }
  return false;
}

bool IsTruePause(PauseReason reason, const SimWorld& world, const SimWorld::Site& site) {
  const std::vector<Sums> week = SumsOf(world, site, 40);
  switch (reason) {
    case PauseReason::kSourceFailing:
      return std::ranges::any_of(site.senders,
                                 [](const Sender& sender) { return sender.failing > 0.008; });
    case PauseReason::kNewSource:
      for (size_t i = 0; i < week.size(); ++i) {
        if (site.senders[i].legitimate() && week[i].messages > 0 &&
            !IsApproved(world, site, site.senders[i])) {
          return true;
        }
      }
      return false;
    default:
      return false;  // nothing else happens in an honest run
  }
}

}  // namespace dmarcate::simulation
