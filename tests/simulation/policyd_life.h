// tests/simulation/policyd_life.h
// One life of policyd over stores and a zone that survive it: the real change engine and the real
// rollout controller. It dies at a given point: from there on nothing that it does has an effect.

#ifndef DMARCATE_TESTS_SIMULATION_POLICYD_LIFE_H_
#define DMARCATE_TESTS_SIMULATION_POLICYD_LIFE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/random.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rollout_store.h"
#include "policyd/provider/factory.h"
#include "policyd/provider/fake_provider.h"
#include "policyd/provider/read_only.h"
#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/rollout_controller.h"
#include "tests/policyd/reconcile/mortal.h"
#include "tests/simulation/sim_dns.h"

namespace dmarcate::simulation {

// A store of rollouts that dies with the process.
class MortalRollouts final : public RolloutStore {
 public:
  MortalRollouts(RolloutStore& store, Killer& killer) : store_(store), killer_(killer) {}
  absl::StatusOr<RolloutRecord> GetRollout(std::string_view domain, std::string_view id) override {
    if (killer_.dead()) return Dead();
    return store_.GetRollout(domain, id);
  }
  absl::StatusOr<std::vector<RolloutRecord>> ListRollouts(std::string_view domain,
                                                          std::string_view after_domain,
                                                          std::string_view after_id,
                                                          size_t limit) override {
    if (killer_.dead()) return Dead();
    return store_.ListRollouts(domain, after_domain, after_id, limit);
  }
  absl::StatusOr<RolloutRecord> PutRollout(RolloutRecord record,
                                           std::vector<RolloutLogRecord> log) override {
    if (killer_.Tick()) return Dead();
    auto result = store_.PutRollout(std::move(record), std::move(log));
    if (killer_.Tick()) return Dead();
    return result;
  }
  absl::StatusOr<std::vector<RolloutLogRecord>> ListRolloutLog(std::string_view domain,
                                                               std::string_view id,
                                                               std::string_view before,
                                                               size_t limit) override {
    if (killer_.dead()) return Dead();
    return store_.ListRolloutLog(domain, id, before, limit);
  }
  absl::Status ForgetRolloutLog(std::string_view domain, std::string_view id,
                                const std::vector<std::string>& entries) override {
    if (killer_.dead()) return Dead();
    return store_.ForgetRolloutLog(domain, id, entries);
  }
  absl::StatusOr<RolloutLease> GetRolloutLease() override {
    if (killer_.dead()) return Dead();
    return store_.GetRolloutLease();
  }
  absl::StatusOr<RolloutLease> PutRolloutLease(RolloutLease lease) override {
    if (killer_.dead()) return Dead();
    return store_.PutRolloutLease(std::move(lease));
  }

 private:
  RolloutStore& store_;
  Killer& killer_;
};

// DNS accounts of a policyd that is read-only at times, as its configuration says when it opens
// one.
class SometimesReadOnly final : public ProviderFactory {
 public:
  // `providers` outlives it.
  SometimesReadOnly(ProviderFactory& providers, std::function<bool()> may_write)
      : providers_(providers), read_only_(providers), may_write_(std::move(may_write)) {}
  absl::StatusOr<std::shared_ptr<DnsProvider>> Open(const DnsProviderRecord& record) override {
    return may_write_() ? providers_.Open(record) : read_only_.Open(record);
  }
  absl::Status Validate(const DnsProviderRecord& record) const override {
    return providers_.Validate(record);
  }

 private:
  ProviderFactory& providers_;
  ReadOnlyProviders read_only_;
  const std::function<bool()> may_write_;
};

// What every life is given; all outlive it.
struct LifeWorld {
  PolicyStore& policies;
  RolloutStore& rollouts;
  DnsProvider& provider;
  SimDns& dns;
  EvidenceGatherer& evidence;
  const PublicSuffixList& suffixes;
  FakeClock& clock;
  Random& random;
  std::function<bool()> may_write;  // asked when an account is opened
};

class PolicydLife {
 public:
  PolicydLife(const LifeWorld& world, StoreUse use)
      : policies_(world.policies, killer),
        rollouts_(world.rollouts, killer),
        providers_(factory_, world.may_write),
        pacer_(world.clock, killer) {
    factory_.Add("dns", std::make_shared<MortalProvider>(world.provider, killer));
    ChangeEngineOptions options;
    options.max_running = 1;
    options.store_use = use;
    engine_ = std::make_unique<ChangeEngine>(
        ChangeWorld{policies_, providers_, world.dns, world.dns, world.suffixes, world.clock,
                    world.random, pacer_},
        options);
    controller_ = std::make_unique<RolloutController>(
        RolloutWorld{policies_, rollouts_, *engine_, world.evidence, world.clock, world.random},
        RolloutControllerOptions{.store_use = use, .patience = absl::InfiniteDuration()});
  }

  // As policyd's timers do.
  void Tick() {
    (void)engine_->Resume();
    engine_->WaitIdle();
    (void)controller_->Tick();
  }

  Killer killer;
  ChangeEngine& engine() { return *engine_; }
  RolloutController& controller() { return *controller_; }

 private:
  MortalStore policies_;
  MortalRollouts rollouts_;
  FakeProviderFactory factory_;
  SometimesReadOnly providers_;
  MortalPacer pacer_;
  std::unique_ptr<ChangeEngine> engine_;
  std::unique_ptr<RolloutController> controller_;
};

}  // namespace dmarcate::simulation

#endif  // DMARCATE_TESTS_SIMULATION_POLICYD_LIFE_H_
