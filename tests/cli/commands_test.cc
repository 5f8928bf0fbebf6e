// Commands about what ingestd keeps, against both daemons: exit code and what is shown.

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/text.h"
#include "tests/cli/daemons.h"

namespace dmarcate {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::CommandResult;
using testing_support::WaitUntil;

MATCHER_P2(Ends, exit_code, output, "") {
  *result_listener << "exit code " << arg.exit_code << ", output:\n" << arg.output;
  return arg.exit_code == exit_code &&
         testing::Matches(testing::Matcher<std::string>(output))(arg.output);
}

class CommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = daemons_.StartIngestd();
    ASSERT_TRUE(started.ok()) << started;
  }
  CommandResult Run(std::vector<std::string> arguments) const {
    return daemons_.Run(std::move(arguments));
  }
  // Hands `content` in; the exit code.
  int Import(const std::string& name, const std::string& content) {
    return Run({"reports", "import", daemons_.directory().Write(name, content)}).exit_code;
  }
  // The first name that a list gives, once policyd has seen it.
  std::string FirstName(std::vector<std::string> list) {
    list.insert(list.end(), {"-o", "name"});
    std::string name;
    WaitUntil([&] {
      const CommandResult result = Run(list);
      name = std::string(TrimAscii(Split(result.output, '\n')[0]));
      return result.exit_code == 0 && !name.empty();
    });
    return name;
  }
  cli_testing::Daemons daemons_;
};

TEST_F(CommandsTest, QuarantineListShowReplayDrop) {
  EXPECT_THAT(Run({"reports", "quarantine", "list"}), Ends(0, Not(HasSubstr("quarantined"))));
  EXPECT_EQ(Import("broken.xml", "<?xml version=\"1.0\"?><feedback><report_metadata></feedback>"),
            9);
  EXPECT_THAT(Run({"reports", "quarantine", "list"}),
              Ends(0, AllOf(HasSubstr("quarantined"), HasSubstr("broken.xml"))));
  const std::string name = FirstName({"reports", "quarantine", "list"});
  ASSERT_THAT(name, HasSubstr("quarantinedMessages/"));
  EXPECT_THAT(Run({"reports", "quarantine", "show", name}),
              Ends(0, AllOf(HasSubstr("reason"), HasSubstr("channel    import"),
                            HasSubstr("broken.xml"), HasSubstr("<report_metadata>"))));
  EXPECT_THAT(Run({"reports", "quarantine", "show", name, "--raw", "-"}),
              Ends(0, testing::StartsWith("<?xml version")));
  EXPECT_THAT(Run({"reports", "quarantine", "show", "999999999"}),
              Ends(2, HasSubstr("NAME_MALFORMED")));
  EXPECT_THAT(Run({"reports", "quarantine", "replay"}),
              Ends(2, HasSubstr("dmarcate reports quarantine replay --all")));
  EXPECT_THAT(Run({"reports", "quarantine", "replay", "--reason", "nope"}),
              Ends(0, HasSubstr("nothing there has the reason 'nope'")));
  EXPECT_THAT(Run({"reports", "quarantine", "show", "00000000000000ff-0"}),
              Ends(5, HasSubstr("try:  list them: dmarcate reports quarantine list")));
  EXPECT_THAT(Run({"reports", "quarantine", "replay", "--all", "-o", "json"}),
              Ends(0, testing::ContainsRegex("\"quarantined_message_count\": *\"1\"")));
  EXPECT_THAT(Run({"reports", "quarantine", "drop", name}), Ends(1, HasSubstr("--yes")));
  EXPECT_THAT(Run({"reports", "quarantine", "drop", name, "--yes", "-o", "json"}),
              Ends(0, testing::ContainsRegex("\"dropped_count\": *\"1\"")));
  EXPECT_THAT(Run({"reports", "quarantine", "list"}), Ends(0, Not(HasSubstr("broken.xml"))));
  EXPECT_THAT(Run({"reports", "quarantine", "drop", "--all", "--yes"}),
              Ends(0, HasSubstr("the quarantine is empty")));
}

