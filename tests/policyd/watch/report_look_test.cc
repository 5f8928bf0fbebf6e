#include "policyd/watch/report_look.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/mailauth/public_suffix_list.h"
#include "policyd/watch/insights.h"
#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr DayNumber kToday = 20'600;
const absl::Time kNow = absl::FromUnixSeconds(1'779'840'000);

class ReportLookTest : public testing::Test {
 protected:
  // Reports of the day so many days ago.
  void On(int days_ago, std::vector<AggregateRecord> rows,
          const std::string& reporter = "receiver.test") {
    reports_.push_back(Report(kToday - days_ago, std::move(rows), reporter));
    reports_.back().reporter_key = reporter;
  }
  void Anchor(int days_ago, std::vector<AggregateRecord> rows, const std::string& reporter) {
    On(days_ago, std::move(rows), reporter);
    reports_.back().trust = TrustClass::kAnchored;
  }
  // From somebody who authenticates, as anybody can, and is no anchor.
  void Stranger(int days_ago, std::vector<AggregateRecord> rows,
                const std::string& reporter = "stranger.test") {
    On(days_ago, std::move(rows), reporter);
    reports_.back().trust = TrustClass::kAuthenticated;
  }
  // Of the finding with the code; the test fails if there is none.
  InsightFinding Finding(std::string_view code) const {
    for (const InsightFinding& finding : look_.found) {
      if (finding.code == code) return finding;
    }
    ADD_FAILURE() << code << " was not found";
    return {};
  }
  void Decide(const std::string& source, SourceState state) {
    SourceDecision decision;
    decision.source_id = source;
    decision.state = state;
    decisions_.push_back(std::move(decision));
  }
  InsightLook Look() {
    const DayRange recent{kToday - kRecentDays, kToday};
    const DayRange before{recent.first - kBeforeDays, recent.first - 1};
    StatisticsBuilder now("example.com", recent, Catalogue::Default());
    StatisticsBuilder then("example.com", before, Catalogue::Default());
    ReporterLedgerBuilder ledger({kToday - kRhythmDays + 1, kToday}, *suffixes_);
    for (const StoredReport& report : reports_) {
      now.Add(report);
      then.Add(report);
      ledger.Add(report);
    }
    const DomainStatistics recent_statistics = now.Finish(), before_statistics = then.Finish();
    const ReporterLedger reporters = ledger.Finish();
    return LookAtReports(*DomainName::Parse("example.com"), {.recent = recent_statistics,
                                                             .before = before_statistics,
                                                             .decisions = decisions_,
                                                             .reporters = reporters,
                                                             .open = open_,
                                                             .now = kNow});
  }
  std::vector<std::string> Found() {
    std::vector<std::string> out;
    open_next_.clear();
    look_ = Look();
    for (const InsightFinding& finding : look_.found) {
      out.push_back(finding.code + " " + finding.path);
      open_next_.insert(finding.id);
    }
    return out;
  }
  // As the insight book has it once these were written down.
  void KeepOpen() { open_ = open_next_; }
  // Usual mail of the domain itself, and reports of it each day.
  void Usual(int first_days_ago, int last_days_ago = 0) {
    for (int day = first_days_ago; day >= last_days_ago; --day) {
      On(day, {Row(100).Dkim("example.com", "s1").Spf("example.com")});
    }
    Decide("own-example.com", SourceState::kApproved);
  }

  std::vector<StoredReport> reports_;
  std::vector<SourceDecision> decisions_;
  std::set<std::string> open_, open_next_;
  InsightLook look_;
  const std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
};

TEST_F(ReportLookTest, OrdinaryMailIsNoNews) {
  Usual(60);
  EXPECT_THAT(Found(), IsEmpty());
  EXPECT_TRUE(IsLearned(look_, insight_scope::kMail));
  EXPECT_TRUE(IsLearned(look_, insight_scope::kReporters));
  EXPECT_FALSE(IsLearned(look_, insight_scope::kSpf)) << "it says nothing of records";
  EXPECT_FALSE(IsLearned(look_, insight_scope::Flattened("include:a.test")));
}

TEST_F(ReportLookTest, ASenderThatNobodyHasDecidedAbout) {
  Usual(60);
  On(1, {Row(30).From("198.51.100.1").Dkim("mailer.example").Spf("bounce.mailer.example")});
  EXPECT_THAT(Found(), ElementsAre("SOURCE_UNAPPROVED source/dkim-mailer.example"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("30 of 830 messages in 8 days"));
  Decide("dkim-mailer.example", SourceState::kRejected);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, LittleMailIsNotTold) {
  Usual(60);
  On(1, {Row(4).From("198.51.100.1").Dkim("mailer.example")});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, OfASmallDomainFewMessagesAreEnough) {
  On(3, {Row(6).From("198.51.100.1").Dkim("mailer.example")});
  EXPECT_THAT(Found(), Contains("SOURCE_UNAPPROVED source/dkim-mailer.example"));
}

TEST_F(ReportLookTest, WhatStaysHasALowerBarThanWhatComes) {
  Usual(60);
  On(1, {Row(20).From("198.51.100.1").Dkim("mailer.example")});
  EXPECT_THAT(Found(), SizeIs(1)) << "20 of 820";
  KeepOpen();
  reports_.pop_back();
  On(1, {Row(10).From("198.51.100.1").Dkim("mailer.example")});
  EXPECT_THAT(Found(), SizeIs(1)) << "10 of 810 would not have come";
  open_.clear();
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, ForwardersAndClaimsAreNoSendersToDecideAbout) {
  Usual(60);
  On(1, {Row(50)
             .From("198.51.100.1")
             .Dkim("example.com", "s1")
             .Spf("lists.test")
             .Says(ReasonType::kMailingList)});
  On(2, {Row(30).From("198.51.100.9")});
  EXPECT_THAT(Found(), Not(Contains(HasSubstr("SOURCE_UNAPPROVED"))));
}

TEST_F(ReportLookTest, AnApprovedSourceThatFails) {
  Usual(60, 8);
  for (int day = 7; day >= 0; --day) On(day, {Row(100).Spf("other.test")});
  decisions_.clear();
  Decide("spf-other.test", SourceState::kApproved);
  EXPECT_THAT(Found(), Contains("SOURCE_FAILING source/spf-other.test"));
  EXPECT_EQ(look_.found[0].severity, Severity::kError);
}

// What never passed has not changed.
TEST_F(ReportLookTest, WhatMayHelpAFailingSourceHangsOnWhetherItEverPassed) {
  for (int day = 20; day >= 0; --day) On(day, {Row(100).Dkim("mailgun.org")});
  Decide("mailgun", SourceState::kApproved);
  ASSERT_THAT(Found(), Contains("SOURCE_FAILING source/mailgun"));
  EXPECT_THAT(look_.found[0].fix_hint, HasSubstr("None of its mail has passed in 36 days"));
  On(20, {Row(9).Dkim("mailgun.org").Dkim("example.com", "mg")});
  ASSERT_THAT(Found(), Contains("SOURCE_FAILING source/mailgun"));
  EXPECT_THAT(look_.found[0].fix_hint, HasSubstr("See what changed"));
}

TEST_F(ReportLookTest, AFewFailuresAreNotAFailingSource) {
  Usual(60);
  On(1, {Row(10).Spf("bounce.example.com", AuthResult::kTemperror).Dkim("example.com", "s1")});
  EXPECT_THAT(Found(), Not(Contains(HasSubstr("SOURCE_FAILING"))));
}

TEST_F(ReportLookTest, ThreeMessagesThatAllFailAreEnough) {
  On(1, {Row(3).Dkim("mailer.example")});
  Decide("dkim-mailer.example", SourceState::kApproved);
  EXPECT_THAT(Found(), ElementsAre("SOURCE_FAILING source/dkim-mailer.example"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("3 of its 3 messages"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("at most 70.8 %")) << "what three can show";
}

TEST_F(ReportLookTest, WhatOnlyStrangersSayIsNoAlarm) {
  On(1, {Row(30).Dkim("mailer.example")});
  reports_.back().trust = TrustClass::kAuthenticated;
  Decide("dkim-mailer.example", SourceState::kApproved);
  EXPECT_THAT(Found(), ElementsAre("SOURCE_FAILING source/dkim-mailer.example"));
  EXPECT_EQ(look_.found[0].severity, Severity::kInfo);
  EXPECT_THAT(look_.found[0].message, HasSubstr("fewer than two anchors say so"));
}

TEST_F(ReportLookTest, ABurstOfSpoofedMail) {
  Usual(60);
  for (int day = 35; day > 8; day -= 7) On(day, {Row(2).From("198.51.100.9")});
  EXPECT_THAT(Found(), IsEmpty());
  On(1, {Row(300).From("203.0.113.5")});
  EXPECT_THAT(Found(), ElementsAre("SPOOFING_BURST spoofing"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("300 messages in 8 days claim to be example.com"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("8 in the 28 days before"));
}

TEST_F(ReportLookTest, OfANewDomainNobodyKnowsWhatIsUsual) {
  On(1, {Row(300).From("203.0.113.5").Then(Disposition::kReject)});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, MuchMoreOfTheMailIsQuarantined) {
  Usual(60, 3);
  for (int day = 2; day >= 0; --day) {
    On(day, {Row(100).Dkim("example.com", "s1").Then(Disposition::kQuarantine)});
  }
  EXPECT_THAT(Found(), ElementsAre("QUARANTINE_SPIKE quarantine"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("300 of 800 messages in 8 days, 0 of 2800"));
}

TEST_F(ReportLookTest, SpoofedMailThatIsRefusedIsNoSpike) {
  Usual(60);
  for (int day = 2; day >= 0; --day) {
    On(day, {Row(100).From("203.0.113.5").Then(Disposition::kReject)});
  }
  EXPECT_THAT(Found(), ElementsAre("SPOOFING_BURST spoofing"));
}

TEST_F(ReportLookTest, AReporterThatIsSilentAgainstItsHabit) {
  Usual(60);
  for (int day = 60; day >= 10; --day) On(day, {}, "quiet.test");  // empty ones count as alive
  EXPECT_THAT(Found(), ElementsAre("REPORTER_SILENT reporter/quiet.test"));
  EXPECT_THAT(look_.found[0].message, HasSubstr("quiet.test has sent no report for 10 days"));
  On(0, {}, "quiet.test");
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, AReporterThatSendsSeldomIsNotMissedAfterDays) {
  Usual(60);
  for (int day = 80; day >= 10; day -= 14) On(day, {Row(1).Dkim("example.com", "s1")}, "rare.test");
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ReportLookTest, WithoutAnyReportNothingIsLearnedOfMail) {
  for (int day = 60; day >= 12; --day) On(day, {Row(100).Dkim("example.com", "s1")});
  EXPECT_THAT(Found(), ElementsAre("REPORTER_SILENT reporter/receiver.test"));
  EXPECT_FALSE(IsLearned(look_, insight_scope::kMail)) << "what was failing is not well";
}

// What a stranger can do with reports of its own: nothing that raises an alarm, hides one, or ends
// one.

TEST_F(ReportLookTest, NoStrangerHidesASenderInALargeNumber) {
  Usual(60);
  On(1, {Row(30).From("198.51.100.1").Dkim("mailer.example")});
  Stranger(1, {Row(1'000'000'000).Dkim("example.com", "s1").Spf("example.com")});
  EXPECT_THAT(Found(), Contains("SOURCE_UNAPPROVED source/dkim-mailer.example"));
  EXPECT_EQ(Finding("SOURCE_UNAPPROVED").severity, Severity::kWarning);
  EXPECT_THAT(Finding("SOURCE_UNAPPROVED").message, HasSubstr("30 of 830 messages"));
}

TEST_F(ReportLookTest, NoStrangerHidesASenderBehindManyOthers) {
  Usual(60);
  On(1, {Row(30).From("198.51.100.1").Dkim("mailer.example")});
  std::vector<AggregateRecord> rows;
  for (int i = 0; i < 49; ++i) {  // of more none has 2 %
    rows.push_back(Row(1'000).Dkim("s" + std::to_string(i) + ".example"));
  }
  Stranger(1, std::move(rows));
  EXPECT_THAT(Found(), AllOf(SizeIs(50), Contains("SOURCE_UNAPPROVED source/dkim-mailer.example")));
}

TEST_F(ReportLookTest, ASenderThatAStrangerClaimsIsNoAlarm) {
  Usual(60);
  Stranger(1, {Row(1'000).From("198.51.100.1").Dkim("mailer.example")});
  EXPECT_THAT(Found(), ElementsAre("SOURCE_UNAPPROVED source/dkim-mailer.example"));
  EXPECT_EQ(look_.found[0].severity, Severity::kInfo);
  EXPECT_THAT(look_.found[0].message, HasSubstr("only reporters that are no anchors say so"));
}

TEST_F(ReportLookTest, ABurstThatAStrangerClaimsIsNoAlarm) {
  Usual(60);
  Stranger(1, {Row(5'000).From("203.0.113.5")});
  EXPECT_THAT(Found(), ElementsAre("SPOOFING_BURST spoofing"));
  EXPECT_EQ(look_.found[0].severity, Severity::kInfo);
}

TEST_F(ReportLookTest, NoStrangerHidesABurstInWhatWasBefore) {
  Usual(60);
  On(1, {Row(300).From("203.0.113.5")});
  Stranger(20, {Row(1'000'000).From("203.0.113.6")});
  EXPECT_THAT(Found(), ElementsAre("SPOOFING_BURST spoofing"));
  EXPECT_EQ(look_.found[0].severity, Severity::kWarning);
}

TEST_F(ReportLookTest, ASpikeThatAStrangerClaimsIsNoAlarm) {
  Usual(60);
  Stranger(1, {Row(900).Dkim("example.com", "s1").Then(Disposition::kQuarantine)});
  EXPECT_THAT(Found(), ElementsAre("QUARANTINE_SPIKE quarantine"));
  EXPECT_EQ(look_.found[0].severity, Severity::kInfo);
}

TEST_F(ReportLookTest, NoStrangerHidesASpike) {
  Usual(60, 3);
  for (int day = 2; day >= 0; --day) {
    On(day, {Row(100).Dkim("example.com", "s1").Then(Disposition::kQuarantine)});
  }
  Stranger(1, {Row(1'000'000).Dkim("example.com", "s1")});
  EXPECT_THAT(Found(), ElementsAre("QUARANTINE_SPIKE quarantine"));
  EXPECT_EQ(look_.found[0].severity, Severity::kError);
}

TEST_F(ReportLookTest, NoStrangerDrownsTheOneAnchorThatSeesFailures) {
  Anchor(1, {Row(30).Dkim("sendgrid.net")}, "google.com");
  Stranger(1, {Row(1'000'000).Dkim("sendgrid.net").Dkim("example.com", "sg1")});
  Decide("sendgrid", SourceState::kApproved);
  EXPECT_THAT(Found(), Contains("SOURCE_FAILING source/sendgrid"));
  EXPECT_THAT(Finding("SOURCE_FAILING").message, HasSubstr("30 of its 30 messages"));
}

TEST_F(ReportLookTest, NorDoesASingleAnchorDrownTheOthers) {
  Anchor(1, {Row(1'000'000).Dkim("sendgrid.net").Dkim("example.com", "sg1")}, "google.com");
  Anchor(1, {Row(30).Dkim("sendgrid.net")}, "yahoo.com");
  Decide("sendgrid", SourceState::kApproved);
  EXPECT_THAT(Found(), Contains("SOURCE_FAILING source/sendgrid"));
  EXPECT_EQ(Finding("SOURCE_FAILING").severity, Severity::kInfo) << "one says so";
  Anchor(1, {Row(20).Dkim("sendgrid.net")}, "mail.ru");
  Found();
  EXPECT_EQ(Finding("SOURCE_FAILING").severity, Severity::kWarning);
  EXPECT_THAT(Finding("SOURCE_FAILING").message,
              AllOf(HasSubstr("50 of its 50 messages"),
                    HasSubstr("without the reports of google.com, by which 1000000 of 1000000")));
}

TEST_F(ReportLookTest, AStrangerThatStopsIsNoAlarm) {
  Usual(60);
  for (int day = 60; day >= 10; --day) Stranger(day, {});
  EXPECT_THAT(Found(), ElementsAre("REPORTER_SILENT reporter/stranger.test"));
  EXPECT_EQ(look_.found[0].severity, Severity::kInfo);
}

TEST_F(ReportLookTest, WhileAnchorsAreSilentNoStrangerEndsAnything) {
  Usual(60, 12);
  for (int day = 7; day >= 0; --day) Stranger(day, {Row(100).Dkim("example.com", "s1")});
  Found();
  EXPECT_FALSE(IsLearned(look_, insight_scope::kMail));
  On(1, {});  // an empty report is one
  Found();
  EXPECT_TRUE(IsLearned(look_, insight_scope::kMail));
}

TEST_F(ReportLookTest, WhereOnlyStrangersReportTheirReportsAreAllThereIs) {
  for (int day = 60; day >= 0; --day) Stranger(day, {Row(100).Dkim("example.com", "s1")});
  Found();
  EXPECT_TRUE(IsLearned(look_, insight_scope::kMail));
}

TEST_F(ReportLookTest, WhatIsFoundAgainSaysTheSame) {
  Usual(60);
  On(1, {Row(20).From("198.51.100.1").Dkim("mailer.example")});
  Found();
  const InsightFinding first = look_.found[0];
  On(0, {Row(2).From("198.51.100.1").Dkim("mailer.example")});
  Found();
  EXPECT_EQ(look_.found[0].id, first.id);
  EXPECT_EQ(look_.found[0].content, first.content);
  EXPECT_EQ(look_.found[0].weight, first.weight) << "two more messages are not worse";
  On(0, {Row(60).From("198.51.100.1").Dkim("mailer.example")});
  Found();
  EXPECT_GT(look_.found[0].weight, first.weight);
}

TEST_F(ReportLookTest, ALookAtReportsLeavesWhatIsKeptOfRecords) {
  InsightLook records;
  InsightFinding dangling;
  dangling.id = "d";
  dangling.code = "SPF_DANGLING";
  dangling.scope = insight_scope::Flattened("include:a.test");
  records.found = {dangling};
  const InsightUpdate first = FoldInsights({}, std::nullopt, records, kNow);
  ASSERT_THAT(first.put, SizeIs(1));
  Usual(60);
  On(1, {Row(30).From("198.51.100.1").Dkim("mailer.example")});
  Found();
  const InsightUpdate second = FoldInsights(first.put, first.look, look_, kNow);
  ASSERT_THAT(second.put, SizeIs(1));
  EXPECT_EQ(second.put[0].code, "SOURCE_UNAPPROVED");
  EXPECT_EQ(second.look, std::nullopt);
  // And the other way round.
  const InsightUpdate third =
      FoldInsights({second.put[0]}, first.look, InsightLook(), kNow + absl::Hours(1));
  EXPECT_THAT(third.put, IsEmpty());
}

}  // namespace
}  // namespace dmarcate
