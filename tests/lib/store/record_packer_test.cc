#include "lib/store/record_packer.h"

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "lib/store/key_codec.h"
#include "lib/store/report_codec.h"
#include "lib/store/report_rules.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

// The report with its records in a sink, which got them in pieces.
StoredReport WithSink(StoredReport report, std::mt19937_64& random) {
  auto sink = std::make_shared<PackingSink>(report.key.domain);
  AggregateReport& parts = report.report;
  parts.gone = parts.sums();
  std::vector<AggregateRecord> piece;
  for (AggregateRecord& record : parts.records) {
    piece.push_back(std::move(record));
    if (random() % 3 == 0) sink->Take(std::exchange(piece, {}));
  }
  sink->Take(std::move(piece));
  parts.records.clear();
  report.sink = std::move(sink);
  return report;
}

TEST(PackingSinkTest, GivesTheValueOfTheWhole) {
  std::mt19937_64 random(20261129);
  for (int i = 0; i < 2000 && !HasFailure(); ++i) {
    SCOPED_TRACE(i);
    const StoredReport whole = RandomReport(random);
    StoredReport packed = WithSink(whole, random);
    PackReport(&packed);
    EXPECT_EQ(packed.sink, nullptr);
    EXPECT_EQ(EncodeReport(packed), EncodeReport(whole));
    EXPECT_EQ(ExpandedBytes(packed), ExpandedBytes(whole));
    DayTotals totals;
    AddToTotals(whole.report, &totals);
    EXPECT_EQ(packed.packed->totals, totals);
    EXPECT_EQ(packed.record_count, static_cast<int64_t>(whole.report.records.size()));
  }
}

TEST(PackingSinkTest, ItsSizeIsThatOfWhatItKeeps) {
  PackingSink sink("example.com");
  const StoredReport report = MakeReport("example.com", kTestDay, "id", "doc", {1, 2, 3});
  const int64_t few = sink.Take(report.report.records);
  int64_t many = 0;
  for (int i = 0; i < 10'000; ++i) many = sink.Take(report.report.records);
  EXPECT_LT(many, 30'003 * 2 * 20) << "an address, a count, a shape: repeated texts cost nothing";
  EXPECT_GT(many, few + 30'000 * 8);
  std::vector<AggregateRecord> records = report.report.records;
  records.resize(1);
  records[0].header_from = std::string(100'000, 'x');
  EXPECT_GT(sink.Take(records), many + 100'000);
}

TEST(PackingSinkTest, WhatWasNotPackedIsRefused) {
  std::mt19937_64 random(1);
  StoredReport report =
      WithSink(MakeReport("example.com", kTestDay, "id", "doc", {1, 2, 3}), random);
  CommitBatch::Processed processed = Process(7, {std::move(report)});
  EXPECT_EQ(CheckProcessed(processed).code(), absl::StatusCode::kInvalidArgument);
  PackReport(&*processed.items[0].report);
  EXPECT_TRUE(CheckProcessed(processed).ok());
}

}  // namespace
}  // namespace dmarcate
