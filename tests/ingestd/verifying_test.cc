// The daemon that verifies, with a name server of the test's own: what waits for DNS costs little
// memory, a kill forgets none of it, and it is judged once, by what DNS says in the end.

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/ingestd/daemon.h"
#include "tests/ingestd/smtp/client.h"
#include "tests/lib/dns/scripted_server.h"
#include "tests/testing/dkim_signer.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::MailClient;
using ingest_testing::MakeReportXml;
using testing_support::DkimSign;
using testing_support::DkimTestKey;
using testing_support::WaitUntil;

constexpr int kMails = 300;
constexpr int64_t kAllowedKib = 64 << 10;

std::string Mail(int number) {
  return fmt::format(
      "From: dmarc@reporter.test\r\nTo: r@example.test\r\nSubject: Report Domain: example.test\r\n"
      "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/xml\r\n"
      "\r\n{}",
      MakeReportXml("example.test", fmt::format("id{}", number), {1, 2}));
}

int FilesIn(const std::string& directory) {
  int out = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    out += entry.is_regular_file() ? 1 : 0;
  }
  return out;
}

// Reports by their class, as far as they can be read now.
std::map<TrustClass, int> Classes(ReportReader& reader) {
  std::map<TrustClass, int> out;
  if (!reader.CatchUp().ok()) return out;
  EXPECT_TRUE(reader
                  .ForEachReport("example.test", 0, 40'000,
                                 [&out](const StoredReport& stored) {
                                   ++out[stored.trust];
                                   return true;
                                 })
                  .ok());
  return out;
}

TEST(Verifying, WhatWaitedForDnsAtAKillIsJudgedOnce) {
  const DkimTestKey key = DkimTestKey::Ed25519();
  std::atomic<bool> silent = true;
  ScriptedServer dns(
      [&](std::string_view query, ScriptedServer::Protocol) -> std::vector<ScriptedReply> {
        if (silent) return {};
        const std::string name = QuestionName(query);
        if (name == "s._domainkey.reporter.test") {
          return {{ReplyTo(query, {}, {{"", RrType::kTxt, TxtRdata(key.Record())}})}};
        }
        if (name == "_dmarc.reporter.test") {
          return {{ReplyTo(query, {}, {{"", RrType::kTxt, TxtRdata("v=DMARC1; p=reject")}})}};
        }
        return {{ReplyTo(query, {.rcode = 3}, {})}};
      });
  const std::string config = fmt::format(
      "[dns]\nresolvers = [\"{}\"]\ntimeout = \"50ms\"\ndeadline = \"100ms\"\n", dns.server());

  Daemon daemon(Daemon::Carriers::kVerified);
  ASSERT_TRUE(daemon.Start({"mail"}, config).ok());
  daemon.ForgetPeak();
  const int64_t idle_kib = daemon.PeakKib();
  for (int i = 0; i < kMails; ++i) {
    const std::string mail = DkimSign(Mail(i), key, {.domain = "reporter.test", .selector = "s"});
    const std::string name = fmt::format("{}.host", i);
    std::filesystem::rename(daemon.directory().Write("mail/tmp/" + name, mail),
                            daemon.directory().File("mail/new/" + name));
  }
  ASSERT_TRUE(WaitUntil([&] { return FilesIn(daemon.directory().File("mail/cur")) == kMails; }));
  ASSERT_TRUE(WaitUntil([&] { return daemon.log().find("check_put_off") != std::string::npos; }));
  EXPECT_LT(daemon.PeakKib() - idle_kib, kAllowedKib);
  daemon.Kill();

  silent = false;
  ASSERT_TRUE(daemon.Start({"mail"}, config).ok());
  const auto reader = daemon.Reader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::map<TrustClass, int> classes;
  EXPECT_TRUE(WaitUntil([&] {
    classes = Classes(**reader);
    return classes[TrustClass::kAuthenticated] == kMails;
  })) << classes[TrustClass::kAuthenticated];
  EXPECT_EQ(classes.size(), 1u) << "nothing was judged while DNS was silent";
  EXPECT_EQ(daemon.Stop(), 0);
}

