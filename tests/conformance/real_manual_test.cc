// A change that no program writes, over a real PowerDNS: the test is the person at the control
// panel, with a way into the zone of its own.

#include "absl/time/clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/http/fake_transport.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/plan/manual_sheet.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/conformance/real_provider_host.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::RealPowerDns;
using testing_support::StatusIs;

constexpr char kRecords[] =
    "@ TXT \"v=spf1 mx ~all\"\n"
    "@ TXT \"verification=1\"\n"
    "_dmarc TXT \"v=DMARC1; p=quarantine; rua=mailto:o@example.test\"\n";
constexpr char kNewDmarc[] =
    "v=DMARC1; p=quarantine; rua=mailto:o@example.test,mailto:r@example.test";
constexpr char kNewSpf[] = "v=spf1 mx include:_inc.example.test ~all";

class RealManualTest : public testing::Test {
 protected:
  void SetUp() override {
    // Its own way in is what the person uses.
    host_ = MakePowerDnsHost(RealPowerDns::Start({ExampleZone(kRecords)}));
    ASSERT_NE(host_, nullptr);
    DnsConfig config;
    config.stubs = {{TestName("example.test"), {host_->server().server()}}};
    resolver_ = LdnsResolver::Create(config, clock_).value();
    authoritative_ = LdnsAuthoritativeResolver::Create(config, *resolver_).value();
    factory_ = std::make_unique<RealProviderFactory>(
        http_, secrets_, ProviderExtras{.servers = authoritative_.get()});
    DnsProviderRecord record;
    record.id = "by-hand";
    record.type = "manual";
    ASSERT_TRUE(store_.PutProvider(record).ok());
    DomainRecord domain;
    domain.name = "example.test";
    domain.dns_provider = "by-hand";
    domain.report_mailbox = "r@example.test";
    ASSERT_TRUE(store_.PutDomain(domain).ok());
    SourceDecision decision;
    decision.domain = "example.test";
    decision.source_id = "inc";
    decision.state = SourceState::kApproved;
    decision.authorization.kind = AuthorizationSpec::Kind::kSpfInclude;
    decision.authorization.include_domain = "_inc.example.test";
    ASSERT_TRUE(store_.PutDecision(decision).ok());
    StartEngine();
  }
  // Again: as after a restart.
  void StartEngine() {
    engine_.reset();
    pacer_ = std::make_unique<SystemPacer>();  // the engine that was there has stopped its own
    engine_ =
        std::make_unique<ChangeEngine>(ChangeWorld{store_, *factory_, *resolver_, *authoritative_,
                                                   *suffixes_, clock_, random_, *pacer_},
                                       options_);
  }
  ChangeRecord Plan() {
    absl::StatusOr<ChangeRecord> plan = engine_->Plan("example.test", {}, "p");
    EXPECT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->state, ChangeState::kPlanned);
    for (const GuardRecord& guard : plan->guards) {
      EXPECT_NE(guard.verdict, GuardVerdict::kRefuse) << guard.code << ": " << guard.message;
    }
    return plan.value();
  }
  ChangeRecord Apply(const ChangeRecord& plan) {
    absl::StatusOr<ChangeRecord> change =
        engine_->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
    EXPECT_TRUE(change.ok()) << change.status();
    return change.value();
  }
  // What policyd does every 30 seconds.
  ChangeRecord Look(const std::string& id) {
    EXPECT_TRUE(engine_->Resume().ok());
    engine_->WaitIdle();
    return store_.GetChange("example.test", id).value();
  }
  // Looks again and again until nothing more is waited for.
  ChangeRecord AwaitEnd(const std::string& id) {
    ChangeRecord change;
    EXPECT_TRUE(testing_support::WaitUntil([&] {
      change = Look(id);
      return change.state != ChangeState::kApplying && change.state != ChangeState::kVerifying;
    }));
    return change;
  }
  // A person does what the sheet says, and knows nothing else.
  void Do(const ManualEdit& edit) {
    const DomainName owner = TestName(edit.host == "@" ? edit.zone : edit.host + "." + edit.zone);
    EXPECT_EQ(owner.text(), edit.owner);
    std::vector<TxtRecord> records = host_->Served(owner);
    std::erase_if(records, [&](const TxtRecord& r) { return r.Joined() == edit.old_value; });
    if (edit.action != ManualEdit::Action::kRemove) records.push_back(MakeTxtRecord(edit.value));
    host_->ForeignWrite(owner, records);
  }
  std::vector<std::string> Texts(std::string_view owner) {
    std::vector<std::string> texts;
    for (const TxtRecord& record : host_->Served(TestName(owner))) texts.push_back(record.Joined());
    std::ranges::sort(texts);
    return texts;
  }

  std::unique_ptr<RealProviderHost<RealPowerDns>> host_;
  FakeHttpTransport http_;
  FakeSecretSource secrets_{std::map<std::string, std::string, std::less<>>{}};
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<SystemPacer> pacer_;
  FakePolicyStore store_;
  ChangeEngineOptions options_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<LdnsResolver> resolver_;
  std::unique_ptr<LdnsAuthoritativeResolver> authoritative_;
  std::unique_ptr<RealProviderFactory> factory_;
  std::unique_ptr<ChangeEngine> engine_;
};

