// The desk over stores in memory and a notifier that keeps what it gets; and the whole way from a
// report or a record to what people are told (E5).

#include "policyd/service/alert_desk.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_alert_store.h"
#include "lib/store/fake_insight_store.h"
#include "lib/store/fake_observation_store.h"
#include "lib/store/fake_policy_store.h"
#include "lib/store/fake_report_store.h"
#include "policyd/notify/fake_notifier.h"
#include "policyd/service/record_watcher.h"
#include "policyd/service/report_watcher.h"
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

const absl::Time kNoon = absl::FromUnixSeconds(1'782'820'800);  // Tuesday, 2026-06-30 12:00

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

class DeskTest : public testing::Test {
 protected:
  DeskTest() {
    DomainRecord domain;
    domain.name = "example.com";
    EXPECT_TRUE(policies_.PutDomain(domain).ok());
    EXPECT_TRUE(reports_.Tick().ok());
    Start();
  }
  void AddChannel(const std::string& id, bool digest = false) {
    AlertChannelRecord channel;
    channel.id = id;
    channel.kind = AlertChannelKind::kSyslog;
    channel.min_severity = Severity::kInfo;
    channel.digest = digest;
    ASSERT_TRUE(alerts_.PutAlertChannel(channel).ok());
  }
  void Start() {
    desk_ = std::make_unique<AlertDesk>(
        AlertWorld{policies_, insights_, alerts_, analysis_, notifier_, clock_}, options_);
  }
  void Tick(absl::Duration later = absl::ZeroDuration()) {
    clock_.Advance(later);
    desk_->Tick();
  }
  void PutInsight(Severity severity = Severity::kError,
                  InsightState state = InsightState::kActive) {
    InsightRecord insight;
    insight.id = "i";
    insight.code = "SPF_DANGLING";
    insight.severity = severity;
    insight.state = state;
    insight.first_seen = insight.last_seen = clock_.Now();
    if (state == InsightState::kResolved) insight.resolve_time = clock_.Now();
    ASSERT_TRUE(insights_
                    .UpdateInsights("example.com", {.put = {insight}, .forget = {}, .look = {}},
                                    InsightSync::kLater)
                    .ok());
  }
  std::vector<DeliveryRecord> Journal() { return *alerts_.ListDeliveries({}, 1000); }

  FakeClock clock_{kNoon};
  FakePolicyStore policies_;
  FakeInsightStore insights_;
  FakeAlertStore alerts_;
  FakeReportStore* report_store_ = nullptr;
  ReportFollower reports_{[this]() -> absl::StatusOr<std::unique_ptr<ReportReader>> {
    auto store = std::make_unique<FakeReportStore>();
    report_store_ = store.get();
    return std::unique_ptr<ReportReader>(std::move(store));
  }};
  AnalysisCache analysis_{reports_, Catalogue::Default()};
  FakeNotifier notifier_;
  AlertOptions options_;
  std::unique_ptr<AlertDesk> desk_;
};

TEST_F(DeskTest, TellsEachChannelOnceAndJournalsIt) {
  AddChannel("a");
  AddChannel("b");
  PutInsight();
  Tick();
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
  ASSERT_THAT(Journal(), SizeIs(2));
  for (const DeliveryRecord& delivery : Journal()) {
    EXPECT_EQ(delivery.state, DeliveryState::kDelivered);
    EXPECT_EQ(delivery.attempts, 1u);
  }
}

TEST_F(DeskTest, WhatWasOpenBeforeAChannelWasAddedIsNotTold) {
  PutInsight();
  Tick();
  AddChannel("a");
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), IsEmpty());
}

