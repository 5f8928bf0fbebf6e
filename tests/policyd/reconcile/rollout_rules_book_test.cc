// Rules of rollouts: freezes, two people, suspension; who may change them, and what is remembered.

#include "policyd/reconcile/rollout_rules_book.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/store/fake_rollout_rules_store.h"
#include "policyd/reconcile/reason.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kDay = absl::Hours(24);

class RolloutRulesBookTest : public testing::Test {
 protected:
  static RulesRequest By(const std::string& who, const std::string& domain = "example.com") {
    return {.domain = domain, .revision = {}, .principal = who};
  }
  static std::string ReasonOf(const absl::Status& status) {
    const auto reason = ErrorReasonOf(status);
    return reason.has_value() ? reason->code : std::string(status.message());
  }
  RolloutRules Now(const std::string& domain = "example.com") { return *book.Get(domain); }
  Evidence Of(const std::string& domain = "example.com") {
    Evidence evidence;
    evidence.domain = domain;
    AddStandingRules(store, clock.Now(), evidence);
    return evidence;
  }

  FakeRolloutRulesStore store;
  FakeClock clock{kNow};
  SeededRandom random{1};
  RolloutRulesBook book{store, clock, random};
};

TEST_F(RolloutRulesBookTest, OnePersonCannotTakeBackThatTwoAreWanted) {
  ASSERT_THAT(book.Update(By("ann"), {.two_people = true}), IsOk());
  EXPECT_TRUE(Of().rules.two_people);
  EXPECT_FALSE(Of("example.net").rules.two_people);
  ASSERT_THAT(book.Update(By("ann"), {.two_people = false}), IsOk());
  EXPECT_TRUE(Now().two_people);
  EXPECT_EQ(Now().release_by, "ann");
  const absl::Status again = book.Update(By("ann"), {.two_people = false}).status();
  EXPECT_EQ(ReasonOf(again), "ROLLOUT_STATE");
  EXPECT_THAT(std::string(again.message()), HasSubstr("ann has asked"));
  EXPECT_TRUE(Of().rules.two_people);
  ASSERT_THAT(book.Update(By("bob"), {.two_people = false}), IsOk());
  EXPECT_FALSE(Of().rules.two_people);
  EXPECT_THAT(Now().log.back().text, HasSubstr("as ann has asked, too"));
  EXPECT_EQ(Now().log.back().who, "bob");
}

TEST_F(RolloutRulesBookTest, AReleaseIsAskedForWithinAWeekAndTakenBack) {
  ASSERT_THAT(book.Update(By("ann"), {.two_people = true}), IsOk());
  ASSERT_THAT(book.Update(By("ann"), {.two_people = false}), IsOk());
  clock.Advance(8 * kDay);
  ASSERT_THAT(book.Update(By("bob"), {.two_people = false}), IsOk());
  EXPECT_TRUE(Now().two_people);  // bob's is the first one again
  EXPECT_EQ(Now().release_by, "bob");
  ASSERT_THAT(book.Update(By("cal"), {.two_people = true}), IsOk());
  EXPECT_EQ(Now().release_by, "");
  ASSERT_THAT(book.Update(By("ann"), {.two_people = false}), IsOk());
  EXPECT_TRUE(Now().two_people);
}

TEST_F(RolloutRulesBookTest, FreezesOfADomainAndOfAllAddUp) {
  const RolloutFreeze later{.begin = kNow + 5 * kDay, .end = kNow + 6 * kDay, .reason = "fair"};
  const RolloutFreeze soon{.begin = kNow, .end = kNow + 2 * kDay, .reason = "year end"};
  ASSERT_THAT(book.AddFreeze(By("ann"), later), IsOk());
  ASSERT_THAT(book.AddFreeze(By("bob", std::string(kRulesOfAll)), soon), IsOk());
  EXPECT_THAT(Of().rules.freezes,
              testing::ElementsAre(FreezeWindow{soon.begin, soon.end, "year end"},
                                   FreezeWindow{later.begin, later.end, "fair"}));
  EXPECT_THAT(Of("example.net").rules.freezes, testing::SizeIs(1));
  EXPECT_EQ(Now().freezes.front().created_by, "ann");
  clock.Advance(3 * kDay);
  EXPECT_THAT(Of().rules.freezes, testing::SizeIs(1));  // what is over
  const std::string id = Now().freezes.front().id;
  EXPECT_EQ(ReasonOf(book.RemoveFreeze(By("ann", "example.net"), id).status()),
            "RESOURCE_NOT_FOUND");
  ASSERT_THAT(book.RemoveFreeze(By("cal"), id), IsOk());
  EXPECT_TRUE(Of().rules.freezes.empty());
  EXPECT_THAT(Now().log.back().text, HasSubstr("takes back the freeze"));
}