// What waits for the DNS holds up nothing that comes after it in an import.
TEST(Verifying, AnImportGoesOnWhileMailsOfItWaitForDns) {
  const DkimTestKey key = DkimTestKey::Ed25519();
  ScriptedServer dns([](std::string_view, ScriptedServer::Protocol) {
    return std::vector<ScriptedReply>();  // silence
  });
  Daemon daemon(Daemon::Carriers::kVerified);
  ASSERT_TRUE(daemon
                  .Start({}, fmt::format("[dns]\nresolvers = [\"{}\"]\ntimeout = \"50ms\"\n"
                                         "deadline = \"100ms\"\n",
                                         dns.server()))
                  .ok());
  std::vector<ingest_testing::ImportItem> items;
  for (int i = 0; i < 20; ++i) {
    const bool is_mail = i % 4 == 0;
    items.push_back({fmt::format("{}.{}", i, is_mail ? "eml" : "xml"),
                     is_mail ? DkimSign(Mail(i), key, {.domain = "reporter.test", .selector = "s"})
                             : MakeReportXml("example.test", fmt::format("bare{}", i), {1})});
  }
  std::mutex mutex;
  std::map<v1::ItemOutcome, int> outcomes;
  const grpc::Status ended =
      ingest_testing::Import(daemon.channel(), items, [&](const v1::ItemResult& result) {
        const std::lock_guard lock(mutex);
        for (const v1::SubmittedItem& item : result.items()) {
          ++outcomes[item.outcome()];
          EXPECT_EQ(item.outcome() == v1::ITEM_OUTCOME_WAITING, item.reason() == "dns_unreachable")
              << item.reason();
        }
      });
  EXPECT_TRUE(ended.ok()) << ended.error_message();
  EXPECT_EQ(outcomes[v1::ITEM_OUTCOME_WAITING], 5);
  EXPECT_EQ(outcomes[v1::ITEM_OUTCOME_STORED], 15);

  v1::SubmitReportResponse response;
  const std::string mail = DkimSign(Mail(100), key, {.domain = "reporter.test", .selector = "s"});
  const grpc::Status submitted = ingest_testing::Submit(daemon.channel(), mail, &response);
  EXPECT_TRUE(submitted.ok()) << submitted.error_message();
  ASSERT_EQ(response.items_size(), 1);
  EXPECT_EQ(response.items(0).outcome(), v1::ITEM_OUTCOME_WAITING);

  std::filesystem::create_directory(daemon.directory().File("mails"));
  daemon.directory().Write("mails/one.eml",
                           DkimSign(Mail(101), key, {.domain = "reporter.test", .selector = "s"}));
  daemon.directory().Write("mails/two.xml", MakeReportXml("example.test", "bare two", {1}));
  const auto cli = daemon.Cli({"reports", "import", daemon.directory().File("mails")});
  ASSERT_TRUE(cli.ok()) << cli.status();
  EXPECT_EQ(cli->exit_code, 0) << cli->output;
  EXPECT_THAT(cli->output, testing::HasSubstr("waiting"));
  EXPECT_THAT(cli->output, testing::HasSubstr("1 mail kept and not counted yet"));
  EXPECT_EQ(daemon.Stop(), 0);
}

// An anchor that has proved who it is gets its reports in while others have used up what its
// address may send.
TEST(Verifying, AnAnchorHasItsOwnBudget) {
  const DkimTestKey key = DkimTestKey::Ed25519();
  const std::map<std::string, std::string> texts = {{"s._domainkey.reporter.test", key.Record()},
                                                    {"_dmarc.reporter.test", "v=DMARC1; p=reject"},
                                                    {"reporter.test", "v=spf1 ip4:127.0.0.1 -all"}};
  ScriptedServer dns(
      [&](std::string_view query, ScriptedServer::Protocol) -> std::vector<ScriptedReply> {
        const auto found = texts.find(QuestionName(query));
        if (found == texts.end()) return {{ReplyTo(query, {.rcode = 3}, {})}};
        return {{ReplyTo(query, {}, {{"", RrType::kTxt, TxtRdata(found->second)}})}};
      });
  Daemon daemon(Daemon::Carriers::kVerified);
  const std::string anchors = daemon.directory().Write("anchors.toml", R"(
[[anchor]]
name = "Reporter"
from = "dmarc@reporter.test"
signed_by = ["reporter.test"]
organizations = ["Reporter"]
)");
  const uint16_t port = testing_support::FreePort();
  const std::string config = fmt::format(
      R"(anchors = "{}"
[dns]
resolvers = ["{}"]
[smtp]
listen = ["127.0.0.1:{}"]
hostname = "mx.reports.test"
recipients = ["r@example.test"]
budget_per_address = 2
refusal_delay = "0s"
)",
      anchors, dns.server(), port);
  const auto start = [&] {
    ASSERT_TRUE(daemon.Start({}, config).ok());
    ASSERT_TRUE(WaitUntil([&] { return MailClient::Connect(port).Reply() == "220"; }));
  };
  start();
  const auto send = [&](int number, std::string_view from) {
    MailClient client = MailClient::Connect(port);
    EXPECT_EQ(client.Reply(), "220");
    EXPECT_EQ(client.Say("EHLO c.test"), "250");
    const std::string code = client.Say(fmt::format("MAIL FROM:<{}>", from));
    if (code != "250") return code;
    EXPECT_EQ(client.Say("RCPT TO:<r@example.test>"), "250");
    EXPECT_EQ(client.Say("DATA"), "354");
    std::string lines;
    const std::string mail =
        DkimSign(Mail(number), key, {.domain = "reporter.test", .selector = "s"});
    for (size_t i = 0; i < mail.size(); ++i) {
      if (mail[i] == '\n' && (i == 0 || mail[i - 1] != '\r')) lines += '\r';
      lines += mail[i];
    }
    return client.Say(lines + ".");
  };
  EXPECT_EQ(send(0, "dmarc@reporter.test"), "250");
  const auto reader = daemon.Reader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE(WaitUntil([&] { return Classes(**reader)[TrustClass::kAnchored] == 1; }))
      << daemon.log();
  EXPECT_EQ(send(1, "a@flood.test"), "250");
  EXPECT_EQ(send(2, "a@flood.test"), "451");
  for (int i = 3; i < 8; ++i) EXPECT_EQ(send(i, "dmarc@reporter.test"), "250");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(send(2, "a@flood.test"), "451");
  const std::string log = daemon.log();
  EXPECT_NE(log.find("event=smtp_over_budget budget=\"address\" of=\"127.0.0.1\""),
            std::string::npos);
  EXPECT_EQ(log.find("smtp_over_budget"), log.rfind("smtp_over_budget")) << "a line a minute";
  // It is known after a restart, too.
  EXPECT_EQ(daemon.Stop(), 0);
  start();
  for (const char* code : {"250", "250", "451"}) EXPECT_EQ(send(8, "a@flood.test"), code);
  EXPECT_EQ(send(9, "dmarc@reporter.test"), "250");
  EXPECT_EQ(daemon.Stop(), 0);
}

}  // namespace
}  // namespace dmarcate