TEST_F(DeskTest, WhatFailsIsTriedAgainWithTheSameIdAndOneAttemptAChannel) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  Tick();
  PutInsight(Severity::kError, InsightState::kResolved);
  Tick(absl::Seconds(10));
  EXPECT_EQ(notifier_.attempts(), 1) << "not before 30 s";
  EXPECT_EQ(Journal()[0].last_error, "http 503");
  Tick(absl::Seconds(20));
  EXPECT_EQ(notifier_.attempts(), 2);
  Tick(absl::Hours(1));  // the end of it is to be told, too
  EXPECT_THAT(Journal(), SizeIs(2));
  EXPECT_EQ(notifier_.attempts(), 3) << "a dead channel costs one attempt, not one a message";
  notifier_.Fail("a", absl::OkStatus());
  const std::string id = Journal()[1].id;
  Tick(absl::Hours(1));
  Tick(absl::Seconds(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(2));
  EXPECT_EQ(notifier_.sent()[0].delivery.id, id) << "in order";
  EXPECT_EQ(notifier_.sent()[1].delivery.alerts[0].event, AlertEvent::kCleared);
}

TEST_F(DeskTest, AfterADayItIsGivenUpAndSaysWhy) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  for (int i = 0; i < 30; ++i) Tick(absl::Hours(1));
  ASSERT_THAT(Journal(), SizeIs(1));
  EXPECT_EQ(Journal()[0].state, DeliveryState::kFailed);
  EXPECT_EQ(Journal()[0].last_error, "http 503");
  const int attempts = notifier_.attempts();
  Tick(absl::Hours(5));
  EXPECT_EQ(notifier_.attempts(), attempts);
}

TEST_F(DeskTest, ARestartGoesOnWhereItWas) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("http 503"));
  PutInsight();
  Tick();
  const std::string id = Journal()[0].id;
  Start();
  notifier_.Fail("a", absl::OkStatus());
  Tick(absl::Minutes(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(1));
  EXPECT_EQ(notifier_.sent()[0].delivery.id, id);
  Start();
  Tick(absl::Hours(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(1)) << "told once, over three lives";
}

TEST_F(DeskTest, WhatWasSentAndNotJournaledIsSentAgainWithTheSameId) {
  AddChannel("a");
  // Decided and journaled; then the disk fails, after the receiver has taken it.
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  notifier_.Fail("a", absl::OkStatus());
  alerts_.FailUpdates(absl::UnavailableError("disk"));
  Tick(absl::Minutes(1));
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
  for (int i = 0; i < 10; ++i) Tick(absl::Seconds(10));
  EXPECT_THAT(notifier_.sent(), SizeIs(1)) << "not every few seconds";
  alerts_.FailUpdates(absl::OkStatus());
  Tick(absl::Hours(2));
  ASSERT_THAT(notifier_.sent(), SizeIs(2)) << "at least once";
  EXPECT_EQ(notifier_.sent()[0].delivery.id, notifier_.sent()[1].delivery.id);
  EXPECT_EQ(notifier_.sent()[0].delivery.json, notifier_.sent()[1].delivery.json);
  Tick(absl::Hours(2));
  EXPECT_THAT(notifier_.sent(), SizeIs(2));
}

TEST_F(DeskTest, NothingIsSentThatIsNotJournaled) {
  AddChannel("a");
  alerts_.FailUpdates(absl::UnavailableError("disk"));
  PutInsight();
  Tick();
  EXPECT_EQ(notifier_.attempts(), 0);
  alerts_.FailUpdates(absl::OkStatus());
  Tick();
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
}

TEST_F(DeskTest, OfARemovedChannelNothingIsTriedAnyMore) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  ASSERT_TRUE(alerts_.DeleteAlertChannel("a", 1).ok());
  Tick(absl::Minutes(1));
  EXPECT_EQ(Journal()[0].state, DeliveryState::kFailed);
  EXPECT_EQ(Journal()[0].last_error, "the channel was removed");
}

TEST_F(DeskTest, ATestIsSentOnceAndJournaledWhateverBecameOfIt) {
  AddChannel("a");
  auto delivery = desk_->Test(*alerts_.GetAlertChannel("a"));
  ASSERT_TRUE(delivery.ok());
  EXPECT_EQ(delivery->state, DeliveryState::kDelivered);
  notifier_.Fail("a", absl::UnavailableError("no"));
  delivery = desk_->Test(*alerts_.GetAlertChannel("a"));
  ASSERT_TRUE(delivery.ok());
  EXPECT_EQ(delivery->state, DeliveryState::kFailed);
  EXPECT_EQ(delivery->last_error, "no");
  EXPECT_THAT(Journal(), SizeIs(2));
  Tick(absl::Hours(1));
  EXPECT_EQ(notifier_.attempts(), 2);
}

