// What looks do to the insights that are kept: a story of looks in each case.

#include "policyd/watch/insights.h"

#include <algorithm>
#include <optional>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/policyd/watch/watch_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using watch_testing::At;

InsightFinding Finding(std::string id = "a", std::string content = "c", int64_t weight = 0,
                       Severity severity = Severity::kWarning) {
  InsightFinding out;
  out.id = std::move(id);
  out.code = "SPF_LOOKUP_MARGIN";
  out.severity = severity;
  out.scope = "spf-tree";
  out.subject = "example.com";
  out.message = fmt::format("{} of 10", weight);
  out.content = std::move(content);
  out.weight = weight;
  out.since = At(0);
  return out;
}

enum class Learned : bool { kNo, kYes };

InsightLook Look(std::vector<InsightFinding> found, Learned learned = Learned::kYes) {
  InsightLook look;
  look.found = std::move(found);
  look.scopes = {"spf-tree"};
  if (learned == Learned::kYes) look.learned = {"spf-tree"};
  return look;
}

// What is kept of one domain.
class Book {
 public:
  InsightUpdate Fold(const InsightLook& look, int hour, const InsightLimits& limits = {}) {
    InsightUpdate update = FoldInsights(kept_, look_, look, At(hour), limits);
    for (const std::string& id : update.forget) {
      std::erase_if(kept_, [&](const InsightRecord& record) { return record.id == id; });
    }
    for (const InsightRecord& put : update.put) Put(put);
    if (update.look) look_ = update.look;
    return update;
  }
  void Decide(const std::string& id, InsightState state, int hour) {
    Put(Decided(Get(id), state, "local", "why", At(hour)));
  }
  InsightRecord Get(const std::string& id = "a") const {
    for (const InsightRecord& record : kept_) {
      if (record.id == id) return record;
    }
    ADD_FAILURE() << "no " << id;
    return {};
  }
  InsightState State(const std::string& id = "a") const { return Get(id).state; }
  const std::vector<InsightRecord>& kept() const { return kept_; }
  const std::optional<InsightLookRecord>& look() const { return look_; }

 private:
  void Put(const InsightRecord& put) {
    std::erase_if(kept_, [&](const InsightRecord& record) { return record.id == put.id; });
    kept_.push_back(put);
  }
  std::vector<InsightRecord> kept_;
  std::optional<InsightLookRecord> look_;
};

TEST(Insights, NewOnesAreActive) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  const InsightRecord record = book.Get();
  EXPECT_EQ(record.state, InsightState::kActive);
  EXPECT_EQ(record.first_seen, At(0));
  EXPECT_EQ(record.last_seen, At(5));
  EXPECT_EQ(record.active_count, 1U);
  EXPECT_EQ(record.revision, 1U);
  EXPECT_EQ(record.resolve_time, absl::InfiniteFuture());
}

TEST(Insights, SeenAgainMovesTheTimeAndNotTheRevision) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  book.Fold(Look({Finding()}), 7);
  EXPECT_EQ(book.Get().last_seen, At(7));
  EXPECT_EQ(book.Get().first_seen, At(0));
  EXPECT_EQ(book.Get().revision, 1U);
}

TEST(Insights, ALookWithinTheHourWritesNothing) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  const InsightUpdate update =
      FoldInsights(book.kept(), book.look(), Look({Finding()}), At(5) + absl::Minutes(59));
  EXPECT_TRUE(update.empty());
}

TEST(Insights, GoneIsResolved) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  book.Fold(Look({}), 6);
  EXPECT_EQ(book.State(), InsightState::kResolved);
  EXPECT_EQ(book.Get().resolve_time, At(6));
  EXPECT_EQ(book.Get().last_seen, At(5));
  EXPECT_EQ(book.Get().revision, 2U);
  book.Fold(Look({}), 7);
  EXPECT_EQ(book.Get().resolve_time, At(6)) << "once";
}

TEST(Insights, UnknownNeverResolves) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  const InsightRecord before = book.Get();
  book.Fold(Look({}, Learned::kNo), 6);
  book.Fold(InsightLook(), 7);
  EXPECT_EQ(book.Get(), before);
}

