// Each limit of UnpackLimits at its edge: what is allowed passes, one more is refused by name.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using Lines = std::vector<std::string>;

std::string ZipOfReports(int count) {
  std::vector<ZipEntry> entries;
  for (int i = 0; i < count; ++i) {
    entries.push_back({std::to_string(i) + ".xml", SampleXml("r-" + std::to_string(i))});
  }
  return ZipOf(entries);
}

TEST(UnpackLimitsTest, MessageBytes) {
  const std::string xml = SampleXml();
  UnpackLimits limits;
  limits.message_bytes = static_cast<int64_t>(xml.size());
  EXPECT_EQ(UnpackLines(xml, "", limits), Lines{"aggregate accepted [xml] r-1"});
  --limits.message_bytes;
  EXPECT_EQ(UnpackLines(xml, "", limits), Lines{"unknown over_limit message_too_large []"});
}

TEST(UnpackLimitsTest, CompressedPartBytes) {
  const std::string gz = GzipOf(SampleXml());
  UnpackLimits limits;
  limits.compressed_part_bytes = static_cast<int64_t>(gz.size());
  EXPECT_EQ(UnpackLines(gz, "", limits), Lines{"aggregate accepted [gzip/xml] r-1"});
  --limits.compressed_part_bytes;
  EXPECT_EQ(UnpackLines(gz, "", limits), Lines{"unknown over_limit compressed_too_large [gzip]"});
}

TEST(UnpackLimitsTest, InflatedBytesCountAllLayers) {
  const std::string gz = GzipOf(SampleXml());
  UnpackLimits limits;
  limits.inflated_bytes = static_cast<int64_t>(SampleXml().size() + gz.size());
  EXPECT_EQ(UnpackLines(GzipOf(gz), "", limits), Lines{"aggregate accepted [gzip/gzip/xml] r-1"});
  --limits.inflated_bytes;
  EXPECT_EQ(UnpackLines(GzipOf(gz), "", limits),
            Lines{"unknown over_limit inflated_too_large [gzip/gzip]"});
}

TEST(UnpackLimitsTest, Ratio) {
  const std::string zeros = GzipOfZeros(5 << 20);
  EXPECT_EQ(UnpackLines(zeros), Lines{"unknown over_limit ratio_too_high [gzip]"});
  UnpackLimits limits;
  limits.ratio = 2000;
  EXPECT_EQ(UnpackLines(zeros, "", limits), Lines{"unknown quarantined empty_payload [gzip]"});
}

TEST(UnpackLimitsTest, ArchiveMembersOverAllArchives) {
  EXPECT_EQ(UnpackLines(ZipOfReports(8)).size(), 8u);
  Lines got = UnpackLines(ZipOfReports(9));
  ASSERT_EQ(got.size(), 9u);  // what fits is read, the rest is named
  EXPECT_EQ(got.back(), "unknown over_limit too_many_members [zip]");
  got = UnpackLines(MixedMail({Base64Part("application/zip", "a.zip", ZipOfReports(5)),
                               Base64Part("application/zip", "b.zip", ZipOfReports(9))}));
  EXPECT_EQ(got.back(), "unknown over_limit too_many_members [mail/zip]");
}

TEST(UnpackLimitsTest, ArchiveDepth) {
  UnpackLimits limits;
  limits.archive_depth = 0;
  EXPECT_EQ(UnpackLines(GzipOf(SampleXml()), "", limits),
            Lines{"unknown over_limit archive_too_deep [gzip]"});
}

