#include "lib/unpack/reading.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using std::string_literals::operator""s;

bool OneReading(const std::string& mail) { return HasOneReading(mail, UnpackLimits()); }

constexpr char kBase64[] = "\nContent-Transfer-Encoding: base64";
const std::string kText = "Content-Type: text/plain\n\nThis is a report for you.\n";
const std::string kHtml = "Content-Type: text/html\n\n<div><p>A report</p></div>\n";

std::string ReportPart(std::string_view id = "r-1") {
  return Base64Part("application/gzip", "r.xml.gz", GzipOf(SampleXml(id)));
}

// With what stands before the first and after the last delimiter.
std::string WithAround(const std::string& preamble, const std::string& epilogue) {
  std::string mail = MixedMail({kText, ReportPart()});
  const size_t body = mail.find("\n\n") + 2;
  mail.insert(body, preamble);
  return mail + epilogue;
}

// Each octet with what a wider charset has before and after it.
std::string Spread(const std::string& text, const std::string& before, const std::string& after) {
  std::string out;
  for (const char c : text) out.append(before).append(1, c).append(after);
  return out;
}

TEST(Reading, HonestMailHasOne) {
  const std::string gzip = GzipOf(SampleXml()), zip = ZipOf({{"r.xml", SampleXml()}});
  const std::vector<std::string> mails = {
      LeafMail(fmt::format("Content-Type: application/zip{}", kBase64), Base64Lines(zip)),
      LeafMail(fmt::format("Content-Type: application/gzip{}", kBase64), Base64Lines(gzip)),
      LeafMail("Content-Type: text/xml", SampleXml()),
      LeafMail("Content-Type: application/gzip", gzip),
      LeafMail(fmt::format("Content-Type: application/tlsrpt+json{}", kBase64),
               Base64Lines(SampleTlsJson())),
      MixedMail({kText, ReportPart()}),
      MixedMail({kText, kHtml, ReportPart()}),
      WithAround("This is a multi-part message in MIME format.\n", "\n\n"),
      LeafMail(fmt::format("Content-Type: text/xml{}", kBase64),
               Base64Lines("\xFF\xFE" + Spread(SampleXml(), "", "\0"s))),
      // Text in base64 is text.
      MixedMail(
          {Base64Part("text/plain", "", "These are words that a person may read, with a comma."),
           ReportPart()}),
  };
  for (const std::string& mail : mails) EXPECT_TRUE(OneReading(mail)) << mail;
}

TEST(Reading, WhatCouldBeReadOtherwiseHasNotOne) {
  const std::string lines = Base64Lines(GzipOf(SampleXml("other")));
  const std::string xml = SampleXml("other");
  const std::vector<std::string> mails = {
      // No report, two reports, the same twice.
      MixedMail({kText, kHtml}),
      MixedMail({ReportPart(), ReportPart("r-2")}),
      MixedMail({ReportPart(), ReportPart()}),
      // Around the parts.
      WithAround(lines + "\n", ""),
      WithAround("", lines),
      WithAround(xml, ""),
      WithAround("", xml),
      WithAround("", GzipOf(xml)),
      WithAround(ZipOf({{"a.xml", xml}}), ""),
      WithAround("--b\nContent-Type: text/xml\n\n" + xml + "\n--b--\n", ""),
      // In a part that is something else.
      MixedMail({"Content-Type: text/plain\n\nsee\n" + xml, ReportPart()}),
      MixedMail({"Content-Type: text/plain\n\nsee\n\n" + lines, ReportPart()}),
      MixedMail({"Content-Type: text/html\n\n<html><!--" + xml + "--></html>", ReportPart()}),
      MixedMail({"Content-Type: image/png\n\n" + lines, ReportPart()}),
      MixedMail({Base64Part("text/plain", "", "see " + xml), ReportPart()}),
      // In UTF-16, either way round, and UTF-32.
      MixedMail(
          {"Content-Type: application/octet-stream\n\n" + Spread(xml, "", "\0"s), ReportPart()}),
      MixedMail({"Content-Type: text/plain\n\n" + Spread(xml, "\0"s, ""), ReportPart()}),
      MixedMail({Base64Part("text/plain", "", "\xFF\xFE" + Spread(xml, "", "\0"s)), ReportPart()}),
      MixedMail({Base64Part("text/plain", "", Spread(xml, "\0\0\0"s, "")), ReportPart()}),
      WithAround(Spread(xml, "", "\0"s), ""),
      LeafMail("Content-Type: text/xml", Spread(SampleXml(), "", "\0"s) + Spread(xml, "", "\0"s)),
      // In the header of a part.
      MixedMail({"X-A: 1\nX-B: <feedback>\n\ntext", ReportPart()}),
      // In the leaf of the report itself.
      LeafMail(fmt::format("Content-Type: application/gzip{}", kBase64),
               Base64Lines(GzipOf(SampleXml())) + "\n\n" + lines),
      LeafMail("Content-Type: text/xml", SampleXml() + xml),
      LeafMail("Content-Type: text/xml", SampleXml() + "\n" + lines),
      // A mail in the mail has a header nobody signed.
      MixedMail(
          {kText, Base64Part("application/octet-stream", "r.eml", MixedMail({ReportPart()}))}),
      // More than the limits let us see.
      MixedMail(std::vector<std::string>(100, kText)),
  };
  for (const std::string& mail : mails) EXPECT_FALSE(OneReading(mail)) << mail;
}

TEST(Reading, AnotherBoundaryOrEncodingOfAGenuineBodyBringsNothingNew) {
  const std::string lines = Base64Lines(ZipOf({{"r.xml", SampleXml()}}));
  EXPECT_TRUE(OneReading(LeafMail("Content-Type: text/plain", lines)));
  EXPECT_TRUE(OneReading(LeafMail("Content-Type: multipart/mixed; boundary=zz", lines)));
  // A boundary that leaves the report in the preamble.
  EXPECT_FALSE(OneReading(LeafMail("Content-Type: multipart/mixed; boundary=zz",
                                   lines + "\n--zz\n\n" + SampleXml("swapped") + "\n--zz--\n")));
  EXPECT_FALSE(OneReading(LeafMail(fmt::format("Content-Type: text/xml{}", kBase64),
                                   SampleXml() + "\n" + SampleXml("swapped"))));
}

// None of the real mails whose Content-Type is unsigned is lost.
TEST(Reading, RealReportMailsHaveOne) {
  DMARCATE_CORPUS_OR_SKIP(corpus, "reports");
  // Fields of the signature read by hand: google.com, yahoo.com.
  const std::vector<std::string> unsigned_type = {
      "mail-auth/dmarc-feedback/100.eml", "mox/dmarc-reports/yahoo.eml",
      "parsedmarc/aggregate/twilight.eml",
      "parsedmarc/aggregate/Report domain- borschow.com Submitter- google.com Report-ID- "
      "949348866075514174.eml",
      "mox/tlsreports/example.eml"};
  for (const std::string& name : unsigned_type) {
    EXPECT_TRUE(OneReading(testing_support::ReadWholeFile(corpus + "/" + name))) << name;
  }
  // And of the rest, the mails that carry one report.
  for (const char* name : {"mail-auth/dmarc-feedback/102.eml", "mail-auth/dmarc-feedback/103.eml",
                           "mail-auth/dmarc-feedback/104.eml", "mox/dmarc-reports/mailru.eml",
                           "parsedmarc/aggregate/mimecast-weird-gzip.eml"}) {
    EXPECT_TRUE(OneReading(testing_support::ReadWholeFile(corpus + "/" + name))) << name;
  }
}

}  // namespace
}  // namespace dmarcate
