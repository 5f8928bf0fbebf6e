// A stranger whose every row has an address, a domain and a selector that nobody has seen
// (safety.md 3 A: cardinality bomb), a hundredth of its ten million rows: what the store grows by
// is in proportion to the rows, a known number of bytes for each, and what is read without rows
// costs what it did.

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/store/report_rules.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

constexpr char kVictim[] = "example.com";
constexpr char kNeighbour[] = "example.net";
constexpr int kReports = 50;
constexpr int kRows = 2'000;  // of one report
// An address of 16 bytes and three names with twelve random letters each do not compress.
constexpr int64_t kMaxBytesPerRow = 100;

class Flood {
 public:
  StoredReport Next() {
    const std::string id = fmt::format("flood-{}", ++reports_);
    StoredReport report =
        MakeReport(kVictim, kTestDay, id, "document " + id, std::vector<uint64_t>(kRows, 1));
    for (AggregateRecord& record : report.report.records) {
      std::array<uint8_t, 16> address{};
      for (uint8_t& byte : address) byte = static_cast<uint8_t>(random_());
      address[0] = 0x20;
      record.source_ip = IpAddress::FromBytes(address);
      record.header_from = fmt::format("{}.{}", Word(), kVictim);
      record.dkim = {
          {.domain = Word() + ".example", .selector = Word(), .result = AuthResult::kFail}};
    }
    return report;
  }

 private:
  std::string Word() {
    std::string word(12, 'a');
    for (char& c : word) c = static_cast<char>('a' + random_() % 26);
    return word;
  }

  std::mt19937_64 random_{7};
  int reports_ = 0;
};

int64_t BytesOf(const std::string& directory) {
  int64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".sst" || entry.path().extension() == ".blob") {
      bytes += static_cast<int64_t>(entry.file_size());
    }
  }
  return bytes;
}

// What a list, a total and the domains take together, the 95th of a hundred.
double ReadSeconds(ReportReader& reader) {
  std::vector<double> seconds;
  for (int i = 0; i < 100; ++i) {
    const std::clock_t begin = std::clock();
    for (const char* domain : {kVictim, kNeighbour}) {
      EXPECT_EQ(reader.ReadTotals(domain, 0, kLastReportDay)->size(), 1u);
      EXPECT_FALSE(reader.ListReports(domain, 0, kLastReportDay, std::nullopt, 5)->reports.empty());
    }
    EXPECT_EQ(reader.ListDomains("", 10)->size(), 2u);
    seconds.push_back(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  std::ranges::sort(seconds);
  return seconds[94];
}

TEST(Cardinality, RowsOfNewNamesGrowTheStoreInProportionAndSlowNoTotal) {
  const TempDir directory;
  const std::string path = directory.path("reports");
  auto writer = *RocksReportWriter::Open(path);
  ASSERT_TRUE(AcceptAndProcess(*writer, "honest",
                               {MakeReport(kNeighbour, kTestDay, "honest", "honest", {1, 2})})
                  .ok());
  Flood flood;
  const auto take = [&](int reports) {
    for (int i = 0; i < reports; ++i) {
      const StoredReport report = flood.Next();
      ASSERT_TRUE(AcceptAndProcess(*writer, report.report.metadata.report_id, {report}).ok());
    }
    ASSERT_TRUE(writer->Compact().ok());
  };
  auto reader = *RocksReportReader::Follow(path, directory.path("follower"), absl::Seconds(20));
  take(5);
  ASSERT_TRUE(reader->CatchUp().ok());
  const int64_t small_bytes = BytesOf(path);
  const double before = ReadSeconds(*reader);
  take(kReports - 5);
  ASSERT_TRUE(reader->CatchUp().ok());
  const int64_t bytes = BytesOf(path);
  const double after = ReadSeconds(*reader);
  fmt::print("{} rows: {} bytes each; lists and totals {:.2f} ms, before {:.2f} ms\n",
             kReports * kRows, bytes / (kReports * kRows), after * 1e3, before * 1e3);
  EXPECT_LE(bytes, kMaxBytesPerRow * kReports * kRows);
  EXPECT_LE(bytes, small_bytes * kReports / 5 * 11 / 10);
  EXPECT_LE(after, 2 * before + 0.002);
  // One line for the day, however many names it has.
  const DayTotals day = reader->ReadTotals(kVictim, 0, kLastReportDay)->at(0);
  EXPECT_EQ(day.records, kReports * kRows);
  EXPECT_EQ(day.messages, static_cast<uint64_t>(kReports) * kRows);
}

}  // namespace
}  // namespace dmarcate
