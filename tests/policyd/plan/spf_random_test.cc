// Acceptance D4: 10,000 random SPF trees. What the compiler counts is what check_host() counts,
// what it proves is what check_host() says at the borders of every interval, before, in between and
// after; and a plan that is made again changes nothing.

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/base/clock.h"
#include "lib/inspect/spf_check.h"
#include "lib/inspect/spf_outcome.h"
#include "lib/mailauth/spf_evaluate.h"
#include "policyd/plan/guard.h"
#include "tests/policyd/plan/plan_testing.h"
#include "tests/policyd/plan/spf_world.h"

namespace dmarcate {
namespace {

constexpr size_t kSpansAsked = 10;  // of each plan, at both ends

struct Tally {
  int plans = 0, flattened = 0, refused = 0, proofs_failed = 0, counts = 0, results = 0;
  int unchanged = 0, removed = 0, followed = 0, excluded = 0;
};

SpfEvaluation Check(const std::string& domain, const IpAddress& client, Resolver& dns) {
  static SystemClock clock;
  return CheckHost({client, "helo.test", fmt::format("x@{}", domain)}, dns, clock, absl::Hours(1));
}

bool HasError(const SpfNode& node) {
  return node.reached && (!node.error.empty() || std::ranges::any_of(node.children, HasError));
}

// Whether receivers evaluate it to the end for a client that nothing matches.
bool InLimits(const SpfTree& tree, bool ipv4) {
  return tree.complete && !HasError(tree.root) && tree.lookup_count <= kMaxSpfLookups &&
         (ipv4 ? tree.void_lookup_count : tree.void_lookup_count_ipv6) <= kMaxSpfVoidLookups;
}

// What a macro's name finds is not the tree's to know, and nothing is found here: too many of these
// are permerror.
bool VoidsOfMacros(const SpfTree& tree, SpfResult result) {
  return tree.has_dynamic_terms && result == SpfResult::kPermError;
}

class Judge {
 public:
  Judge(SpfWorld& world, Tally& tally) : world_(world), tally_(tally) {}

  // The count of the worst case, by a client that no network holds.
  void CompareCounts(const SpfTree& tree, const std::string& text, const TxtOverlay& children) {
    if (text.empty()) return;
    TxtOverlay overlay = children;
    overlay[tree.domain] = text;
    OverlayResolver dns(world_.dns(), overlay);
    for (const char* address : {"203.0.113.77", "3fff::77"}) {
      const IpAddress client = *IpAddress::Parse(address);
      if (PassesEverybody(tree.root, client)) continue;  // then nothing is the worst case
      const SpfEvaluation said = Check(tree.domain.text(), client, dns);
      if (HasError(tree.root)) {
        EXPECT_EQ(said.result, SpfResult::kPermError) << text;
        continue;
      }
      // What a macro's name finds is not the tree's to know.
      if (tree.has_dynamic_terms && said.result == SpfResult::kPermError &&
          tree.lookup_count <= kMaxSpfLookups) {
        continue;
      }
      const int voids = client.is_v4() ? tree.void_lookup_count : tree.void_lookup_count_ipv6;
      if (tree.lookup_count > kMaxSpfLookups || voids > kMaxSpfVoidLookups) {
        EXPECT_EQ(said.result, SpfResult::kPermError) << text << ": " << said.reason;
        EXPECT_TRUE(said.lookup_count > kMaxSpfLookups || said.void_lookup_count > 2 ||
                    voids > kMaxSpfVoidLookups)
            << text << ": " << said.reason;
        ++tally_.counts;
        continue;
      }
      EXPECT_EQ(said.lookup_count, tree.lookup_count) << text << " for " << address;
      if (!tree.has_dynamic_terms) {
        EXPECT_EQ(said.void_lookup_count, voids) << text;
      }
      ++tally_.counts;
    }
  }

  // check_host() of `tree` at both ends of some spans, against what the tree is proved to mean.
  void CompareResults(const SpfTree& before, const PlannedSpf& plan) {
    TxtOverlay overlay = plan.overlay;
    overlay[world_.domain()] = plan.compiled.plan.after;
    OverlayResolver then(world_.dns(), overlay);
    SpfOutcomes outcomes;
    const std::string domain = world_.domain().text();
    const std::vector<SpfSpan> spans =
        CompareSpf({{&before.root, domain}, {&plan.after.root, domain}}, outcomes);
    for (size_t i = 0; i < kSpansAsked; ++i) {
      const SpfSpan& span = spans[world_.Random(spans.size())];
      for (const IpAddress& client : {span.first, span.last}) {
        std::optional<SpfResult> old_result;
        std::optional<SpfResult> new_result;
        if (InLimits(before, client.is_v4()) && outcomes.IsLeaf(span.outcomes[0])) {
          old_result = Check(domain, client, world_.dns()).result;
          if (VoidsOfMacros(before, *old_result)) continue;
          EXPECT_EQ(ToString(*old_result), outcomes.ToText(span.outcomes[0])) << client.ToString();
        }
        if (InLimits(plan.after, client.is_v4()) && outcomes.IsLeaf(span.outcomes[1])) {
          new_result = Check(domain, client, then).result;
          if (VoidsOfMacros(plan.after, *new_result)) continue;
          EXPECT_EQ(ToString(*new_result), outcomes.ToText(span.outcomes[1])) << client.ToString();
          ++tally_.results;
        }
        if (!old_result.has_value() || !new_result.has_value()) continue;
        const bool passed = *old_result == SpfResult::kPass;
        const bool passes = *new_result == SpfResult::kPass;
        EXPECT_EQ(plan.proof.gained.Contains(client), !passed && passes) << client.ToString();
        EXPECT_EQ(plan.proof.lost.Contains(client), passed && !passes) << client.ToString();
      }
    }
  }

