// Mail written by ../shared/tools/gen_reports.py against the totals it kept (truth.json). Runs
// where the generator and python3 are.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "tests/lib/unpack/samples.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::FindProgram;
using testing_support::RunCommand;
using testing_support::TempDir;

constexpr char kGenerator[] = "../shared/tools/gen_reports.py";

// In the order of truth.json: records, messages, dkim, spf, dmarc, none, quarantine, reject, pass.
using Counters = std::array<uint64_t, 9>;

void Count(const AggregateReport& report, Counters* counters) {
  for (const AggregateRecord& record : report.records) {
    Counters& c = *counters;
    ++c[0];
    c[1] += record.count;
    if (record.dkim_aligned == AlignedResult::kPass) c[2] += record.count;
    if (record.spf_aligned == AlignedResult::kPass) c[3] += record.count;
    if (record.dmarc_pass()) c[4] += record.count;
    if (record.disposition == Disposition::kNone) c[5] += record.count;
    if (record.disposition == Disposition::kQuarantine) c[6] += record.count;
    if (record.disposition == Disposition::kReject) c[7] += record.count;
    if (record.disposition == Disposition::kPass) c[8] += record.count;
  }
}

struct Totals {
  Counters all{};
  std::map<std::string, Counters> by_domain_day;  // "example.com 2026-01-01"
  std::map<std::string, int> kinds;
  std::set<std::string> identities;  // a report sent twice counts once
  std::vector<std::string> trouble;
};

void Take(const std::string& file, const Unpacked& unpacked, Totals* totals) {
  for (const UnpackedReport& report : unpacked.reports) {
    if (report.outcome != Outcome::kAccepted && report.outcome != Outcome::kAcceptedCosmetic) {
      totals->trouble.push_back(file + ": " + ToLine(report) + " " + report.detail);
      continue;
    }
    if (!totals->identities.insert(report.document_sha256).second) continue;
    ++totals->kinds[std::string(NameOf(report.kind))];
    if (!report.aggregate) continue;
    const AggregateReport& a = *report.aggregate;
    Count(a, &totals->all);
    Count(a, &totals->by_domain_day[a.policy.domain + " " +
                                    FormatDay(MidpointDay(a.metadata.begin, a.metadata.end))]);
  }
}

Unpacked UnpackBytes(std::string bytes, std::string_view file_name) {
  UnpackHints hints;
  hints.file_name = file_name;
  hints.received_time = absl::FromUnixSeconds(1772323200);  // 2026-03-01: after the last report
  return Unpack(std::move(bytes), hints, {});
}

json Generate(const TempDir& directory, std::vector<std::string> more) {
  std::vector<std::string> argv = {"python3",   kGenerator, "--out",    directory.path(),
                                   "--reports", "300",      "--kind",   "mix",
                                   "--seed",    "20261124", "--format", "eml,attachments,mbox"};
  argv.insert(argv.end(), more.begin(), more.end());
  const auto result = RunCommand(argv, absl::Seconds(60));
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result.ok() ? result->exit_code : -1, 0) << (result.ok() ? result->output : "");
  std::ifstream in(directory.File("truth.json"));
  return json::parse(in, nullptr, /*allow_exceptions=*/false);
}

std::vector<std::filesystem::path> FilesIn(const std::string& directory) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

void ExpectTruth(const Totals& totals, const json& truth) {
  for (size_t i = 0; i < totals.all.size(); ++i) {
    EXPECT_EQ(totals.all[i], truth["total"][i].get<uint64_t>()) << truth["fields"][i];
  }
  size_t days = 0;
  for (const auto& [domain, facts] : truth["domains"].items()) {
    for (const auto& [day, counters] : facts["days"].items()) {
      ++days;
      const auto got = totals.by_domain_day.find(domain + " " + day);
      ASSERT_NE(got, totals.by_domain_day.end()) << domain << " " << day;
      for (size_t i = 0; i < got->second.size(); ++i) {
        EXPECT_EQ(got->second[i], counters[i].get<uint64_t>())
            << domain << " " << day << " " << truth["fields"][i];
      }
    }
  }
  EXPECT_EQ(days, totals.by_domain_day.size());
}

bool HaveGenerator() {
  return std::filesystem::exists(kGenerator) && !FindProgram("python3").empty();
}

TEST(Generated, TotalsOfMailEqualTheTruth) {
  if (!HaveGenerator()) GTEST_SKIP() << "no generator here";
  for (const std::string ends : {"", "--crlf"}) {
    const TempDir directory;
    const json truth =
        Generate(directory, ends.empty() ? std::vector<std::string>{} : std::vector{ends});
    Totals totals;
    for (const auto& path : FilesIn(directory.File("eml"))) {
      auto bytes = ReadFile(path.string(), 25 << 20);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      Take(path.filename().string(), UnpackBytes(*std::move(bytes), path.filename().string()),
           &totals);
    }
    EXPECT_EQ(totals.trouble, std::vector<std::string>{});
    ExpectTruth(totals, truth);
    EXPECT_EQ(totals.kinds["aggregate"], truth["kinds"]["aggregate"]);
    EXPECT_EQ(totals.kinds["failure"], truth["kinds"]["failure"]);
    EXPECT_EQ(totals.kinds["tls"], truth["kinds"]["tlsrpt"]);
  }
}

TEST(Generated, TotalsOfAttachmentsAndOfTheMailboxEqualTheTruth) {
  if (!HaveGenerator()) GTEST_SKIP() << "no generator here";
  const TempDir directory;
  const json truth = Generate(directory, {"--duplicates", "0.05"});
  Totals totals;
  for (const auto& path : FilesIn(directory.File("attachments"))) {
    auto bytes = ReadFile(path.string(), 25 << 20);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    Take(path.filename().string(), UnpackBytes(*std::move(bytes), path.filename().string()),
         &totals);
  }
  EXPECT_EQ(totals.trouble, std::vector<std::string>{});
  ExpectTruth(totals, truth);

  auto mbox = ReadFile(directory.File("reports.mbox"), 25 << 20);
  ASSERT_TRUE(mbox.ok()) << mbox.status();
  Unpacked unpacked = UnpackBytes(*std::move(mbox), "reports.mbox");
  std::erase_if(unpacked.reports,
                [](const UnpackedReport& report) { return report.outcome == Outcome::kDuplicate; });
  Totals of_mbox;
  Take("reports.mbox", unpacked, &of_mbox);
  EXPECT_EQ(of_mbox.trouble, std::vector<std::string>{});
  ExpectTruth(of_mbox, truth);
}

TEST(Generated, BrokenReportsAreNeverClean) {
  if (!HaveGenerator()) GTEST_SKIP() << "no generator here";
  const TempDir directory;
  const json truth = Generate(directory, {"--broken", "0.3"});
  int checked = 0;
  for (const json& broken : truth["broken"]) {
    const std::string name = broken[0].get<std::string>() + ".eml";
    auto bytes = ReadFile(directory.File("eml/" + name), 25 << 20);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    for (const UnpackedReport& report : UnpackBytes(*std::move(bytes), name).reports) {
      ++checked;
      EXPECT_NE(report.outcome, Outcome::kAccepted) << name << " " << broken[1];
    }
  }
  EXPECT_GT(checked, 30);
}

}  // namespace
}  // namespace dmarcate