TEST_F(DeskTest, TheDigestComesOnceAWeekToThoseWhoWantIt) {
  options_.digest = DigestTime{1, 7, 0};
  Start();
  AddChannel("a", /*digest=*/true);
  AddChannel("b");
  Tick();
  EXPECT_THAT(notifier_.sent(), IsEmpty()) << "nobody waited for that of last Monday";
  for (int i = 0; i < 24 * 15; ++i) Tick(absl::Hours(1));
  ASSERT_THAT(notifier_.sent(), SizeIs(2));
  EXPECT_EQ(notifier_.sent()[0].channel, "a");
  EXPECT_THAT(notifier_.sent()[0].delivery.text, HasSubstr("2026-06-29 to 2026-07-05"));
  EXPECT_THAT(notifier_.sent()[0].delivery.html, HasSubstr("example.com"));
  EXPECT_THAT(notifier_.sent()[0].delivery.json, HasSubstr(R"("kind":"digest")"));
}

// Each look at it takes half a minute, as if much were done meanwhile; and somebody may do
// something.
class SlowClock final : public Clock {
 public:
  explicit SlowClock(FakeClock& clock) : clock_(clock) {}
  absl::Time Now() const override { return clock_.Now(); }
  absl::Duration Monotonic() const override {
    if (meanwhile) meanwhile();
    clock_.Advance(absl::Seconds(30));
    return clock_.Monotonic();
  }
  std::function<void()> meanwhile;

 private:
  FakeClock& clock_;
};

TEST_F(DeskTest, AlertsDoNotWaitForADigest) {
  for (int i = 0; i < 20; ++i) {
    DomainRecord domain;
    domain.name = "d" + std::to_string(i) + ".test";
    ASSERT_TRUE(policies_.PutDomain(domain).ok());
  }
  options_.digest = DigestTime{1, 7, 0};
  Start();
  AddChannel("a", /*digest=*/true);
  Tick();
  Tick(absl::Hours(24 * 7));
  ASSERT_THAT(notifier_.sent(), SizeIs(1));
  SlowClock slow(clock_);
  desk_ = std::make_unique<AlertDesk>(
      AlertWorld{policies_, insights_, alerts_, analysis_, notifier_, slow}, options_);
  clock_.Advance(absl::Hours(24 * 7));
  // In the middle of making it: the desk has decided already, and looks whether it is to again.
  int looks = 0;
  slow.meanwhile = [&] {
    if (++looks == 4) PutInsight();
  };
  desk_->Tick();
  ASSERT_THAT(notifier_.sent(), SizeIs(3));
  EXPECT_THAT(notifier_.sent()[1].delivery.alerts, SizeIs(1));
  EXPECT_THAT(notifier_.sent()[2].delivery.json, HasSubstr(R"("kind":"digest")"));
}

TEST_F(DeskTest, AClockThatIsSetBackDelaysNothing) {
  AddChannel("a");
  notifier_.Fail("a", absl::UnavailableError("later"));
  PutInsight();
  Tick();
  ASSERT_EQ(notifier_.attempts(), 1);
  notifier_.Fail("a", absl::OkStatus());
  clock_.JumpWallTo(clock_.Now() - absl::Hours(24 * 30));
  Tick(absl::Minutes(2));
  EXPECT_THAT(notifier_.sent(), SizeIs(1));
}

TEST_F(DeskTest, OldDeliveriesAreForgotten) {
  options_.keep_most = 3;
  Start();
  AddChannel("a");
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(desk_->Test(*alerts_.GetAlertChannel("a")).ok());
  Tick(absl::Hours(2));
  EXPECT_THAT(Journal(), SizeIs(3));
  Tick(absl::Hours(24 * 91));
  EXPECT_THAT(Journal(), IsEmpty());
}

