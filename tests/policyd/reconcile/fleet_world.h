// tests/policyd/reconcile/fleet_world.h
// Many domains of two provider accounts, in memory, for FleetEngine: d000.test and on, each with a
// DMARC record that lacks its report mailbox. Real time, short pauses. A Killer ends a life of
// policyd at a given point: from there on nothing that it does has an effect on stores or zones.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_FLEET_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_FLEET_WORLD_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"

#include "lib/store/fake_fleet_store.h"
#include "policyd/reconcile/fleet_engine.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

// A store of fleet changes that dies with the process.
class MortalFleetStore final : public FleetStore {
 public:
  MortalFleetStore(FleetStore& store, Killer& killer) : store_(store), killer_(killer) {}
  absl::StatusOr<FleetRecord> GetFleet(std::string_view id) override {
    if (killer_.dead()) return Dead();
    return store_.GetFleet(id);
  }
  absl::StatusOr<std::vector<FleetRecord>> ListFleets(std::string_view b, size_t n) override {
    if (killer_.dead()) return Dead();
    return store_.ListFleets(b, n);
  }
  absl::StatusOr<std::vector<FleetMemberRecord>> ListFleetMembers(std::string_view id,
                                                                  std::string_view a,
                                                                  size_t n) override {
    if (killer_.dead()) return Dead();
    return store_.ListFleetMembers(id, a, n);
  }
  absl::StatusOr<FleetRecord> PutFleet(FleetRecord r,
                                       const std::vector<FleetMemberRecord>& m) override {
    if (killer_.Tick()) return Dead();
    absl::StatusOr<FleetRecord> stored = store_.PutFleet(std::move(r), m);
    if (killer_.Tick()) return Dead();
    return stored;
  }
  absl::Status PutFleetMember(std::string_view id, const FleetMemberRecord& m) override {
    if (killer_.Tick()) return Dead();
    absl::Status stored = store_.PutFleetMember(id, m);
    if (killer_.Tick()) return Dead();
    return stored;
  }

 private:
  FleetStore& store_;
  Killer& killer_;
};

// Real waits, but not of the dead.
class RealMortalPacer final : public Pacer {
 public:
  explicit RealMortalPacer(const Killer& killer) : killer_(killer) {}
  bool Wait(absl::Duration duration) override {
    if (killer_.dead()) return false;
    return pacer_.Wait(std::min(duration, absl::Milliseconds(5))) && !killer_.dead();
  }
  void Stop() override { pacer_.Stop(); }

 private:
  SystemPacer pacer_;
  const Killer& killer_;
};

class FleetTestWorld {
 public:
  explicit FleetTestWorld(int domains) : servers(*provider, clock) {
    provider->OnChange([this](const DomainName& owner, const RrSet& rrset) {
      servers.Note(owner, rrset);
      if (on_write) on_write(owner);
      const std::lock_guard lock(mutex_);
      ++writes_[owner.text()];
    });
    for (const char* id : {"a", "b"}) {
      DnsProviderRecord record;
      record.id = id;
      record.type = "fake";
      (void)store.PutProvider(record).value();
    }
    for (int i = 0; i < domains; ++i) AddDomain(NameOf(i), i % 4 == 3 ? "b" : "a");
  }

  static std::string NameOf(int i) { return fmt::format("d{:03}.test", i); }
  static DomainName DmarcOf(const std::string& domain) { return Name("_dmarc." + domain); }
  static constexpr char kOld[] = "v=DMARC1; p=reject; x=1";
  static std::string New(const std::string& domain) {
    return fmt::format("v=DMARC1; p=reject; x=1; rua=mailto:r@{}", domain);
  }

  void AddDomain(const std::string& name, const std::string& account) {
    provider->AddZone(Name(name));
    provider->SetTexts(DmarcOf(name), {kOld});
    DomainRecord domain;
    domain.name = name;
    domain.dns_provider = account;
    domain.report_mailbox = "r@" + name;
    (void)store.PutDomain(domain).value();
  }
  std::vector<std::string> Texts(const std::string& domain) const {
    std::vector<std::string> texts;
    for (const TxtRecord& record : provider->Get(DmarcOf(domain)).records) {
      texts.push_back(record.Joined());
    }
    return texts;
  }
  bool HoldsOld(const std::string& domain) const {
    return Texts(domain) == std::vector<std::string>{kOld};
  }
  bool HoldsNew(const std::string& domain) const {
    return Texts(domain) == std::vector<std::string>{New(domain)};
  }
  // How often the record was changed since the world was made.
  int WritesOf(const std::string& domain) {
    const std::lock_guard lock(mutex_);
    return writes_[DmarcOf(domain).text()] - 1;
  }

