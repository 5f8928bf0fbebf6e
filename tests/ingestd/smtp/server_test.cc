// The listeners over real sockets, with the real pipeline over a store whose commits are observed.

#include "ingestd/intake/smtp/server.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/ingestd/fakes.h"
#include "tests/ingestd/smtp/client.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::MailClient;
using ingest_testing::MakeCertificate;
using ingest_testing::ObservedStore;
using testing_support::WaitUntil;

constexpr int64_t kBudgetBytes = 1 << 20;

class SmtpServerTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.hostname = "mx.reports.test";
    config_.watch_interval = absl::Milliseconds(10);
    config_.smtp.tcp = {{*IpAddress::Parse("127.0.0.1"), 0}};
    config_.smtp.recipients = *ConfiguredRecipients::Parse({"dmarc@reports.test"});
    config_.smtp.limits.message_bytes = 4 << 20;
    config_.smtp.times.command = config_.smtp.times.busy_command = absl::Hours(10);
    config_.smtp.times.first_pause = absl::ZeroDuration();
    config_.lmtp = config_.smtp;
    config_.lmtp.unix_socket = directory_.File("lmtp");
    crashes_ = *CrashJournal::Open(directory_.File("crashes"));
    pipeline_ = std::make_unique<Pipeline>(
        store_, *suffixes_, *crashes_, FakeUnpack, [](const absl::Status&) {}, PipelineOptions());
    ASSERT_TRUE(pipeline_->Start().ok());
  }
  void TearDown() override {
    store_.Release();
    if (server_ != nullptr) server_->Drain(absl::ZeroDuration());
    budget_.Close();
    pipeline_->Stop(absl::Seconds(20));
    if (server_ != nullptr) server_->Stop(absl::Seconds(20));
  }
  void Start() {
    senders_ = std::make_unique<SenderGate>(config_.budgets, *suffixes_, clock_, "");
    auto server = SmtpServer::Start(config_, {*pipeline_, budget_, gauge_, clock_, *senders_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  MailClient Smtp(uint32_t own_address = 0) {
    MailClient client = MailClient::Connect(server_->ports().at(0), own_address);
    EXPECT_EQ(client.Reply(), "220");
    return client;
  }
  // Up to and with 354.
  MailClient InData() {
    MailClient client = Smtp();
    EXPECT_TRUE(
        client.Send("EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n"));
    for (const char* code : {"250", "250", "250", "354"}) {
      EXPECT_EQ(client.Reply(), code) << client.last_reply();
    }
    return client;
  }
  // A second at a time.
  bool TimePassesUntilReadable(const MailClient& client) {
    return WaitUntil([&] {
      clock_.Advance(absl::Seconds(1));
      return client.Readable();
    });
  }
  bool Stored(const std::string& content) {
    const auto known = store_.FindByRaw(Sha256(content));
    return known.ok() && known->has_value();
  }

  testing_support::TempDir directory_;
  ObservedStore store_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  ByteBudget budget_{kBudgetBytes};
  std::atomic<int> disk_percent_{10};
  StorageGauge gauge_{clock_, Watermarks(), [this] { return disk_percent_.load(); }};
  std::shared_ptr<const PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<CrashJournal> crashes_;
  std::unique_ptr<Pipeline> pipeline_;
  SmtpConfig config_;
  std::unique_ptr<SenderGate> senders_;
  std::unique_ptr<SmtpServer> server_;
};

TEST_F(SmtpServerTest, NothingHappensWithoutListeners) {
  config_.smtp = config_.lmtp = {};
  Start();
  EXPECT_TRUE(server_->ports().empty());
}

TEST_F(SmtpServerTest, StoredIsSaidAfterTheCommit) {
  Start();
  MailClient client = InData();
  store_.Hold();
  ASSERT_TRUE(client.Send("report example.test r1\r\n.\r\nNOOP\r\n"));
  store_.AwaitHeld();
  EXPECT_FALSE(Stored("report example.test r1\r\n"));
  store_.Release();
  EXPECT_EQ(client.Reply(), "250");
  EXPECT_THAT(client.last_reply(), testing::HasSubstr("stored"));
  ASSERT_FALSE(store_.seen().empty());
  EXPECT_EQ(store_.seen().front().sync, Sync::kYes);
  EXPECT_EQ(client.Reply(), "250");
  EXPECT_EQ(client.Say("QUIT"), "221");
  EXPECT_EQ(client.Reply(), "");
  EXPECT_TRUE(WaitUntil([&] { return Stored("report example.test r1\r\n"); }));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
}

TEST_F(SmtpServerTest, TheSameBytesAgainAreStoredOnce) {
  Start();
  for (int i = 0; i < 3; ++i) {
    MailClient client = InData();
    ASSERT_TRUE(client.Send("report example.test same\r\n.\r\n"));
    EXPECT_EQ(client.Reply(), "250");
    ASSERT_TRUE(WaitUntil([&] { return Stored("report example.test same\r\n"); }));
  }
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
}

TEST_F(SmtpServerTest, ManyConnectionsShareACommit) {
  Start();
  std::vector<MailClient> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(InData());
  store_.Hold();
  ASSERT_TRUE(clients[0].Send("first\r\n.\r\n"));
  store_.AwaitHeld();
  for (int i = 1; i < 8; ++i) {
    ASSERT_TRUE(clients[static_cast<size_t>(i)].Send(fmt::format("mail {}\r\n.\r\n", i)));
  }
  // All seven hold their octets of the budget, and no more than that, once they wait.
  ASSERT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 7 + 7 * 8; }));
  store_.Release();
  for (MailClient& client : clients) EXPECT_EQ(client.Reply(), "250");
  size_t largest = 0;
  for (const auto& commit : store_.seen()) largest = std::max(largest, commit.accepted);
  EXPECT_EQ(largest, 7u);
}

