// What was generated comes out of the analysis again, to the message: by domain, source address,
// day and disposition, as the generator's own truth.json has it. Skips itself where the generator
// or python3 is not there.
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "fmt/format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/digest.h"
#include "lib/store/fake_report_store.h"
#include "lib/unpack/unpack.h"
#include "policyd/analysis/statistics.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

namespace fs = std::filesystem;

// messages, dkim, spf, dmarc, delivered (none and pass), quarantine, reject.
using Figures = std::array<int64_t, 7>;
using Table = std::map<std::string, Figures>;

Figures FromTruth(
    const nlohmann::json& row) {  // records, messages, dkim, spf, dmarc, n, q, r, pass
  return {row[1], row[2], row[3], row[4], row[5].get<int64_t>() + row[8].get<int64_t>(),
          row[6], row[7]};
}
Figures From(const Counts& counts) {
  return {counts.messages,         counts.dkim_aligned, counts.spf_aligned, counts.dmarc_pass,
          counts.disposition_none, counts.quarantine,   counts.reject};
}
void Add(const Counts& counts, Figures* to) {
  const Figures more = From(counts);
  for (size_t i = 0; i < more.size(); ++i) (*to)[i] += more[i];
}

// `found` as the next item of a receipt.
void AddItem(const UnpackedReport& found, CommitBatch::Processed* processed) {
  StoredReport stored;
  stored.report = *found.aggregate;
  const ReportMetadata& metadata = stored.report.metadata;
  stored.key = {.domain = stored.report.policy.domain,
                .day = MidpointDay(metadata.begin, metadata.end),
                .receipt = processed->receipt,
                .item = static_cast<uint16_t>(processed->items.size())};
  stored.reporter_key = metadata.org_name;
  stored.document_sha256 = found.document_sha256;
  processed->items.push_back({{.outcome = found.outcome, .kind = "aggregate"}, stored});
}

// Each attachment of the corpus as one receipt with its reports.
void Ingest(const fs::path& directory, FakeReportStore* store) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string raw{std::istreambuf_iterator<char>(file), {}};
    CommitBatch accepting;
    accepting.accepted.push_back({{.raw_sha256 = Sha256(raw)}, raw});
    const auto accepted = store->Commit(std::move(accepting), Sync::kYes);
    ASSERT_TRUE(accepted.ok()) << accepted.status();
    const Unpacked unpacked =
        Unpack(raw, {.file_name = entry.path().filename(), .received_time = absl::Now()}, {});
    CommitBatch::Processed processed{.receipt = accepted->accepted[0]};
    for (const UnpackedReport& found : unpacked.reports) {
      ASSERT_TRUE(found.aggregate) << entry.path() << ": " << found.reason;
      AddItem(found, &processed);
    }
    CommitBatch processing;
    processing.processed.push_back(std::move(processed));
    ASSERT_TRUE(store->Commit(std::move(processing), Sync::kYes).ok());
  }
  ASSERT_TRUE(store->CatchUp().ok());
}

// Every aggregate report of the corpora's mail and files as receipts of their own, given to the
// store once more each time it is called. Returns the messages of the reports that were taken, per
// domain.
std::map<std::string, uint64_t> IngestCorpus(const fs::path& directory, FakeReportStore* store) {
  std::map<std::string, uint64_t> taken;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().extension() == ".jsonl") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string raw{std::istreambuf_iterator<char>(file), {}};
    const Unpacked unpacked = Unpack(raw,
                                     {.file_name = entry.path().filename(),
                                      .received_time = absl::FromUnixSeconds(1'796'083'200)},
                                     {});
    CommitBatch accepting;
    accepting.accepted.push_back({{.raw_sha256 = Sha256(raw)}, raw});
    const auto accepted = store->Commit(std::move(accepting), Sync::kYes);
    EXPECT_TRUE(accepted.ok()) << accepted.status();
    CommitBatch::Processed processed{.receipt = accepted->accepted[0]};
    std::vector<std::pair<std::string, uint64_t>> counts;
    for (const UnpackedReport& found : unpacked.reports) {
      if (!found.aggregate) continue;
      counts.emplace_back(found.aggregate->policy.domain, found.aggregate->messages());
      AddItem(found, &processed);
    }
    if (processed.items.empty()) continue;
    CommitBatch processing;
    processing.processed.push_back(std::move(processed));
    const auto result = store->Commit(std::move(processing), Sync::kYes);
    EXPECT_TRUE(result.ok()) << entry.path() << ": " << result.status();
    if (!result.ok()) continue;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (result->processed[0][i].outcome != Outcome::kDuplicate) {
        taken[counts[i].first] += counts[i].second;
      }
    }
  }
  EXPECT_TRUE(store->CatchUp().ok());
  return taken;
}

