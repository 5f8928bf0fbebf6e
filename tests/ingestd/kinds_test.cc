// TLS reports and failure reports from a mail to the reader, on RocksDB: what the corpus says, by
// which domain a TLS report is filed, and that no person of a failure report reaches the disk.

#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <set>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/digest.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/report/domain_text.h"
#include "lib/store/report_rules.h"
#include "lib/store/rocks_report_store.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Items = std::vector<ReceiptItem>;

// ingestd without its ways in.
class Intake {
 public:
  enum class Redact : bool { kNo, kYes };
  explicit Intake(Redact redact = Redact::kYes) : redact_(redact) { Open(); }
  ~Intake() { Close(); }

  Items Submit(std::string content, std::string file_name = "") {
    Delivery delivery;
    delivery.sha256 = Sha256(content);
    delivery.content = std::move(content);
    delivery.file_name = std::move(file_name);
    delivery.channel = Channel::kImport;
    delivery.received_time = absl::FromUnixSeconds(1'800'000'000);
    std::promise<absl::StatusOr<Items>> read;
    pipeline_->Submit(
        std::move(delivery), [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; },
        [&read](const absl::StatusOr<Items>& items) { read.set_value(items); });
    const absl::StatusOr<Items> items = read.get_future().get();
    EXPECT_TRUE(items.ok()) << items.status();
    return items.ok() ? *items : Items();
  }
  RocksReportWriter& writer() { return *writer_; }
  std::unique_ptr<RocksReportReader> Reader() {
    auto reader = RocksReportReader::Follow(directory_.File("store"), directory_.File("follower"),
                                            absl::Seconds(10));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }
  void Close() {
    if (pipeline_) pipeline_->Stop(absl::InfiniteDuration());
    pipeline_.reset();
    crashes_.reset();
    writer_.reset();
  }
  void Open() {
    writer_ = *RocksReportWriter::Open(directory_.File("store"));
    crashes_ = *CrashJournal::Open(directory_.File("crashes"));
    PipelineOptions options;
    options.parse_threads = 1;
    if (redact_ == Redact::kYes) options.failure_tokens = &tokens_;
    pipeline_ = std::make_unique<Pipeline>(
        *writer_, *suffixes_, *crashes_,
        [](std::string content, const UnpackHints& hints) {
          return Unpack(std::move(content), hints, UnpackLimits{});
        },
        [](const absl::Status& status) { ADD_FAILURE() << status; }, options);
    ASSERT_TRUE(pipeline_->Start().ok());
  }
  // Names of files that hold `text`.
  std::vector<std::string> FilesWith(std::string_view text) const {
    std::vector<std::string> found;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(directory_.File("store"))) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      if (bytes.find(text) != std::string::npos) found.push_back(entry.path().filename());
    }
    return found;
  }

 private:
  const Redact redact_;
  const testing_support::TempDir directory_;
  const AddressTokens tokens_{"key"};
  const std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  std::unique_ptr<RocksReportWriter> writer_;
  std::unique_ptr<CrashJournal> crashes_;
  std::unique_ptr<Pipeline> pipeline_;
};

std::string TlsJson(std::string_view id, std::string_view policies) {
  return fmt::format(R"({{"organization-name": "Receiver", "report-id": "{}",
    "contact-info": "tls@mx.receiver.example", "date-range":
    {{"start-datetime": "2025-05-23T00:00:00Z", "end-datetime": "2025-05-23T23:59:59Z"}},
    "policies": [{}]}})",
                     id, policies);
}

std::string Policy(std::string_view domain, int successful, std::string_view type = "sts") {
  return fmt::format(R"({{"policy": {{"policy-type": "{}", "policy-domain": "{}"}}, "summary":
    {{"total-successful-session-count": {}, "total-failure-session-count": "1"}}}})",
                     type, domain, successful);
}