TEST_F(CommandsTest, Purge) {
  EXPECT_EQ(Import("a.xml", ingest_testing::MakeReportXml("gone.test", "a", {1, 2, 3})), 0);
  EXPECT_EQ(Import("b.xml", ingest_testing::MakeReportXml("stays.test", "b", {4})), 0);
  EXPECT_THAT(Run({"reports", "purge"}),
              Ends(2, HasSubstr("dmarcate reports purge --address ADDRESS")));
  EXPECT_THAT(Run({"reports", "purge", "--domain", "gone.test", "--count", "-o", "json"}),
              Ends(0, AllOf(testing::ContainsRegex("\"report_count\": *\"1\""),
                            testing::ContainsRegex("\"record_count\": *\"3\""))));
  EXPECT_THAT(Run({"reports", "purge", "--domain", "gone.test"}),
              Ends(1, AllOf(HasSubstr("--yes"), HasSubstr("CONFIRMATION_REQUIRED"))));
  EXPECT_THAT(Run({"reports", "purge", "--domain", "nosuch.test", "--count"}),
              Ends(0, HasSubstr("nothing is stored about nosuch.test")));
  EXPECT_THAT(Run({"server", "recount", "--verify", "nosuch.test"}),
              Ends(5, HasSubstr("nosuch.test: no report that counts")));
  EXPECT_THAT(Run({"server", "recount", "--verify", "GONE.test."}),
              Ends(0, HasSubstr("1 day, 1 report, 0 differences")));
  EXPECT_THAT(Run({"reports", "purge", "--domain", "gone.test", "--yes", "-o", "json"}),
              Ends(0, testing::ContainsRegex("\"report_count\": *\"1\"")));
  EXPECT_THAT(Run({"reports", "purge", "--domain", "gone.test", "--count", "-o", "json"}),
              Ends(0, testing::ContainsRegex("\"report_count\": *\"0\"")));
  EXPECT_THAT(Run({"reports", "purge", "--address", "192.0.2.1", "--count", "-o", "json"}),
              Ends(0, testing::ContainsRegex("\"record_count\": *\"1\"")));
}

TEST_F(CommandsTest, Reporters) {
  std::string odd = ingest_testing::MakeReportXml("ledger.test", "a", {7, 1});
  const std::string count = "<count>1</count>";
  odd.replace(odd.find(count), count.size(), "<count></count>");
  ASSERT_EQ(Import("a.xml", odd), 0);
  ASSERT_EQ(Import("b.xml", ingest_testing::MakeReportXml("ledger.test", "b", {3})), 0);
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  ASSERT_EQ(Run({"domains", "add", "ledger.test"}).exit_code, 0);
  const std::vector<std::string> days = {"--from", "2025-12-30", "--to", "2026-01-03"};
  const auto with_days = [&days](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), days.begin(), days.end());
    return arguments;
  };
  ASSERT_EQ(FirstName(with_days({"reports", "reporters"})), "reporters/reporter.test");
  EXPECT_THAT(Run(with_days({"reports", "reporters", "-o", "csv"})),
              Ends(0, HasSubstr("reporter.test,2,11,1,1,0.0000,")));
  EXPECT_THAT(Run(with_days({"reports", "reporters", "--domain", "ledger.test"})),
              Ends(0, AllOf(HasSubstr("REPAIRED"), HasSubstr("reporter.test"))));
  EXPECT_THAT(Run(with_days({"reports", "reporters", "reporter.test"})),
              Ends(0, AllOf(HasSubstr("names       Reporter"), HasSubstr("2 imported"),
                            HasSubstr("count_assumed: 1 in 1 reports, material (W5)"),
                            HasSubstr("it is read as 1"),
                            HasSubstr("domains/ledger.test/aggregateReports/"))));
  EXPECT_THAT(Run(with_days({"reports", "reporters", "nobody.test"})),
              Ends(5, HasSubstr("RESOURCE_NOT_FOUND")));
  EXPECT_THAT(Run({"reports", "reporters", "--domain", "other.test"}),
              Ends(5, HasSubstr("RESOURCE_NOT_FOUND")));
  EXPECT_EQ(Run({"reports", "reporters", "--days", "401"}).exit_code, 2);
}

