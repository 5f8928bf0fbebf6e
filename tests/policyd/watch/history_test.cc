#include "policyd/watch/history.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using watch_testing::At;
using watch_testing::Seen;
using watch_testing::Unknown;

using History = std::vector<Observation>;

History After(const History& history, const Observation& look, const HistoryLimits& limits = {}) {
  return Apply(history, Observe(history, look, limits));
}

TEST(History, AnUnchangedLookMovesLastSeenAlone) {
  const History history = {Seen({"a"}, 0, 3)};
  const HistoryUpdate update = Observe(history, Seen({"a"}, 4));
  EXPECT_THAT(update.put, ElementsAre(Seen({"a"}, 0, 4)));
  EXPECT_THAT(update.forget, IsEmpty());
}

TEST(History, AnotherAnswerIsANewEntry) {
  EXPECT_THAT(After({Seen({"a"}, 0, 3)}, Seen({"b"}, 4)),
              ElementsAre(Seen({"b"}, 4), Seen({"a"}, 0, 3)));
  EXPECT_THAT(After({Seen({"b"}, 4), Seen({"a"}, 0, 3)}, Seen({"a"}, 5)), SizeIs(3))
      << "what comes back does not continue what was";
}

struct Case {
  const char* name;
  void (*differ)(Observation* look);
  bool same;
};
const Case kCases[] = {
    {"Nothing", [](Observation*) {}, true},
    {"Values", [](Observation* look) { look->values = {"a", "b"}; }, false},
    {"ValuesLeftOut", [](Observation* look) { look->values_sha256 = "x"; }, false},
    {"NoDataIsNotNxDomain", [](Observation* look) { look->outcome = ObservedOutcome::kNxDomain; },
     false},
    {"Alias", [](Observation* look) { look->cname_chain = {"x.example"}; }, false},
    {"Ttl", [](Observation* look) { look->ttl_seconds = 60; }, false},
    {"TtlOfACache",
     [](Observation* look) {
       look->ttl_seconds = 60;
       look->from_servers = false;
     },
     true},
    {"Disagreement", [](Observation* look) { look->disagreeing = {{"ns2", "192.0.2.2:53"}}; },
     false},
    {"SignedNow", [](Observation* look) { look->dnssec = DnssecState::kSecure; }, false},
    {"SignaturesNotSeen", [](Observation* look) { look->dnssec = DnssecState::kUnknown; }, true},
    {"Error", [](Observation* look) { look->error = "x"; }, true},
};
TEST(History, WhatIsADifference) {
  for (const Case& test : kCases) {
    Observation look = Seen({"a"}, 4);
    test.differ(&look);
    EXPECT_EQ(FoundTheSame(Seen({"a"}, 0, 3), look), test.same) << test.name;
    EXPECT_THAT(After({Seen({"a"}, 0, 3)}, look), SizeIs(test.same ? 1 : 2)) << test.name;
  }
}

TEST(History, UnknownNeverTouchesWhatWasKnown) {
  for (const ObservedOutcome outcome :
       {ObservedOutcome::kTimeout, ObservedOutcome::kServfail, ObservedOutcome::kBogus}) {
    History history = After({Seen({"a"}, 0, 3)}, Unknown(outcome, 4));
    EXPECT_THAT(history, ElementsAre(Unknown(outcome, 4), Seen({"a"}, 0, 3)));
    ASSERT_NE(LatestAnswer(history), nullptr);
    EXPECT_EQ(LatestAnswer(history)->values, History{Seen({"a"}, 0)}[0].values);
    history = After(history, Unknown(outcome, 5));
    EXPECT_THAT(history, ElementsAre(Unknown(outcome, 4, 5), Seen({"a"}, 0, 3)));
    // It is over: what was known goes on, and the failure stays as it was.
    history = After(history, Seen({"a"}, 6));
    EXPECT_THAT(history, ElementsAre(Unknown(outcome, 4, 5), Seen({"a"}, 0, 6)));
    // A later one is another one.
    history = After(history, Unknown(outcome, 7));
    EXPECT_THAT(history, SizeIs(3));
    EXPECT_EQ(LastLook(history)->first_seen, At(7));
  }
}

TEST(History, KindsOfUnknownAreKeptApart) {
  EXPECT_THAT(
      After({Unknown(ObservedOutcome::kTimeout, 0, 1)}, Unknown(ObservedOutcome::kServfail, 2)),
      SizeIs(2));
}

TEST(History, WhatTheServersSayAddsToWhatAResolverSaid) {
  Observation cached = Seen({"a"}, 0);
  cached.from_servers = false;
  cached.ttl_seconds = 17;
  cached.dnssec = DnssecState::kUnknown;
  EXPECT_THAT(After({cached}, Seen({"a"}, 1)), ElementsAre(Seen({"a"}, 0, 1)));
}

TEST(History, ACacheThatCountsDownKeepsTheLargestTtl) {
  Observation first = Seen({"a"}, 0), second = Seen({"a"}, 1);
  first.from_servers = second.from_servers = false;
  second.ttl_seconds = 5;
  EXPECT_EQ(After({first}, second)[0].ttl_seconds, 300u);
}

