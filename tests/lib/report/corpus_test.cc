// The plain documents of the shared corpus against figures that other readers worked out
// (SOURCES.md beside them says how). Skipped where the corpus is not there.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/report/aggregate.h"
#include "lib/report/tls.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::ReadLines;
using testing_support::ReadWholeFile;

// Aggregate reports where we differ from expected.jsonl, and why that is right. None.
const std::map<std::string, std::string> kArgued = {};

// Documents of kind `invalid` that are accepted with cosmetic repairs only.
const std::map<std::string, std::string> kCosmetic = {
    {"parsedmarc/aggregate/ikea.com!example.de!1538690400!1538776800.xml",
     "X16: an element xs:schema is opened before the report and never closed. The report itself is "
     "whole "
     "and well-formed; no value of it was touched, and the repair says what was passed over."},
};

std::vector<json> Expectations(const std::string& corpus) {
  std::vector<json> all;
  for (const std::string& line : ReadLines(corpus + "/expected.jsonl")) {
    if (!line.empty()) all.push_back(json::parse(line));
  }
  return all;
}

// Without a time of receipt, which would move one sample from 1970 (begin 100, end 200: R17).
std::vector<ParsedAggregate> ParseFile(const std::string& corpus, const std::string& name) {
  ReportHints hints;
  hints.file_name = std::filesystem::path(name).filename().string();
  return ParseAggregate(ReadWholeFile(corpus + "/" + name), hints, {});
}

std::string Describe(const ParsedAggregate& parsed) {
  std::string text = "outcome " + std::to_string(static_cast<int>(parsed.outcome)) + " " +
                     parsed.reason + " " + parsed.detail;
  for (const Repair& r : parsed.repairs) {
    text += "\n  " + r.code + " " + r.path + " [" + r.raw + "] -> [" + r.chosen + "]" +
            (r.material ? " material" : "");
  }
  return text;
}

TEST(CorpusTest, AggregateReportsGiveTheExpectedFigures) {
  DMARCATE_CORPUS_OR_SKIP(corpus, "reports");
  int files = 0;
  for (const json& want : Expectations(corpus)) {
    if (want["kind"] != "aggregate" || want["container"] != json::array({"xml"})) continue;
    const std::string file = want["file"];
    if (kArgued.contains(file)) continue;
    ++files;
    const auto results = ParseFile(corpus, file);
    ASSERT_EQ(results.size(), 1u) << file;
    SCOPED_TRACE(file + ": " + Describe(results[0]));
    ASSERT_TRUE(results[0].report.has_value());
    const AggregateReport& got = *results[0].report;
    if (want["org_name"] != "") {  // an empty one is filled in, with a repair
      EXPECT_EQ(got.metadata.org_name, want["org_name"]);
    }
    EXPECT_EQ(got.metadata.report_id, want["report_id"]);
    EXPECT_EQ(got.metadata.begin, want["begin"]);
    EXPECT_EQ(got.metadata.end, want["end"]);
    EXPECT_EQ(got.policy.domain, want["domain"]);
    EXPECT_EQ(got.policy.p_raw, want["p"]);
    EXPECT_EQ(got.records.size(), want["records"]);
    EXPECT_EQ(got.messages(), want["messages"]);
    uint64_t pass = 0;
    for (const AggregateRecord& record : got.records)
      pass += record.dmarc_pass() ? record.count : 0;
    EXPECT_EQ(pass, want["dmarc_pass_messages"]);
  }
  EXPECT_GT(files, 400);
}

TEST(CorpusTest, TlsReportsGiveTheExpectedFigures) {
  DMARCATE_CORPUS_OR_SKIP(corpus, "reports");
  int files = 0;
  for (const json& want : Expectations(corpus)) {
    if (want["kind"] != "tlsrpt" || want["container"] != json::array({"json"})) continue;
    const std::string file = want["file"];
    SCOPED_TRACE(file);
    ++files;
    const ParsedTlsReport parsed = ParseTlsReport(ReadWholeFile(corpus + "/" + file), {});
    ASSERT_TRUE(parsed.report.has_value()) << parsed.detail;
    const TlsReport& got = *parsed.report;
    EXPECT_EQ(got.organization_name, want["org_name"]);
    EXPECT_EQ(got.report_id, want["report_id"]);
    EXPECT_EQ(got.begin, want["begin"]);
    EXPECT_EQ(got.end, want["end"]);
    EXPECT_EQ(got.begin_text, want["begin_text"]);
    EXPECT_EQ(got.end_text, want["end_text"]);
    EXPECT_EQ(got.policies.size(), want["records"]);
    ASSERT_FALSE(got.policies.empty());
    EXPECT_EQ(got.policies[0].policy_domain, want["domain"]);
    uint64_t good = 0, bad = 0, details = 0;
    for (const TlsReport::PolicyResult& policy : got.policies) {
      good += policy.successful_sessions;
      bad += policy.failed_sessions;
      details += policy.failures.size();
    }
    EXPECT_EQ(good, want["successful_sessions"]);
    EXPECT_EQ(bad, want["failed_sessions"]);
    EXPECT_EQ(details, want["failure_details"]);
  }
  EXPECT_GT(files, 5);
}

// SOURCES.md: a reader that salvages them passes as long as it says so.
TEST(CorpusTest, DamagedDocumentsAreRefusedOrRepairedInSight) {
  DMARCATE_CORPUS_OR_SKIP(corpus, "reports");
  for (const json& want : Expectations(corpus)) {
    const std::string file = want["file"];
    if (want["kind"] != "invalid" || !file.ends_with(".xml")) continue;
    const auto results = ParseFile(corpus, file);
    ASSERT_EQ(results.size(), 1u) << file;
    SCOPED_TRACE(file + ": " + Describe(results[0]));
    if (!results[0].report.has_value()) {
      EXPECT_NE(results[0].reason, "");
      EXPECT_NE(results[0].detail, "");
      continue;
    }
    EXPECT_EQ(results[0].outcome,
              kCosmetic.contains(file) ? Outcome::kAcceptedCosmetic : Outcome::kAcceptedMaterial);
    ASSERT_TRUE(want["salvageable"].is_object());
    const json& salvageable = want["salvageable"];
    EXPECT_EQ(results[0].report->policy.domain, salvageable["domain"]);
    EXPECT_EQ(results[0].report->records.size(), salvageable["records"]);
    EXPECT_EQ(results[0].report->messages(), salvageable["messages"]);
  }
}

}  // namespace
}  // namespace dmarcate
