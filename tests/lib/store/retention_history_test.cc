// Retention and purge within any history of commits: RocksDB against the fake, and with commits
// between the steps.

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

#include "lib/store/fake_report_store.h"
#include "lib/store/report_rules.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

constexpr char kDomain[] = "example.com";
const absl::Time kStart = StartOfDay(kTestDay);

void ExpectTotalsEqualARecount(ReportWriter& writer) {
  const absl::Status verified = writer.VerifyTotals("", [](const DayCheck& check) {
    EXPECT_EQ(check.total, check.recount) << check.domain << " " << check.total.day;
    return true;
  });
  EXPECT_TRUE(verified.ok()) << verified;
}

// Some mails arrive and some of those that `writer` knows are read, again or for the first time.
CommitBatch RandomBatch(std::mt19937_64& random, ReportWriter& writer, absl::Time now,
                        ReceiptId* last) {
  CommitBatch batch;
  for (uint64_t n = random() % 3; n > 0; --n) {
    batch.accepted.push_back(Accept("raw " + std::to_string(random() % 40)));
    batch.accepted.back().receipt.received_time = now;
  }
  const ReceiptId known = *last;
  *last += batch.accepted.size();
  for (uint64_t n = known == 0 ? 0 : random() % 5; n > 0; --n) {
    const ReceiptId id = 1 + random() % known;
    const auto receipt = writer.GetReceipt(id);
    if (!receipt.ok()) continue;
    if (random() % 4 == 0) {
      batch.processed.push_back(ProcessUnreadable(id, Outcome::kQuarantined, "x"));
    } else if (random() % 4 == 0) {
      batch.processed.push_back(ProcessTls(id, {RandomTlsReport(random)}));
    } else if (random() % 6 == 0) {
      StoredFailureReport failure =
          MakeFailureReport(kDomain, kTestDay, std::to_string(random() % 20));
      failure.received_time = receipt->receipt.received_time;
      batch.processed.push_back(ProcessFailure(id, std::move(failure)));
    } else {
      std::vector<StoredReport> reports;
      for (uint64_t m = random() % 3; m > 0; --m) {
        reports.push_back(RandomReport(random));
        reports.back().received_time = absl::FromUnixSeconds(1'700'000'000);
      }
      batch.processed.push_back(Process(id, std::move(reports)));
      for (ProcessedItem& item : batch.processed.back().items) {
        if (item.report->trust == TrustClass::kQuarantined) {
          item.item.outcome = Outcome::kQuarantined;
        }
      }
    }
  }
  // A person releases some of what is in quarantine, also what this very batch reads again; and
  // asks for some that is not.
  for (ReceiptId id = 1; id <= known; ++id) {
    const auto receipt = writer.GetReceipt(id);
    if (!receipt.ok()) continue;
    for (const ReceiptItem& item : receipt->items) {
      const auto key = ReportOf(id, item);
      if (!key || item.kind != kAggregateKind) continue;
      const uint64_t one_of = item.outcome == Outcome::kQuarantined ? 4 : 32;
      if (random() % one_of == 0) batch.released.push_back({*key, {.by = "local"}});
    }
  }
  return batch;
}

ExpiryCutoffs RandomCutoffs(std::mt19937_64& random, absl::Time now) {
  ExpiryCutoffs cutoffs{.failure = now - absl::Hours(4),
                        .raw = now - absl::Hours(5),
                        .quarantine = now - absl::Hours(7),
                        .rows = now - absl::Hours(15)};
  if (random() % 3 == 0) cutoffs.totals = kTestDay + static_cast<DayNumber>(random() % 4);
  return cutoffs;
}

TEST(RetentionHistory, EqualsTheFake) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u}) {
    SCOPED_TRACE(seed);
    const TempDir directory;
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    FakeReportStore fake;
    std::mt19937_64 random(seed);
    ReceiptId last = 0;
    int released = 0;
    for (int step = 0; step < 80; ++step) {
      const absl::Time now = kStart + absl::Hours(step);
      const CommitBatch batch = RandomBatch(random, fake, now, &last);
      const auto want = fake.Commit(batch, Sync::kNo), got = writer->Commit(batch, Sync::kNo);
      ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
      EXPECT_EQ(got->dropped, want->dropped);
      ASSERT_EQ(got->released.size(), want->released.size());
      for (size_t i = 0; i < got->released.size(); ++i) {
        EXPECT_EQ(got->released[i].outcome, want->released[i].outcome) << step;
        released += got->released[i].outcome == ReleaseOutcome::kReleased ? 1 : 0;
      }
      ASSERT_EQ(got->processed.size(), want->processed.size());
      for (size_t i = 0; i < got->processed.size(); ++i) {
        for (size_t j = 0; j < got->processed[i].size(); ++j) {
          EXPECT_EQ(got->processed[i][j].outcome, want->processed[i][j].outcome) << step;
          EXPECT_EQ(got->processed[i][j].report_name, want->processed[i][j].report_name) << step;
        }
      }
      if (random() % 4 == 0) {
        const ExpiryCutoffs cutoffs = RandomCutoffs(random, now);
        ASSERT_TRUE(fake.Expire(cutoffs, 1000).ok());
        for (bool more = true; more;) {
          const auto expired = writer->Expire(cutoffs, 3);
          ASSERT_TRUE(expired.ok()) << expired.status();
          more = expired->more;
        }
      }
      ASSERT_TRUE(fake.CatchUp().ok());
      if (random() % 20 == 0) {
        const auto domains = *fake.ListDomains("", 100);
        if (domains.empty()) continue;
        const PurgeTarget target{.domain = domains[random() % domains.size()].first};
        const auto go_on = [](const PurgeResult&) { return true; };
        const auto purged = fake.Purge(target, PurgeMode::kRemove, go_on);
        const auto done = writer->Purge(target, PurgeMode::kRemove, go_on);
        ASSERT_TRUE(purged.ok() && done.ok()) << purged.status() << done.status();
        EXPECT_EQ(done->reports, purged->reports);
        EXPECT_EQ(done->messages, purged->messages);
        ASSERT_TRUE(fake.CatchUp().ok());
      }
    }
    auto reader = *RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                             absl::Seconds(10));
    ASSERT_TRUE(fake.CatchUp().ok());
    const auto want = Dump(fake), got = Dump(*reader);
    ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
    EXPECT_EQ(*got, *want);
    EXPECT_GT(released, 0);
    ExpectTotalsEqualARecount(*writer);
    for (ReceiptId id = 1; id <= last; ++id) {
      const auto a = fake.GetReceipt(id), b = writer->GetReceipt(id);
      ASSERT_EQ(a.status().code(), b.status().code()) << id;
      if (!a.ok()) continue;
      EXPECT_EQ(a->receipt.subject, b->receipt.subject) << id;
      EXPECT_EQ(a->receipt.file_name, b->receipt.file_name) << id;
      ASSERT_EQ(a->items.size(), b->items.size()) << id;
      for (size_t i = 0; i < a->items.size(); ++i) {
        EXPECT_EQ(a->items[i].outcome, b->items[i].outcome) << id;
        EXPECT_EQ(a->items[i].domain, b->items[i].domain) << id;
        EXPECT_EQ(a->items[i].report_name, b->items[i].report_name) << id;
      }
    }
    EXPECT_EQ(writer->ListUnreadable(std::nullopt, 1000)->rows.size(),
              fake.ListUnreadable(std::nullopt, 1000)->rows.size());
  }
}

