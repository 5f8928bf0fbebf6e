// Time grows with the size of the input and no faster (safety.md 3 A: algorithmic complexity;
// MIME). One input of ten times the size may take 2.2 times as long as ten of the size; an
// algorithm that looks at everything again for each piece takes ten times. Limits that would end
// the reading early are far away here.

#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/cost.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

constexpr double kMaxRatio = 2.2;
constexpr int kFactor = 10;
constexpr int kTries = 6;  // of which the best counts, for each size

struct Shape {
  std::string name;
  std::function<std::string(size_t bytes)> make;
  size_t bytes = 150'000;  // of the small one
};

// `piece` again and again; a '#' in it becomes a number, so that each is another.
std::string Numbered(std::string_view piece, size_t bytes) {
  std::string out;
  out.reserve(bytes + piece.size() + 16);
  const size_t mark = piece.find('#');
  for (int i = 0; out.size() < bytes; ++i) {
    out += piece.substr(0, mark);
    if (mark == std::string_view::npos) continue;
    out += std::to_string(i);
    out += piece.substr(mark + 1);
  }
  return out;
}

std::string Report(std::string_view records) {
  const std::string xml = SampleXml();
  return xml.substr(0, xml.find("  <record>")) + std::string(records) + "</feedback>\n";
}

Shape Records(std::string name, std::string piece) {
  return {std::move(name),
          [piece = std::move(piece)](size_t bytes) { return Report(Numbered(piece, bytes)); }};
}

Shape Body(std::string name, std::string fields, std::string piece) {
  return {std::move(name), [=](size_t bytes) { return LeafMail(fields, Numbered(piece, bytes)); }};
}

Shape Json(std::string name, std::string piece) {
  return {std::move(name), [=](size_t bytes) {
            std::string json = SampleTlsJson();
            return json.insert(json.find("\"summary\""), Numbered(piece, bytes));
          }};
}

