// What holds for every report (report-quirks section 19), over the reports of the shared corpus and
// over generated ones: 500 of them, 10,000 in the suite `properties`. Skipped where those are not
// there. tests/lib/unpack has what concerns containers, tests/policyd/analysis the sums.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lib/report/aggregate.h"
#include "tests/lib/mail/generated_mail.h"
#include "tests/lib/report/variations.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::ReadLines;
using testing_support::ReadWholeFile;

struct Sample {
  std::string name;
  std::string document;
};

// Without a time of receipt, which would move what is implausible.
ParsedAggregate ParseFirst(const std::string& document) {
  std::vector<ParsedAggregate> results = ParseAggregate(document, {}, {});
  EXPECT_FALSE(results.empty());
  return std::move(results.front());
}

// The reports of the corpus that are XML as they are, and well-formed.
std::vector<Sample> CorpusSamples(const std::string& root) {
  std::vector<Sample> samples;
  for (const std::string& line : ReadLines(root + "/expected.jsonl")) {
    const json want = json::parse(line);
    if (want["kind"] != "aggregate" || want["container"] != json::array({"xml"})) continue;
    const std::string file = want["file"];
    samples.push_back({file, ReadWholeFile(root + "/" + file)});
  }
  return samples;
}

int GeneratedReports() {
  const char* suite = std::getenv("DMARCATE_SUITE");
  return suite != nullptr && std::string_view(suite) == "properties" ? 10'000 : 500;
}

// Each report that the generator makes, one after the other.
void ForEachGenerated(const std::function<void(const Sample&)>& visit) {
  const testing_support::TempDir directory;
  GenerateReports(directory, GeneratedReports(),
                  {"--kind", "aggregate", "--format", "xml", "--rfc9990", "0.3", "--p99", "60"});
  const std::vector<std::string> files = FilesBelow(directory.File("xml"), ".xml");
  ASSERT_EQ(files.size(), static_cast<size_t>(GeneratedReports()));
  for (const std::string& file : files) {
    visit({std::filesystem::path(file).filename(), ReadWholeFile(file)});
    if (testing::Test::HasFatalFailure()) return;
  }
}

uint32_t SeedOf(const Sample& sample) {
  return static_cast<uint32_t>(std::hash<std::string>()(sample.name));
}

// The order in which unknown elements were met is no fact about the report.
AggregateReport Normal(AggregateReport report) {
  std::ranges::sort(report.extensions);
  return report;
}

std::vector<std::string> RepairsOf(const ParsedAggregate& parsed) {
  std::vector<std::string> out;
  for (const Repair& r : parsed.repairs) {
    out.push_back(fmt::format("{} {} [{}] [{}] {}", r.code, r.path, r.raw, r.chosen, r.material));
  }
  std::ranges::sort(out);
  return out;
}

void ExpectSame(const std::string& want_document, const std::string& got_document) {
  const ParsedAggregate want = ParseFirst(want_document);
  const ParsedAggregate got = ParseFirst(got_document);
  ASSERT_EQ(want.report.has_value(), got.report.has_value()) << got.detail;
  if (want.report.has_value()) {
    AggregateReport a = Normal(*want.report), b = Normal(*got.report);
    EXPECT_TRUE(a.xml_namespace.empty() || a.xml_namespace == b.xml_namespace);
    a.xml_namespace = b.xml_namespace;
    EXPECT_TRUE(a == b) << got_document.substr(0, 2000);
  }
  EXPECT_EQ(RepairsOf(want), RepairsOf(got));
}

void CheckOrder(const Sample& sample) {
  const std::optional<std::string> plain = Reprinted(sample.document);
  if (!plain.has_value()) return;  // not well-formed: no tree, no siblings
  ExpectSame(*plain, *Shuffled(sample.document, SeedOf(sample)));
}

void CheckPrefix(const Sample& sample) {
  const std::optional<std::string> plain = Reprinted(sample.document);
  const std::optional<std::string> prefixed =
      Prefixed(sample.document, "http://dmarc.org/dmarc-xml/0.1");
  if (plain.has_value() && prefixed.has_value()) ExpectSame(*plain, *prefixed);
}

// `cuts` places, spread over the document.
void CheckCuts(const Sample& sample, size_t cuts) {
  const ParsedAggregate whole = ParseFirst(sample.document);
  if (!whole.report.has_value()) return;
  const std::vector<AggregateRecord>& records = whole.report->records;
  std::mt19937 random(SeedOf(sample));
  for (size_t i = 0; i < cuts; ++i) {
    const size_t length = (sample.document.size() * i + random() % sample.document.size()) / cuts;
    for (const ParsedAggregate& got : ParseAggregate(sample.document.substr(0, length), {}, {})) {
      if (!got.report.has_value()) continue;
      ASSERT_LE(got.report->records.size(), records.size()) << "cut at " << length;
      ASSERT_LE(got.report->messages(), whole.report->messages()) << "cut at " << length;
    }
  }
}

