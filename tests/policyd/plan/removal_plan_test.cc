#include "policyd/plan/removal_plan.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Texts = std::vector<std::string>;

constexpr char kOld[] = "\"v=spf1 ~all\"";
constexpr char kMiddle[] = "\"v=spf1 include:a.test ~all\"";
constexpr char kNew[] = "\"v=spf1 include:a.test include:b.test ~all\"";

ChangeRecord Change(const std::string& id, ChangeState state, Texts before, Texts after,
                    const std::string& owner = "example.com") {
  ChangeRecord change;
  change.domain = "example.com";
  change.id = id;
  change.state = state;
  change.dns_provider = "main";
  RecordChangeRecord& record = change.record_changes.emplace_back();
  record.zone = "example.com";
  record.owner_name = owner;
  record.before = std::move(before);
  record.after = std::move(after);
  return change;
}

DomainRecord Domain() {
  DomainRecord domain;
  domain.name = "example.com";
  return domain;
}

TEST(RemovalPlan, TheLastValueIsToldWithTheFirst) {
  // Newest first, as the store lists them.
  const RemovalPlan plan =
      PlanRemoval(Domain(), {Change("c3", ChangeState::kFailed, {kNew}, {"\"never\""}),
                             Change("c2", ChangeState::kSucceeded, {kMiddle}, {kNew}),
                             Change("c1", ChangeState::kSucceeded, {kOld}, {kMiddle})});
  ASSERT_THAT(plan.left, SizeIs(1));
  EXPECT_EQ(plan.left[0].values, Texts{kNew});
  EXPECT_EQ(plan.left[0].values_before, Texts{kOld});
  EXPECT_EQ(plan.left[0].dns_provider, "main");
  EXPECT_EQ(plan.left[0].consequence, "");
  EXPECT_THAT(plan.undo, ElementsAre("c2", "c1"));
}

TEST(RemovalPlan, WhatIsAsItWasIsNotLeft) {
  ChangeRecord undone = Change("c1", ChangeState::kRolledBack, {kOld}, {kNew});
  undone.rolled_back_by = "c2";
  ChangeRecord rollback = Change("c2", ChangeState::kSucceeded, {kNew}, {kOld});
  rollback.intent.rollback_of = "c1";
  const ChangeRecord by_itself = Change("c3", ChangeState::kRolledBack, {kOld}, {kNew});
  const RemovalPlan plan = PlanRemoval(Domain(), {by_itself, rollback, undone});
  EXPECT_THAT(plan.left, IsEmpty());
  EXPECT_THAT(plan.undo, IsEmpty());
}

TEST(RemovalPlan, TheOrderInWhichAHostKeepsRecordsSaysNothing) {
  const RemovalPlan plan = PlanRemoval(
      Domain(), {Change("c2", ChangeState::kSucceeded, {kNew, "\"x\""}, {"\"x\"", kOld}),
                 Change("c1", ChangeState::kSucceeded, {kOld, "\"x\""}, {kNew, "\"x\""})});
  EXPECT_THAT(plan.left, IsEmpty());
}

TEST(RemovalPlan, OneThatNeedsAttentionMayBeThere) {
  const RemovalPlan plan =
      PlanRemoval(Domain(), {Change("c1", ChangeState::kNeedsAttention, {kOld}, {kNew})});
  ASSERT_THAT(plan.left, SizeIs(1));
  EXPECT_THAT(plan.left[0].consequence, HasSubstr("needs attention"));
  EXPECT_THAT(plan.undo, ElementsAre("c1"));
}

TEST(RemovalPlan, BehindARepairNothingCanBeUndone) {
  ChangeRecord repair = Change("c2", ChangeState::kSucceeded, {kOld, kMiddle}, {kMiddle});
  repair.intent.repair = RepairKind::kSpf;
  const RemovalPlan plan =
      PlanRemoval(Domain(), {Change("c3", ChangeState::kSucceeded, {kMiddle}, {kNew}), repair,
                             Change("c1", ChangeState::kSucceeded, {kMiddle}, {kOld, kMiddle})});
  EXPECT_THAT(plan.undo, ElementsAre("c3"));
}

TEST(RemovalPlan, SaysWhatStops) {
  DomainRecord domain = Domain();
  domain.report_addresses = {{"r-0@reports.test", absl::UnixEpoch(), absl::UnixEpoch()},
                             {"r-1@reports.test", absl::UnixEpoch()}};
  ChangeRecord delegated = Change("c4", ChangeState::kSucceeded, {}, {"\"v=DMARC1; p=none\""},
                                  "example.com._dmarc.ops.test");
  delegated.record_changes[0].alias.name = "_dmarc.example.com";
  const RemovalPlan plan = PlanRemoval(
      domain,
      {delegated,
       Change("c3", ChangeState::kSucceeded, {}, {"\"v=DMARC1;\""},
              "example.com._report._dmarc.reports.test"),
       Change("c2", ChangeState::kSucceeded, {}, {"\"v=spf1 ip4:192.0.2.1 -all\""},
              "_spf-0123456789ab.example.com"),
       Change("c1", ChangeState::kSucceeded, {},
              // A cut between two strings goes through the address.
              {"\"v=DMARC1; p=none; rua=mailto:r-1@rep\" \"orts.test,mailto:r-0@reports.test\""},
              "_dmarc.example.com")});
  ASSERT_THAT(plan.left, SizeIs(4));  // by owner
  EXPECT_THAT(plan.left[0].consequence,
              testing::AllOf(HasSubstr("r-1@reports.test"), testing::Not(HasSubstr("r-0@"))));
  EXPECT_THAT(plan.left[1].consequence, HasSubstr("nobody follows"));
  EXPECT_THAT(plan.left[2].consequence, HasSubstr("_dmarc.example.com in the domain's own zone"));
  EXPECT_THAT(plan.left[3].consequence, HasSubstr("lets reports about example.com be sent there"));
}

}  // namespace
}  // namespace dmarcate
