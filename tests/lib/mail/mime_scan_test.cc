#include "lib/mail/mime_scan.h"

#include <ctime>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace dmarcate {
namespace {

// "type|name|message|context|body" of each leaf.
std::vector<std::string> Leaves(const Mail& mail) {
  std::vector<std::string> out;
  for (const MailLeaf& leaf : mail.leaves) {
    out.push_back(leaf.content_type + "|" + leaf.file_name + "|" + std::to_string(leaf.message) +
                  "|" + (leaf.context == LeafContext::kDeliveryStatus ? "bounce" : "") + "|" +
                  std::string(leaf.body));
  }
  return out;
}

struct Case {
  std::string name;
  std::string mail;
  std::vector<std::string> want;
};

const Case kCases[] = {
    {"M1_RootLeaf",
     "Subject: x\nContent-Type: application/zip; name=a.zip\n\nPK",
     {"application/zip|a.zip|0||PK"}},
    {"Untyped", "Subject: x\n\nhello\n", {"text/plain||0||hello\n"}},
    {"M10_TextBeforeAttachment",
     "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\ntext <x>\n--b\n"
     "Content-Type: application/gzip\nContent-Disposition: attachment; filename=\"a.gz\"\n\ndata\n"
     "--b--\nepilogue\n--b\nnot a part\n",
     {"text/plain||0||text <x>", "application/gzip|a.gz|0||data"}},
    {"M21_CrLf",
     "Content-Type: multipart/mixed; "
     "boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
     {"text/plain||0||one", "text/plain||0||two"}},
    {"M21_MixedLineEnds",
     "Content-Type: multipart/mixed; boundary=b\n\r\n--b\r\n\none\n--b\n\r\ntwo\r\n--b--",
     {"text/plain||0||one", "text/plain||0||two"}},
    {"M6_NoBoundary",
     "Content-Type: multipart/alternative\n\nUEsDBA==\n",
     {"multipart/alternative||0||UEsDBA==\n"}},
    {"M6_NoParts",
     "Content-Type: multipart/mixed; boundary=b\n\nUEsDBA==\n",
     {"multipart/mixed||0||UEsDBA==\n"}},
    {"M7_MisspeltHeader",
     "ContentType: multipart/mixed; boundary=b\n\n--b\nContentType: application/gzip\n\nx\n--b--\n",
     {"application/gzip||0||x"}},
    {"M8_DispositionBeforeName",
     "Content-Type: application/gzip; name=n\nContent-Disposition: attachment; filename=f\n\nx",
     {"application/gzip|f|0||x"}},
    {"Nested",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n"
     "Content-Type: multipart/alternative; "
     "boundary=ab\n\n--ab\n\n1\n--ab\n\n2\n--ab--\n--a\n\n3\n--a--\n",
     {"text/plain||0||1", "text/plain||0||2", "text/plain||0||3"}},
    {"InnerNeverClosed",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n"
     "Content-Type: multipart/alternative; boundary=ab\n\n--ab\n\n1\n--a\n\n3\n--a--\n",
     {"text/plain||0||1", "text/plain||0||3"}},
    {"Truncated",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a\nContent-Type: x/y\n\n2",
     {"text/plain||0||1", "x/y||0||2"}},
    {"HeaderEndedByDelimiter",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: x/y\n--a\n\n2\n--a--\n",
     {"x/y||0||", "text/plain||0||2"}},
    {"PaddingAfterDelimiter",
     "Content-Type: multipart/mixed; boundary=a\n\n--a \t\n\n1\n--a--  \n",
     {"text/plain||0||1"}},
    {"DashesInBody",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n-- \n--ab\n---\nx--a\n--a--\n",
     {"text/plain||0||-- \n--ab\n---\nx--a"}},
    {"M13_Enclosed",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n"
     "From: x@y.example\nContent-Type: multipart/mixed; "
     "boundary=i\n\n--i\n\n1\n--i--\n--a\n\n2\n--a--\n",
     {"text/plain||1||1", "text/plain||0||2"}},
    {"M13_EnclosedTwice",
     "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: x\n\nbody",
     {"text/plain||2||body"}},
    {"EncodedMessageIsALeaf",
     "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3Vi",
     {"message/rfc822||0||U3Vi"}},
    {"Digest",
     "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\n1\n--a--\n",
     {"text/plain||1||1"}},
    {"M18_Bounce",
     "Content-Type: multipart/report; report-type=delivery-status; boundary=a\n\n--a\n\n1\n--a\n"
     "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; "
     "boundary=i\n\n--i\n\n2\n--i--\n"
     "--a--\n",
     {"text/plain||0|bounce|1", "text/plain||1|bounce|2"}},
    {"M18_BounceUnlabelled",
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a\nContent-Type: "
     "message/delivery-status\n\nX: y\n--a\nContent-Type: message/rfc822\n\nSubject: "
     "z\n\n2\n--a--\n",
     {"text/plain||0||1", "message/delivery-status||0|bounce|X: y", "text/plain||1|bounce|2"}},
    {"M21_FromLineAndBom",
     "\xEF\xBB\xBF\nFrom x@y Thu\n>From z\nSubject: x\n\nbody",
     {"text/plain||0||body"}},
    {"Empty", "", {"text/plain||0||"}},
    {"NoHeader", "just text", {"text/plain||0||just text"}},
};

class ScanMailTest : public testing::TestWithParam<Case> {};

TEST_P(ScanMailTest, Case) {
  const Mail mail = ScanMail(GetParam().mail, {});
  EXPECT_EQ(Leaves(mail), GetParam().want);
  EXPECT_EQ(mail.limit, "");
}

INSTANTIATE_TEST_SUITE_P(All, ScanMailTest, testing::ValuesIn(kCases),
                         [](const auto& test) { return test.param.name; });

TEST(ScanMail, EnclosedMessagesHaveTheirOwnHeaders) {
  const Mail mail = ScanMail("Subject: out\nContent-Type: message/rfc822\n\nSubject: in\n\nx", {});
  ASSERT_EQ(mail.messages.size(), 2u);
  EXPECT_EQ(mail.messages[0].headers, "Subject: out\nContent-Type: message/rfc822\n\n");
  EXPECT_EQ(mail.messages[1].headers, "Subject: in\n\n");
  EXPECT_EQ(mail.messages[1].depth, 1);
}

std::string Multiparts(int depth) {
  std::string mail;
  for (int i = 0; i < depth; ++i) {
    const std::string boundary = "b" + std::to_string(i);
    mail += "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n--" + boundary + "\n";
  }
  return mail + "\nbottom\n";
}

std::string EnclosedMessages(int depth) {
  std::string mail;
  for (int i = 0; i < depth; ++i) mail += "Content-Type: message/rfc822\n\n";
  return mail + "Subject: x\n\nbottom\n";
}

std::string FlatParts(int count) {
  std::string mail = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < count; ++i) mail += "--b\n\nx\n";
  return mail + "--b--\n";
}