TEST(Insights, UnknownNeverResolvesWhatWasDecided) {
  Book book;
  book.Fold(Look({Finding()}), 5);
  book.Decide("a", InsightState::kAccepted, 6);
  book.Fold(Look({}, Learned::kNo), 7);
  EXPECT_EQ(book.State(), InsightState::kAccepted);
}

TEST(Insights, FlappingIsActiveEachTime) {
  Book book;
  book.Fold(Look({Finding()}), 1);
  book.Fold(Look({}), 2);
  InsightFinding again = Finding();
  again.since = At(0);
  book.Fold(Look({again}), 3);
  EXPECT_EQ(book.State(), InsightState::kActive);
  EXPECT_EQ(book.Get().first_seen, At(2)) << "not before it was gone";
  EXPECT_EQ(book.Get().resolve_time, absl::InfiniteFuture());
  book.Fold(Look({}), 4);
  book.Fold(Look({again}), 5);
  EXPECT_EQ(book.Get().active_count, 3U);
  EXPECT_EQ(book.Get().revision, 5U);
  EXPECT_THAT(book.kept(), SizeIs(1)) << "one name, however often it comes";
}

struct Decision {
  std::string name;
  InsightFinding before, after;
  InsightState want;
};
void PrintTo(const Decision& one, std::ostream* out) { *out << one.name; }
const Decision kDecisions[] = {
    {"TheSameStays", Finding("a", "c", 8), Finding("a", "c", 8), InsightState::kAccepted},
    {"FewerStays", Finding("a", "c", 9), Finding("a", "c", 8), InsightState::kAccepted},
    {"MoreComesBack", Finding("a", "c", 8), Finding("a", "c", 9), InsightState::kActive},
    {"OtherContentComesBack", Finding("a", "c", 8), Finding("a", "d", 8), InsightState::kActive},
    {"WorseSeverityComesBack", Finding("a", "c", 8), Finding("a", "c", 8, Severity::kError),
     InsightState::kActive},
    {"BetterSeverityStays", Finding("a", "c", 8), Finding("a", "c", 8, Severity::kInfo),
     InsightState::kAccepted},
};
class DecisionTest : public testing::TestWithParam<Decision> {};
TEST_P(DecisionTest, Case) {
  for (const InsightState state : {InsightState::kAccepted, InsightState::kDismissed}) {
    Book book;
    book.Fold(Look({GetParam().before}), 1);
    book.Decide("a", state, 2);
    book.Fold(Look({GetParam().after}), 3);
    const bool stays = GetParam().want == InsightState::kAccepted;
    EXPECT_EQ(book.State(), stays ? state : InsightState::kActive);
    EXPECT_EQ(book.Get().decided_by, stays ? "local" : "");
    EXPECT_EQ(book.Get().note, stays ? "why" : "");
    EXPECT_EQ(book.Get().active_count, stays ? 1U : 2U);
    EXPECT_EQ(book.Get().message, GetParam().after.message) << "it says what is so now";
  }
}
INSTANTIATE_TEST_SUITE_P(All, DecisionTest, testing::ValuesIn(kDecisions),
                         [](const auto& each) { return each.param.name; });

TEST(Insights, FromNineToEightAndBackIsNoNews) {
  Book book;
  book.Fold(Look({Finding("a", "c", 9)}), 1);
  book.Decide("a", InsightState::kAccepted, 2);
  book.Fold(Look({Finding("a", "c", 8)}), 3);
  book.Fold(Look({Finding("a", "c", 9)}), 4);
  EXPECT_EQ(book.State(), InsightState::kAccepted);
  book.Fold(Look({Finding("a", "c", 10)}), 5);
  EXPECT_EQ(book.State(), InsightState::kActive);
}

TEST(Insights, ASeverityThatFallsForAWhileTakesNoDecisionBack) {
  Book book;
  book.Fold(Look({Finding("a", "c", 0, Severity::kError)}), 1);
  book.Decide("a", InsightState::kDismissed, 2);
  book.Fold(Look({Finding("a", "c", 0, Severity::kInfo)}), 3);
  book.Fold(Look({Finding("a", "c", 0, Severity::kError)}), 4);
  EXPECT_EQ(book.State(), InsightState::kDismissed);
}

