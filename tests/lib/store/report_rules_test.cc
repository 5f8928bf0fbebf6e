#include "lib/store/report_rules.h"

#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace dmarcate {
namespace {

struct ElectCase {
  std::string name;
  std::vector<Revision> revisions;
  size_t want = 0;
};
constexpr auto kImported = TrustClass::kImported;
const ElectCase kElectCases[] = {
    {"One", {{1, 0, kImported, 3}}, 0},
    {"LaterWithMoreRecords", {{1, 0, kImported, 3}, {2, 0, kImported, 4}}, 1},
    {"LaterWithEquallyMany", {{1, 0, kImported, 3}, {2, 0, kImported, 3}}, 1},
    {"LaterWithFewer", {{1, 0, kImported, 3}, {2, 0, kImported, 2}}, 0},
    {"OrderDoesNotMatter", {{2, 0, kImported, 3}, {1, 0, kImported, 3}}, 0},
    {"LaterItemOfOneReceipt", {{1, 1, kImported, 3}, {1, 0, kImported, 3}}, 0},
    {"MoreTrustedWithFewer", {{1, 0, TrustClass::kAnchored, 1}, {2, 0, kImported, 9}}, 0},
    {"LaterMoreTrusted", {{1, 0, kImported, 9}, {2, 0, TrustClass::kAuthenticated, 1}}, 1},
    {"UnverifiedNeverShadows", {{1, 0, kImported, 1}, {2, 0, TrustClass::kUnverified, 9}}, 0},
    {"QuarantinedIsLast",
     {{1, 0, TrustClass::kQuarantined, 9}, {2, 0, TrustClass::kUnverified, 1}},
     1},
};
class ElectCurrentTest : public testing::TestWithParam<ElectCase> {};
TEST_P(ElectCurrentTest, Case) { EXPECT_EQ(ElectCurrent(GetParam().revisions), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(All, ElectCurrentTest, testing::ValuesIn(kElectCases),
                         [](const auto& each) { return each.param.name; });

TEST(ReportKey, IdRoundTrips) {
  const ReportKey key{"example.com", FromCivil(absl::CivilDay(2025, 11, 24)), 0xa3f01, 0};
  EXPECT_EQ(key.ToId(), "20251124-00000000000a3f01-0");
  EXPECT_EQ(ReportKey::FromId("example.com", key.ToId()), key);
  const ReportKey last{"example.com", kLastReportDay, UINT64_MAX, 65535};
  EXPECT_EQ(last.ToId(), "99991231-ffffffffffffffff-65535");
  EXPECT_EQ(ReportKey::FromId("example.com", last.ToId()), last);
}

TEST(ReportKey, NothingElseIsAnId) {
  for (const char* id : {"", "20251124", "20251124-00000000000a3f01-",
                         "20251124-00000000000a3f01-01", "20251124-00000000000A3F01-0",
                         "20251324-00000000000a3f01-0", "20251124-00000000000a3f01-65536",
                         "20251124_00000000000a3f01-0", "-0251124-00000000000a3f01-0",
                         "19691231-00000000000a3f01-0", "20251124-00000000000a3f01-0 "}) {
    EXPECT_FALSE(ReportKey::FromId("example.com", id)) << id;
  }
}

TEST(Totals, CountMessagesByResultAndDisposition) {
  AggregateReport report;
  const auto add = [&report](uint64_t count, AlignedResult dkim, AlignedResult spf,
                             Disposition disposition) {
    AggregateRecord record;
    record.count = count;
    record.dkim_aligned = dkim;
    record.spf_aligned = spf;
    record.disposition = disposition;
    report.records.push_back(record);
  };
  add(1, AlignedResult::kPass, AlignedResult::kPass, Disposition::kNone);
  add(2, AlignedResult::kPass, AlignedResult::kFail, Disposition::kPass);
  add(4, AlignedResult::kUnspecified, AlignedResult::kPass, Disposition::kQuarantine);
  add(8, AlignedResult::kFail, AlignedResult::kUnspecified, Disposition::kReject);
  add(16, AlignedResult::kFail, AlignedResult::kFail, Disposition::kUnspecified);
  add(0, AlignedResult::kPass, AlignedResult::kPass, Disposition::kNone);
  DayTotals totals;
  AddToTotals(report, &totals);
  const DayTotals want{.reports = 1,
                       .records = 6,
                       .messages = 31,
                       .dmarc_pass = 7,
                       .dkim_aligned = 3,
                       .spf_aligned = 5,
                       .both_aligned = 1,
                       .disposition_none = 1,
                       .quarantine = 4,
                       .reject = 8,
                       .pass = 2,
                       .disposition_unknown = 16};
  EXPECT_EQ(totals, want);

  DayTotals sum;
  AddTotals(totals, &sum);
  AddTotals(totals, &sum);
  SubtractTotals(totals, &sum);
  EXPECT_EQ(sum, totals);
}

TEST(Totals, StopAtTheLargestNumberAndSaySo) {
  AggregateReport report;
  report.records.resize(2);
  report.records[0].count = std::numeric_limits<uint64_t>::max() - 1;
  report.records[1].count = 1;
  DayTotals totals;
  AddToTotals(report, &totals);
  EXPECT_TRUE(IsSaturated(totals));
  AddTotals(totals, &totals);
  EXPECT_EQ(totals.messages, std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(IsSaturated(DayTotals{.messages = 5}));
}

}  // namespace
}  // namespace dmarcate
