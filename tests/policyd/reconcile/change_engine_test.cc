#include "policyd/reconcile/change_engine.h"

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Texts = std::vector<std::string>;

std::string CodeOf(const absl::Status& status) {
  const std::optional<ErrorReason> reason = ErrorReasonOf(status);
  return reason.has_value() ? reason->code : status.ToString();
}

// Says "bogus" about one name for a while.
class FlakyResolver final : public Resolver {
 public:
  FlakyResolver(Resolver& resolver, const DomainName& name) : resolver_(resolver), name_(name) {}
  void FailNext(int times) { left_ = times; }
  absl::StatusOr<DnsAnswer> Lookup(const DomainName& name, RrType type) override {
    if (name == name_ && left_ > 0) {
      --left_;
      return absl::DataLossError("bogus");
    }
    return resolver_.Lookup(name, type);
  }
  int left() const { return left_; }

 private:
  Resolver& resolver_;
  const DomainName name_;
  std::atomic<int> left_ = 0;
};

class ChangeEngineTest : public testing::Test {
 protected:
  ChangeRecord Plan(ChangeIntent intent = {}) {
    absl::StatusOr<ChangeRecord> change = engine->Plan("example.com", intent, "tokens/p");
    EXPECT_TRUE(change.ok()) << change.status();
    return change.value();
  }
  static ApplyRequest For(const ChangeRecord& change) {
    return {change.domain, change.id, change.plan_digest, change.revision, "tokens/a"};
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& change) {
    return engine->Apply(For(change));
  }
  absl::StatusOr<ChangeRecord> Rollback(const ChangeRecord& change,
                                        RunMode mode = RunMode::kExecute) {
    return engine->Rollback({change.domain, change.id, change.revision, "tokens/a", mode});
  }
  ChangeRecord Applied() {
    absl::StatusOr<ChangeRecord> change = Apply(Plan());
    EXPECT_TRUE(change.ok()) << change.status();
    EXPECT_EQ(change->state, ChangeState::kSucceeded) << change->error_message;
    return change.value();
  }
  // What policyd's timer does.
  ChangeRecord TakeUpUntilItEnds(const std::string& id) {
    for (int i = 0; i < 500; ++i) {
      ChangeRecord change = world.store.GetChange("example.com", id).value();
      if (change.state != ChangeState::kVerifying) return change;
      world.clock.Advance(absl::Seconds(30));
      EXPECT_TRUE(engine->Resume().ok());
      engine->WaitIdle();
    }
    ADD_FAILURE() << "no end";
    return {};
  }
  void ExpectOldZone() {
    EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1"}));
    EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
    EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{});
  }
  void ExpectNewZone() {
    EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kNewSpf, "verification=1"}));
    EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kNewDmarc});
    EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{TestWorld::kAuthorization});
  }

  TestWorld world;
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
};

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

TEST_F(ChangeEngineTest, ApplyWritesVerifiesAndRemembersItsTerms) {
  const ChangeRecord change = Applied();
  ExpectNewZone();
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(change.applied_by, "tokens/a");
  EXPECT_EQ(change.verifications.size(), 3 * FakeFleet::kServers);
  for (const VerificationRecord& record : change.verifications) EXPECT_TRUE(record.verified);
  EXPECT_EQ(world.managed_terms(), change.managed_after);
  std::vector<std::string> steps;
  for (const StepRecord& step : change.steps) {
    if (steps.empty() || steps.back() != step.step) steps.push_back(step.step);
  }
  EXPECT_THAT(
      steps, ElementsAre("LEASED", "READ", "COMPARED", "LINTED", "JOURNALED", "WRITING",
                         "READ_BACK", "WRITING", "READ_BACK", "WRITING", "READ_BACK", "VERIFYING"));
}

TEST_F(ChangeEngineTest, ApplyTwiceIsOneWrite) {
  const ChangeRecord plan = Plan();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord first, Apply(plan));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord second, Apply(plan));
  EXPECT_EQ(second.state, ChangeState::kSucceeded);
  EXPECT_EQ(second.revision, first.revision);
  EXPECT_EQ(world.provider->writes(), 3);
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

