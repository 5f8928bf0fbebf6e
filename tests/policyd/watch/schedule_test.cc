#include "policyd/watch/schedule.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "policyd/watch/history.h"
#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using watch_testing::At;
using watch_testing::Seen;
using watch_testing::Unknown;

const ObservedName kName{"example.com", RecordKind::kSpf};

struct Case {
  const char* name;
  std::vector<Observation> history;
  absl::Duration want;  // after the last look, a tenth more or less
};

TEST(NextLook, DependsOnWhatWasSeen) {
  const Case kCases[] = {
      {"Answer", {Seen({"a"}, 0)}, absl::Hours(1)},
      {"NoRecord", {Seen({}, 0)}, absl::Hours(1)},
      {"WhateverTheTtl",
       {[] {
         Observation out = Seen({"a"}, 0);
         out.from_servers = false;
         out.ttl_seconds = 86400;
         return out;
       }()},
       absl::Hours(1)},
      {"FirstFailure", {Unknown(ObservedOutcome::kTimeout, 0), Seen({"a"}, -1)}, absl::Minutes(1)},
      {"LongFailure", {Unknown(ObservedOutcome::kBogus, -9, 0)}, absl::Hours(1)},
      {"FailureIsOver",
       {Unknown(ObservedOutcome::kTimeout, -2), Seen({"a"}, -3, 0)},
       absl::Hours(1)},
  };
  for (const Case& test : kCases) {
    const absl::Duration pause =
        NextLook(test.history, "example.com", kName, absl::Hours(1), At(0)) - At(0);
    EXPECT_GE(pause, test.want * 0.9) << test.name;
    EXPECT_LE(pause, test.want * 1.1) << test.name;
  }
}

TEST(NextLook, ANameThatWasNeverLookedAtIsDue) {
  EXPECT_EQ(NextLook({}, "example.com", kName, absl::Hours(1), At(0)), absl::InfinitePast());
}

TEST(NextLook, PausesOfAFailureDouble) {
  std::vector<Observation> history;
  absl::Time now = At(0);
  int looks = 0;
  while (now < At(24)) {
    Observation look = Unknown(ObservedOutcome::kServfail, 0);
    look.first_seen = look.last_seen = now;
    history = Apply(history, Observe(history, look));
    now = NextLook(history, "example.com", kName, absl::Hours(1), now);
    ++looks;
  }
  EXPECT_GE(looks, 24 + 5);
  EXPECT_LE(looks, 24 + 10);
}

TEST(NextLook, NamesDriftApartAndEachIsStable) {
  std::set<absl::Time> times;
  for (int i = 0; i < 100; ++i) {
    const ObservedName name{"s" + std::to_string(i) + ".example.com", RecordKind::kDkim};
    const absl::Time next = NextLook({Seen({"a"}, 0)}, "example.com", name, absl::Hours(1), At(0));
    EXPECT_EQ(next, NextLook({Seen({"a"}, 0)}, "example.com", name, absl::Hours(1), At(0)));
    times.insert(next);
  }
  EXPECT_GE(times.size(), 95u);
}

TEST(NextLook, AClockThatWasAheadDoesNotKeepFromLooking) {
  EXPECT_EQ(NextLook({Seen({"a"}, 9000)}, "example.com", kName, absl::Hours(1), At(0)), At(0));
}

TEST(NextLook, AShortIntervalIsKeptInFailure) {
  const absl::Time next = NextLook({Unknown(ObservedOutcome::kTimeout, 0)}, "example.com", kName,
                                   absl::Seconds(10), At(0));
  EXPECT_LE(next - At(0), absl::Seconds(11));
}

}  // namespace
}  // namespace dmarcate
