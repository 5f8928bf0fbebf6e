// What is planned, and what is refused.

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policyd/reconcile/change_engine_world.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(ChangeEngineTest, PlansThreeRrSetsInASafeOrder) {
  const ChangeRecord change = Plan();
  EXPECT_EQ(change.state, ChangeState::kPlanned);
  ASSERT_EQ(change.record_changes.size(), 3u);
  EXPECT_EQ(change.record_changes[0].owner_name, TestWorld::kReport.text());
  EXPECT_EQ(change.record_changes[0].zone, "reports.test");
  EXPECT_EQ(change.record_changes[1].owner_name, TestWorld::kDmarc.text());
  EXPECT_EQ(change.record_changes[2].owner_name, "example.com");
  EXPECT_EQ(change.record_changes[2].untouched, Texts{"\"verification=1\""});
  EXPECT_EQ(change.record_changes[2].lookups_before, 1);
  EXPECT_EQ(change.record_changes[2].lookups_after, 2);
  EXPECT_EQ(change.managed_after, (std::vector<ManagedTerm>{{"include:a.test", "a"}}));
  EXPECT_EQ(change.provider_class, 1);
  EXPECT_EQ(change.requested_by, "tokens/p");
  EXPECT_EQ(change.plan_expire_time, change.create_time + absl::Minutes(30));
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, ThePlanTwiceHasOneDigest) {
  EXPECT_EQ(Plan().plan_digest, Plan().plan_digest);
}

TEST_F(ChangeEngineTest, NothingToDoIsSuccess) {
  Applied();
  const ChangeRecord change = Plan();
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_THAT(change.record_changes, IsEmpty());
}

TEST_F(ChangeEngineTest, ARejectedSourceLosesExactlyItsTerms) {
  Applied();
  world.Decide("b", SourceState::kApproved, "b.test");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord both, Apply(Plan()));
  EXPECT_EQ(world.Texts(TestWorld::kSpf)[0],
            "v=spf1  mx ip4:203.0.113.9 include:a.test include:b.test ~all");
  world.Decide("a", SourceState::kRejected, "a.test");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord without, Apply(Plan()));
  EXPECT_EQ(world.Texts(TestWorld::kSpf)[0], "v=spf1  mx ip4:203.0.113.9 include:b.test ~all");
  EXPECT_EQ(world.managed_terms(), (std::vector<ManagedTerm>{{"include:b.test", "b"}}));
}

TEST_F(ChangeEngineTest, ATermThatSomebodyTookOutIsForgotten) {
  Applied();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "verification=1"});
  world.Decide("a", SourceState::kRejected, "a.test");
  EXPECT_EQ(Plan().state, ChangeState::kSucceeded);
  EXPECT_THAT(world.managed_terms(), IsEmpty());
}

TEST_F(ChangeEngineTest, ValidateOnlyLeavesNoTrace) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const ChangeRecord dry, engine->Plan("example.com", {}, "tokens/p", RunMode::kValidateOnly));
  EXPECT_EQ(dry.revision, 0u);
  EXPECT_THAT(world.store.ListChanges("-", "", 10).value(), IsEmpty());
  const ChangeRecord plan = Plan();
  ApplyRequest request = For(plan);
  request.mode = RunMode::kValidateOnly;
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord checked, engine->Apply(request));
  EXPECT_EQ(checked.state, ChangeState::kPlanned);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, RefusesByGuardAndSaysWhy) {
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kOldSpf, "v=spf1 -all"});
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_EQ(CodeOf(applied.status()), "GUARD_REFUSED");
  EXPECT_EQ(ErrorReasonOf(applied.status())->metadata.at("guard"), "SPF_MULTIPLE");
}

TEST_F(ChangeEngineTest, RefusesWhatItCannotCount) {
  world.resolver.Fail(Name("a.test"), RrType::kTxt, absl::UnavailableError("servfail"));
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
}

TEST_F(ChangeEngineTest, RefusesAZoneWhoseServersDisagree) {
  world.fleet.Configure(2, {.lie = Texts{"something"}});
  EXPECT_EQ(Plan().state, ChangeState::kRefused);
  world.fleet.Configure(2, {.silent = true});
  EXPECT_EQ(Plan().state, ChangeState::kRefused);
  world.fleet.Configure(2, {});
  EXPECT_EQ(Plan().state, ChangeState::kPlanned);
}