// Rolling back takes the new address out; the old one, which stays, was revoked meanwhile.
TEST_F(ChangeEngineTest, ARollbackToARevokedAddressWarns) {
  static constexpr char kOld[] = "r-0000000000000000@reports.test";
  world.provider->SetTexts(TestWorld::kDmarc,
                           {std::string("v=DMARC1; p=reject; rua=mailto:") + kOld});
  DomainRecord domain = world.store.GetDomain("example.com").value();
  domain.report_mailbox = "";
  domain.report_addresses = {{kOld, world.clock.Now()},
                             {"r-1111111111111111@reports.test", world.clock.Now()}};
  (void)world.store.PutDomain(domain).value();
  const auto warns = [](const ChangeRecord& change) {
    return std::ranges::any_of(change.guards, [](const GuardRecord& guard) {
      return guard.code == "DMARC_RUA_REVOKED" && guard.verdict == GuardVerdict::kWarn &&
             guard.metadata.at("addresses") == kOld;
    });
  };
  const ChangeRecord plan = Plan({.dmarc_report_address = true});
  EXPECT_FALSE(warns(plan));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord applied, Apply(plan));
  domain = world.store.GetDomain("example.com").value();
  domain.report_addresses[0].revoke_time = world.clock.Now();
  (void)world.store.PutDomain(domain).value();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(applied));
  EXPECT_TRUE(warns(rollback));
  EXPECT_NE(rollback.state, ChangeState::kRefused);
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

TEST_F(ChangeEngineTest, RollbackRestoresTheExactBytes) {
  std::vector<TxtRecord> oddly_cut = world.provider->Get(TestWorld::kSpf).records;
  oddly_cut[1].strings = {"verifi", "cation=1"};
  world.provider->Set(TestWorld::kSpf, oddly_cut, 777);
  const ChangeRecord change = Applied();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord dry, Rollback(change, RunMode::kValidateOnly));
  EXPECT_EQ(dry.revision, 0u);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_EQ(rollback.rollback_of, change.id);
  ExpectOldZone();
  EXPECT_EQ(world.provider->Get(TestWorld::kSpf).records, oddly_cut);
  EXPECT_EQ(world.provider->Get(TestWorld::kSpf).ttl_seconds, 777u);
  EXPECT_THAT(world.managed_terms(), IsEmpty());
  const ChangeRecord original = world.store.GetChange("example.com", change.id).value();
  EXPECT_EQ(original.state, ChangeState::kRolledBack);
  EXPECT_EQ(original.rolled_back_by, rollback.id);
  // Again: the same answer, no write. Applying the original again is over.
  const int writes = world.provider->writes();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord again, Rollback(original));
  EXPECT_EQ(again.id, rollback.id);
  EXPECT_EQ(CodeOf(Apply(original).status()), "CHANGE_STATE");
  EXPECT_EQ(world.provider->writes(), writes);
}

TEST_F(ChangeEngineTest, RollbackDoesNotTouchWhatOthersChanged) {
  const ChangeRecord change = Applied();
  world.provider->SetTexts(TestWorld::kDmarc, {"v=DMARC1; p=none"});
  const absl::StatusOr<ChangeRecord> rollback = Rollback(change);
  ASSERT_EQ(CodeOf(rollback.status()), "ROLLBACK_BLOCKED");
  EXPECT_THAT(ErrorReasonOf(rollback.status())->metadata.at("found"), HasSubstr("p=none"));
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(CodeOf(Rollback(Plan()).status()), "CHANGE_STATE");
}

