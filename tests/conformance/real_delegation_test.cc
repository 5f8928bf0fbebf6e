// Delegated mode over real servers: the customer's zone is on BIND, to which nobody here has a
// credential, and the operator's on PowerDNS. The test is the customer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/plan/guard.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/conformance/real_provider_host.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::MakeZone;
using testing_support::RealBind;
using testing_support::RealPowerDns;
using testing_support::StatusIs;

constexpr char kDmarc[] = "v=DMARC1; p=quarantine; rua=mailto:o@customer.test";
constexpr char kDmarcAfter[] =
    "v=DMARC1; p=quarantine; rua=mailto:o@customer.test,mailto:r@customer.test";
constexpr char kDmarcTarget[] = "customer.test._dmarc.ops.test";
constexpr char kSpfTarget[] = "customer.test._spf.ops.test";

class RealDelegationTest : public testing::Test {
 protected:
  // What the customer's zone holds, and what is in the operator's.
  void Start(const std::string& customer, const std::string& ops = "") {
    auto bind = RealBind::Start(
        {MakeZone("customer.test", "_vendor TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n" + customer)});
    ASSERT_TRUE(bind.ok()) << bind.status();
    bind_ = *std::move(bind);
    auto pdns = RealPowerDns::Start({MakeZone("ops.test", ops)});
    ASSERT_TRUE(pdns.ok()) << pdns.status();
    pdns_ = *std::move(pdns);
    DnsConfig config;
    config.stubs = {{TestName("customer.test"), {bind_->server()}},
                    {TestName("ops.test"), {pdns_->server()}}};
    resolver_ = LdnsResolver::Create(config, clock_).value();
    authoritative_ = LdnsAuthoritativeResolver::Create(config, *resolver_).value();
    secrets_ = std::make_unique<FakeSecretSource>(
        std::map<std::string, std::string, std::less<>>{{"key", pdns_->api_key()}});
    factory_ = std::make_unique<RealProviderFactory>(http_, *secrets_);
    DnsProviderRecord record;
    record.id = "ops";
    record.type = "powerdns";
    record.settings = {{"api_url", pdns_->api_url()}};
    record.secret_name = "key";
    ASSERT_THAT(store_.PutProvider(record), IsOk());
    DomainRecord domain;
    domain.name = "customer.test";
    domain.dns_provider = "ops";
    domain.report_mailbox = "r@customer.test";
    domain.delegation_zone = "ops.test";
    ASSERT_THAT(store_.PutDomain(domain), IsOk());
    SourceDecision decision;
    decision.domain = "customer.test";
    decision.source_id = "vendor";
    decision.state = SourceState::kApproved;
    decision.authorization.kind = AuthorizationSpec::Kind::kSpfInclude;
    decision.authorization.include_domain = "_vendor.customer.test";
    ASSERT_THAT(store_.PutDecision(decision), IsOk());
    engine_ =
        std::make_unique<ChangeEngine>(ChangeWorld{store_, *factory_, *resolver_, *authoritative_,
                                                   *suffixes_, clock_, random_, pacer_},
                                       ChangeEngineOptions{.verify_deadline = absl::Seconds(3),
                                                           .verdict_period = absl::Seconds(1)});
  }
  void StartDelegated(const std::string& ops) {
    Start(std::string("@ TXT \"v=spf1 mx include:") + kSpfTarget + " ~all\"\n_dmarc CNAME " +
              kDmarcTarget + ".\n",
          ops);
  }
  ChangeRecord Plan(const ChangeIntent& intent = {}) {
    absl::StatusOr<ChangeRecord> plan = engine_->Plan("customer.test", intent, "p");
    EXPECT_THAT(plan, IsOk());
    return plan.value();
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& plan) {
    return engine_->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
  }
  static const GuardRecord* Find(const ChangeRecord& plan, std::string_view code,
                                 GuardVerdict verdict) {
    for (const GuardRecord& guard : plan.guards) {
      if (guard.code == code && guard.verdict == verdict) return &guard;
    }
    return nullptr;
  }
  static std::string Refusal(const ChangeRecord& plan) {
    const GuardRecord* refusal = FindRefusal(plan.guards);
    return refusal == nullptr ? "" : refusal->code + ": " + refusal->message;
  }
  // As receivers do, asking for the domain's own names.
  std::vector<std::string> Seen(std::string_view name) {
    const absl::StatusOr<DnsAnswer> answer =
        LdnsResolver::Create(Config(), clock_).value()->Lookup(TestName(name), RrType::kTxt);
    EXPECT_THAT(answer, IsOk());
    std::vector<std::string> texts;
    if (answer.ok()) {
      for (const TxtRecord& record : answer->txt) texts.push_back(record.Joined());
    }
    return texts;
  }
  DnsConfig Config() const {
    DnsConfig config;
    config.stubs = {{TestName("customer.test"), {bind_->server()}},
                    {TestName("ops.test"), {pdns_->server()}}};
    return config;
  }
  // The customer, at their own server.
  void Customer(const std::string& commands) {
    const std::string script =
        directory_.Write("update", "server 127.0.0.1 " + std::to_string(bind_->port()) + "\nkey " +
                                       bind_->tsig_key().algorithm + ":" + bind_->tsig_key().name +
                                       " " + bind_->tsig_key().secret_base64 +
                                       "\nzone customer.test\n" + commands + "\nsend\n");
    const auto result = testing_support::RunCommand({"nsupdate", "-v", script});
    ASSERT_THAT(result, IsOk());
    ASSERT_EQ(result->exit_code, 0) << result->output;
  }