std::vector<StoredTlsReport> AllTls(ReportReader& reader, std::string_view domain) {
  std::vector<StoredTlsReport> out;
  const absl::Status status =
      reader.ForEachTlsReport(domain, 0, kLastReportDay, [&out](const StoredTlsReport& report) {
        out.push_back(report);
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

TEST(TlsIntakeTest, EachDomainGetsItsPolicies) {
  Intake intake;
  const Items items =
      intake.Submit(TlsJson("id", Policy("Example.COM.", 5) + "," + Policy("example.net", 7) + "," +
                                      Policy("example.com", 9, "tlsa")));
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].kind, kTlsKind);
  EXPECT_EQ(items[0].domain, "example.com");
  EXPECT_EQ(items[0].records, 2);
  EXPECT_EQ(items[0].findings, 2);
  EXPECT_EQ(items[1].domain, "example.net");
  EXPECT_EQ(items[1].findings, 1) << "its own count_text, not the others'";
  const auto reader = intake.Reader();
  const auto com = AllTls(*reader, "example.com"), net = AllTls(*reader, "example.net");
  ASSERT_THAT(com, SizeIs(1));
  ASSERT_THAT(net, SizeIs(1));
  EXPECT_EQ(com[0].successful_sessions, 14u);
  EXPECT_EQ(com[0].failed_sessions, 2u);
  EXPECT_EQ(com[0].report.policies[0].policy_domain, "Example.COM.");
  EXPECT_EQ(com[0].reporter_key, "receiver.example");
  EXPECT_EQ(com[0].key.day, 20231);  // 2025-05-23
  EXPECT_EQ(net[0].successful_sessions, 7u);
  EXPECT_EQ(com[0].key.receipt, net[0].key.receipt);
  // Again, in other wrapping: each share is linked to its own.
  const Items again = intake.Submit(
      "\xEF\xBB\xBF" + TlsJson("id", Policy("Example.COM.", 5) + "," + Policy("example.net", 7) +
                                         "," + Policy("example.com", 9, "tlsa")));
  ASSERT_THAT(again, SizeIs(2)) << "other bytes, so a revision of each";
  EXPECT_EQ(again[0].outcome, Outcome::kAcceptedCosmetic);
}

TEST(TlsIntakeTest, WhoNamesNoDomainIsAskedElsewhere) {
  Intake intake;
  const auto domain_of = [&intake](const std::string& json, const std::string& file_name) {
    const Items items = intake.Submit(json, file_name);
    return items.back().outcome == Outcome::kQuarantined ? items.back().reason
                                                         : items.back().domain;
  };
  const std::string name = "google.com!named.example!1663200000!1663286399!001.json";
  EXPECT_EQ(domain_of(TlsJson("a", ""), name), "named.example");
  EXPECT_EQ(domain_of(TlsJson("b", Policy("", 1)), name), "named.example");
  EXPECT_EQ(domain_of(TlsJson("c", ""), ""), "policy_domain_missing");
  EXPECT_EQ(domain_of(TlsJson("d", Policy("%%", 1)), ""), "policy_domain_missing");
  EXPECT_EQ(domain_of(TlsJson("e", Policy("a.example", 1) + "," + Policy("", 1)), ""), "a.example");
  EXPECT_EQ(domain_of(TlsJson("f", Policy("a.example", 1) + "," + Policy("b.example", 1) + "," +
                                       Policy("", 1)),
                      ""),
            "policy_domain_missing");
  const std::string mail =
      "From: tls@google.com\nSubject: Report Domain: subject.example Submitter: google.com"
      " Report-ID: <g>\nMIME-Version: 1.0\nContent-Type: application/tlsrpt+json\n\n" +
      TlsJson("g", "");
  EXPECT_EQ(domain_of(mail, ""), "subject.example");
}

TEST(TlsIntakeTest, OneReportIsNotAboutHundredsOfDomains) {
  Intake intake;
  std::string policies;
  for (int i = 0; i < 257; ++i) {
    policies += (i == 0 ? "" : ",") + Policy(fmt::format("d{}.example", i), 1);
  }
  const Items items = intake.Submit(TlsJson("id", policies));
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].outcome, Outcome::kOverLimit);
  EXPECT_EQ(items[0].reason, "too_many_domains");
}

TEST(TlsIntakeTest, ReportsWithoutAnIdAreTwoReports) {
  Intake intake;
  intake.Submit(TlsJson("", Policy("example.com", 1)));
  intake.Submit(TlsJson("", Policy("example.com", 2)));
  EXPECT_THAT(AllTls(*intake.Reader(), "example.com"), SizeIs(2));
}

// ---- The corpus ----