// Three tries of the write of one RRset fail with an outcome that nobody knows.
TEST_F(ChangeEngineTest, APartlyWrittenChangeGoesBackAsFarAsItCame) {
  for (int written = 0; written < 3; ++written) {
    SCOPED_TRACE(testing::Message() << written << " written");
    TestWorld partly;
    const std::unique_ptr<ChangeEngine> runs = partly.MakeEngine();
    const ChangeRecord plan = runs->Plan("example.com", {}, "p").value();
    partly.provider->Inject(
        {.status = absl::UnknownError("reset"), .skip = written, .times = 1'000});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, runs->Apply(For(plan)));
    ASSERT_EQ(change.state, ChangeState::kNeedsAttention);
    ASSERT_EQ(partly.provider->writes(), written);
    partly.provider->ClearFaults();
    DMARCATE_ASSERT_OK_AND_ASSIGN(
        const ChangeRecord rollback,
        runs->Rollback({change.domain, change.id, change.revision, "tokens/a"}));
    EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
    EXPECT_EQ(rollback.record_changes.size(), static_cast<size_t>(written));
    EXPECT_EQ(partly.provider->writes(), 2 * written);
    EXPECT_EQ(partly.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1"}));
    EXPECT_EQ(partly.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
    EXPECT_EQ(partly.Texts(TestWorld::kReport), Texts{});
    EXPECT_THAT(partly.managed_terms(), IsEmpty());
    EXPECT_EQ(partly.store.GetChange("example.com", change.id)->rolled_back_by, rollback.id);
  }
}

TEST_F(ChangeEngineTest, ARollbackAskedForAgainIsJoined) {
  const ChangeRecord change = Applied();
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  const RollbackRequest request{change.domain, change.id, change.revision, "tokens/a"};
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord first,
                                engine->Rollback(request, absl::ZeroDuration()));
  reached.get_future().wait();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord second,
                                engine->Rollback(request, absl::ZeroDuration()));
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.state, ChangeState::kApplying);
  go_on.set_value();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord third, engine->Rollback(request));
  EXPECT_EQ(third.id, first.id);
  EXPECT_EQ(third.state, ChangeState::kSucceeded);
  EXPECT_EQ(world.provider->writes(), 6);
  EXPECT_EQ(world.store.ListChanges("example.com", "", 10)->size(), 2u);
}

TEST_F(ChangeEngineTest, ARollbackThatNobodyRunsIsShownNotPlannedAgain) {
  const ChangeRecord change = Applied();
  // The provider goes down, and policyd with it.
  world.provider->Inject({.status = absl::UnavailableError("down"),
                          .hook = [&] { world.pacer->Stop(); },
                          .times = 1'000'000});
  EXPECT_FALSE(Rollback(change).ok());
  engine.reset();
  engine = world.MakeEngine();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord open, Rollback(change));
  EXPECT_EQ(open.rollback_of, change.id);
  EXPECT_EQ(open.state, ChangeState::kApplying);
  world.provider->ClearFaults();
  ASSERT_TRUE(engine->Resume().ok());
  engine->WaitIdle();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord ended, Rollback(change));
  EXPECT_EQ(ended.id, open.id);
  EXPECT_EQ(ended.state, ChangeState::kSucceeded);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, ARefusedRollbackLeavesNoPlanBehind) {
  const ChangeRecord change = Applied();
  world.Decide("b", SourceState::kApproved, "b.test");
  const ChangeRecord other = Plan();
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord running,
                                engine->Apply(For(other), absl::ZeroDuration()));
  reached.get_future().wait();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CodeOf(Rollback(change).status()), "CHANGE_IN_PROGRESS");
  }
  EXPECT_EQ(world.store.ListChanges("example.com", "", 10)->size(), 2u);
  go_on.set_value();
  engine->WaitIdle();
  // Stored, and then no worker takes it.
  engine->Stop();
  world.provider->SetTexts(TestWorld::kSpf, {TestWorld::kNewSpf, "verification=1"});
  EXPECT_EQ(CodeOf(Rollback(change).status()), "SHUTTING_DOWN");
  for (const ChangeRecord& one : world.store.ListChanges("example.com", "", 10).value()) {
    EXPECT_NE(one.state, ChangeState::kPlanned);
  }
}

TEST_F(ChangeEngineTest, GoesBackWhenReceiversFailOnWhatIsLive) {
  const ChangeRecord plan = Plan();
  // The vendor's record goes away between the count and the proof.
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.resolver.Remove(Name("a.test")); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "DANGLING_INCLUDE");
  ExpectOldZone();
  EXPECT_THAT(world.managed_terms(), IsEmpty());
}