TEST_F(SmtpServerTest, TheEnvelopeIsKept) {
  Start();
  MailClient client = InData();
  store_.Hold();
  ASSERT_TRUE(client.Send("x\r\n.\r\n"));
  store_.AwaitHeld();
  store_.Release();
  EXPECT_EQ(client.Reply(), "250");
  const auto page = [&] {
    ReportWriter::UnreadablePage out;
    WaitUntil([&] {
      out = *store_.ListUnreadable(std::nullopt, 10);
      return !out.rows.empty();
    });
    return out;
  }();
  ASSERT_EQ(page.rows.size(), 1u);
  const Receipt& receipt = page.rows[0].receipt;
  EXPECT_EQ(receipt.channel, Channel::kSmtp);
  EXPECT_EQ(receipt.received_time, clock_.Now());
  EXPECT_EQ(receipt.raw_sha256, Sha256("x\r\n"));  // no header was added
  const Envelope want{*IpAddress::Parse("127.0.0.1"), "c", "a@b.test", {"dmarc@reports.test"}};
  EXPECT_EQ(receipt.envelope, want);
}

// From whatever thread, while sessions are open: a RCPT that comes later goes by the new table.
TEST_F(SmtpServerTest, TheReportAddressesAreReplacedUnderOpenSessions) {
  constexpr char kFirst[] = "r-0123456789abcdef@reports.test";
  constexpr char kSecond[] = "r-zyxwvtsrqpnmkjhg@reports.test";
  const auto table = [](const char* address) {
    return std::make_shared<const AddressTable>(Snapshot{{}, {{address, "a.example"}}}, "a key");
  };
  const auto begun = [this] {
    MailClient client = Smtp();
    EXPECT_EQ(client.Say("EHLO c"), "250");
    EXPECT_EQ(client.Say("MAIL FROM:<a@b.test>"), "250");
    return client;
  };
  const auto takes = [](MailClient& client, const char* address) {
    return client.Say(fmt::format("RCPT TO:<{}>", address)) == "250";
  };
  // Each in a session of its own: after a miss a session tells nothing more.
  const auto taken = [&](const char* address) {
    MailClient client = begun();
    return takes(client, address);
  };
  config_.snapshot_file = "read by who calls SetAddresses";
  Start();
  MailClient open = begun();
  EXPECT_FALSE(taken(kFirst));
  server_->SetAddresses(table(kFirst));
  ASSERT_TRUE(WaitUntil([&] { return taken(kFirst); }));
  EXPECT_FALSE(taken(kSecond));
  EXPECT_TRUE(takes(open, kFirst));

  std::atomic<bool> enough = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; !enough; ++k) server_->SetAddresses(table(k % 2 == 0 ? kFirst : kSecond));
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(taken("dmarc@reports.test"));
  enough = true;
  for (std::thread& thread : threads) thread.join();
  server_->SetAddresses(table(kSecond));
  ASSERT_TRUE(WaitUntil([&] { return taken(kSecond) && !taken(kFirst); }));

  // The recipient that it has stays, though the address has gone.
  ASSERT_EQ(open.Say("DATA"), "354");
  ASSERT_TRUE(open.Send("report example.test r1\r\n.\r\n"));
  EXPECT_EQ(open.Reply(), "250");
}