// The whole way: reports and records, both watchers, the book, the desk. Each kind of insight is
// caused once, seen again many times, and mended; people are told of it once, and once of its end.
class ScenarioTest : public DeskTest {
 protected:
  ScenarioTest() {
    authoritative_.AddZone(Name("example.com"));
    resolver_.SetTxt(Name("_spf.vendor.test"), {"v=spf1 ip4:93.184.216.0/24 -all"});
    SetTxt("example.com", {kSpf});
    SetTxt("_dmarc.example.com", {"v=DMARC1; p=none; rua=mailto:r@example.com"});
    AddChannel("ops");
    Decide("own-example.com");
    for (day_ = -90; day_ < 0; ++day_) Receive(Usual());
    day_ = 0;
  }
  void SetTxt(const std::string& name, const std::vector<std::string>& texts) {
    resolver_.SetTxt(Name(name), texts);
    authoritative_.SetTxt(Name(name), texts);
  }
  void Decide(const std::string& source, SourceState state = SourceState::kApproved) {
    SourceDecision decision;
    decision.domain = "example.com";
    decision.source_id = source;
    decision.state = state;
    ASSERT_TRUE(policies_.PutDecision(decision).ok());
  }
  static std::vector<AggregateRecord> Usual() {
    return {Row(100).Dkim("example.com", "s1").Spf("example.com")};
  }
  // A report of the day that is running.
  void Receive(std::vector<AggregateRecord> rows, const std::string& reporter = "one.test") {
    const DayNumber day = static_cast<DayNumber>(absl::ToUnixSeconds(kNoon) / 86400) + day_;
    StoredReport report = Report(day, std::move(rows), reporter);
    report.reporter_key = reporter;
    const std::string raw = "raw bytes of report " + std::to_string(++received_);
    CommitBatch accept;
    accept.accepted.push_back({{.raw_sha256 = Sha256(raw),
                                .size_bytes = static_cast<int64_t>(raw.size()),
                                .received_time = clock_.Now(),
                                .channel = Channel::kUpload},
                               raw});
    const auto accepted = report_store_->Commit(std::move(accept), Sync::kYes);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    report.key.receipt = accepted->accepted[0];
    report.document_sha256 = Sha256(raw);
    report.received_time = clock_.Now();
    report.channel = Channel::kUpload;
    report.report.metadata.report_id = raw;
    ProcessedItem item{.item = {.kind = std::string(kAggregateKind)}, .report = std::move(report)};
    item.item.outcome = Outcome::kAccepted;
    CommitBatch process;
    process.processed.push_back({.receipt = accepted->accepted[0]});
    process.processed.back().items.push_back(std::move(item));
    ASSERT_TRUE(report_store_->Commit(std::move(process), Sync::kYes).ok());
    ASSERT_TRUE(reports_.Tick().ok());
  }
  // Three looks of each watcher, and the desk after each of them, in a day in which `rows` are
  // received beside what is usual.
  void Day(std::vector<AggregateRecord> rows = {}, bool usual = true,
           const std::string& other_reporter = "") {
    if (usual) Receive(Usual());
    if (!rows.empty()) Receive(std::move(rows));
    if (!other_reporter.empty()) Receive({}, other_reporter);
    for (int look = 0; look < 3; ++look) {
      EXPECT_TRUE(record_watcher_.RunDue());
      EXPECT_TRUE(report_watcher_.RunDue());
      desk_->Tick();
      clock_.Advance(absl::Hours(8));
      desk_->Tick();
    }
    ++day_;
  }
  // How often people were told that insights of the code came, and that they are gone.
  std::pair<int, int> Told(const std::string& code) const {
    std::pair<int, int> out;
    for (const FakeNotifier::Sent& sent : notifier_.sent()) {
      for (const AlertRecord& alert : sent.delivery.alerts) {
        if (alert.code != code) continue;
        ++(alert.event == AlertEvent::kCleared ? out.second : out.first);
      }
    }
    return out;
  }
  std::set<std::string> Codes() const {
    std::set<std::string> out;
    for (const FakeNotifier::Sent& sent : notifier_.sent()) {
      for (const AlertRecord& alert : sent.delivery.alerts) out.insert(alert.code);
    }
    return out;
  }

