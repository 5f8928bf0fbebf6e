// tests/policyd/reconcile/mortal.h
// policyd dies at a given point: from there on nothing that it does has an effect on store or zone.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_MORTAL_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_MORTAL_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "policyd/reconcile/change_engine.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

// Counts effects; from the given point on nothing has an effect any more.
class Killer {
 public:
  void Arm(int points) { left_ = points; }
  void Disarm() { left_ = -1; }
  bool dead() const { return left_ == 0; }
  // One point in time. True: dead from here on.
  bool Tick() {
    if (left_ > 0) --left_;
    return left_ == 0;
  }

 private:
  std::atomic<int> left_ = -1;
};

inline absl::Status Dead() { return absl::UnavailableError("dead"); }

// A store that dies with the process; reads die, too.
class MortalStore final : public PolicyStore {
 public:
  MortalStore(PolicyStore& store, Killer& killer) : store_(store), killer_(killer) {}

  absl::StatusOr<DomainRecord> GetDomain(std::string_view name) override {
    return Read([&] { return store_.GetDomain(name); });
  }
  absl::StatusOr<std::vector<DomainRecord>> ListDomains(std::string_view a, size_t n) override {
    return Read([&] { return store_.ListDomains(a, n); });
  }
  absl::StatusOr<SourceDecision> GetDecision(std::string_view d, std::string_view s) override {
    return Read([&] { return store_.GetDecision(d, s); });
  }
  absl::StatusOr<std::vector<SourceDecision>> ListDecisions(std::string_view d) override {
    return Read([&] { return store_.ListDecisions(d); });
  }
  absl::StatusOr<DnsProviderRecord> GetProvider(std::string_view id) override {
    return Read([&] { return store_.GetProvider(id); });
  }
  absl::StatusOr<std::vector<DnsProviderRecord>> ListProviders(std::string_view a,
                                                               size_t n) override {
    return Read([&] { return store_.ListProviders(a, n); });
  }
  absl::StatusOr<ChangeRecord> GetChange(std::string_view d, std::string_view id) override {
    return Read([&] { return store_.GetChange(d, id); });
  }
  absl::StatusOr<std::vector<ChangeRecord>> ListChanges(std::string_view d, std::string_view b,
                                                        size_t n) override {
    return Read([&] { return store_.ListChanges(d, b, n); });
  }
  absl::StatusOr<std::vector<ChangeRecord>> OpenChanges() override {
    return Read([&] { return store_.OpenChanges(); });
  }
  absl::StatusOr<std::optional<RequestRecord>> FindRequest(std::string_view c,
                                                           std::string_view id) override {
    return Read([&] { return store_.FindRequest(c, id); });
  }
  absl::StatusOr<DomainRecord> PutDomain(DomainRecord r) override {
    return Write([&] { return store_.PutDomain(r); });
  }
  absl::StatusOr<SourceDecision> PutDecision(SourceDecision r) override {
    return Write([&] { return store_.PutDecision(r); });
  }
  absl::StatusOr<DnsProviderRecord> PutProvider(DnsProviderRecord r) override {
    return Write([&] { return store_.PutProvider(r); });
  }
  absl::StatusOr<ChangeRecord> PutChange(ChangeRecord r) override {
    return Write([&] { return store_.PutChange(r); });
  }
  absl::Status PutChangeAndDomain(ChangeRecord c, DomainRecord d) override {
    return Write([&] { return store_.PutChangeAndDomain(c, d); });
  }
  absl::Status PutRequest(RequestRecord r) override {
    return Write([&] { return store_.PutRequest(r); });
  }

 private:
  template <typename F>
  auto Read(F read) -> decltype(read()) {
    if (killer_.dead()) return Dead();
    return read();
  }
  template <typename F>
  auto Write(F write) -> decltype(write()) {
    if (killer_.Tick()) return Dead();
    auto result = write();
    if (killer_.Tick()) return Dead();
    return result;
  }

  PolicyStore& store_;
  Killer& killer_;
};

class MortalProvider final : public DnsProvider {
 public:
  MortalProvider(DnsProvider& provider, Killer& killer) : provider_(provider), killer_(killer) {}
  ProviderClass provider_class() const override { return provider_.provider_class(); }
  absl::StatusOr<DomainName> FindZone(const DomainName& owner) override {
    if (killer_.dead()) return Dead();
    return provider_.FindZone(owner);
  }
  absl::StatusOr<std::vector<DomainName>> ListZones() override { return provider_.ListZones(); }
  absl::StatusOr<RrSet> ReadRrSet(const DomainName& zone, const DomainName& owner) override {
    if (killer_.dead()) return Dead();
    return provider_.ReadRrSet(zone, owner);
  }
  absl::Status Apply(const DomainName& zone, const RrSetChange& change) override {
    if (killer_.Tick()) return Dead();
    absl::Status status = provider_.Apply(zone, change);
    if (killer_.Tick()) return Dead();
    return status;
  }
  ProviderTest Test() override { return provider_.Test(); }

 private:
  DnsProvider& provider_;
  Killer& killer_;
};

// The dead do not wait.
class MortalPacer final : public Pacer {
 public:
  MortalPacer(FakeClock& clock, const Killer& killer) : pacer_(clock), killer_(killer) {}
  bool Wait(absl::Duration duration) override { return pacer_.Wait(duration) && !killer_.dead(); }
  void Stop() override { pacer_.Stop(); }

 private:
  FakePacer pacer_;
  const Killer& killer_;
};

// One life of policyd over a store and a zone that survive it.
class Life {
 public:
  Life(TestWorld& world, const ChangeEngineOptions& options)
      : store_(world.store, killer),
        pacer_(world.clock, killer),
        engine_(MakeEngine(world, options)) {}

  Killer killer;
  ChangeEngine& engine() { return *engine_; }
  PolicyStore& store() { return store_; }

 private:
  std::unique_ptr<ChangeEngine> MakeEngine(TestWorld& world, const ChangeEngineOptions& options) {
    factory_.Add("dns", std::make_shared<MortalProvider>(*world.provider, killer));
    return std::make_unique<ChangeEngine>(
        ChangeWorld{store_, factory_, world.resolver, world.fleet, *world.suffixes, world.clock,
                    world.random, pacer_, world.sts_files},
        options);
  }

  MortalStore store_;
  FakeProviderFactory factory_;
  MortalPacer pacer_;
  std::unique_ptr<ChangeEngine> engine_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_MORTAL_H_