TEST_F(ChangeEngineTest, GoesBackWhenSignaturesBreak) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook =
                              [&] {
                                world.resolver.Fail(TestWorld::kSpf, RrType::kTxt,
                                                    absl::DataLossError("bogus"));
                              },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "DNSSEC_BOGUS");
  EXPECT_GE(change.end_time - change.apply_time, ChangeEngineOptions().verdict_period);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AStepDownIsNotTakenBackByItself) {
  const ChangeRecord plan = Plan({.policy = PolicyMove{PolicyScope::kDomain, PolicyStage::kObserve,
                                                       PolicyDirection::kDown, "r"}});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] {
                            world.resolver.Fail(TestWorld::kDmarc, RrType::kTxt,
                                                absl::DataLossError("bogus"));
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention) << "p=reject again, without a gate";
  EXPECT_EQ(change.error_reason, "DNSSEC_BOGUS");
  EXPECT_THAT(world.Texts(TestWorld::kDmarc), ElementsAre(HasSubstr("p=none")));
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

// Behind each address stand many machines; one of them shows `texts` for the SPF record in the
// second look after the write, and is met by nobody else.
class ManyMachines final : public AuthoritativeResolver {
 public:
  ManyMachines(AuthoritativeResolver& fleet, Texts texts)
      : fleet_(fleet), texts_(std::move(texts)) {}
  void Begin() { looks_ = 0; }
  absl::StatusOr<AuthoritativeAnswer> LookupAll(const DomainName& owner, RrType type,
                                                bool over_tcp) override {
    absl::StatusOr<AuthoritativeAnswer> answer = fleet_.LookupAll(owner, type, over_tcp);
    if (owner != TestWorld::kSpf || looks_ < 0 || !answer.ok() || ++looks_ != 2) return answer;
    answer->servers[1].answer->txt.clear();
    for (const std::string& text : texts_) {
      answer->servers[1].answer->txt.push_back(MakeTxtRecord(text));
    }
    return answer;
  }
  int looks() const { return looks_; }

 private:
  AuthoritativeResolver& fleet_;
  const Texts texts_;
  std::atomic<int> looks_ = -1'000'000;
};

TEST_F(ChangeEngineTest, OneLookAtTheServersIsNoProof) {
  for (const bool third : {false, true}) {
    SCOPED_TRACE(third);
    TestWorld fresh;
    const std::string behind = third ? "v=spf1 +all" : TestWorld::kOldSpf;
    ManyMachines machines(fresh.fleet, {behind, "verification=1"});
    ChangeEngine looks({fresh.store, fresh.factory, fresh.resolver, machines, *fresh.suffixes,
                        fresh.clock, fresh.random, *fresh.pacer});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord plan,
                                  looks.Plan("example.com", {}, "tokens/p"));
    fresh.provider->Inject(
        {.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] { machines.Begin(); }, .skip = 2});
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, looks.Apply(For(plan)));
    if (third) {
      EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
      EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
      continue;
    }
    EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
    EXPECT_EQ(machines.looks(), 4) << "two that agree, one after the other";
  }
}

TEST_F(ChangeEngineTest, DoesNotGoBackBecauseOfABadMoment) {
  FlakyResolver flaky(world.resolver, TestWorld::kSpf);
  const ChangeRecord plan = Plan();
  ChangeEngine looks_again({world.store, world.factory, flaky, world.fleet, *world.suffixes,
                            world.clock, world.random, *world.pacer});
  world.provider->Inject(
      {.moment = FakeDnsProvider::Moment::kAfter, .hook = [&] { flaky.FailNext(3); }, .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, looks_again.Apply(For(plan)));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_EQ(flaky.left(), 0);
  ExpectNewZone();
}

TEST_F(ChangeEngineTest, VoidLookUpsOverIpv6ThatWereThereBeforeHoldNothingUp) {
  for (const std::string name : {"x.test", "y.test", "z.test"}) {
    world.resolver.SetA(Name(name), {"192.0.2.1"});
  }
  world.provider->SetTexts(TestWorld::kSpf, {"v=spf1 a:x.test a:y.test a:z.test ~all"});
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  EXPECT_TRUE(std::ranges::any_of(plan.guards, [](const GuardRecord& guard) {
    return guard.code == "SPF_VOID_LIMIT" && guard.verdict == GuardVerdict::kWarn;
  }));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
}

TEST_F(ChangeEngineTest, WaitsForServersThatAreBehind) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Seconds(40)});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_GE(change.end_time - change.apply_time, absl::Seconds(40));
}

