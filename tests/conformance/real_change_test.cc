// One change transaction from plan to rollback over real servers: PowerDNS by HTTP, BIND and Knot
// by RFC 2136 with TSIG. Proofs go over TCP to the server itself.

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/ldns_authoritative_resolver.h"
#include "lib/dns/ldns_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/conformance/real_provider_host.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::RealBind;
using testing_support::RealKnot;
using testing_support::RealPowerDns;

constexpr char kRecords[] =
    "@ TXT \"v=spf1  mx ~all\"\n"
    "@ TXT \"verifi\" \"cation=1\"\n"
    "_dmarc TXT \"v=DMARC1; p=quarantine; x=1; rua=mailto:o@example.test\"\n";

// Runs a hook right before a write, when the engine has read and compared already.
class HookedFactory final : public ProviderFactory {
 public:
  explicit HookedFactory(ProviderFactory& factory) : factory_(factory) {}
  std::function<void()> before_apply;

  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override {
    absl::StatusOr<std::shared_ptr<DnsProvider>> provider = factory_.Open(record);
    if (!provider.ok()) return provider;
    return std::make_shared<Hooked>(*std::move(provider), *this);
  }

 private:
  class Hooked final : public DnsProvider {
   public:
    Hooked(std::shared_ptr<DnsProvider> provider, HookedFactory& factory)
        : provider_(std::move(provider)), factory_(factory) {}
    ProviderClass provider_class() const override { return provider_->provider_class(); }
    absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
      return provider_->FindZone(owner);
    }
    absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_->ListZones(); }
    absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
      return provider_->ReadRrSet(zone, owner);
    }
    absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
      if (factory_.before_apply) std::exchange(factory_.before_apply, nullptr)();
      return provider_->Apply(zone, change);
    }
    ProviderTest Test() override { return provider_->Test(); }

   private:
    std::shared_ptr<DnsProvider> provider_;
    HookedFactory& factory_;
  };
  ProviderFactory& factory_;
};

// What a test needs of RealProviderHost, whatever its server.
struct Host {
  std::unique_ptr<ProviderUnderTest> under_test;
  std::string server;
  DnsProviderRecord record;
  ProviderFactory* factory = nullptr;
};

template <typename Server>
Host HostOf(std::unique_ptr<RealProviderHost<Server>> host) {
  Host out;
  if (host == nullptr) return out;
  out.server = host->server().server();
  out.record = host->record();
  out.factory = &host->factory();
  out.under_test = std::move(host);
  return out;
}
Host MakePowerDns() {
  return HostOf(MakePowerDnsHost(RealPowerDns::Start({ExampleZone(kRecords)})));
}
Host MakeBind() { return HostOf(MakeRfc2136Host(RealBind::Start({ExampleZone(kRecords)}))); }
Host MakeKnot() { return HostOf(MakeRfc2136Host(RealKnot::Start({ExampleZone(kRecords)}))); }

class RealChangeTest : public testing::TestWithParam<Host (*)()> {
 protected:
  void SetUp() override {
    host_ = GetParam()();
    ASSERT_NE(host_.under_test, nullptr);
    DnsConfig config;
    config.stubs = {{TestName("example.test"), {host_.server}}};
    resolver_ = LdnsResolver::Create(config, clock_).value();
    authoritative_ = LdnsAuthoritativeResolver::Create(config, *resolver_).value();
    hooked_ = std::make_unique<HookedFactory>(*host_.factory);
    ASSERT_TRUE(store_.PutProvider(host_.record).ok());
    DomainRecord domain;
    domain.name = "example.test";
    domain.dns_provider = "dns";
    domain.report_mailbox = "r@example.test";
    ASSERT_TRUE(store_.PutDomain(domain).ok());
    SourceDecision decision;
    decision.domain = "example.test";
    decision.source_id = "inc";
    decision.state = SourceState::kApproved;
    decision.authorization.kind = AuthorizationSpec::Kind::kSpfInclude;
    decision.authorization.include_domain = "_inc.example.test";
    ASSERT_TRUE(store_.PutDecision(decision).ok());
    engine_ = std::make_unique<ChangeEngine>(ChangeWorld{
        store_, *hooked_, *resolver_, *authoritative_, *suffixes_, clock_, random_, pacer_});
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
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& plan) {
    return engine_->Apply({plan.domain, plan.id, plan.plan_digest, plan.revision, "a"});
  }
  std::vector<TxtRecord> Served(std::string_view owner) {
    std::vector<TxtRecord> records = host_.under_test->Served(TestName(owner));
    std::ranges::sort(records, {}, &TxtRecord::strings);
    return records;
  }

