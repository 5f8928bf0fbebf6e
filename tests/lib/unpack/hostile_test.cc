// What attackers send (safety.md, section 3 A; docs/limits.md lists which test stands for which
// row). Each input is unpacked in a forked child, which may touch no file and no network and whose
// peak memory above its own beginning and whose time are measured. It must end with a reason,
// within 64 MiB; what is refused within a quarter of a second of processor time, what has to be
// read up to a limit within a second. The bounds are those of an optimised build; this one meets
// them, too.

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/unpack/redact_failure_mail.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/cost.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

constexpr int64_t kMaxGrowthKib = 64 * 1024;
constexpr double kRefusedCpuSeconds = 0.25;
constexpr double kReadCpuSeconds = 1.0;
constexpr int kTries = 3;

// What the input may cost.
enum class Cost : uint8_t {
  kRefused,
  kRead,  // it is taken in up to a limit before anybody can tell
};

struct Case {
  std::string name;
  std::function<std::string()> make;  // when needed: the inputs are large
  std::string want;                   // what some line contains
  Cost cost = Cost::kRefused;
  bool handed_in = false;
  Files files = Files::kForbidden;
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
      {"GzipOfTooMuchJson",  // refused after its first 10 MiB
       [] { return GzipOf(SampleTlsJson() + Noise(4 << 20) + std::string(90 << 20, ' ')); },
       "over_limit document_too_large [gzip]"},
      {"ZipOfTooMuchJson",
       [] {
         return ZipOf({{"a.json", SampleTlsJson() + Noise(4 << 20) + std::string(90 << 20, ' ')}});
       },
       "over_limit document_too_large [zip]"},
      {"GzipOfTooMuchInAnotherCharset",
       [] {
         return GzipOf(Declared("windows-1252", "\x80", 1) + Noise(9 << 20) +
                       std::string(80 << 20, '\x81'));
       },
       "over_limit document_too_large [gzip]"},
      {"BillionLaughs", Laughs, "doctype_entities"},
      {"ParameterEntities",
       [] {
         return "<!DOCTYPE feedback [<!ENTITY % a SYSTEM \"http://127.0.0.1/x\"> %a;]>" +
                SampleXml().substr(SampleXml().find("<feedback"));
       },
       "doctype_entities"},
      {"EntitiesWithoutEnd",
       [] { return "<!DOCTYPE feedback [" + Repeated("<!ENTITY a \"b\">", 8 << 20); },
       "doctype_entities\nnot_a_feedback_document"},
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
      {"XmlOfOneHugeAttribute",
       [] { return "<feedback a=\"" + std::string(24 << 20, 'x') + "\"/>"; }, "unknown\naggregate"},
      {"XmlOfEndTags", [] { return "<feedback>" + Repeated("</a>", 24 << 20); },
       "unknown\naggregate", Cost::kRead},
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
  const auto with_string = [](std::string_view piece) {
    std::string json = SampleTlsJson();
    return json.insert(json.find("t-1"), Repeated(piece, 9'000'000));
  };
  const auto with_policies = [](std::string_view piece) {
    return "{\"policies\":[" + Repeated(piece, 9'000'000) + "{}]}";
  };
  return {
      {"Deep", [] { return Repeated("{\"policies\":", 24'000'000); },
       "json_too_deep\ndocument_too_large"},
      {"DeepArrays", [] { return "{\"policies\":" + Repeated("[", 9'000'000); }, "json_too_deep"},
      {"TooLarge", [] { return "{\"policies\":[" + Repeated("{},", 24'000'000) + "{}]}"; },
       "document_too_large"},
      {"ManyPolicies", [=] { return with_policies("{},"); }, "too_many_policies"},
      {"ManyNumbers", [=] { return with_policies("1,"); }, "too_many_policies"},
      {"ManyValuesOfNoMeaning",
       [] { return "{\"x\":[" + Repeated("1,", 9'000'000) + "1],\"policies\":[]}"; },
       "too_many_values"},
      {"RepeatedKeys", [] { return "{" + Repeated("\"policies\":[],", 9'000'000) + "\"a\":1}"; },
       "json_duplicate_key"},
      {"ManyKeys",
       [] {
         std::string json = "{";
         for (int i = 0; json.size() < 9'000'000; ++i) json += fmt::format("\"{}\":1,", i);
         return json + "\"policies\":[]}";
       },
       "too_many_values"},
      {"OneHugeKey",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(1, "\"" + std::string(9'000'000, 'x') + "\":1,");
       },
       "tls accepted", Cost::kRead},
      {"OneHugeNumber",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(1, "\"x\":" + std::string(9'000'000, '1') + ",");
       },
       "json_not_well_formed"},
      {"OneHugeString", [=] { return with_string("x"); }, "tls cosmetic", Cost::kRead},
      {"EscapesWithoutEnd", [=] { return with_string("\\u0041"); }, "tls cosmetic", Cost::kRead},
      {"PairsWithoutEnd", [=] { return with_string("\\ud83d\\ude00"); }, "tls cosmetic",
       Cost::kRead},
      {"BackslashesWithoutEnd", [=] { return with_string("\\\\"); }, "tls cosmetic", Cost::kRead},
      {"LoneSurrogates", [=] { return with_string("\\ud800"); }, "json_not_well_formed"},
      {"OctetsWithoutMeaning", [=] { return with_string("\xFF"); }, "tls cosmetic", Cost::kRead},
      {"FailuresThatSayNothing",
       [] {
         std::string json = SampleTlsJson();
         return json.insert(json.find("\"summary\""),
                            "\"failure-details\": [" + Repeated("{},", 9'000'000) + "{}], ");
       },
       "model_too_large\ntoo_many_values", Cost::kRead},
      {"FailuresWithoutEnd",  // as many as there is room for, of ordinary content
       [] {
         std::string json = SampleTlsJson();
         return json.insert(json.find("\"summary\""),
                            "\"failure-details\": [" +
                                Repeated("{\"result-type\": \"certificate-host-mismatch\", "
                                         "\"sending-mta-ip\": \"2001:db8:abcd:12::3\", "
                                         "\"receiving-mx-hostname\": \"mx1.mail.example.com\", "
                                         "\"failed-session-count\": 12},",
                                         9'000'000) +
                                "{}], ");
       },
       "tls material\ntls accepted", Cost::kRead},
  };
}