TEST_F(SmtpServerTest, WhatTheStoreRefusesIsTemporary) {
  Start();
  store_.FailIf([](const CommitBatch& batch) { return !batch.accepted.empty(); },
                absl::UnavailableError("disk"));
  MailClient client = InData();
  ASSERT_TRUE(client.Send("lost\r\n.\r\n"));
  EXPECT_EQ(client.Reply(), "451");
  EXPECT_FALSE(Stored("lost\r\n"));
  // Read-only from here on.
  ASSERT_TRUE(client.Send(
      "MAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\nagain\r\n.\r\nQUIT\r\n"));
  for (const char* code : {"250", "250", "354", "451", "221"}) EXPECT_EQ(client.Reply(), code);
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
}

TEST_F(SmtpServerTest, AFullDiskRefusesBeforeTheMessage) {
  Start();
  MailClient client = Smtp();
  EXPECT_EQ(client.Say("EHLO c"), "250");
  disk_percent_ = 92;
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(client.Say("MAIL FROM:<>"), "452");
  disk_percent_ = 91;
  clock_.Advance(absl::Seconds(2));
  EXPECT_EQ(client.Say("MAIL FROM:<>"), "250");
}

TEST_F(SmtpServerTest, ADiskThatFillsDuringAMessageRefusesIt) {
  Start();
  MailClient client = InData();
  disk_percent_ = 92;
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(client.Send("too late\r\n.\r\n"));
  EXPECT_EQ(client.Reply(), "452");
  EXPECT_FALSE(Stored("too late\r\n"));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  disk_percent_ = 91;
  clock_.Advance(absl::Seconds(2));
  ASSERT_TRUE(client.Send("MAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\nx\r\n.\r\n"));
  for (const char* code : {"250", "250", "354", "250"}) EXPECT_EQ(client.Reply(), code);
}

TEST_F(SmtpServerTest, ALargeMessageTakesTheWholeBudget) {
  Start();
  const std::string body(3 << 20, 'x');
  MailClient client = InData();
  ASSERT_TRUE(client.Send(body + "\r\n.\r\n"));
  EXPECT_EQ(client.Reply(), "250");
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  MailClient second = InData();
  ASSERT_TRUE(second.Send(std::string(5 << 20, 'x') + "\r\n.\r\n"));
  EXPECT_EQ(second.Reply(), "552");
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
}