// The fake does all at once, so nothing can be held against it here: whatever comes in between,
// commits go on, totals are right, and every receipt takes with it what it gave.
TEST(RetentionHistory, CommitsBetweenTheStepsFindEverythingInOrder) {
  for (const unsigned seed : {11u, 12u, 13u, 14u}) {
    SCOPED_TRACE(seed);
    const TempDir directory;
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    std::mt19937_64 random(seed);
    ReceiptId last = 0;
    absl::Time now = kStart;
    const auto commit = [&] {
      now += absl::Minutes(30);
      const auto result = writer->Commit(RandomBatch(random, *writer, now, &last), Sync::kNo);
      EXPECT_TRUE(result.ok()) << result.status();
      return result.ok();
    };
    for (int step = 0; step < 60; ++step) {
      ASSERT_TRUE(commit());
      if (random() % 4 == 0) {
        const ExpiryCutoffs cutoffs = RandomCutoffs(random, now);
        for (bool more = true; more;) {
          const auto expired = writer->Expire(cutoffs, 2);
          ASSERT_TRUE(expired.ok()) << expired.status();
          more = expired->more;
          ASSERT_TRUE(commit());
        }
      }
      if (random() % 10 == 0) {
        const PurgeTarget target{.domain = random() % 2 == 0 ? kDomain : "example.net"};
        const auto purged = writer->Purge(target, PurgeMode::kRemove, [&](const PurgeResult&) {
          return commit() && random() % 16 != 0;
        });
        ASSERT_TRUE(purged.ok()) << purged.status();
        ExpectTotalsEqualARecount(*writer);
      }
    }
    auto reader = *RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                             absl::Seconds(10));
    for (ReceiptId id = 1; id <= last; ++id) {
      if (!writer->GetReceipt(id).ok()) continue;
      CommitBatch nothing;
      nothing.processed.push_back(Process(id, {}));
      const auto result = writer->Commit(std::move(nothing), Sync::kNo);
      ASSERT_TRUE(result.ok()) << id << result.status();
    }
    ExpectTotalsEqualARecount(*writer);
    ASSERT_TRUE(reader->CatchUp().ok());
    for (const char* domain : {kDomain, "example.net", "a.example.com"}) {
      EXPECT_TRUE(reader->ListReports(domain, 0, kTestDay + 9, std::nullopt, 9)->reports.empty());
      EXPECT_TRUE(
          reader->ListTlsReports(domain, 0, kTestDay + 9, std::nullopt, 9)->reports.empty());
      EXPECT_TRUE(
          reader->ListFailureReports(domain, 0, kTestDay + 9, std::nullopt, 9)->reports.empty());
    }
  }
}

}  // namespace
}  // namespace dmarcate
