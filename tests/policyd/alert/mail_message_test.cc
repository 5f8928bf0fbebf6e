#include "policyd/alert/mail_message.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

AlertMail Mail() {
  return {.from = "dmarcate@example.com",
          .to = {"a@example.net", "b@example.net"},
          .subject = "[dmarcate] error",
          .text = "text\n",
          .html = "",
          .date = absl::FromUnixSeconds(1'782'820'800),
          .id = "a-1"};
}

TEST(RenderMail, ATextAlone) {
  EXPECT_EQ(RenderMail(Mail()),
            "From: dmarcate@example.com\r\n"
            "To: a@example.net,\r\n b@example.net\r\n"
            "Subject: [dmarcate] error\r\n"
            "Date: Tue, 30 Jun 2026 12:00:00 +0000\r\n"
            "Message-ID: <a-1@example.com>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "\r\n"
            "dGV4dAo=\r\n");
}

TEST(RenderMail, WithHtmlThereAreTwoParts) {
  AlertMail mail = Mail();
  mail.html = "<p>" + std::string(5000, 'x') + "</p>";
  const std::string out = RenderMail(mail);
  EXPECT_THAT(out, HasSubstr("Content-Type: multipart/alternative; boundary=\"=_"));
  EXPECT_LT(out.find("text/plain"), out.find("text/html")) << "the richest last";
  EXPECT_TRUE(out.ends_with("--\r\n"));
  for (const std::string_view line : Split(out, '\n')) EXPECT_LE(line.size(), 79u) << line;
}

TEST(RenderMail, ASubjectCannotBeginAnotherHeader) {
  AlertMail mail = Mail();
  mail.subject = "a\r\nBcc: evil@example.org\r\n\r\nbody";
  const std::string out = RenderMail(mail);
  EXPECT_THAT(out, Not(HasSubstr("\nBcc:")));
  EXPECT_THAT(out, HasSubstr("\r\nDate: Tue"));
}

TEST(RenderMail, ASubjectThatIsNotPlainIsEncodedInWholeCharacters) {
  AlertMail mail = Mail();
  mail.subject.clear();
  for (int i = 0; i < 60; ++i) mail.subject += "é";
  const std::string out = RenderMail(mail);
  const std::string head = out.substr(0, out.find("\r\nDate:"));
  EXPECT_THAT(head, HasSubstr("Subject: =?UTF-8?B?"));
  std::string decoded;
  for (size_t at = head.find("?B?"); at != std::string::npos; at = head.find("?B?", at + 1)) {
    const size_t end = head.find("?=", at);
    const auto word = Base64Decode(head.substr(at + 3, end - at - 3));
    ASSERT_TRUE(word.ok());
    EXPECT_TRUE(IsValidUtf8(*word)) << "RFC 2047 section 5";
    decoded += *word;
  }
  EXPECT_EQ(decoded, mail.subject);
}

TEST(IsMailAddress, TakesPlainOnesAlone) {
  for (const char* good :
       {"a@example.com", "first.last+tag@sub.example.com", "o'neil@example.com"}) {
    EXPECT_TRUE(IsMailAddress(good)) << good;
  }
  for (const char* bad :
       {"", "a", "@example.com", "a@", "a@b@example.com", "a b@example.com", "\"a\"@example.com",
        "a@example.com>", "<a@example.com>", "a@example.com,b@example.com", ".a@example.com",
        "a.@example.com", "a..b@example.com", "a@[192.0.2.1]", "a@exa mple.com",
        "a@example.com\r\nRCPT TO:<x@y>", "-oQ@example.com", "a%b@ex_ample.com", "ä@example.com"}) {
    EXPECT_FALSE(IsMailAddress(bad)) << bad;
  }
  EXPECT_FALSE(IsMailAddress(std::string(65, 'a') + "@example.com"));
}

}  // namespace
}  // namespace dmarcate