TEST_F(SmtpServerTest, WithoutRoomItIsTriedLater) {
  Start();
  ByteBudget::Reservation all = budget_.AcquireUnless(kBudgetBytes, [] { return false; });
  MailClient client = Smtp();
  ASSERT_TRUE(client.Send("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.Reply(), "250");
  EXPECT_TRUE(TimePassesUntilReadable(client));
  EXPECT_EQ(client.Reply(), "451");
  all.Release();
  // Who left does not hold what came back.
  EXPECT_EQ(budget_.used_bytes(), 0);
  ASSERT_TRUE(client.Send("MAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\nx\r\n.\r\n"));
  for (const char* code : {"250", "250", "354", "250"}) EXPECT_EQ(client.Reply(), code);
}

class SenderBudgetsOfAServer : public SmtpServerTest {
 protected:
  // One mail in the name of `domain`: the code of its last reply.
  std::string Mail(uint32_t own_address, const std::string& domain) {
    MailClient client = Smtp(own_address);
    if (client.Say("EHLO c") != "250") return client.last_reply();
    if (client.Say(fmt::format("MAIL FROM:<a@{}>", domain)) == "250") {
      EXPECT_TRUE(client.Send("RCPT TO:<dmarc@reports.test>\r\nDATA\r\n"));
      EXPECT_EQ(client.Reply(), "250") << client.last_reply();
      if (client.Reply() == "354") client.Say(fmt::format("mail {}\r\n.", ++mails_));
    }
    last_ = client.last_reply();
    return last_.substr(0, 3);
  }
  static constexpr uint32_t Local(uint32_t host) { return 127u << 24 | host; }
  int mails_ = 0;
  std::string last_;
};

TEST_F(SenderBudgetsOfAServer, WhatIsOverBudgetIsPutOff) {
  config_.budgets = {.per_address = 3, .per_domain = 5, .per_recipient = 7, .per_anchor = 2};
  Start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Mail(Local(1), "one.test"), "250") << last_;
  EXPECT_EQ(Mail(Local(1), "one.test"), "451");
  EXPECT_THAT(last_, testing::HasSubstr(" 4.7.1 "));
  EXPECT_EQ(Mail(Local(1), "two.test"), "451");  // whatever name it takes
  EXPECT_EQ(Mail(Local(2), "mail.one.test"), "250");
  EXPECT_EQ(Mail(Local(2), "one.test"), "250");
  EXPECT_EQ(Mail(Local(3), "one.test"), "451");  // the domain
  EXPECT_EQ(Mail(Local(3), "three.test"), "250");
  EXPECT_EQ(Mail(Local(3), "four.test"), "250");
  EXPECT_EQ(Mail(Local(4), "five.test"), "451");  // the recipient
  // Whoever is known to be an anchor has a budget of its own.
  CarrierAuth auth;
  auth.spf = {.result = SpfResult::kPass, .domain = "anchor.test", .aligned = true};
  senders_->Learn({*IpAddress::Parse("127.0.0.1"), "c", "b@anchor.test", {}}, auth,
                  TrustClass::kAnchored);
  EXPECT_EQ(Mail(Local(1), "anchor.test"), "250");
  EXPECT_EQ(Mail(Local(1), "anchor.test"), "250");
  EXPECT_EQ(Mail(Local(1), "anchor.test"), "451");
  // Those that are put off come again.
  clock_.Advance(absl::Minutes(21));
  EXPECT_EQ(Mail(Local(1), "one.test"), "250") << last_;
  EXPECT_EQ(Mail(Local(1), "one.test"), "451");
}

// A budget that is used up while messages come is noticed when they are complete.
TEST_F(SenderBudgetsOfAServer, MailThatIsUnderWayTogetherIsCountedOneByOne) {
  config_.budgets.per_address = 2;
  Start();
  std::vector<MailClient> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(InData());
  std::vector<std::string> codes;
  for (MailClient& client : clients) {
    codes.push_back(client.Say(fmt::format("mail {}\r\n.", ++mails_)));
  }
  EXPECT_THAT(codes, testing::ElementsAre("250", "250", "451", "451"));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  EXPECT_EQ(clients[3].Say("MAIL FROM:<>"), "451");
}

TEST_F(SenderBudgetsOfAServer, WhatTheStoreDoesNotTakeCostsNothing) {
  config_.budgets = {.per_address = 2, .per_domain = 2, .per_recipient = 2};
  Start();
  std::atomic<bool> refuses = true;
  store_.FailIf([&](const CommitBatch& batch) { return refuses.load() && !batch.accepted.empty(); },
                absl::InternalError("not now"));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Mail(Local(1), "one.test"), "451");
    EXPECT_THAT(last_, testing::Not(testing::HasSubstr(" 4.7.1 ")));
  }
  refuses = false;
  EXPECT_EQ(Mail(Local(1), "one.test"), "250") << last_;
  EXPECT_EQ(Mail(Local(1), "one.test"), "250") << last_;
  EXPECT_EQ(Mail(Local(1), "one.test"), "451");
  EXPECT_THAT(last_, testing::HasSubstr(" 4.7.1 "));
}