// 8 to 10 look-ups, and more.
InsightFinding Margin() {
  InsightFinding out = Finding("margin", "c", 8, Severity::kInfo);
  out.more_id = "limit";
  return out;
}
InsightFinding Limit() {
  InsightFinding out = Finding("limit", "c", 11, Severity::kError);
  out.less_id = "margin";
  return out;
}

TEST(Insights, ALowerBoundIsNotTakenForTheCount) {
  for (const bool accepted : {false, true}) {
    Book book;
    book.Fold(Look({Limit()}), 1);
    if (accepted) book.Decide("limit", InsightState::kAccepted, 2);
    book.Fold(Look({Margin()}, Learned::kNo), 3);  // an include is silent
    ASSERT_THAT(book.kept(), SizeIs(1)) << "one count, one insight";
    EXPECT_EQ(book.State("limit"), accepted ? InsightState::kAccepted : InsightState::kActive);
    book.Fold(Look({Limit()}), 4);
    EXPECT_EQ(book.State("limit"), accepted ? InsightState::kAccepted : InsightState::kActive);
    book.Fold(Look({Margin()}), 5);
    EXPECT_EQ(book.State("limit"), InsightState::kResolved);
    EXPECT_EQ(book.State("margin"), InsightState::kActive);
  }
}

TEST(Insights, ALowerBoundIsToldWhereNothingWorseIsKnown) {
  Book book;
  book.Fold(Look({Margin()}, Learned::kNo), 1);
  EXPECT_EQ(book.State("margin"), InsightState::kActive);
}

TEST(Insights, OverTheLimitIsNoLongerNearIt) {
  Book book;
  book.Fold(Look({Margin()}), 1);
  book.Fold(Look({Limit()}, Learned::kNo), 2);  // at least 11
  EXPECT_EQ(book.State("margin"), InsightState::kResolved);
  EXPECT_EQ(book.State("limit"), InsightState::kActive);
}

TEST(Insights, WhatWasDecidedIsResolvedAndComesBackActive) {
  Book book;
  book.Fold(Look({Finding()}), 1);
  book.Decide("a", InsightState::kDismissed, 2);
  book.Fold(Look({}), 3);
  EXPECT_EQ(book.State(), InsightState::kResolved);
  EXPECT_EQ(book.Get().decision, InsightState::kDismissed) << "kept to be read";
  book.Fold(Look({Finding()}), 4);
  EXPECT_EQ(book.State(), InsightState::kActive);
  EXPECT_EQ(book.Get().decide_time, absl::InfinitePast());
}

TEST(Insights, DecidingTwiceOrAboutWhatIsGoneChangesNothing) {
  Book book;
  book.Fold(Look({Finding()}), 1);
  book.Decide("a", InsightState::kAccepted, 2);
  const InsightRecord accepted = book.Get();
  book.Decide("a", InsightState::kAccepted, 3);
  EXPECT_EQ(book.Get(), accepted);
  book.Decide("a", InsightState::kDismissed, 4);
  EXPECT_EQ(book.State(), InsightState::kDismissed);
  EXPECT_EQ(book.Get().revision, accepted.revision + 1);
  book.Fold(Look({}), 5);
  const InsightRecord resolved = book.Get();
  book.Decide("a", InsightState::kAccepted, 6);
  EXPECT_EQ(book.Get(), resolved);
}

TEST(Insights, ResolvedOnesAreForgottenAfterNinetyDays) {
  Book book;
  book.Fold(Look({Finding()}), 1);
  book.Fold(Look({}), 2);
  book.Fold(Look({}), 2 + 90 * 24);
  EXPECT_THAT(book.kept(), SizeIs(1));
  EXPECT_THAT(book.Fold(Look({}), 3 + 90 * 24).forget, ElementsAre("a"));
  EXPECT_THAT(book.kept(), IsEmpty());
}

TEST(Insights, NamesThatFlapWithoutEndFillNothing) {
  Book book;
  for (int i = 0; i < 500; ++i) book.Fold(Look({Finding(fmt::format("i{:03}", i))}), i);
  EXPECT_THAT(book.kept(), SizeIs(201)) << "one active, and the last that were resolved";
  EXPECT_EQ(book.State("i499"), InsightState::kActive);
  EXPECT_EQ(book.State("i299"), InsightState::kResolved);
}