TEST(KindsCorpusTest, WhatTheCorpusSaysIsWhatTheReaderSays) {
  DMARCATE_CORPUS_OR_SKIP(corpus, "reports");
  Intake intake;
  struct Sessions {
    int64_t successful = 0, failed = 0, details = 0, policies = 0;
    bool operator==(const Sessions&) const = default;
  };
  std::map<std::string, Sessions> want_by_document;  // by what is unique: organisation and id
  std::map<std::string, int> want_failures;          // by domain
  std::set<std::string> domains;
  int tls = 0, failures = 0;
  for (const std::string& line : testing_support::ReadLines(corpus + "/expected.jsonl")) {
    const auto expected = nlohmann::json::parse(line);
    const std::string kind = expected["kind"], file = expected["file"];
    if (kind != "tlsrpt" && kind != "failure") continue;
    const Items items = intake.Submit(testing_support::ReadWholeFile(corpus + "/" + file),
                                      std::filesystem::path(file).filename());
    ASSERT_FALSE(items.empty()) << file;
    const bool stored = IsAccepted(items[0].outcome);
    EXPECT_TRUE(stored || items[0].outcome == Outcome::kDuplicate) << file << items[0].reason;
    for (const ReceiptItem& item : items) {
      domains.insert(item.domain);
      EXPECT_NE(item.report_name, "") << file;
    }
    if (kind == "failure") {
      ++failures;
      EXPECT_EQ(items[0].kind, kFailureKind) << file;
      EXPECT_EQ(items[0].domain, expected["domain"]) << file;
      if (stored) ++want_failures[items[0].domain];
      continue;
    }
    ++tls;
    EXPECT_EQ(items[0].kind, kTlsKind) << file;
    if (!stored) continue;
    Sessions& want = want_by_document[fmt::format("{} {}", expected["org_name"].get<std::string>(),
                                                  expected["report_id"].get<std::string>())];
    want = {expected["successful_sessions"], expected["failed_sessions"],
            expected["failure_details"], expected["records"]};
  }
  EXPECT_GE(tls, 15);
  EXPECT_GE(failures, 5);
  const auto reader = intake.Reader();
  std::map<std::string, Sessions> got_by_document;
  for (const std::string& domain : domains) {
    for (const StoredTlsReport& report : AllTls(*reader, domain)) {
      Sessions& got = got_by_document[fmt::format("{} {}", report.report.organization_name,
                                                  report.report.report_id)];
      got.successful += static_cast<int64_t>(report.successful_sessions);
      got.failed += static_cast<int64_t>(report.failed_sessions);
      got.details += report.detail_count;
      got.policies += report.policy_count;
    }
    const auto page = reader->ListFailureReports(domain, 0, kLastReportDay, std::nullopt, 1000);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_EQ(static_cast<int>(page->reports.size()), want_failures[domain]) << domain;
  }
  for (const auto& [document, want] : want_by_document) {
    const Sessions& got = got_by_document[document];
    EXPECT_EQ(got, want) << document << ": " << got.successful << " " << got.failed << " "
                         << got.details << " " << got.policies;
  }
}

// ---- Privacy ----

// Different words in every place that holds persons or what they wrote.
const std::vector<std::string> kCanaries = {"zyxnamed",   "zyxauthor",   "zyxreader", "zyxbounce",
                                            "zyxsubject", "zyxbodytext", "zyxsigner", "zyxcopied",
                                            "zyxheader",  "zyxcanon",    "zyxtext",   "zyxfile"};

std::string Fields() {
  return "Feedback-Type: auth-failure\nUser-Agent: Lua/1.0\nVersion: 1\n"
         "Original-Mail-From: <zyxbounce@example.com>\nOriginal-Rcpt-To: zyxreader@receiver.test\n"
         "Authentication-Results: mx.test; spf=fail smtp.mailfrom=zyxbounce@example.com\n"
         "DKIM-Identity: zyxsigner@example.com\nDKIM-Canonicalized-Header: zyxcanon\n"
         "Auth-Failure: dmarc\nSource-IP: 192.0.2.1\nReported-Domain: example.com\n"
         "Arrival-Date: Tue, 30 Apr 2019 02:09:00 +0000\n";
}

