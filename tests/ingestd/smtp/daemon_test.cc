// Reports by SMTP and LMTP to the real ingestd: each gets to the store, and what cannot be stored
// is not said to be. For what outlives SIGKILL see tests/ingestd/kill/.

#include "tests/ingestd/daemon.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <iostream>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "lib/snapshot/snapshot.h"
#include "tests/ingestd/smtp/client.h"
#include "tests/testing/process.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::MailClient;
using ingest_testing::MakeCertificate;
using ingest_testing::MakeReportXml;
using testing_support::WaitUntil;

constexpr DayNumber kLastDay = 40'000;

class SmtpDaemonTest : public testing::Test {
 protected:
  // `more`: further lines of [smtp].
  void Start(const std::string& more = "") {
    const absl::Status started = daemon_.Start(
        {}, fmt::format("[smtp]\nlisten = [\"127.0.0.1:{0}\"]\nhostname = \"mx.reports.test\"\n"
                        "recipients = [\"dmarc@reports.test\"]\ncertificate = \"{1}/cert.pem\"\n"
                        "key = \"{1}/key.pem\"\n{3}[lmtp]\nlisten = [\"127.0.0.1:{2}\"]\n"
                        "socket = \"{1}/lmtp\"\n",
                        smtp_port_, daemon_.directory().path(), lmtp_port_, more));
    ASSERT_TRUE(started.ok()) << started;
    // The listeners open after the socket that Start() waits for.
    ASSERT_TRUE(WaitUntil([&] { return MailClient::Connect(smtp_port_).Reply() == "220"; }));
  }
  void SetUp() override {
    MakeCertificate("mx.reports.test", daemon_.directory().File("cert.pem"),
                    daemon_.directory().File("key.pem"));
    Start();
  }
  static std::string Mail(const std::string& id) {
    std::string xml = MakeReportXml("example.test", id, {3, 4});
    std::string lines;
    for (const char c : xml) lines += c == '\n' ? "\r\n" : std::string(1, c);
    return "From: reports@reporter.test\r\nTo: dmarc@reports.test\r\nSubject: Report\r\n"
           "MIME-Version: 1.0\r\nContent-Type: text/xml\r\n\r\n" +
           lines;
  }
  static std::string Envelope(std::string_view hello) {
    return fmt::format(
        "{} c.test\r\nMAIL FROM:<a@reporter.test>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n",
        hello);
  }
  // The codes up to and with 354 are taken.
  static void Begin(MailClient& client, std::string_view hello) {
    ASSERT_TRUE(client.Send(Envelope(hello)));
    for (const char* code : {"250", "250", "250", "354"}) {
      ASSERT_EQ(client.Reply(), code) << client.last_reply();
    }
  }
  int64_t Reports() {
    const auto reader = daemon_.Reader();
    if (!reader.ok()) return -1;
    const auto totals = (*reader)->ReadTotals("example.test", 0, kLastDay);
    if (!totals.ok()) return -1;
    int64_t reports = 0;
    for (const DayTotals& day : *totals) {
      EXPECT_EQ(day.messages, static_cast<uint64_t>(7 * day.reports));
      reports += day.reports;
    }
    return reports;
  }

  Daemon daemon_;
  const uint16_t smtp_port_ = testing_support::FreePort();
  const uint16_t lmtp_port_ = testing_support::FreePort();
};

