// A report that is read while it comes is what it would be in memory, wherever it is cut: the same
// outcome, the same values, the same repairs of its records. Or it is refused for what only a large
// report must not do. Of a damaged one, whatever is read is a report. What was refused leaves the
// budget as it was.

#include "lib/report/aggregate_stream.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fmt/format.h"

#include "lib/report/charset.h"
#include "lib/report/root_finder.h"
#include "tests/fuzz/cuts.h"
#include "tests/fuzz/report_tree.h"

namespace {

using dmarcate::AggregateReport;
using dmarcate::ParsedAggregate;
using dmarcate::Repair;

constexpr size_t kExtensionNames = 32;
// A document of some hundred bytes has several windows.
constexpr dmarcate::AggregateStreamSizes kSizes = {
    .head = 512, .window = 512, .most_window = 1024, .behind_root = 256};

void Require(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  fmt::print(stderr, "line {} does not hold\n", where.line());
  std::abort();
}

dmarcate::ReportHints Hints() {
  dmarcate::ReportHints hints;
  hints.received_time = absl::FromUnixSeconds(1'700'100'000);
  return hints;
}

dmarcate::AggregateLimits Limits() {
  dmarcate::AggregateLimits limits;
  limits.records = 10'000;
  limits.repairs = 1'000'000;
  return limits;
}

class ListSink final : public dmarcate::RecordSink {
 public:
  int64_t Take(std::vector<dmarcate::AggregateRecord> records) override {
    std::ranges::move(records, std::back_inserter(all));
    return 0;
  }
  std::vector<dmarcate::AggregateRecord> all;
};

// Every second one by way of a sink.
ParsedAggregate Stream(std::string_view document, dmarcate::fuzz::Cuts cuts) {
  const dmarcate::ReportHints hints = Hints();
  const dmarcate::AggregateLimits limits = Limits();
  dmarcate::ModelBudget budget(limits.records, limits.model_bytes, limits.model_free_bytes);
  const int64_t bytes = budget.bytes_left();
  const bool gives = document.size() % 2 == 1;
  const auto sink = std::make_shared<ListSink>();
  const auto make_sink = [&](std::string_view) { return gives ? sink : nullptr; };
  dmarcate::AggregateStream stream(hints, limits, budget, static_cast<int64_t>(document.size()),
                                   make_sink, kSizes);
  while (!document.empty() && stream.Add(cuts.Next(document))) {
  }
  ParsedAggregate parsed = stream.Finish();
  Require(parsed.report.has_value() == parsed.reason.empty());
  if (!parsed.report.has_value()) {
    Require(budget.records_left() == limits.records && budget.bytes_left() == bytes);
  } else if (parsed.sink != nullptr) {
    AggregateReport& report = *parsed.report;
    Require(report.records.empty());
    report.records = std::move(sink->all);
    const auto gone = std::exchange(report.gone, std::nullopt);
    Require(gone == report.sums());
  }
  return parsed;
}

// The names of what was skipped come in another order.
AggregateReport Comparable(AggregateReport report) {
  if (report.extensions.size() >= kExtensionNames) report.extensions.clear();
  std::ranges::sort(report.extensions);
  return report;
}

std::vector<std::string> RecordRepairs(const ParsedAggregate& parsed) {
  std::vector<std::string> texts;
  for (const Repair& repair : parsed.repairs) {
    if (!repair.path.starts_with("record[")) continue;
    texts.push_back(repair.code + " " + repair.path + " " + repair.raw + " > " + repair.chosen);
  }
  std::ranges::sort(texts);
  return texts;
}

// For what a large report is refused and a small one is not. The last three say that its metadata
// or policy was not there in time.
bool IsForLargeOnly(std::string_view reason) {
  constexpr std::array<std::string_view, 6> kReasons = {
      "frame_after_records", "frame_too_large",       "document_too_large",
      "metadata_missing",    "policy_domain_missing", "xml_not_well_formed"};
  return std::ranges::find(kReasons, reason) != kReasons.end();
}

void CheckReport(const AggregateReport& report) {
  Require(!report.policy.domain.empty() && !report.metadata.report_id.empty());
  for (const dmarcate::AggregateRecord& record : report.records) {
    Require(!record.header_from.empty() && record.dkim.size() <= 100);
  }
}

void RequireSame(const ParsedAggregate& got, const ParsedAggregate& want) {
  Require(got.report.has_value());
  Require(Comparable(*got.report) == Comparable(*want.report));
  Require(got.outcome == want.outcome);
  Require(RecordRepairs(got) == RecordRepairs(want));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  if (dmarcate::NeedsConversion(document)) return 0;  // never read like this
  dmarcate::RepairLog unused(0);
  const dmarcate::RootSearch search = dmarcate::FindRoot(document, unused);
  // Where tags alone leave a doubt, a tree is read otherwise than pieces; and what is damaged is
  // mended differently as a whole.
  std::optional<dmarcate::fuzz::TreeRecords> tree;
  if (search.root.has_value()) {
    if (search.root->end > kSizes.head) return 0;
    tree = dmarcate::fuzz::ReadTree(document.substr(search.root->begin));
  }
  const bool comparable = tree.has_value() && tree->clear;
  const std::vector<ParsedAggregate> whole =
      dmarcate::ParseAggregate(std::string(document), Hints(), Limits());
  for (const dmarcate::fuzz::Cuts& cuts :
       {dmarcate::fuzz::Cuts::None(), dmarcate::fuzz::Cuts(1, 300), dmarcate::fuzz::Cuts(2, 40)}) {
    const ParsedAggregate got = Stream(document, cuts);
    if (got.report.has_value()) CheckReport(*got.report);
    if (!comparable || IsForLargeOnly(got.reason)) continue;
    const ParsedAggregate& want = whole.front();
    if (want.report.has_value()) {
      RequireSame(got, want);
    } else {
      Require(!got.report.has_value());
    }
  }
  return 0;
}