// Begins of the start tags <record>, whatever their prefix.
std::vector<size_t> RecordStarts(std::string_view document) {
  std::vector<size_t> starts;
  for (size_t at = document.find("record"); at != std::string_view::npos;
       at = document.find("record", at + 1)) {
    const size_t open = document.rfind('<', at);
    const std::string_view name = document.substr(open + 1, at - open - 1);
    const char after = at + 6 < document.size() ? document[at + 6] : '\0';
    if (open != std::string_view::npos && (after == '>' || after == ' ' || after == '\n') &&
        (name.empty() || (name.ends_with(':') && name.find_first_of("/ <>") == name.npos))) {
      starts.push_back(open);
    }
  }
  return starts;
}

// Noise in one text after the other, `texts` of them. Counts how often the records could be
// compared.
void CheckNoise(const Sample& sample, int texts, int* compared) {
  const std::string& document = sample.document;
  const ParsedAggregate whole = ParseFirst(document);
  const std::vector<size_t> starts = RecordStarts(document);
  std::vector<size_t> ends;  // of start tags that a text follows
  for (size_t at = document.find('>'); at != std::string::npos; at = document.find('>', at + 1)) {
    const size_t next = document.find('<', at);
    if (next == std::string::npos || next + 1 >= document.size()) break;
    if (document[next + 1] == '/' && document[at - 1] != '/') ends.push_back(at);
  }
  if (ends.empty()) return;
  std::mt19937 random(SeedOf(sample));
  for (int i = 0; i < texts; ++i) {
    const size_t begin = ends[random() % ends.size()] + 1;
    const std::string changed =
        document.substr(0, begin) + Noise(random) + document.substr(document.find('<', begin));
    const ParsedAggregate got = ParseFirst(changed);  // never a crash
    const auto in = static_cast<size_t>(
        std::ranges::count_if(starts, [begin](size_t start) { return start < begin; }));
    if (!whole.report.has_value() || starts.size() != whole.report->records.size() || in == 0) {
      continue;  // in the frame
    }
    ASSERT_TRUE(got.report.has_value()) << got.detail << "\n" << changed.substr(0, 3000);
    const std::vector<AggregateRecord>& want = whole.report->records;
    ASSERT_LE(got.report->records.size(), want.size());
    auto at = got.report->records.begin();
    for (size_t k = 0; k < want.size(); ++k) {
      if (k + 1 == in) continue;
      at = std::find(at, got.report->records.end(), want[k]);
      ASSERT_NE(at, got.report->records.end())
          << "record " << k + 1 << " is gone; noise in " << in << ":\n"
          << changed.substr(starts[in - 1], 1500);
      ++at;
    }
    ++*compared;
  }
}

class CorpusProperties : public testing::Test {
 protected:
  void ForEach(const std::function<void(const Sample&)>& check, size_t at_least) {
    DMARCATE_CORPUS_OR_SKIP(root, "reports");
    const std::vector<Sample> samples = CorpusSamples(root);
    EXPECT_GT(samples.size(), at_least);
    for (const Sample& sample : samples) {
      SCOPED_TRACE(sample.name);
      check(sample);
      if (HasFatalFailure()) return;
    }
  }
};

TEST_F(CorpusProperties, SiblingsMayStandInAnyOrder) { ForEach(CheckOrder, 400); }
TEST_F(CorpusProperties, PrefixAndNamespaceChangeNothingElse) { ForEach(CheckPrefix, 400); }
TEST_F(CorpusProperties, CuttingNeverGivesMore) {
  ForEach([](const Sample& sample) { CheckCuts(sample, 60); }, 400);
}
TEST_F(CorpusProperties, OneBadTextSpoilsOneRecordAtMost) {
  int compared = 0;
  ForEach([&](const Sample& sample) { CheckNoise(sample, 30, &compared); }, 400);
  if (!IsSkipped()) {
    EXPECT_GT(compared, 5'000);
  }
}

TEST(GeneratedProperties, HoldForEach) {
  if (!HaveReportGenerator()) GTEST_SKIP() << "no generator here";
  int compared = 0;
  ForEachGenerated([&](const Sample& sample) {
    SCOPED_TRACE(sample.name);
    CheckOrder(sample);
    CheckPrefix(sample);
    CheckCuts(sample, 2);
    CheckNoise(sample, 2, &compared);
  });
  EXPECT_GT(compared, GeneratedReports());
}

}  // namespace
}  // namespace dmarcate
