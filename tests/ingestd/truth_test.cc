// A3: what was generated comes out again, to the message: totals by domain, source address, day and
// disposition, after one import and after a second.

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <map>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/file.h"
#include "lib/base/time.h"
#include "tests/ingestd/daemon.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::ImportItem;
using ingest_testing::MakeReportXml;

// records, messages, dkim, spf, dmarc, none, quarantine, reject, pass: as in the generator's
// truth.json.
using Figures = std::array<int64_t, 9>;
using Table = std::map<std::string, Figures>;

struct Totals {
  Table domains, sources, days;  // "example.com", "example.com 192.0.2.1", "example.com 2026-01-01"
  int64_t reports = 0;
};

void Add(const AggregateRecord& record, Figures& to) {
  const auto count = static_cast<int64_t>(record.count);
  ++to[0];
  to[1] += count;
  to[2] += record.dkim_aligned == AlignedResult::kPass ? count : 0;
  to[3] += record.spf_aligned == AlignedResult::kPass ? count : 0;
  to[4] += record.dmarc_pass() ? count : 0;
  to[5] += record.disposition == Disposition::kNone ? count : 0;
  to[6] += record.disposition == Disposition::kQuarantine ? count : 0;
  to[7] += record.disposition == Disposition::kReject ? count : 0;
  to[8] += record.disposition == Disposition::kPass ? count : 0;
}

constexpr DayNumber kFirst = 0, kLast = 40'000;

