// What attackers send (safety.md, section 3 A). Each input is unpacked in a forked child, whose
// peak memory above its own beginning and whose time are measured. It must end with a reason,
// within 64 MiB and within a second of processor time (more where the test build is slower than a
// release).

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DMARCATE_SANITIZED 1  // shadow memory and quarantine are not ours
#else
#define DMARCATE_SANITIZED 0
#endif

namespace dmarcate {
namespace {

constexpr int64_t kMaxGrowthKib = 64 * 1024;
constexpr double kMaxCpuSeconds = 1.0;

// A line of /proc/self/status, in KiB: "VmHWM", "VmRSS".
int64_t StatusKib(std::string_view key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return std::stoll(line.substr(key.size() + 1));
  }
  return -1;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct Measured {
  std::vector<std::string> lines;
  int64_t growth_kib = 0;
  double cpu_seconds = 0;
};

// Unpacks `input` in a child process. The input is the child's before the measuring begins: it is
// what the daemon has received already.
Measured UnpackInChild(const std::string& input) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::string own = input;
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak counts from here
    const int64_t before = StatusKib("VmRSS:");
    const double cpu_before = CpuSeconds();
    const std::vector<std::string> lines = UnpackLines(std::move(own));
    std::string out =
        fmt::format("{} {}\n", StatusKib("VmHWM:") - before, CpuSeconds() - cpu_before);
    for (const std::string& line : lines) out += line + "\n";
    for (size_t at = 0; at < out.size();) {
      const ssize_t written = write(ends[1], out.data() + at, out.size() - at);
      if (written <= 0) _exit(2);
      at += static_cast<size_t>(written);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child died: " << status;

  Measured measured;
  std::istringstream in(text);
  in >> measured.growth_kib >> measured.cpu_seconds;
  in.ignore();
  for (std::string line; std::getline(in, line);) measured.lines.push_back(line);
  return measured;
}

struct Case {
  std::string name;
  std::function<std::string()> make;  // when needed: the inputs are large
  std::string want;                   // what some line contains
};

std::string Multiparts(int depth) {
  std::string mail = "From: a@b.example\n";
  for (int i = 0; i < depth; ++i) {
    mail += fmt::format("Content-Type: multipart/mixed; boundary=b{}\n\n--b{}\n", i, i);
  }
  return mail + "\nbottom\n";
}

std::string Repeated(std::string_view piece, size_t bytes) {
  std::string out;
  out.reserve(bytes + piece.size());
  while (out.size() < bytes) out += piece;
  return out;
}

// Bytes that do not compress.
std::string Noise(size_t bytes) {
  std::string out;
  uint64_t state = 88172645463325252;
  while (out.size() < bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    out.push_back(static_cast<char>(state));
  }
  return out;
}

std::string Laughs() {
  std::string xml = "<?xml version=\"1.0\"?>\n<!DOCTYPE feedback [\n<!ENTITY a \"lol\">\n";
  for (char c = 'b'; c < 'l'; ++c) {
    xml += fmt::format("<!ENTITY {} \"{}\">\n", c,
                       Repeated(fmt::format("&{};", static_cast<char>(c - 1)), 28));
  }
  const std::string sample = SampleXml();
  std::string rest = sample.substr(sample.find("<feedback"));
  const size_t org = rest.find("Reporter<");
  return xml + "]>\n" + rest.replace(org, 8, "&k;");
}

// A gzip of a gzip ... around a small text, deeper than is opened.
std::string NestedGzip(int depth) {
  std::string data = SampleXml();
  for (int i = 0; i < depth; ++i) data = GzipOf(data);
  return data;
}

// Every member is the archive one layer further in: 8 branches, 6 layers.
std::string NestedZip(int depth) {
  std::string data = ZipOf({{"a.xml", SampleXml()}});
  for (int i = 0; i < depth; ++i) {
    std::vector<ZipEntry> entries;
    for (int n = 0; n < 8; ++n) entries.push_back({fmt::format("{}.zip", n), data});
    data = ZipOf(entries);
  }
  return data;
}

std::vector<Case> Cases() {
  return {
      {"GzipBombOf1GiB", [] { return GzipOfZeros(uint64_t{1} << 30); }, "ratio_too_high"},
      {"GzipBombInMail",
       [] {
         return MixedMail({Base64Part("application/gzip", "a.gz", GzipOfZeros(uint64_t{1} << 30))});
       },
       "ratio_too_high"},
      {"GzipBombInGzip", [] { return GzipOf(GzipOfZeros(uint64_t{1} << 30)); }, "ratio_too_high"},
      {"GzipBombOfManyMembers",
       [] {
         const std::string member = GzipOfZeros(1 << 20);
         return Repeated(member, 4 << 20);
       },
       "ratio_too_high"},
      {"EightBombsInOneMail",
       [] {
         const std::string bomb = GzipOfZeros(64 << 20);
         return MixedMail(
             std::vector<std::string>(8, Base64Part("application/gzip", "a.gz", bomb)));
       },
       "ratio_too_high"},
      {"ZipBomb", [] { return ZipOf({{"a.xml", std::string(64 << 20, '\0')}}); }, "ratio_too_high"},
      {"ZipBombThatLies",
       [] {
         return ZipOf(
             {{.name = "a.xml", .data = std::string(64 << 20, '\0'), .claimed_size = 100}});
       },
       "ratio_too_high"},
      {"ZipThatOverlaps",
       [] {
         return ZipOf(std::vector<ZipEntry>(8, {"a.xml", std::string(1 << 20, 'x')}),
                      {.overlap = true});
       },
       "zip_overlap"},
      {"ZipOfZips", [] { return NestedZip(5); }, "archive_too_deep"},
      {"GzipTwentyDeep", [] { return NestedGzip(20); }, "archive_too_deep"},
      {"ZipOfManyMembers", [] { return ZipOf(std::vector<ZipEntry>(1000, {"a.txt", "x"})); },
       "too_many_members"},
      {"ZipOfHundredThousandMembers",
       [] { return ZipOf(std::vector<ZipEntry>(60'000, {"a", "", false})); },
       "zip_directory_too_large"},
      {"GzipBombBehindNoise",  // the ratio never shows: only the absolute limit helps
       [] { return GzipOf(Noise(9 << 20) + std::string(120 << 20, '\0')); }, "inflated_too_large"},
      {"ZipBombBehindNoise",
       [] { return ZipOf({{"a.xml", Noise(9 << 20) + std::string(120 << 20, '\0')}}); },
       "inflated_too_large"},
      {"BillionLaughs", Laughs, "doctype_entities"},
      {"ExternalEntity",
       [] {
         const std::string sample = SampleXml();
         return "<!DOCTYPE feedback [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" +
                sample.substr(sample.find("<feedback"));
       },
       "doctype_entities"},
      {"XmlHundredThousandDeep", [] { return "<feedback>" + Repeated("<a>", 300'000); },
       "unknown\naggregate"},
      {"XmlOfOneHugeText",
       [] {
         std::string xml = SampleXml();
         return xml.insert(xml.find("Reporter<"), std::string(8 << 20, 'x'));
       },
       "aggregate"},
      {"XmlOfManyAttributes", [] { return "<feedback " + Repeated("a=\"b\" ", 4 << 20) + ">"; },
       "unknown\naggregate"},
      {"JsonHundredThousandDeep", [] { return Repeated("{\"policies\":", 1'200'000); }, "json_"},
      {"MimeHundredThousandDeep", [] { return Multiparts(100'000); }, "mime_too_deep"},
      {"MessagesHundredThousandDeep",
       [] { return Repeated("Content-Type: message/rfc822\n\n", 3'000'000); },
       "too_many_enclosed_messages"},
      {"FiveMillionParts",
       [] {
         return "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n" +
                Repeated("--b\n\n", 25'000'000);
       },
       "too_many_parts"},
      {"HeaderFlood", [] { return "From: a@b.example\n" + Repeated("A: b\n", 25'000'000); },
       "header_too_large"},
      {"OneHugeHeader",
       [] { return "From: a@b.example\nX: " + std::string(25'000'000, 'x') + "\n\n"; },
       "header_too_large"},
      {"ParameterFlood",
       [] {
         return "From: a@b.example\nContent-Type: application/gzip" +
                Repeated("\n ;n*1*=x''y", 200'000) + "\n\n";
       },
       "empty_payload"},
      {"NearMissBoundaries",
       [] {
         return "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" +
                Repeated("--bb\n", 25'000'000);
       },
       "not_a_report"},
      {"MboxOfManyEmptyMessages", [] { return Repeated("From a\nA: b\n\n", 25'000'000); },
       "too_many_messages"},
      {"MboxOfManyRefusals",
       [] { return Repeated("From a\nContent-Type: x/y\n\nunused\n\n", 25'000'000); },
       "too_many_items"},
      {"ManyRoots", [] { return Repeated("<feedback></feedback>", 25'000'000); },
       "unknown\naggregate"},
      {"ManyRootsWithADomain",
       [] {
         return Repeated(
             "<feedback><policy_published><domain>a.example</domain>"
             "</policy_published></feedback>",
             25'000'000);
       },
       "unknown\naggregate"},
      {"Base64PaddedEverywhere",
       [] {
         return LeafMail("Content-Type: application/gzip\nContent-Transfer-Encoding: base64",
                         Repeated("AA==", 24'000'000));
       },
       "empty_payload"},
      {"Base64PaddedEverywhereBeforeAFooter",
       [] {
         return LeafMail("Content-Type: application/gzip\nContent-Transfer-Encoding: base64",
                         Repeated("AA==\n", 24'000'000) + "--");
       },
       "empty_payload"},
      {"AllDashes",
       [] {
         return "Content-Type: multipart/mixed; boundary=b\n\n" + std::string(25'000'000, '-');
       },
       "not_a_report"},
      {"AllAngles", [] { return std::string(25'000'000, '<'); }, "unknown\naggregate"},
  };
}

class HostileTest : public testing::TestWithParam<Case> {};

TEST_P(HostileTest, Case) {
  const Measured got = UnpackInChild(GetParam().make());
  ASSERT_FALSE(got.lines.empty());
  // `want` holds alternatives, one a line.
  std::istringstream wants(GetParam().want);
  bool found = false;
  for (std::string want; std::getline(wants, want);) {
    found = found || std::ranges::any_of(got.lines, [&](const std::string& line) {
              return line.find(want) != std::string::npos;
            });
  }
  EXPECT_TRUE(found) << got.lines[0];
  for (const std::string& line : got.lines) {
    EXPECT_EQ(line.find("accepted ["), std::string::npos) << line;
  }
  fmt::print("{}: {} KiB, {:.3f} s: {}\n", GetParam().name, got.growth_kib, got.cpu_seconds,
             got.lines[0].substr(0, 160));
  if (DMARCATE_SANITIZED == 0) {
    EXPECT_LT(got.growth_kib, kMaxGrowthKib);
    EXPECT_LT(got.cpu_seconds, kMaxCpuSeconds);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

// The hostile part is a report with a valid frame, which the parser has to take in before it can
// tell. What it takes is bounded by AggregateLimits::model_bytes, by twice that while vectors grow.
constexpr int64_t kMaxModelGrowthKib = 2 * 128 * 1024 + kMaxGrowthKib;
constexpr double kMaxModelCpuSeconds = 4.0;

// SampleXml() with `records` instead of its record.
std::string ReportOf(std::string_view records, std::string_view report_id = "r-1") {
  const std::string xml = SampleXml(report_id);
  return xml.substr(0, xml.find("  <record>")) + std::string(records) + "</feedback>\n";
}

std::string RecordOf(std::string_view identifiers, std::string_view auth_results, size_t rows) {
  return fmt::format(
      "<record>{}<identifiers><header_from>example.com</header_from>{}</identifiers>"
      "<auth_results>{}</auth_results></record>",
      Repeated("<row/>", rows * 6), identifiers, auth_results);
}

std::vector<Case> ModelCases() {
  return {
      {"RowsThatRepeatManySignatures",
       [] {
         const std::string dkim = fmt::format(
             "<dkim><domain>example.com</domain><result>pass</result><human_result>{}"
             "</human_result></dkim>",
             std::string(60, 'x'));
         return ReportOf(RecordOf("", Repeated(dkim, 1 << 20), 100'000));
       },
       "rows_capped"},
      {"RowsThatRepeatLongSignatures",
       [] {
         const std::string dkim = fmt::format(
             "<dkim><domain>example.com</domain><result>pass</result><human_result>{}"
             "</human_result></dkim>",
             std::string(4096, 'x'));
         return ReportOf(Repeated(RecordOf("", Repeated(dkim, 1 << 20), 100), 8 << 20));
       },
       "over_limit model_too_large"},
      {"RowsThatRepeatALongAddress",
       [] {
         const std::string from =
             fmt::format("<envelope_from>{}</envelope_from>", std::string(4096, 'x'));
         return ReportOf(Repeated(RecordOf(from, "", 200), 8 << 20));
       },
       "over_limit model_too_large"},
      {"RecordsInManyRoots",
       [] {
         std::string xml;
         for (int i = 0; i < 60; ++i) {
           xml += ReportOf(Repeated("<record/>", 400'000), fmt::format("r-{}", i));
         }
         return xml;
       },
       "over_limit too_many_records"},
      {"RecordsInManyParts",
       [] {
         std::vector<std::string> parts;
         for (int i = 0; i < 6; ++i) {
           parts.push_back("Content-Type: text/xml; name=a.xml\n\n" +
                           ReportOf(Repeated("<record/>", 4'000'000), fmt::format("r-{}", i)));
         }
         return MixedMail(parts);
       },
       "over_limit too_many_records"},
      {"TlsReportsInManyParts",
       [] {
         std::vector<std::string> parts;
         for (int i = 0; i < 12; ++i) {
           std::string json = SampleTlsJson();
           json.replace(json.find("t-1"), 3, fmt::format("t-{}", i));
           json.insert(json.find("\"summary\""),
                       "\"failure-details\": [" + Repeated("{},", 290'000) + "{}], ");
           parts.push_back("Content-Type: application/tlsrpt+json\n\n" + json);
         }
         return MixedMail(parts);
       },
       "over_limit model_too_large"},
  };
}

class HostileReportTest : public testing::TestWithParam<Case> {};

TEST_P(HostileReportTest, Case) {
  const Measured got = UnpackInChild(GetParam().make());
  ASSERT_FALSE(got.lines.empty());
  EXPECT_TRUE(std::ranges::any_of(got.lines, [](const std::string& line) {
    return line.find(GetParam().want) != std::string::npos;
  })) << got.lines.back();
  fmt::print("{}: {} KiB, {:.3f} s: {}\n", GetParam().name, got.growth_kib, got.cpu_seconds,
             got.lines.back().substr(0, 160));
  if (DMARCATE_SANITIZED == 0) {
    EXPECT_LT(got.growth_kib, kMaxModelGrowthKib);
    EXPECT_LT(got.cpu_seconds, kMaxModelCpuSeconds);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileReportTest, testing::ValuesIn(ModelCases()),
                         [](const auto& test) { return test.param.name; });

// A file cut anywhere is never a clean report and never more than the whole.
TEST(Hostile, TruncatedAtEveryByte) {
  const std::string xml = SampleXml();
  const size_t root_end = xml.rfind('>') + 1;
  for (const std::string& whole :
       {xml, GzipOf(xml), ZipOf({{"a.xml", xml}}), SampleTlsJson(),
        LeafMail("Content-Type: application/gzip\nContent-Transfer-Encoding: base64",
                 Base64Lines(GzipOf(xml)))}) {
    for (size_t length = 0; length < whole.size(); ++length) {
      if (whole == xml && length >= root_end) continue;  // only blanks are gone
      const Unpacked got = Unpack(whole.substr(0, length), {}, {});
      ASSERT_FALSE(got.reports.empty());
      for (const UnpackedReport& report : got.reports) {
        EXPECT_LE(report.aggregate ? report.aggregate->records.size() : 0, 1u);
        if (whole.starts_with("From") && length + 5 > whole.size())
          continue;  // only padding is gone
        EXPECT_NE(report.outcome, Outcome::kAccepted)
            << length << " of " << whole.size() << ": " << ToLine(report);
        const bool has_report = report.aggregate || report.tls || report.failure;
        EXPECT_TRUE(has_report || !report.reason.empty()) << ToLine(report);
      }
    }
  }
}

}  // namespace
}  // namespace dmarcate