TEST_F(ChangeEngineTest, ServersThatAreLongBehindAreAskedAgainLater) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Minutes(40)});
  const absl::Time start = world.clock.Now();
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord waiting, Apply(plan));
  EXPECT_EQ(waiting.state, ChangeState::kVerifying);
  EXPECT_LE(world.clock.Now() - start, absl::Minutes(2));  // nobody is kept for longer
  const ChangeRecord change = TakeUpUntilItEnds(plan.id);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_GE(change.end_time - start, absl::Minutes(40));
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(world.managed_terms(), change.managed_after);
}

TEST_F(ChangeEngineTest, TheTtlSaysHowLongServersMayBeBehind) {
  for (const auto& [ttl_seconds, limit] : std::map<uint32_t, absl::Duration>{
           {5, absl::Minutes(1)}, {600, absl::Minutes(10)}, {86'400, absl::Hours(1)}}) {
    SCOPED_TRACE(ttl_seconds);
    TestWorld behind;
    behind.provider->Set(TestWorld::kSpf, behind.provider->Get(TestWorld::kSpf).records,
                         ttl_seconds);
    std::unique_ptr<ChangeEngine> runs = behind.MakeEngine();
    const ChangeRecord spf = runs->Plan("example.com", {.spf_from_decisions = true}, "p").value();
    behind.fleet.Configure(3, {.lag = absl::Hours(48)});
    const absl::Time start = behind.clock.Now();
    DMARCATE_ASSERT_OK_AND_ASSIGN(ChangeRecord change, runs->Apply(For(spf)));
    while (change.state == ChangeState::kVerifying) {
      behind.clock.Advance(absl::Seconds(30));
      ASSERT_TRUE(runs->Resume().ok());
      runs->WaitIdle();
      change = behind.store.GetChange("example.com", spf.id).value();
    }
    EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
    EXPECT_GE(change.end_time - start, limit - absl::Seconds(30));
    EXPECT_LE(change.end_time - start, limit + absl::Seconds(60));
  }
}

TEST_F(ChangeEngineTest, ServersThatStayBehindNeedAttentionAndNoRollback) {
  const ChangeRecord plan = Plan();
  world.fleet.Configure(3, {.lag = absl::Hours(48)});
  ASSERT_TRUE(Apply(plan).ok());
  const ChangeRecord change = TakeUpUntilItEnds(plan.id);
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_TIMEOUT");
  EXPECT_THAT(change.error_message, HasSubstr("ns4.test"));
  ExpectNewZone();
  // What was written is ours: a later plan can take it out again.
  EXPECT_EQ(world.managed_terms(), change.managed_after);
  world.fleet.Configure(3, {});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord rollback, Rollback(change));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AThirdValueAtAServerNeedsAttention) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.fleet.Configure(1, {.lie = Texts{"v=spf1 +all"}}); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_EQ(change.error_reason, "VERIFY_CONFLICT");
}

TEST_F(ChangeEngineTest, AForeignWriteBetweenReadAndWriteIsKept) {
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kDuring, .hook = [&] {
                            world.provider->SetTexts(TestWorld::kSpf,
                                                     {TestWorld::kOldSpf, "verification=1", "new"});
                          }});
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_EQ(CodeOf(applied.status()), "STALE_PLAN");
  EXPECT_THAT(ErrorReasonOf(applied.status())->metadata.at("found"), HasSubstr("new"));
  EXPECT_EQ(world.Texts(TestWorld::kSpf), (Texts{TestWorld::kOldSpf, "verification=1", "new"}));
}

TEST_F(ChangeEngineTest, WritesOfAStalePrefixGoBack) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore,
                          .hook = [&] { world.provider->SetTexts(TestWorld::kSpf, {"foreign"}); },
                          .skip = 2});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kRolledBack);
  EXPECT_EQ(change.error_reason, "STALE_PLAN");
  EXPECT_EQ(world.Texts(TestWorld::kSpf), Texts{"foreign"});
  EXPECT_EQ(world.Texts(TestWorld::kDmarc), Texts{TestWorld::kOldDmarc});
  EXPECT_EQ(world.Texts(TestWorld::kReport), Texts{});
}