// From the rows, and the days from the stored totals as well: both must say the same.
Totals ReadTotals(ReportReader& reader) {
  Totals out;
  const auto domains = reader.ListDomains("", 100'000);
  EXPECT_TRUE(domains.ok()) << domains.status();
  for (const auto& [domain, last_day] : *domains) {
    Figures& total = out.domains[domain];
    const absl::Status visited =
        reader.ForEachReport(domain, kFirst, kLast, [&](const StoredReport& stored) {
          ++out.reports;
          for (const AggregateRecord& record : stored.report.records) {
            Add(record, total);
            Add(record, out.sources[domain + " " + record.source_ip->ToString()]);
            Add(record, out.days[domain + " " + FormatDay(stored.key.day)]);
          }
          return true;
        });
    EXPECT_TRUE(visited.ok()) << visited;
    const auto days = reader.ReadTotals(domain, kFirst, kLast);
    EXPECT_TRUE(days.ok()) << days.status();
    for (const DayTotals& day : *days) {
      const auto figure = [](uint64_t count) { return static_cast<int64_t>(count); };
      const Figures stored = {day.records,
                              figure(day.messages),
                              figure(day.dkim_aligned),
                              figure(day.spf_aligned),
                              figure(day.dmarc_pass),
                              figure(day.disposition_none),
                              figure(day.quarantine),
                              figure(day.reject),
                              figure(day.pass)};
      EXPECT_EQ(stored, out.days[domain + " " + FormatDay(day.day)]) << domain << " " << day.day;
    }
  }
  return out;
}

Totals ReadTruth(const nlohmann::json& truth) {
  Totals out;
  out.reports = truth["reports"];
  for (const auto& [domain, values] : truth["domains"].items()) {
    out.domains[domain] = values["total"].get<Figures>();
    for (const auto& [address, figures] : values["sources"].items()) {
      out.sources[domain + " " + address] = figures.get<Figures>();
    }
    for (const auto& [day, figures] : values["days"].items()) {
      out.days[domain + " " + day] = figures.get<Figures>();
    }
  }
  return out;
}

struct Corpus {
  std::vector<ImportItem> items;
  Totals truth;
};

// 10,000 mails of the generator, if it is here.
std::optional<Corpus> Generated(const testing_support::TempDir& directory) {
  const std::string tool = "../shared/tools/gen_reports.py";
  if (!std::filesystem::exists(tool) || testing_support::FindProgram("python3").empty()) {
    return std::nullopt;
  }
  const std::string out = directory.File("generated");
  const auto made =
      testing_support::RunCommand({"python3", tool, "--out", out, "--reports", "10000", "--domains",
                                   "200", "--days", "90", "--seed", "3", "--duplicates", "0.01"},
                                  absl::Seconds(120));
  EXPECT_TRUE(made.ok() && made->exit_code == 0);
  Corpus corpus;
  for (const auto& entry : std::filesystem::directory_iterator(out + "/eml")) {
    corpus.items.push_back({entry.path().filename(), *ReadFile(entry.path(), 64 << 20)});
  }
  std::ranges::sort(corpus.items, {}, &ImportItem::name);
  corpus.truth = ReadTruth(nlohmann::json::parse(*ReadFile(out + "/truth.json", 256 << 20)));
  return corpus;
}

// A smaller one that needs nothing else.
Corpus OwnCorpus() {
  Corpus corpus;
  for (int i = 0; i < 1000; ++i) {
    const std::string domain = fmt::format("d{}.test", i % 7);
    const std::vector<int> counts = {i % 5, 1 + i % 3};
    corpus.items.push_back(
        {fmt::format("{}.xml", i), MakeReportXml(domain, fmt::format("r{}", i), counts)});
    for (size_t row = 0; row < counts.size(); ++row) {
      const int64_t n = counts[row];
      for (Figures* figures : {&corpus.truth.domains[domain],
                               &corpus.truth.sources[fmt::format("{} 192.0.2.{}", domain, row + 1)],
                               &corpus.truth.days[domain + " 2026-01-01"]}) {
        (*figures)[0] += 1;
        for (const size_t column : {1, 2, 4, 5}) (*figures)[column] += n;  // dkim passes, none
      }
    }
    ++corpus.truth.reports;
  }
  return corpus;
}

void ExpectSame(const Table& got, const Table& want, std::string_view what) {
  EXPECT_EQ(got.size(), want.size()) << what;
  size_t different = 0;
  for (const auto& [key, figures] : want) {
    const auto found = got.find(key);
    if (found != got.end() && found->second == figures) continue;
    if (++different > 5) break;
    ADD_FAILURE() << what << " " << key << ": " << fmt::format("want {} messages", figures[1])
                  << (found == got.end() ? ", got nothing"
                                         : fmt::format(", got {}", found->second[1]));
  }
}

void ImportTwiceAndCompare(const Corpus& corpus) {
  Daemon daemon;
  const absl::Status started = daemon.Start();
  ASSERT_TRUE(started.ok()) << started;
  for (int round = 0; round < 2; ++round) {
    std::atomic<int64_t> stored = 0, duplicates = 0, others = 0;
    const grpc::Status status =
        Import(daemon.channel(), corpus.items, [&](const v1::ItemResult& result) {
          for (const auto& item : result.items()) {
            const bool is_stored = item.outcome() == v1::ITEM_OUTCOME_STORED;
            const bool is_duplicate = item.outcome() == v1::ITEM_OUTCOME_DUPLICATE;
            ++(is_stored ? stored : is_duplicate ? duplicates : others);
          }
        });
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(stored, round == 0 ? corpus.truth.reports : 0);
    EXPECT_EQ(stored + duplicates, static_cast<int64_t>(corpus.items.size()));
    EXPECT_EQ(others, 0);
    const auto reader = daemon.Reader();
    ASSERT_TRUE(reader.ok()) << reader.status();
    const Totals got = ReadTotals(**reader);
    EXPECT_EQ(got.reports, corpus.truth.reports);
    ExpectSame(got.domains, corpus.truth.domains, "domain");
    ExpectSame(got.sources, corpus.truth.sources, "source");
    ExpectSame(got.days, corpus.truth.days, "day");
  }
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

TEST(Truth, OwnReportsAreCountedExactlyOnce) { ImportTwiceAndCompare(OwnCorpus()); }

TEST(Truth, TenThousandGeneratedReportsAreCountedExactlyOnce) {
  const testing_support::TempDir directory;
  const std::optional<Corpus> corpus = Generated(directory);
  if (!corpus.has_value()) GTEST_SKIP() << "the report generator is not here";
  ImportTwiceAndCompare(*corpus);
}

}  // namespace
}  // namespace dmarcate
