#include "policyd/evidence/report_evidence.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policyd/rollout/figures.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Row;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr DayNumber kToday = 20'500;
const absl::Time kNow = StartOfDay(kToday) + absl::Hours(12);

DmarcRecord Live(const std::string& text) { return ParseDmarc(text).value(); }

SourceDecision Decision(const std::string& id, SourceState state,
                        AuthorizationSpec::Kind kind = AuthorizationSpec::Kind::kSpfInclude) {
  SourceDecision decision;
  decision.domain = "example.com";
  decision.source_id = id;
  decision.state = state;
  decision.authorization.kind = kind;
  decision.revision = 1;
  return decision;
}

StoredReport Report(int days_ago, std::vector<AggregateRecord> rows,
                    const std::string& reporter = "google.com",
                    TrustClass trust = TrustClass::kAnchored) {
  StoredReport report =
      analysis_testing::Report(kToday - days_ago, std::move(rows), reporter, trust);
  report.reporter_key = reporter;
  report.report.policy.p = Policy::kNone;
  report.received_time = StartOfDay(kToday - days_ago + 1) + absl::Hours(6);
  return report;
}

ReportEvidence Build(const std::vector<StoredReport>& reports,
                     std::vector<SourceDecision> decisions = {},
                     std::vector<PolicyChange> changes = {},
                     const std::string& live = "v=DMARC1; p=none") {
  ReportEvidenceBuilder builder(
      {"example.com", std::move(decisions), std::move(changes), Live(live), kNow},
      Catalogue::Default());
  for (const StoredReport& report : reports) builder.Add(report);
  return builder.Finish();
}

const SourceEvidence* Find(const ReportEvidence& evidence, const std::string& id) {
  const auto found = std::ranges::find(evidence.sources, id, &SourceEvidence::id);
  return found == evidence.sources.end() ? nullptr : &*found;
}

TEST(ReportEvidenceTest, OnlyAnchoredReportsCount) {
  for (const TrustClass trust : {TrustClass::kAuthenticated, TrustClass::kImported,
                                 TrustClass::kUnverified, TrustClass::kQuarantined}) {
    const ReportEvidence evidence =
        Build({Report(1, {Row(1000).Dkim("example.com", "s1")}, "evil.test", trust)});
    EXPECT_THAT(evidence.sources, IsEmpty());
    EXPECT_THAT(evidence.anchors, IsEmpty());
    EXPECT_EQ(evidence.quarantined_in_anchors_names, 0);
  }
  const ReportEvidence evidence =
      Build({Report(1, {Row(1000).Dkim("example.com", "s1")}, "evil.test", TrustClass::kImported)});
  EXPECT_THAT(evidence.advisories, ElementsAre(HasSubstr("1 reports of the last 30 days")));
}

TEST(ReportEvidenceTest, SourcesAreAsPeopleGroupThem) {
  ReportEvidenceInput input{"example.com", {}, {}, Live("v=DMARC1; p=none"), kNow};
  SourceGrouping merge;
  merge.from = "ip-198-51-100-7";
  merge.into = "sendgrid";
  input.groupings = {merge};
  input.decisions = {Decision("sendgrid", SourceState::kApproved)};
  const std::vector<StoredReport> reports = {
      Report(1, {Row(10).From("198.51.100.7"), Row(20).Dkim("sendgrid.net")})};
  ReportEvidenceBuilder builder(input, Catalogue::Default());
  for (const StoredReport& report : reports) builder.Add(report);
  const ReportEvidence merged = builder.Finish();
  EXPECT_EQ(Find(merged, "ip-198-51-100-7"), nullptr);
  ASSERT_NE(Find(merged, "sendgrid"), nullptr);
  EXPECT_EQ(Find(merged, "sendgrid")->standing, SourceStanding::kApproved);
  EXPECT_NE(Find(Build(reports, input.decisions), "ip-198-51-100-7"), nullptr)
      << "which is a stranger where nobody merged it";
}

