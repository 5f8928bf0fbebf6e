// The public sample reports of ../shared/corpora/reports against figures worked out by other
// readers (SOURCES.md there explains the fields). Runs where the corpora are.

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "nlohmann/json.hpp"
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using nlohmann::json;
using testing_support::ReadLines;
using testing_support::ReadWholeFile;

// Where we read something else than the corpus's reader, and why that is right.
struct Difference {
  std::string_view file;
  std::string_view field;
  std::string_view why;
};
constexpr std::array<Difference, 3> kArgued = {{
    {"mail-auth/dmarc-feedback/005.xml", "begin",
     "100..200 are seconds of 1970: implausible, placed at the time of receipt (R17)"},
    {"mail-auth/dmarc-feedback/005.xml", "end", "as begin"},
    {"parsedmarc/aggregate/!example.com!1538204542!1538463818.xml", "org_name",
     "empty in the report: the domain of its email stands in, marked org_missing (R2)"},
}};

bool IsArgued(const std::string& file, std::string_view field) {
  return std::ranges::any_of(kArgued, [&](const Difference& difference) {
    return difference.file == file && difference.field == field;
  });
}

std::vector<json> Expectations(const std::string& root) {
  std::vector<json> out;
  for (const std::string& line : ReadLines(root + "/expected.jsonl")) {
    out.push_back(json::parse(line));
  }
  return out;
}

Unpacked UnpackFile(const std::string& root, const std::string& file) {
  UnpackHints hints;
  hints.file_name = std::filesystem::path(file).filename().string();
  hints.received_time = absl::FromUnixSeconds(1796083200);  // 2026-12-01: after every sample
  return Unpack(ReadWholeFile(root + "/" + file), hints, {});
}

std::string Lines(const Unpacked& unpacked) {
  std::string out;
  for (const UnpackedReport& report : unpacked.reports) {
    out += "\n  " + ToLine(report) + " " + report.detail;
    for (const Repair& r : report.repairs) {
      out += fmt::format("\n    {} at {}: '{}' -> '{}'{}", r.code, r.path, r.raw, r.chosen,
                         r.material ? " (material)" : "");
    }
  }
  return out;
}

bool HasReport(const UnpackedReport& report) {
  return report.aggregate || report.tls || report.failure;
}

std::string TextOf(const json& value) { return value.is_string() ? value.get<std::string>() : ""; }

class Comparison {
 public:
  Comparison(std::string file, const Unpacked& got) : file_(std::move(file)), got_(got) {}
  template <typename T>
  void Check(std::string_view field, const T& got, const T& want) {
    if (got == want) {
      EXPECT_FALSE(IsArgued(file_, field)) << file_ << ": " << field << " needs no argument";
    } else if (!IsArgued(file_, field)) {
      ADD_FAILURE() << file_ << ": " << field << ": got '" << got << "', want '" << want << "'"
                    << Lines(got_);
    }
  }

 private:
  std::string file_;
  const Unpacked& got_;
};

TEST(Corpus, EveryFileReadsAsItsExpectation) {
  DMARCATE_CORPUS_OR_SKIP(root, "reports");
  for (const json& want : Expectations(root)) {
    const std::string file = want["file"];
    const std::string kind = want["kind"];
    const Unpacked got = UnpackFile(root, file);
    ASSERT_FALSE(got.reports.empty()) << file;
    Comparison compare(file, got);
    if (kind == "invalid") {
      // It may be salvaged, but only with the doubt kept visible.
      for (const UnpackedReport& report : got.reports) {
        const bool doubt =
            !HasReport(report) || report.outcome == Outcome::kAcceptedMaterial ||
            (report.outcome == Outcome::kAcceptedCosmetic && !report.repairs.empty());
        EXPECT_TRUE(doubt) << file << Lines(got);
      }
      continue;
    }
    std::vector<const UnpackedReport*> found;
    for (const UnpackedReport& report : got.reports) {
      if (HasReport(report)) found.push_back(&report);
    }
    if (found.size() != 1) {
      ADD_FAILURE() << file << ": " << found.size() << " reports" << Lines(got);
      continue;
    }
    const UnpackedReport& report = *found[0];
    compare.Check("kind", std::string(NameOf(report.kind)), kind == "tlsrpt" ? "tls" : kind);
    if (report.aggregate) {
      const AggregateReport& a = *report.aggregate;
      compare.Check("org_name", a.metadata.org_name, TextOf(want["org_name"]));
      compare.Check("report_id", a.metadata.report_id, TextOf(want["report_id"]));
      compare.Check("begin", a.metadata.begin, want["begin"].get<int64_t>());
      compare.Check("end", a.metadata.end, want["end"].get<int64_t>());
      compare.Check("domain", a.policy.domain, TextOf(want["domain"]));
      compare.Check("p", a.policy.p_raw, TextOf(want["p"]));
      compare.Check("records", a.records.size(), want["records"].get<size_t>());
      compare.Check("messages", a.messages(), want["messages"].get<uint64_t>());
      uint64_t passed = 0;
      for (const AggregateRecord& record : a.records) {
        if (record.dmarc_pass()) passed += record.count;
      }
      compare.Check("dmarc_pass_messages", passed, want["dmarc_pass_messages"].get<uint64_t>());
    } else if (report.tls) {
      const TlsReport& t = *report.tls;
      uint64_t sessions = 0;
      for (const auto& policy : t.policies) {
        sessions += policy.successful_sessions + policy.failed_sessions;
      }
      compare.Check("org_name", t.organization_name, TextOf(want["org_name"]));
      compare.Check("report_id", t.report_id, TextOf(want["report_id"]));
      compare.Check("begin", t.begin, want["begin"].get<int64_t>());
      compare.Check("end", t.end, want["end"].get<int64_t>());
      compare.Check("records", t.policies.size(), want["records"].get<size_t>());
      compare.Check("messages", sessions, want["messages"].get<uint64_t>());
    } else {
      compare.Check("domain", report.failure->reported_domain, TextOf(want["domain"]));
      compare.Check("messages", report.failure->incidents, want["messages"].get<uint64_t>());
      compare.Check("source_ip", report.failure->source_ip, TextOf(want["source_ip"]));
    }
  }
}

