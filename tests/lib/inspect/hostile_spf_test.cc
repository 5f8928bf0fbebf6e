// Zones that somebody made to be asked: loops, records of a thousand terms, aliases without end,
// sets without measure, macros that blow up, names that never stop, answers that take their time.
// Whatever they are, check_host(), the SPF tree and the posture end within their budget and say
// what receivers say, or that nothing was learned; never pass for what is unknown.

#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "lib/inspect/posture.h"
#include "lib/inspect/spf_check.h"
#include "lib/inspect/spf_tree.h"
#include "tests/lib/inspect/hostile_spf_zones.h"

namespace dmarcate {
namespace {

// An mx term with ten exchanges asks eleven questions, a ptr term one more; then the explanation.
constexpr int kMaxCheckQueries = 1 + 10 * 11 + 12;

DomainName Name(std::string_view text) { return DomainName::Parse(text).value(); }

class HostileSpfTest : public testing::TestWithParam<HostileSpfZone> {
 protected:
  FakeClock clock_{absl::UnixEpoch()};
  HostileDns dns_{clock_};
  FakeAuthoritativeResolver servers_;  // of no zone
};

TEST_P(HostileSpfTest, CheckHostEndsWithTheRightResult) {
  GetParam().fill(dns_);
  SpfRequest request;
  request.client = IpAddress::Parse("192.0.2.1").value();
  request.helo = std::string(60, 'h') + ".helo.test";
  request.mail_from = std::string(64, '%') + "@victim.test";
  ExpectBounded(dns_, kMaxSpfCheckTime, kMaxCheckQueries, [&] {
    const SpfEvaluation got = CheckHost(request, dns_, clock_);
    EXPECT_EQ(ToString(got.result), ToString(GetParam().want)) << got.reason;
    EXPECT_LE(got.lookup_count, kMaxSpfLookups + 2);  // the one that was too many may be %{p}'s
    EXPECT_LE(got.explanation.size(), 1000U);
  });
}

TEST_P(HostileSpfTest, TheTreeEndsAndSaysWhatIsMissing) {
  GetParam().fill(dns_);
  const SpfTreeBudget budget;
  ExpectBounded(dns_, budget.max_time, budget.max_queries, [&] {
    const auto tree = ExpandSpf(Name("victim.test"), dns_, clock_, budget);
    const bool permerror = absl::IsNotFound(tree.status()) ||
                           absl::IsFailedPrecondition(tree.status()) ||
                           absl::IsInvalidArgument(tree.status());
    const Tree got = tree.ok()   ? tree->complete ? Tree::kComplete : Tree::kIncomplete
                     : permerror ? Tree::kPermerror
                                 : Tree::kNothing;
    EXPECT_EQ(static_cast<int>(got), static_cast<int>(GetParam().tree))
        << tree.status() << (tree.ok() ? tree->incomplete_reason : "");
    if (!tree.ok()) return;
    EXPECT_EQ(tree->complete, tree->incomplete_reason.empty());
    EXPECT_LE(tree->query_count, budget.max_queries);
    // What is missing could decide, unless a network before it does.
    const SpfCoverage covers = Covers(*tree, IpAddress::Parse("192.0.2.1").value());
    if (GetParam().want == SpfResult::kTempError && !tree->complete) {
      EXPECT_EQ(static_cast<int>(covers), static_cast<int>(SpfCoverage::kUnknown));
    }
  });
}

TEST_P(HostileSpfTest, ThePostureEndsWithTheRightVerdict) {
  GetParam().fill(dns_);
  PostureOptions options;
  options.server_views = ServerViews::kSkip;
  options.selectors = {"s1", "s2", "s3"};
  ExpectBounded(dns_, options.budget.max_time, options.budget.max_lookups, [&] {
    const Posture posture = InspectDomain(Name("victim.test"), dns_, servers_, clock_, options);
    const Verdict got = posture.spf.judgement.verdict;
    const Judged judged = got == Verdict::kFail      ? Judged::kFail
                          : got == Verdict::kUnknown ? Judged::kUnknown
                                                     : Judged::kGood;
    EXPECT_EQ(static_cast<int>(judged), static_cast<int>(GetParam().judged))
        << posture.spf.judgement.reason;
    EXPECT_TRUE(IsValidUtf8(posture.spf.judgement.reason));
    EXPECT_NE(posture.verdict, Verdict::kPass);  // there is no DMARC record
  });
}

INSTANTIATE_TEST_SUITE_P(All, HostileSpfTest, testing::ValuesIn(HostileSpfZones()),
                         [](const auto& tested) { return tested.param.name; });

TEST(HostileSpfZones, AreAHundred) { EXPECT_GE(HostileSpfZones().size(), 100U); }

}  // namespace
}  // namespace dmarcate
