// A failure report says the same without the persons in it.
#include "lib/unpack/redact_failure_mail.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/unpack/unpack.h"
#include "tests/lib/archive/archive_builder.h"
#include "tests/lib/unpack/samples.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;

const AddressTokens kTokens("key");

// "canary" stands in every place that holds persons or what they wrote.
constexpr std::string_view kFields =
    "Feedback-Type: auth-failure\nUser-Agent: Lua/1.0\nVersion: 1\n"
    "Original-Mail-From: <canary-bounce@example.com>\n"
    "Original-Rcpt-To: canary-reader@receiver.test\n"
    "Original-Envelope-Id: canary-envelope\n"
    "Authentication-Results: mx.test; dmarc=fail\n header.from=example.com;"
    " spf=fail smtp.mailfrom=canary-bounce@example.com;"
    " auth=pass (Canary canary-name) smtp.auth=canary.user\n"
    "Auth-Failure: dmarc\nDKIM-Domain: example.com\nDKIM-Identity: canary-signer@example.com\n"
    "DKIM-Selector: s1\nDKIM-Canonicalized-Header: canary-header\n"
    "DKIM-Canonicalized-Body: canary-body\nArrival-Date: Tue, 30 Apr 2019 02:09:00 +0000\n"
    "Source-IP: 192.0.2.1 (host.test)\nReported-Domain: example.com\n"
    "Reported-URI: https://canary.test/\nIdentity-Alignment: none\n"
    "Delivery-Result: smg-policy-action\nX-Odd: canary-odd\n";
constexpr std::string_view kOriginal =
    "Received: from canary-host by mx.test for <canary-reader@receiver.test>\n"
    "DKIM-Signature: v=1; d=example.com; s=s1; i=canary-signer@example.com; z=Subject:canary-copy;"
    " h=From; b=abc\n"
    "From: \"Canary canary-name\" <canary-author@example.com>\nTo: canary-reader@receiver.test\n"
    "Subject: canary-subject\nDate: Tue, 30 Apr 2019 02:08:00 +0000 (canary-comment)\n"
    "Message-ID: <canary-id@example.com>\n";

std::string FailureMail(std::string_view text, std::string_view original_type,
                        std::string_view body) {
  std::string mail =
      "Received: from a by b for <canary-inbox@example.com>\n"
      "From: \"Canary canary-postmaster\" <canary-postmaster@reporter.test>\n"
      "To: canary-inbox@example.com\nSubject: FW: canary-subject\n"
      "Date: Tue, 30 Apr 2019 02:10:00 +0000\nMessage-ID: <canary-carrier@reporter.test>\n"
      "DKIM-Signature: v=1; d=reporter.test; b=abc\nMIME-Version: 1.0\n"
      "Content-Type: multipart/report; report-type=\"feedback-report\";\n\tboundary=\"b\"\n\n"
      "--b\nContent-Type: text/plain\n\n";
  mail.append(text).append("\n--b\nContent-Type: message/feedback-report\n\n").append(kFields);
  mail.append("\n--b\nContent-Type: ").append(original_type).append("\n\n").append(kOriginal);
  return mail.append(body).append("\n--b--\n");
}

UnpackedReport Read(std::string mail) {
  Unpacked unpacked =
      Unpack(std::move(mail), {.received_time = absl::FromUnixSeconds(1556590000)}, UnpackLimits{});
  EXPECT_EQ(unpacked.reports.size(), 1u);
  return std::move(unpacked.reports.front());
}

std::string WithCrLf(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.push_back('\r');
    out.push_back(c);
  }
  return out;
}

