// Containers of the input itself: report-quirks section 3, and file names (section 4).

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;

struct Case {
  std::string name;
  std::string input;
  std::vector<std::string> want;
  std::string file_name = "";
};

std::vector<Case> Cases() {
  const std::string xml = SampleXml();
  const std::string gz = GzipOf(xml);
  const std::string zip = ZipOf({{"report.xml", xml}});
  const std::string cut_xml = xml.substr(0, xml.size() / 2);
  const std::string no_trailer = gz.substr(0, gz.size() - 8);
  std::string bad_crc = gz;
  bad_crc[bad_crc.size() - 8] = static_cast<char>(bad_crc[bad_crc.size() - 8] ^ 1);
  return {
      {"PlainXml", xml, {"aggregate accepted [xml] r-1"}},
      {"Gzip", gz, {"aggregate accepted [gzip/xml] r-1"}},
      {"Zip", zip, {"aggregate accepted [zip/xml] r-1"}},
      {"Tls", SampleTlsJson(), {"tls accepted [json] t-1"}},
      {"TlsGzip", GzipOf(SampleTlsJson()), {"tls accepted [gzip/json] t-1"}},
      {"FeedbackFields", SampleFeedback(), {"failure accepted [arf] example.com"}},
      {"Z1_GzipNamedZip", gz, {"aggregate accepted [gzip/xml] r-1"}, "a.zip"},
      {"Z2_ZipNamedGzip", zip, {"aggregate accepted [zip/xml] r-1"}, "a.xml.gz"},
      {"Z2_EmptyZip", ZipOf({}), {"unknown quarantined empty_archive [zip]"}},
      {"Z2_OnlyDirectories", ZipOf({{"dir/", ""}}), {"unknown quarantined empty_archive [zip]"}},
      {"Z3_XmlNamedGz", xml, {"aggregate accepted [xml] r-1"}, "a.xml.gz"},
      {"Z4_TrailingLineEnd",
       gz + "\r\n",
       {"aggregate cosmetic [gzip/xml] r-1 {gzip_trailing_data}"}},
      {"Z5_Members",
       GzipOf(xml.substr(0, 100)) + GzipOf(xml.substr(100)),
       {"aggregate accepted [gzip/xml] r-1"}},
      {"Z6_NoTrailerButWhole", no_trailer, {"aggregate material [gzip/xml] r-1 {gzip_truncated}"}},
      {"Z6_WrongCrc", bad_crc, {"aggregate material [gzip/xml] r-1 {gzip_crc}"}},
      {"Z6_CutInside",
       gz.substr(0, gz.size() * 2 / 3),
       {"aggregate quarantined gzip_truncated [gzip/xml] {gzip_truncated}"}},
      {"Z6_OnlyAHeader",
       gz.substr(0, 10),
       {"unknown quarantined gzip_truncated [gzip] {gzip_truncated}"}},
      {"Z7_GzipInGzip", GzipOf(gz), {"aggregate accepted [gzip/gzip/xml] r-1"}},
      {"Z7_GzipInZip", ZipOf({{"a.xml.gz", gz}}), {"aggregate accepted [zip/gzip/xml] r-1"}},
      {"Z7_ThreeDeep",
       GzipOf(GzipOf(gz)),
       {"unknown over_limit archive_too_deep [gzip/gzip/gzip]"}},
      {"Z8_SeveralMembers",
       ZipOf({{"__MACOSX/._a", "x"},
              {"readme.txt", "hello"},
              {"a.xml", xml},
              {"b.xml", SampleXml("r-2")}}),
       {"aggregate accepted [zip/xml] r-1", "aggregate accepted [zip/xml] r-2"}},
      {"Z8_SameTwice",
       ZipOf({{"a.xml", xml}, {"b.xml", xml}}),
       {"aggregate accepted [zip/xml] r-1", "aggregate duplicate duplicate_in_input [zip/xml]"}},
      {"Z9_HostileName",
       ZipOf({{"../../etc/cron.d/x", xml}}),
       {"aggregate accepted [zip/xml] r-1"}},
      {"Z10_DataDescriptor",
       ZipOf({{.name = "a.xml", .data = xml, .data_descriptor = true}}),
       {"aggregate accepted [zip/xml] r-1"}},
      {"Z10_Stored", ZipOf({{"a.xml", xml, false}}), {"aggregate accepted [zip/xml] r-1"}},
      {"Z10_WrongCrc",
       ZipOf({{.name = "a.xml", .data = xml, .claimed_crc = 1}}),
       {"aggregate material [zip/xml] r-1 {zip_crc}"}},
      {"Z10_WrongSize",
       ZipOf({{.name = "a.xml", .data = xml, .claimed_size = 7}}),
       {"aggregate cosmetic [zip/xml] r-1 {zip_size_mismatch}"}},
      {"Z11_Encrypted",
       ZipOf({{.name = "a.xml", .data = xml, .encrypted = true}}),
       {"unknown quarantined compression_unsupported [zip]"}},
      {"Z11_Bzip2", "BZh91AY&SY\x01\x02\x03", {"unknown quarantined compression_unsupported []"}},
      {"Z11_XzInZip",
       ZipOf({{"a.xml.xz", std::string("\xFD"
                                       "7zXZ\0\0\0",
                                       8)}}),
       {"unknown quarantined compression_unsupported [zip]"}},
      {"Z12_Unused", GzipOf("unused"), {"unknown quarantined empty_payload [gzip]"}},
      {"Z12_Nothing", GzipOf(""), {"unknown quarantined empty_payload [gzip]"}},
      {"Z12_EmptyFile", "", {"unknown quarantined empty_payload []"}},
      {"Z12_EmptyMember",
       ZipOf({{"a.xml", ""}, {"readme.txt", ""}}),
       {"unknown quarantined empty_payload [zip]"}},
      {"Z15_ZlibLabelledGzip", ZlibOf(xml), {"aggregate accepted [gzip/xml] r-1"}, "a.xml.gz"},
      {"Z15_ZlibUnlabelled", ZlibOf(xml), {"unknown not_a_report no_report_found []"}},
      {"ZipCutBeforeDirectory",
       zip.substr(0, zip.size() - 40),
       {"unknown quarantined zip_corrupt [zip]"}},
      {"M15_Base64File", Base64Lines(gz), {"aggregate cosmetic [gzip/xml] r-1 {base64_again}"}},
      {"M13_OutlookMessage",
       "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 rest",
       {"unknown quarantined container_unsupported []"}},
      {"M13_Tnef", "\x78\x9F\x3E\x22 rest", {"unknown quarantined container_unsupported []"}},
      {"Tar", TarOfOne("a.xml", xml), {"unknown quarantined container_unsupported [tar]"}},
      {"TarInGzip",
       GzipOf(TarOfOne("a.xml", xml)),
       {"unknown quarantined container_unsupported [gzip/tar]"}},
      {"Prose", "Dear postmaster", {"unknown not_a_report no_report_found []"}},
      {"GzippedProse", GzipOf("Dear postmaster"), {"unknown not_a_report no_report_found []"}},
  };
}

