// Mail around reports: report-quirks section 2, and feedback reports (section 15).

#include <atomic>
#include <cctype>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/digest.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

constexpr std::string_view kBase64 = "\nContent-Transfer-Encoding: base64";
const char kMailGzip[] = "aggregate accepted [mail/gzip/xml] r-1";

struct Case {
  std::string name;
  std::string input;
  std::vector<std::string> want;
};

std::string WithCrLf(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.push_back('\r');
    out.push_back(c);
  }
  return out;
}

std::string Report(std::string_view type, const std::string& feedback_part,
                   const std::string& original_part) {
  return LeafMail(fmt::format("Content-Type: multipart/report; report-type={}; boundary=b", type),
                  fmt::format("--b\nContent-Type: text/plain\n\nThis is a report.\n--b\n{}\n--b\n{}"
                              "\n--b--\n",
                              feedback_part, original_part));
}

std::string Leaf(std::string_view type, std::string_view data) {
  return LeafMail(fmt::format("Content-Type: {}{}", type, kBase64), Base64Lines(data));
}

std::vector<Case> Cases() {
  const std::string xml = SampleXml();
  const std::string gz = GzipOf(xml);
  const std::string zip = ZipOf({{"a.xml", xml}});
  const std::string text = "Content-Type: text/plain\n\nDear <postmaster>, a report.";
  const std::string html = "Content-Type: text/html\n\n<html><body><p>A report</p></body></html>";
  const std::string part = Base64Part("application/gzip", "a.xml.gz", gz);
  const std::string feedback = "Content-Type: message/feedback-report\n\n" + SampleFeedback();
  const std::string original =
      "Content-Type: message/rfc822\n\nFrom: x@example.com\nSubject: hi\n"
      "Content-Type: multipart/mixed; boundary=o\n\n--o\n" +
      part + "\n--o--\n";

  std::vector<Case> cases = {
      {"TarAttached",
       MixedMail({Base64Part("application/gzip", "old.tar.gz", GzipOf(TarOfOne("a.xml", xml)))}),
       {"unknown quarantined container_unsupported [mail/gzip/tar]"}},
      {"M1_RootGzip", Leaf("application/gzip", gz), {kMailGzip}},
      {"M1_RootZip", Leaf("application/zip", zip), {"aggregate accepted [mail/zip/xml] r-1"}},
      {"M5_TextXml",
       LeafMail("Content-Type: text/xml; charset=utf-8", xml),
       {"aggregate accepted [mail/xml] r-1"}},
      {"M5_PlainBody",
       LeafMail("Content-Type: text/plain", xml),
       {"aggregate accepted [mail/xml] r-1"}},
      {"M5_NoContentType", LeafMail("X-A: b", xml), {"aggregate accepted [mail/xml] r-1"}},
      {"M6_MultipartWithoutBoundary",
       LeafMail(fmt::format("Content-Type: multipart/alternative{}", kBase64), Base64Lines(zip)),
       {"aggregate accepted [mail/zip/xml] r-1"}},
      {"M6_MultipartWithoutParts",
       LeafMail(fmt::format("Content-Type: multipart/mixed; boundary=zz{}", kBase64),
                Base64Lines(gz)),
       {kMailGzip}},
      {"M7_MisspeltHeader",
       MixedMail({text, "ContentType: application/gzip" + std::string(kBase64) + "\n\n" +
                            Base64Lines(gz)}),
       {kMailGzip}},
      {"M8_NoName",
       MixedMail({text, "Content-Type: application/gzip" + std::string(kBase64) + "\n\n" +
                            Base64Lines(gz)}),
       {kMailGzip}},
      {"M10_TextAndHtmlFirst", MixedMail({text, html, part}), {kMailGzip}},
      {"M10_TextWithMarkup", MixedMail({"\n<report> follows", part}), {kMailGzip}},
      {"M11_Several",
       MixedMail({part, Base64Part("application/zip", "b.zip", ZipOf({{"b", SampleXml("r-2")}})),
                  Base64Part("application/tlsrpt+gzip", "t.json.gz", GzipOf(SampleTlsJson()))}),
       {kMailGzip, "aggregate accepted [mail/zip/xml] r-2", "tls accepted [mail/gzip/json] t-1"}},
      {"M11_OneBadDoesNotHarmTheOther",
       MixedMail({Base64Part("application/gzip", "x.gz", GzipOf("unused")), part}),
       {"unknown quarantined empty_payload [mail/gzip]", kMailGzip}},
      {"M12_SameTwice",
       MixedMail({part, Base64Part("application/zip", "a.zip", zip)}),
       {kMailGzip, "aggregate duplicate duplicate_in_input [mail/zip/xml]"}},
      {"M13_Enclosed",
       LeafMail("Content-Type: message/rfc822", MixedMail({text, part})),
       {"aggregate accepted [mail/mail/gzip/xml] r-1"}},
      {"M13_EnclosedThreeDeep",
       LeafMail("Content-Type: message/rfc822",
                LeafMail("Content-Type: message/rfc822",
                         LeafMail("Content-Type: message/rfc822", MixedMail({part})))),
       {"aggregate accepted [mail/mail/mail/mail/gzip/xml] r-1"}},
      {"M13_EnclosedFourDeep",
       LeafMail("Content-Type: message/rfc822",
                LeafMail("Content-Type: message/rfc822",
                         LeafMail("Content-Type: message/rfc822",
                                  LeafMail("Content-Type: message/rfc822", MixedMail({part}))))),
       {"unknown over_limit too_many_enclosed_messages [mail]"}},
      {"M13_AttachedEml",
       MixedMail({text, Base64Part("application/octet-stream", "r.eml", MixedMail({part}))}),
       {"aggregate accepted [mail/mail/gzip/xml] r-1"}},
      {"M13_Tnef",
       MixedMail({text, Base64Part("application/ms-tnef", "winmail.dat", "\x78\x9F\x3E\x22 x")}),
       {"unknown quarantined container_unsupported [mail]"}},
      {"M13_OutlookMessage",
       MixedMail({Base64Part("application/vnd.ms-outlook", "r.msg",
                             "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 x")}),
       {"unknown quarantined container_unsupported [mail]"}},
      {"WordFileIsNoCandidate",
       MixedMail({Base64Part("application/msword", "r.doc", "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 x")}),
       {"unknown not_a_report no_report_found [mail]"}},
      {"M14_StrayCharacters",
       LeafMail(fmt::format("Content-Type: application/gzip{}", kBase64),
                "!!" + Base64Lines(gz) + "\n"),
       {"aggregate cosmetic [mail/gzip/xml] r-1 {b64_lenient}"}},
      {"M14_OneLongLine",
       LeafMail(fmt::format("Content-Type: application/gzip{}", kBase64), Base64Encode(gz)),
       {kMailGzip}},
      {"M15_NeverEncoded",
       LeafMail(fmt::format("Content-Type: application/gzip{}", kBase64), gz),
       {"aggregate cosmetic [mail/gzip/xml] r-1 {transfer_encoding_wrong}"}},
      {"M15_EncodedTwice",
       Leaf("application/gzip", Base64Lines(gz)),
       {"aggregate cosmetic [mail/gzip/xml] r-1 {base64_again}"}},
      {"M15_EncodedThrice",
       Leaf("application/gzip", Base64Lines(Base64Lines(gz))),
       {"unknown not_a_report no_report_found [mail]"}},
      {"M15_EncodingNotNamed",
       LeafMail("Content-Type: application/gzip", Base64Lines(gz)),
       {"aggregate cosmetic [mail/gzip/xml] r-1 {base64_again}"}},
      {"M16_EightBitXml",
       LeafMail("Content-Type: text/xml", xml),
       {"aggregate accepted [mail/xml] r-1"}},
      {"M17_Footer",
       LeafMail("Content-Type: text/plain", xml + "\n____\nThis mail was scanned.\n"),
       {"aggregate cosmetic [mail/xml] r-1 {trailing_garbage}"}},
      {"M18_Bounce",
       Report("delivery-status", "Content-Type: message/delivery-status\n\nAction: failed",
              "Content-Type: message/rfc822\n\n" + MixedMail({part})),
       {"unknown not_a_report bounce [mail]"}},
      {"M18_AutoReply",
       LeafMail("Auto-Submitted: auto-replied", "I am on holiday.\n"),
       {"unknown not_a_report no_report_found [mail]"}},
      {"M21_CrLf", WithCrLf(MixedMail({text, part})), {kMailGzip}},
      {"M21_Bom", "\xEF\xBB\xBF" + MixedMail({text, part}), {kMailGzip}},
      {"M21_MboxOfTwo",
       "From a@b Thu\n" + MixedMail({part}) + "\nFrom c@d Odd Date\n" +
           Leaf("application/zip", ZipOf({{"b", SampleXml("r-2")}})),
       {"aggregate accepted [mbox/mail/gzip/xml] r-1",
        "aggregate accepted [mbox/mail/zip/xml] r-2"}},
      {"M22_NulAndEightBit",
       std::string("X-A: \xE4\0\xFF\n", 9) + MixedMail({text, part}),
       {kMailGzip}},
      {"TlsInBody",
       LeafMail("Content-Type: application/tlsrpt+json", SampleTlsJson()),
       {"tls accepted [mail/json] t-1"}},
      {"JsonInBodyText",
       LeafMail("Content-Type: text/plain", "{\"hello\": 1}"),
       {"unknown not_a_report no_report_found [mail]"}},
      {"PicturesAreNotOpened",
       MixedMail({Base64Part("image/png", "logo.png", gz)}),
       {"unknown not_a_report no_report_found [mail]"}},
      {"Feedback",
       Report("feedback-report", feedback, original),
       {"failure accepted [mail/arf] example.com"}},
      {"FeedbackHeadersOnly",
       Report("feedback-report", feedback,
              "Content-Type: text/rfc822-headers\n\nFrom: x@example.com\nSubject: hi\n"),
       {"failure accepted [mail/arf] example.com"}},
      {"FeedbackBase64",
       Report("feedback-report",
              "Content-Type: message/feedback-report" + std::string(kBase64) + "\n\n" +
                  Base64Lines(SampleFeedback()),
              original),
       {"failure accepted [mail/arf] example.com"}},
      {"FeedbackTypedAsText",
       Report("feedback-report", "Content-Type: text/plain\n\n" + SampleFeedback(), original),
       {"failure accepted [mail/arf] example.com"}},
      {"FeedbackLabelledButUnreadable",
       Report("feedback-report", "Content-Type: message/feedback-report\n\nhello", original),
       {"unknown not_a_report not_a_failure_report [mail/arf]"}},
      {"FeedbackAsPlainNotice",
       LeafMail("Content-Type: text/plain",
                "A message claiming to be from you has failed the published DMARC policy\n"
                "for your domain.\n\n  Sender Domain: example.com\n"
                "  Sender IP Address: 192.0.2.1\n  Received Date: Mon, 01 Dec 2025 12:00:00 +0000\n"
                "  SPF Alignment: no\n  DKIM Alignment: no\n  DMARC Results: Reject\n"),
       {"failure material [mail/arf] example.com {feedback_plain_text}"}},
      {"FeedbackOfAnotherType",
       Report("feedback-report",
              "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n",
              original),
       {"unknown not_a_report arf_not_auth_failure [mail/arf]"}},
  };
  for (const std::string type :
       {"application/x-gzip", "application-x-gzip", "application/zip", "x-zip", "zip-compressed",
        "application/octet-stream", "text/plain", "garbage;;;"}) {
    std::string name = "M2_M3_M4_" + type;
    for (char& c : name) {
      if (c == '/') c = 'S';
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
    cases.push_back({name, MixedMail({text, Base64Part(type, "a", gz)}), {kMailGzip}});
  }
  return cases;
}

class UnpackMailTest : public testing::TestWithParam<Case> {};

TEST_P(UnpackMailTest, Case) { EXPECT_EQ(UnpackLines(GetParam().input), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(All, UnpackMailTest, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

TEST(UnpackMail, CarrierTellsWhoSent) {
  UnpackHints hints;
  hints.received_time = absl::FromUnixSeconds(1764720000);
  const CarrierInfo carrier = Unpack(LeafMail("X-A: b", "hello"), hints, {}).carrier;
  EXPECT_TRUE(carrier.is_mail);
  EXPECT_EQ(carrier.from_domain, "reporter.example");
  EXPECT_EQ(carrier.message_id, "m-1@reporter.example");
  EXPECT_EQ(carrier.subject,
            "Report Domain: example.com Submitter: reporter.example Report-ID: <r-1>");
  EXPECT_EQ(carrier.date, absl::FromUnixSeconds(1764637200));
  EXPECT_FALSE(Unpack(SampleXml(), hints, {}).carrier.is_mail);
}

TEST(UnpackMail, M9_TheAttachmentsNameIsKept) {
  const std::string part =
      "Content-Type: application/gzip; name*0=\"r!example.com!\"; name*1=\"1!2.xml.gz\"\n"
      "Content-Transfer-Encoding: base64\n\n" +
      Base64Lines(GzipOf(SampleXml()));
  const Unpacked got = Unpack(MixedMail({part}), {}, {});
  ASSERT_EQ(got.reports.size(), 1u);
  EXPECT_EQ(got.reports[0].file_name, "r!example.com!1!2.xml.gz");
}

TEST(UnpackMail, ThreadsDoNotDisturbEachOther) {
  const std::vector<Case> cases = Cases();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cases, &wrong] {
      for (const Case& test : cases) {
        if (UnpackLines(test.input) != test.want) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(UnpackMail, TheFeedbackMailsOwnAttachmentsAreNotReports) {
  // The complaint is about a mail that carried a report: that report came from nobody.
  const std::string mail =
      Report("feedback-report", "Content-Type: message/feedback-report\n\n" + SampleFeedback(),
             "Content-Type: message/rfc822\n\n" + LeafMail("Content-Type: text/xml", SampleXml()));
  EXPECT_EQ(UnpackLines(mail), std::vector<std::string>{"failure accepted [mail/arf] example.com"});
}

}  // namespace
}  // namespace dmarcate
