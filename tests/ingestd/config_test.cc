#include "ingestd/config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/status_macros.h"

namespace dmarcate {
namespace {

TEST(IngestConfig, AnEmptyFileIsAWorkingConfiguration) {
  const auto config = ParseIngestConfig("", "ingestd.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen.unix_socket, "/run/dmarcate/ingestd/socket");
  EXPECT_TRUE(config->listen.tcp.empty());
  EXPECT_TRUE(config->verify);
  EXPECT_EQ(config->limits.message_bytes, 25 << 20);
  EXPECT_EQ(config->drain_limit, absl::Seconds(20));
}

TEST(IngestConfig, EveryKeyIsRead) {
  const auto config = ParseIngestConfig(R"(
public_suffix_file = "/psl"
[listen]
socket = "/s/socket"
tcp = "127.0.0.1:8461"
insecure_loopback = true
token_file = "/t"
trust_local_socket = false
[store]
directory = "/d"
import_watermark_percent = 70
watermark_percent = 80
write_watermark_percent = 90
[retention]
failure = "2d"
raw = "3d"
quarantine = "4d"
rows = "5d"
totals = "forever"
interval = "30s"
[[maildir]]
path = "/m/one/"
[[maildir]]
path = "/m/two"
[trust]
verify = false
anchors = "/anchors"
check_threads = 9
[dns]
resolvers = ["192.0.2.53:53"]
[limits]
message = "1MiB"
compressed_part = "512KiB"
inflated = "2MiB"
ratio = 50
archive_members = 2
mime_parts = 3
records = 100
[pipeline]
parse_threads = 3
queue = "2MiB"
[shutdown]
limit = "5s"
[log]
format = "json"
level = "warn"
)",
                                        "ingestd.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->public_suffix_file, "/psl");
  EXPECT_FALSE(config->verify);
  EXPECT_EQ(config->anchor_file, "/anchors");
  EXPECT_EQ(config->check_threads, 9);
  EXPECT_EQ(config->dns.resolvers, std::vector<std::string>{"192.0.2.53:53"});
  EXPECT_EQ(config->listen.tcp, "127.0.0.1:8461");
  EXPECT_EQ(config->listen.local_trust, LocalSocketTrust::kTokenRequired);
  EXPECT_EQ(config->store_directory, "/d");
  EXPECT_EQ(config->watermarks.import_percent, 70);
  EXPECT_EQ(config->watermarks.intake_percent, 80);
  EXPECT_EQ(config->watermarks.write_percent, 90);
  EXPECT_EQ(config->retention.failure, absl::Hours(48));
  EXPECT_EQ(config->retention.raw, absl::Hours(72));
  EXPECT_EQ(config->retention.quarantine, absl::Hours(96));
  EXPECT_EQ(config->retention.rows, absl::Hours(120));
  EXPECT_EQ(config->retention.totals, absl::InfiniteDuration());
  EXPECT_EQ(config->sweeper.interval, absl::Seconds(30));
  EXPECT_EQ(config->sweeper.first_after, absl::Seconds(30));
  EXPECT_THAT(config->maildirs, testing::ElementsAre("/m/one", "/m/two"));
  EXPECT_EQ(config->limits.message_bytes, 1 << 20);
  EXPECT_EQ(config->limits.compressed_part_bytes, 512 << 10);
  EXPECT_EQ(config->limits.inflated_bytes, 2 << 20);
  EXPECT_EQ(config->limits.ratio, 50);
  EXPECT_EQ(config->limits.archive_members, 2);
  EXPECT_EQ(config->limits.mime_parts, 3);
  EXPECT_EQ(config->limits.aggregate.records, 100);
  EXPECT_EQ(config->pipeline.parse_threads, 3);
  EXPECT_EQ(config->queue_bytes, 2 << 20);
  EXPECT_EQ(config->drain_limit, absl::Seconds(5));
  EXPECT_EQ(config->log.format, LogFormat::kJson);
  EXPECT_EQ(config->log.level, LogLevel::kWarn);
}

TEST(IngestSmtpConfigTest, NothingListensByDefault) {
  const auto config = ParseIngestConfig("", "ingestd.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->smtp.smtp.listens());
  EXPECT_FALSE(config->smtp.lmtp.listens());
}

TEST(IngestSmtpConfigTest, TheSnapshotTakesThePlaceOfRecipients) {
  const auto config = ParseIngestConfig(
      "[smtp]\nlisten = [\"127.0.0.1:25\"]\nhostname = \"mx.test\"\n"
      "[lmtp]\nlisten = [\"127.0.0.1:24\"]\n[snapshot]\nfile = \"/s\"\n",
      "ingestd.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->smtp.smtp.listens());
  EXPECT_TRUE(config->smtp.lmtp.listens());
}

TEST(IngestSmtpConfigTest, EveryKeyIsRead) {
  const auto config = ParseIngestConfig(R"(
[smtp]
listen = ["192.0.2.1:25", "[::]:2525"]
hostname = "MX.reports.test"
recipients = ["dmarc@reports.test"]
certificate = "/c.pem"
key = "/k.pem"
connections = 7
connections_per_address = 3
command_timeout = "20s"
data_timeout = "30s"
room_timeout = "5s"
slowest_data_rate = "1KiB"
refusal_delay = "2s"
longest_refusal_delay = "30s"
budget_per_address = 11
budget_per_domain = 12
budget_per_recipient = 0
budget_per_anchor = 14
budget_senders = 150
[snapshot]
file = "/s/ingestd"
[lmtp]
listen = ["127.0.0.1:24"]
socket = "/run/lmtp"
connections = 9
command_timeout = "15m"
[limits]
message = "1MiB"
)",
                                        "ingestd.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  const MailListenerConfig& smtp = config->smtp.smtp;
  ASSERT_EQ(smtp.tcp.size(), 2u);
  EXPECT_EQ(smtp.tcp[0].address.ToString(), "192.0.2.1");
  EXPECT_EQ(smtp.tcp[0].port, 25);
  EXPECT_EQ(smtp.tcp[1].address.ToString(), "::");
  EXPECT_EQ(config->smtp.hostname, "mx.reports.test");
  EXPECT_TRUE(smtp.recipients.Accepts({"dmarc", "reports.test"}));
  EXPECT_EQ(config->smtp.certificate, "/c.pem");
  EXPECT_EQ(config->smtp.key, "/k.pem");
  EXPECT_EQ(smtp.connections, 7);
  EXPECT_EQ(smtp.connections_per_address, 3);
  EXPECT_EQ(smtp.times.command, absl::Seconds(20));
  EXPECT_EQ(smtp.times.data, absl::Seconds(30));
  EXPECT_EQ(smtp.times.room, absl::Seconds(5));
  EXPECT_EQ(smtp.times.data_bytes_per_second, 1024);
  EXPECT_EQ(smtp.limits.message_bytes, 1 << 20);
  EXPECT_EQ(smtp.times.first_pause, absl::Seconds(2));
  EXPECT_EQ(smtp.times.longest_pause, absl::Seconds(30));
  EXPECT_EQ(config->smtp.budgets.per_address, 11);
  EXPECT_EQ(config->smtp.budgets.per_domain, 12);
  EXPECT_EQ(config->smtp.budgets.per_recipient, 0);
  EXPECT_EQ(config->smtp.budgets.per_anchor, 14);
  EXPECT_EQ(config->smtp.budgets.senders, 150u);
  EXPECT_EQ(config->smtp.snapshot_file, "/s/ingestd");
  const MailListenerConfig& lmtp = config->smtp.lmtp;
  EXPECT_EQ(lmtp.tcp.size(), 1u);
  EXPECT_EQ(lmtp.unix_socket, "/run/lmtp");
  EXPECT_EQ(lmtp.connections, 9);
  EXPECT_EQ(lmtp.times.command, absl::Minutes(15));
  EXPECT_TRUE(lmtp.recipients.Accepts({"dmarc", "reports.test"}));  // as SMTP's
}

struct Case {
  std::string name, text, want;  // part of the message
};
const Case kCases[] = {
    {"UnknownKey", "[store]\ndirektory = \"/d\"\n", "directory"},
    {"RelativeStore", "[store]\ndirectory = \"d\"\n", "absolute"},
    {"RelativeMaildir", "[[maildir]]\npath = \"m\"\n", "absolute"},
    {"MaildirTwice", "[[maildir]]\npath = \"/m\"\n[[maildir]]\npath = \"/m/\"\n", "twice"},
    {"LogFormat", "[log]\nformat = \"xml\"\n", "logfmt, json"},
    {"OpenTcp", "[listen]\ntcp = \"0.0.0.0:1\"\n", "tls_certificate"},
    {"HugeMessage", "[limits]\nmessage = \"1GiB\"\n", "want"},
    {"ImportLevelAboveIntake", "[store]\nimport_watermark_percent = 93\n",
     "93, above store.watermark_percent, which is 92"},
    {"IntakeLevelAboveWrites", "[store]\nwrite_watermark_percent = 91\n",
     "92, above store.write_watermark_percent, which is 91"},
    {"NoLevel", "[store]\nwrite_watermark_percent = 101\n", "write_watermark_percent"},
    {"NoTerm", "[retention]\nraw = \"soon\"\n", "want a span such as 90d, or forever"},
    {"ShortTerm", "[retention]\nraw = \"1h\"\n", "1d at least"},
    {"SweepsTooOften", "[retention]\ninterval = \"10ms\"\n", "want at least 1s"},
    {"RawLongerThanRows", "[retention]\nraw = \"800d\"\n",
     "800d, longer than retention.rows, which is 730d"},
    {"RowsLongerThanTotals", "[retention]\nrows = \"forever\"\n",
     "forever, longer than retention.totals, which is"},
    {"NoToml", "store = ", "ingestd.toml"},
    {"SmtpWithoutName", "[smtp]\nlisten = [\"127.0.0.1:25\"]\nrecipients = [\"a@b.test\"]\n",
     "smtp.hostname"},
    {"SmtpWithoutRecipients", "[smtp]\nlisten = [\"127.0.0.1:25\"]\nhostname = \"mx.test\"\n",
     "smtp.recipients"},
    {"LmtpWithoutAddresses", "[lmtp]\nlisten = [\"127.0.0.1:24\"]\n", "or snapshot.file"},
    {"SnapshotPath", "[snapshot]\nfile = \"s\"\n", "absolute"},
    {"SmtpAddress", "[smtp]\nlisten = [\"mx.test:25\"]\n", "ADDRESS:PORT"},
    {"SmtpV6WithoutBrackets", "[smtp]\nlisten = [\"::1:25\"]\n", "ADDRESS:PORT"},
    {"SmtpRecipient", "[smtp]\nrecipients = [\"@b.test\"]\n", "'@b.test'"},
    {"SmtpCertificateAlone", "[smtp]\ncertificate = \"/c\"\n", "together"},
    {"SmtpTimeout", "[smtp]\ncommand_timeout = \"1s\"\n", "want 10s to 1h"},
    {"SmtpRefusalDelay", "[smtp]\nrefusal_delay = \"2m\"\n", "want 0 to 1m"},
    {"SmtpBudgetBelowNone", "[smtp]\nbudget_per_domain = -1\n", "smtp.budget_per_domain"},
    {"SmtpBudgetsOfNobody", "[smtp]\nbudget_senders = 0\n", "smtp.budget_senders"},
    {"LmtpWithoutRecipients", "[lmtp]\nlisten = [\"127.0.0.1:24\"]\n", "lmtp.recipients"},
    {"LmtpRelativeSocket", "[lmtp]\nsocket = \"s\"\nrecipients = [\"a@b.test\"]\n", "absolute"},
};
class IngestConfigTest : public testing::TestWithParam<Case> {};
TEST_P(IngestConfigTest, IsRefusedWithAHint) {
  const auto config = ParseIngestConfig(GetParam().text, "ingestd.toml");
  ASSERT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << config.status();
  EXPECT_THAT(std::string(MessageOf(config.status())), testing::HasSubstr(GetParam().want));
}
INSTANTIATE_TEST_SUITE_P(All, IngestConfigTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace dmarcate