class UnpackArchiveTest : public testing::TestWithParam<Case> {};

TEST_P(UnpackArchiveTest, Case) {
  EXPECT_EQ(UnpackLines(GetParam().input, GetParam().file_name), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(All, UnpackArchiveTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

UnpackedReport First(std::string input, std::string_view file_name = "") {
  UnpackHints hints;
  hints.file_name = file_name;
  hints.received_time = absl::FromUnixSeconds(1764720000);
  return Unpack(std::move(input), hints, {}).reports.at(0);
}

TEST(Unpack, TheDocumentHasOneIdentityInAnyWrapping) {
  const std::string digest = Sha256(SampleXml());
  for (const std::string& input :
       {SampleXml(), GzipOf(SampleXml()), ZipOf({{"a.xml", SampleXml()}}),
        GzipOf(ZipOf({{"a.xml", SampleXml()}})),
        MixedMail({Base64Part("application/gzip", "a.gz", GzipOf(SampleXml()))})}) {
    const UnpackedReport report = First(input);
    EXPECT_EQ(report.document_sha256, digest);
    EXPECT_EQ(report.document_bytes, static_cast<int64_t>(SampleXml().size()));
  }
}

TEST(Unpack, S17_EachRootHasAnIdentityOfItsOwn) {
  UnpackHints hints;
  hints.received_time = absl::FromUnixSeconds(1764720000);
  std::string second = SampleXml("r-2");
  second.erase(0, second.find("<feedback"));
  const Unpacked got = Unpack(SampleXml() + second, hints, {});
  ASSERT_EQ(got.reports.size(), 2u);
  EXPECT_NE(got.reports[0].document_sha256, got.reports[1].document_sha256);
  EXPECT_EQ(got.reports[1].document_sha256.size(), 32u);
}

TEST(Unpack, AMembersNameIsTheReportsFileName) {
  EXPECT_EQ(First(ZipOf({{"../r!example.com!1!2.xml", SampleXml()}}), "outer.zip").file_name,
            "../r!example.com!1!2.xml");
  EXPECT_EQ(First(GzipOf(SampleXml()), "outer.xml.gz").file_name, "outer.xml.gz");
}

// Section 4: a name fills gaps, wherever it comes from, and never overrides.
std::string XmlWithoutInterval() {
  std::string xml = SampleXml();
  const size_t begin = xml.find("<date_range>");
  const size_t end = xml.find("</date_range>");
  return xml.erase(begin, end - begin + 13);
}

TEST(Unpack, N1_TheIntervalComesFromTheName) {
  for (const std::string name : {"r.example!example.com!1764547200!1764633599.xml",
                                 "r.example!example.com!1764547200!1764633599!id!more.xml.gz"}) {
    const UnpackedReport report = First(XmlWithoutInterval(), name);
    ASSERT_TRUE(report.aggregate) << name;
    EXPECT_EQ(report.aggregate->metadata.begin, 1764547200) << name;
    EXPECT_EQ(report.aggregate->metadata.end, 1764633599) << name;
    EXPECT_EQ(report.outcome, Outcome::kAcceptedMaterial) << name;
  }
}

TEST(Unpack, N1_TheIntervalComesFromTheNameInsideTheZip) {
  const UnpackedReport report =
      First(ZipOf({{"r.example!example.com!1764547200!1764633599.xml", XmlWithoutInterval()}}),
            "dmarc_report.zip");
  ASSERT_TRUE(report.aggregate);
  EXPECT_EQ(report.aggregate->metadata.begin, 1764547200);
}

TEST(Unpack, N3_OtherNamesTellNothing) {
  const UnpackedReport report = First(SampleXml(), "aol com 123 xml");
  ASSERT_TRUE(report.aggregate);
  EXPECT_EQ(report.aggregate->metadata.begin, 1764547200);
}

// A report that inflates to `bytes`, by default over what is held; `records` counts what is in it.
std::string LargeXml(std::string xml, int64_t* records, size_t bytes = 17 << 20) {
  const size_t begin = xml.find("  <record>");
  const std::string tail = "</feedback>\n";
  std::string record = xml.substr(begin, xml.rfind(tail) - begin);
  const size_t count = record.find("<count>3<") + 7;
  std::string out = xml.substr(0, begin);
  for (*records = 0; out.size() < bytes; ++*records) {
    record[count] = static_cast<char>('1' + *records % 9);
    out += record;
    if (*records % 8 == 0) out += "<!-- " + ToHex(Sha256(std::to_string(*records))) + " -->";
  }
  return out + tail;
}

// It has what a small one has: name, digest, damage, repairs; and comes once.
class UnpackLargeTest : public testing::TestWithParam<size_t> {};

TEST_P(UnpackLargeTest, ALargeReportIsReadLikeAnyOther) {
  int64_t records = 0;
  const std::string xml = LargeXml(SampleXml(), &records, GetParam());
  const std::string gz = GzipOf(xml);
  for (const std::string& input : {gz, gz + "tail", ZipOf({{"a.xml", xml}})}) {
    const UnpackedReport report = First(input);
    ASSERT_TRUE(report.aggregate) << ToLine(report) << report.detail;
    EXPECT_EQ(std::ssize(report.aggregate->records), records);
    EXPECT_EQ(report.document_sha256, Sha256(xml));
    EXPECT_EQ(report.document_bytes, std::ssize(xml));
    EXPECT_EQ(report.container.back(), "xml");
    EXPECT_EQ(report.outcome,
              input.ends_with("tail") ? Outcome::kAcceptedCosmetic : Outcome::kAccepted);
  }
  EXPECT_THAT(UnpackLines(ZipOf({{"a.xml", xml}, {"b.xml", SampleXml("r-2")}, {"c.xml", xml}})),
              ElementsAre("aggregate accepted [zip/xml] r-1", "aggregate accepted [zip/xml] r-2",
                          "aggregate duplicate duplicate_in_input [zip/xml]"));
  // Z6: what a broken archive gave counts only if the document came to its end.
  EXPECT_THAT(UnpackLines(gz.substr(0, gz.size() - 8)),
              ElementsAre("aggregate material [gzip/xml] r-1 {gzip_truncated}"));
  EXPECT_THAT(UnpackLines(gz.substr(0, gz.size() - 1000)),
              ElementsAre("aggregate quarantined gzip_truncated [gzip/xml] {gzip_truncated}"));
  const UnpackedReport named =
      First(ZipOf({{"r.example!example.com!1764547200!1764633599.xml",
                    LargeXml(XmlWithoutInterval(), &records, GetParam())}}),
            "dmarc_report.zip");
  ASSERT_TRUE(named.aggregate);
  EXPECT_EQ(named.aggregate->metadata.begin, 1764547200);
}

INSTANTIATE_TEST_SUITE_P(Sizes, UnpackLargeTest, testing::Values(5u << 20, 17u << 20));

// What a large report may not be, for want of room, one of 5 MiB still may.
TEST(Unpack, AnOddReportThatIsNotTooLargeIsHeld) {
  const auto odd = [](size_t bytes) {
    int64_t records = 0;
    std::string xml = LargeXml(SampleXml(), &records, bytes);
    const size_t begin = xml.find("  <report_metadata>");
    const size_t end = xml.find("  <policy_published>");
    const std::string metadata = xml.substr(begin, end - begin);
    xml.erase(begin, end - begin);
    return xml.insert(xml.rfind("</feedback>"), metadata);
  };
  const std::string xml = odd(5 << 20);
  for (const std::string& input : {GzipOf(xml), ZipOf({{"a.xml", xml}})}) {
    const UnpackedReport report = First(input);
    ASSERT_TRUE(report.aggregate) << ToLine(report) << report.detail;
    EXPECT_TRUE(*report.aggregate == *First(xml).aggregate);
    EXPECT_EQ(report.document_sha256, Sha256(xml));
  }
  EXPECT_THAT(UnpackLines(GzipOf(odd(17 << 20))),
              ElementsAre("aggregate quarantined frame_after_records [gzip/xml]"));
}

TEST(Unpack, ALargeReportThatIsNotKeptTakesNoRoom) {
  int64_t records = 0;
  const std::string xml = LargeXml(SampleXml(), &records);
  UnpackLimits limits;
  limits.aggregate.records = 2 * records;
  EXPECT_THAT(
      UnpackLines(ZipOf({{"a.xml", xml}, {"b.xml", xml}, {"c.xml", SampleXml("r-2")}}), "", limits),
      ElementsAre("aggregate accepted [zip/xml] r-1",
                  "aggregate duplicate duplicate_in_input [zip/xml]",
                  "aggregate accepted [zip/xml] r-2"));
}

TEST(Unpack, ALargeMemberOfAnotherSizeIsToldByItsOwn) {
  int64_t records = 0;
  const std::string xml = LargeXml(SampleXml(), &records);
  const UnpackedReport report = First(ZipOf({{.name = "a.xml", .data = xml, .claimed_size = 7}}));
  ASSERT_EQ(report.repairs.size(), 1u) << ToLine(report);
  EXPECT_EQ(report.repairs[0].code, "zip_size_mismatch");
  EXPECT_EQ(report.repairs[0].chosen, fmt::format("{} bytes", xml.size()));
}

}  // namespace
}  // namespace dmarcate
