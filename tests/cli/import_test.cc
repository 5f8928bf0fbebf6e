// `dmarcate reports import` into the real ingestd: the same reports in whatever container count the
// same, and once, also after an import that was killed.

#include <sys/stat.h>

#include <csignal>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

#include "lib/base/file.h"
#include "tests/cli/daemons.h"
#include "tests/cli/import/containers.h"

namespace dmarcate {
namespace {

using cli_testing::Daemons;
using cli_testing::Entry;
using cli_testing::TarOf;
using cli_testing::ZipArchiveOf;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::CommandResult;
using testing_support::WaitUntil;

constexpr int kReports = 2500;
constexpr char kDomain[] = "import.test";

std::vector<int> CountsOf(int number) { return {1, number % 7 + 1, number % 50 + 1}; }

std::string MailOf(int number) {
  return "From: dmarc@reporter.test\nSubject: Report Domain: import.test\n"
         "Content-Type: text/xml\n\n" +
         ingest_testing::MakeReportXml(kDomain, fmt::format("r{}", number), CountsOf(number));
}

std::vector<Entry> Mails() {
  std::vector<Entry> out;
  for (int i = 0; i < kReports; ++i) out.push_back({fmt::format("new/{:04}.eml", i), MailOf(i)});
  return out;
}

std::string Mbox() {
  std::string out;
  for (int i = 0; i < kReports; ++i) {
    out += "From dmarc@reporter.test Thu Jan  1 00:00:00 1970\n" + MailOf(i) + "\n";
  }
  return out;
}

class ImportTest : public testing::Test {
 protected:
  void Start() {
    const absl::Status started = daemons_.StartIngestd();
    ASSERT_TRUE(started.ok()) << started;
  }
  // The summary that `reports import PATH` prints with -o json.
  nlohmann::json Import(const std::string& path, int exit_code = 0) {
    const CommandResult result = daemons_.Run({"reports", "import", path, "-o", "json"});
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    const size_t at = result.output.find("{\"message_type\":\"import_summary\"");
    if (at == std::string::npos) return {};
    return nlohmann::json::parse(result.output.substr(at, result.output.find('\n', at) - at));
  }
  DayTotals Totals() {
    DayTotals sum;
    const auto reader = daemons_.ingestd().Reader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) return sum;
    const auto days = (*reader)->ReadTotals(kDomain, 0, 40'000);
    EXPECT_TRUE(days.ok()) << days.status();
    if (!days.ok()) return sum;
    for (const DayTotals& day : *days) {
      sum.reports += day.reports;
      sum.records += day.records;
      sum.messages += day.messages;
    }
    return sum;
  }
  void ExpectAll() {
    uint64_t messages = 0;
    for (int i = 0; i < kReports; ++i) {
      for (const int count : CountsOf(i)) messages += static_cast<uint64_t>(count);
    }
    const DayTotals totals = Totals();
    EXPECT_EQ(totals.reports, kReports);
    EXPECT_EQ(totals.records, 3 * kReports);
    EXPECT_EQ(totals.messages, messages);
  }
  Daemons daemons_;
};

class ContainerTest : public ImportTest, public testing::WithParamInterface<std::string> {
 protected:
  std::string Make() {
    const testing_support::TempDir& directory = daemons_.directory();
    if (GetParam() == "mbox") return directory.Write("in.mbox", Mbox());
    if (GetParam() == "tar.gz") {
      return directory.Write("in.tar.gz", TarOf(Mails(), cli_testing::Packing::kGzip));
    }
    if (GetParam() == "zip") return directory.Write("in.zip", ZipArchiveOf(Mails()));
    for (const Entry& mail : Mails()) directory.Write("in/" + mail.name, mail.data);
    return directory.File("in");
  }
};

TEST_P(ContainerTest, CountsTheSameAndOnce) {
  Start();
  const std::string path = Make();
  const nlohmann::json first = Import(path);
  EXPECT_EQ(first.value("stored", 0), kReports) << first;
  EXPECT_EQ(first.value("records", 0), 3 * kReports);
  EXPECT_EQ(first.value("items", 0), kReports);
  EXPECT_EQ(first.value("known_items", -1), 0);
  EXPECT_GT(first.value("sent_bytes", 0), 1'000'000);
  ExpectAll();
  const nlohmann::json second = Import(path);
  EXPECT_EQ(second.value("duplicate", 0), kReports) << second;
  EXPECT_EQ(second.value("known_items", 0), kReports);
  EXPECT_EQ(second.value("sent_bytes", -1), 0);
  ExpectAll();
}

INSTANTIATE_TEST_SUITE_P(All, ContainerTest, testing::Values("mbox", "tar.gz", "zip", "directory"),
                         [](const auto& test) {
                           return test.param == "tar.gz" ? std::string("tar_gz") : test.param;
                         });

class InterruptedTest : public ImportTest, public testing::WithParamInterface<int> {};

TEST_P(InterruptedTest, IsEndedByTheNextImport) {
  Start();
  const std::string path = daemons_.directory().Write("in.mbox", Mbox());
  testing_support::ProcessOptions options;
  options.argv = daemons_.Command({"reports", "import", path, "-o", "json"});
  options.output_path = daemons_.directory().Write("import.log", "");
  auto import = testing_support::Process::Start(options);
  ASSERT_TRUE(import.ok()) << import.status();
  // Its first line of progress comes after ten percent.
  ASSERT_TRUE(WaitUntil([&] {
    return ReadFile(options.output_path, 1 << 20).value_or("").find('%') != std::string::npos;
  }));
  import->Signal(GetParam());
  const auto exit_code = import->Wait(absl::Seconds(20));
  ASSERT_TRUE(exit_code.ok()) << exit_code.status();
  EXPECT_EQ(*exit_code, 128 + GetParam()) << "it was done already";
  if (GetParam() == SIGINT) {
    // What was answered so far, and in the last line how it ended.
    const std::string told = ReadFile(options.output_path, 1 << 20).value_or("");
    EXPECT_THAT(told, HasSubstr("{\"message_type\":\"import_summary\",\"complete\":false,"));
    const size_t last = told.rfind('\n', told.size() - 2) + 1;
    const auto error = nlohmann::json::parse(told.substr(last), nullptr, false);
    EXPECT_EQ(error.value("message_type", ""), "exit_error") << told;
    EXPECT_EQ(error.value("code", 0), 130);
    EXPECT_THAT(error.value("help", std::vector<std::string>()),
                testing::Contains(HasSubstr("the same command goes on")));
  }
  const nlohmann::json second = Import(path);
  EXPECT_GT(second.value("known_items", 0), 0) << second;
  EXPECT_LT(second.value("known_items", 0), kReports) << second;
  EXPECT_EQ(second.value("stored", 0) + second.value("duplicate", 0), kReports) << second;
  ExpectAll();
}

INSTANTIATE_TEST_SUITE_P(All, InterruptedTest, testing::Values(SIGKILL, SIGINT));

// The server's word counts: one that has lost everything gets everything again.
TEST_F(ImportTest, AnotherServerGetsEverything) {
  Start();
  const std::string path = daemons_.directory().Write("in.mbox", Mbox());
  Import(path);
  Daemons other;
  ASSERT_TRUE(other.StartIngestd().ok());
  const CommandResult result = other.Run({"reports", "import", path});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, testing::Not(HasSubstr("were there already")));
  // The last line of progress says what the sums below it say.
  EXPECT_THAT(result.output, HasSubstr(fmt::format("1 of 1 files, {} stored", kReports)));
}

TEST_F(ImportTest, OneBadMemberDoesNotStopTheRest) {
  Start();
  const std::string inner = TarOf({{"x.eml", MailOf(9)}});
  const std::string path = daemons_.directory().Write(
      "mixed.tar", TarOf({{"1.eml", MailOf(1)},
                          {"inner.tar", inner},
                          {"notes.txt", "no report"},
                          {"passwd", "/etc/passwd", Entry::Kind::kSymlink},
                          {"2.eml", MailOf(2)}}));
  const CommandResult result = daemons_.Run({"reports", "import", path});
  EXPECT_EQ(result.exit_code, 9) << result.output;
  EXPECT_THAT(result.output, HasSubstr("mixed.tar!inner.tar: an archive in an archive; unpack it"));
  EXPECT_THAT(result.output, HasSubstr("mixed.tar!notes.txt: not_a_report: no_report_found"));
  EXPECT_THAT(result.output, HasSubstr("left out: "));
  EXPECT_THAT(result.output, HasSubstr("mixed.tar!passwd: a link"));
  EXPECT_EQ(Totals().reports, 2);
}

TEST_F(ImportTest, NothingThereIsSaidAtOnce) {
  Start();
  const CommandResult result = daemons_.Run(
      {"reports", "import", daemons_.directory().path(), daemons_.directory().File("nothing")});
  EXPECT_EQ(result.exit_code, 5) << result.output;
  EXPECT_THAT(result.output, AllOf(HasSubstr("nothing imported"), HasSubstr("try:  ")));
  EXPECT_EQ(Totals().reports, 0);
  ASSERT_EQ(mkdir(daemons_.directory().File("empty").c_str(), 0700), 0);
  EXPECT_THAT(daemons_.Run({"reports", "import", daemons_.directory().File("empty")}).output,
              HasSubstr("nothing to import was found there"));
}

// A report of which a part is missing is stored as any other; that must not pass unseen.
TEST_F(ImportTest, MaterialRepairsAreToldByName) {
  Start();
  std::string half = ingest_testing::MakeReportXml(kDomain, "half", {1, 2});
  half.resize(half.rfind("<auth_results>"));
  const std::string path = daemons_.directory().Write("half.xml", half);
  const CommandResult result = daemons_.Run({"reports", "import", path});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, AllOf(HasSubstr("1 of the reports with material repairs"),
                                   HasSubstr("stored with material repairs: "),
                                   HasSubstr("half.xml: record_unclosed at record[2]")));
  half.insert(half.find("<record>"), " ");
  const nlohmann::json object = Import(daemons_.directory().Write("half2.xml", half));
  EXPECT_EQ(object.value("material", 0), 1) << object;
  EXPECT_THAT(object.value("material_repairs", std::vector<std::string>()),
              testing::ElementsAre(HasSubstr("half2.xml: record_unclosed at record[2]")));
  // An empty file was never there.
  const CommandResult empty =
      daemons_.Run({"reports", "import", daemons_.directory().Write("empty.xml", "")});
  EXPECT_EQ(empty.exit_code, 9);
  EXPECT_THAT(empty.output, AllOf(HasSubstr("1 item of 1 file: 0 bytes sent"),
                                  testing::Not(HasSubstr("already"))));
}

}  // namespace
}  // namespace dmarcate