TEST(UnpackLimitsTest, MimePartsOverAllMails) {
  std::vector<std::string> parts(62, "Content-Type: text/plain\n\nx");
  parts.push_back(Base64Part("application/gzip", "a.gz", GzipOf(SampleXml())));
  EXPECT_EQ(UnpackLines(MixedMail(parts)), Lines{"aggregate accepted [mail/gzip/xml] r-1"});
  parts.insert(parts.begin(), "Content-Type: text/plain\n\nx");
  EXPECT_EQ(UnpackLines(MixedMail(parts)), Lines{"unknown over_limit too_many_parts [mail]"});
  // An attached mail draws on the same account.
  const std::string inner = MixedMail(std::vector<std::string>(40, "\nx"));
  EXPECT_EQ(UnpackLines(MixedMail({Base64Part("application/octet-stream", "1.eml", inner),
                                   Base64Part("application/octet-stream", "2.eml", inner)})),
            Lines{"unknown over_limit too_many_parts [mail/mail]"});
}

TEST(UnpackLimitsTest, MailboxesOfAnOperatorCountPartsPerMessage) {
  std::string mbox;
  for (int i = 0; i < 30; ++i) {
    mbox += "From a@b\n" +
            MixedMail({"\nx", "\ny",
                       Base64Part("application/zip", "a.zip",
                                  ZipOf({{"a", SampleXml(std::to_string(i))}}))}) +
            "\n";
  }
  const Lines got = UnpackLines(mbox, "", {}, /*handed_in=*/true);
  ASSERT_EQ(got.size(), 30u);
  EXPECT_EQ(got.back(), "aggregate accepted [mbox/mail/zip/xml] 29");
  // A stranger's mail does not get more by a line in front.
  const Lines of_stranger = UnpackLines(mbox);
  EXPECT_EQ(of_stranger.at(7), "aggregate accepted [mbox/mail/zip/xml] 7");
  EXPECT_EQ(of_stranger.at(8), "unknown over_limit too_many_members [mbox/mail/zip]");
  EXPECT_EQ(of_stranger.back(), "unknown over_limit too_many_parts [mbox/mail]");
}

TEST(UnpackLimitsTest, MimeDepth) {
  UnpackLimits limits;
  limits.mime_depth = 0;
  EXPECT_EQ(UnpackLines(MixedMail({"\nx"}), "", limits),
            Lines{"unknown over_limit mime_too_deep [mail]"});
}

TEST(UnpackLimitsTest, EnclosedMessagesByAnyWrapping) {
  std::string mail = LeafMail("Content-Type: text/xml", SampleXml());
  for (int i = 0; i < 3; ++i) {
    mail = MixedMail({i % 2 == 0 ? Base64Part("application/octet-stream", "a.eml", mail)
                                 : "Content-Type: message/rfc822\n\n" + mail});
  }
  EXPECT_EQ(UnpackLines(mail), Lines{"aggregate accepted [mail/mail/mail/mail/xml] r-1"});
  mail = MixedMail({Base64Part("application/octet-stream", "a.eml", mail)});
  EXPECT_EQ(UnpackLines(mail)[0].find("unknown over_limit too_many_enclosed_messages"), 0u);
}

TEST(UnpackLimitsTest, ItemsOfOneInput) {
  UnpackLimits limits;
  limits.items = 3;
  EXPECT_EQ(UnpackLines(ZipOfReports(3), "", limits).size(), 3u);
  const Lines got = UnpackLines(ZipOfReports(6), "", limits);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[2], "aggregate accepted [zip/xml] r-2");
  EXPECT_EQ(got[3], "unknown over_limit too_many_items []");
}

TEST(UnpackLimitsTest, ASecondCopyOfWhatWasRefusedIsRefusedAgain) {
  const std::string bad = "<feedback><record/></feedback>";
  const Lines got = UnpackLines(ZipOf({{"a.xml", bad}, {"b.xml", bad}, {"c.xml", bad}}));
  EXPECT_EQ(got, Lines(3, "aggregate quarantined metadata_missing [zip/xml]"));
}

TEST(UnpackLimitsTest, TheAggregatesOwnLimitsReachItsParser) {
  UnpackLimits limits;
  limits.aggregate.records = 0;
  EXPECT_NE(UnpackLines(SampleXml(), "", limits)[0].find("over_limit"), std::string::npos);
}

}  // namespace
}  // namespace dmarcate