  testing_support::TempDir directory_;
  std::unique_ptr<RealBind> bind_;
  std::unique_ptr<RealPowerDns> pdns_;
  CurlTransport http_;
  std::unique_ptr<FakeSecretSource> secrets_;
  SystemClock clock_;
  SystemRandom random_;
  SystemPacer pacer_;
  FakePolicyStore store_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<LdnsResolver> resolver_;
  std::unique_ptr<LdnsAuthoritativeResolver> authoritative_;
  std::unique_ptr<RealProviderFactory> factory_;
  std::unique_ptr<ChangeEngine> engine_;
};

TEST_F(RealDelegationTest, WritesAtTheTargetAndProvesItThroughTheAlias) {
  StartDelegated(std::string("customer.test._dmarc TXT \"") + kDmarc + "\"\n");
  const ChangeRecord plan = Plan();
  ASSERT_EQ(plan.state, ChangeState::kPlanned) << Refusal(plan);
  ASSERT_EQ(plan.record_changes.size(), 2u);
  EXPECT_EQ(plan.record_changes[0].zone, "ops.test");
  EXPECT_EQ(plan.record_changes[0].owner_name, kDmarcTarget);
  EXPECT_EQ(plan.record_changes[0].alias.name, "_dmarc.customer.test");
  EXPECT_TRUE(plan.record_changes[0].alias.in_place);
  EXPECT_EQ(plan.record_changes[1].owner_name, kSpfTarget);
  EXPECT_EQ(plan.record_changes[1].lookups_after, 3);  // mx, the target, the vendor
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_reason << change.error_message;
  EXPECT_THAT(Seen("_dmarc.customer.test"), ElementsAre(kDmarcAfter));
  EXPECT_THAT(Seen(kSpfTarget), ElementsAre("v=spf1 include:_vendor.customer.test ~all"));
  std::set<std::string> proved;
  for (const VerificationRecord& seen : change.verifications) {
    EXPECT_TRUE(seen.verified) << seen.owner_name << ": " << seen.detail;
    proved.insert(seen.owner_name);
  }
  EXPECT_THAT(proved,
              ElementsAre("_dmarc.customer.test", "customer.test", kDmarcTarget, kSpfTarget));
  // Nothing is left to do, and it can be undone.
  EXPECT_EQ(Plan().state, ChangeState::kSucceeded);
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const ChangeRecord back, engine_->Rollback({change.domain, change.id, change.revision, "a"}));
  EXPECT_EQ(back.state, ChangeState::kSucceeded) << back.error_message;
  EXPECT_THAT(Seen("_dmarc.customer.test"), ElementsAre(kDmarc));
}

TEST_F(RealDelegationTest, BeforeTheCustomerHasSetTheirsItIsPreparedAndSaysWhatToSet) {
  Start(std::string("@ TXT \"v=spf1 mx ~all\"\n_dmarc TXT \"") + kDmarc + "\"\n");
  const ChangeRecord plan = Plan();
  ASSERT_EQ(plan.state, ChangeState::kPlanned) << Refusal(plan);
  const GuardRecord* advice = Find(plan, guard_code::kDelegation, GuardVerdict::kWarn);
  ASSERT_NE(advice, nullptr);
  EXPECT_EQ(advice->metadata.at("record"),
            std::string("_dmarc.customer.test. CNAME ") + kDmarcTarget + ".");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_reason << change.error_message;
  // The customer's policy goes along, whatever it is, and receivers see what they saw.
  EXPECT_THAT(Seen(kDmarcTarget), ElementsAre(kDmarcAfter));
  EXPECT_THAT(Seen("_dmarc.customer.test"), ElementsAre(kDmarc));

  Customer(
      std::string("update delete _dmarc.customer.test TXT\nupdate add _dmarc.customer.test 300 "
                  "CNAME ") +
      kDmarcTarget + ".\nupdate delete customer.test TXT\nupdate add customer.test 300 TXT " +
      "\"v=spf1 mx include:" + kSpfTarget + " ~all\"");
  EXPECT_THAT(Seen("_dmarc.customer.test"), ElementsAre(kDmarcAfter));
  const ChangeRecord after = Plan();
  EXPECT_EQ(after.state, ChangeState::kSucceeded) << Refusal(after);
  EXPECT_EQ(Find(after, guard_code::kDelegation, GuardVerdict::kWarn), nullptr);
}

