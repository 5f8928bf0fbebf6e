// What only the RocksDB store can show: opening again, following live, equality with the fake.

#include "lib/store/rocks_report_store.h"

#include <atomic>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/key_codec.h"
#include "lib/store/opening_mark.h"
#include "lib/store/report_db.h"
#include "lib/store/rocks_db.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/value_codec.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::Optional;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";

std::unique_ptr<RocksReportReader> Follow(const TempDir& directory) {
  auto reader = RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                          absl::Seconds(20));
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

TEST(RocksReportStore, OpensAgainWithEverything) {
  const TempDir directory;
  std::string before;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    for (const uint64_t count : {1, 2, 3}) {
      const std::string text = std::to_string(count);
      ASSERT_TRUE(AcceptAndProcess(*writer, text,
                                   {MakeReport(kDomain, kTestDay, text, "doc " + text, {count})})
                      .ok());
    }
    CommitBatch batch;
    batch.accepted.push_back(Accept("pending"));
    ASSERT_TRUE(writer->Commit(std::move(batch), Sync::kYes).ok());
    before = *Dump(*Follow(directory));
  }
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  EXPECT_EQ(*Dump(*Follow(directory)), before);
  ASSERT_THAT(*writer->Pending(10), SizeIs(1));
  EXPECT_EQ((*writer->Pending(10))[0].id, 4u);
  // The index of documents and the totals are read from the disk now.
  const auto id = AcceptAndProcess(*writer, "again",
                                   {MakeReport(kDomain, kTestDay, "3", "doc 3", {3}),
                                    MakeReport(kDomain, kTestDay, "4", "doc 4", {4})});
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(*id, 5u);
  auto reader = Follow(directory);
  EXPECT_EQ(reader->ReadTotals(kDomain, 0, kTestDay)->at(0).messages, 10u);
  ASSERT_TRUE(writer->Compact().ok());
  ASSERT_TRUE(reader->CatchUp().ok());
  EXPECT_EQ(reader->ReadTotals(kDomain, 0, kTestDay)->at(0).messages, 10u);
  EXPECT_EQ(*reader->ReadRaw(Sha256("again")), "again");
}

TEST(RocksReportStore, LargeRawBytesLieInPieces) {
  const TempDir directory;
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  std::vector<std::string> raws;
  for (const size_t size : {kRawPieceBytes - 1, kRawPieceBytes, kRawPieceBytes + 1,
                            2 * kRawPieceBytes, 5 * kRawPieceBytes / 2}) {
    std::mt19937 random(static_cast<unsigned>(size));
    std::string& raw = raws.emplace_back(size, '\0');
    for (char& c : raw) c = static_cast<char>(random());
    CommitBatch batch;
    batch.accepted.push_back(Accept(raw));
    batch.accepted.push_back(Accept(raw));  // kept once
    ASSERT_TRUE(writer->Commit(std::move(batch), Sync::kYes).ok());
  }
  auto reader = Follow(directory);
  for (const std::string& raw : raws) {
    EXPECT_TRUE(*writer->ReadRaw(Sha256(raw)) == raw) << raw.size();
    EXPECT_TRUE(*reader->ReadRaw(Sha256(raw)) == raw) << raw.size();
  }
}

// A crash between the pieces and the batch that accepts their receipt: the id is given again.
TEST(RocksReportStore, PiecesThatACrashLeftBehindDoNotMixWithOthers) {
  const TempDir directory;
  {
    ASSERT_TRUE(RocksReportWriter::Open(directory.path("reports")).ok());
  }
  {
    auto db = *RocksDb::Open(directory.path("reports"), ReportFamilies());
    WriteSet left(ReportFamilies().size());
    left.Put(kRawFamily, RawDbKey(1), "left");
    left.Put(kRawFamily, RawPieceDbKey(1, 1), "behind");
    ASSERT_TRUE(db->Write(left, Sync::kYes).ok());
  }
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  const std::string raw(kRawPieceBytes, 'x');
  CommitBatch batch;
  batch.accepted.push_back(Accept(raw));
  const auto result = writer->Commit(std::move(batch), Sync::kYes);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->accepted, std::vector<ReceiptId>{1});
  EXPECT_TRUE(*writer->ReadRaw(Sha256(raw)) == raw);
}