TEST(ReportEvidenceTest, DaysBySourceAndAnchor) {
  const ReportEvidence evidence =
      Build({Report(2, {Row(10).Dkim("example.com", "s1"), Row(5)}),
             Report(2, {Row(7).Dkim("example.com", "s1")}, "yahooinc.com"), Report(1, {})},
            {Decision("own-example.com", SourceState::kApproved)});
  ASSERT_EQ(evidence.anchors.size(), 2u);
  EXPECT_EQ(evidence.anchors[0].id, "google.com");
  EXPECT_THAT(evidence.anchors[0].days, ElementsAre(kToday - 2, kToday - 1));  // empty ones count
  EXPECT_EQ(evidence.anchors[0].messages, 15);
  EXPECT_EQ(evidence.anchors[0].usual_gap, 0);  // not known of two days
  const SourceEvidence* own = Find(evidence, "own-example.com");
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->standing, SourceStanding::kApproved);
  EXPECT_FALSE(own->spf_only);
  ASSERT_EQ(own->days.size(), 2u);
  EXPECT_EQ(own->days[0].messages, 10);
  EXPECT_EQ(own->days[0].dkim_aligned, 10);
  EXPECT_EQ(own->days[1].anchor, 1);
  const SourceEvidence* stranger = Find(evidence, "ip-192-0-2-1");
  ASSERT_NE(stranger, nullptr);
  EXPECT_FALSE(stranger->looks_legitimate);
  EXPECT_EQ(stranger->days[0].aligned, 0);
}

TEST(ReportEvidenceTest, TheOrderOfArrivalLeavesNoTrace) {
  std::vector<StoredReport> reports;
  for (int day = 1; day <= 9; ++day) {
    reports.push_back(Report(day, {Row(10).Dkim("example.com", "s1"), Row(2)}));
    reports.push_back(Report(day, {Row(3).Spf("example.com")}, "yahooinc.com"));
  }
  const ReportEvidence forward = Build(reports);
  std::ranges::reverse(reports);
  const ReportEvidence backward = Build(reports);
  EXPECT_EQ(forward.sources, backward.sources);
  EXPECT_EQ(forward.anchors, backward.anchors);
  EXPECT_EQ(forward.received, backward.received);
  EXPECT_EQ(forward.anchors[0].usual_gap, 1);
}

TEST(ReportEvidenceTest, OurMailThatWasPassedOnIsOurs) {
  // A forwarder's envelope passes, our signature is intact: the mail is the domain's own.
  const ReportEvidence evidence =
      Build({Report(1, {Row(4).Dkim("example.com", "s1").Spf("forwarder.test")})});
  ASSERT_NE(Find(evidence, "own-example.com"), nullptr);
  EXPECT_EQ(evidence.sources.size(), 1u);
  // Whose key it was is known where an approved source signs with it.
  const ReportEvidence vendor =
      Build({Report(2, {Row(9).Dkim("example.com", "k7").Dkim("sendgrid.net")}),
             Report(1, {Row(4).Dkim("example.com", "k7").Spf("forwarder.test")})},
            {Decision("sendgrid", SourceState::kApproved)});
  ASSERT_EQ(vendor.sources.size(), 1u);
  EXPECT_EQ(vendor.sources[0].id, "sendgrid");
  EXPECT_EQ(vendor.sources[0].days.size(), 2u);
  // Broken on the way, and the receiver says that it was passed on: lost by forwarding.
  const ReportEvidence lost =
      Build({Report(1, {Row(4).Spf("forwarder.test").Says(ReasonType::kForwarded)})});
  ASSERT_EQ(lost.sources.size(), 1u);
  EXPECT_EQ(lost.sources[0].days[0].forwarded, 4);
  EXPECT_FALSE(lost.sources[0].looks_legitimate);
}

TEST(ReportEvidenceTest, AnApprovedSourceWithoutMailIsThere) {
  const ReportEvidence evidence =
      Build({}, {Decision("sendgrid", SourceState::kApproved),
                 Decision("signs", SourceState::kApproved, AuthorizationSpec::Kind::kDkimOnly),
                 Decision("gone", SourceState::kRejected)});
  ASSERT_EQ(evidence.sources.size(), 2u);
  EXPECT_TRUE(Find(evidence, "sendgrid")->spf_only);  // nobody has seen it sign
  EXPECT_FALSE(Find(evidence, "signs")->spf_only);
}