TEST_F(ChangeEngineTest, RefusesAnAlias) {
  world.fleet.SetAlias(TestWorld::kDmarc, Name("vendor.test"));
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  EXPECT_TRUE(std::ranges::any_of(plan.guards, [](const GuardRecord& guard) {
    return guard.code == "CNAME_AT_NAME" && guard.verdict == GuardVerdict::kRefuse;
  }));
}

TEST_F(ChangeEngineTest, NeverPlansOnGuesses) {
  world.provider->Inject({.call = FakeDnsProvider::Call::kRead,
                          .status = absl::UnavailableError("http 503"),
                          .times = 1000});
  EXPECT_EQ(CodeOf(engine->Plan("example.com", {}, "p").status()), "PROVIDER_UNAVAILABLE");
  EXPECT_THAT(world.store.ListChanges("-", "", 10).value(), IsEmpty());
}

TEST_F(ChangeEngineTest, NeedsAProvider) {
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.dns_provider = "";
  ASSERT_TRUE(world.store.PutDomain(domain).ok());
  EXPECT_EQ(CodeOf(engine->Plan("example.com", {}, "p").status()), "NO_PROVIDER");
  EXPECT_EQ(CodeOf(engine->Plan("other.test", {}, "p").status()), "RESOURCE_NOT_FOUND");
}

// The address that Dmarcate made stands where the operator named no mailbox, by the same rules.
TEST_F(ChangeEngineTest, TheReportAddressGoesBesideWhatIsThere) {
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox = "";
  domain.report_addresses = {
      {"r-0000000000000000@reports.test", world.clock.Now()},
      {"r-1111111111111111@reports.test", world.clock.Now()},
      {"r-2222222222222222@reports.test", world.clock.Now(), world.clock.Now()}};
  ASSERT_TRUE(world.store.PutDomain(domain).ok());
  ChangeRecord plan = Plan();
  ASSERT_EQ(plan.record_changes.size(), 3u);
  EXPECT_EQ(plan.record_changes[0].owner_name, TestWorld::kReport.text()) << "the authorization";
  EXPECT_THAT(plan.record_changes[1].after,
              ElementsAre("\"v=DMARC1; p=reject; x=1; rua=mailto:o@o.test,"
                          "mailto:r-1111111111111111@reports.test\""));
  domain = world.store.GetDomain("example.com").value();
  for (ReportAddressRecord& address : domain.report_addresses) {
    address.revoke_time = world.clock.Now();
  }
  ASSERT_TRUE(world.store.PutDomain(domain).ok());
  plan = Plan();
  EXPECT_EQ(plan.record_changes.size(), 1u) << "SPF alone";
  EXPECT_EQ(CodeOf(engine->Plan("example.com", {.dmarc_report_address = true}, "p").status()),
            "FIELD_INVALID");
}

TEST_F(ChangeEngineTest, OnlyAManagedReportDomainIsWritten) {
  DomainRecord reports = world.store.GetDomain("reports.test").value();
  reports.dns_provider = "other";
  ASSERT_TRUE(world.store.PutDomain(reports).ok());
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kPlanned);
  EXPECT_EQ(plan.record_changes.size(), 2u);
  EXPECT_TRUE(std::ranges::any_of(plan.guards, [](const GuardRecord& guard) {
    return guard.code == "DMARC_RUA_UNAUTHORIZED" && guard.verdict == GuardVerdict::kWarn;
  }));
}

TEST_F(ChangeEngineTest, DoesNotWeakenWhatASubdomainInherits) {
  world.PutDomain("sub.example.com", "r@reports.test");
  world.resolver.SetTxt(TestWorld::kDmarc, {"v=DMARC1; p=reject; sp=quarantine"});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord plan, engine->Plan("sub.example.com", {}, "p"));
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  EXPECT_TRUE(std::ranges::any_of(plan.guards, [](const GuardRecord& guard) {
    return guard.code == "DMARC_POLICY_CHANGED" && guard.metadata.contains("policy") &&
           guard.metadata.at("policy") == "quarantine";
  }));
}

TEST(ErrorReasonTest, KeepsEveryOctet) {
  const std::map<std::string, std::string> metadata = {{"a:1", "x\ny"},
                                                       {"b", std::string("\0", 1)}};
  const absl::Status status =
      MakeReasonedError(absl::StatusCode::kAborted, "STALE_PLAN", "text", metadata);
  EXPECT_EQ(ErrorReasonOf(status), (ErrorReason{"STALE_PLAN", metadata}));
  EXPECT_EQ(ErrorReasonOf(absl::AbortedError("x")), std::nullopt);
}

}  // namespace
}  // namespace dmarcate