TEST(RocksReportStore, OneWriterOnly) {
  const TempDir directory;
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  EXPECT_EQ(RocksReportWriter::Open(directory.path("reports")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  auto policy = *RocksPolicyStore::Open(directory.path("policy"));
  EXPECT_EQ(RocksPolicyStore::Open(directory.path("policy")).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(RocksReportStore, ANewerLayoutIsRefused) {
  const TempDir directory;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
  }
  {
    auto db = *RocksDb::Open(directory.path("reports"), ReportFamilies());
    WriteSet changes(ReportFamilies().size());
    changes.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, kReportLayout + 1));
    ASSERT_TRUE(db->Write(changes, Sync::kYes).ok());
  }
  const auto writer = RocksReportWriter::Open(directory.path("reports"));
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(writer.status().message().find("layout 5"), absl::string_view::npos);
  EXPECT_EQ(RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                      absl::Seconds(1))
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

// What the first version wrote had no families of TLS and failure reports, and what is known of raw
// bytes in the main one.
TEST(RocksReportStore, TheFirstLayoutIsUpgraded) {
  const TempDir directory;
  std::string want;
  {
    auto writer = *RocksReportWriter::Open(directory.path("now"));
    ASSERT_TRUE(
        AcceptAndProcess(*writer, "raw", {MakeReport(kDomain, kTestDay, "1", "1", {3})}).ok());
  }
  {
    auto now = *RocksDb::Open(directory.path("now"), ReportFamilies());
    std::vector<FamilySpec> families = ReportFamilies();
    families.resize(kTlsFamily);
    auto old = *RocksDb::Open(directory.path("reports"), families);
    WriteSet all(families.size());
    for (int family = 0; family < kTlsFamily; ++family) {
      ASSERT_TRUE(now->Scan(family, std::string(1, '\0'), "\xff\xff", Direction::kForward,
                            [&](std::string_view key, std::string_view value) {
                              const bool of_raw =
                                  family == kIndexFamily && (key[0] == 'C' || key[0] == 'H');
                              all.Put(of_raw ? int{kMainFamily} : family, std::string(key),
                                      std::string(value));
                              return absl::StatusOr<bool>(true);
                            })
                      .ok());
    }
    all.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, 1));
    ASSERT_TRUE(old->Write(all, Sync::kYes).ok());
  }
  // Until ingestd has started, policyd waits.
  const auto early = RocksReportReader::Follow(directory.path("reports"),
                                               directory.path("follower"), absl::ZeroDuration());
  EXPECT_EQ(early.status().code(), absl::StatusCode::kDeadlineExceeded);
  for (int i = 0; i < 2; ++i) {
    auto writer = RocksReportWriter::Open(directory.path("reports"));
    ASSERT_TRUE(writer.ok()) << writer.status();
    EXPECT_THAT(*(*writer)->FindByRaw(Sha256("raw")), Optional(SizeIs(1)));
    const std::string text = std::to_string(i + 2);
    ASSERT_TRUE(
        AcceptAndProcess(**writer, text, {MakeReport(kDomain, kTestDay, text, text, {4})}).ok());
  }
  auto reader = Follow(directory);
  EXPECT_EQ(reader->ReadTotals(kDomain, 0, kTestDay)->at(0).messages, 11u);
  EXPECT_EQ(*reader->ReadRaw(Sha256("raw")), "raw");
}

// Opening moves the log into tables, and a follower must know also if it ends right after that.
TEST(RocksReportStore, AnOpeningThatFailsLeavesANewMark) {
  const TempDir directory;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
  }
  {
    auto db = *RocksDb::Open(directory.path("reports"), ReportFamilies());
    WriteSet changes(ReportFamilies().size());
    changes.Put(kMainFamily, std::string(kFormatKey), EncodeNumber(kFormatKey, kReportLayout + 1));
    ASSERT_TRUE(db->Write(changes, Sync::kYes).ok());
  }
  const std::string mark = *ReadOpeningMark(directory.path("reports"));
  EXPECT_FALSE(RocksReportWriter::Open(directory.path("reports")).ok());
  EXPECT_NE(*ReadOpeningMark(directory.path("reports")), mark);
}

TEST(RocksReportStore, APathThatSpeaksOfALockIsNotOne) {
  const TempDir directory;
  const std::string path = directory.path("blockstore");
  std::filesystem::create_directories(path + "/CURRENT");  // cannot be read
  const auto writer = RocksReportWriter::Open(path);
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.status().message().find("in use"), absl::string_view::npos) << writer.status();
}

