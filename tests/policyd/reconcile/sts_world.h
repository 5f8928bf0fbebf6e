// tests/policyd/reconcile/sts_world.h
// MTA-STS rollouts carried out by the real decision, plan and change code, over a provider,
// servers, stores and evidence in memory. policyd serves the files itself unless a test says
// otherwise.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_STS_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_STS_WORLD_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/store/fake_rollout_store.h"
#include "policyd/mta_sts/live_record.h"
#include "policyd/reconcile/mta_sts_controller.h"
#include "policyd/reconcile/mta_sts_served.h"
#include "policyd/reconcile/sts_file_source.h"
#include "tests/policyd/mta_sts/mta_sts_testing.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

inline const DomainName kStsOwner = Name("_mta-sts.example.com");
inline const DomainName kStsDomain = Name("example.com");

// What is at the address: what policyd serves, or what somebody put there.
class FakeStsWeb final : public StsFileSource {
 public:
  explicit FakeStsWeb(RolloutStore& rollouts, const Clock& clock) : served_(rollouts, clock) {}
  std::optional<std::string> File() {
    return theirs.has_value() ? theirs : served_.Find(kStsDomain);
  }
  absl::StatusOr<ServedStsFile> Fetch(const DomainName&) override {
    const std::optional<std::string> file = File();
    if (!file.has_value() || file->empty())
      return absl::NotFoundError("the web server answers 404");
    return ServedStsFile{*file};
  }

  std::optional<std::string> theirs;  // instead of policyd's; "": nothing is there

 private:
  MtaStsServed served_;
};

// Healthy reports and mail servers of whatever day it is, the file as it is served, and the record
// as the provider holds it.
class FakeStsEvidence final : public StsEvidenceGatherer {
 public:
  FakeStsEvidence(TestWorld& world, FakeStsWeb& web) : world_(world), web_(web) {}
  StsEvidence Gather(const StsState& state, absl::Time now) override {
    ++gathered;
    StsEvidence evidence = HealthyStsEvidence(state, now, traffic);
    const absl::StatusOr<ServedStsFile> file = web_.Fetch(kStsDomain);
    evidence.file.sight = file.ok() ? FileSight::kServed : FileSight::kMissing;
    evidence.file.body = file.ok() ? file->body : "";
    evidence.file.detail = file.ok() ? "" : "the web server answers 404";
    evidence.records.mta_sts = world_.Texts(kStsOwner);
    if (state.abort_to.has_value()) {  // as the real one
      evidence.reporters.clear();
      evidence.mx = {};
    }
    if (change) change(state, now, evidence);
    return evidence;
  }

  StsTraffic traffic;
  std::function<void(const StsState&, absl::Time, StsEvidence&)> change;
  int gathered = 0;

 private:
  TestWorld& world_;
  FakeStsWeb& web_;
};

class StsTestWorld {
 public:
  StsTestWorld() {
    world.clock.JumpWallTo(kBegin);
    world.sts_files = &web;
    world.resolver.SetMx(kStsDomain,
                         {{10, Name("mx1.example.com")}, {20, Name("mx2.example.com")}});
    world.observer = [this](const DomainName& owner, const RrSet& rrset) {
      if (owner != kStsOwner) return;
      std::string text;
      for (const TxtRecord& record : rrset.records) text += record.Joined();
      published.push_back(text);
      OnWrite(text);
    };
    engine = MakeEngine();
    controller = Make(rollouts);
  }

  std::unique_ptr<ChangeEngine> MakeEngine() { return world.MakeEngine(); }
  std::unique_ptr<MtaStsController> Make(RolloutStore& store) {
    return std::make_unique<MtaStsController>(
        StsWorld{world.store, store, *engine, evidence, world.clock, world.random},
        RolloutControllerOptions{.patience = absl::InfiniteDuration()});
  }

  static StsState Wanted(RolloutMode mode, StsStage target = StsStage::kEnforce) {
    StsState state;
    state.domain = "example.com";
    state.mode = mode;
    state.target = target;
    state.settings = HealthyStsSettings();
    return state;
  }
  // So many days, with a tick each hour.
  void Days(int days) { Hours(24 * days); }
  void Hours(int hours) {
    for (int hour = 0; hour < hours; ++hour) {
      world.clock.Advance(absl::Hours(1));
      (void)controller->Tick();
    }
  }
  StsRollout Last() {
    return ToStsRollout(rollouts.ListRollouts("example.com", "", "", 1000).value().back()).value();
  }
  StsState Now() { return Last().state; }
  RolloutRequest Asked() {
    const StsRollout last = Last();
    return {.domain = "example.com",
            .id = last.record.id,
            .revision = last.record.revision,
            .principal = "ann"};
  }
  std::vector<RolloutLogRecord> Log() {
    return rollouts.ListRolloutLog("example.com", Last().record.id, "", 10'000).value();
  }

  TestWorld world;
  FakeRolloutStore rollouts;
  FakeStsWeb web{rollouts, world.clock};
  FakeStsEvidence evidence{world, web};
  std::unique_ptr<ChangeEngine> engine;
  std::unique_ptr<MtaStsController> controller;
  std::vector<std::string> published;      // texts at _mta-sts, in the order of writing
  std::vector<std::string> unfounded_ids;  // that were written while another file was served

 private:
  // Never-event S1, in the instant of the write.
  void OnWrite(const std::string& text) {
    const LiveStsRecord live = FindStsRecord({text});
    if (live.none()) return;
    const std::optional<std::string> file = web.File();
    if (!file.has_value() || !IsStsIdOf(*file, live.id)) unfounded_ids.push_back(text);
  }
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_STS_WORLD_H_