// Nobody answers in the DNS: what cannot be known is neither good nor bad.
TEST_F(CommandsTest, Status) {
  ASSERT_EQ(Import("a.xml", ingest_testing::MakeReportXml("status.test", "a", {7, 1})), 0);
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  EXPECT_THAT(Run({"status", "status.test"}),
              Ends(5, HasSubstr("put it under management: dmarcate domains add status.test")));
  ASSERT_THAT(Run({"domains", "add", "status.test"}),
              Ends(0, AllOf(HasSubstr("dmarcate domains update status.test --provider NAME"),
                            HasSubstr("--report-mailbox ADDRESS"))));
  EXPECT_THAT(
      Run({"status", "status.test"}),
      Ends(0, AllOf(testing::StartsWith("status.test: unknown: "), HasSubstr("\npolicy    ?\n"),
                    HasSubstr("\nchanges   none open\n"), HasSubstr("\nsources   "),
                    HasSubstr("next      dmarcate domains update status.test --provider NAME"))));
  EXPECT_THAT(Run({"status", "status.test", "--brief"}),
              Ends(0, AllOf(Not(HasSubstr("\nsources ")), Not(HasSubstr("\nmail ")))));
  EXPECT_EQ(Run({"status", "status.test", "--exit-code"}).exit_code, 8);
  EXPECT_THAT(Run({"status", "status.test", "-o", "json"}),
              Ends(0, HasSubstr("\"standing\": \"STANDING_UNKNOWN\"")));
  EXPECT_THAT(Run({"status", "status.test", "-o", "csv"}),
              Ends(0, HasSubstr("\nstatus.test,unknown,?,?,?,")));
}

// A next step is typed as it stands, with the names in it.
TEST_F(CommandsTest, NextStepsNameWhatTheyAreAbout) {
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  EXPECT_THAT(Run({"domains", "list"}), Ends(0, HasSubstr("dmarcate domains add DOMAIN")));
  ASSERT_EQ(Run({"domains", "add", "next.test"}).exit_code, 0);
  EXPECT_THAT(Run({"changes", "plan", "next.test"}),
              Ends(6, HasSubstr("dmarcate domains update next.test --provider NAME")));
  EXPECT_THAT(Run({"fleet", "show", "nosuch"}),
              Ends(5, HasSubstr("list them: dmarcate fleet list")));
  EXPECT_THAT(Run({"providers", "add", "x", "--type", "cloudflair", "--secret", "s"}),
              Ends(2, AllOf(HasSubstr("--type: there is no \"cloudflair\", \"cloudflare\"?"),
                            HasSubstr("powerdns"))));
  EXPECT_THAT(Run({"providers", "add", "x", "--type", "powerdns", "--secret", "s", "--api-url",
                   "127.0.0.1:1"}),
              Ends(2, HasSubstr("not added: --api-url: ")));
}

std::string Yesterday(const char* format) {
  return absl::FormatTime(format, absl::Now() - absl::Hours(24), absl::UTCTimeZone());
}

TEST_F(CommandsTest, TlsListSummaryGet) {
  ASSERT_EQ(Import("tls.json", fmt::format(R"({{"organization-name":"Reporter","date-range":
{{"start-datetime":"{0}T00:00:00Z","end-datetime":"{0}T23:59:59Z"}},"contact-info":"a@reporter.test",
"report-id":"tls-1","policies":[{{"policy":{{"policy-type":"sts","policy-domain":"tls.test"}},
"summary":{{"total-successful-session-count":90,"total-failure-session-count":10}},"failure-details":
[{{"result-type":"certificate-expired","receiving-mx-hostname":"mx.tls.test",
"failed-session-count":10}}]}}]}})",
                                           Yesterday("%Y-%m-%d"))),
            0);
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  ASSERT_EQ(Run({"domains", "add", "tls.test"}).exit_code, 0);
  const std::string name = FirstName({"tls", "list", "tls.test"});
  ASSERT_THAT(name, HasSubstr("domains/tls.test/tlsReports/"));
  EXPECT_THAT(Run({"tls", "list", "tls.test"}),
              Ends(0, AllOf(HasSubstr("Reporter"), HasSubstr("90"), HasSubstr("10"))));
  EXPECT_THAT(Run({"tls", "summary", "tls.test"}),
              Ends(0, AllOf(HasSubstr("certificate-expired"), HasSubstr("mx.tls.test"))));
  EXPECT_THAT(Run({"tls", "summary", "tls.test", "-o", "csv"}),
              Ends(0, HasSubstr("trust,sts,,90,10,0.1000,1,,imported\r\n")));
  EXPECT_THAT(Run({"tls", "get", name}),
              Ends(0, AllOf(HasSubstr("tls-1"), HasSubstr("90 sessions ok, 10 failed"),
                            HasSubstr("certificate-expired"))));
  EXPECT_THAT(Run({"tls", "get", name}),
              Ends(0, HasSubstr("trust   imported (not_verified)\nnext    set trust.verify")));
  EXPECT_THAT(Run({"reports", "raw", name}),
              Ends(0, testing::StartsWith("{\"organization-name\"")));
  EXPECT_THAT(Run({"reports", "raw", name.substr(name.rfind('/') + 1), "--domain", "tls.test",
                   "--kind", "tls"}),
              Ends(0, HasSubstr("certificate-expired")));
  EXPECT_THAT(Run({"tls", "get", "x"}), Ends(2, HasSubstr("needs its domain")));
  EXPECT_THAT(Run({"tls", "get", "20200101-0000000000000001-0", "--domain", "tls.test"}),
              Ends(5, HasSubstr("try:  list them: dmarcate tls list tls.test")));
  EXPECT_THAT(Run({"tls", "list", "other.test"}),
              Ends(5, HasSubstr("try:  put it under management: dmarcate domains add other.test")));
  EXPECT_THAT(Run({"tls", "list", "no domain"}),
              Ends(2, HasSubstr("error: TLS reports not listed: DOMAIN: ")));
}