TEST(ReportEvidenceTest, DaysThatMixTwoPoliciesAreExcluded) {
  const absl::Time change = StartOfDay(kToday - 3) + absl::Hours(15);
  StoredReport spans = Report(3, {Row(1)});
  StoredReport before = Report(4, {Row(1)});
  const ReportEvidence evidence =
      Build({spans, before, Report(2, {Row(1)})}, {}, {{change, change + absl::Minutes(2)}});
  EXPECT_THAT(evidence.excluded_days, ElementsAre(kToday - 3));
  // A report that claims years takes no more than the window.
  spans.report.metadata.begin = 0;
  EXPECT_LE(Build({spans}, {}, {{change, change + absl::Minutes(2)}}).excluded_days.size(),
            static_cast<size_t>(kLongestWindowDays + 1));
}

TEST(ReportEvidenceTest, PolicySeenSinceTheFirstDayFromWhichEachReportShowsIt) {
  std::vector<StoredReport> reports;
  for (int day = 9; day >= 1; --day) {
    StoredReport report = Report(day, {Row(1)});
    report.report.policy.p = day >= 6 || day == 4 ? Policy::kNone : Policy::kQuarantine;
    report.report.policy.pct = 100;
    reports.push_back(report);
  }
  EXPECT_EQ(Build(reports, {}, {}, "v=DMARC1; p=quarantine").anchors[0].policy_seen_since,
            kToday - 3);
  reports.push_back(Report(1, {Row(1)}));  // another one of the last day does not
  EXPECT_EQ(Build(reports, {}, {}, "v=DMARC1; p=quarantine").anchors[0].policy_seen_since,
            std::nullopt);
}

TEST(ReportEvidenceTest, QuarantinedReportsInAnAnchorsNameAreCounted) {
  const ReportEvidence evidence =
      Build({Report(1, {Row(1)}), Report(2, {Row(1)}, "google.com", TrustClass::kQuarantined),
             Report(2, {Row(1)}, "evil.test", TrustClass::kQuarantined)});
  EXPECT_EQ(evidence.quarantined_in_anchors_names, 1);
}

struct PolicyCase {
  std::string name, live;
  PublishedPolicy published;
  bool want;
};
PublishedPolicy Published(Policy p, std::optional<int32_t> pct = {},
                          std::optional<bool> testing = {}, std::optional<Policy> sp = {}) {
  PublishedPolicy policy;
  policy.p = p;
  policy.pct = pct;
  policy.testing = testing;
  policy.sp = sp;
  return policy;
}
const PolicyCase kPolicyCases[] = {
    {"Same", "v=DMARC1; p=reject", Published(Policy::kReject, 100), true},
    {"SpWrittenOut", "v=DMARC1; p=reject", Published(Policy::kReject, 100, {}, Policy::kReject),
     true},
    {"Older", "v=DMARC1; p=reject", Published(Policy::kQuarantine, 100), false},
    {"SpLeftOut", "v=DMARC1; p=reject; sp=none", Published(Policy::kReject, 100), false},
    {"TestByPct", "v=DMARC1; p=reject; t=y; pct=0", Published(Policy::kReject, 0), true},
    {"TestByT", "v=DMARC1; p=reject; t=y; pct=0", Published(Policy::kReject, {}, true), true},
    {"TestNotSaid", "v=DMARC1; p=reject; t=y; pct=0", Published(Policy::kReject), false},
    {"StillTest", "v=DMARC1; p=reject", Published(Policy::kReject, 0), false},
    {"NoneHasNoTest", "v=DMARC1; p=none", Published(Policy::kNone), true},
    {"Nothing", "v=DMARC1; p=none", PublishedPolicy(), false},
};
class ShowsPolicyTest : public testing::TestWithParam<PolicyCase> {};
TEST_P(ShowsPolicyTest, Case) {
  EXPECT_EQ(ShowsPolicy(GetParam().published, Live(GetParam().live)), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, ShowsPolicyTest, testing::ValuesIn(kPolicyCases),
                         [](const auto& c) { return c.param.name; });

TEST(DecisionsEtagTest, ChangesWithEachDecision) {
  const SourceDecision a = Decision("a", SourceState::kApproved);
  SourceDecision b = Decision("b", SourceState::kApproved);
  const std::string etag = DecisionsEtagOf({a, b});
  EXPECT_EQ(DecisionsEtagOf({b, a}), etag);
  b.state = SourceState::kRejected;
  EXPECT_NE(DecisionsEtagOf({a, b}), etag);
  EXPECT_NE(DecisionsEtagOf({a}), etag);
}

}  // namespace
}  // namespace dmarcate