TEST_F(RealManualTest, ThePlanIsASheetThatAPersonCanFollow) {
  const ChangeRecord plan = Plan();
  EXPECT_TRUE(plan.by_hand);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const std::vector<ManualEdit> edits, ManualEditsOf(plan));
  ASSERT_EQ(edits.size(), 2u);
  EXPECT_EQ(edits[0].action, ManualEdit::Action::kReplace);
  EXPECT_EQ(edits[0].host, "_dmarc");
  EXPECT_EQ(edits[0].zone, "example.test");
  EXPECT_EQ(edits[0].old_value, "v=DMARC1; p=quarantine; rua=mailto:o@example.test");
  EXPECT_EQ(edits[0].value, kNewDmarc);
  EXPECT_EQ(edits[0].zone_line,
            std::string("_dmarc.example.test. 300 IN TXT \"") + kNewDmarc + "\"");
  EXPECT_EQ(edits[1].host, "@");
  EXPECT_EQ(edits[1].value, kNewSpf);
}

TEST_F(RealManualTest, WaitsUntilThePersonHasSetEverything) {
  const ChangeRecord plan = Plan();
  const std::vector<ManualEdit> edits = ManualEditsOf(plan).value();
  ChangeRecord change = Apply(plan);
  EXPECT_EQ(change.state, ChangeState::kApplying);
  EXPECT_EQ(change.steps.back().step, "WAITING");
  EXPECT_GT(change.plan_expire_time - absl::Now(), absl::Hours(24 * 6));
  EXPECT_THAT(Texts("example.test"), ElementsAre("v=spf1 mx ~all", "verification=1"));
  // Asking again changes nothing, and nothing is written.
  EXPECT_EQ(Apply(plan).state, ChangeState::kApplying);
  const uint64_t revision = Look(plan.id).revision;
  EXPECT_EQ(Look(plan.id).revision, revision) << "the journal grows with each look";

  Do(edits[0]);
  StartEngine();  // policyd was restarted meanwhile
  change = Look(plan.id);
  EXPECT_EQ(change.state, ChangeState::kApplying);
  EXPECT_EQ(change.steps.back().detail, "_dmarc.example.test");
  Do(edits[1]);
  change = Look(plan.id);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
  EXPECT_THAT(Texts("example.test"), ElementsAre(kNewSpf, "verification=1"));
  EXPECT_EQ(store_.GetDomain("example.test")->managed_terms.size(), 1u);

  // Going back is a sheet, too.
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      ChangeRecord rollback, engine_->Rollback({change.domain, change.id, change.revision, "a"}));
  EXPECT_EQ(rollback.state, ChangeState::kApplying);
  EXPECT_TRUE(rollback.by_hand);
  const std::vector<ManualEdit> back = ManualEditsOf(rollback).value();
  for (const ManualEdit& edit : back) Do(edit);
  rollback = Look(rollback.id);
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_THAT(Texts("example.test"), ElementsAre("v=spf1 mx ~all", "verification=1"));
}

