// The relay over real sockets: what it is told, and what each of its answers means.

#include "policyd/notify/mail_relay.h"

#include <mutex>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "policyd/alert/mail_message.h"
#include "tests/lib/inbound/certificates.h"
#include "tests/lib/inbound/smtp_server.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using absl::StatusCode;
using inbound_testing::CertificateWish;
using inbound_testing::Identity;
using inbound_testing::ServerSide;
using inbound_testing::SmtpServer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::StatusIs;
using testing_support::TempDir;

class MailRelayTest : public testing::Test {
 protected:
  MailRelayTest() : port_(testing_support::FreePort()) {
    CertificateWish wish{.subject = "ca", .names = {}};
    wish.not_before = absl::Now() - absl::Hours(1);
    wish.not_after = absl::Now() + absl::Hours(1);
    wish.authority = true;
    const Identity authority = Identity::SelfSigned(wish);
    wish.authority = false;
    wish.subject = "localhost";
    wish.names = {"localhost"};
    identity_ = authority.Sign(wish);
    config_.url = "smtp://localhost:" + std::to_string(port_);
    config_.from = "dmarcate@example.com";
    config_.ca_file = directory_.path() + "/ca.pem";
    EXPECT_TRUE(WriteFileAtomically(config_.ca_file, authority.CertificatePem(), 0600).ok());
  }
  // A relay that speaks STARTTLS, and answers `command` with `reply` instead of OK.
  void Serve(ServerSide& client, const std::string& command, const std::string& reply, bool tls) {
    client.Send("220 relay\r\n");
    bool data = false;
    for (std::string line = client.ReadLine(); !line.empty() || data; line = client.ReadLine()) {
      {
        const std::lock_guard lock(mutex_);
        said_ += line + "\n";
      }
      if (data) {
        if (line != ".") continue;
        data = false;
        client.Send(command == "." ? reply : "250 taken\r\n");
        continue;
      }
      if (!command.empty() && line.starts_with(command)) {
        if (reply.empty()) return;  // gone
        client.Send(reply);
      } else if (line.starts_with("EHLO")) {
        client.Send(tls ? "250-relay\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n" : "250 relay\r\n");
      } else if (line == "STARTTLS") {
        client.Send("220 go\r\n");
        if (!client.StartTls({identity_})) return;
      } else if (line.starts_with("AUTH")) {
        client.Send("334 \r\n");
        client.ReadLine();
        client.Send("235 ok\r\n");
      } else if (line == "DATA") {
        data = true;
        client.Send("354 go on\r\n");
      } else if (line == "QUIT") {
        client.Send("221 bye\r\n");
        return;
      } else {
        client.Send("250 ok\r\n");
      }
    }
  }
  absl::Status Send(const std::string& command = "", const std::string& reply = "",
                    bool tls = true) {
    const SmtpServer server("127.0.0.1", port_,
                            [&](ServerSide& client) { Serve(client, command, reply, tls); });
    return SendMail(config_, Secret("s3cr3t"), {"a@example.net", "b@example.net"},
                    "Subject: x\r\n\r\n.dot\r\n", {});
  }
  std::string said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }

  TempDir directory_;
  const uint16_t port_;
  MailRelayConfig config_;
  Identity identity_ = Identity::SelfSigned({});
  std::mutex mutex_;
  std::string said_;
};

TEST_F(MailRelayTest, HandsOverOneMailToAll) {
  ASSERT_THAT(Send(), IsOk());
  EXPECT_THAT(said(), HasSubstr("STARTTLS\nEHLO"));
  EXPECT_THAT(said(), HasSubstr("MAIL FROM:<dmarcate@example.com>"));
  EXPECT_THAT(said(), HasSubstr("RCPT TO:<a@example.net>\nRCPT TO:<b@example.net>\nDATA\n"));
  EXPECT_THAT(said(), HasSubstr("Subject: x\n\n..dot\n.\n"));
}

TEST_F(MailRelayTest, LogsInOverTlsAlone) {
  config_.user = "dmarcate";
  config_.secret_name = "relay-password";
  ASSERT_THAT(Send(), IsOk());
  EXPECT_THAT(said(), HasSubstr("AUTH PLAIN"));
  EXPECT_GT(said().find("AUTH"), said().find("STARTTLS"));
  said_.clear();
  EXPECT_THAT(Send("", "", /*tls=*/false), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(said(), Not(HasSubstr("AUTH")));
  EXPECT_THAT(said(), Not(HasSubstr("MAIL")));
}

TEST_F(MailRelayTest, WithoutTlsOnlyIfItIsSaidSo) {
  config_.plain = true;
  EXPECT_THAT(Send("", "", /*tls=*/false), IsOk());
}

TEST_F(MailRelayTest, ACertificateOfNobodyIsNotTrusted) {
  config_.ca_file.clear();
  EXPECT_THAT(Send(), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(said(), Not(HasSubstr("MAIL")));
}

TEST_F(MailRelayTest, WhatItsAnswersMean) {
  EXPECT_THAT(Send("RCPT TO:<b", "550 nobody\r\n"), StatusIs(StatusCode::kPermissionDenied));
  EXPECT_THAT(said(), Not(HasSubstr("DATA"))) << "all or none";
  EXPECT_THAT(Send("MAIL", "451 later\r\n"), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Send(".", "452 full\r\n"), StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(Send(".", "554 no\r\n"), StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(MailRelayTest, NobodyThereIsUnavailableAndToldWithoutTheHost) {
  const absl::Status status = SendMail(config_, Secret("s3cr3t"), {"a@example.net"}, "x\r\n", {});
  EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("s3cr3t")));
}

TEST(CheckMailRelay, SaysWhichKeyIsWrong) {
  const MailRelayConfig good{.url = "smtps://relay.example.net:465", .from = "a@example.com"};
  EXPECT_THAT(CheckMailRelay(good), IsOk());
  struct Case {
    MailRelayConfig config;
    const char* want;
  };
  std::vector<Case> cases(7, {good, ""});
  cases[0].config.url = "https://relay.example.net";
  cases[0].want = "alerts.mail.relay";
  cases[1].config.url = "smtp://user:pw@relay.example.net";
  cases[1].want = "alerts.mail.relay";
  cases[2].config.from = "nobody";
  cases[2].want = "alerts.mail.from";
  cases[3].config.user = "u";
  cases[3].want = "alerts.mail.secret";
  cases[4].config.plain = true;
  cases[4].want = "smtps is never plain";
  cases[5].config = {.url = "smtp://r.example",
                     .from = "a@b.example",
                     .user = "u",
                     .secret_name = "s",
                     .plain = true};
  cases[5].want = "a password is not sent without TLS";
  cases[6].config.url = "smtp://";
  cases[6].want = "alerts.mail.relay";
  for (const Case& c : cases) {
    EXPECT_THAT(CheckMailRelay(c.config).ToString(), HasSubstr(c.want)) << c.config.url;
  }
}

}  // namespace
}  // namespace dmarcate
