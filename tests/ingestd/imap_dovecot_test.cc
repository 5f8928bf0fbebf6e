// ingestd and its IMAP client against a real Dovecot.

#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>

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
using ingest_testing::MakeReportXml;
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

// 200 mails over two folders, one flagged and one moved; ingestd is killed again and again.
TEST_F(DovecotTest, KilledInTheMiddleEverythingIsCountedOnce) {
  constexpr int kMails = 200, kRounds = 10, kLongestRoundMillis = 600;
  Daemon daemon;
  const std::string password = daemon.directory().Write("password", RealDovecot::kPassword);
  const auto account = [&](int number, std::string_view rest) {
    // "localhost" and the address are two accounts for us and one for the server.
    return fmt::format(
        "[[imap]]\nhost = \"{}\"\nport = {}\nca_file = \"{}\"\nuser = \"{}\"\npassword_file = "
        "\"{}\"\ninterval = \"1s\"\n{}\n",
        number == 0 ? "127.0.0.1" : "localhost", dovecot_->imaps_port(),
        dovecot_->certificate_file(), RealDovecot::kUser, password, rest);
  };
  const std::string config =
      account(0, "folders = [\"INBOX\"]") +
      account(1, "folders = [\"Reports\"]\nafter = \"move\"\nmove_to = \"Done\"");
  std::set<std::string> sent;
  const auto deliver = [&](int count) {
    for (; count > 0; --count) {
      const std::string id = fmt::format("r{}", sent.size());
      dovecot_->Deliver(sent.size() % 2 == 0 ? "" : ".Reports", id,
                        MakeReportXml("imap.test", id, {1, 2}));
      sent.insert(id);
    }
  };
  const auto stored = [&daemon] {
    std::map<std::string, int> out;
    const auto reader = daemon.Reader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) return out;
    EXPECT_THAT((*reader)->ForEachReport("imap.test", 0, 40'000,
                                         [&out](const StoredReport& report) {
                                           ++out[report.report.metadata.report_id];
                                           return true;
                                         }),
                IsOk());
    return out;
  };
  const auto marked = [&] {
    size_t out = dovecot_->Flags(".Done").size();
    for (const std::string& flags : dovecot_->Flags("")) out += flags == "S" ? 1 : 0;
    return out;
  };
  std::mt19937 random(std::random_device{}());
  int kills_in_work = 0;
  for (int round = 0; round < kRounds; ++round) {
    deliver(kMails / kRounds);
    const size_t before = marked();
    ASSERT_THAT(daemon.Start({}, config), IsOk()) << daemon.log();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % kLongestRoundMillis));
    daemon.Kill();
    const size_t after = marked();
    kills_in_work += before < after && after < sent.size() ? 1 : 0;
    // Whatever is flagged or moved was committed before: raw bytes at least, and so it is read with
    // the next start at the latest.
    ASSERT_THAT(daemon.Start(), IsOk());
    ASSERT_EQ(daemon.Stop(), 0);
    ASSERT_GE(stored().size(), after) << "round " << round;
  }
  ASSERT_THAT(daemon.Start({}, config), IsOk());
  EXPECT_TRUE(WaitUntil([&] { return marked() == kMails; }, absl::Seconds(60))) << marked() << "\n"
                                                                                << daemon.log();
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
  const std::map<std::string, int> got = stored();
  EXPECT_EQ(got.size(), sent.size());
  for (const auto& [id, times] : got) EXPECT_EQ(times, 1) << id;
  const auto reader = daemon.Reader();
  ASSERT_TRUE(reader.ok());
  const auto totals = (*reader)->ReadTotals("imap.test", 0, 40'000);
  ASSERT_TRUE(totals.ok());
  uint64_t messages = 0;
  for (const DayTotals& day : *totals) messages += day.messages;
  EXPECT_EQ(messages, 3u * kMails);
  EXPECT_TRUE(dovecot_->Flags(".Reports").empty());
  EXPECT_EQ(dovecot_->Flags(".Done").size(), size_t{kMails} / 2) << "none was moved twice";
  EXPECT_THAT(daemon.log(), Not(HasSubstr(RealDovecot::kPassword)));
  EXPECT_THAT(daemon.log(), Not(HasSubstr("it is a")));
  fmt::print("{} of {} kills between two mails\n", kills_in_work, kRounds);
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