  // Called after each change of a record, by whomever.
  std::function<void(const DomainName&)> on_write;

  SystemClock clock;
  SeededRandom random{1};
  FakePolicyStore store;
  FakeFleetStore fleets;
  std::shared_ptr<FakeDnsProvider> provider = std::make_shared<FakeDnsProvider>();
  FakeResolver resolver;
  FakeFleet servers;
  std::unique_ptr<PublicSuffixList> suffixes = BuiltinPublicSuffixList();

 private:
  std::mutex mutex_;
  std::map<std::string, int> writes_;
};

// One life of policyd over a world that survives it.
class FleetLife {
 public:
  explicit FleetLife(FleetTestWorld& world, FleetEngineOptions options = Quick())
      : FleetLife(world, world.fleets, options) {}
  FleetLife(FleetTestWorld& world, FleetStore& fleets, FleetEngineOptions options = Quick())
      : store_(world.store, killer),
        fleet_store_(fleets, killer),
        change_pacer_(killer),
        fleet_pacer_(killer) {
    for (const char* id : {"a", "b"}) {
      factory_.Add(id, std::make_shared<MortalProvider>(*world.provider, killer));
    }
    ChangeEngineOptions change_options;
    change_options.max_running = 8;
    change_options.read_deadline = absl::Milliseconds(30);
    change_options.first_pause = absl::Milliseconds(1);
    change_options.longest_pause = absl::Milliseconds(5);
    changes_ = std::make_unique<ChangeEngine>(
        ChangeWorld{store_, factory_, world.resolver, world.servers, *world.suffixes, world.clock,
                    world.random, change_pacer_},
        change_options);
    engine_ = std::make_unique<FleetEngine>(
        FleetWorld{fleet_store_, store_, *changes_, world.clock, world.random, fleet_pacer_},
        options);
  }
  ~FleetLife() {
    engine_->BeginStop();
    changes_->Stop();
  }

  static FleetEngineOptions Quick() {
    FleetEngineOptions options;
    options.busy_pause = options.open_pause = absl::Milliseconds(5);
    options.first_trouble_pause = absl::Milliseconds(5);
    options.longest_trouble_pause = absl::Milliseconds(20);
    options.plan_patience = options.apply_patience = absl::Milliseconds(100);
    return options;
  }

  Killer killer;
  FleetEngine& engine() { return *engine_; }
  ChangeEngine& changes() { return *changes_; }

  // All domains get their report mailbox; planned.
  FleetRecord Plan(const FleetSelection& selection = {}) {
    FleetRequest request;
    request.selection = selection;
    request.intent.dmarc_report_address = selection.rollback_of.empty();
    request.principal = "p";
    const absl::StatusOr<FleetRecord> fleet = engine_->Create(request);
    if (!fleet.ok()) return {};
    engine_->WaitIdle();
    return engine_->Look(fleet->id)->record;
  }
  FleetApplyRequest For(const FleetRecord& fleet, FleetLimits limits = {}) {
    return {fleet.id, fleet.plan_digest, fleet.revision, "a", limits};
  }
  // Until nothing goes on by itself.
  FleetProgress Apply(const FleetRecord& fleet, FleetLimits limits = {}) {
    (void)engine_->Apply(For(fleet, limits));
    engine_->WaitIdle();
    return engine_->Look(fleet.id).value();
  }

 private:
  MortalStore store_;
  MortalFleetStore fleet_store_;
  FakeProviderFactory factory_;
  RealMortalPacer change_pacer_, fleet_pacer_;
  std::unique_ptr<ChangeEngine> changes_;
  std::unique_ptr<FleetEngine> engine_;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_FLEET_WORLD_H_
