// tests/policyd/reconcile/change_engine_world.h
// An engine over the small world of test_world.h, and what its tests say again and again.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_CHANGE_ENGINE_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_CHANGE_ENGINE_WORLD_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/reconcile/change_engine.h"
#include "policyd/reconcile/reason.h"
#include "tests/policyd/reconcile/test_world.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {

using Texts = std::vector<std::string>;

inline std::string CodeOf(const absl::Status& status) {
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

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_CHANGE_ENGINE_WORLD_H_