// The customer sets both records on one day, before anybody has approved a source.
TEST_F(RealDelegationTest, WithoutSourcesTheIncludeFindsARecordThatLetsNobodyThrough) {
  Start(std::string("@ TXT \"v=spf1 mx ~all\"\n_dmarc TXT \"") + kDmarc + "\"\n");
  DMARCATE_ASSERT_OK_AND_ASSIGN(SourceDecision decision,
                                store_.GetDecision("customer.test", "vendor"));
  decision.state = SourceState::kPending;
  ASSERT_THAT(store_.PutDecision(decision), IsOk());
  const ChangeRecord plan = Plan();
  ASSERT_EQ(plan.state, ChangeState::kPlanned) << Refusal(plan);
  DMARCATE_ASSERT_OK_AND_ASSIGN(ChangeRecord change, Apply(plan));
  ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_reason << change.error_message;
  EXPECT_THAT(Seen(kSpfTarget), ElementsAre("v=spf1 ~all"));
  EXPECT_EQ(Plan().state, ChangeState::kSucceeded) << "nothing is left to do";
  // A source that is approved later stands before what lets nobody through.
  decision = store_.GetDecision("customer.test", "vendor").value();
  decision.state = SourceState::kApproved;
  ASSERT_THAT(store_.PutDecision(decision), IsOk());
  DMARCATE_ASSERT_OK_AND_ASSIGN(change, Apply(Plan()));
  ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_reason << change.error_message;
  EXPECT_THAT(Seen(kSpfTarget), ElementsAre("v=spf1 include:_vendor.customer.test ~all"));
}

TEST_F(RealDelegationTest, AnAliasOfAnotherServiceIsRefused) {
  Start("_dmarc CNAME customer.test.dmarc.vendor.test.\n@ TXT \"v=spf1 mx ~all\"\n");
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  EXPECT_THAT(Refusal(plan), HasSubstr("DELEGATION_FOREIGN"));
  EXPECT_THAT(Refusal(plan), HasSubstr("vendor.test"));
}

TEST_F(RealDelegationTest, ALoopIsRefused) {
  StartDelegated("customer.test._dmarc CNAME _dmarc.customer.test.\n");
  const ChangeRecord plan = Plan();
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  EXPECT_THAT(Refusal(plan), HasSubstr("loop"));
}

TEST_F(RealDelegationTest, ACustomerWhoTakesTheAliasAwayMakesThePlanStale) {
  StartDelegated(std::string("customer.test._dmarc TXT \"") + kDmarc + "\"\n");
  const ChangeRecord plan = Plan();
  Customer("update delete _dmarc.customer.test CNAME");
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  EXPECT_THAT(applied, StatusIs(absl::StatusCode::kAborted, HasSubstr("plan again")));
  EXPECT_THAT(Seen(kDmarcTarget), ElementsAre(kDmarc));
}

TEST_F(RealDelegationTest, OverTenLookupsOfTheWholeRecordAreRefused) {
  std::string many = "@ TXT \"v=spf1";
  for (int i = 0; i < 9; ++i) many += " a:a" + std::to_string(i) + ".customer.test";
  many += std::string(" include:") + kSpfTarget + " ~all\"\n_dmarc CNAME " + kDmarcTarget + ".\n";
  for (int i = 0; i < 9; ++i) many += "a" + std::to_string(i) + " A 192.0.2.1\n";
  Start(many);
  const ChangeRecord plan = Plan({.spf_from_decisions = true});
  EXPECT_EQ(plan.state, ChangeState::kRefused);
  EXPECT_THAT(Refusal(plan), HasSubstr("SPF_LOOKUP_LIMIT"));
}

}  // namespace
}  // namespace dmarcate