  static constexpr char kSpf[] = "v=spf1 include:_spf.vendor.test -all";
  FakePacer pacer_{clock_};
  FakeResolver resolver_;
  FakeAuthoritativeResolver authoritative_;
  FakeObservationStore observations_;
  InsightBook book_{insights_, clock_};
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  RecordWatcher record_watcher_{
      WatchWorld{policies_, observations_, resolver_, authoritative_, clock_, pacer_,
                 [](const std::string&) { return Selectors{{}, true}; }, &book_},
      {.looks_per_second = 1000}};
  ReportWatcher report_watcher_{
      {policies_, reports_, analysis_, clock_, pacer_, *suffixes_, &book_}, absl::Hours(1)};
  int day_ = 0, received_ = 0;
};

TEST_F(ScenarioTest, OrdinaryDaysTellNothing) {
  for (int i = 0; i < 10; ++i) Day();
  EXPECT_THAT(Codes(), IsEmpty());
}

TEST_F(ScenarioTest, AnUnapprovedSenderIsToldOnceAndClearsWithADecision) {
  for (int i = 0; i < 3; ++i) Day({Row(30).From("198.51.100.1").Dkim("mailer.example")});
  Decide("dkim-mailer.example");
  for (int i = 0; i < 3; ++i) Day({Row(30).From("198.51.100.1").Dkim("mailer.example", "s")});
  EXPECT_EQ(Told("SOURCE_UNAPPROVED"), std::pair(1, 1));
}

TEST_F(ScenarioTest, WhatWasDecidedBeforeItIsTimeToTellIsNotTold) {
  Receive(Usual());
  Receive({Row(30).From("198.51.100.1").Dkim("mailer.example")});
  ASSERT_TRUE(report_watcher_.RunDue());
  desk_->Tick();
  ASSERT_THAT(book_.OpenIds("example.com").value_or(std::set<std::string>()), SizeIs(1));
  Decide("dkim-mailer.example", SourceState::kRejected);
  clock_.Advance(absl::Minutes(1));  // no reports have come, and the hour is not over
  ASSERT_TRUE(report_watcher_.RunDue());
  EXPECT_THAT(book_.OpenIds("example.com").value_or(std::set<std::string>({"?"})), IsEmpty());
  clock_.Advance(absl::Minutes(30));
  desk_->Tick();
  EXPECT_EQ(Told("SOURCE_UNAPPROVED"), std::pair(0, 0));
}

TEST_F(ScenarioTest, AnApprovedSourceThatFailsIsToldOnceAndClears) {
  for (int i = 0; i < 10; ++i) {
    Day({Row(50).From("198.51.100.1").Dkim("sendgrid.net").Dkim("example.com", "sg1")});
  }
  Decide("sendgrid");
  for (int i = 0; i < 4; ++i) Day({Row(50).From("198.51.100.1").Dkim("sendgrid.net")});
  EXPECT_EQ(Told("SOURCE_FAILING"), std::pair(1, 0));
  for (int i = 0; i < 14; ++i) {
    Day({Row(50).From("198.51.100.1").Dkim("sendgrid.net").Dkim("example.com", "sg1")});
  }
  EXPECT_EQ(Told("SOURCE_FAILING"), std::pair(1, 1));
}

TEST_F(ScenarioTest, ABurstOfSpoofedMailIsToldOnceAndClears) {
  for (int i = 0; i < 3; ++i) Day({Row(300).From("203.0.113.5")});
  for (int i = 0; i < 20; ++i) Day();
  EXPECT_EQ(Told("SPOOFING_BURST"), std::pair(1, 1));
  EXPECT_THAT(Codes(), ElementsAre("SPOOFING_BURST"));
}

TEST_F(ScenarioTest, AQuarantineSpikeIsToldOnceAndClears) {
  for (int i = 0; i < 4; ++i) {
    Day({Row(80).Dkim("example.com", "s1").Then(Disposition::kQuarantine)});
  }
  for (int i = 0; i < 20; ++i) Day();
  EXPECT_EQ(Told("QUARANTINE_SPIKE"), std::pair(1, 1));
}