TEST_F(RealManualTest, ASlipIsShownAndMayBeMended) {
  const ChangeRecord plan = Plan();
  Apply(plan);
  host_->ForeignWrite(TestName("_dmarc.example.test"), {MakeTxtRecord("v=DMARC1; p=quarentine")});
  ChangeRecord change = Look(plan.id);
  EXPECT_EQ(change.state, ChangeState::kApplying);
  ASSERT_FALSE(change.verifications.empty());
  EXPECT_THAT(change.verifications.front().detail, HasSubstr("quarentine"));
  host_->ForeignWrite(TestName("_dmarc.example.test"), {MakeTxtRecord(kNewDmarc)});
  Do(ManualEditsOf(plan).value()[1]);
  change = Look(plan.id);
  EXPECT_EQ(change.state, ChangeState::kSucceeded) << change.error_message;
}

TEST_F(RealManualTest, NobodySetsItInTime) {
  options_.manual_limit = absl::Milliseconds(300);
  options_.plan_lifetime = absl::Milliseconds(2500);  // the plan itself is taken in time
  StartEngine();
  const ChangeRecord plan = Plan();
  Apply(plan);
  const ChangeRecord change = AwaitEnd(plan.id);
  EXPECT_EQ(change.state, ChangeState::kFailed);
  EXPECT_EQ(change.error_reason, "PLAN_EXPIRED");
  EXPECT_TRUE(store_.GetDomain("example.test")->managed_terms.empty());
}

TEST_F(RealManualTest, HalfOfItInTimeIsForAPersonToLookAt) {
  options_.manual_limit = absl::Milliseconds(300);
  options_.plan_lifetime = absl::Milliseconds(2500);
  StartEngine();
  const ChangeRecord plan = Plan();
  Apply(plan);
  Do(ManualEditsOf(plan).value()[0]);
  const ChangeRecord change = AwaitEnd(plan.id);
  EXPECT_EQ(change.state, ChangeState::kNeedsAttention);
  EXPECT_THAT(change.error_message, HasSubstr("1 of 2 records"));
}

TEST_F(RealManualTest, CanBeWithdrawnUntilSomethingIsSet) {
  const ChangeRecord plan = Plan();
  ChangeRecord change = Apply(plan);
  Do(ManualEditsOf(plan).value()[0]);
  change = Look(plan.id);
  EXPECT_THAT(engine_->Cancel({change.domain, change.id, change.revision, "a"}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("a part of it is set")));
  Do(ManualEditsOf(plan).value()[1]);
  EXPECT_EQ(Look(plan.id).state, ChangeState::kSucceeded);

  SourceDecision decision = store_.ListDecisions("example.test")->front();
  decision.state = SourceState::kRejected;
  ASSERT_TRUE(store_.PutDecision(decision).ok());
  const ChangeRecord second = Plan();
  change = Apply(second);
  EXPECT_EQ(change.state, ChangeState::kApplying);
  DMARCATE_ASSERT_OK_AND_ASSIGN(change,
                                engine_->Cancel({change.domain, change.id, change.revision, "a"}));
  EXPECT_EQ(change.state, ChangeState::kCancelled);
  EXPECT_EQ(Look(second.id).state, ChangeState::kCancelled);
}

TEST_F(RealManualTest, ARecordThatChangesBeforeTheAnnouncementIsStale) {
  const ChangeRecord plan = Plan();
  host_->ForeignWrite(TestName("_dmarc.example.test"), {MakeTxtRecord("v=DMARC1; p=reject")});
  EXPECT_THAT(engine_->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"}),
              StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace dmarcate