TEST(RedactFailureMailTest, SaysTheSameWithoutThePersons) {
  for (const std::string& mail :
       {FailureMail("Dear canary-reader", "message/rfc822", "\ncanary-text\n"),
        FailureMail("Dear canary-reader", "text/rfc822-headers", ""),
        WithCrLf(FailureMail("Dear canary-reader", "message/rfc822", "\ncanary-text\n"))}) {
    const auto redacted = RedactFailureMail(mail, kTokens);
    ASSERT_TRUE(redacted.has_value());
    EXPECT_THAT(*redacted, Not(HasSubstr("anary")));
    EXPECT_TRUE(IsRedactedFailureMail(*redacted, kTokens));
    EXPECT_EQ(RedactFailureMail(*redacted, kTokens), *redacted);
    EXPECT_EQ(RedactFailureMail(mail, kTokens), *redacted) << "equal bytes, equal bytes";
    UnpackedReport before = Read(mail);
    const UnpackedReport after = Read(*redacted);
    ASSERT_TRUE(before.failure.has_value());
    ASSERT_TRUE(after.failure.has_value()) << after.reason;
    RedactFailureReport(kTokens, &*before.failure);
    EXPECT_EQ(*after.failure, *before.failure);
    EXPECT_EQ(after.outcome, before.outcome);
    EXPECT_EQ(after.failure->original_from_domain, "example.com");
    EXPECT_EQ(after.failure->original_mail_from_domain, "example.com");
    EXPECT_EQ(after.failure->delivery_result, "policy");
    EXPECT_THAT(after.failure->authentication_results, HasSubstr("smtp.mailfrom=r-"));
    EXPECT_THAT(after.failure->original_message_id, HasSubstr("@example.com>"));
  }
}

TEST(RedactFailureMailTest, LeavesEverythingElseAlone) {
  const std::string good = FailureMail("text", "message/rfc822", "");
  EXPECT_FALSE(RedactFailureMail("", kTokens).has_value());
  EXPECT_FALSE(RedactFailureMail(SampleXml(), kTokens).has_value());
  EXPECT_FALSE(RedactFailureMail(std::string(kFields), kTokens).has_value());
  // Nobody loses a report of another kind that came in the same mail, or under a wrong label.
  for (const std::string& other : {SampleXml(), GzipOf(SampleXml())}) {
    std::string mixed = good;
    mixed.insert(mixed.rfind("\n--b--"),
                 "\n--b\nContent-Type: application/octet-stream\n\n" + other);
    EXPECT_FALSE(RedactFailureMail(mixed, kTokens).has_value());
  }
  // Nor one in an enclosed mail, or behind more parts than are looked at.
  const std::string eml = LeafMail("Content-Type: text/xml", SampleXml());
  for (const std::string& part : {"Content-Type: application/octet-stream; name=r.eml\n\n" + eml,
                                  "Content-Type: application/octet-stream\n\nFrom a@b\n" + eml,
                                  "Content-Type: text/rfc822-headers\n\n" + eml,
                                  Base64Part("message/rfc822", "r.eml", eml)}) {
    std::string mixed = good;
    mixed.insert(mixed.rfind("\n--b--"), "\n--b\n" + part);
    EXPECT_FALSE(RedactFailureMail(mixed, kTokens).has_value()) << part;
  }
  std::string before = good;
  before.insert(before.find("--b\nContent-Type: message/feedback-report"),
                "--b\nContent-Type: message/rfc822\n\n" + eml + "\n");
  EXPECT_FALSE(RedactFailureMail(before, kTokens).has_value());
  std::string many = good;
  for (int i = 0; i < 80; ++i) many.insert(many.rfind("\n--b--"), "\n--b\n\ntext");
  EXPECT_FALSE(RedactFailureMail(many, kTokens).has_value());
  std::string labelled = good;
  labelled.replace(labelled.find("message/feedback-report"), 23, "application/xml");
  EXPECT_FALSE(RedactFailureMail(labelled, kTokens).has_value());
}

TEST(RedactFailureMailTest, TheMarkIsProof) {
  const std::string redacted = *RedactFailureMail(FailureMail("a", "message/rfc822", ""), kTokens);
  EXPECT_FALSE(IsRedactedFailureMail(redacted, AddressTokens("other")));
  EXPECT_FALSE(IsRedactedFailureMail(redacted + "canary", kTokens));
  EXPECT_FALSE(IsRedactedFailureMail("X-Dmarcate-Redacted: yes\n\ncanary", kTokens));
  EXPECT_FALSE(IsRedactedFailureMail("X-Dmarcate-Redacted: ", kTokens));
}

}  // namespace
}  // namespace dmarcate