TEST_F(ScenarioTest, ASilentReporterIsToldOnceAndClears) {
  for (int i = 0; i < 20; ++i) Day({}, true, "two.test");
  for (int i = 0; i < 8; ++i) Day();
  EXPECT_EQ(Told("REPORTER_SILENT"), std::pair(1, 0));
  for (int i = 0; i < 3; ++i) Day({}, true, "two.test");
  EXPECT_EQ(Told("REPORTER_SILENT"), std::pair(1, 1));
}

TEST_F(ScenarioTest, ADanglingIncludeIsToldOnceAndClears) {
  Day();
  resolver_.Remove(Name("_spf.vendor.test"));
  for (int i = 0; i < 3; ++i) Day();
  EXPECT_EQ(Told("SPF_DANGLING"), std::pair(1, 0));
  resolver_.SetTxt(Name("_spf.vendor.test"), {"v=spf1 ip4:93.184.216.0/24 -all"});
  for (int i = 0; i < 2; ++i) Day();
  EXPECT_EQ(Told("SPF_DANGLING"), std::pair(1, 1));
}

TEST_F(ScenarioTest, LookUpsNearTheLimitAreToldOnceAndClear) {
  Day();
  std::string many = "v=spf1";
  for (int i = 0; i < 9; ++i) {
    const std::string name = "_s" + std::to_string(i) + ".vendor.test";
    resolver_.SetTxt(Name(name), {"v=spf1 ip4:93.184.216." + std::to_string(i) + " -all"});
    many += " include:" + name;
  }
  SetTxt("example.com", {many + " -all"});
  for (int i = 0; i < 3; ++i) Day();
  EXPECT_EQ(Told("SPF_LOOKUP_MARGIN"), std::pair(1, 0));
  SetTxt("example.com", {kSpf});
  for (int i = 0; i < 2; ++i) Day();
  EXPECT_EQ(Told("SPF_LOOKUP_MARGIN"), std::pair(1, 1));
}

TEST_F(ScenarioTest, ADriftedRecordIsToldOnceAndClears) {
  Day();
  ChangeRecord change;
  change.domain = "example.com";
  change.id = "01a";
  change.state = ChangeState::kSucceeded;
  change.intent.dmarc_report_address = true;
  change.create_time = change.apply_time = change.end_time = clock_.Now();
  const std::string record = "v=DMARC1; p=none; rua=mailto:r@example.com";
  change.record_changes = {{.zone = "example.com",
                            .owner_name = "_dmarc.example.com",
                            .before = {},
                            .after = {"\"" + record + "\""}}};
  ASSERT_TRUE(policies_.PutChange(change).ok());
  Day();
  SetTxt("_dmarc.example.com", {"v=DMARC1; p=reject; rua=mailto:r@example.com"});
  for (int i = 0; i < 3; ++i) Day();
  EXPECT_EQ(Told("DRIFT_RECORD_CHANGED"), std::pair(1, 0));
  SetTxt("_dmarc.example.com", {record});
  for (int i = 0; i < 2; ++i) Day();
  EXPECT_EQ(Told("DRIFT_RECORD_CHANGED"), std::pair(1, 1));
}

TEST_F(ScenarioTest, SilenceOfTheDnsAndOfReportersClearsNothing) {
  for (int i = 0; i < 3; ++i) Day({Row(30).From("198.51.100.1").Dkim("mailer.example")});
  resolver_.Remove(Name("_spf.vendor.test"));
  Day({Row(30).From("198.51.100.1").Dkim("mailer.example")});
  ASSERT_EQ(Told("SPF_DANGLING"), std::pair(1, 0));
  resolver_.FailAll(absl::UnavailableError("SERVFAIL"));
  for (int i = 0; i < 12; ++i) Day({}, /*usual=*/false);
  EXPECT_EQ(Told("SPF_DANGLING"), std::pair(1, 0));
  EXPECT_EQ(Told("SOURCE_UNAPPROVED"), std::pair(1, 0));
  EXPECT_EQ(Told("REPORTER_SILENT"), std::pair(1, 0));
}

}  // namespace
}  // namespace dmarcate
