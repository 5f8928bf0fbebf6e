// Mail written by ../shared/tools/gen_reports.py against the totals it kept (truth.json). Runs
// where the generator and python3 are.

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include <gtest/gtest.h>

#include "lib/base/time.h"
#include "tests/lib/mail/generated_mail.h"
#include "tests/lib/unpack/samples.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::ReadWholeFile;
using testing_support::TempDir;

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
  hints.handed_in = true;
  hints.file_name = file_name;
  hints.received_time = absl::FromUnixSeconds(1772323200);  // 2026-03-01: after the last report
  return Unpack(std::move(bytes), hints, {});
}

json Generate(const TempDir& directory, const std::vector<std::string>& more) {
  GenerateReports(directory, 300, more);
  return json::parse(ReadWholeFile(directory.File("truth.json")), nullptr,
                     /*allow_exceptions=*/false);
}

Unpacked UnpackFile(const std::string& path) {
  return UnpackBytes(ReadWholeFile(path), path.substr(path.rfind('/') + 1));
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

TEST(Generated, TotalsOfMailEqualTheTruth) {
  if (!HaveReportGenerator()) GTEST_SKIP() << "no generator here";
  for (const std::string ends : {"", "--crlf"}) {
    const TempDir directory;
    const json truth =
        Generate(directory, ends.empty() ? std::vector<std::string>{} : std::vector{ends});
    Totals totals;
    for (const std::string& path : FilesBelow(directory.File("eml"), ".eml")) {
      Take(path, UnpackFile(path), &totals);
    }
    EXPECT_EQ(totals.trouble, std::vector<std::string>{});
    ExpectTruth(totals, truth);
    EXPECT_EQ(totals.kinds["aggregate"], truth["kinds"]["aggregate"]);
    EXPECT_EQ(totals.kinds["failure"], truth["kinds"]["failure"]);
    EXPECT_EQ(totals.kinds["tls"], truth["kinds"]["tlsrpt"]);
  }
}

TEST(Generated, TotalsOfAttachmentsAndOfTheMailboxEqualTheTruth) {
  if (!HaveReportGenerator()) GTEST_SKIP() << "no generator here";
  const TempDir directory;
  const json truth = Generate(directory, {"--duplicates", "0.05"});
  Totals totals;
  for (const std::string& path : FilesBelow(directory.File("attachments"), "")) {
    Take(path, UnpackFile(path), &totals);
  }
  EXPECT_EQ(totals.trouble, std::vector<std::string>{});
  ExpectTruth(totals, truth);

  Unpacked unpacked = UnpackFile(directory.File("reports.mbox"));
  std::erase_if(unpacked.reports,
                [](const UnpackedReport& report) { return report.outcome == Outcome::kDuplicate; });
  Totals of_mbox;
  Take("reports.mbox", unpacked, &of_mbox);
  EXPECT_EQ(of_mbox.trouble, std::vector<std::string>{});
  ExpectTruth(of_mbox, truth);
}

TEST(Generated, BrokenReportsAreNeverClean) {
  if (!HaveReportGenerator()) GTEST_SKIP() << "no generator here";
  const TempDir directory;
  const json truth = Generate(directory, {"--broken", "0.3"});
  int checked = 0;
  for (const json& broken : truth["broken"]) {
    const std::string name = broken[0].get<std::string>() + ".eml";
    for (const UnpackedReport& report : UnpackFile(directory.File("eml/" + name)).reports) {
      ++checked;
      EXPECT_NE(report.outcome, Outcome::kAccepted) << name << " " << broken[1];
    }
  }
  EXPECT_GT(checked, 30);
}

}  // namespace
}  // namespace dmarcate
