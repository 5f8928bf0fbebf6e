// The ledger over reports that no one here wrote, and over generated ones, whose evaluation follows
// from their results. Skips itself where the corpora or the generator are not there.
#include <filesystem>
#include <fstream>
#include <map>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/mailauth/public_suffix_list.h"
#include "lib/report/repair_codes.h"
#include "lib/unpack/unpack.h"
#include "policyd/analysis/reporter_ledger.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

namespace fs = std::filesystem;

constexpr DayRange kAnyDay{0, 60'000};  // to 2134

fs::path Corpora() {
  const char* root = std::getenv("DMARCATE_CORPORA");
  return root != nullptr ? root : "../shared/corpora";
}

// The aggregate reports of all files below `directory`, each given once to `visit`.
template <typename Visit>
void ForEachReport(const fs::path& directory, Visit visit) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string raw{std::istreambuf_iterator<char>(file), {}};
    const Unpacked unpacked =
        Unpack(raw, {.file_name = entry.path().filename(), .received_time = absl::Now()}, {});
    for (const UnpackedReport& found : unpacked.reports) {
      if (!found.aggregate) continue;
      StoredReport stored;
      stored.report = *found.aggregate;
      stored.outcome = found.outcome;
      stored.repairs = found.repairs;
      const ReportMetadata& metadata = stored.report.metadata;
      stored.key = {.domain = stored.report.policy.domain,
                    .day = MidpointDay(metadata.begin, metadata.end)};
      stored.reporter_key = metadata.org_name;
      stored.record_count = static_cast<int64_t>(stored.report.records.size());
      stored.message_count = stored.report.messages();
      visit(stored);
    }
  }
}

TEST(ReporterCorpus, EveryRepairOfRealReportsIsInTheLedgerAndHasAMeaning) {
  const fs::path reports = Corpora() / "reports";
  if (!fs::exists(reports)) GTEST_SKIP() << reports << " is not here";
  const auto suffixes = BuiltinPublicSuffixList();
  ReporterLedgerBuilder builder(kAnyDay, *suffixes);
  int64_t count = 0, messages = 0, repairs = 0;
  ForEachReport(reports, [&](const StoredReport& report) {
    ++count;
    messages += static_cast<int64_t>(report.message_count);
    repairs += static_cast<int64_t>(report.repairs.size());
    builder.Add(report);
  });
  const ReporterLedger ledger = builder.Finish();
  int64_t listed = 0, listed_messages = 0, listed_repairs = 0;
  for (const ReporterRow& row : ledger.reporters) {
    listed += row.reports;
    listed_messages += row.messages;
    for (const ReporterFinding& finding : row.findings) {
      listed_repairs += finding.findings;
      EXPECT_NE(FindRepairMeaning(finding.code), nullptr) << finding.code << " of " << row.key;
    }
  }
  EXPECT_GT(count, 100);
  EXPECT_EQ(listed, count);
  EXPECT_EQ(listed_messages, messages);
  EXPECT_EQ(listed_repairs, repairs);
}

TEST(ReporterCorpus, GeneratedReportsAddUpAndContradictNothing) {
  const fs::path generator = Corpora().parent_path() / "tools/gen_reports.py";
  if (!fs::exists(generator)) GTEST_SKIP() << generator << " is not here";
  if (testing_support::FindProgram("python3").empty()) GTEST_SKIP() << "python3 is not here";
  const testing_support::TempDir directory;
  const auto made = testing_support::RunCommand(
      {"python3", generator, "--out", directory.path(), "--reports", "200", "--domains", "3",
       "--days", "10", "--format", "attachments", "--p99", "60", "--seed", "reporters"},
      absl::Seconds(60));
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->exit_code, 0) << made->output;
  const auto suffixes = BuiltinPublicSuffixList();
  ReporterLedgerBuilder builder(kAnyDay, *suffixes);
  ForEachReport(directory.File("attachments"),
                [&builder](const StoredReport& report) { builder.Add(report); });
  std::ifstream truth_file(directory.File("truth.json"));
  const nlohmann::json truth = nlohmann::json::parse(truth_file);
  const ReporterLedger ledger = builder.Finish();
  std::map<std::string, int64_t> reports;
  int64_t compared = 0, records = 0, messages = 0;
  for (const ReporterRow& row : ledger.reporters) {
    reports[row.key] = row.reports;
    records += row.records;
    messages += row.messages;
    compared += row.evaluation.compared;
    EXPECT_EQ(row.evaluation.contradicting, 0) << row.key;
  }
  EXPECT_GT(compared, 1'000);
  EXPECT_EQ(reports, truth["reporters"].get<decltype(reports)>());
  EXPECT_EQ(records, truth["total"][0]);
  EXPECT_EQ(messages, truth["total"][1]);
}

}  // namespace
}  // namespace dmarcate
