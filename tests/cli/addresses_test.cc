// Report addresses through the real daemons: policyd makes and revokes them, ingestd takes mail by
// what policyd published, and never needs it running.

#include <string>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/file.h"
#include "tests/cli/daemons.h"
#include "tests/ingestd/smtp/client.h"
#include "tests/testing/process.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using ingest_testing::MailClient;
using ingest_testing::MakeReportXml;
using testing::HasSubstr;
using testing_support::FreePort;
using testing_support::WaitUntil;
using Json = nlohmann::json;

class AddressesTest : public testing::Test {
 protected:
  std::string Snapshot() const { return daemons_.directory().File("snapshot"); }
  void StartIngestd() {
    const absl::Status started = daemons_.StartIngestd(
        fmt::format("[smtp]\nlisten = [\"127.0.0.1:{}\"]\nhostname = \"mx.reports.test\"\n"
                    "refusal_delay = \"0s\"\n[lmtp]\nlisten = [\"127.0.0.1:{}\"]\n"
                    "[snapshot]\nfile = \"{}\"\n",
                    smtp_port_, lmtp_port_, Snapshot()));
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_TRUE(WaitUntil([&] { return MailClient::Connect(smtp_port_).Reply() == "220"; }));
  }
  void StartPolicyd() {
    const absl::Status started = daemons_.StartPolicyd(
        fmt::format("address_domain = \"reports.test\"\n[snapshot]\nfile = \"{}\"\n", Snapshot()));
    ASSERT_TRUE(started.ok()) << started;
  }
  // The domain as `dmarcate ARGUMENTS -o json` shows it.
  Json Domain(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const auto result = daemons_.Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    const Json out = Json::parse(result.output, nullptr, false);
    EXPECT_TRUE(out.is_object()) << result.output;
    return out;
  }
  // The reply to a RCPT on a connection of its own.
  std::string Rcpt(const std::string& address, uint16_t port, std::string_view hello) {
    MailClient client = MailClient::Connect(port);
    EXPECT_EQ(client.Reply(), "220");
    EXPECT_EQ(client.Say(fmt::format("{} c.test", hello)), "250");
    EXPECT_EQ(client.Say("MAIL FROM:<a@reporter.test>"), "250");
    client.Say(fmt::format("RCPT TO:<{}>", address));
    const std::string reply = client.last_reply();
    EXPECT_EQ(client.Say("QUIT"), "221");
    return reply;
  }
  std::string Rcpt(const std::string& address) { return Rcpt(address, smtp_port_, "EHLO"); }
  // Whether it becomes that; ingestd looks at the file once a second.
  testing::AssertionResult Becomes(const std::string& address, std::string_view code) {
    std::string last;
    if (WaitUntil([&] { return (last = Rcpt(address)).starts_with(code); })) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << address << ": " << last << daemons_.ingestd().log();
  }
  void Send(const std::string& address, const std::string& id) {
    MailClient client = MailClient::Connect(smtp_port_);
    ASSERT_EQ(client.Reply(), "220");
    ASSERT_EQ(client.Say("EHLO c.test"), "250");
    ASSERT_EQ(client.Say("MAIL FROM:<a@reporter.test>"), "250");
    ASSERT_EQ(client.Say(fmt::format("RCPT TO:<{}>", address)), "250") << client.last_reply();
    ASSERT_EQ(client.Say("DATA"), "354");
    std::string mail = "From: reports@reporter.test\r\nContent-Type: text/xml\r\n\r\n";
    for (const char c : MakeReportXml("example.com", id, {3, 4})) {
      mail += c == '\n' ? "\r\n" : std::string(1, c);
    }
    ASSERT_EQ(client.Say(mail + "."), "250") << client.last_reply();
  }
  int64_t Reports() {
    const auto reader = daemons_.ingestd().Reader();
    if (!reader.ok()) return -1;
    const auto totals = (*reader)->ReadTotals("example.com", 0, 40'000);
    int64_t reports = 0;
    for (const DayTotals& day : totals.value_or(std::vector<DayTotals>())) reports += day.reports;
    return reports;
  }

  Daemons daemons_;
  const uint16_t smtp_port_ = FreePort(), lmtp_port_ = FreePort();
};

TEST_F(AddressesTest, ADomainsReportsArriveAtItsOwnAddress) {
  // ingestd first: it does not know which addresses there are, so it says neither yes nor no.
  StartIngestd();
  EXPECT_THAT(daemons_.ingestd().log(), HasSubstr("event=snapshot_missing"));
  EXPECT_THAT(Rcpt("r-0123456789abcdef@reports.test"), HasSubstr("450 4.3.0"));
  EXPECT_THAT(Rcpt("someone@elsewhere.test"), HasSubstr("550 5.1.1"));
  StartPolicyd();
  EXPECT_TRUE(Becomes("r-0123456789abcdef@reports.test", "550"));

  const Json added = Domain({"domains", "add", "example.com"});
  const std::string first = added["report_address"];
  EXPECT_TRUE(added["report_addresses"][0]["published"]) << added;
  EXPECT_TRUE(Becomes(first, "250"));
  Send(first, "one");
  EXPECT_TRUE(WaitUntil([&] { return Reports() == 1; })) << daemons_.ingestd().log();
  EXPECT_THAT(Rcpt(first, lmtp_port_, "LHLO"), HasSubstr("250"));
  for (const char* other : {"r-0123456789abcdef@reports.test", "dmarc@reports.test",
                            "postmaster@reports.test", "r-0123456789abcdef@elsewhere.test"}) {
    EXPECT_THAT(Rcpt(other), HasSubstr("550 5.1.1")) << other;
  }

  // Both take reports, as long as nobody revokes the old one.
  const std::string second =
      Domain({"domains", "address", "rotate", "example.com"})["report_address"];
  ASSERT_NE(second, first);
  EXPECT_TRUE(Becomes(second, "250"));
  Send(second, "two");
  Send(first, "three");
  EXPECT_TRUE(WaitUntil([&] { return Reports() == 3; })) << daemons_.ingestd().log();
  const auto listed = daemons_.Run({"domains", "address", "list", "example.com", "-o", "name"});
  EXPECT_EQ(listed.output, second + "\n" + first + "\n");

  Domain({"domains", "address", "revoke", "example.com", first});
  EXPECT_TRUE(Becomes(first, "550"));
  // In the words that an address gets that never was.
  EXPECT_EQ(Rcpt(first), Rcpt("r-0123456789abcdef@reports.test"));
  EXPECT_THAT(Rcpt(second), HasSubstr("250"));
  EXPECT_THAT(Rcpt(first, lmtp_port_, "LHLO"), HasSubstr("550"));

  // ingestd needs no policyd, and a new start of either changes nothing.
  daemons_.KillPolicyd();
  EXPECT_EQ(daemons_.ingestd().Stop(), 0);
  StartIngestd();
  EXPECT_THAT(Rcpt(second), HasSubstr("250"));
  EXPECT_THAT(Rcpt(first), HasSubstr("550"));
  StartPolicyd();
  EXPECT_EQ(Domain({"domains", "get", "example.com"})["report_address"], second);
  EXPECT_THAT(Rcpt(second), HasSubstr("250"));
}

TEST_F(AddressesTest, ASnapshotThatDoesNotParseKeepsTheLastGoodOne) {
  StartPolicyd();
  const std::string address = Domain({"domains", "add", "example.com"})["report_address"];
  daemons_.KillPolicyd();  // or it would put right what follows
  StartIngestd();
  EXPECT_THAT(Rcpt(address), HasSubstr("250"));
  const std::string good = ReadFile(Snapshot(), 1 << 20).value_or("");
  ASSERT_TRUE(WriteFileAtomically(Snapshot(), good.substr(0, good.size() / 2), 0640).ok());
  ASSERT_TRUE(WaitUntil([&] {
    return daemons_.ingestd().log().find("event=snapshot_unusable") != std::string::npos;
  }));
  EXPECT_THAT(Rcpt(address), HasSubstr("250"));
  const auto check =
      testing_support::RunCommand({Daemons::Program("ingestd"), "--config",
                                   daemons_.directory().File("ingestd.toml"), "--check"});
  ASSERT_TRUE(check.ok()) << check.status();
  EXPECT_EQ(check->exit_code, 0) << check->output;
  EXPECT_THAT(check->output, HasSubstr("snapshot.file: " + Snapshot() + ": line "));
  // policyd puts it right, whoever did it.
  StartPolicyd();
  EXPECT_EQ(ReadFile(Snapshot(), 1 << 20).value_or(""), good);
}

}  // namespace
}  // namespace dmarcate