TEST(History, AClockThatWasSetBackLosesNothing) {
  EXPECT_THAT(After({Seen({"a"}, 0, 3)}, Seen({"a"}, 1)), ElementsAre(Seen({"a"}, 0, 1)))
      << "else it would be due at every moment until then";
  EXPECT_THAT(After({Seen({"a"}, 2, 3)}, Seen({"a"}, 1)), ElementsAre(Seen({"a"}, 2)));
  const History history = After({Seen({"a"}, 5, 6)}, Seen({"b"}, 1));
  ASSERT_THAT(history, SizeIs(2));
  EXPECT_EQ(history[0].values, std::vector<std::string>{"b"}) << "still the newest";
  EXPECT_EQ(history[0].first_seen, At(5) + absl::Microseconds(1));
  EXPECT_GE(history[0].last_seen, history[0].first_seen);
}

TEST(HistoryLimits, TheOldestEntriesGo) {
  History history;
  for (int hour = 0; hour < 1000; ++hour) {
    history = After(history, Seen({std::to_string(hour)}, hour));
  }
  ASSERT_THAT(history, SizeIs(400));
  EXPECT_EQ(history.front().first_seen, At(999));
  EXPECT_EQ(history.back().first_seen, At(600));
}

TEST(HistoryLimits, TtlsThatCountDownPushNothingElseOut) {
  History history = {Seen({"b"}, -5, -1), Seen({"a"}, -10, -6)};
  for (int hour = 0; hour < 1000; ++hour) {
    Observation look = Seen({"b"}, hour);
    look.ttl_seconds = static_cast<uint32_t>(1000 + hour);
    history = After(history, look);
  }
  ASSERT_THAT(history, SizeIs(42));
  EXPECT_EQ(history.front().first_seen, At(999));
  EXPECT_EQ(history[40], Seen({"b"}, -5, -1));
  EXPECT_EQ(history[41], Seen({"a"}, -10, -6));
}

TEST(HistoryLimits, ManyEmptyTextsCostSomething) {
  History history;
  for (int hour = 0; hour < 100; ++hour) {
    Observation look = Seen({std::to_string(hour)}, hour);
    look.values.resize(500);
    history = After(history, look);
  }
  EXPECT_THAT(history, SizeIs(32)) << "512 KiB, 32 octets a text";
}

TEST(HistoryLimits, AnAnswerThatStillHoldsIsNeverTooOld) {
  const int year = 24 * 365;
  const History history = {Seen({"b"}, 0, 2 * year)};
  EXPECT_THAT(After(history, Seen({"b"}, 2 * year + 1)), ElementsAre(Seen({"b"}, 0, 2 * year + 1)));
}

TEST(HistoryLimits, AgeCountsFromLastSeen) {
  const int days_401 = 24 * 401;
  const History history = {Seen({"b"}, 2, 100), Seen({"a"}, 0, 1)};
  EXPECT_THAT(After(history, Seen({"c"}, days_401)),
              ElementsAre(Seen({"c"}, days_401), Seen({"b"}, 2, 100)));
}

TEST(HistoryLimits, BytesAreBounded) {
  const std::string large(16 << 10, 'x');
  History history;
  for (int hour = 0; hour < 100; ++hour) {
    history = After(history, Seen({large + std::to_string(hour)}, hour));
  }
  EXPECT_THAT(history, SizeIs(31)) << "512 KiB";
  history = After({}, Seen({large}, 0), {.bytes = 10});
  EXPECT_THAT(After(history, Seen({large}, 1), {.bytes = 10}), SizeIs(1)) << "the newest stays";
}

TEST(HistoryLimits, UnknownIsShortLived) {
  History history = {Seen({"a"}, 0)};
  for (int hour = 1; hour <= 60; hour += 2) {  // each followed by an answer
    history = After(history, Unknown(ObservedOutcome::kTimeout, hour));
    history = After(history, Seen({"a"}, hour + 1));
  }
  EXPECT_THAT(history, SizeIs(21)) << "20 and the answer";
  EXPECT_THAT(After(history, Seen({"a"}, 24 * 15 + 60)), SizeIs(1)) << "two weeks later";
  // They do not push answers out.
  EXPECT_THAT(After({Unknown(ObservedOutcome::kTimeout, 1), Seen({"a"}, 0)},
                    Unknown(ObservedOutcome::kServfail, 2), {.entries = 1, .unknown_entries = 1}),
              ElementsAre(Unknown(ObservedOutcome::kServfail, 2), Seen({"a"}, 0)));
}

TEST(HistoryLimits, ANameThatIsNotLookedAtGoesWhenItIsOld) {
  const History history = {Seen({"a"}, 0)};
  EXPECT_TRUE(Expire(history, At(24 * 399), Watched::kNo).empty());
  EXPECT_TRUE(Expire(history, At(24 * 401), Watched::kYes).empty());
  EXPECT_THAT(Expire(history, At(24 * 401), Watched::kNo).forget, ElementsAre(At(0)));
}

}  // namespace
}  // namespace dmarcate