  // Everything about one plan. False: it refused itself, and nothing was applied.
  bool TryPlan() {
    const SpfTree before = world_.Plan().before;
    const PlannedSpf plan = world_.Plan();
    ++tally_.plans;
    CompareCounts(plan.before, world_.live(), {});
    CompareCounts(plan.after, plan.compiled.plan.after, plan.overlay);
    CompareResults(before, plan);
    if (plan.draft.plan.guards.empty()) {
      EXPECT_EQ(plan.draft.intended, plan.truth) << "a term has lost its place";
    }
    if (!plan.proof.holds) ++tally_.proofs_failed;
    if (FindRefusal(plan.guards) != nullptr) {
      ++tally_.refused;
      return false;
    }
    EXPECT_LE(plan.after.lookup_count, kMaxSpfLookups);
    for (const SpfTree& tree : plan.between) {
      EXPECT_LE(tree.lookup_count, std::max(kMaxSpfLookups, plan.before.lookup_count));
    }
    IpRangeSet children;
    for (const SpfChild& child : plan.compiled.writes) {
      children = children.Union(ParseSpfChild(child.text).value().passing);
      const std::string there = world_.ChildText(child.owner);
      EXPECT_TRUE(there.empty() || there == child.text) << child.owner.text() << " would change";
      EXPECT_LE(child.owner.text().size() + child.text.size(), 450U) << child.text;
      EXPECT_FALSE(world_.IsTaken(child.owner)) << child.owner.text();
    }
    if (!plan.compiled.flattened.empty()) {
      ++tally_.flattened;
      std::vector<IpNetwork> vendors;
      for (const FlattenedTerm& one : plan.compiled.flattened) {
        for (const std::string& network : one.networks) {
          vendors.push_back(*IpNetwork::Parse(network));
        }
      }
      if (children != IpRangeSet(vendors)) ++tally_.excluded;
      // Or a vendor that can no longer be flattened keeps the addresses that it had.
      const bool remembered =
          std::ranges::any_of(plan.compiled.flattened, &FlattenedTerm::remembered);
      EXPECT_TRUE(remembered || plan.compiled.lookups_unflattened > kMaxSpfLookups);
    }
    world_.Apply(plan);
    return true;
  }

  // The same decisions again, over what was just written.
  void ExpectNothingLeft() {
    const PlannedSpf again = world_.Plan();
    EXPECT_EQ(again.compiled.plan.after, world_.live());
    EXPECT_TRUE(again.between.empty()) << "a child record would change again";
    ++tally_.unchanged;
  }

 private:
  static bool PassesEverybody(const SpfNode& root, const IpAddress& client) {
    const auto all = [](const SpfNode& node, const auto& self) -> bool {
      return node.reached && ((node.kind == SpfKind::kAll && !node.term.empty() &&
                               node.qualifier == SpfQualifier::kPass) ||
                              std::ranges::any_of(node.children, [&](const SpfNode& child) {
                                return self(child, self);
                              }));
    };
    (void)client;
    return all(root, all);
  }

  SpfWorld& world_;
  Tally& tally_;
};

void RunSeed(uint64_t seed, Tally& tally) {
  SCOPED_TRACE(fmt::format("DMARCATE_SPF_SEED={}", seed));
  SpfWorld world(seed);
  const std::string began = world.Describe();
  SCOPED_TRACE(began);
  Judge judge(world, tally);
  if (judge.TryPlan()) judge.ExpectNothingLeft();
  if (seed % 2 == 0) {
    world.ChangeVendor();
    if (judge.TryPlan()) ++tally.followed;
  } else if (!world.RemoveApproval().empty()) {
    if (judge.TryPlan()) ++tally.removed;
  }
  if (seed % 3 != 0) return;
  world.ChangeVendor();
  if (judge.TryPlan()) judge.ExpectNothingLeft();
}

TEST(SpfRandomTest, CountsAndProofsAreThoseOfCheckHost) {
  Tally tally;
  uint64_t first = 1;
  uint64_t count = 10'000;
  if (const char* seed = std::getenv("DMARCATE_SPF_SEED"); seed != nullptr) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  }
  for (uint64_t seed = first; seed < first + count; ++seed) {
    RunSeed(seed, tally);
    if (HasFailure()) FAIL() << "run it again with DMARCATE_SPF_SEED=" << seed;
  }
  fmt::print(
      "{} trees: {} plans, {} flattened, {} refused themselves ({} by their proof), {} counts and "
      "{} results compared, {} with addresses that others exclude, {} made again, {} vendors "
      "followed, {} approvals taken back\n",
      count, tally.plans, tally.flattened, tally.refused, tally.proofs_failed, tally.counts,
      tally.results, tally.excluded, tally.unchanged, tally.followed, tally.removed);
  if (count == 1) return;
  EXPECT_GT(tally.flattened, 1000);
  EXPECT_GT(tally.excluded, 100);
  EXPECT_GT(tally.counts, 20'000);
  EXPECT_GT(tally.results, 50'000);
}

}  // namespace
}  // namespace dmarcate