TEST_F(SenderBudgetsOfAServer, LmtpHasNone) {
  config_.budgets = {.per_address = 1, .per_domain = 1, .per_recipient = 1};
  Start();
  MailClient client = MailClient::ConnectUnix(config_.lmtp.unix_socket);
  EXPECT_EQ(client.Reply(), "220");
  EXPECT_EQ(client.Say("LHLO c"), "250");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send("MAIL FROM:<a@b.test>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n"));
    for (const char* code : {"250", "250", "354"}) EXPECT_EQ(client.Reply(), code);
    EXPECT_EQ(client.Say(fmt::format("mail {}\r\n.", ++mails_)), "250");
  }
}

class TarpitTest : public SmtpServerTest {
 protected:
  bool AwaitPauses(size_t count) {
    return WaitUntil([&] { return server_->counts().paused == count; });
  }
  // Until the server has looked at the time that it is now, and done what is due.
  void AwaitLook() {
    const uint64_t before = server_->counts().looks;
    // The next one may have begun already.
    ASSERT_TRUE(WaitUntil([&] { return server_->counts().looks >= before + 2; }));
  }
  // In steps of a second, in a pause; what the client did not hear of after all of them is untold.
  int SecondsUntilReply(MailClient& client) {
    for (int seconds = 0; seconds < 60; ++seconds) {
      AwaitLook();
      if (client.Readable()) return seconds;
      clock_.Advance(absl::Seconds(1));
    }
    return -1;
  }
};

// Whom it knows, the pauses do not tell either.
TEST_F(TarpitTest, RefusalsComeLaterAndLater) {
  config_.smtp.times.first_pause = absl::Seconds(1);
  config_.smtp.times.longest_pause = absl::Seconds(5);
  Start();
  std::vector<MailClient> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(Smtp());
    ASSERT_TRUE(clients.back().Send("EHLO c\r\nMAIL FROM:<a@b.test>\r\n"));
    for (int j = 0; j < 2; ++j) EXPECT_EQ(clients.back().Reply(), "250");
    ASSERT_TRUE(clients.back().Send("RCPT TO:<no@reports.test>\r\n"));
  }
  ASSERT_TRUE(AwaitPauses(2));
  EXPECT_EQ(SecondsUntilReply(clients[0]), 1);
  for (MailClient& client : clients) EXPECT_EQ(client.Reply(), "550");
  for (const int want : {2, 4, 5, 5}) {
    // Pipelined commands wait with the refusal before them.
    ASSERT_TRUE(clients[0].Send("RCPT TO:<dmarc@reports.test>\r\nNOOP\r\n"));
    ASSERT_TRUE(clients[1].Send("RCPT TO:<dmarx@reports.test>\r\nNOOP\r\n"));
    ASSERT_TRUE(AwaitPauses(2));
    EXPECT_EQ(SecondsUntilReply(clients[0]), want);
    for (MailClient& client : clients) {
      EXPECT_EQ(client.Reply(), "451");
      EXPECT_EQ(client.Reply(), "250");
    }
  }
  EXPECT_EQ(clients[0].last_reply(), clients[1].last_reply());
  // What is right is answered at once.
  EXPECT_EQ(clients[0].Say("RSET"), "250");
}

TEST_F(TarpitTest, WhileMostConnectionsAreTakenNobodyWaits) {
  config_.smtp.times.first_pause = absl::Seconds(60);
  config_.smtp.times.longest_pause = absl::Seconds(60);
  config_.smtp.connections = 8;
  Start();
  std::vector<MailClient> guessing;
  for (int i = 0; i < 5; ++i) {
    guessing.push_back(Smtp());
    ASSERT_TRUE(guessing.back().Send("X\r\n"));
  }
  ASSERT_TRUE(AwaitPauses(5));
  AwaitLook();
  for (MailClient& client : guessing) EXPECT_FALSE(client.Readable());
  MailClient sixth = Smtp();
  for (MailClient& client : guessing) EXPECT_EQ(client.Reply(), "500");
  // They come to their end soon, and there is always room for those who say what is right.
  std::string errors;
  for (int i = 0; i < 9; ++i) errors += "X\r\n";
  for (MailClient& client : guessing) ASSERT_TRUE(client.Send(errors));
  MailClient honest = InData();
  EXPECT_EQ(honest.Say("mail\r\n."), "250");
}