// What counts and what does not is told apart without -o wide.
TEST_F(CommandsTest, ReportsShowTrustAndWhatTheyWereSupersededBy) {
  std::string cut = ingest_testing::MakeReportXml("twice.test", "same", {1, 2, 3});
  cut.resize(cut.rfind("<record>"));
  ASSERT_EQ(Import("half.xml", cut), 0);
  ASSERT_EQ(Import("full.xml", ingest_testing::MakeReportXml("twice.test", "same", {1, 2, 3})), 0);
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  ASSERT_EQ(Run({"domains", "add", "twice.test"}).exit_code, 0);
  const std::vector<std::string> list = {"reports",    "list", "twice.test", "--from",
                                         "2026-01-01", "--to", "2026-01-02"};
  const std::string name = FirstName(list);
  EXPECT_THAT(Run(list), Ends(0, AllOf(HasSubstr("TRUST     REASON        SUPERSEDED"),
                                       HasSubstr("imported  not_verified  yes"))));
  EXPECT_THAT(Run({"reports", "get", name}),
              Ends(0, AllOf(testing::ContainsRegex("trust   imported .not_verified."),
                            testing::ContainsRegex("came    20.* by import"))));
  EXPECT_THAT(Run({"reports", "raw", name}), Ends(0, testing::StartsWith("<?xml")));
}

TEST_F(CommandsTest, FailuresAndFailure) {
  ASSERT_EQ(Import("failure.eml",
                   fmt::format("From: a@reporter.test\nSubject: failure\nDate: {0}\n"
                               "Content-Type: multipart/report; report-type=feedback-report; "
                               "boundary=b\n\n--b\nContent-Type: text/plain\n\ntext\n--b\n"
                               "Content-Type: message/feedback-report\n\n"
                               "Feedback-Type: auth-failure\nUser-Agent: Reporter/1.0\nVersion: 1\n"
                               "Original-Mail-From: <person@failed.test>\nArrival-Date: {0}\n"
                               "Source-IP: 192.0.2.77\nReported-Domain: failed.test\n"
                               "Auth-Failure: dmarc\nDelivery-Result: reject\n\n--b\n"
                               "Content-Type: text/rfc822-headers\n\nFrom: person@failed.test\n"
                               "Subject: private\n\n--b--\n",
                               Yesterday("%a, %d %b %Y %H:%M:%S +0000"))),
            0);
  ASSERT_TRUE(daemons_.StartPolicyd().ok());
  ASSERT_EQ(Run({"domains", "add", "failed.test"}).exit_code, 0);
  const std::string name = FirstName({"reports", "failures", "failed.test"});
  ASSERT_THAT(name, HasSubstr("domains/failed.test/failureReports/"));
  EXPECT_THAT(Run({"reports", "failures", "failed.test"}),
              Ends(0, AllOf(HasSubstr("192.0.2.77"), HasSubstr("dmarc"), HasSubstr("reject"))));
  EXPECT_THAT(Run({"reports", "failure", name}),
              Ends(0, AllOf(HasSubstr("failure report about failed.test"), HasSubstr("192.0.2.77"),
                            HasSubstr("redacted    yes"), Not(HasSubstr("person")))));
  EXPECT_THAT(Run({"reports", "raw", name}),
              Ends(0, AllOf(HasSubstr("Feedback-Type"), Not(HasSubstr("person@")))));
  EXPECT_THAT(Run({"reports", "failure", "x"}), Ends(2, HasSubstr("needs its domain")));
}

}  // namespace
}  // namespace dmarcate
