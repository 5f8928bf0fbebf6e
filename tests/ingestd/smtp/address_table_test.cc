// Which recipients a listener takes: those of its configuration, and the report addresses of the
// snapshot, which are replaced while sessions run.

#include "ingestd/intake/smtp/protocol/address_table.h"

#include <memory>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/random.h"
#include "lib/snapshot/report_address.h"
#include "tests/ingestd/smtp/driver.h"

namespace dmarcate {
namespace {

using Kind = RecipientVerdict::Kind;
using Addresses = ListenerRecipients::Addresses;
using ingest_testing::CodesOf;
using ingest_testing::Converse;

constexpr char kFirst[] = "r-0123456789abcdef@reports.example";
constexpr char kSecond[] = "r-zyxwvtsrqpnmkjhg@reports.example";

std::shared_ptr<const AddressTable> Table(std::vector<Snapshot::Address> addresses) {
  return std::make_shared<const AddressTable>(Snapshot{{}, std::move(addresses)}, "a key");
}
ConfiguredRecipients Configured() {
  return *ConfiguredRecipients::Parse({"dmarc@reports.example"});
}
Mailbox Box(std::string_view text) { return *ParseMailbox(text); }

TEST(AddressTable, KnowsTheDomainOfEachAddress) {
  SeededRandom random(3);
  Snapshot snapshot;
  const DomainName host = *DomainName::Parse("reports.example");
  for (int i = 0; i < 2000; ++i) {
    snapshot.addresses.push_back({MakeReportAddress(host, random.Bytes(kReportAddressSeedBytes)),
                                  fmt::format("d{}.example", i)});
  }
  const AddressTable table(snapshot, random.Bytes(32));
  EXPECT_EQ(table.size(), 2000u);
  for (const auto& [address, domain] : snapshot.addresses) {
    const std::string* found = table.Find(Box(address));
    ASSERT_NE(found, nullptr) << address;
    EXPECT_EQ(*found, domain);
    Mailbox near = Box(address);  // one digit is another one
    near.local.back() = near.local.back() == '0' ? '1' : '0';
    EXPECT_EQ(table.Find(near), nullptr);
    EXPECT_EQ(table.Find({near.local, "other.example"}), nullptr);
  }
}

TEST(ListenerRecipients, TakesWhatIsConfiguredOrPublished) {
  ListenerRecipients recipients(Configured(), Addresses::kAwaited);
  recipients.Set(Table({{kFirst, "a.example"}}));
  EXPECT_EQ(recipients.Find(Box("dmarc@reports.example")).kind, Kind::kTaken);
  EXPECT_EQ(recipients.Find(Box("dmarc@reports.example")).domain, "");
  EXPECT_EQ(recipients.Find(Box(kFirst)).domain, "a.example");
  EXPECT_EQ(recipients.Find(Box("R-0123456789ABCDEF@REPORTS.example")).kind, Kind::kTaken);
  EXPECT_EQ(recipients.Find(Box(kSecond)).kind, Kind::kUnknown);
  EXPECT_EQ(recipients.Find(Box("r-0123456789abcdef@other.example")).kind, Kind::kUnknown);
  EXPECT_EQ(recipients.Find(Box("postmaster@reports.example")).kind, Kind::kUnknown);
  recipients.Set(Table({{kSecond, "a.example"}}));
  EXPECT_EQ(recipients.Find(Box(kFirst)).kind, Kind::kUnknown) << "revoked";
  EXPECT_EQ(recipients.Find(Box(kSecond)).kind, Kind::kTaken);
}

TEST(ListenerRecipients, UntilThereIsASnapshotReportAddressesAreUndecided) {
  const ListenerRecipients awaiting(Configured(), Addresses::kAwaited);
  EXPECT_EQ(awaiting.Find(Box("dmarc@reports.example")).kind, Kind::kTaken);
  EXPECT_EQ(awaiting.Find(Box(kFirst)).kind, Kind::kUndecided);
  EXPECT_EQ(awaiting.Find(Box("someone@elsewhere.example")).kind, Kind::kUnknown)
      << "no report address, whatever the snapshot will say";
  const ListenerRecipients without(Configured(), Addresses::kNone);
  EXPECT_EQ(without.Find(Box(kFirst)).kind, Kind::kUnknown);
}

// The same words, whether an address was revoked or never was.
TEST(ListenerRecipients, AReplacedTableIsThatOfTheNextRecipient) {
  SmtpSessionOptions options;
  options.hostname = "mx.reports.example";
  const std::string begin = "EHLO c\r\nMAIL FROM:<a@b.test>\r\n";
  const auto rcpt = [](std::string_view address) {
    return fmt::format("RCPT TO:<{}>\r\n", address);
  };
  ListenerRecipients recipients(Configured(), Addresses::kAwaited);
  SmtpSession session(options, recipients);
  EXPECT_EQ(CodesOf(Converse(session, begin + rcpt(kFirst)).replies), "220 250 250 450");
  EXPECT_EQ(session.errors(), 0) << "it is not the client's";
  recipients.Set(Table({{kFirst, "a.example"}}));
  EXPECT_EQ(CodesOf(Converse(session, rcpt(kFirst)).replies), "250");
  recipients.Set(Table({{kSecond, "a.example"}}));
  EXPECT_EQ(CodesOf(Converse(session, rcpt(kSecond)).replies), "250");
  const std::string revoked = Converse(session, rcpt(kFirst)).replies;
  SmtpSession other(options, recipients);
  Converse(other, begin);
  const std::string unknown = Converse(other, rcpt("r-0000000000000000@reports.example")).replies;
  EXPECT_EQ(revoked, "550 5.1.1 no address that takes reports\r\n");
  EXPECT_EQ(unknown, revoked);
  EXPECT_EQ(session.envelope().recipients.size(), 2u) << "what was accepted stays so";
}

TEST(ListenerRecipients, AMessageCountsOnceToEachDomain) {
  SmtpSessionOptions options;
  options.hostname = "mx.reports.example";
  ListenerRecipients recipients(Configured(), Addresses::kAwaited);
  recipients.Set(Table({{kFirst, "a.example"},
                        {kSecond, "a.example"},
                        {"r-0000000000000000@reports.example", "b.example"}}));
  SmtpSession session(options, recipients);
  std::string input = "EHLO c\r\nMAIL FROM:<a@b.test>\r\n";
  for (const char* address : {kSecond, "DMARC@reports.example", kFirst, "dmarc@reports.example",
                              "r-0000000000000000@reports.example"}) {
    input += fmt::format("RCPT TO:<{}>\r\n", address);
  }
  EXPECT_EQ(CodesOf(Converse(session, input).replies), "220 250 250 250 250 250 250 250");
  EXPECT_EQ(session.envelope().recipients.size(), 4u);
  EXPECT_EQ(session.envelope().budget_keys,
            (std::vector<std::string>{"a.example", "dmarc@reports.example", "b.example"}));
}

TEST(ListenerRecipients, LmtpPutsOffAndTakesTheSame) {
  SmtpSessionOptions options;
  options.protocol = MailProtocol::kLmtp;
  options.hostname = "mx.reports.example";
  ListenerRecipients recipients(ConfiguredRecipients(), Addresses::kAwaited);
  SmtpSession session(options, recipients);
  const std::string rcpt = fmt::format("RCPT TO:<{}>\r\n", kFirst);
  EXPECT_EQ(CodesOf(Converse(session, "LHLO c\r\nMAIL FROM:<a@b.test>\r\n" + rcpt).replies),
            "220 250 250 450");
  recipients.Set(Table({{kFirst, "a.example"}}));
  EXPECT_EQ(CodesOf(Converse(session, rcpt).replies), "250");
}

}  // namespace
}  // namespace dmarcate
