#include "policyd/fleet/fleet_step.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

#include "policyd/fleet/fleet_plan.h"

namespace dmarcate {
namespace {

using Kind = FleetStep::Kind;
using State = FleetMemberState;

constexpr absl::Duration kNow = absl::Seconds(100);

FleetRecord Fleet(FleetState state, uint32_t max_failures = 1) {
  FleetRecord fleet;
  fleet.state = state;
  fleet.limits.max_failures = max_failures;
  return fleet;
}
FleetSeat Seat(State state, bool canary = false) {
  FleetSeat seat;
  seat.state = state;
  seat.canary = canary;
  return seat;
}
FleetStep Next(const FleetRecord& fleet, const std::vector<FleetSeat>& seats,
               const FleetBounds& bounds = {}) {
  return NextFleetStep(fleet, seats, bounds, kNow);
}

TEST(NextFleetStepTest, WhatWaitsForAPersonOrIsOverDoesNothing) {
  for (const FleetState state : {FleetState::kPlanned, FleetState::kSucceeded, FleetState::kFailed,
                                 FleetState::kCancelled}) {
    EXPECT_EQ(Next(Fleet(state), {Seat(State::kPlanned)}).kind, Kind::kWait);
    EXPECT_EQ(Next(Fleet(state), {Seat(State::kUnplanned)}).kind, Kind::kWait);
  }
}

TEST(NextFleetStepTest, PlanningGoesThroughAllAndEnds) {
  std::vector<FleetSeat> seats = {Seat(State::kPlanned), Seat(State::kUnplanned)};
  const FleetStep step = Next(Fleet(FleetState::kPlanning), seats);
  ASSERT_EQ(step.kind, Kind::kBegin);
  EXPECT_EQ(step.seat, 1U);
  seats[1].busy = true;
  EXPECT_EQ(Next(Fleet(FleetState::kPlanning), seats).kind, Kind::kWait);
  seats[1] = Seat(State::kPlanFailed);
  EXPECT_EQ(Next(Fleet(FleetState::kPlanning), seats).kind, Kind::kEnd);
}

TEST(NextFleetStepTest, CanariesFirstAndAlone) {
  std::vector<FleetSeat> seats = {Seat(State::kPlanned), Seat(State::kPlanned, true)};
  const FleetRecord fleet = Fleet(FleetState::kApplying);
  ASSERT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  EXPECT_EQ(Next(fleet, seats).seat, 1U);
  seats[1].busy = true;
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kWait) << "until the canary has ended";
  seats[1].busy = false;
  seats[1].begun = true;
  seats[1].not_before = kNow + absl::Seconds(3);
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kWait) << "servers are behind";
  EXPECT_EQ(Next(fleet, seats).wake, absl::Seconds(3));
  seats[1] = Seat(State::kSucceeded, true);
  EXPECT_EQ(Next(fleet, seats).seat, 0U);
}

TEST(NextFleetStepTest, OneFailedCanaryPausesIt) {
  for (const State failed : {State::kFailed, State::kRolledBack, State::kNeedsAttention}) {
    std::vector<FleetSeat> seats = {Seat(State::kPlanned), Seat(failed, true)};
    FleetRecord fleet = Fleet(FleetState::kApplying, 9);
    const FleetStep step = Next(fleet, seats);
    ASSERT_EQ(step.kind, Kind::kPause);
    EXPECT_EQ(step.reason, kPausedByCanary);
    fleet.accepted_failures = 1;  // a person has seen it
    EXPECT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  }
}

TEST(NextFleetStepTest, TheBudgetOfFailuresPausesIt) {
  std::vector<FleetSeat> seats = {Seat(State::kFailed), Seat(State::kPlanned)};
  FleetRecord fleet = Fleet(FleetState::kApplying, 1);
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  seats.push_back(Seat(State::kRolledBack));
  ASSERT_EQ(Next(fleet, seats).kind, Kind::kPause);
  EXPECT_EQ(Next(fleet, seats).reason, kPausedByBudget);
  fleet.accepted_failures = 2;
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  seats.push_back(Seat(State::kFailed));
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  seats.push_back(Seat(State::kFailed));
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kPause);
}

TEST(NextFleetStepTest, PausedItOnlyFinishesWhatWasBegun) {
  std::vector<FleetSeat> seats = {Seat(State::kPlanned), Seat(State::kPlanned)};
  const FleetRecord fleet = Fleet(FleetState::kPaused);
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kWait);
  seats[1].begun = true;
  ASSERT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  EXPECT_EQ(Next(fleet, seats).seat, 1U);
}