TEST(ScanMailLimits, MultipartDepth) {
  EXPECT_EQ(ScanMail(Multiparts(8), {}).limit, "");
  EXPECT_EQ(ScanMail(Multiparts(8), {}).leaves.size(), 1u);
  EXPECT_EQ(ScanMail(Multiparts(9), {}).limit, "mime_too_deep");
}

TEST(ScanMailLimits, EnclosedMessages) {
  EXPECT_EQ(ScanMail(EnclosedMessages(3), {}).limit, "");
  EXPECT_EQ(ScanMail(EnclosedMessages(4), {}).limit, "too_many_enclosed_messages");
}

TEST(ScanMailLimits, Parts) {
  EXPECT_EQ(ScanMail(FlatParts(63), {}).limit, "");
  const Mail mail = ScanMail(FlatParts(64), {});  // the multipart counts as well
  EXPECT_EQ(mail.limit, "too_many_parts");
  EXPECT_EQ(mail.leaves.size(), 63u);
}

TEST(ScanMailLimits, HeaderFieldsAndBytes) {
  std::string fields;
  for (int i = 0; i < 1000; ++i) fields += "A: b\n";
  EXPECT_EQ(ScanMail(fields + "\nx", {}).limit, "");
  EXPECT_EQ(ScanMail(fields + "A: b\n\nx", {}).limit, "header_too_large");
  EXPECT_EQ(ScanMail("A: " + std::string(300'000, 'x') + "\n\nx", {}).limit, "header_too_large");
  EXPECT_EQ(ScanMail("A: b\n\n" + std::string(300'000, 'x'), {}).limit, "");
  EXPECT_EQ(ScanMail(std::string(300'000, 'x'), {}).limit, "");
}

// Doubling the input must not do much more than double the time (safety: at most 2.2 times; a test
// on a shared machine allows for noise). Each shape is one that quadratic scanners fail on.
TEST(ScanMailLimits, HostileShapesTakeOnePass) {
  const MailLimits wide{.depth = 1 << 30, .parts = 1 << 30, .enclosed_messages = 1 << 30};
  const std::string open = "Content-Type: multipart/mixed; boundary=b\n\n";
  std::string dashes = open;
  std::string near_misses = open;
  std::string folds = "A: b";
  while (dashes.size() < (20u << 20)) dashes += "--";
  while (near_misses.size() < (20u << 20)) near_misses += "--bx\n";
  while (folds.size() < (20u << 20)) folds += "\n x";
  for (const std::string& mail : {dashes, near_misses, folds, Multiparts(100'000),
                                  EnclosedMessages(100'000), FlatParts(500'000)}) {
    const std::clock_t begin = std::clock();
    ScanMail(mail, {});
    EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC);
  }
  const std::clock_t begin = std::clock();
  ScanMail(FlatParts(500'000), wide);
  EXPECT_LT(std::clock() - begin, 10 * CLOCKS_PER_SEC);
}

}  // namespace
}  // namespace dmarcate