TEST_F(SmtpDaemonTest, EveryWayInEndsInTheStore) {
  MailClient plain = MailClient::Connect(smtp_port_);
  ASSERT_EQ(plain.Reply(), "220");
  Begin(plain, "EHLO");
  EXPECT_EQ(plain.Say(Mail("plain") + "."), "250");

  MailClient secure = MailClient::Connect(smtp_port_);
  ASSERT_EQ(secure.Reply(), "220");
  ASSERT_EQ(secure.Say("STARTTLS"), "220");
  ASSERT_TRUE(secure.StartTls());
  Begin(secure, "EHLO");
  EXPECT_EQ(secure.Say(Mail("tls") + "."), "250");

  MailClient tcp = MailClient::Connect(lmtp_port_);
  ASSERT_EQ(tcp.Reply(), "220");
  Begin(tcp, "LHLO");
  EXPECT_EQ(tcp.Say(Mail("lmtp") + "."), "250");

  MailClient local = MailClient::ConnectUnix(daemon_.directory().File("lmtp"));
  ASSERT_EQ(local.Reply(), "220");
  Begin(local, "LHLO");
  EXPECT_EQ(local.Say(Mail("unix") + "."), "250");
  // The same again adds nothing.
  Begin(local, "LHLO");
  EXPECT_EQ(local.Say(Mail("unix") + "."), "250");

  EXPECT_TRUE(WaitUntil([&] { return Reports() == 4; })) << daemon_.log();
  EXPECT_EQ(daemon_.Stop(), 0);
  EXPECT_EQ(Reports(), 4);
  EXPECT_THAT(daemon_.log(), testing::HasSubstr("event=mail_stored"));
}

// What policyd publishes; tests/cli/addresses_test.cc has both daemons.
TEST_F(SmtpDaemonTest, TakesTheReportAddressesOfTheSnapshotBesideItsOwn) {
  const std::string file = daemon_.directory().File("snapshot");
  const std::string address = "r-0123456789abcdef@reports.test";
  ASSERT_EQ(daemon_.Stop(), 0);
  Start(fmt::format("refusal_delay = \"0s\"\n[snapshot]\nfile = \"{}\"\n", file));
  const auto rcpt = [&](std::string_view to) {
    MailClient client = MailClient::Connect(smtp_port_);
    EXPECT_EQ(client.Reply(), "220");
    EXPECT_EQ(client.Say("EHLO c.test"), "250");
    EXPECT_EQ(client.Say("MAIL FROM:<a@reporter.test>"), "250");
    std::string code = client.Say(fmt::format("RCPT TO:<{}>", to));
    EXPECT_EQ(client.Say("QUIT"), "221");
    return code;
  };
  EXPECT_THAT(daemon_.log(), testing::HasSubstr("event=snapshot_missing"));
  EXPECT_EQ(rcpt(address), "450") << "nobody can say yet";
  EXPECT_EQ(rcpt("dmarc@reports.test"), "250");
  EXPECT_EQ(rcpt("someone@elsewhere.test"), "550");
  const auto publish = [&](const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(file, text, 0640).ok());
  };
  publish(RenderSnapshot({{"example.test"}, {{address, "example.test"}}}));
  EXPECT_TRUE(WaitUntil([&] { return rcpt(address) == "250"; })) << daemon_.log();
  EXPECT_EQ(rcpt("R-0123456789ABCDEF@Reports.Test"), "250");
  EXPECT_EQ(rcpt("r-0000000000000000@reports.test"), "550");
  EXPECT_EQ(rcpt("dmarc@reports.test"), "250");

  MailClient client = MailClient::Connect(smtp_port_);
  ASSERT_EQ(client.Reply(), "220");
  for (const std::string& command :
       {std::string("EHLO c.test"), std::string("MAIL FROM:<a@reporter.test>"),
        fmt::format("RCPT TO:<{}>", address)}) {
    ASSERT_EQ(client.Say(command), "250") << command;
  }
  publish("dmarcate snapshot 1\ndomain exam");  // what a disk may leave of one
  EXPECT_TRUE(WaitUntil([&] {
    return daemon_.log().find("event=snapshot_unusable") != std::string::npos;
  })) << daemon_.log();
  EXPECT_EQ(rcpt(address), "250") << "as before";
  publish(RenderSnapshot({{"example.test"}, {}}));
  EXPECT_TRUE(WaitUntil([&] { return rcpt(address) == "550"; })) << daemon_.log();
  // What was accepted stays accepted.
  ASSERT_EQ(client.Say("DATA"), "354");
  EXPECT_EQ(client.Say(Mail("snapshot") + "."), "250");
  EXPECT_TRUE(WaitUntil([&] { return Reports() == 1; })) << daemon_.log();
}

