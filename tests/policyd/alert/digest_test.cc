#include "policyd/alert/digest.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

const absl::Time kNoon = absl::FromUnixSeconds(1'782'820'800);  // Tuesday, 2026-06-30 12:00

InsightRecord Insight(Severity severity, const std::string& message) {
  InsightRecord out;
  out.id = message;
  out.code = "SPF_TOO_WIDE";
  out.severity = severity;
  out.message = message;
  return out;
}

DigestDomain Domain(const std::string& name, int64_t messages) {
  DigestDomain out;
  out.name = name;
  out.now.messages = messages;
  out.now.dmarc_pass = messages / 2;
  return out;
}

TEST(Digest, WhatNeedsAttentionComesFirstThenMostMail) {
  DigestDomain bad = Domain("bad.example", 1);
  bad.open = {Insight(Severity::kError, "broken")};
  const Digest digest =
      MakeDigest({20'000, 20'006}, {Domain("small.example", 2), Domain("large.example", 90), bad});
  ASSERT_THAT(digest.domains, SizeIs(3));
  EXPECT_EQ(digest.domains[0].name, "bad.example");
  EXPECT_EQ(digest.domains[1].name, "large.example");
  EXPECT_EQ(DigestSubject(digest), "[dmarcate] week of 2024-10-04: 3 domains, 1 open insights");
}

TEST(Digest, ARateComesWithWhatItIsWorth) {
  const Digest digest = MakeDigest({20'000, 20'006}, {Domain("a.example", 10)});
  EXPECT_THAT(DigestText(digest), HasSubstr("10 messages, 5 pass (between 18.7 and 81.3 %)"));
  EXPECT_THAT(DigestText(digest), HasSubstr("the week before: no mail"));
}

TEST(Digest, ADomainThatCouldNotBeReadIsNotOneWithoutMail) {
  DigestDomain unknown = Domain("a.example", 0);
  unknown.known = false;
  const Digest digest = MakeDigest({20'000, 20'006}, {unknown});
  EXPECT_THAT(DigestText(digest), HasSubstr("its reports could not be read"));
  EXPECT_THAT(DigestText(digest), Not(HasSubstr("no mail")));
  EXPECT_THAT(DigestHtml(digest), HasSubstr("its reports could not be read"));
}

TEST(Digest, NothingOfWhatStrangersWroteIsMarkup) {
  DigestDomain domain = Domain("a.example", 10);
  domain.open = {Insight(Severity::kError, "<img src=x onerror=alert(1)> & \"q\" 'q'")};
  domain.news = {"</ul><script>alert(1)</script> is new"};
  const std::string html = DigestHtml(MakeDigest({20'000, 20'006}, {domain}));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html,
              HasSubstr("&lt;img src=x onerror=alert(1)&gt; &amp; &quot;q&quot; &#39;q&#39;"));
  EXPECT_THAT(html, Not(HasSubstr("http"))) << "it loads nothing";
}

TEST(Digest, IsBounded) {
  std::vector<DigestDomain> domains;
  for (int i = 0; i < 250; ++i) domains.push_back(Domain(std::to_string(i), 1));
  const Digest digest = MakeDigest({20'000, 20'006}, std::move(domains));
  EXPECT_THAT(digest.domains, SizeIs(kMaxDigestDomains));
  EXPECT_EQ(digest.domains_left_out, 50u);
  EXPECT_THAT(DigestText(digest), HasSubstr("and 50 more domains"));
  std::vector<InsightRecord> insights(15, Insight(Severity::kInfo, "x"));
  const DigestDomain one = SummarizeDomain("a", DomainStatistics(), DomainStatistics(), insights);
  EXPECT_THAT(one.open, SizeIs(10));
  EXPECT_EQ(one.open_left_out, 5u);
}

TEST(Digest, TheSubjectCountsWhatThereWasNoRoomFor) {
  std::vector<DigestDomain> domains;
  for (size_t i = 0; i < kMaxDigestDomains + 10; ++i) {
    domains.push_back(Domain(std::to_string(i), 1));
    domains.back().open = {Insight(Severity::kInfo, "x")};
    domains.back().open_left_out = 2;
  }
  EXPECT_THAT(DigestSubject(MakeDigest({20'000, 20'006}, std::move(domains))),
              HasSubstr("210 domains, 630 open insights"));
}

TEST(Digest, WhatStrangersClaimIsToldApart) {
  DomainStatistics week;
  const auto add = [&week](TrustClass trust, int64_t messages, int64_t pass) {
    Counts counts;
    counts.messages = messages;
    counts.dmarc_pass = pass;
    week.by_trust[static_cast<size_t>(trust)].Add(counts);
    week.total.Add(counts);
  };
  add(TrustClass::kAuthenticated, 1'000'000, 0);
  const auto text = [&week] {
    return DigestText(
        MakeDigest({20'000, 20'006}, {SummarizeDomain("a.example", week, DomainStatistics(), {})}));
  };
  EXPECT_THAT(text(), HasSubstr("1000000 messages, 0 pass (between 0.0 and 0.0 %); only reporters "
                                "that are no anchors say so"));
  add(TrustClass::kAnchored, 6, 3);
  add(TrustClass::kImported, 4, 2);
  EXPECT_THAT(text(), HasSubstr("10 messages, 5 pass (between 18.7 and 81.3 %); reporters that are "
                                "no anchors claim 1000000 more"));
}

TEST(DigestTime, IsADayOfTheWeekAndATime) {
  EXPECT_EQ(ParseDigestTime("monday 07:00"), (DigestTime{1, 7, 0}));
  EXPECT_EQ(ParseDigestTime("Sunday 23:59"), (DigestTime{0, 23, 59}));
  for (const char* bad : {"", "monday", "monday 7:00", "monday 24:00", "monday 07:60", "mon 07:00",
                          "monday 07-00", "monday  07:00"}) {
    EXPECT_EQ(ParseDigestTime(bad), std::nullopt) << bad;
  }
}

TEST(DigestTime, TheLastSlotIsAtOrBeforeNow) {
  const absl::Time monday = absl::FromUnixSeconds(1'782'716'400);  // 2026-06-29 07:00
  EXPECT_EQ(LastDigestSlot({1, 7, 0}, kNoon), monday);
  EXPECT_EQ(LastDigestSlot({1, 7, 0}, monday), monday);
  EXPECT_EQ(LastDigestSlot({1, 7, 0}, monday - absl::Seconds(1)), monday - absl::Hours(168));
  EXPECT_EQ(LastDigestSlot({1, 7, 0}, absl::UnixEpoch()), absl::UnixEpoch() - absl::Hours(65));
}

}  // namespace
}  // namespace dmarcate
