// What expires, what is purged, and that totals equal a recount throughout: on the fake and on
// RocksDB with a follower, and killed at random.

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/key_codec.h"
#include "lib/store/opening_mark.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_report_store.h"
#include "lib/store/value_codec.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";
constexpr char kOther[] = "example.net";
const absl::Time kStart = StartOfDay(kTestDay);

enum class Kind { kFake, kRocks };

class RetentionTest : public testing::TestWithParam<Kind> {
 protected:
  RetentionTest() {
    if (GetParam() == Kind::kFake) {
      fake_ = std::make_unique<FakeReportStore>();
      writer_ = fake_.get();
      reader_ = fake_.get();
      return;
    }
    rocks_ = *RocksReportWriter::Open(directory_.path("reports"));
    follower_ = *RocksReportReader::Follow(directory_.path("reports"), directory_.path("follower"),
                                           absl::Seconds(10));
    writer_ = rocks_.get();
    reader_ = follower_.get();
  }
  ReportReader& reader() {
    EXPECT_TRUE(reader_->CatchUp().ok());
    return *reader_;
  }
  ReceiptId Receive(std::string raw, int day) {
    CommitBatch batch;
    batch.accepted.push_back(Accept(std::move(raw)));
    batch.accepted[0].receipt.received_time = kStart + absl::Hours(24 * day);
    return writer_->Commit(std::move(batch), Sync::kYes)->accepted.at(0);
  }
  std::vector<ReceiptItem> Read(CommitBatch::Processed processed) {
    CommitBatch batch;
    batch.processed.push_back(std::move(processed));
    auto result = writer_->Commit(std::move(batch), Sync::kYes);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->processed.at(0) : std::vector<ReceiptItem>();
  }
  // Received on `day` with these reports.
  ReceiptId Take(int day, std::string raw, std::vector<StoredReport> reports) {
    const ReceiptId id = Receive(std::move(raw), day);
    Read(Process(id, std::move(reports)));
    return id;
  }
  ExpiryResult Expire(const ExpiryCutoffs& cutoffs, size_t limit = 1000) {
    ExpiryResult sum;
    for (bool more = true; more;) {
      const auto step = writer_->Expire(cutoffs, limit);
      EXPECT_TRUE(step.ok()) << step.status();
      if (!step.ok()) break;
      more = step->more;
      sum.receipts += step->receipts;
      sum.raw += step->raw;
      sum.quarantined += step->quarantined;
      sum.reports += step->reports;
      sum.days += step->days;
      sum.raw_bytes += step->raw_bytes;
    }
    return sum;
  }
  PurgeResult Purge(const PurgeTarget& target, PurgeMode mode = PurgeMode::kRemove) {
    auto result = writer_->Purge(target, mode, [](const PurgeResult&) { return true; });
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : PurgeResult();
  }
  // Messages of the domain by its totals, which have to equal a recount.
  uint64_t Messages(std::string_view domain = kDomain) {
    const auto totals = reader().ReadTotals(domain, 0, kTestDay + 400);
    const auto recount = RecountTotals(*reader_, domain, 0, kTestDay + 400);
    EXPECT_TRUE(totals.ok() && recount.ok()) << totals.status() << recount.status();
    EXPECT_EQ(*totals, *recount);
    EXPECT_TRUE(writer_
                    ->VerifyTotals("",
                                   [](const DayCheck& check) {
                                     EXPECT_EQ(check.total, check.recount) << check.domain;
                                     return true;
                                   })
                    .ok());
    uint64_t sum = 0;
    for (const DayTotals& day : *totals) sum += day.messages;
    return sum;
  }
  size_t Reports(std::string_view domain = kDomain) {
    return reader().ListReports(domain, 0, kTestDay + 400, std::nullopt, 1000)->reports.size();
  }
  std::vector<ReceiptItem> TakeTls(int day, std::string raw, StoredTlsReport report) {
    return Read(ProcessTls(Receive(std::move(raw), day), {std::move(report)}));
  }
  std::vector<ReceiptItem> TakeFailure(int day, std::string raw, StoredFailureReport report) {
    report.received_time = kStart + absl::Hours(24 * day);
    return Read(ProcessFailure(Receive(std::move(raw), day), std::move(report)));
  }
  size_t TlsReports(std::string_view domain = kDomain) {
    return reader().ListTlsReports(domain, 0, kTestDay + 400, std::nullopt, 1000)->reports.size();
  }
  size_t FailureReports(std::string_view domain = kDomain) {
    return reader()
        .ListFailureReports(domain, 0, kTestDay + 400, std::nullopt, 1000)
        ->reports.size();
  }
  void ExpectExpired(const std::string& raw) {
    for (const absl::Status& status :
         {writer_->ReadRaw(Sha256(raw)).status(), reader().ReadRaw(Sha256(raw)).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << raw;
      EXPECT_THAT(std::string(status.message()), HasSubstr("expired")) << raw;
    }
  }

  TempDir directory_;
  std::unique_ptr<FakeReportStore> fake_;
  std::unique_ptr<RocksReportWriter> rocks_;
  std::unique_ptr<RocksReportReader> follower_;
  ReportWriter* writer_ = nullptr;
  ReportReader* reader_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(All, RetentionTest, testing::Values(Kind::kFake, Kind::kRocks),
                         [](const auto& each) {
                           return each.param == Kind::kFake ? "Fake" : "RocksDb";
                         });

ExpiryCutoffs RawBefore(int day) { return {.raw = kStart + absl::Hours(24 * day)}; }
ExpiryCutoffs RowsBefore(int day) { return {.rows = kStart + absl::Hours(24 * day)}; }

TEST_P(RetentionTest, RawBytesGoAndTheReportStays) {
  const std::string large(2'500'000, 'x');
  Take(0, large, {MakeReport(kDomain, kTestDay, "1", "1", {3})});
  Take(1, "second", {MakeReport(kDomain, kTestDay, "2", "2", {4})});
  EXPECT_EQ(Expire({}).raw, 0);
  const ExpiryResult result = Expire(RawBefore(1));
  EXPECT_EQ(result.raw, 1);
  EXPECT_EQ(result.raw_bytes, 2'500'000);
  ExpectExpired(large);
  EXPECT_EQ(*reader().ReadRaw(Sha256("second")), "second");
  EXPECT_EQ(Messages(), 7u);
  EXPECT_TRUE(writer_->GetReceipt(1)->receipt.raw_gone);
  // The bytes are still known.
  EXPECT_THAT(**writer_->FindByRaw(Sha256(large)), SizeIs(1));
  EXPECT_EQ(Expire(RawBefore(1)).raw, 0);
}

TEST_P(RetentionTest, WhatIsUnreadableHasATimeOfItsOwn) {
  for (int i = 0; i < 3; ++i) {
    Read(ProcessUnreadable(Receive("bad " + std::to_string(i), i), Outcome::kQuarantined, "xml"));
  }
  const ReceiptId mixed = Receive("mixed", 3);
  CommitBatch::Processed both = Process(mixed, {MakeReport(kDomain, kTestDay, "1", "1", {3})});
  both.items.push_back(std::move(ProcessUnreadable(mixed, Outcome::kQuarantined, "x").items[0]));
  Read(std::move(both));
  EXPECT_EQ(Expire(RawBefore(10)).raw, 0);
  EXPECT_EQ(*writer_->ReadRaw(Sha256("bad 0")), "bad 0");
  ExpiryCutoffs cutoffs = RawBefore(10);
  cutoffs.quarantine = kStart + absl::Hours(24 * 2);
  EXPECT_EQ(Expire(cutoffs).quarantined, 2);
  EXPECT_THAT(writer_->ListUnreadable(std::nullopt, 10)->rows, SizeIs(2));
  EXPECT_EQ(writer_->GetReceipt(1).status().code(), absl::StatusCode::kNotFound);
  cutoffs.quarantine = kStart + absl::Hours(24 * 9);
  const ExpiryResult result = Expire(cutoffs);
  EXPECT_EQ(result.quarantined, 2);
  EXPECT_THAT(writer_->ListUnreadable(std::nullopt, 10)->rows, IsEmpty());
  ExpectExpired("mixed");
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(RetentionTest, WhatIsReadAtLastLosesItsBytesWhereTheirTimeHasPassed) {
  const ReceiptId id = Receive("raw", 0);
  Read(ProcessUnreadable(id, Outcome::kQuarantined, "xml"));
  Expire(RawBefore(5));
  EXPECT_EQ(*writer_->ReadRaw(Sha256("raw")), "raw");
  Read(Process(id, {MakeReport(kDomain, kTestDay, "1", "1", {3})}));
  Expire(RawBefore(5));
  ExpectExpired("raw");
}

TEST_P(RetentionTest, FailureReportsLoseTheirBytesEarlier) {
  for (const char* kind : {"failure", "aggregate"}) {
    CommitBatch::Processed processed = Process(Receive(kind, 0), {});
    processed.items.emplace_back().item.kind = kind;
    processed.items.back().item.outcome = Outcome::kAccepted;
    Read(std::move(processed));
  }
  EXPECT_EQ(Expire({.failure = kStart + absl::Hours(24)}).raw, 1);
  ExpectExpired("failure");
  EXPECT_EQ(*writer_->ReadRaw(Sha256("aggregate")), "aggregate");
}

TEST_P(RetentionTest, RowsGoAndTotalsStayAndNothingIsCountedAgain) {
  Take(0, "a", {MakeReport(kDomain, kTestDay, "1", "doc 1", {3})});
  Take(0, "b", {MakeReport(kDomain, kTestDay, "2", "doc 2", {4})});
  Take(5, "c", {MakeReport(kDomain, kTestDay, "3", "doc 3", {5})});
  const ExpiryResult result = Expire(RowsBefore(1));
  EXPECT_EQ(result.reports, 2);
  EXPECT_EQ(result.receipts, 2);
  EXPECT_EQ(Reports(), 1u);
  EXPECT_EQ(Messages(), 12u);
  EXPECT_EQ(reader().ReadExpiredTotals(kDomain, 0, kTestDay)->at(0).messages, 7u);
  EXPECT_EQ(writer_->GetReceipt(1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*writer_->FindByRaw(Sha256("a")), std::nullopt);
  // The same bytes, the same document in other bytes, and more trust in it.
  for (const std::string raw : {"a", "a2"}) {
    StoredReport again = MakeReport(kDomain, kTestDay, "1", "doc 1", {3});
    again.trust = TrustClass::kAnchored;
    const auto items = Read(Process(Receive(raw, 9), {again}));
    ASSERT_THAT(items, SizeIs(1));
    EXPECT_EQ(items[0].outcome, Outcome::kDuplicate);
    EXPECT_EQ(items[0].domain, kDomain);
    EXPECT_EQ(Messages(), 12u);
  }
  // What comes to the day later is counted, and can go, too.
  Take(9, "d", {MakeReport(kDomain, kTestDay, "4", "doc 4", {6})});
  EXPECT_EQ(Messages(), 18u);
  Expire(RowsBefore(20));
  EXPECT_EQ(Messages(), 18u);
  EXPECT_EQ(Reports(), 0u);
  EXPECT_THAT(*reader().ListDomains("", 10), SizeIs(1));
}

TEST_P(RetentionTest, RevisionsGoWithTheOneThatCounts) {
  Take(0, "a", {MakeReport(kDomain, kTestDay, "1", "doc 1", {3, 3})});
  const ReceiptId late = Take(5, "b", {MakeReport(kDomain, kTestDay, "1", "doc 2", {4})});
  EXPECT_EQ(Messages(), 6u);
  EXPECT_EQ(Expire(RowsBefore(1)).reports, 2);
  EXPECT_EQ(Messages(), 6u);
  EXPECT_EQ(Reports(), 0u);
  // Its receipt may be read again all the same.
  EXPECT_EQ(Read(Process(late, {MakeReport(kDomain, kTestDay, "1", "doc 2", {4})}))[0].outcome,
            Outcome::kDuplicate);
  Expire(RowsBefore(9));
  EXPECT_EQ(Messages(), 6u);
}

// What has not counted is not remembered, so a genuine copy of it counts.
TEST_P(RetentionTest, WhatExpiresWithoutHavingCountedMayComeAgain) {
  StoredReport report = MakeReport(kDomain, kTestDay, "1", "doc", {3});
  report.trust = TrustClass::kUnverified;
  Take(0, "a", {report});
  EXPECT_EQ(Expire(RowsBefore(1)).reports, 1);
  report.trust = TrustClass::kImported;
  EXPECT_EQ(Read(Process(Receive("b", 2), {report}))[0].outcome, Outcome::kAccepted);
  EXPECT_EQ(Messages(), 3u);
  Expire(RowsBefore(9));
  EXPECT_EQ(Expire({.totals = kTestDay + 1}).days, 1);
  EXPECT_EQ(Messages(), 0u);
  EXPECT_EQ(Read(Process(Receive("c", 9), {report}))[0].outcome, Outcome::kAccepted);
}

TEST_P(RetentionTest, ANewRevisionOfWhatHasExpiredIsNotCountedBesideIt) {
  Take(0, "a", {MakeReport(kDomain, kTestDay, "1", "doc 1", {3})});
  Expire(RowsBefore(1));
  const auto later = Read(Process(Receive("b", 2), {MakeReport(kDomain, kTestDay, "1", "2", {4})}));
  EXPECT_EQ(later[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ(later[0].domain, kDomain);
  EXPECT_EQ(Messages(), 3u);
  // Nor what a copy would make one.
  StoredReport other = MakeReport(kDomain, kTestDay, "1", "3", {5});
  other.trust = TrustClass::kUnverified;
  other.reporter_key = "evil.example";
  Take(3, "c", {other});
  Take(3, "d", {MakeReport(kDomain, kTestDay, "1", "3", {5})});
  EXPECT_EQ(Messages(), 3u);
  Expire(RowsBefore(9));
  EXPECT_EQ(Expire({.totals = kTestDay + 1}).days, 1);
  Take(9, "e", {MakeReport(kDomain, kTestDay, "1", "2", {4})});
  EXPECT_EQ(Messages(), 4u);
}

TEST_P(RetentionTest, ASupersededRevisionGoesAlone) {
  Take(0, "a", {MakeReport(kDomain, kTestDay, "1", "doc 1", {3})});
  Take(5, "b", {MakeReport(kDomain, kTestDay, "1", "doc 2", {4, 4})});
  EXPECT_EQ(Expire(RowsBefore(1)).reports, 1);
  EXPECT_EQ(Messages(), 8u);
  EXPECT_EQ(Reports(), 1u);
  EXPECT_EQ(
      Read(Process(Receive("again", 6), {MakeReport(kDomain, kTestDay, "1", "doc 1", {3})}))[0]
          .outcome,
      Outcome::kDuplicate);
  EXPECT_EQ(Messages(), 8u);
}

TEST_P(RetentionTest, WhatIsStillToBeReadStays) {
  const ReceiptId pending = Receive("pending", 0);
  Take(0, "later", {MakeReport(kDomain, kTestDay, "1", "1", {3})});
  ExpiryCutoffs all = RawBefore(9);
  all.rows = all.quarantine = all.failure = all.raw;
  Expire(all);
  EXPECT_THAT(*writer_->Pending(10), SizeIs(1));
  EXPECT_EQ(*writer_->ReadRaw(Sha256("pending")), "pending");
  Read(Process(pending, {MakeReport(kDomain, kTestDay, "2", "2", {4})}));
  EXPECT_EQ(Expire(all).receipts, 2);
  EXPECT_EQ(Messages(), 7u);
}

TEST_P(RetentionTest, TotalsGoOnceTheRowsHaveGone) {
  Take(0, "a",
       {MakeReport(kDomain, kTestDay, "1", "1", {3}),
        MakeReport(kOther, kTestDay + 1, "2", "2", {4})});
  EXPECT_EQ(Expire({.totals = kTestDay + 1}).days, 0);
  Expire(RowsBefore(9));
  EXPECT_EQ(Expire({.totals = kTestDay + 1}).days, 1);
  EXPECT_EQ(Messages(), 0u);
  EXPECT_EQ(Messages(kOther), 4u);
  // Nothing of it is known any more: what comes now is new.
  EXPECT_EQ(
      Read(Process(Receive("b", 20), {MakeReport(kDomain, kTestDay, "1", "1", {3})}))[0].outcome,
      Outcome::kAccepted);
  EXPECT_EQ(Messages(), 3u);
}

TEST_P(RetentionTest, AStepIsBoundedAndGoesOn) {
  for (int i = 0; i < 25; ++i) {
    Take(0, fmt::format("{}", i),
         {MakeReport(kDomain, kTestDay, fmt::format("{}", i), fmt::format("{}", i), {1})});
  }
  ExpiryCutoffs cutoffs = RawBefore(9);
  cutoffs.rows = cutoffs.raw;
  const auto first = writer_->Expire(cutoffs, 10);
  ASSERT_TRUE(first.ok());
  if (GetParam() == Kind::kRocks) {
    EXPECT_TRUE(first->more);
    EXPECT_EQ(first->receipts, 10);
  }
  EXPECT_EQ(first->receipts + Expire(cutoffs, 10).receipts, 25);
  EXPECT_EQ(Messages(), 25u);
}

TEST_P(RetentionTest, TlsReportsGoWithTheRowsAndFailureReportsInTheirOwnTime) {
  for (int i = 0; i < 3; ++i) {
    const std::string text = std::to_string(i);
    TakeTls(i, "tls " + text, MakeTlsReport(kDomain, kTestDay, text, text, 5, 1));
    TakeFailure(i, "failure " + text, MakeFailureReport(kDomain, kTestDay, text));
  }
  const ExpiryCutoffs first_day{.failure = kStart + absl::Hours(24)};
  ExpiryResult result = Expire(first_day, 1);
  EXPECT_EQ(result.reports, 1);
  EXPECT_EQ(result.raw, 1);
  ExpectExpired("failure 0");
  EXPECT_EQ(FailureReports(), 2u);
  EXPECT_EQ(TlsReports(), 3u);
  EXPECT_EQ(Expire(first_day).reports, 0);
  EXPECT_EQ(writer_->GetReceipt(2)->items.size(), 1u) << "what came is still known";
  result = Expire(RowsBefore(2));
  EXPECT_EQ(result.receipts, 4);
  EXPECT_EQ(result.reports, 2 + 1);
  EXPECT_EQ(FailureReports(), 1u);
  EXPECT_EQ(TlsReports(), 1u);
  EXPECT_EQ(Messages(), 0u);
  // Nothing was counted, so nothing is remembered of them.
  EXPECT_EQ(TakeTls(9, "tls", MakeTlsReport(kDomain, kTestDay, "0", "0", 5, 1))[0].outcome,
            Outcome::kAccepted);
  EXPECT_EQ(TakeFailure(9, "failure", MakeFailureReport(kDomain, kTestDay, "0"))[0].outcome,
            Outcome::kAccepted);
  EXPECT_EQ(TakeTls(9, "copy", MakeTlsReport(kDomain, kTestDay, "2", "2", 5, 1))[0].outcome,
            Outcome::kDuplicate);
}

TEST_P(RetentionTest, ManyFailureReportsGoInSteps) {
  for (int i = 0; i < 10; ++i) {
    const std::string text = std::to_string(i);
    TakeFailure(0, text, MakeFailureReport(kDomain, kTestDay, text));
  }
  const ExpiryCutoffs cutoffs{.failure = kStart + absl::Hours(24)};
  EXPECT_EQ(Expire(cutoffs, 3).reports, 10);
  EXPECT_EQ(FailureReports(), 0u);
}

TEST_P(RetentionTest, AFailureReportThatIsReadLateGoesAllTheSame) {
  const ReceiptId id = Receive("raw", 0);
  Read(ProcessUnreadable(id, Outcome::kQuarantined, "x"));
  const ExpiryCutoffs cutoffs{.failure = kStart + absl::Hours(24)};
  Expire(cutoffs);
  StoredFailureReport report = MakeFailureReport(kDomain, kTestDay, "1");
  report.received_time = kStart;
  Read(ProcessFailure(id, std::move(report)));
  EXPECT_EQ(Expire(cutoffs).reports, 1);
  EXPECT_EQ(FailureReports(), 0u);
  ExpectExpired("raw");
}

TEST_P(RetentionTest, RevisionsOfATlsReportGoWithTheOneThatCounts) {
  TakeTls(0, "a", MakeTlsReport(kDomain, kTestDay, "1", "a", 5, 1));
  StoredTlsReport later = MakeTlsReport(kDomain, kTestDay, "1", "b", 7, 1);
  later.trust = TrustClass::kUnverified;
  const ReceiptId second = Receive("b", 5);
  Read(ProcessTls(second, {later}));
  EXPECT_EQ(Expire(RowsBefore(1)).reports, 2);
  EXPECT_EQ(TlsReports(), 0u);
  // Its receipt is there still, and can be read once more.
  EXPECT_EQ(Read(ProcessTls(second, {later}))[0].outcome, Outcome::kAccepted);
  EXPECT_EQ(TlsReports(), 1u);
  EXPECT_EQ(Expire(RowsBefore(9)).receipts, 1);
  EXPECT_EQ(TlsReports(), 0u);
}

TEST_P(RetentionTest, ASupersededTlsRevisionGoesAlone) {
  TakeTls(0, "a", MakeTlsReport(kDomain, kTestDay, "1", "a", 5, 1));
  TakeTls(5, "b", MakeTlsReport(kDomain, kTestDay, "1", "b", 7, 1));
  EXPECT_EQ(Expire(RowsBefore(1)).reports, 1);
  const auto left = reader().ListTlsReports(kDomain, 0, kTestDay + 1, std::nullopt, 10)->reports;
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_TRUE(left[0].current);
  EXPECT_EQ(left[0].successful_sessions, 7u);
}

TEST_P(RetentionTest, PurgingADomainTakesItsTlsAndFailureReports) {
  for (const char* domain : {kDomain, kOther}) {
    const std::string text = domain;
    TakeTls(0, "tls " + text, MakeTlsReport(domain, kTestDay, "1", text, 5, 1));
    TakeFailure(0, "failure " + text, MakeFailureReport(domain, kTestDay, text));
  }
  for (const PurgeMode mode : {PurgeMode::kCount, PurgeMode::kRemove}) {
    const PurgeResult result = Purge({.domain = kDomain}, mode);
    EXPECT_EQ(result.reports, 2);
    EXPECT_EQ(result.records, 0);
    EXPECT_EQ(result.receipts, 2);
  }
  EXPECT_EQ(TlsReports() + FailureReports(), 0u);
  EXPECT_EQ(TlsReports(kOther) + FailureReports(kOther), 2u);
  EXPECT_EQ(*writer_->FindByRaw(Sha256("failure example.com")), std::nullopt);
  EXPECT_EQ(TakeTls(1, "t", MakeTlsReport(kDomain, kTestDay, "1", kDomain, 5, 1))[0].outcome,
            Outcome::kAccepted);
  EXPECT_EQ(TakeFailure(1, "f", MakeFailureReport(kDomain, kTestDay, kDomain))[0].outcome,
            Outcome::kAccepted);
}

TEST_P(RetentionTest, PurgingAnAddressTakesFailureReportsFromIt) {
  const auto from = [](std::string_view address, std::string_view document) {
    StoredFailureReport report = MakeFailureReport(kDomain, kTestDay, document);
    report.report.source_ip = address;
    return report;
  };
  TakeFailure(0, "a", from("2001:db8:0::7", "1"));
  TakeFailure(0, "copy", from("2001:db8:0::7", "1"));
  TakeFailure(0, "other", from("198.51.100.7", "2"));
  TakeFailure(0, "none", from("no address", "3"));
  const PurgeTarget target{.address = *IpAddress::Parse("2001:db8::7")};
  for (const PurgeMode mode : {PurgeMode::kCount, PurgeMode::kRemove}) {
    const PurgeResult result = Purge(target, mode);
    EXPECT_EQ(result.reports, 1);
    EXPECT_EQ(result.receipts, 2);
    EXPECT_EQ(FailureReports(), mode == PurgeMode::kCount ? 3u : 2u);
  }
  ExpectExpired("a");
  ExpectExpired("copy");
  EXPECT_EQ(*writer_->ReadRaw(Sha256("other")), "other");
  EXPECT_EQ(Purge(target).reports, 0);
}

TEST_P(RetentionTest, PurgingADomainLeavesNothingOfIt) {
  Take(0, "old", {MakeReport(kDomain, kTestDay, "0", "old", {9})});
  Expire(RowsBefore(1));
  Take(5, "only", {MakeReport(kDomain, kTestDay, "1", "1", {3})});
  Take(5, "other", {MakeReport(kOther, kTestDay, "2", "2", {4})});
  Take(5, "both",
       {MakeReport(kDomain, kTestDay + 1, "3", "3", {5, 5}),
        MakeReport(kOther, kTestDay, "4", "4", {6})});
  Take(6, "copy", {MakeReport(kDomain, kTestDay, "1", "1", {3})});
  EXPECT_EQ(Messages(), 22u);
  for (const PurgeMode mode : {PurgeMode::kCount, PurgeMode::kRemove}) {
    const PurgeResult result = Purge({.domain = kDomain}, mode);
    EXPECT_EQ(result.reports, 2);
    EXPECT_EQ(result.records, 3);
    EXPECT_EQ(result.messages, 13u);
    EXPECT_EQ(result.receipts, 3);
    EXPECT_EQ(result.raw_bytes, 4 + 4 + 4);
    EXPECT_EQ(Messages(), mode == PurgeMode::kCount ? 22u : 0u);
  }
  EXPECT_EQ(Reports(), 0u);
  EXPECT_EQ(Messages(kOther), 10u);
  EXPECT_EQ(Reports(kOther), 2u);
  EXPECT_THAT(*reader().ListDomains("", 10), SizeIs(1));
  EXPECT_THAT(*reader().ReadExpiredTotals(kDomain, 0, kTestDay + 9), IsEmpty());
  for (const char* raw : {"only", "copy"}) {
    EXPECT_EQ(reader().ReadRaw(Sha256(raw)).status().code(), absl::StatusCode::kNotFound) << raw;
    EXPECT_EQ(*writer_->FindByRaw(Sha256(raw)), std::nullopt);
  }
  ExpectExpired("both");
  EXPECT_EQ(*reader().ReadRaw(Sha256("other")), "other");
  const PurgeResult again = Purge({.domain = kDomain});
  EXPECT_EQ(again.reports + again.receipts, 0);
  // It may begin anew, also with what had expired.
  for (const char* document : {"1", "old"}) {
    EXPECT_EQ(Read(Process(Receive(document, 9),
                           {MakeReport(kDomain, kTestDay, document, document, {7})}))[0]
                  .outcome,
              Outcome::kAccepted);
  }
  EXPECT_EQ(Messages(), 14u);
}

// What is kept of a mail that spoke of others, too, says nothing of the domain.
TEST_P(RetentionTest, PurgingADomainLeavesNoNameOfIt) {
  const ReceiptId id = Receive("both", 0);
  CommitBatch::Processed both = Process(id, {MakeReport(kDomain, kTestDay, "1", "1", {3}),
                                             MakeReport(kOther, kTestDay, "2", "2", {4})});
  both.items.push_back(std::move(ProcessUnreadable(id, Outcome::kQuarantined, "x").items[0]));
  Read(std::move(both));
  EXPECT_NE(writer_->GetReceipt(id)->receipt.subject, "");
  Purge({.domain = kDomain});
  const auto left = writer_->GetReceipt(id);
  EXPECT_THAT(left->items, SizeIs(2));
  EXPECT_EQ(left->receipt.file_name, "");
  EXPECT_EQ(left->receipt.subject, "");
  EXPECT_EQ(left->receipt.from_domain, "");
}

TEST_P(RetentionTest, PurgingAnAddressTakesItsRowsOut) {
  const IpAddress address = *IpAddress::Parse("198.51.100.7");
  const auto with_address = [&](StoredReport report, size_t row) {
    report.report.records[row].source_ip = address;
    return report;
  };
  const StoredReport report = with_address(MakeReport(kDomain, kTestDay, "1", "1", {3, 4}), 0);
  Take(0, "a", {report});
  Take(1, "copy", {report});
  Take(2, "clean", {MakeReport(kDomain, kTestDay, "2", "2", {5})});
  Take(3, "all", {with_address(MakeReport(kOther, kTestDay, "3", "3", {6}), 0)});
  // Without its row the longer revision no longer counts.
  Take(4, "short", {MakeReport(kDomain, kTestDay + 1, "4", "4", {8, 1})});
  Take(5, "long", {with_address(MakeReport(kDomain, kTestDay + 1, "4", "4b", {10, 20}), 1)});
  EXPECT_EQ(Messages(), 7u + 5u + 30u);
  const PurgeResult count = Purge({.address = address}, PurgeMode::kCount);
  EXPECT_EQ(Messages(), 42u);
  const PurgeResult result = Purge({.address = address});
  for (const PurgeResult& each : {count, result}) {
    EXPECT_EQ(each.reports, 3);
    EXPECT_EQ(each.records, 3);
    EXPECT_EQ(each.messages, 3u + 6u + 20u);
    EXPECT_EQ(each.receipts, 4);
  }
  EXPECT_EQ(Messages(), 4u + 5u + 9u);
  EXPECT_EQ(Messages(kOther), 0u);
  for (const char* raw : {"a", "copy", "all", "long"}) ExpectExpired(raw);
  EXPECT_EQ(*reader().ReadRaw(Sha256("clean")), "clean");
  EXPECT_EQ(Purge({.address = address}).reports, 0);
  // A copy does not bring the row back.
  EXPECT_EQ(Read(Process(Receive("third copy", 9), {report}))[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ(Messages(), 18u);
}

TEST_P(RetentionTest, APurgeWantsOneTarget) {
  for (const PurgeTarget& target :
       {PurgeTarget(), PurgeTarget{kDomain, *IpAddress::Parse("192.0.2.1")}}) {
    EXPECT_EQ(writer_->Purge(target, PurgeMode::kRemove, [](const auto&) { return true; })
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(VerifyTotals, TellsWhatDiffers) {
  const TempDir directory;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    for (const char* domain : {kDomain, kOther}) {
      ASSERT_TRUE(
          AcceptAndProcess(*writer, domain,
                           {MakeReport(domain, kTestDay, "1", domain, {3}),
                            MakeReport(domain, kTestDay + 1, "2", std::string(domain) + "2", {4})})
              .ok());
    }
  }
  {
    auto db = *RocksDb::Open(directory.path("reports"), ReportFamilies());
    WriteSet changes(ReportFamilies().size());
    const std::string key = DayDbKey(kOther, kTestDay);
    DayTotals wrong;
    wrong.reports = 1;
    wrong.messages = 77;
    changes.Put(kTotalsFamily, key, EncodeTotals(key, wrong));
    changes.Delete(kTotalsFamily, DayDbKey(kOther, kTestDay + 1));
    ASSERT_TRUE(db->Write(changes, Sync::kYes).ok());
  }
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  const auto verify = [&](std::string_view domain) {
    std::vector<std::string> out;
    EXPECT_TRUE(writer
                    ->VerifyTotals(domain,
                                   [&](const DayCheck& check) {
                                     if (check.total == check.recount) {
                                       out.push_back("same");
                                     } else {
                                       out.push_back(fmt::format(
                                           "{} {}: {} {}", check.domain, check.total.day,
                                           check.total.messages, check.recount.messages));
                                     }
                                     return true;
                                   })
                    .ok());
    return out;
  };
  EXPECT_THAT(verify(kDomain), ElementsAre("same", "same"));
  EXPECT_THAT(verify(""),
              ElementsAre("same", "same", "example.net 20000: 77 3", "example.net 20001: 0 4"));
}

// ---- kill -9 ----

constexpr char kChildVariable[] = "DMARCATE_RETENTION_CHILD";
constexpr int kMessages = 400;

// The store before anything goes.
void Fill(ReportWriter& writer) {
  for (int i = 0; i < kMessages; ++i) {
    const std::string text = std::to_string(i);
    CommitBatch batch;
    batch.accepted.push_back(Accept("raw " + text + std::string(2000, 'x')));
    batch.accepted[0].receipt.received_time = kStart + absl::Hours(i);
    const ReceiptId id = writer.Commit(std::move(batch), Sync::kNo)->accepted.at(0);
    CommitBatch read;
    if (i % 7 == 0) {
      read.processed.push_back(ProcessUnreadable(id, Outcome::kQuarantined, "x"));
    } else if (i % 11 == 0) {
      StoredFailureReport failure =
          MakeFailureReport(i % 2 == 0 ? kDomain : kOther, kTestDay, text);
      failure.received_time = kStart + absl::Hours(i);
      failure.report.source_ip = i % 3 == 0 ? "192.0.2.9" : "192.0.2.8";
      read.processed.push_back(ProcessFailure(id, std::move(failure)));
    } else if (i % 13 == 0) {
      read.processed.push_back(ProcessTls(
          id, {MakeTlsReport(i % 2 == 0 ? kDomain : kOther, kTestDay, text, text, 5, 1)}));
    } else {
      const auto day = static_cast<DayNumber>(kTestDay + i % 5);
      StoredReport report = MakeReport(i % 2 == 0 ? kDomain : kOther, day, text, text, {1, 2});
      report.report.records[0].source_ip =
          *IpAddress::Parse(i % 3 == 0 ? "192.0.2.9" : "192.0.2.8");
      read.processed.push_back(Process(id, {std::move(report)}));
    }
    ASSERT_TRUE(writer.Commit(std::move(read), Sync::kNo).ok());
  }
}

// Everything that goes, in small steps.
void LetGo(ReportWriter& writer) {
  const absl::Time half = kStart + absl::Hours(kMessages / 2);
  const ExpiryCutoffs cutoffs{.failure = half + absl::Hours(90),
                              .raw = half + absl::Hours(50),
                              .quarantine = half,
                              .rows = half};
  for (bool more = true; more;) more = writer.Expire(cutoffs, 5)->more;
  const auto go_on = [](const PurgeResult&) { return true; };
  ASSERT_TRUE(
      writer.Purge({.address = *IpAddress::Parse("192.0.2.9")}, PurgeMode::kRemove, go_on).ok());
  ASSERT_TRUE(writer.Purge({.domain = kOther}, PurgeMode::kRemove, go_on).ok());
}

TEST(DISABLED_RetentionChild, LetsGo) {
  const char* directory = std::getenv(kChildVariable);
  ASSERT_NE(directory, nullptr);
  LetGo(**RocksReportWriter::Open(std::string(directory) + "/reports"));
}

TEST(Retention, KilledInTheMiddleAndCalledAgainItComesToTheSameEnd) {
  std::string want;
  {
    FakeReportStore fake;
    Fill(fake);
    LetGo(fake);
    ASSERT_TRUE(fake.CatchUp().ok());
    want = *Dump(fake);
  }
  std::mt19937_64 random(7);
  int killed = 0;
  for (int round = 0; round < 4; ++round) {
    const TempDir directory;
    {
      Fill(**RocksReportWriter::Open(directory.path("reports")));
    }
    for (int again = 0; again < 6; ++again) {
      const std::string mark = *ReadOpeningMark(directory.path("reports"));
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        const std::string parent =
            std::filesystem::path(directory.path("reports")).parent_path().string();
        setenv(kChildVariable, parent.c_str(), 1);
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execl("/proc/self/exe", "retention_test", "--gtest_also_run_disabled_tests",
              "--gtest_filter=DISABLED_RetentionChild.*", static_cast<char*>(nullptr));
        _exit(127);
      }
      // Until it has opened the store, and then some moments more.
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
      while (*ReadOpeningMark(directory.path("reports")) == mark &&
             std::chrono::steady_clock::now() < deadline) {
        usleep(500);
      }
      usleep(static_cast<useconds_t>(random() % 60'000));
      kill(child, SIGKILL);
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      killed += WIFSIGNALED(status) ? 1 : 0;
    }
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    LetGo(*writer);
    auto reader = *RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                             absl::Seconds(10));
    const auto got = Dump(*reader);
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(*got, want) << "round " << round;
    for (int i = 0; i < kMessages; ++i) {
      const std::string raw = "raw " + std::to_string(i) + std::string(2000, 'x');
      const bool kept = writer->ReadRaw(Sha256(raw)).ok();
      const bool quarantined = i % 7 == 0 && i >= kMessages / 2;
      const bool failure = i % 11 == 0, tls = !failure && i % 13 == 0;
      const bool report = i % 7 != 0 && i >= kMessages / 2 + (failure ? 90 : 50) && i % 2 == 0 &&
                          (tls || i % 3 != 0);
      EXPECT_EQ(kept, quarantined || report) << i;
    }
  }
  EXPECT_GT(killed, 4);
}

}  // namespace
}  // namespace dmarcate
