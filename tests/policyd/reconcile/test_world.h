// tests/policyd/reconcile/test_world.h
// Everything a ChangeEngine works with, in memory: example.com with an SPF record that somebody
// else began, siblings, a DMARC record, an approved source, and a report mailbox at reports.test,
// which is managed here too. So a plan holds three RRsets: authorization, DMARC, SPF.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_TEST_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_TEST_WORLD_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_policy_store.h"
#include "policyd/provider/fake_provider.h"
#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/fake_fleet.h"

namespace dmarcate {

inline DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

inline std::string ToString(ChangeState state) {
  static constexpr const char* kNames[] = {
      "none",      "planned",   "refused",      "expired",     "cancelled", "applying",
      "verifying", "succeeded", "rolling back", "rolled back", "failed",    "needs attention"};
  return kNames[static_cast<size_t>(state)];
}

class TestWorld {
 public:
  explicit TestWorld(ProviderClass provider_class = ProviderClass::kA)
      : provider(std::make_shared<FakeDnsProvider>(provider_class)), fleet(*provider, clock) {
    provider->OnChange([this](const DomainName& owner, const RrSet& rrset) {
      fleet.Note(owner, rrset);
      if (observer) observer(owner, rrset);
    });
    provider->AddZone(Name("example.com"));
    provider->AddZone(Name("reports.test"));
    provider->SetTexts(kSpf, {kOldSpf, "verification=1"});
    provider->SetTexts(kDmarc, {kOldDmarc});
    factory.Add("dns", provider);
    resolver.SetTxt(Name("a.test"), {"v=spf1 ip4:192.0.2.0/24 -all"});
    resolver.SetTxt(Name("b.test"), {"v=spf1 ip4:198.51.100.0/24 -all"});
    PutDomain("example.com", "r@reports.test");
    PutDomain("reports.test", "");
    Decide("a", SourceState::kApproved, "a.test");
    DnsProviderRecord record;
    record.id = "dns";
    record.type = "fake";
    (void)store.PutProvider(record).value();
    clock.Advance(absl::Seconds(1));
  }

  void PutDomain(const std::string& name, const std::string& mailbox) {
    DomainRecord domain;
    domain.name = name;
    domain.dns_provider = "dns";
    domain.report_mailbox = mailbox;
    (void)store.PutDomain(domain).value();
  }

  void Decide(const std::string& id, SourceState state, const std::string& include) {
    SourceDecision decision;
    decision.domain = "example.com";
    decision.source_id = id;
    decision.state = state;
    decision.authorization.kind = AuthorizationSpec::Kind::kSpfInclude;
    decision.authorization.include_domain = include;
    const absl::StatusOr<SourceDecision> old = store.GetDecision("example.com", id);
    if (old.ok()) decision.revision = old->revision;
    (void)store.PutDecision(decision).value();
  }

  ChangeWorld world() {
    return {store, factory, resolver, fleet, *suffixes, clock, random, *pacer, sts_files};
  }
  // With a pacer of its own: a stopped engine leaves the old one stopped.
  std::unique_ptr<ChangeEngine> MakeEngine() { return MakeEngine(StoreUse::kExclusive); }
  std::unique_ptr<ChangeEngine> MakeEngine(StoreUse use) {
    pacer = std::make_unique<FakePacer>(clock);
    ChangeEngineOptions options;
    options.max_running = 1;
    options.store_use = use;
    return std::make_unique<ChangeEngine>(world(), options);
  }

  std::vector<std::string> Texts(const DomainName& owner) const {
    std::vector<std::string> texts;
    for (const TxtRecord& record : provider->Get(owner).records) texts.push_back(record.Joined());
    return texts;
  }
  std::vector<ManagedTerm> managed_terms() {
    return store.GetDomain("example.com").value().managed_terms;
  }

  static inline const DomainName kSpf = Name("example.com");
  static inline const DomainName kDmarc = Name("_dmarc.example.com");
  static inline const DomainName kReport = Name("example.com._report._dmarc.reports.test");
  static inline const std::string kOldSpf = "v=spf1  mx ip4:203.0.113.9 ~all";
  static inline const std::string kNewSpf = "v=spf1  mx ip4:203.0.113.9 include:a.test ~all";
  static inline const std::string kOldDmarc = "v=DMARC1; p=reject; x=1; rua=mailto:o@o.test";
  static inline const std::string kNewDmarc =
      "v=DMARC1; p=reject; x=1; rua=mailto:o@o.test,mailto:r@reports.test";
  static inline const std::string kAuthorization = "v=DMARC1;";

  // Called after each change of the zone, by whomever.
  std::function<void(const DomainName&, const RrSet&)> observer;

  FakeClock clock{absl::FromUnixSeconds(1'700'000'000)};
  SeededRandom random{1};
  FakePolicyStore store;
  std::shared_ptr<FakeDnsProvider> provider;
  FakeProviderFactory factory;
  FakeResolver resolver;
  FakeFleet fleet;
  StsFileSource* sts_files = nullptr;  // of a test about MTA-STS
  std::unique_ptr<PublicSuffixList> suffixes = BuiltinPublicSuffixList();
  std::unique_ptr<FakePacer> pacer = std::make_unique<FakePacer>(clock);
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_TEST_WORLD_H_
