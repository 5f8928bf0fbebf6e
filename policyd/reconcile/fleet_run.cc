#include "policyd/reconcile/fleet_run.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace dmarcate {
namespace {

constexpr absl::Duration kRateWindow = absl::Minutes(1);

}  // namespace

FleetProgress ProgressOf(const FleetRecord& record, const std::vector<FleetMemberRecord>& members) {
  FleetProgress progress;
  progress.record = record;
  progress.counts = CountMembers(members);
  progress.groups = GroupMembers(members);
  return progress;
}

FleetRun::FleetRun(FleetRecord record, std::vector<FleetMemberRecord> members,
                   const FleetEngineOptions& options, absl::Duration now)
    : record_(std::move(record)),
      members_(std::move(members)),
      options_(options),
      seats_(members_.size()),
      patience_(members_.size()),
      stage_begin_(now) {
  std::map<std::string_view, size_t> accounts;
  for (size_t i = 0; i < members_.size(); ++i) {
    seats_[i].account = accounts.emplace(members_[i].dns_provider, accounts.size()).first->second;
    Seat(i);
  }
}

void FleetRun::Seat(size_t index) {
  seats_[index].state = members_[index].state;
  seats_[index].canary = members_[index].canary;
}

void FleetRun::Restart(absl::Duration now) {
  stage_begin_ = now;
  ended_.clear();
  for (size_t i = 0; i < seats_.size(); ++i) {
    Seat(i);
    if (!seats_[i].begun) seats_[i].not_before = now;
    patience_[i] = {};
  }
}

bool FleetRun::IsPatienceOver(size_t seat, absl::Duration now) const {
  const absl::Duration limit =
      record_.state == FleetState::kPlanning ? options_.plan_patience : options_.apply_patience;
  return now - std::min(patience_[seat].since, now) >= limit;
}

void FleetRun::Settle(size_t seat, const FleetTurn& turn, absl::Duration now) {
  FleetSeat& at = seats_[seat];
  Patience& patience = patience_[seat];
  at.busy = false;
  members_[seat] = turn.member;
  Seat(seat);
  switch (turn.after) {
    case FleetTurn::After::kDone:
      at.begun = false;
      patience = {};
      ended_.push_back(now);
      while (ended_.front() + kRateWindow < now) ended_.pop_front();
      break;
    case FleetTurn::After::kBusy:
      at.not_before = now + options_.busy_pause;
      break;
    case FleetTurn::After::kOpen:
      // Most often it is just being brought to its end; servers that are behind take longer.
      patience.since = absl::InfiniteDuration();
      patience.pause = std::clamp(patience.pause * 2, options_.busy_pause, options_.open_pause);
      at.begun = true;
      at.not_before = now + patience.pause;
      break;
    case FleetTurn::After::kTrouble:
      patience.since = std::min(patience.since, now);
      patience.pause = std::clamp(patience.pause * 2, options_.first_trouble_pause,
                                  options_.longest_trouble_pause);
      at.not_before = now + patience.pause;
      break;
    case FleetTurn::After::kStopped:
      break;
  }
}

bool FleetRun::IsBusy() const { return std::ranges::any_of(seats_, &FleetSeat::busy); }

FleetProgress FleetRun::Progress(absl::Duration now) const {
  FleetProgress progress = ProgressOf(record_, members_);
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].busy) {
      ++progress.running;
    } else if (seats_[i].begun) {
      ++progress.open;
    } else if (seats_[i].not_before > now) {
      ++progress.retrying;
    }
  }
  const absl::Duration window = std::min(now - stage_begin_, kRateWindow);
  const auto recent =
      std::ranges::count_if(ended_, [&](absl::Duration when) { return when + kRateWindow >= now; });
  if (window <= absl::ZeroDuration() || recent == 0) return progress;
  progress.ended_per_minute = static_cast<double>(recent) / absl::ToDoubleMinutes(window);
  const FleetMemberState left = record_.state == FleetState::kPlanning
                                    ? FleetMemberState::kUnplanned
                                    : FleetMemberState::kPlanned;
  if (record_.state == FleetState::kPlanning || record_.state == FleetState::kApplying) {
    progress.time_left = absl::Minutes(CountOf(progress.counts, left) / progress.ended_per_minute);
  }
  return progress;
}

}  // namespace dmarcate