TEST_F(RolloutRulesBookTest, RefusesFreezesThatMakeNoSense) {
  const auto refused = [this](RolloutFreeze freeze) {
    return ReasonOf(book.AddFreeze(By("ann"), std::move(freeze)).status());
  };
  EXPECT_EQ(refused({.begin = kNow, .end = kNow + kDay}), "FIELD_INVALID");
  EXPECT_EQ(refused({.begin = kNow, .end = kNow, .reason = "x"}), "FIELD_INVALID");
  EXPECT_EQ(refused({.begin = kNow - 2 * kDay, .end = kNow - kDay, .reason = "x"}),
            "FIELD_INVALID");
  EXPECT_EQ(refused({.begin = kNow, .end = kNow + 401 * kDay, .reason = "x"}), "FIELD_INVALID");
  for (size_t i = 0; i < RolloutRulesBook::kMostFreezes; ++i) {
    EXPECT_EQ(refused({.begin = kNow, .end = kNow + kDay, .reason = "x"}), "");
  }
  EXPECT_EQ(refused({.begin = kNow, .end = kNow + kDay, .reason = "x"}), "FIELD_INVALID");
  clock.Advance(100 * kDay);  // those that are long over make room
  const absl::Time now = clock.Now();
  EXPECT_EQ(refused({.begin = now, .end = now + kDay, .reason = "x"}), "");
  EXPECT_THAT(Now().freezes, testing::SizeIs(1));
}

TEST_F(RolloutRulesBookTest, SuspensionNeedsAReasonAndIsOfADomainOrOfAll) {
  EXPECT_EQ(ReasonOf(book.Update(By("ann"), {.suspended = true}).status()), "FIELD_INVALID");
  ASSERT_THAT(book.Update(By("ann", std::string(kRulesOfAll)),
                          {.suspended = true, .suspend_reason = "attack"}),
              IsOk());
  EXPECT_TRUE(Of().control.suspended);
  EXPECT_EQ(Of().control.why, "all domains are suspended: attack");
  ASSERT_THAT(book.Update(By("ann", std::string(kRulesOfAll)), {.suspended = false}), IsOk());
  EXPECT_FALSE(Of().control.suspended);
}

TEST_F(RolloutRulesBookTest, AnEtagThatIsNamedMustBeRight) {
  RulesRequest first = By("ann");
  first.revision = 0;
  ASSERT_THAT(book.Update(first, {.two_people = true}), IsOk());
  EXPECT_EQ(ReasonOf(book.Update(first, {.suspended = true, .suspend_reason = "x"}).status()),
            "ETAG_MISMATCH");
  first.revision = 1;
  first.mode = RunMode::kValidateOnly;
  ASSERT_THAT(book.Update(first, {.suspended = true, .suspend_reason = "x"}), IsOk());
  EXPECT_FALSE(Now().suspended);
  // What changes nothing writes nothing.
  ASSERT_THAT(book.Update(By("bob"), {.two_people = true}), IsOk());
  EXPECT_EQ(Now().revision, 1u);
}

TEST_F(RolloutRulesBookTest, TheLogKeepsTheLastTwoHundred) {
  for (int i = 0; i < 130; ++i) {
    const absl::Time now = clock.Now();
    ASSERT_THAT(book.AddFreeze(By("ann"), {.begin = now, .end = now + kDay, .reason = "x"}),
                IsOk());
    ASSERT_THAT(book.RemoveFreeze(By("ann"), Now().freezes.front().id), IsOk());
  }
  EXPECT_EQ(Now().log.size(), RolloutRulesBook::kMostEntries);
}

// Rules that cannot be read are not taken for none.
class BrokenRules final : public RolloutRulesStore {
 public:
  absl::StatusOr<RolloutRules> GetRolloutRules(std::string_view) override {
    return absl::DataLossError("a checksum is wrong");
  }
  absl::StatusOr<RolloutRules> PutRolloutRules(RolloutRules) override {
    return absl::DataLossError("a checksum is wrong");
  }
};
TEST_F(RolloutRulesBookTest, UnreadableRulesSuspend) {
  BrokenRules broken;
  Evidence evidence;
  evidence.domain = "example.com";
  AddStandingRules(broken, kNow, evidence);
  EXPECT_TRUE(evidence.control.suspended);
  EXPECT_THAT(evidence.control.why, HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace dmarcate