// Others may be waiting for it.
TEST_F(TarpitTest, ARefusedMessageGivesItsRoomBackBeforeThePause) {
  config_.smtp.times.first_pause = config_.smtp.times.longest_pause = absl::Seconds(30);
  Start();
  MailClient client = InData();
  ASSERT_TRUE(client.Send(std::string(64 << 10, 'x') + "\r\n"));
  ASSERT_TRUE(WaitUntil([&] { return budget_.used_bytes() > 0; }));
  ASSERT_TRUE(client.Send("a\nb\r\n.\r\n"));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  ASSERT_TRUE(AwaitPauses(1));
  EXPECT_EQ(SecondsUntilReply(client), 30);
  EXPECT_EQ(client.Reply(), "554");
}

TEST_F(TarpitTest, AShutdownDoesNotWait) {
  config_.smtp.times.first_pause = config_.smtp.times.longest_pause = absl::Seconds(60);
  Start();
  MailClient client = Smtp();
  ASSERT_TRUE(client.Send("X\r\n"));
  MailClient gone = Smtp();
  ASSERT_TRUE(gone.Send("X\r\n"));
  {
    const MailClient ends = std::move(gone);
  }
  ASSERT_TRUE(AwaitPauses(2));
  server_->Drain(absl::Seconds(20));
  EXPECT_EQ(client.Reply(), "500");
  EXPECT_EQ(client.Reply(), "421");
  EXPECT_EQ(server_->connections(), 0u);
  EXPECT_EQ(server_->counts().paused, 0u);
}

TEST_F(SmtpServerTest, SilenceAndSlownessEnd) {
  config_.smtp.times.command = config_.smtp.times.data = absl::Seconds(100);
  Start();
  MailClient silent = Smtp();
  EXPECT_TRUE(TimePassesUntilReadable(silent));
  EXPECT_EQ(silent.Reply(), "421");
  EXPECT_EQ(silent.Reply(), "");
  MailClient slow = InData();
  ASSERT_TRUE(slow.Send("Subject: half"));
  EXPECT_TRUE(TimePassesUntilReadable(slow));
  EXPECT_EQ(slow.Reply(), "421");
  EXPECT_THAT(slow.last_reply(), testing::HasSubstr("4.4.2"));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return server_->connections() == 0; }));
}

TEST_F(SmtpServerTest, HalfACommandBuysNoTime) {
  config_.smtp.times.command = absl::Seconds(100);
  Start();
  MailClient client = Smtp();
  const bool ended = WaitUntil([&] {
    client.Send("x");
    clock_.Advance(absl::Seconds(1));
    return client.Readable();
  });
  EXPECT_TRUE(ended);
  EXPECT_EQ(client.Reply(), "421");
}

TEST_F(SmtpServerTest, ConnectionsAreCountedByAddressAndInAll) {
  config_.smtp.connections_per_address = 2;
  config_.lmtp.connections = 3;
  Start();
  {
    MailClient first = Smtp(), second = Smtp();
    MailClient third = MailClient::Connect(server_->ports().at(0));
    EXPECT_EQ(third.Reply(), "421");
    EXPECT_EQ(third.Reply(), "");
    std::vector<MailClient> local;
    for (int i = 0; i < 3; ++i) {
      local.push_back(MailClient::ConnectUnix(config_.lmtp.unix_socket));
      EXPECT_EQ(local.back().Reply(), "220");
    }
    MailClient fourth = MailClient::Connect(server_->ports().at(1));
    EXPECT_EQ(fourth.Reply(), "421");
  }
  ASSERT_TRUE(WaitUntil([&] { return server_->connections() == 0; }));
  MailClient again = Smtp();
}

TEST_F(SmtpServerTest, WhileMostConnectionsAreTakenSilenceEndsSooner) {
  config_.smtp.connections = 4;
  config_.smtp.times.busy_command = absl::Seconds(10);
  Start();
  MailClient first = Smtp(), second = Smtp(), third = Smtp();
  EXPECT_TRUE(TimePassesUntilReadable(first));
  EXPECT_EQ(first.Reply(), "421");
}

