// Names that strangers choose (safety.md 3 A: path traversal and special names). They are data for
// display: in a process that may touch no file, every archive and mail that carries them is read as
// any other, and what is kept of the name is short and valid UTF-8.

#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include <gtest/gtest.h>

#include "lib/base/text.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/cost.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

constexpr size_t kKeptNameBytes = 4096;

std::vector<std::string> HostileNames() {
  std::vector<std::string> names = {
      "../report.xml",
      "../../../../../../../../etc/passwd",
      "..\\..\\windows\\system32\\drivers\\etc\\hosts",
      "/etc/shadow",
      "//server/share/report.xml",
      "\\\\server\\share\\report.xml",
      "C:\\report.xml",
      "c:report.xml",
      "file:///etc/passwd",
      "http://127.0.0.1/report.xml",
      ".",
      "..",
      "...",
      "/",
      "~",
      "~root/.ssh/authorized_keys",
      "./a/./b/../../c.xml",
      "a//b///c.xml",
      "report.xml/",
      ".htaccess",
      "-rf",
      "--output=/tmp/x",
      "|id",
      "$(id).xml",
      "`id`.xml",
      "a;id;.xml",
      "%2e%2e%2fetc%2fpasswd",
      "..%c0%af..%c0%afetc/passwd",
      "\xC0\xAE\xC0\xAE/\xC0\xAE\xC0\xAE/etc/passwd",  // dots, overlong
      "CON",
      "NUL.xml",
      "COM1.gz",
      "LPT1",
      "/dev/null",
      "/dev/zero",
      "/proc/self/mem",
      "report.xml::$DATA",
      "report\0.exe"s,
      "report\r\nX-Header: 1\r\n",
      "\x1B[2J\x1B[31mreport.xml",
      "report\xE2\x80\xAElmx.exe",             // right to left
      "\xE2\x81\xA6report\xE2\x81\xA9.xml",    // isolates
      "\xEF\xBC\x8E\xEF\xBC\x8E\xEF\xBC\x8F",  // full width: ../
      "\xFF\xFE\xFD",
      " ",
      "",
      std::string(64 << 10, 'a') + ".xml",
      "../" + std::string(60 << 10, '/') + "x",
  };
  for (int i = 0; i < 2000; ++i) names.back() += "../";
  return names;
}

// One line, as a header field needs it; what would end the field or the quotes is left out.
std::string InQuotes(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '\r' || c == '\n' || c == '\0') continue;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string PercentEncoded(std::string_view name) {
  std::string out;
  for (const char c : name) out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  return out;
}

// gzip with the name in its header (RFC 1952, FNAME), where it ends at a NUL.
std::string GzipNamed(std::string_view name, std::string_view data) {
  std::string gzip = GzipOf(data);
  gzip[3] = '\x08';
  return gzip.insert(10, std::string(name.substr(0, name.find('\0'))) + '\0');
}

struct Carrier {
  std::string name;
  std::string (*make)(std::string_view name);
};
const Carrier kCarriers[] = {
    {"ZipMember",
     [](std::string_view name) {
       return ZipOf({{std::string(name.substr(0, 65'000)), SampleXml()}});
     }},
    {"GzipHeader", [](std::string_view name) { return GzipNamed(name, SampleXml()); }},
    {"Disposition",
     [](std::string_view name) {
       return MixedMail({Base64Part("application/gzip", InQuotes(name), GzipOf(SampleXml()))});
     }},
    {"TypeName",
     [](std::string_view name) {
       return MixedMail({fmt::format("Content-Type: application/octet-stream; name=\"{}\"\n\n{}",
                                     InQuotes(name), SampleXml())});
     }},
    {"Rfc2231",
     [](std::string_view name) {
       return MixedMail(
           {fmt::format("Content-Type: text/xml\nContent-Disposition: attachment; "
                        "filename*=utf-8''{}\n\n{}",
                        PercentEncoded(name), SampleXml())});
     }},
    {"CharsetOfAName",  // a converter's name may be taken for a file, too
     [](std::string_view name) {
       return MixedMail({fmt::format("Content-Type: text/xml; name=\"=?{}?q?a?=\"\n\n{}",
                                     InQuotes(name), SampleXml())});
     }},
    {"CharsetOfADocument",
     [](std::string_view name) {
       std::string xml = SampleXml();
       return xml.replace(xml.find("UTF-8"), 5, InQuotes(name).substr(0, 900));
     }},
};

class HostileNamesTest : public testing::TestWithParam<Carrier> {};

TEST_P(HostileNamesTest, NamesNoFile) {
  if (!CanForbidFiles()) GTEST_SKIP() << "this kernel filters no system calls";
  for (const std::string& name : HostileNames()) {
    const std::string input = GetParam().make(name);
    SCOPED_TRACE(
        fmt::format("a name of {} bytes: {}", name.size(), PercentEncoded(name.substr(0, 40))));
    // A directory is no member, and a name too long for a header is no name.
    const Measured got = UnpackInChild(input, Files::kForbidden);
    ASSERT_FALSE(got.killed);
    ASSERT_EQ(got.lines.size(), 1u);
    const bool read =
        got.lines[0].starts_with("aggregate ") && got.lines[0].find(" r-1") != std::string::npos;
    const bool refused = got.lines[0].find("over_limit header_too_large") != std::string::npos ||
                         got.lines[0].find("quarantined empty_archive") != std::string::npos;
    EXPECT_TRUE(read || refused) << got.lines[0];
    for (const UnpackedReport& report : Unpack(input, {}, {}).reports) {
      EXPECT_TRUE(IsValidUtf8(report.file_name));
      EXPECT_LE(report.file_name.size(), kKeptNameBytes);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HostileNamesTest, testing::ValuesIn(kCarriers),
                         [](const auto& test) { return test.param.name; });

TEST(HostileNames, OfTheInputItself) {
  if (!CanForbidFiles()) GTEST_SKIP() << "this kernel filters no system calls";
  for (const std::string& name : HostileNames()) {
    const Measured got = UnpackInChild(SampleXml(), Files::kForbidden, false, name);
    ASSERT_EQ(got.lines.size(), 1u);
    EXPECT_TRUE(got.lines[0].starts_with("aggregate ")) << got.lines[0];
  }
}

}  // namespace
}  // namespace dmarcate
