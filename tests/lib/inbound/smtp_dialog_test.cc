// A mail server's words, in every cut and without end.
#include "lib/inbound/smtp_dialog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing_support::IsOk;
using testing_support::StatusIs;

DomainName Host() { return DomainName::Parse("mx.example.com").value(); }

struct Outcome {
  SmtpProbe probe;
  std::string said;
  bool done = false;
};

// Gives `octets` in pieces of `step`.
Outcome Converse(std::string_view octets, size_t step = std::string::npos, bool close = true) {
  SmtpDialog dialog(Host(), "[192.0.2.9]");
  Outcome out;
  while (!octets.empty()) {
    dialog.Receive(octets.substr(0, step));
    octets.remove_prefix(std::min(step, octets.size()));
    out.said += dialog.TakeOutput();
  }
  if (close) dialog.EndOfStream();
  out.probe = dialog.probe();
  out.done = dialog.done();
  return out;
}

struct Case {
  std::string name;
  std::string octets;
  SmtpStage stage;
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string message;
  std::string said;
};
const Case kCases[] = {
    {"Nothing", "", SmtpStage::kGreeting, absl::StatusCode::kUnavailable, "closed", ""},
    {"HalfAGreeting", "220 mx", SmtpStage::kGreeting, absl::StatusCode::kUnavailable, "closed", ""},
    {"NotSmtp", "SSH-2.0-OpenSSH_9.2\r\n", SmtpStage::kGreeting, absl::StatusCode::kInvalidArgument,
     "no SMTP reply", ""},
    {"CodeWithoutBlank", "220x\r\n", SmtpStage::kGreeting, absl::StatusCode::kInvalidArgument,
     "no SMTP reply", ""},
    {"Refused", "554 you are listed\r\n", SmtpStage::kGreeting,
     absl::StatusCode::kFailedPrecondition, "answers a connection with '554 you are listed'", ""},
    {"BusyAfterManyLines", "421-busy\r\n421 later\r\n", SmtpStage::kGreeting,
     absl::StatusCode::kFailedPrecondition, "421 later", ""},
    {"Greeted", "220-mx\r\n220 hello\r\n", SmtpStage::kEhlo, absl::StatusCode::kUnavailable,
     "closed", "EHLO [192.0.2.9]\r\n"},
    {"CodeAlone", "220\r\n", SmtpStage::kEhlo, absl::StatusCode::kUnavailable, "closed",
     "EHLO [192.0.2.9]\r\n"},
    {"BareLineFeeds", "220 mx\n250-mx\n250 STARTTLS\n", SmtpStage::kStartTls,
     absl::StatusCode::kUnavailable, "closed", "EHLO [192.0.2.9]\r\nSTARTTLS\r\n"},
    {"EhloRefused", "220 mx\r\n550 no\r\n", SmtpStage::kEhlo, absl::StatusCode::kFailedPrecondition,
     "answers EHLO with '550 no'", "EHLO [192.0.2.9]\r\n"},
    {"EhloUnknown", "220 mx\r\n502 what\r\n", SmtpStage::kStartTls, absl::StatusCode::kOk, "",
     "EHLO [192.0.2.9]\r\nQUIT\r\n"},
    {"NotOffered", "220 mx\r\n250-mx\r\n250-STARTTLSX\r\n250 SIZE\r\n", SmtpStage::kStartTls,
     absl::StatusCode::kOk, "", "EHLO [192.0.2.9]\r\nQUIT\r\n"},
    {"TheGreetingOffersNothing", "220-STARTTLS\r\n220 mx\r\n250 mx\r\n", SmtpStage::kStartTls,
     absl::StatusCode::kOk, "", "EHLO [192.0.2.9]\r\nQUIT\r\n"},
    {"StartTlsRefused", "220 mx\r\n250-mx\r\n250 starttls\r\n454 no key\r\n", SmtpStage::kStartTls,
     absl::StatusCode::kFailedPrecondition, "answers STARTTLS with '454 no key'",
     "EHLO [192.0.2.9]\r\nSTARTTLS\r\n"},
};
class SmtpDialogTest : public testing::TestWithParam<Case> {};
TEST_P(SmtpDialogTest, ComesToTheSameInEveryCut) {
  for (size_t step = 1; step <= GetParam().octets.size() + 1; ++step) {
    const Outcome out = Converse(GetParam().octets, step);
    EXPECT_EQ(out.probe.stage, GetParam().stage) << ToString(out.probe.stage);
    EXPECT_THAT(out.probe.error, StatusIs(GetParam().code, HasSubstr(GetParam().message)));
    EXPECT_EQ(out.said, GetParam().said);
    EXPECT_TRUE(out.done);
  }
}
INSTANTIATE_TEST_SUITE_P(All, SmtpDialogTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

constexpr std::string_view kAgreed = "220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go ahead\r\n";

TEST(SmtpDialog, TlsBeginsOnceItIsAgreed) {
  const Outcome out = Converse(kAgreed, std::string::npos, /*close=*/false);
  EXPECT_EQ(out.probe.stage, SmtpStage::kTls);
  EXPECT_EQ(out.probe.clear_octets, 0u);
  EXPECT_FALSE(out.done);
  const size_t hello = out.said.find("STARTTLS\r\n") + 10;
  ASSERT_GT(out.said.size(), hello + 5);
  EXPECT_EQ(out.said[hello], 0x16) << "a handshake record";
  EXPECT_THAT(out.said.substr(hello), HasSubstr("mx.example.com")) << "SNI";
}

TEST(SmtpDialog, WhatIsPipelinedBehindStartTlsIsCountedAndNotBelieved) {
  const std::string injected = "250-mx\r\n250 SIZE 1\r\n";
  for (const size_t step : {size_t{1}, kAgreed.size(), std::string::npos}) {
    const Outcome out = Converse(std::string(kAgreed) + injected, step, /*close=*/false);
    EXPECT_EQ(out.probe.stage, SmtpStage::kTls);
    EXPECT_GT(out.probe.clear_octets, 0u) << step;
    EXPECT_EQ(out.probe.reply, "220 go ahead");
  }
  EXPECT_EQ(Converse(std::string(kAgreed) + injected, std::string::npos, false).probe.clear_octets,
            injected.size());
}

TEST(SmtpDialog, GarbageInsteadOfTlsEnds) {
  SmtpDialog dialog(Host(), "me");
  dialog.Receive(kAgreed);
  dialog.Receive(std::string("\x16\x03\x03\x00\x05hello", 10));
  EXPECT_TRUE(dialog.done());
  EXPECT_THAT(dialog.probe().error, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(dialog.probe().clear_octets, 0u);
}

TEST(SmtpDialog, ALineHasALimit) {
  const std::string most = "220 " + std::string(kMaxSmtpReplyLine - 5, 'x');  // and the CR
  EXPECT_EQ(Converse(most + "\r\n").probe.stage, SmtpStage::kEhlo);
  EXPECT_THAT(
      Converse(most + "xx\r\n").probe.error,
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("a line of more than 2048")));
  SmtpDialog dialog(Host(), "me");
  dialog.Receive("220 " + std::string(kMaxSmtpReplyLine, 'x'));
  EXPECT_TRUE(dialog.done()) << "its end is not awaited";
}

TEST(SmtpDialog, AReplyHasALimit) {
  std::string lines;
  for (size_t i = 0; i < kMaxSmtpReplyLines - 1; ++i) lines += "220-x\r\n";
  EXPECT_EQ(Converse(lines + "220 x\r\n").probe.stage, SmtpStage::kEhlo);
  EXPECT_THAT(Converse(lines + "220-x\r\n220 x\r\n").probe.error,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 100 lines")));
}

TEST(SmtpDialog, ASessionHasALimit) {
  SmtpDialog dialog(Host(), "me");
  dialog.Receive(kAgreed);
  // TLS records of a handshake that goes on for ever.
  const std::string record = std::string("\x16\x03\x03\x00\x01\x02", 6);
  for (size_t i = 0; i <= kMaxSmtpSessionOctets && !dialog.done(); i += record.size()) {
    dialog.Receive(record);
    dialog.TakeOutput();
  }
  EXPECT_TRUE(dialog.done());
  EXPECT_FALSE(dialog.probe().error.ok());
  const Outcome big = Converse(std::string(kMaxSmtpSessionOctets + 1, '2'));
  EXPECT_THAT(big.probe.error, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(SmtpDialog, NothingIsKeptOnceItIsOver) {
  SmtpDialog dialog(Host(), "me");
  dialog.Receive("550 no\r\n");
  ASSERT_TRUE(dialog.done());
  const absl::Status error = dialog.probe().error;
  dialog.Receive("220 mx\r\n");
  dialog.EndOfStream();
  EXPECT_EQ(dialog.probe().error, error);
  EXPECT_EQ(dialog.probe().stage, SmtpStage::kGreeting);
}

}  // namespace
}  // namespace dmarcate
