// What attackers send (safety.md, section 3 A). Each input is unpacked in a forked child, whose
// peak memory above its own beginning and whose time are measured. It must end with a reason,
// within 64 MiB; what is refused within a quarter of a second of processor time, what has to be
// read up to a limit within a second.

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

#include "lib/unpack/redact_failure_mail.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DMARCATE_SANITIZED 1  // shadow memory and quarantine are not ours
#else
#define DMARCATE_SANITIZED 0
#endif

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

constexpr int64_t kMaxGrowthKib = 64 * 1024;
constexpr double kRefusedCpuSeconds = 0.25;
constexpr double kReadCpuSeconds = 1.0;
constexpr int kTries = 3;  // others on the machine make the same work longer, never shorter

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
Measured UnpackInChild(const std::string& input, bool handed_in) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    std::string own = input;
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak counts from here
    const int64_t before = StatusKib("VmRSS:");
    const double cpu_before = CpuSeconds();
    const std::vector<std::string> lines = UnpackLines(std::move(own), "", {}, handed_in);
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

// What the input may cost.
enum class Cost : uint8_t {
  kRefused,
  kRead,  // it is taken in up to a limit before anybody can tell
};

// The cheapest of some tries, or the first that is within the bounds.
Measured UnpackWithin(const std::string& input, bool handed_in, double cpu_seconds) {
  Measured best = UnpackInChild(input, handed_in);
  for (int i = 1; i < kTries && best.cpu_seconds >= cpu_seconds; ++i) {
    const Measured again = UnpackInChild(input, handed_in);
    if (again.cpu_seconds < best.cpu_seconds) best = again;
  }
  return best;
}

struct Case {
  std::string name;
  std::function<std::string()> make;  // when needed: the inputs are large
  std::string want;                   // what some line contains
  Cost cost = Cost::kRefused;
  bool handed_in = false;
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

// Each could begin a tag; the NUL makes it look like UTF-16.
const std::string kAngles = "\nx\0"s + std::string(8300, '<');

std::string AnglesInAMailbox() {
  return Repeated("From a@b\n" + MixedMail(std::vector<std::string>(30, kAngles)) + "\n",
                  25'000'000);
}

std::string FeedbackPart(std::string_view fields) {
  return "Content-Type: message/feedback-report\n\n" + std::string(fields);
}

std::string QuotedPrintablePart(std::string_view body) {
  return "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" +
         std::string(body);
}

// A document of `bytes`, declared to be in `charset`.
std::string Declared(std::string_view charset, std::string_view piece, size_t bytes) {
  return fmt::format("<?xml version=\"1.0\" encoding=\"{}\"?><feedback>{}", charset,
                     Repeated(piece, bytes));
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
       [] { return GzipOf(Noise(9 << 20) + std::string(120 << 20, '\0')); }, "inflated_too_large",
       Cost::kRead},
      {"ZipBombBehindNoise",
       [] { return ZipOf({{"a.xml", Noise(9 << 20) + std::string(120 << 20, '\0')}}); },
       "inflated_too_large", Cost::kRead},
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
       "too_many_messages", Cost::kRefused, /*handed_in=*/true},
      {"MboxOfManyRefusals",
       [] { return Repeated("From a\nContent-Type: x/y\n\nunused\n\n", 25'000'000); },
       "too_many_items", Cost::kRefused, /*handed_in=*/true},
      {"MboxOfAStranger", [] { return Repeated("From a\nA: b\n\n", 25'000'000); },
       "too_many_parts"},
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
      {"AnglesInManyParts", [] { return MixedMail(std::vector<std::string>(60, kAngles)); },
       "no_report_found"},
      {"AnglesInAMailbox", AnglesInAMailbox, "too_many_parts"},
      {"AnglesInAMailboxOfTheOperator", AnglesInAMailbox, "no_report_found", Cost::kRead,
       /*handed_in=*/true},
  };
}