  Host host_;
  SystemClock clock_;
  SystemRandom random_;
  SystemPacer pacer_;
  FakePolicyStore store_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<LdnsResolver> resolver_;
  std::unique_ptr<LdnsAuthoritativeResolver> authoritative_;
  std::unique_ptr<HookedFactory> hooked_;
  std::unique_ptr<ChangeEngine> engine_;
};

TEST_P(RealChangeTest, AppliesOnceVerifiesAndRestoresTheExactBytes) {
  const std::vector<TxtRecord> old_spf = Served("example.test");
  const std::vector<TxtRecord> old_dmarc = Served("_dmarc.example.test");
  const ChangeRecord plan = Plan();
  ASSERT_EQ(plan.record_changes.size(), 2u);
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord change, Apply(plan));
  ASSERT_EQ(change.state, ChangeState::kSucceeded) << change.error_reason << change.error_message;
  EXPECT_FALSE(change.verifications.empty());
  const TxtRecord verification{{"verifi", "cation=1"}};
  EXPECT_EQ(Served("example.test"),
            (std::vector<TxtRecord>{MakeTxtRecord("v=spf1  mx include:_inc.example.test ~all"),
                                    verification}));
  EXPECT_EQ(Served("_dmarc.example.test"),
            std::vector<TxtRecord>{MakeTxtRecord(
                "v=DMARC1; p=quarantine; x=1; rua=mailto:o@example.test,mailto:r@example.test")});

  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const AuthoritativeAnswer before,
      authoritative_->LookupAll(TestName("example.test"), RrType::kSoa, true));
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ChangeRecord again, Apply(plan));
  EXPECT_EQ(again.revision, change.revision);
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const AuthoritativeAnswer after,
      authoritative_->LookupAll(TestName("example.test"), RrType::kSoa, true));
  EXPECT_EQ(before.First()->texts, after.First()->texts);  // the serial did not move

  DMARCATE_ASSERT_OK_AND_ASSIGN(
      const ChangeRecord rollback,
      engine_->Rollback({change.domain, change.id, change.revision, "a"}));
  EXPECT_EQ(rollback.state, ChangeState::kSucceeded) << rollback.error_message;
  EXPECT_EQ(Served("example.test"), old_spf);
  EXPECT_EQ(Served("_dmarc.example.test"), old_dmarc);
}

TEST_P(RealChangeTest, AForeignWriteBeforeTheReadMakesThePlanStale) {
  const ChangeRecord plan = Plan();
  std::vector<TxtRecord> foreign = Served("example.test");
  foreign.push_back(MakeTxtRecord("foreign"));
  std::ranges::sort(foreign, {}, &TxtRecord::strings);
  host_.under_test->ForeignWrite(TestName("example.test"), foreign);
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_THAT(applied, testing_support::StatusIs(absl::StatusCode::kAborted));
  const std::optional<ErrorReason> reason = ErrorReasonOf(applied.status());
  ASSERT_TRUE(reason.has_value());
  EXPECT_EQ(reason->code, "STALE_PLAN");
  EXPECT_THAT(reason->metadata.at("found"), HasSubstr("foreign"));
  EXPECT_EQ(Served("example.test"), foreign);
}

TEST_P(RealChangeTest, AForeignWriteBetweenReadAndWriteIsKept) {
  const ChangeRecord plan = Plan();
  const std::vector<TxtRecord> foreign = {MakeTxtRecord("v=DMARC1; p=reject")};
  hooked_->before_apply = [&] {
    host_.under_test->ForeignWrite(TestName("_dmarc.example.test"), foreign);
  };
  const absl::StatusOr<ChangeRecord> applied = Apply(plan);
  ASSERT_THAT(applied, testing_support::StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ErrorReasonOf(applied.status())->code, "STALE_PLAN");
  EXPECT_EQ(Served("_dmarc.example.test"), foreign);
  EXPECT_EQ(store_.GetChange("example.test", plan.id)->state, ChangeState::kFailed);
}

INSTANTIATE_TEST_SUITE_P(PowerDns, RealChangeTest, testing::Values(&MakePowerDns));
INSTANTIATE_TEST_SUITE_P(Bind, RealChangeTest, testing::Values(&MakeBind));
INSTANTIATE_TEST_SUITE_P(Knot, RealChangeTest, testing::Values(&MakeKnot));

}  // namespace
}  // namespace dmarcate
