// What a large report gives away while it is read (record_sink.h).

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/report/aggregate_stream.h"

namespace dmarcate {
namespace {

// Keeps what it is given, and says that it takes `bytes_a_record`.
class ListSink final : public RecordSink {
 public:
  explicit ListSink(int64_t bytes_a_record) : bytes_a_record_(bytes_a_record) {}
  int64_t Take(std::vector<AggregateRecord> records) override {
    std::move(records.begin(), records.end(), std::back_inserter(all));
    return std::ssize(all) * bytes_a_record_;
  }
  std::vector<AggregateRecord> all;

 private:
  const int64_t bytes_a_record_;
};

// Some three MiB, read in three or four windows.
std::string LargeReportXml(std::string_view report_id) {
  constexpr int kRecords = 8000;
  std::string xml = fmt::format(
      "<feedback><report_metadata><org_name>r</org_name><email>r@example.net</email>{}<date_range>"
      "<begin>1764547200</begin><end>1764633599</end></date_range></report_metadata>"
      "<policy_published><domain>example.com</domain><p>none</p></policy_published>",
      report_id);
  for (int i = 0; i < kRecords; ++i) {
    xml += fmt::format(
        "<record><row><source_ip>192.0.{}.{}</source_ip><count>{}</count><policy_evaluated>"
        "<disposition>none</disposition><dkim>pass</dkim><spf>{}</spf></policy_evaluated></row>"
        "<identifiers><header_from>example.com</header_from></identifiers><auth_results><dkim>"
        "<domain>example.com</domain><selector>s{}</selector><result>pass</result></dkim>"
        "</auth_results></record>\n",
        i / 256, i % 256, 1 + i % 977, i % 3 == 0 ? "pass" : "fail", i % 5);
  }
  return xml + "</feedback>";
}

ParsedAggregate Read(std::string_view xml, ModelBudget& budget, MakeRecordSink make_sink) {
  constexpr size_t kPiece = 64 << 10;
  const ReportHints hints;
  const AggregateLimits limits;
  AggregateStream stream(hints, limits, budget, std::ssize(xml), std::move(make_sink));
  for (size_t at = 0; at < xml.size() && stream.Add(xml.substr(at, kPiece)); at += kPiece) {
  }
  return stream.Finish();
}

ModelBudget Budget(int64_t model_bytes) { return {500'000, model_bytes, model_bytes}; }

TEST(RecordSinkTest, GetsAllRecordsAndTheReportTheirSums) {
  // With an id, and with one that is made of all records.
  for (const std::string_view id : {"<report_id>id-1</report_id>", ""}) {
    const std::string xml = LargeReportXml(id);
    ModelBudget budget = Budget(128 << 20);
    const ParsedAggregate held = Read(xml, budget, nullptr);
    ASSERT_TRUE(held.report.has_value());
    EXPECT_FALSE(held.report->gone.has_value());
    EXPECT_EQ(held.sink, nullptr);

    const auto sink = std::make_shared<ListSink>(1);
    const ParsedAggregate given = Read(xml, budget, [&](std::string_view domain) {
      EXPECT_EQ(domain, "example.com");
      return sink;
    });
    ASSERT_TRUE(given.report.has_value());
    EXPECT_EQ(given.sink, sink);
    EXPECT_EQ(given.outcome, held.outcome);
    EXPECT_EQ(given.repairs, held.repairs);
    EXPECT_EQ(given.report->metadata, held.report->metadata);
    EXPECT_TRUE(given.report->records.empty());
    EXPECT_TRUE(sink->all == held.report->records);
    EXPECT_EQ(given.report->gone, held.report->sums());
    EXPECT_EQ(given.report->messages(), held.report->messages());
    EXPECT_EQ(given.report->sums().largest_count, 977u);
  }
}

TEST(RecordSinkTest, OneThatTakesNothingLeavesThemInTheReport) {
  const std::string xml = LargeReportXml("");
  ModelBudget budget = Budget(128 << 20);
  const ParsedAggregate got = Read(xml, budget, [](std::string_view) { return nullptr; });
  ASSERT_TRUE(got.report.has_value());
  EXPECT_EQ(got.report->records.size(), 8000u);
  EXPECT_FALSE(got.report->gone.has_value());
}

// The model's budget has to hold one window of records only, and has it back.
TEST(RecordSinkTest, WhatIsGoneTakesNoModel) {
  const std::string xml = LargeReportXml("");
  ModelBudget budget = Budget(2 << 20);
  EXPECT_EQ(Read(xml, budget, nullptr).reason, "model_too_large");
  const int64_t before = budget.bytes_left();
  const ParsedAggregate got =
      Read(xml, budget, [](std::string_view) { return std::make_shared<ListSink>(1); });
  EXPECT_TRUE(got.report.has_value()) << got.reason;
  EXPECT_GE(budget.bytes_left(), before - 4096);
}

TEST(RecordSinkTest, SinksOfOneInputMayKeepSoMuchAndNoMore) {
  const std::string xml = LargeReportXml("");
  ModelBudget budget = Budget(128 << 20);
  const auto sink_of = [](int64_t bytes_a_record) {
    return [=](std::string_view) { return std::make_shared<ListSink>(bytes_a_record); };
  };
  const int64_t most = kMaxSinkBytes / 8000;
  const ParsedAggregate over = Read(xml, budget, sink_of(most + 1));
  EXPECT_EQ(over.outcome, Outcome::kOverLimit);
  EXPECT_EQ(over.reason, "model_too_large");
  EXPECT_NE(over.detail.find("when packed"), std::string::npos) << over.detail;
  EXPECT_EQ(over.sink, nullptr);
  // What was refused has given back all that it had.
  EXPECT_EQ(budget.records_left(), 500'000);
  EXPECT_TRUE(Read(xml, budget, sink_of(most)).report.has_value());
  EXPECT_EQ(Read(xml, budget, sink_of(1)).reason, "model_too_large");
}

}  // namespace
}  // namespace dmarcate