TEST(Insights, AnotherNoteIsKept) {
  InsightRecord record;
  record.state = InsightState::kActive;
  record = Decided(record, InsightState::kAccepted, "anna", "", At(1));
  const InsightRecord noted = Decided(record, InsightState::kAccepted, "ben", "the move", At(2));
  EXPECT_EQ(noted.note, "the move");
  EXPECT_EQ(noted.decided_by, "ben");
  EXPECT_EQ(noted.revision, record.revision + 1);
  EXPECT_EQ(Decided(noted, InsightState::kAccepted, "ben", "the move", At(3)), noted);
  EXPECT_EQ(Decided(noted, InsightState::kAccepted, "cleo", "", At(3)), noted) << "it says no more";
}

TEST(Insights, TheWorstAreKeptAndTheRestIsCounted) {
  Book book;
  std::vector<InsightFinding> found;
  for (int i = 0; i < 300; ++i) found.push_back(Finding(fmt::format("w{:03}", i)));
  book.Fold(Look(found), 1);
  EXPECT_THAT(book.kept(), SizeIs(200));
  EXPECT_EQ(book.look()->left_out, 100U);
  book.Decide("w007", InsightState::kAccepted, 2);
  found.push_back(Finding("error", "c", 0, Severity::kError));
  book.Fold(Look(found), 3);
  EXPECT_THAT(book.kept(), SizeIs(200));
  EXPECT_EQ(book.State("error"), InsightState::kActive);
  EXPECT_EQ(book.State("w007"), InsightState::kAccepted);
  EXPECT_EQ(book.look()->left_out, 101U);
  InsightLook cut = Look(found);
  cut.findings_left_out = 7;  // by the tree itself
  book.Fold(cut, 4);
  EXPECT_EQ(book.look()->left_out, 108U);
}

TEST(Insights, WhatMadeRoomWithoutBeingKnownIsCountedUntilAllIsKnown) {
  Book book;
  std::vector<InsightFinding> found;
  for (int i = 0; i < 200; ++i) found.push_back(Finding(fmt::format("w{:03}", i)));
  book.Fold(Look(found), 1);
  std::vector<InsightFinding> worse;
  for (int i = 0; i < 50; ++i) {
    worse.push_back(Finding(fmt::format("e{:03}", i), "c", 0, Severity::kError));
  }
  book.Fold(Look(worse, Learned::kNo), 2);
  EXPECT_THAT(book.kept(), SizeIs(200));
  EXPECT_EQ(book.look()->left_out, 0U) << "all that was found is kept";
  EXPECT_EQ(book.look()->forgotten_unknown, 50U);
  book.Fold(Look(worse, Learned::kNo), 3);
  EXPECT_EQ(book.look()->forgotten_unknown, 50U) << "still nobody knows of them";
  book.Fold(Look(worse), 4);
  EXPECT_EQ(book.look()->forgotten_unknown, 50U) << "reports are not known";
  InsightLook all = Look(worse);
  all.includes_known = all.selectors_known = all.reports_known = true;
  book.Fold(all, 5);
  EXPECT_EQ(book.look()->forgotten_unknown, 0U);
}

TEST(Insights, WhatIsNotKnownIsKeptShort) {
  Book book;
  InsightLook look = Look({});
  for (int i = 0; i < 50; ++i) look.unknown_names.push_back(fmt::format("n{:02}.test", i));
  book.Fold(look, 1);
  EXPECT_THAT(book.look()->unknown_names, SizeIs(20));
  EXPECT_EQ(book.look()->unknown_names_left_out, 30U);
  EXPECT_EQ(book.look()->time, At(1));
  EXPECT_TRUE(FoldInsights(book.kept(), book.look(), look, At(1) + absl::Minutes(5)).empty());
}

TEST(Insights, AClockThatWasSetBackHoldsUpNothing) {
  Book book;
  book.Fold(Look({Finding()}), 100);
  book.Fold(Look({Finding()}), 50);
  EXPECT_EQ(book.Get().last_seen, At(50));
  EXPECT_EQ(book.look()->time, At(50));
  book.Fold(Look({}), 51);
  InsightFinding again = Finding();
  again.since = At(60);
  book.Fold(Look({again}), 20);
  EXPECT_EQ(book.Get().first_seen, At(20));
}

}  // namespace
}  // namespace dmarcate