TEST(RocksReportStore, FollowerWaitsForTheWriterUntilItsDeadline) {
  const TempDir directory;
  EXPECT_EQ(RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                      absl::Milliseconds(1))
                .status()
                .code(),
            absl::StatusCode::kDeadlineExceeded);
  std::unique_ptr<RocksReportReader> reader;
  std::jthread follower([&] { reader = Follow(directory); });
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  follower.join();
  EXPECT_NE(reader, nullptr);
}

// The follower's answers agree with each other at every moment, while the writer writes, flushes
// and revises.
TEST(RocksReportStore, FollowsAWriterLive) {
  const TempDir directory;
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  auto reader = Follow(directory);
  constexpr int kReports = 300;
  std::atomic<bool> done = false;
  std::jthread writing([&] {
    for (int i = 1; i <= kReports; ++i) {
      // Every third one is a revision that replaces the one before.
      const int first = i % 3 == 0 ? i - 1 : i;
      EXPECT_TRUE(AcceptAndProcess(*writer, std::string(20'000, 'x') + std::to_string(i),
                                   {MakeReport(kDomain, kTestDay + first % 5, std::to_string(first),
                                               std::to_string(i), {1, 1})})
                      .ok());
      if (i % 100 == 0) {
        EXPECT_TRUE(writer->Compact().ok());
      }
    }
    done = true;
  });
  uint64_t version = reader->version();
  int seen = 0;
  while (true) {
    const bool last = done;
    ASSERT_TRUE(reader->CatchUp().ok());
    const auto totals = reader->ReadTotals(kDomain, 0, kTestDay + 9);
    ASSERT_TRUE(totals.ok()) << totals.status();
    ASSERT_EQ(*totals, *RecountTotals(*reader, kDomain, 0, kTestDay + 9));
    if (reader->version() != version) ++seen;
    version = reader->version();
    if (last) break;
  }
  EXPECT_GT(seen, 0);
  uint64_t reports = 0;
  const auto totals = *reader->ReadTotals(kDomain, 0, kTestDay + 9);
  for (const DayTotals& day : totals) {
    reports += static_cast<uint64_t>(day.reports);
  }
  EXPECT_EQ(reports, static_cast<uint64_t>(kReports - kReports / 3));
  EXPECT_EQ(*reader->ReadRaw(Sha256(std::string(20'000, 'x') + "300")),
            std::string(20'000, 'x') + "300");
}

TEST(RocksReportStore, AReceiptThatDoesNotDecodeIsSetAsideAndListed) {
  const TempDir directory;
  const std::string large(2 * kRawPieceBytes + 5, 'x');
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    CommitBatch batch;
    for (const char* raw : {"one", "two", "three"}) batch.accepted.push_back(Accept(raw));
    batch.accepted.push_back(Accept(large));
    ASSERT_TRUE(writer->Commit(std::move(batch), Sync::kYes).ok());
    ASSERT_TRUE(AcceptAndProcess(*writer, "processed", {}).ok());
    CommitBatch unread;
    unread.processed.push_back(ProcessUnreadable(3, Outcome::kQuarantined, "xml"));
    ASSERT_TRUE(writer->Commit(std::move(unread), Sync::kYes).ok());
  }
  for (const ReceiptId id : {1, 3, 4, 5}) {
    SpoilValue(directory.path("reports"), kMainFamily, ReceiptDbKey(kReceiptTag, id));
  }
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  for (int i = 0; i < 2; ++i) {  // finding it again changes nothing
    const auto pending = writer->Pending(1);
    ASSERT_TRUE(pending.ok()) << pending.status();
    ASSERT_THAT(*pending, SizeIs(1));
    EXPECT_EQ(pending->at(0).id, 2u);
    EXPECT_THAT(*writer->Pending(100), SizeIs(1));
  }
  const auto known = writer->FindByRaw(Sha256("processed"));
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(*known, std::nullopt);
  const auto page = writer->ListUnreadable(std::nullopt, 100);
  ASSERT_TRUE(page.ok()) << page.status();
  std::vector<ReceiptId> listed;
  for (const auto& [receipt, item, ordinal] : page->rows) {
    listed.push_back(receipt.id);
    EXPECT_EQ(item.outcome, Outcome::kQuarantined);
    EXPECT_EQ(item.reason, "receipt_unreadable");
    EXPECT_NE(item.detail, "");
  }
  EXPECT_EQ(listed, (std::vector<ReceiptId>{5, 4, 3, 1}));

  // The bytes are not lost with it, and the same ones may come again, now under another receipt.
  EXPECT_TRUE(*writer->ReadRaw(Sha256(large)) == large);
  EXPECT_EQ(*writer->ReadRaw(Sha256("processed")), "processed");
  CommitBatch again;
  again.accepted.push_back(Accept("processed"));
  again.accepted.push_back(Accept("processed"));
  const auto result = writer->Commit(std::move(again), Sync::kYes);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->raw_known, (std::vector<bool>{false, true}));
  CommitBatch batch;
  batch.processed.push_back(ProcessUnreadable(6, Outcome::kNotAReport, "again"));
  ASSERT_TRUE(writer->Commit(std::move(batch), Sync::kYes).ok());
  const auto items = *writer->FindByRaw(Sha256("processed"));
  ASSERT_TRUE(items.has_value());
  EXPECT_EQ(items->at(0).reason, "again");
}

// A copy is linked by the index of documents alone, whatever became of the receipt that brought the
// first; what a receipt with many items costs grows with their number and not with its square.
TEST(RocksReportStore, ACopyDoesNotNeedTheReceiptOfTheFirst) {
  const TempDir directory;
  const StoredReport report = MakeReport(kDomain, kTestDay, "id", "doc", {3});
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    ASSERT_TRUE(AcceptAndProcess(*writer, "first", {report}).ok());
  }
  SpoilValue(directory.path("reports"), kMainFamily, ReceiptDbKey(kReceiptTag, 1));
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  const auto id = AcceptAndProcess(*writer, "second", {report});
  ASSERT_TRUE(id.ok()) << id.status();
  const auto items = *writer->FindByRaw(Sha256("second"));
  ASSERT_TRUE(items.has_value());
  EXPECT_EQ(items->at(0).outcome, Outcome::kDuplicate);
  // Neither does who reads reports; only who wants what it came in.
  auto reader = *RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                           absl::Seconds(10));
  EXPECT_EQ(reader->ListReports(kDomain, 0, kLastReportDay, std::nullopt, 9)->reports.size(), 1u);
  EXPECT_TRUE(reader->GetReport(*ReportKey::FromId(kDomain, items->at(0).report_name)).ok());
  EXPECT_EQ(reader->ReadRawOf(1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(reader->ReadRawOf(77).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(items->at(0).report_name, "20241004-0000000000000001-0");
}

double CpuSecondsOfCopies(int items) {
  const TempDir directory;
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  std::vector<StoredReport> reports;
  for (int i = 0; i < items; ++i) {
    const std::string text = std::to_string(i / 2);  // each twice
    reports.push_back(MakeReport(kDomain, kTestDay, text, text, {1}));
  }
  const std::clock_t begin = std::clock();
  EXPECT_TRUE(AcceptAndProcess(*writer, "raw", std::move(reports)).ok());
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

TEST(RocksReportStore, AReceiptWithManyItemsIsEncodedOnce) {
  // Encoding it anew for each item would be 20,000 times a megabyte.
  EXPECT_LT(CpuSecondsOfCopies(20'000), 6.0);
}

TEST(RocksReportStore, AnIndexOfRawBytesThatDoesNotDecodeIsAsIfUnseen) {
  const TempDir directory;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    ASSERT_TRUE(AcceptAndProcess(*writer, "raw", {}).ok());
  }
  SpoilValue(directory.path("reports"), kIndexFamily, RawHashKey(Sha256("raw")));
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  const auto known = writer->FindByRaw(Sha256("raw"));
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(*known, std::nullopt);
  ASSERT_TRUE(AcceptAndProcess(*writer, "raw", {}).ok());
  EXPECT_TRUE((*writer->FindByRaw(Sha256("raw"))).has_value());
  EXPECT_EQ(*writer->ReadRaw(Sha256("raw")), "raw");
}

TEST(RocksReportStore, AReceiptThatDoesNotDecodeCanBeDropped) {
  const TempDir directory;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    ASSERT_TRUE(AcceptAndProcess(*writer, "raw", {}).ok());
  }
  SpoilValue(directory.path("reports"), kMainFamily, ReceiptDbKey(kReceiptTag, 1));
  auto writer = *RocksReportWriter::Open(directory.path("reports"));
  EXPECT_EQ(*writer->FindByRaw(Sha256("raw")), std::nullopt);  // lists it
  EXPECT_EQ(writer->ListUnreadable(std::nullopt, 10)->rows.size(), 1u);
  CommitBatch drop;
  drop.dropped = {1};
  const auto result = writer->Commit(std::move(drop), Sync::kYes);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->dropped[0], (DropResult{true, 3}));
  // Whoever brings the bytes again looks for them first, and does not bring it back.
  EXPECT_EQ(*writer->FindByRaw(Sha256("raw")), std::nullopt);
  EXPECT_TRUE(writer->ListUnreadable(std::nullopt, 10)->rows.empty());
  ASSERT_TRUE(AcceptAndProcess(*writer, "raw", {}).ok());
  EXPECT_EQ(*writer->ReadRaw(Sha256("raw")), "raw");
}

// The fake recounts and searches for everything; RocksDB has indexes, caches and totals. After any
// history both say the same.
TEST(RocksReportStore, EqualsTheFakeAfterAnyHistory) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    const TempDir directory;
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    FakeReportStore fake;
    std::mt19937_64 random(seed);
    ReceiptId last = 0;
    for (int step = 0; step < 120; ++step) {
      CommitBatch batch;
      for (uint64_t n = random() % 3; n > 0; --n) {
        batch.accepted.push_back(Accept("raw " + std::to_string(random() % 40)));
      }
      const ReceiptId known = last;
      last += batch.accepted.size();
      for (uint64_t n = known == 0 ? 0 : random() % 4; n > 0; --n) {
        const ReceiptId id = 1 + random() % known;  // some are processed again
        if (!fake.GetReceipt(id).ok()) continue;    // dropped
        if (random() % 8 == 0) {
          batch.processed.push_back(ProcessUnreadable(id, Outcome::kQuarantined, "x"));
          continue;
        }
        std::vector<StoredReport> reports;
        for (uint64_t m = random() % 3; m > 0; --m) {
          reports.push_back(RandomReport(random));
          reports.back().received_time = absl::FromUnixSeconds(1'700'000'000);
        }
        batch.processed.push_back(Process(id, std::move(reports)));
      }
      for (uint64_t n = known == 0 ? 0 : random() % 3; n > 0; --n) {
        batch.dropped.push_back(1 + random() % known);
      }
      const auto want = fake.Commit(batch, Sync::kNo);
      const auto got = writer->Commit(batch, Sync::kNo);
      ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
      EXPECT_EQ(got->accepted, want->accepted);
      EXPECT_EQ(got->raw_known, want->raw_known);
      EXPECT_EQ(got->dropped, want->dropped);
      ASSERT_EQ(got->processed.size(), want->processed.size());
      for (size_t i = 0; i < got->processed.size(); ++i) {
        for (size_t j = 0; j < got->processed[i].size(); ++j) {
          EXPECT_EQ(got->processed[i][j].outcome, want->processed[i][j].outcome);
          EXPECT_EQ(got->processed[i][j].report_name, want->processed[i][j].report_name);
        }
      }
      if (step % 40 == 39) {  // the caches too
        writer.reset();
        writer = *RocksReportWriter::Open(directory.path("reports"));
      }
    }
    auto reader = Follow(directory);
    ASSERT_TRUE(fake.CatchUp().ok());
    const auto want = Dump(fake), got = Dump(*reader);
    ASSERT_TRUE(want.ok() && got.ok()) << want.status() << got.status();
    EXPECT_EQ(*got, *want);
    EXPECT_GT(want->size(), 2000u);
    EXPECT_EQ(writer->Pending(1000)->size(), fake.Pending(1000)->size());
    EXPECT_EQ(writer->ListUnreadable(std::nullopt, 1000)->rows.size(),
              fake.ListUnreadable(std::nullopt, 1000)->rows.size());
    for (int i = 0; i < 40; ++i) {
      const std::string hash = Sha256("raw " + std::to_string(i));
      EXPECT_EQ((*writer->FindByRaw(hash)).has_value(), (*fake.FindByRaw(hash)).has_value()) << i;
      EXPECT_EQ(reader->ReadRaw(hash).status().code(), fake.ReadRaw(hash).status().code()) << i;
    }
  }
}

}  // namespace
}  // namespace dmarcate
