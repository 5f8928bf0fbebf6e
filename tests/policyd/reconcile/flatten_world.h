// tests/policyd/reconcile/flatten_world.h
// example.com at 11 look-ups: nine includes of others, which they may keep, and one of ours that
// takes two. For tests of what a flattened domain goes through.

#ifndef DMARCATE_TESTS_POLICYD_RECONCILE_FLATTEN_WORLD_H_
#define DMARCATE_TESTS_POLICYD_RECONCILE_FLATTEN_WORLD_H_

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/inspect/overlay_resolver.h"
#include "lib/inspect/spf_check.h"
#include "policyd/plan/guard.h"
#include "policyd/plan/spf_children.h"
#include "tests/policyd/reconcile/test_world.h"

namespace dmarcate {

inline constexpr char kKept[] = "192.0.2.77";   // of a.test, whatever happens to it
inline constexpr char kNever[] = "192.0.2.78";  // of a.test, and excluded by somebody

class FlattenFixture : public testing::Test {
 protected:
  using Texts = std::vector<std::string>;

  void SetUp() override {
    std::string live = "v=spf1";
    for (int i = 0; i < 9; ++i) {
      live += fmt::format(" include:o{}.test", i);
      world.resolver.SetTxt(Name(fmt::format("o{}.test", i)),
                            {fmt::format("v=spf1 ip4:10.0.{}.0/24 -all", i)});
    }
    live_ = live + " -ip4:192.0.2.78 ~all";
    SetVendor("");
    world.resolver.SetTxt(Name("a2.test"), {"v=spf1 ip4:198.51.100.0/25 -all"});
    world.resolver.SetTxt(Name("example.com"), {live_});
    world.provider->SetTexts(TestWorld::kSpf, {live_, "verification=1"});
    world.clock.Advance(absl::Hours(72));  // everywhere, however far a server is behind from now on
    // What servers show, resolvers learn.
    world.observer = [this](const DomainName& owner, const RrSet& rrset) {
      Texts texts;
      for (const TxtRecord& record : rrset.records) texts.push_back(record.Joined());
      world.resolver.SetTxt(owner, texts);
      if (owner == TestWorld::kSpf) records.push_back(texts.empty() ? "" : texts[0]);
      if (IsSpfChildOf(owner, TestWorld::kSpf)) children[owner] = texts.empty() ? "" : texts[0];
      if (on_write) on_write(owner);
    };
    records = {live_};
  }
  void SetVendor(const std::string& more) {
    world.resolver.SetTxt(Name("a.test"),
                          {"v=spf1 ip4:192.0.2.64/26" + more + " include:a2.test -all"});
  }
  ChangeRecord Plan() {
    absl::StatusOr<ChangeRecord> change = engine->Plan("example.com", kIntent, "tokens/p");
    EXPECT_TRUE(change.ok()) << change.status();
    return change.value();
  }
  absl::StatusOr<ChangeRecord> Apply(const ChangeRecord& change) {
    return engine->Apply(
        {change.domain, change.id, change.plan_digest, change.revision, "tokens/a"});
  }
  absl::StatusOr<ChangeRecord> Rollback(const ChangeRecord& change) {
    return engine->Rollback({change.domain, change.id, change.revision, "tokens/a"});
  }
  ChangeRecord Applied() {
    const ChangeRecord plan = Plan();
    for (const GuardRecord& guard : plan.guards) {
      EXPECT_NE(guard.verdict, GuardVerdict::kRefuse) << guard.code << ": " << guard.message;
    }
    absl::StatusOr<ChangeRecord> change = Apply(plan);
    EXPECT_TRUE(change.ok()) << change.status();
    EXPECT_EQ(change->state, ChangeState::kSucceeded) << change->error_message;
    return change.value();
  }
  ChangeRecord Stored(const ChangeRecord& change) {
    return world.store.GetChange(change.domain, change.id).value();
  }
  // What policyd's timer does.
  ChangeRecord TakeUpUntilItEnds(const ChangeRecord& begun) {
    for (int i = 0; i < 500; ++i) {
      ChangeRecord change = Stored(begun);
      if (IsEndState(change.state)) return change;
      world.clock.Advance(absl::Seconds(30));
      EXPECT_TRUE(engine->Resume().ok());
      engine->WaitIdle();
    }
    ADD_FAILURE() << "no end";
    return {};
  }
  // Of the child records that are in the zone.
  std::vector<DomainName> LiveChildren() const {
    std::vector<DomainName> out;
    for (const auto& [owner, text] : children) {
      if (!text.empty()) out.push_back(owner);
    }
    return out;
  }
  // What a receiver says that has `record` and these children, each as it is or as it was.
  SpfResult Receive(const std::string& record, const TxtOverlay& have, const char* client) {
    TxtOverlay overlay = have;
    overlay[TestWorld::kSpf] = record;
    OverlayResolver dns(world.resolver, overlay);
    return CheckHost({*IpAddress::Parse(client), "helo.test", "x@example.com"}, dns, world.clock)
        .result;
  }
  std::string Live() { return world.Texts(TestWorld::kSpf).at(0); }
  static bool Has(const ChangeRecord& change, std::string_view guard, GuardVerdict verdict) {
    return std::ranges::any_of(change.guards, [&](const GuardRecord& one) {
      return one.code == guard && one.verdict == verdict;
    });
  }

  static inline const ChangeIntent kIntent = {.spf_from_decisions = true};
  TestWorld world;
  std::unique_ptr<ChangeEngine> engine = world.MakeEngine();
  std::string live_;                           // as it was
  std::vector<std::string> records;            // the SPF record, after each write of it
  std::map<DomainName, std::string> children;  // as they are; empty: gone
  std::function<void(const DomainName&)> on_write;
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_POLICYD_RECONCILE_FLATTEN_WORLD_H_