std::vector<Shape> Shapes() {
  const std::string multipart = "Content-Type: multipart/mixed; boundary=b";
  const std::string text = "Content-Type: text/xml\nContent-Transfer-Encoding: ";
  const std::string good =
      "<record><row><source_ip>2001:db8::#</source_ip><count>1</count><policy_evaluated>"
      "<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>"
      "<identifiers><header_from>example.com</header_from></identifiers><auth_results><dkim>"
      "<domain>example.com</domain><result>pass</result></dkim></auth_results></record>\n";
  std::string new_domains = good;
  new_domains.replace(new_domains.find("<header_from>") + 13, 0, "host-number-#.");
  new_domains.erase(new_domains.find("::#") + 2, 1);
  std::string idn = new_domains;
  idn.replace(idn.find("host-number-"), 12, "b\u00fccher-\u4e2d\u6587-");
  std::string labels = new_domains;
  labels.replace(labels.find("host-number-#."), 14, Numbered("a.", 200));
  // Records of nothing would compare memory that fits into a cache with memory that does not.
  const std::string padding(150, ' ');
  return {
      {"MailOfManyParts",
       [=](size_t bytes) { return LeafMail(multipart, Numbered("--b\nA: b\n\nx\n", bytes)); }},
      Body("MailOfNearMisses", multipart, "--bb\n"),
      Body("MailOfDashes", multipart, "-"),
      {"HeaderOfManyFields", [](size_t bytes) { return Numbered("A#: b\n", bytes) + "\nx"; },
       20'000},
      {"HeaderOfParameters",
       [](size_t bytes) {
         return LeafMail("Content-Type: application/gzip" + Numbered("\n ;n*#*=x''y", bytes), "x");
       },
       20'000},
      {"HeaderOfEncodedWords",
       [](size_t bytes) { return "Subject: " + Numbered("=?utf-8?q?=41?= ", bytes) + "\n\nx"; },
       20'000},
      {"HeaderOfAddresses",
       [](size_t bytes) { return "From: " + Numbered("(a<b@c.example>,;", bytes) + "\n\nx"; },
       20'000},
      Body("Base64WithPadding", text + "base64", "AA==\n"),
      Body("Base64Noise", text + "base64", "!?"),
      Body("QuotedPrintable", text + "quoted-printable", "=4=\n"),
      Body("Uuencode", text + "x-uuencode", "begin 644 a\n"),
      Records("RecordsThatAreWhole", good),
      Records("RecordsOfNewDomains", new_domains),
      Records("RecordsOfNewIdns", idn),
      Records("RecordsOfManyLabels", labels),
      Records("RecordsThatStayOpen", "<record><row>"),
      Records("RecordsInUpperCase", "<RECORD>" + padding + "</RECORD>"),
      Records("RecordsHalfCommented", "<record><!--</record>"),
      Records("NestedElements", "<a#>"),
      Records("EndTags", "</a>"),
      Records("Angles", "<"),
      Records("Ampersands", "&"),
      Records("Comments", "<!---->"),
      Records("UnknownElements", "<x#/>"),
      Records("Attributes", "<record a='#" + padding + "'/>"),
      Records("OpenSections", "<![CDATA["),
      Records("OctetsWithoutMeaning", "\xFF"),
      Records("Roots", "</feedback><feedback>"),
      Records("Doctypes", "<!DOCTYPE ["),
      Json("JsonOfManyMembers", "\"a#\":1,"),
      Json("JsonOfFailures", "\"failure-details\":[{\"result-type\":\"x\"}],"),
      Json("JsonOfArrays", "\"x\":[],"),
      Json("JsonOfEscapes", "\\u0041"),
      {"JsonOfOneString",
       [](size_t bytes) {
         std::string json = SampleTlsJson();
         return json.insert(json.find("t-1"), Numbered("\\n", bytes));
       }},
      {"FeedbackFields",
       [](size_t bytes) { return SampleFeedback() + Numbered("A-#: b\n", bytes); }},
      {"FeedbackComments",
       [](size_t bytes) { return SampleFeedback() + "Reported-Domain: " + Numbered("(", bytes); }},
      {"GzipMembers", [](size_t bytes) { return Numbered(GzipOf(std::string(40, 'x')), bytes); }},
      {"Mailbox", [](size_t bytes) { return Numbered("From a\nA: b\n\nx\n\n", bytes); }},
  };
}

UnpackLimits WideLimits() {
  UnpackLimits limits;
  limits.mime_parts = 1 << 20;
  limits.items = 1 << 20;
  limits.ratio = 1 << 20;
  limits.aggregate.model_free_bytes = 1 << 30;
  return limits;
}

// Of this process, without what the kernel does for it.
double UserSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec) / 1e6;
}

double SecondsOf(const std::string& input, int times) {
  const UnpackLimits limits = WideLimits();
  const double before = UserSeconds();
  for (int i = 0; i < times; ++i) Unpack(input, {}, limits);
  return UserSeconds() - before;
}

// Memory stays with the process while a test runs: to get it anew takes time by what the allocator
// kept of the input before, and for a small input ten times over that is all or nothing.
class HostileLinearTest : public testing::TestWithParam<Shape> {
 protected:
  HostileLinearTest() {
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
  }
  ~HostileLinearTest() override {
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    malloc_trim(0);
  }
};

TEST_P(HostileLinearTest, TenTimesTheSize) {
  const std::string small = GetParam().make(GetParam().bytes);
  const std::string large = GetParam().make(GetParam().bytes * kFactor);
  ASSERT_GT(large.size(), small.size() * (kFactor - 1));
  double of_small = SecondsOf(small, kFactor);
  double of_large = SecondsOf(large, 1);
  constexpr double kTooShort = 0.002;  // the clock's own grain, and a first touch of memory
  for (int i = 1; i < kTries && of_large > kMaxRatio * of_small + kTooShort; ++i) {
    of_small = std::min(of_small, SecondsOf(small, kFactor));
    of_large = std::min(of_large, SecondsOf(large, 1));
  }
  fmt::print("{}: {:.4f} s and {:.4f} s\n", GetParam().name, of_small, of_large);
  EXPECT_LE(of_large, kMaxRatio * of_small + kTooShort);
}

INSTANTIATE_TEST_SUITE_P(All, HostileLinearTest, testing::ValuesIn(Shapes()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dmarcate