// Failure reports: what is not read costs nothing.
std::vector<Case> FeedbackCases() {
  return {
      {"ManyPartsAndALargeLeaf",
       [] {
         std::vector<std::string> parts(60, FeedbackPart("Feedback-Type:\n"));
         parts.push_back(QuotedPrintablePart(Repeated("A=41\n", 24'000'000)));
         return MixedMail(parts);
       },
       "not_a_report", Cost::kRead},
      {"ManyDifferentPartsAndALargeHeader",
       [] {
         std::vector<std::string> parts;
         for (int i = 0; i < 60; ++i) {
           parts.push_back(FeedbackPart(fmt::format("Feedback-Type: {}\n", i)));
         }
         parts.push_back("Content-Type: text/rfc822-headers\n\n" + Repeated("A: b\n", 24'000'000));
         return MixedMail(parts);
       },
       "arf_not_auth_failure"},
      {"FieldFlood",
       [] { return MixedMail({FeedbackPart(SampleFeedback() + Repeated("A: b\n", 24'000'000))}); },
       "failure cosmetic", Cost::kRead},
      {"OneHugeField",
       [] {
         return MixedMail({FeedbackPart("Feedback-Type: auth-failure\nReported-Domain: " +
                                        std::string(24'000'000, 'a') + "\n")});
       },
       "failure material", Cost::kRead},
      {"FoldsWithoutEnd",
       [] {
         return MixedMail({FeedbackPart("Feedback-Type: auth-failure\nReported-Domain: a\n" +
                                        Repeated(" a\n", 24'000'000))});
       },
       "reported_domain_missing\nfailure material", Cost::kRead},
      {"CommentsTwentyMillionDeep",
       [] {
         return MixedMail({FeedbackPart("Feedback-Type: auth-failure\nReported-Domain: " +
                                        std::string(24'000'000, '(') + "\n")});
       },
       "reported_domain_missing", Cost::kRead},
      {"WordsWithoutEnd",
       [] {
         return MixedMail(
             {FeedbackPart(SampleFeedback() + "Auth-Failure: " + Repeated("dmarc,", 24'000'000))});
       },
       "failure", Cost::kRead},
      {"BareFields",  // without a mail around them
       [] { return "Feedback-Type: auth-failure\n" + Repeated("A: b\n", 24'000'000); },
       "reported_domain_missing", Cost::kRead},
      {"PlainNoticeFlood",
       [] {
         return LeafMail("Content-Type: text/plain",
                         Repeated("Sender Domain: a\nSender IP Address: 1\n", 24'000'000));
       },
       "failure\nreported_domain_missing"},
  };
}

std::vector<Case> TlsCases() {
  return {
      {"Deep", [] { return Repeated("{\"policies\":", 24'000'000); },
       "json_too_deep\ndocument_too_large"},
      {"DeepArrays", [] { return "{\"policies\":" + Repeated("[", 9'000'000); }, "json_too_deep"},
      {"TooLarge", [] { return "{\"policies\":[" + Repeated("{},", 24'000'000) + "{}]}"; },
       "document_too_large"},
      {"ManyPolicies", [] { return "{\"policies\":[" + Repeated("{},", 9'000'000) + "{}]}"; },
       "too_many_values"},
      {"ManyNumbers", [] { return "{\"policies\":[" + Repeated("1,", 9'000'000) + "1]}"; },
       "too_many_values"},
      {"RepeatedKeys", [] { return "{" + Repeated("\"policies\":[],", 9'000'000) + "\"a\":1}"; },
       "json_duplicate_key\ntoo_many_values"},
      {"ManyKeys",
       [] {
         std::string json = "{";
         for (int i = 0; json.size() < 9'000'000; ++i) json += fmt::format("\"{}\":1,", i);
         return json + "\"policies\":[]}";
       },
       "too_many_values", Cost::kRead},
      {"OneHugeString",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(json.find("t-1"), std::string(9'000'000, 'x'));
       },
       "tls cosmetic\ntls material", Cost::kRead},
      {"EscapesWithoutEnd",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(json.find("t-1"), Repeated("\\u0041", 9'000'000));
       },
       "tls cosmetic\ntls material", Cost::kRead},
      {"LoneSurrogates",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(json.find("t-1"), Repeated("\\ud800", 9'000'000));
       },
       "tls"},
  };
}

// What grows, and what has no meaning, in a charset that the document names.
std::vector<Case> CharsetCases() {
  return {
      {"EuroSigns", [] { return Declared("windows-1252", "\x80", 25'000'000); },
       "document_too_large"},
      {"OctetsWithoutMeaning", [] { return Declared("windows-1252", "\x81", 25'000'000); },
       "document_too_large"},
      {"OctetsThatFit", [] { return Declared("windows-1252", "\x80\x81  ", 25'000'000); },
       "frame_too_large", Cost::kRead},
      {"ShiftJisWithoutMeaning", [] { return Declared("shift_jis", "\x81 ", 25'000'000); },
       "charset_broken"},
      {"Big5WithoutMeaning", [] { return Declared("big5", "\xFF", 25'000'000); }, "charset_broken"},
      {"ShiftsWithoutEnd", [] { return Declared("iso-2022-jp", "\x1B$B\x1B(B", 25'000'000); },
       "aggregate quarantined", Cost::kRead},
      {"Utf16LoneSurrogates",
       [] { return "\xFF\xFE<\0f\0>\0"s + Repeated("\x00\xD8"s, 25'000'000); }, "charset_broken"},
      {"Utf16ThatGrows", [] { return "\xFF\xFE<\0f\0>\0"s + Repeated("\x00\x4E"s, 25'000'000); },
       "quarantined", Cost::kRead},
      {"Utf32WithoutMeaning",
       [] { return "\xFF\xFE\0\0<\0\0\0"s + std::string(25'000'000, '\xFF'); }, "charset_broken"},
      {"Utf8WithoutMeaning", [] { return Declared("utf-8", "\xFF", 25'000'000); },
       "frame_too_large", Cost::kRead},
  };
}