TEST_F(ChangeEngineTest, ALostAnswerIsReadBackNotRepeated) {
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .status = absl::UnknownError("connection reset")});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
  EXPECT_EQ(world.provider->writes(), 1);
  EXPECT_TRUE(std::ranges::any_of(change.steps,
                                  [](const StepRecord& step) { return step.step == "UNKNOWN"; }));
}

TEST_F(ChangeEngineTest, CallerMayLeaveAndOthersHaveToWait) {
  world.PutDomain("www.example.com", "");
  const ChangeRecord plan = Plan();
  const ChangeRecord other = Plan({.spf_from_decisions = true});
  std::promise<void> reached;
  std::promise<void> go_on;
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kBefore, .hook = [&] {
                            reached.set_value();
                            go_on.get_future().wait();
                          }});
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord running,
                                engine->Apply(For(plan), absl::ZeroDuration()));
  reached.get_future().wait();
  const absl::StatusOr<ChangeRecord> refused = Apply(other);
  EXPECT_EQ(CodeOf(refused.status()), "CHANGE_IN_PROGRESS");
  EXPECT_THAT(ErrorReasonOf(refused.status())->metadata.at("change"), HasSubstr(plan.id));
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kApplying);
  std::future<absl::StatusOr<ChangeRecord>> joined =
      std::async(std::launch::async, [&] { return Apply(plan); });
  go_on.set_value();
  EXPECT_EQ(joined.get()->state, ChangeState::kSucceeded);
  engine->WaitIdle();
  EXPECT_EQ(world.provider->writes(), 3);
  EXPECT_EQ(CodeOf(Apply(other).status()), "STALE_PLAN");
}

TEST_F(ChangeEngineTest, ConcurrentAppliesAreOneWrite) {
  const ChangeRecord plan = Plan();
  std::vector<std::future<absl::StatusOr<ChangeRecord>>> applies;
  for (int i = 0; i < 8; ++i) {
    applies.push_back(std::async(std::launch::async, [&] { return Apply(plan); }));
  }
  for (auto& apply : applies) {
    const absl::StatusOr<ChangeRecord> change = apply.get();
    if (change.ok()) {
      EXPECT_EQ(change->state, ChangeState::kSucceeded);
    } else {
      EXPECT_EQ(CodeOf(change.status()), "ETAG_MISMATCH");
    }
  }
  EXPECT_EQ(world.provider->writes(), 3);
  ExpectNewZone();
}

TEST_F(ChangeEngineTest, AFullDiskStopsBeforeTheFirstWrite) {
  const ChangeRecord plan = Plan();
  world.store.FailPuts(absl::ResourceExhaustedError("disk full"));
  EXPECT_THAT(Apply(plan), testing_support::StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(world.provider->writes(), 0);
  world.store.FailPuts(absl::OkStatus());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  EXPECT_EQ(change.state, ChangeState::kSucceeded);
}

TEST_F(ChangeEngineTest, ARollbackWhoseProviderIsDownIsNeverForgotten) {
  const ChangeRecord plan = Plan();
  world.provider->Inject({.moment = FakeDnsProvider::Moment::kAfter,
                          .hook = [&] { world.resolver.Remove(Name("a.test")); },
                          .skip = 2});
  world.provider->Inject({.status = absl::UnavailableError("down"), .skip = 2, .times = 1'000'000});
  EXPECT_FALSE(Apply(plan).ok());
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kRollingBack);
  world.provider->ClearFaults();
  ASSERT_TRUE(engine->Resume().ok());
  engine->WaitIdle();
  EXPECT_EQ(world.store.GetChange("example.com", plan.id)->state, ChangeState::kRolledBack);
  ExpectOldZone();
}

TEST_F(ChangeEngineTest, AStoppedEngineTakesNoWork) {
  const ChangeRecord plan = Plan();
  engine->Stop();
  EXPECT_EQ(CodeOf(Apply(plan).status()), "SHUTTING_DOWN");
  ExpectOldZone();
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