TEST_F(SmtpServerTest, LmtpAnswersEachRecipientOverTcpAndUnixSocket) {
  config_.lmtp.recipients = *ConfiguredRecipients::Parse({"dmarc@reports.test", "b@reports.test"});
  Start();
  struct stat info = {};
  ASSERT_EQ(stat(config_.lmtp.unix_socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  int number = 0;
  for (const bool tcp : {true, false}) {
    MailClient client = tcp ? MailClient::Connect(server_->ports().at(1))
                            : MailClient::ConnectUnix(config_.lmtp.unix_socket);
    EXPECT_EQ(client.Reply(), "220");
    ASSERT_TRUE(
        client.Send(fmt::format("LHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<dmarc@reports.test>\r\n"
                                "RCPT TO:<no@reports.test>\r\nRCPT TO:<b@reports.test>\r\nDATA\r\n"
                                "number {}\r\n.\r\nQUIT\r\n",
                                ++number)));
    for (const char* code : {"250", "250", "250", "550", "250", "354", "250", "250", "221"}) {
      EXPECT_EQ(client.Reply(), code) << client.last_reply();
    }
  }
  ASSERT_TRUE(WaitUntil([&] { return store_.ListUnreadable(std::nullopt, 10)->rows.size() == 2; }));
  const auto unreadable = store_.ListUnreadable(std::nullopt, 10);
  ASSERT_TRUE(unreadable.ok()) << unreadable.status();
  for (const auto& row : unreadable->rows) {
    EXPECT_EQ(row.receipt.channel, Channel::kLmtp);
    EXPECT_FALSE(row.receipt.envelope.has_value());
  }
}

TEST_F(SmtpServerTest, AUnixSocketInUseIsLeftAlone) {
  Start();
  const auto second = SmtpServer::Start(config_, {*pipeline_, budget_, gauge_, clock_, *senders_});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists) << second.status();
  MailClient client = MailClient::ConnectUnix(config_.lmtp.unix_socket);
  EXPECT_EQ(client.Reply(), "220");
  directory_.Write("file", "");
  config_.lmtp.unix_socket = directory_.File("file");
  EXPECT_FALSE(SmtpServer::Start(config_, {*pipeline_, budget_, gauge_, clock_, *senders_}).ok());
  EXPECT_TRUE(std::filesystem::exists(directory_.File("file")));
}

TEST_F(SmtpServerTest, MailComesUnderTls) {
  config_.certificate = directory_.File("cert.pem");
  config_.key = directory_.File("key.pem");
  MakeCertificate("mx.reports.test", config_.certificate, config_.key);
  Start();
  MailClient client = Smtp();
  EXPECT_EQ(client.Say("EHLO c"), "250");
  EXPECT_THAT(client.last_reply(), testing::HasSubstr("STARTTLS"));
  EXPECT_EQ(client.Say("STARTTLS"), "220");
  ASSERT_TRUE(client.StartTls());
  EXPECT_EQ(client.PeerName(), "mx.reports.test");
  EXPECT_EQ(client.Say("MAIL FROM:<>"), "503");
  const std::string body(300'000, 'x');
  ASSERT_TRUE(client.Send("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<dmarc@reports.test>\r\nDATA\r\n" +
                          body + "\r\n.\r\nQUIT\r\n"));
  for (const char* code : {"250", "250", "250", "354", "250", "221"}) {
    EXPECT_EQ(client.Reply(), code) << client.last_reply();
  }
  EXPECT_TRUE(WaitUntil([&] { return Stored(body + "\r\n"); }));
}

TEST_F(SmtpServerTest, WhatIsInjectedBeforeTlsIsNotRead) {
  config_.certificate = directory_.File("cert.pem");
  config_.key = directory_.File("key.pem");
  MakeCertificate("mx.reports.test", config_.certificate, config_.key);
  Start();
  MailClient client = Smtp();
  ASSERT_TRUE(client.Send("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@b.test>\r\n"));
  EXPECT_EQ(client.Reply(), "220");
  ASSERT_TRUE(client.StartTls());
  EXPECT_EQ(client.Say("RCPT TO:<dmarc@reports.test>"), "503");
  // Clear text instead of a handshake ends the connection, old TLS as well.
  MailClient clear = Smtp();
  EXPECT_EQ(clear.Say("STARTTLS"), "220");
  EXPECT_EQ(clear.Say("EHLO c"), "");
  MailClient old = Smtp();
  EXPECT_EQ(old.Say("STARTTLS"), "220");
  EXPECT_FALSE(old.StartTls(TLS1_1_VERSION));
}

TEST_F(SmtpServerTest, ACertificateIsReadAgainWhenItChanges) {
  config_.certificate = directory_.File("cert.pem");
  config_.key = directory_.File("key.pem");
  MakeCertificate("old.reports.test", config_.certificate, config_.key);
  Start();
  const auto name = [&] {
    MailClient client = Smtp();
    EXPECT_EQ(client.Say("STARTTLS"), "220");
    EXPECT_TRUE(client.StartTls());
    return client.PeerName();
  };
  EXPECT_EQ(name(), "old.reports.test");
  directory_.Write("cert.pem", "not a certificate");
  EXPECT_EQ(name(), "old.reports.test");
  MakeCertificate("new.reports.test", config_.certificate, config_.key);
  EXPECT_TRUE(WaitUntil([&] { return name() == "new.reports.test"; }));
}

TEST_F(SmtpServerTest, AnUnusableCertificateIsSaidAtTheStart) {
  config_.certificate = directory_.Write("cert.pem", "no certificate SECRET");
  config_.key = directory_.Write("key.pem", "no key SECRET");
  senders_ = std::make_unique<SenderGate>(config_.budgets, *suffixes_, clock_, "");
  const auto server = SmtpServer::Start(config_, {*pipeline_, budget_, gauge_, clock_, *senders_});
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(server.status().ToString(), testing::HasSubstr("cert.pem"));
  EXPECT_THAT(server.status().ToString(), testing::Not(testing::HasSubstr("SECRET")));
}

TEST_F(SmtpServerTest, ShutdownDrainsWhatIsUnderWay) {
  Start();
  MailClient idle = Smtp();
  MailClient in_data = InData();
  ASSERT_TRUE(in_data.Send("half"));
  MailClient committing = InData();
  store_.Hold();
  ASSERT_TRUE(committing.Send("whole\r\n.\r\n"));
  store_.AwaitHeld();
  std::thread drain([&] { server_->Drain(absl::Seconds(20)); });
  EXPECT_EQ(idle.Reply(), "421");
  EXPECT_EQ(idle.Reply(), "");
  EXPECT_EQ(MailClient::Connect(server_->ports().at(0)).Reply(), "");
  ASSERT_TRUE(in_data.Send(" and whole\r\n.\r\n"));
  store_.Release();
  for (MailClient* client : {&in_data, &committing}) {
    EXPECT_EQ(client->Reply(), "250");
    EXPECT_EQ(client->Reply(), "421");
    EXPECT_EQ(client->Reply(), "");
  }
  drain.join();
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(SmtpServerTest, ShutdownDoesNotWaitForEver) {
  Start();
  MailClient in_data = InData();
  ASSERT_TRUE(in_data.Send("half"));
  MailClient committing = InData();
  store_.Hold();
  ASSERT_TRUE(committing.Send("whole\r\n.\r\n"));
  store_.AwaitHeld();
  server_->Drain(absl::ZeroDuration());
  EXPECT_EQ(in_data.Reply(), "421");
  EXPECT_EQ(in_data.Reply(), "");
  // The store's answer is still passed on.
  std::thread stop([&] { pipeline_->Stop(absl::Seconds(20)); });
  store_.Release();
  stop.join();
  server_->Stop(absl::Seconds(20));
  EXPECT_EQ(committing.Reply(), "250");
  EXPECT_EQ(committing.Reply(), "421");
}

TEST_F(SmtpServerTest, ClientsThatGoAwayLeaveNothing) {
  Start();
  {
    MailClient gone = InData();
  }
  {
    MailClient gone = InData();
    ASSERT_TRUE(gone.Send(std::string(200'000, 'x')));
  }
  store_.Hold();
  {
    MailClient gone = InData();
    ASSERT_TRUE(gone.Send("kept all the same\r\n.\r\n"));
    store_.AwaitHeld();
  }
  store_.Release();
  EXPECT_TRUE(WaitUntil([&] { return server_->connections() == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return budget_.used_bytes() == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return Stored("kept all the same\r\n"); }));
}

}  // namespace
}  // namespace dmarcate
