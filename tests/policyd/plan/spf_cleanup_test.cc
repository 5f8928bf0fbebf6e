// When no cache leads to a child record any more.

#include "policyd/plan/spf_cleanup.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "policyd/plan/txt_image.h"
#include "tests/policyd/plan/plan_testing.h"

namespace dmarcate {
namespace {

constexpr char kOld[] = "v=spf1 include:_spf-0123456789ab.example.com -all";
constexpr char kNew[] = "v=spf1 mx -all";

absl::Time At(int minutes) { return absl::UnixEpoch() + absl::Minutes(minutes); }

ChangeRecord Change(const std::string& before, const std::string& after, int end_minutes,
                    uint32_t ttl_seconds = 600, ChangeState state = ChangeState::kSucceeded) {
  const TxtImage image{
      Name("example.com"), Name("example.com"), {MakeTxtRecord(before)}, ttl_seconds};
  ChangeRecord change;
  change.domain = "example.com";
  change.state = state;
  change.end_time = IsEndState(state) ? At(end_minutes) : absl::InfinitePast();
  change.record_changes = {ReplaceText(image, before, after)};
  return change;
}

std::optional<absl::Time> Forgotten(const std::vector<ChangeRecord>& changes,
                                    std::string_view live = kNew, uint32_t ttl_seconds = 600) {
  return SpfForgottenAt(Name("example.com"), live, ttl_seconds, changes);
}

TEST(SpfForgottenTest, TheTtlAndAnHourAfterTheLastChange) {
  EXPECT_EQ(Forgotten({Change(kOld, kNew, 100)}), At(100 + 10 + 60));
  EXPECT_EQ(Forgotten({Change(kOld, kNew, 100)}, kNew, 7200), At(100 + 120 + 60));
}

TEST(SpfForgottenTest, AnOlderRecordMayLiveLonger) {
  EXPECT_EQ(
      Forgotten({Change("v=spf1 a -all", kNew, 100), Change(kOld, "v=spf1 a -all", 99, 24 * 3600)}),
      At(99 + 24 * 60 + 60));
}

TEST(SpfForgottenTest, WhatIsNotKnownIsNotForgotten) {
  EXPECT_EQ(Forgotten({}), std::nullopt);
  EXPECT_EQ(Forgotten({Change(kOld, kNew, 100)}, "v=spf1 -all"), std::nullopt)
      << "somebody wrote it since, and who knows when";
  EXPECT_EQ(Forgotten({Change(kOld, kNew, 100, 600, ChangeState::kNeedsAttention)}), std::nullopt);
  EXPECT_EQ(Forgotten({Change(kOld, kNew, 100, 600, ChangeState::kVerifying)}), std::nullopt);
}

TEST(SpfForgottenTest, WhatWroteNothingSaysNothing) {
  for (const ChangeState state :
       {ChangeState::kPlanned, ChangeState::kRefused, ChangeState::kExpired,
        ChangeState::kCancelled, ChangeState::kFailed}) {
    EXPECT_EQ(Forgotten({Change(kNew, kOld, 900, 600, state), Change(kOld, kNew, 100)}),
              At(100 + 10 + 60));
  }
}

TEST(SpfForgottenTest, WhatWentBackWasLiveForAWhile) {
  EXPECT_EQ(
      Forgotten({Change(kNew, kOld, 200, 600, ChangeState::kRolledBack), Change(kOld, kNew, 100)}),
      At(200 + 10 + 60));
}

TEST(SpfChildrenNotLedToTest, AChainIsLedToWhole) {
  const std::vector<SpfChild> children = {
      {Name("_spf-1.example.com"), "v=spf1 ip4:192.0.2.1 include:_spf-2.example.com -all"},
      {Name("_spf-2.example.com"), "v=spf1 ip4:192.0.2.2 -all"},
      {Name("_spf-3.example.com"), "v=spf1 ip4:192.0.2.3 -all"},
      {Name("_spf-4.example.com"), ""}};
  const std::vector<SpfChild> unused =
      SpfChildrenNotLedTo(children, {"v=spf1 include:_SPF-1.example.com. -all", "v=spf1 -all"});
  ASSERT_EQ(unused.size(), 1U);
  EXPECT_EQ(unused[0].owner, Name("_spf-3.example.com"));
}

}  // namespace
}  // namespace dmarcate