// report-quirks section 19: the sum of counts in is the sum stored; what comes twice counts once;
// the days of the spread view add up to what is stored.
TEST(CorpusReports, KeepEverySum) {
  const char* root = std::getenv("DMARCATE_CORPORA");
  const fs::path reports = fs::path(root != nullptr ? root : "../shared/corpora") / "reports";
  if (!fs::exists(reports)) GTEST_SKIP() << reports << " is not here";
  FakeReportStore store;
  const std::map<std::string, uint64_t> taken = IngestCorpus(reports, &store);
  ASSERT_GT(taken.size(), 50u);
  const DayRange range{15'000, 21'000};  // 2011 to 2027
  std::map<std::string, std::vector<DayTotals>> totals;
  int spread = 0;
  for (const auto& [domain, messages] : taken) {
    SCOPED_TRACE(domain);
    uint64_t stored = 0, current = 0, of_days = 0;
    std::optional<ReportKey> from;
    do {
      const auto page = store.ListReports(domain, range.first, range.last, from, 100);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const StoredReport& report : page->reports) stored += report.message_count;
      from = page->next;
    } while (from.has_value());
    EXPECT_EQ(stored, messages);
    StatisticsBuilder builder(domain, range, Catalogue::Default());
    ASSERT_TRUE(store
                    .ForEachReport(domain, range.first, range.last,
                                   [&](const StoredReport& report) {
                                     current += report.message_count;
                                     builder.Add(report);
                                     return true;
                                   })
                    .ok());
    const auto days = store.ReadTotals(domain, range.first, range.last);
    ASSERT_TRUE(days.ok()) << days.status();
    for (const DayTotals& day : *days) of_days += day.messages;
    EXPECT_EQ(of_days, current);
    totals[domain] = *days;
    const DomainStatistics statistics = builder.Finish();
    int64_t of_series = 0;
    for (const DayStats& day : statistics.days) {
      of_series += day.counts.messages;
      spread += day.estimated ? 1 : 0;
    }
    EXPECT_EQ(of_series, static_cast<int64_t>(current));
    EXPECT_EQ(statistics.total.messages, static_cast<int64_t>(current));
  }
  EXPECT_GT(spread, 10);  // some span more than a day
  for (const auto& [domain, messages] : IngestCorpus(reports, &store)) {
    EXPECT_EQ(messages, 0u) << domain << ": came twice and was taken twice";
  }
  for (const auto& [domain, days] : totals) {
    EXPECT_TRUE(*store.ReadTotals(domain, range.first, range.last) == days) << domain;
  }
}

TEST(GeneratedReports, ComeOutToTheMessage) {
  const char* root = std::getenv("DMARCATE_CORPORA");
  const fs::path generator =
      fs::path(root != nullptr ? root : "../shared/corpora").parent_path() / "tools/gen_reports.py";
  if (!fs::exists(generator)) GTEST_SKIP() << generator << " is not here";
  if (testing_support::FindProgram("python3").empty()) GTEST_SKIP() << "python3 is not here";
  const testing_support::TempDir directory;
  const auto made = testing_support::RunCommand(
      {"python3", generator, "--out", directory.path(), "--reports", "400", "--domains", "5",
       "--days", "20", "--format", "attachments", "--p99", "60", "--seed", "policyd"},
      absl::Seconds(60));
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->exit_code, 0) << made->output;
  FakeReportStore store;
  Ingest(directory.File("attachments"), &store);
  std::ifstream truth_file(directory.File("truth.json"));
  const nlohmann::json truth = nlohmann::json::parse(truth_file);

  const DayRange range{*ParseDay("2025-12-31"), *ParseDay("2026-01-22")};
  Table got_domains, got_addresses, got_days, want_domains, want_addresses, want_days;
  std::map<std::string, int64_t> by_source;
  for (const auto& [domain, expected] : truth["domains"].items()) {
    StatisticsBuilder builder(domain, range, Catalogue::Default());
    ASSERT_TRUE(store
                    .ForEachReport(domain, range.first, range.last,
                                   [&builder](const StoredReport& report) {
                                     builder.Add(report);
                                     return true;
                                   })
                    .ok());
    const DomainStatistics got = builder.Finish();
    want_domains[domain] = FromTruth(expected["total"]);
    got_domains[domain] = From(got.total);
    Counts of_sources;
    for (const SourceStatistics& source : got.sources) {
      of_sources.Add(source.counts);
      by_source[source.id] += source.counts.messages;
      for (const AddressStats& address : source.addresses) {
        Add(address.counts, &got_addresses[domain + " " + address.address->ToString()]);
      }
    }
    EXPECT_EQ(of_sources, got.total) << domain;
    for (const auto& [address, row] : expected["sources"].items()) {
      want_addresses[domain + " " + address] = FromTruth(row);
    }
    for (const DayStats& day : got.days) {
      if (day.counts.messages > 0) {
        got_days[domain + " " + FormatDay(day.day)] = From(day.counts);
      }
    }
    for (const auto& [day, row] : expected["days"].items()) {
      if (row[1].get<int64_t>() > 0) want_days[domain + " " + day] = FromTruth(row);
    }
  }
  EXPECT_EQ(got_domains, want_domains);
  EXPECT_EQ(got_addresses, want_addresses);
  EXPECT_EQ(got_days, want_days);

  // The services that the generator plays are named, at least where it shows them at all.
  int64_t named = 0, all = 0;
  for (const auto& [id, messages] : by_source) {
    all += messages;
    if (Catalogue::Default().FindById(id) != nullptr) named += messages;
  }
  const int64_t from_services = truth["source_categories_messages"]["esp"];
  EXPECT_GE(named * 100, from_services * 95) << named << " of " << from_services;
  EXPECT_LE(named, all);
}

}  // namespace
}  // namespace dmarcate
