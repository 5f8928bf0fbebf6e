// What is applied is what was shown: plans that no longer hold.

#include <atomic>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/change_engine_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ChangeEngineTest, StalePlanNamesTheDifferenceAndIsOver) {
  const ChangeRecord plan = Plan();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=2"});
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_THAT(applied, testing_support::StatusIs(absl::StatusCode::kAborted));
  const std::optional<ErrorReason> reason = ErrorReasonOf(applied.status());
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code, "STALE_PLAN");
  EXPECT_THAT(reason->metadata.at("expected"), HasSubstr("verification=1"));
  EXPECT_THAT(reason->metadata.at("found"), HasSubstr("verification=2"));
  EXPECT_EQ(world.provider->writes(), 0);
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kFailed);
  EXPECT_EQ(CodeOf(Apply(plan).status()), "STALE_PLAN");
}

TEST_F(ChangeEngineTest, PlansOverManagedTermsThatChangedAreStale) {
  const ChangeRecord plan = Plan();
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.managed_terms = {{"mx", "m"}};
  ASSERT_TRUE(world.store.PutDomain(domain).ok());
  EXPECT_EQ(CodeOf(Apply(plan).status()), "STALE_PLAN");
}

TEST_F(ChangeEngineTest, PlansThatPublishARevokedAddressAreStale) {
  constexpr char kAddress[] = "r-0123456789abcdef@reports.test";
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox.clear();
  domain.report_addresses = {{.address = kAddress, .create_time = world.clock.Now()}};
  domain = world.store.PutDomain(domain).value();
  const ChangeRecord first = Plan({.dmarc_report_address = true});
  const ChangeRecord second = Plan({.dmarc_report_address = true});
  domain.report_addresses[0].revoke_time = world.clock.Now();
  domain = world.store.PutDomain(domain).value();
  const absl::StatusOr<ChangeRecord> applied = Apply(first);
  EXPECT_EQ(CodeOf(applied.status()), "STALE_PLAN");
  EXPECT_THAT(applied.status().ToString(), HasSubstr(kAddress));
  EXPECT_EQ(world.provider->writes(), 0);

  domain.report_addresses[0].revoke_time = absl::InfiniteFuture();
  (void)world.store.PutDomain(domain).value();
  EXPECT_THAT(Apply(second), testing_support::IsOk());
}

// A record of over 255 octets is cut, perhaps in the middle of the address.
TEST_F(ChangeEngineTest, ARevokedAddressIsFoundAcrossACut) {
  constexpr char kAddress[] = "r-0123456789abcdef@reports.test";
  std::string head = "v=DMARC1; p=reject; x=";
  const std::string tail = "; rua=mailto:o@o.test";
  head.append(250 - head.size() - tail.size() - std::string(",mailto:").size(), 'x');
  world.provider->SetTexts(TestWorld::kDmarc, {head + tail});
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox.clear();
  domain.report_addresses = {{.address = kAddress, .create_time = world.clock.Now()}};
  domain = world.store.PutDomain(domain).value();
  const ChangeRecord plan = Plan({.dmarc_report_address = true});
  ASSERT_EQ(plan.record_changes.size(), 2u);
  ASSERT_THAT(plan.record_changes[1].after, ElementsAre(HasSubstr("mailto:r-012\" \"3456")));
  domain.report_addresses[0].revoke_time = world.clock.Now();
  (void)world.store.PutDomain(domain).value();
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  EXPECT_EQ(CodeOf(applied.status()), "STALE_PLAN");
  EXPECT_THAT(applied.status().ToString(), HasSubstr(kAddress));
  EXPECT_EQ(world.provider->writes(), 0);
}

// An address that is live already is no reason against a plan, however a host cut the record.
TEST_F(ChangeEngineTest, ARevokedAddressThatIsLiveAcrossACutMayStay) {
  world.provider->Set(
      TestWorld::kDmarc,
      {TxtRecord{{"v=DMARC1; p=reject; rua=mailto:r-0123", "456789abcdef@reports.test"}}});
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox.clear();
  domain.report_addresses = {
      {"r-0123456789abcdef@reports.test", world.clock.Now(), world.clock.Now()},
      {"r-1111111111111111@reports.test", world.clock.Now()}};
  (void)world.store.PutDomain(domain).value();
  const ChangeRecord plan = Plan({.dmarc_report_address = true});
  ASSERT_EQ(plan.record_changes.size(), 2u);
  ASSERT_THAT(plan.record_changes[1].after,
              ElementsAre(HasSubstr("mailto:r-0123456789abcdef@reports.test")));
  EXPECT_THAT(Apply(plan), testing_support::IsOk());
}

TEST_F(ChangeEngineTest, APlanForAnotherProviderIsStaleAndOver) {
  const ChangeRecord plan = Plan();
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.dns_provider = "other";
  ASSERT_TRUE(world.store.PutDomain(domain).ok());
  ApplyRequest request = For(plan);
  request.mode = RunMode::kValidateOnly;
  EXPECT_EQ(CodeOf(engine->Apply(request).status()), "STALE_PLAN");
  EXPECT_EQ(CodeOf(Apply(plan).status()), "STALE_PLAN");
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kFailed);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, WhatIsAppliedIsWhatWasShown) {
  const ChangeRecord plan = Plan();
  ApplyRequest request = For(plan);
  request.plan_digest[0] = request.plan_digest[0] == '0' ? '1' : '0';
  EXPECT_EQ(CodeOf(engine->Apply(request).status()), "PLAN_DIGEST_MISMATCH");
  request = For(plan);
  request.revision += 1;
  EXPECT_EQ(CodeOf(engine->Apply(request).status()), "ETAG_MISMATCH");
  request = For(plan);
  request.id = "none";
  EXPECT_EQ(CodeOf(engine->Apply(request).status()), "RESOURCE_NOT_FOUND");
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AnOldPlanExpires) {
  const ChangeRecord plan = Plan();
  world.clock.Advance(absl::Minutes(30) + absl::Seconds(1));
  EXPECT_EQ(CodeOf(Apply(plan).status()), "PLAN_EXPIRED");
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kExpired);
  EXPECT_EQ(CodeOf(Apply(plan).status()), "PLAN_EXPIRED");
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, CountsAgainRightBeforeWriting) {
  const ChangeRecord plan = Plan();
  std::string many = "v=spf1";
  for (int i = 0; i < 10; ++i) {
    many += " include:n" + std::to_string(i) + ".test";
    world.resolver.SetTxt(Name("n" + std::to_string(i) + ".test"), {"v=spf1 -all"});
  }
  world.resolver.SetTxt(Name("a.test"), {many + " -all"});
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_EQ(CodeOf(applied.status()), "GUARD_REFUSED");
  EXPECT_EQ(ErrorReasonOf(applied.status())->metadata.at("lookups"), "12");
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kPlanned);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, WhatIsStoredIsWhatWasShown) {
  const ChangeRecord plan = Plan();
  ChangeRecord other = plan;
  other.record_changes[1].after = {
      "\"v=DMARC1; p=reject; x=1; rua=mailto:o@o.test,mailto:e@e.test\""};
  DMARCATE_ASSERT_OK_AND_ASSIGN(other, world.store.PutChange(other));
  EXPECT_THAT(Apply(other).status().ToString(), HasSubstr("not the plan that was shown"));
  EXPECT_EQ(world.provider->writes(), 0);
  ExpectOldZone();
}

}  // namespace
}  // namespace dmarcate