std::vector<Case> EncodingCases() {
  return {
      {"EncodedWords",
       [] {
         return "Subject: " + Repeated("=?utf-8?q?=41?= ", 200'000) +
                "\nFrom: " + Repeated("=?utf-8?b?QQ==?= ", 40'000) + "<a@b.example>\n\nx";
       },
       "no_report_found"},
      {"Addresses", [] { return "From: " + Repeated("(<a@b.example>,;", 200'000) + "\n\nx"; },
       "no_report_found"},
      {"SoftLineBreaks",
       [] { return MixedMail({QuotedPrintablePart(Repeated("=\n", 24'000'000))}); },
       "no_report_found", Cost::kRead},
      {"BrokenQuotedPrintable",
       [] { return MixedMail({QuotedPrintablePart(Repeated("=4", 24'000'000))}); },
       "no_report_found", Cost::kRead},
      {"UuencodeWithoutBegin",
       [] {
         return LeafMail("Content-Type: application/gzip\nContent-Transfer-Encoding: x-uuencode",
                         Repeated("begin 644 a\n", 24'000'000));
       },
       "unknown", Cost::kRead},
      {"Base64OfBase64",
       [] {
         std::string data = SampleXml();
         for (int i = 0; i < 20; ++i) data = Base64Lines(data);
         return LeafMail("Content-Type: text/plain\nContent-Transfer-Encoding: base64", data);
       },
       "no_report_found"},
      {"HugeBoundary",
       [] {
         const std::string boundary(3000, 'b');
         return "From: a@b.example\nContent-Type: multipart/mixed; boundary=" + boundary + "\n\n" +
                Repeated("--" + boundary + "x\n", 24'000'000);
       },
       "no_report_found", Cost::kRead},
  };
}

class HostileTest : public testing::TestWithParam<Case> {};

TEST_P(HostileTest, Case) {
  const double limit = GetParam().cost == Cost::kRead ? kReadCpuSeconds : kRefusedCpuSeconds;
  const Measured got = UnpackWithin(GetParam().make(), GetParam().handed_in, limit);
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
    EXPECT_LT(got.cpu_seconds, limit);
  }
}

constexpr auto kNameOfCase = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(All, HostileTest, testing::ValuesIn(Cases()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Feedback, HostileTest, testing::ValuesIn(FeedbackCases()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(TlsJson, HostileTest, testing::ValuesIn(TlsCases()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Charset, HostileTest, testing::ValuesIn(CharsetCases()), kNameOfCase);
INSTANTIATE_TEST_SUITE_P(Encoding, HostileTest, testing::ValuesIn(EncodingCases()), kNameOfCase);

// Redaction comes before the first write, on the way in.
TEST(Hostile, RedactionCostsNoMoreThanAReading) {
  std::vector<std::string> parts(60, kAngles);
  parts.push_back(FeedbackPart(SampleFeedback()));
  std::string mail = MixedMail(parts);
  const std::string mixed = "multipart/mixed";
  mail.replace(mail.find(mixed), mixed.size(), "multipart/report; report-type=feedback-report");
  double best = 1;
  for (int i = 0; i < kTries && best >= kRefusedCpuSeconds; ++i) {
    const double before = CpuSeconds();
    EXPECT_TRUE(RedactFailureMail(mail, AddressTokens("key")).has_value());
    best = std::min(best, CpuSeconds() - before);
  }
  if (DMARCATE_SANITIZED == 0) {
    EXPECT_LT(best, kRefusedCpuSeconds);
  }
}

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
      {"DocumentInAnotherCharset",
       [] {
         // Noise in front, or the ratio would tell before.
         return GzipOf(Declared("windows-1252", "\x80", 1) + Noise(9 << 20) +
                       std::string(60 << 20, '\x81'));
       },
       "over_limit document_too_large"},
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
  const Measured got = UnpackWithin(GetParam().make(), GetParam().handed_in, kMaxModelCpuSeconds);
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