// What the report says, without how it came.
std::string Said(const Unpacked& unpacked) {
  std::string out;
  for (const UnpackedReport& report : unpacked.reports) {
    if (!HasReport(report)) continue;
    out += ToHex(report.document_sha256) + " ";
    if (report.aggregate) {
      const AggregateReport& a = *report.aggregate;
      out += fmt::format("{} {} {} {} {} {};", a.metadata.report_id, a.metadata.begin,
                         a.metadata.end, a.policy.domain, a.records.size(), a.messages());
    }
    if (report.tls)
      out += fmt::format("{} {};", report.tls->report_id, report.tls->policies.size());
    if (report.failure) out += fmt::format("{};", report.failure->reported_domain);
  }
  return out;
}

// Round trip of section 19: gzip, zip or plain, with any label, the same report.
void ExpectAnyWrappingGivesTheSame(const std::string& name, const std::string& bytes) {
  UnpackHints hints;
  hints.received_time = absl::FromUnixSeconds(1796083200);
  const Unpacked plain = Unpack(bytes, hints, {});
  const std::string want = Said(plain);
  for (const std::string& packed : {bytes, GzipOf(bytes), ZipOf({{"any name", bytes}})}) {
    EXPECT_EQ(Said(Unpack(packed, hints, {})), want) << name;
    for (const std::string_view type :
         {"application/gzip", "application/zip", "text/xml", "application/octet-stream",
          "application-x-gzip", "application/tlsrpt+json"}) {
      for (const std::string_view file : {"report.xml.gz", "report.zip", "report.xml", "aol com"}) {
        EXPECT_EQ(Said(Unpack(MixedMail({Base64Part(type, file, packed)}), hints, {})), want)
            << name << " as " << type << " " << file;
      }
    }
  }
}

TEST(Corpus, AnyWrappingAndAnyLabelGiveTheSame) {
  DMARCATE_CORPUS_OR_SKIP(root, "reports");
  int checked = 0;
  for (const json& want : Expectations(root)) {
    const std::string file = want["file"];
    const std::string bytes = ReadWholeFile(root + "/" + file);
    const Unpacked got = UnpackFile(root, file);
    // As a document: what is no mail and stands in no archive of its own.
    if (got.carrier.is_mail || got.reports.size() != 1 || !HasReport(got.reports[0]) ||
        got.reports[0].container.size() != 1 || bytes.size() > 100'000) {
      continue;
    }
    ExpectAnyWrappingGivesTheSame(file, bytes);
    ++checked;
  }
  EXPECT_GT(checked, 400);
}

TEST(Corpus, CuttingAFileNeverGivesMore) {
  DMARCATE_CORPUS_OR_SKIP(root, "reports");
  int checked = 0;
  for (const json& want : Expectations(root)) {
    if (want["kind"] != "aggregate" || want["records"] == 0 || want["size"] > 3000) continue;
    if (++checked % 25 != 0) continue;  // a sample: every cut of every file would take minutes
    const std::string file = want["file"];
    const std::string bytes = ReadWholeFile(root + "/" + file);
    for (size_t length = 0; length < bytes.size(); length += 7) {
      for (const UnpackedReport& report : Unpack(bytes.substr(0, length), {}, {}).reports) {
        if (!report.aggregate) continue;
        EXPECT_LE(report.aggregate->records.size(), want["records"].get<size_t>())
            << file << " cut at " << length;
      }
    }
  }
}

}  // namespace
}  // namespace dmarcate
