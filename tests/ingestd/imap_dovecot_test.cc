// ingestd and its IMAP client against a real Dovecot.

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/imap/curl_session.h"
#include "tests/ingestd/daemon.h"
#include "tests/testing/dovecot.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using testing::HasSubstr;
using testing::Not;
using testing_support::IsOk;
using testing_support::RealDovecot;
using testing_support::StatusIs;
using testing_support::WaitUntil;

class DovecotTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dovecot = RealDovecot::Start();
    ASSERT_TRUE(dovecot.ok()) << dovecot.status();
    dovecot_ = *std::move(dovecot);
  }
  ImapServer Server() const {
    ImapServer out;
    out.host = "127.0.0.1";
    out.port = dovecot_->imaps_port();
    out.ca_file = dovecot_->certificate_file();
    out.user = RealDovecot::kUser;
    return out;
  }
  static absl::StatusOr<std::unique_ptr<ImapSession>> Connect(
      const ImapServer& server, const std::string& password = RealDovecot::kPassword) {
    CurlImapConnector connector;
    return connector.Connect(server, Secret(password), [] { return false; });
  }
  std::unique_ptr<RealDovecot> dovecot_;
};

TEST_F(DovecotTest, OverTlsFromTheStartAndByStartTls) {
  dovecot_->Deliver("", "1", "Subject: a\r\n\r\nhello\r\n");
  ImapServer starttls = Server();
  starttls.tls = ImapTls::kStartTls;
  starttls.port = dovecot_->imap_port();
  for (const ImapServer& server : {Server(), starttls}) {
    DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(server));
    DMARCATE_ASSERT_OK_AND_ASSIGN(const ImapFolder folder,
                                  session->Select("INBOX", ImapAccess::kReadOnly));
    EXPECT_EQ(folder.messages, 1u);
    EXPECT_EQ(folder.uid_next, 2u);
    DMARCATE_ASSERT_OK_AND_ASSIGN(const auto content, session->Fetch(1, 1000));
    EXPECT_EQ(content, "Subject: a\r\n\r\nhello\r\n");
    DMARCATE_ASSERT_OK_AND_ASSIGN(const auto infos, session->Describe({1, 2}));
    ASSERT_EQ(infos.size(), 1u);
    EXPECT_EQ(infos[0].size_bytes, 21u);
    EXPECT_TRUE(infos[0].internal_date.has_value());
    DMARCATE_ASSERT_OK_AND_ASSIGN(const auto uids, session->Search(2, 0));
    EXPECT_TRUE(uids.empty()) << "though 2:* names the last message";
    session->Logout();
  }
  EXPECT_EQ(dovecot_->Flags(""), std::vector<std::string>{""}) << "reading is no change";
}

TEST_F(DovecotTest, OtherCertificateOrPasswordIsRefused) {
  ImapServer untrusted = Server();
  untrusted.ca_file = "";
  EXPECT_THAT(Connect(untrusted), StatusIs(absl::StatusCode::kFailedPrecondition));
  ImapServer other_name = Server();
  other_name.host = "127.0.0.2";
  EXPECT_THAT(Connect(other_name), Not(IsOk()));
  const auto denied = Connect(Server(), "wrong-password");
  EXPECT_THAT(denied, StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(denied.status().ToString(), Not(HasSubstr("wrong-password")));
}

TEST_F(DovecotTest, MovesToFoldersOfAnyName) {
  for (int i = 0; i < 3; ++i) dovecot_->Deliver("", std::to_string(i), "Subject: a\r\n\r\nb\r\n");
  DMARCATE_ASSERT_OK_AND_ASSIGN(const auto session, Connect(Server()));
  ASSERT_THAT(session->Select("INBOX", ImapAccess::kReadWrite), IsOk());
  const std::string name = "R&D \"\xC3\xBC\" \\";
  ASSERT_THAT(session->Move({1, 2}, name), IsOk());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ImapFolder moved,
                                session->Select(name, ImapAccess::kReadWrite));
  EXPECT_EQ(moved.messages, 2u);
  EXPECT_THAT(session->AddFlag({1}, "$Dmarcate"), IsOk());
  DMARCATE_ASSERT_OK_AND_ASSIGN(const ImapFolder inbox,
                                session->Select("INBOX", ImapAccess::kReadWrite));
  EXPECT_EQ(inbox.messages, 1u);
  EXPECT_THAT(session->Select("No such folder", ImapAccess::kReadOnly),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DovecotTest, FailingTokenCommandIsLoggedAndStopsNothing) {
  Daemon daemon;
  const std::string config = fmt::format(
      "[[imap]]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\ninsecure_loopback = true\nuser = "
      "\"{}\"\ntoken_command = [\"/bin/sh\", \"-c\", \"test -e {} && echo x\"]\ninterval = "
      "\"1s\"\n",
      dovecot_->imap_port(), RealDovecot::kUser, daemon.directory().File("go"));
  ASSERT_THAT(daemon.Start({}, config), IsOk());
  EXPECT_TRUE(WaitUntil(
      [&] { return daemon.log().find("token_command: exit code 1") != std::string::npos; }));
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

}  // namespace
}  // namespace dmarcate
