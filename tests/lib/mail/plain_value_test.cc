// The fast readers of header values against GMime, over every header of the mails at hand.

#include "lib/mail/plain_value.h"

#include <string>

#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/mail/gmime_value.h"
#include "lib/mail/header.h"
#include "tests/lib/mail/generated_mail.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

TEST(PlainValue, HandsOverWhatCouldMeanMore) {
  for (const std::string value :
       {"text/plain; name*=utf-8''a", "text/plain; name*0=a", "text/plain; name=\"=?utf-8?Q?a?=\"",
        "text/plain (comment)", "text/plain; name=\"a\\\"b\"", "text/plain; name=a; name=b",
        "text/plain; name=\"caf\xC3\xA9\"", "text", "text/plain; name", "text/plain; name= a",
        "text/plain; name=\" a\"", "text/plain; name=\"a", ""}) {
    EXPECT_EQ(PlainContentType(value), std::nullopt) << value;
  }
  EXPECT_EQ(PlainHeaderText("=?utf-8?Q?a?="), std::nullopt);
  EXPECT_EQ(PlainHeaderText("caf\xE9"), std::nullopt);
  for (const std::string value : {"a@b, c@d", "a@b (x)", "Group: a@b;", "<a@b> x", "a@[192.0.2.1]",
                                  "\"a@b\"@c", "x@y <a@b>", "a@b@c", "a..b@c", "@c", "a@", ""}) {
    EXPECT_EQ(PlainAddressDomain(value), std::nullopt) << value;
  }
}

TEST(PlainValue, ReadsThePlainShapes) {
  const auto type = PlainContentType("Multipart/Report; report-type=TLSRPT; boundary=\"=_a b\";");
  ASSERT_TRUE(type);
  EXPECT_EQ(type->type, "multipart/report");
  EXPECT_EQ(type->report_type, "tlsrpt");
  EXPECT_EQ(type->boundary, "=_a b");
  EXPECT_EQ(PlainDispositionFileName("attachment; filename=a!b!1!2.xml.gz"), "a!b!1!2.xml.gz");
  EXPECT_EQ(PlainDispositionFileName("inline"), "");
  EXPECT_EQ(PlainAddressDomain("noreply@Example.COM"), "example.com");
  EXPECT_EQ(PlainAddressDomain("\"Reports, Inc.\" <a.b@example.com>"), "example.com");
}

// Returns the number of values that were plain.
int Compare(const std::string& bytes, const std::string& file) {
  int plain_values = 0;
  size_t at = 0;
  while (at < bytes.size()) {  // every line that looks like a field, wherever it stands
    HeaderReader reader(std::string_view(bytes).substr(at));
    while (const auto field = reader.Next()) {
      const std::string value = UnfoldValue(field->value);
      if (EqualsIgnoreCase(field->name, "Content-Type")) {
        if (const auto plain = PlainContentType(value)) {
          ++plain_values;
          EXPECT_TRUE(*plain == GmimeParseContentType(value)) << file << ": " << value;
        }
      } else if (EqualsIgnoreCase(field->name, "Content-Disposition")) {
        if (const auto plain = PlainDispositionFileName(value)) {
          ++plain_values;
          EXPECT_EQ(*plain, GmimeParseDispositionFileName(value)) << file << ": " << value;
        }
      } else if (EqualsIgnoreCase(field->name, "From")) {
        if (const auto plain = PlainAddressDomain(value)) {
          ++plain_values;
          EXPECT_EQ(*plain, GmimeFirstAddressDomain(value)) << file << ": " << value;
        }
      } else if (const auto plain = PlainHeaderText(value)) {
        ++plain_values;
        EXPECT_EQ(*plain, GmimeDecodeHeaderText(value)) << file << ": " << value;
      }
    }
    at += reader.position();
    at = LineAt(bytes, at).next;
  }
  return plain_values;
}

TEST(PlainValue, GmimeReadsTheSameInEveryMail) {
  const testing_support::TempDir directory;
  if (HaveReportGenerator()) GenerateReports(directory, 200);
  int plain_values = 0;
  for (const std::string& root :
       {std::string("tests/data/unpack"), testing_support::CorpusPath("reports").value_or(""),
        directory.path()}) {
    for (const std::string& file : FilesBelow(root, ".eml")) {
      const auto bytes = ReadFile(file, 25 << 20);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      plain_values += Compare(*bytes, file);
    }
  }
  EXPECT_GT(plain_values, 50);
}

}  // namespace
}  // namespace dmarcate