TEST_F(SmtpDaemonTest, WhatTheDiskRefusesIsNotSaidToBeStored) {
  daemon_.Kill();
  // Inherited: a write that fails is an error then, and no signal.
  signal(SIGXFSZ, SIG_IGN);
  Start();
  signal(SIGXFSZ, SIG_DFL);
  MailClient client = MailClient::Connect(smtp_port_);
  ASSERT_EQ(client.Reply(), "220");
  Begin(client, "EHLO");
  // Files get no longer than that; enough for the log, not for the message.
  constexpr size_t kMostBytes = 32 << 10;
  const rlimit limit = {kMostBytes, kMostBytes};
  ASSERT_EQ(prlimit(daemon_.pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  std::string mail = Mail("refused");
  for (uint64_t n = 1; mail.size() < 4 * kMostBytes; n *= 0x9e3779b97f4a7c15) {
    mail += fmt::format("<!-- {:x} -->\r\n", n);
  }
  EXPECT_EQ(client.Say(mail + "."), "451") << client.last_reply();
  EXPECT_EQ(client.Reply(), "421");  // only a new start can write again
  const auto code = daemon_.Wait();
  ASSERT_TRUE(code.ok()) << code.status();
  // 1; or SIGABRT, where RocksDB 7.8.3 asserts while it closes a file that it could not write.
  EXPECT_NE(*code, 0);
  Start();
  EXPECT_EQ(Reports(), 0);
  MailClient again = MailClient::Connect(smtp_port_);
  ASSERT_EQ(again.Reply(), "220");
  Begin(again, "EHLO");
  EXPECT_EQ(again.Say(mail + "."), "250");
  EXPECT_TRUE(WaitUntil([&] { return Reports() == 1; })) << daemon_.log();
}

TEST_F(SmtpDaemonTest, HostileSessionsStaySmall) {
  {  // first use
    MailClient client = MailClient::Connect(smtp_port_);
    ASSERT_EQ(client.Reply(), "220");
  }
  daemon_.ForgetPeak();
  const int64_t idle = daemon_.PeakKib();
  std::string junk(1 << 20, 'x');
  for (int i = 0; i < 19; ++i) {
    MailClient client = MailClient::Connect(smtp_port_);
    client.Send(junk);  // a command without an end
    EXPECT_EQ(client.Reply(), "220");
    EXPECT_EQ(client.Reply(), "500");
  }
  std::string many = "EHLO c\r\nMAIL FROM:<a@b.test>\r\n";
  for (int i = 0; i < 10'000; ++i) many += "RCPT TO:<dmarc@reports.test>\r\n";
  MailClient recipients = MailClient::Connect(smtp_port_);
  recipients.Send(many);
  std::string code, last;
  while (!(code = recipients.Reply()).empty()) last = code;
  EXPECT_EQ(last, "421");
  // A message of 90 MiB; and one that is one line.
  MailClient large = MailClient::Connect(smtp_port_);
  ASSERT_EQ(large.Reply(), "220");
  Begin(large, "EHLO");
  for (int i = 0; i < 90; ++i) ASSERT_TRUE(large.Send(junk));
  EXPECT_EQ(large.Say("\r\n."), "552");
  Begin(large, "EHLO");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(large.Send(junk));
  EXPECT_EQ(large.Say("\r\n."), "250");
  EXPECT_LT(daemon_.PeakKib() - idle, 64 << 10);
  EXPECT_TRUE(daemon_.Running());
}

// Slow and mass connections, and such as wait in the tarpit. Each address has as many as it may
// have.
TEST_F(SmtpDaemonTest, MassesOfIdleAndSlowClientsDoNotHinderAnHonestSender) {
  constexpr int kPerAddress = 20, kSlow = 1000, kGuessing = 500, kHonest = 100, kSpare = 500;
  rlimit files = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);  // the daemon inherits it
  const int most =
      static_cast<int>(std::min<rlim_t>(files.rlim_cur, 20'000)) - kSlow - kGuessing - kSpare;
  const int idle_count = std::min(10'000, most);
  ASSERT_GT(idle_count, 0) << "ulimit -n is " << files.rlim_max;
  if (idle_count < 10'000) std::cerr << "ulimit -n allows " << idle_count << " idle clients only\n";
  ASSERT_EQ(daemon_.Stop(), 0);
  Start("connections = 16000\n");
  const int64_t before = daemon_.PeakKib();

  std::vector<MailClient> idle, slow, guessing;
  const auto from = [](size_t n) {
    return uint32_t{127} << 24 | 1u << 16 | static_cast<uint32_t>(n / kPerAddress + 1);
  };
  for (int i = 0; i < idle_count; ++i) {
    idle.push_back(MailClient::Connect(smtp_port_, from(idle.size())));
  }
  for (int i = 0; i < kSlow; ++i) {
    slow.push_back(MailClient::Connect(smtp_port_, from(idle.size() + slow.size())));
    ASSERT_TRUE(slow.back().Send(Envelope("EHLO")));
  }
  std::string guesses = "EHLO c\r\nMAIL FROM:<a@b.test>\r\n";
  for (int i = 0; i < 8; ++i) guesses += fmt::format("RCPT TO:<r{}@reports.test>\r\n", i);
  for (int i = 0; i < kGuessing; ++i) {
    guessing.push_back(
        MailClient::Connect(smtp_port_, from(idle.size() + slow.size() + guessing.size())));
    ASSERT_TRUE(guessing.back().Send(guesses));
  }
  for (MailClient& client : idle) ASSERT_EQ(client.Reply(), "220");
  for (MailClient& client : slow) {
    for (const char* code : {"220", "250", "250", "250", "354"}) ASSERT_EQ(client.Reply(), code);
  }
  // One address more than its share is still refused.
  EXPECT_EQ(MailClient::Connect(smtp_port_, from(0)).Reply(), "421");

  std::vector<absl::Duration> took;
  for (int i = 0; i < kHonest; ++i) {
    for (size_t n = static_cast<size_t>(i) % 10; n < slow.size(); n += 10) {
      ASSERT_TRUE(slow[n].Send("x"));  // a tenth of them, an octet each
    }
    const absl::Time begin = absl::Now();
    MailClient honest = MailClient::Connect(smtp_port_);
    ASSERT_EQ(honest.Reply(), "220");
    Begin(honest, "EHLO");
    ASSERT_EQ(honest.Say(Mail(fmt::format("honest{}", i)) + "."), "250") << honest.last_reply();
    ASSERT_EQ(honest.Say("QUIT"), "221");
    took.push_back(absl::Now() - begin);
  }
  for (MailClient& client : guessing) {
    for (const char* code : {"220", "250", "250", "550"}) ASSERT_EQ(client.Reply(), code);
  }
  std::ranges::sort(took);
  EXPECT_LT(took[kHonest * 99 / 100], absl::Seconds(2));
  EXPECT_TRUE(WaitUntil([&] { return Reports() == kHonest; })) << daemon_.log();
  // 8 KiB a connection, and 16 more for those that are within a message.
  EXPECT_LT(daemon_.PeakKib() - before, (idle_count + kSlow + kGuessing) * 8 + kSlow * 16);
  RecordProperty("idle", idle_count);
  RecordProperty("p99_ms", static_cast<int>(absl::ToInt64Milliseconds(took[kHonest * 99 / 100])));
  RecordProperty("kib", static_cast<int>(daemon_.PeakKib() - before));
}

}  // namespace
}  // namespace dmarcate