TEST(NextFleetStepTest, CancellingTakesWhatIsLeftAndEnds) {
  std::vector<FleetSeat> seats = {Seat(State::kUnplanned), Seat(State::kSucceeded)};
  const FleetRecord fleet = Fleet(FleetState::kCancelling);
  ASSERT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  seats[0] = Seat(State::kCancelled);
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kEnd);
}

TEST(NextFleetStepTest, UnverifiedOnesHoldTheOthersUp) {
  std::vector<FleetSeat> seats(3, Seat(State::kPlanned));
  for (size_t i = 0; i < 2; ++i) {
    seats[i].begun = true;
    seats[i].not_before = kNow + absl::Minutes(1);
  }
  const FleetRecord fleet = Fleet(FleetState::kApplying);
  EXPECT_EQ(Next(fleet, seats, {.unverified = 2}).kind, Kind::kWait);
  EXPECT_EQ(Next(fleet, seats, {.unverified = 3}).seat, 2U);
}

TEST(NextFleetStepTest, AFleetMayAskForFewerAtOnce) {
  std::vector<FleetSeat> seats(4, Seat(State::kPlanned));
  seats[0].busy = true;
  FleetRecord fleet = Fleet(FleetState::kApplying);
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kBegin);
  fleet.limits.parallel = 1;
  EXPECT_EQ(Next(fleet, seats).kind, Kind::kWait);
}

// Fleets at random, driven to their end by hand: the bounds hold at every moment, canaries come
// first, no member is begun twice, and every fleet ends.
TEST(NextFleetStepTest, RandomFleetsKeepTheBounds) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    const FleetBounds bounds{1 + below(6), 1 + below(3), 1 + below(5)};
    FleetRecord fleet = Fleet(FleetState::kApplying, below(3));
    fleet.limits.parallel = below(8);
    std::vector<FleetSeat> seats;
    for (uint32_t i = below(30) + 1; i > 0; --i) {
      seats.push_back(Seat(below(6) == 0 ? State::kRefused : State::kPlanned));
      seats.back().account = below(4);
      seats.back().canary = seats.back().state == State::kPlanned && below(5) == 0;
    }
    std::vector<int> begun(seats.size());
    absl::Duration now = kNow;
    int moves = 0;
    while (true) {
      ASSERT_LT(++moves, 10'000) << "does not end";
      const FleetStep step = NextFleetStep(fleet, seats, bounds, now);
      if (step.kind == Kind::kEnd) break;
      if (step.kind == Kind::kPause) {  // a person lets it go on
        FleetCounts counts{};
        for (const FleetSeat& seat : seats) ++counts[static_cast<size_t>(seat.state)];
        fleet.accepted_failures = CountFailures(counts);
        continue;
      }
      if (step.kind == Kind::kBegin && below(3) != 0) {
        FleetSeat& seat = seats[step.seat];
        ASSERT_EQ(seat.state, State::kPlanned);
        ASSERT_FALSE(seat.busy);
        ASSERT_LE(seat.not_before, now);
        if (!seat.begun) {
          ASSERT_EQ(++begun[step.seat], 1);
          for (const FleetSeat& other : seats) {
            ASSERT_TRUE(seat.canary || !other.canary || other.state != State::kPlanned);
          }
        }
        seat.busy = true;
        std::map<size_t, uint32_t> accounts;
        uint32_t busy = 0;
        for (const FleetSeat& other : seats) {
          if (!other.busy) continue;
          ++busy;
          ASSERT_LE(++accounts[other.account], bounds.per_account);
        }
        ASSERT_LE(busy, bounds.parallel);
        if (fleet.limits.parallel > 0) {
          ASSERT_LE(busy, fleet.limits.parallel);
        }
        continue;
      }
      // A thread is done, or time passes.
      std::vector<size_t> busy;
      for (size_t i = 0; i < seats.size(); ++i) {
        if (seats[i].busy) busy.push_back(i);
      }
      if (busy.empty()) {
        now += absl::Seconds(1);
        continue;
      }
      FleetSeat& seat = seats[busy[below(static_cast<uint32_t>(busy.size()))]];
      seat.busy = false;
      switch (below(6)) {
        case 0:
          seat.begun = true;
          seat.not_before = now + absl::Seconds(below(20));
          break;
        case 1:
          seat.state = State::kFailed;
          seat.begun = false;
          break;
        default:
          seat.state = State::kSucceeded;
          seat.begun = false;
          break;
      }
    }
    for (const FleetSeat& seat : seats) {
      ASSERT_NE(seat.state, State::kPlanned);
      ASSERT_FALSE(seat.busy || seat.begun);
    }
  }
}

}  // namespace
}  // namespace dmarcate
