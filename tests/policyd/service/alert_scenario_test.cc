// The whole way from a report or a record to what people are told (E5): each insight comes once and
// clears.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/dns/fake_resolver.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/fake_observation_store.h"
#include "policyd/service/record_watcher.h"
#include "policyd/service/report_watcher.h"
#include "tests/policyd/analysis/rows.h"
#include "tests/policyd/service/desk_world.h"

namespace dmarcate {
namespace {

using analysis_testing::Report;
using analysis_testing::Row;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

DomainName Name(std::string_view text) { return *DomainName::Parse(text); }

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
  void Receive(std::vector<AggregateRecord> rows, const std::string& reporter = "one.test",
               const std::string& domain = "example.com") {
    const DayNumber day = static_cast<DayNumber>(absl::ToUnixSeconds(kNoon) / 86400) + day_;
    StoredReport report = Report(day, std::move(rows), reporter);
    report.key.domain = domain;
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
      {policies_, reports_, analysis_, clock_, pacer_, *suffixes_, &book_, nullptr, &network_},
      absl::Hours(1)};
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

// What a relay does to the signatures of this domain hides what it is; three others show it.
TEST_F(ScenarioTest, AForwarderThatOtherDomainsKnowIsNoSenderToDecideAbout) {
  for (const char* domain : {"a.test", "b.test", "c.test"}) {
    DomainRecord record;
    record.name = domain;
    ASSERT_TRUE(policies_.PutDomain(record).ok());
    Receive({Row(50).Header(domain).Dkim(domain, "s1").Spf(domain),
             Row(20).Header(domain).Dkim(domain, "s1").Spf("relay.test")},
            "one.test", domain);
    SourceDecision decision;
    decision.domain = domain;
    decision.source_id = std::string("own-") + domain;
    decision.state = SourceState::kApproved;
    ASSERT_TRUE(policies_.PutDecision(decision).ok());
  }
  for (int i = 0; i < 3; ++i) {
    Day({Row(30).From("198.51.100.1").Spf("relay.test"),
         Row(30).From("198.51.100.2").Spf("unknown.test")});
  }
  EXPECT_EQ(Told("SOURCE_UNAPPROVED"), std::pair(1, 0)) << "of unknown.test";
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
