#include "policyd/analysis/selector_tally.h"

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "tests/policyd/analysis/rows.h"

namespace dmarcate {
namespace {

using analysis_testing::kDomain;
using analysis_testing::Row;

AggregateRecord Record(Row&& row) { return std::move(row); }

struct Case {
  std::string name;
  std::vector<AggregateRecord> records;
  SelectorCounts want;  // of "s1"
};
const Case kCases[] = {
    {"Passes", {Record(Row(3).Dkim("example.com", "s1"))}, {3, 3, 0}},
    {"Fails", {Record(Row(3).Dkim("example.com", "s1", AuthResult::kFail))}, {3, 0, 3}},
    {"HasNoKey", {Record(Row(3).Dkim("example.com", "s1", AuthResult::kPermerror))}, {3, 0, 3}},
    {"IsNotTold", {Record(Row(3).Dkim("example.com", "s1", AuthResult::kTemperror))}, {3, 0, 0}},
    {"RowsAddUp",
     {Record(Row(3).Dkim("example.com", "s1")),
      Record(Row(4).Dkim("example.com", "s1", AuthResult::kFail))},
     {7, 3, 4}},
    {"OneMessageCountsOnceByItsBest",
     {Record(Row(2)
                 .Dkim("example.com", "s1", AuthResult::kTemperror)
                 .Dkim("example.com", "s1", AuthResult::kFail)
                 .Dkim("example.com", "s1"))},
     {2, 2, 0}},
    {"CaseIsNone",
     {Record(Row(1).Dkim("EXAMPLE.com", "S1")), Record(Row(1).Dkim("example.com", "s1"))},
     {2, 2, 0}},
    {"AnotherDomainsKeyIsAnother",
     {Record(Row(1).Dkim("mail.example.com", "s1")), Record(Row(1).Dkim("example.net", "s1"))},
     {0, 0, 0}},
    {"WithoutASelector", {Record(Row(1).Dkim("example.com"))}, {0, 0, 0}},
};
class SelectorTallyTest : public testing::TestWithParam<Case> {};
TEST_P(SelectorTallyTest, Case) {
  SelectorTally tally;
  for (const AggregateRecord& record : GetParam().records) {
    tally.Add(record, kDomain, static_cast<int64_t>(record.count));
  }
  EXPECT_EQ(tally.Find("s1"), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(All, SelectorTallyTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

TEST(SelectorTally, IsBoundedAndThenDoesNotKnow) {
  SelectorTally tally;
  for (size_t i = 0; i <= kMaxSelectorsTallied; ++i) {
    tally.Add(Record(Row(1).Dkim("example.com", fmt::format("x{}", i))), kDomain, 1);
    if (i < kMaxSelectorsTallied) {
      EXPECT_EQ(tally.Find("never"), SelectorCounts());
    }
  }
  EXPECT_EQ(tally.Find("x0"), (SelectorCounts{1, 1, 0}));
  EXPECT_EQ(tally.Find(fmt::format("x{}", kMaxSelectorsTallied)), std::nullopt);
  EXPECT_EQ(tally.Find("never"), std::nullopt) << "it may be among those that were not kept";

  SelectorTally row;
  Row many(1);
  for (size_t i = 0; i < 100; ++i) std::move(many).Dkim("example.com", fmt::format("y{}", i));
  row.Add(Record(std::move(many)), kDomain, 1);
  EXPECT_EQ(row.Find("y15"), (SelectorCounts{1, 1, 0}));
  EXPECT_EQ(row.Find("y16"), std::nullopt);
}

}  // namespace
}  // namespace dmarcate