std::string FailureMail(int number) {
  return "From: postmaster@reporter.test\nTo: in@example.com\nSubject: FW: zyxsubject\n"
         "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report;"
         " boundary=b\n\n--b\nContent-Type: text/plain\n\nDear zyxtext\n--b\n"
         "Content-Type: message/feedback-report\n\n" +
         Fields() +
         "--b\nContent-Type: message/rfc822\n\nFrom: zyxnamed <zyxauthor@example.com>\n"
         "To: zyxreader@receiver.test\nSubject: zyxsubject\nX-Odd: zyxheader\n"
         "DKIM-Signature: v=1; d=example.com; z=Subject:zyxcopied; b=x\n"
         "Message-ID: <zyxauthor@example.com>\n\nzyxbodytext " +
         std::to_string(number) + "\n--b--\n";
}

// The same within what the acceptance does not look into.
std::string Mailbox() { return "From x Tue Apr 30 02:09:00 2019\n" + FailureMail(2) + "\n"; }

void ExpectNoCanary(const Intake& intake) {
  for (const std::string& canary : kCanaries) {
    EXPECT_THAT(intake.FilesWith(canary), IsEmpty()) << canary;
  }
}

TEST(FailurePrivacyTest, PersonsAreNotWrittenAtAll) {
  Intake intake;
  for (int i = 0; i < 3; ++i) {
    const Items items = intake.Submit(FailureMail(i), "zyxfile.eml");
    ASSERT_THAT(items, SizeIs(1));
    EXPECT_EQ(items[0].kind, kFailureKind);
    EXPECT_EQ(items[0].domain, "example.com") << items[0].reason;
  }
  EXPECT_THAT(intake.FilesWith("example.com"), testing::Not(IsEmpty())) << "the search finds";
  ExpectNoCanary(intake);  // not in the log either, before anything is compacted
  ASSERT_TRUE(intake.writer().Compact().ok());
  ExpectNoCanary(intake);
  const auto reader = intake.Reader();
  const auto page = reader->ListFailureReports("example.com", 0, kLastReportDay, std::nullopt, 10);
  ASSERT_THAT(page->reports, SizeIs(1)) << "they differ in the body only";
  const StoredFailureReport& report = page->reports[0];
  EXPECT_TRUE(report.redacted);
  EXPECT_EQ(report.report.source_ip, "192.0.2.1");
  EXPECT_EQ(report.report.original_from_domain, "example.com");
  EXPECT_EQ(report.key.day, 18016);  // 2019-04-30
}

TEST(FailurePrivacyTest, RawBytesThatAreRecognisedLateGoWithTheFirstReading) {
  Intake intake;
  const std::string raw = Mailbox();
  const Items items = intake.Submit(raw, "zyxfile.mbox");
  ASSERT_THAT(items, SizeIs(1));
  ASSERT_EQ(items[0].domain, "example.com") << items[0].reason;
  EXPECT_TRUE(absl::IsNotFound(intake.writer().ReadRaw(Sha256(raw)).status()));
  EXPECT_EQ(intake.Submit(raw)[0].outcome, Outcome::kDuplicate) << "recognised all the same";
  ASSERT_TRUE(intake.writer().Compact().ok());
  intake.Close();
  intake.Open();  // a new log
  ASSERT_TRUE(intake.writer().Compact().ok());
  ExpectNoCanary(intake);
}

TEST(FailurePrivacyTest, WithoutRedactionTheyAreKeptAsSent) {
  Intake intake(Intake::Redact::kNo);
  const std::string raw = FailureMail(1);
  ASSERT_EQ(intake.Submit(raw)[0].domain, "example.com");
  EXPECT_EQ(*intake.writer().ReadRaw(Sha256(raw)), raw);
  const auto reader = intake.Reader();
  const auto page = reader->ListFailureReports("example.com", 0, kLastReportDay, std::nullopt, 10);
  ASSERT_THAT(page->reports, SizeIs(1));
  EXPECT_FALSE(page->reports[0].redacted);
  EXPECT_EQ(page->reports[0].report.original_message_id, "<zyxauthor@example.com>");
}

TEST(FailureIntakeTest, AReportedDomainThatIsNoneIsLookedAtByAPerson) {
  Intake intake;
  std::string mail = FailureMail(1);
  mail.replace(mail.find("Reported-Domain: example.com"), 28, "Reported-Domain: %% & %%%%%% ");
  const Items items = intake.Submit(mail);
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].outcome, Outcome::kQuarantined);
  EXPECT_EQ(items[0].reason, "reported_domain_invalid");
  ExpectNoCanary(intake);
}

}  // namespace
}  // namespace dmarcate