// What grows, and what has no meaning, in a charset that the document names.
std::vector<Case> CharsetCases() {
  constexpr size_t kFits = 15'000'000;  // of the 16 MiB that are converted
  std::vector<Case> cases = {
      {"TooLarge", [] { return Declared("windows-1252", "\x80 ", 25'000'000); },
       "document_too_large"},
      {"EuroSigns", [] { return Declared("windows-1252", "\x80", kFits); }, "document_too_large"},
      {"OctetsWithoutMeaning", [] { return Declared("windows-1252", "\x81", kFits); },
       "document_too_large"},
      {"OctetsThatFit", [] { return Declared("windows-1252", "\x80\x81  ", 7'000'000); },
       "frame_too_large", Cost::kRead},
      {"ShiftJisWithoutMeaning", [] { return Declared("shift_jis", "\x81 ", kFits); },
       "charset_broken"},
      {"Big5WithoutMeaning", [] { return Declared("big5", "\xFF", kFits); }, "charset_broken"},
      {"ShiftsWithoutEnd", [] { return Declared("iso-2022-jp", "\x1B$B\x1B(B", kFits); },
       "aggregate quarantined", Cost::kRead},
      {"Utf16LoneSurrogates", [] { return "\xFF\xFE<\0f\0>\0"s + Repeated("\x00\xD8"s, kFits); },
       "charset_broken"},
      {"Utf16ThatGrows", [] { return "\xFF\xFE<\0f\0>\0"s + Repeated("\x00\x4E"s, 10'000'000); },
       "quarantined", Cost::kRead},
      {"Utf32WithoutMeaning", [] { return "\xFF\xFE\0\0<\0\0\0"s + std::string(kFits, '\xFF'); },
       "charset_broken"},
      {"Utf8WithoutMeaning", [] { return Declared("utf-8", "\xFF", 25'000'000); },
       "frame_too_large", Cost::kRead},
  };
  // The C library keeps each charset in a file of its own, by names from our table.
  for (Case& c : cases) c.files = Files::kAllowed;
  return cases;
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
  const Measured got =
      UnpackWithin(GetParam().make(), GetParam().files, GetParam().handed_in, limit);
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
    if (GetParam().cost == Cost::kRefused) {
      EXPECT_EQ(line.find("accepted ["), std::string::npos) << line;
    }
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

// The hostile part is a report with a valid frame, which the parser has to take in before it can
// tell. What it takes is bounded by what was sent (ModelBudget).
std::vector<Case> ModelCases() {
  const auto signature = [](size_t bytes) {
    return fmt::format(
        "<dkim><domain>example.com</domain><result>pass</result><human_result>{}"
        "</human_result></dkim>",
        std::string(bytes, 'x'));
  };
  return {
      {"RowsThatRepeatManySignatures",
       [=] { return ReportOf(RecordOf("", Repeated(signature(60), 1 << 20), 100'000)); },
       "rows_capped", Cost::kRead},
      {"RowsThatRepeatLongSignatures",
       [=] {
         return ReportOf(Repeated(RecordOf("", Repeated(signature(4096), 1 << 20), 100), 8 << 20));
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
       "over_limit model_too_large", Cost::kRead},
      {"RecordsInManyParts",
       [] {
         std::vector<std::string> parts;
         for (int i = 0; i < 6; ++i) {
           parts.push_back("Content-Type: text/xml; name=a.xml\n\n" +
                           ReportOf(Repeated("<record/>", 4'000'000), fmt::format("r-{}", i)));
         }
         return MixedMail(parts);
       },
       "over_limit model_too_large", Cost::kRead},
      {"RecordsOfNothing", [] { return ReportOf(Repeated("<record/>", 24'000'000)); },
       "over_limit model_too_large"},
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
       "over_limit model_too_large", Cost::kRead},
  };
}

// `piece` again and again, with so much else between that it is no bomb by its ratio.
std::string Mixed(std::string_view piece, size_t bytes) {
  constexpr size_t kRun = 8 * 1024;
  const std::string noise = Noise(bytes / kRun * 32 + 64);
  std::string out;
  out.reserve(bytes + kRun + 256);
  for (size_t i = 0; out.size() < bytes; ++i) {
    for (const size_t end = out.size() + kRun; out.size() < end;) out += piece;
    out += "<!--";
    for (const char c : noise.substr(i * 32, 32)) {
      out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    out += "-->";
  }
  return out;
}

// A report that has come to a record without an end, and then comes in pieces of at most a byte.
std::string ManyTinyMembers(std::string_view member) {
  std::string records;
  for (int i = 0; i < 17; ++i) records += "<record></record><a>" + Mixed("y", 1 << 20) + "</a>";
  std::string xml = ReportOf(records + "<record>" + Mixed("x", 1'200'000));
  xml.resize(xml.rfind("</feedback>"));
  return GzipOf(xml) + Repeated(GzipOf(member), 8'000'000) + GzipOf(Mixed("x", 1 << 20));
}

// Almost all that an archive may hold: none of it is ever in memory as a whole.
std::vector<Case> LargeCases() {
  constexpr size_t kLarge = 95 << 20;
  return {
      {"NoRoot", [] { return GzipOf("<a>" + Mixed("<b>", kLarge)); }, "not_a_feedback_document",
       Cost::kRead},
      {"NoRecord", [] { return GzipOf("<feedback>" + Mixed("<b>", kLarge)); }, "frame_too_large",
       Cost::kRead},
      {"NoEndOfARecord", [] { return GzipOf(ReportOf("<record>" + Mixed("<row>", kLarge))); },
       "frame_too_large", Cost::kRead},
      {"RecordsOfNothing", [] { return ZipOf({{"a.xml", ReportOf(Mixed("<record/>", kLarge))}}); },
       "model_too_large", Cost::kRead},
      {"EmptyRecords", [] { return GzipOf(ReportOf(Mixed("<record></record>", kLarge))); },
       "model_too_large", Cost::kRead},
      {"Noise", [] { return GzipOf("x, " + Mixed("y, ", kLarge)); }, "no_report_found",
       Cost::kRead},
      {"Blanks", [] { return GzipOf(std::string(1 << 20, ' ') + Mixed(" ", kLarge)); },
       "empty_payload", Cost::kRead},
      {"Mail", [] { return GzipOf("From: a@b.example\n\n" + Mixed("y", kLarge)); },
       "document_too_large", Cost::kRead},
      {"Gzip", [] { return GzipOf("\x1F\x8B\x08" + Mixed("y", kLarge)); }, "document_too_large"},
      {"ManyEmptyMembers", [] { return ManyTinyMembers(""); }, "frame_too_large", Cost::kRead},
      {"ManyMembersOfAByte", [] { return ManyTinyMembers("x"); }, "frame_too_large", Cost::kRead},
      {"OneHugeComment", [] { return GzipOf("<feedback><!--" + Mixed("-", kLarge)); },
       "frame_too_large", Cost::kRead},
  };
}

INSTANTIATE_TEST_SUITE_P(Large, HostileTest, testing::ValuesIn(LargeCases()), kNameOfCase);

INSTANTIATE_TEST_SUITE_P(Model, HostileTest, testing::ValuesIn(ModelCases()), kNameOfCase);

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
