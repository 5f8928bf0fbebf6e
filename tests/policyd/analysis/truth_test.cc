// What was generated comes out of the analysis again, to the message: by domain, source address,
// day and disposition, as the generator's own truth.json has it. Skips itself where the generator
// or python3 is not there.
#include <array>
#include <filesystem>
#include <fstream>
#include <map>

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
      StoredReport stored;
      stored.report = *found.aggregate;
      const ReportMetadata& metadata = stored.report.metadata;
      stored.key = {.domain = stored.report.policy.domain,
                    .day = MidpointDay(metadata.begin, metadata.end),
                    .receipt = processed.receipt,
                    .item = static_cast<uint16_t>(processed.items.size())};
      stored.reporter_key = metadata.org_name;
      stored.document_sha256 = found.document_sha256;
      stored.raw_sha256 = Sha256(raw);
      processed.items.push_back({{.outcome = found.outcome, .kind = "aggregate"}, stored});
    }
    CommitBatch processing;
    processing.processed.push_back(std::move(processed));
    ASSERT_TRUE(store->Commit(std::move(processing), Sync::kYes).ok());
  }
  ASSERT_TRUE(store->CatchUp().ok());
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
