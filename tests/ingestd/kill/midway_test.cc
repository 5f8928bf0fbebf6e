// What takes ingestd many commits, killed in the middle of it and asked for again, comes to the end
// that it would have come to: a replay of the quarantine, a purge, a retention sweep.

#include <utime.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "dmarcate/v1/intake.grpc.pb.h"
#include "lib/base/digest.h"
#include "tests/ingestd/daemon.h"
#include "tests/testing/maildir.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::ImportItem;
using ingest_testing::MakeReportXml;
using testing_support::IsOk;
using testing_support::WaitUntil;

constexpr char kDomain[] = "example.test", kOther[] = "other.test";
constexpr DayNumber kLastDay = 40'000;
constexpr int kReports = 1500;
constexpr uint64_t kMostTicks = 8;

class MidwayTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("DMARCATE_SEED");
    const uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    RecordProperty("seed", std::to_string(seed));
    fmt::print("seed {} (DMARCATE_SEED repeats its choices)\n", seed);
    random_.seed(seed);
  }

  // From the addresses 192.0.2.1, .2 and .3: 1, 2 and 3 messages.
  static std::string Xml(int report) {
    return MakeReportXml(report % 3 == 0 ? kOther : kDomain, fmt::format("r{}", report), {1, 2, 3});
  }
  // Hands over all reports and waits for what becomes of them.
  void Fill() {
    std::vector<ImportItem> items;
    for (int i = 0; i < kReports; ++i) items.push_back({fmt::format("{}.xml", i), Xml(i)});
    int answered = 0;
    ASSERT_TRUE(Import(daemon_.channel(), items, [&](const auto&) { ++answered; }).ok());
    ASSERT_EQ(answered, kReports);
  }
  void Open() {
    auto reader = daemon_.Reader();
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
  }
  // Reports, and what is in them, of one domain.
  struct Stored {
    int reports = 0, from_second = 0;  // from_second: rows from 192.0.2.2
    friend bool operator==(const Stored&, const Stored&) = default;
  };
  Stored Look(std::string_view domain) {
    Stored out;
    EXPECT_THAT(reader_->CatchUp(), IsOk());
    EXPECT_THAT(reader_->ForEachReport(domain, 0, kLastDay,
                                       [&](const StoredReport& report) {
                                         ++out.reports;
                                         for (const AggregateRecord& row : report.report.records) {
                                           out.from_second += row.count == 2 ? 1 : 0;
                                         }
                                         return true;
                                       }),
                IsOk());
    return out;
  }
  uint64_t Messages(std::string_view domain) {
    EXPECT_THAT(reader_->CatchUp(), IsOk());
    const auto totals = reader_->ReadTotals(domain, 0, kLastDay);
    EXPECT_THAT(totals, IsOk());
    uint64_t sum = 0;
    if (totals.ok()) {
      for (const DayTotals& day : *totals) sum += day.messages;
    }
    return sum;
  }

  // Work of the daemon: begins it, calls `tick` at each sign of its progress, and returns when it
  // has ended, with the daemon or without.
  using Work = std::function<void(const std::function<void()>& tick)>;

  // Kills the daemon at one of the first signs of progress of `work`: some times, or until nothing
  // is `left`. Then it runs to the end: by itself, or by `command`.
  void KillAndFinish(const std::vector<std::string>& maildirs, const std::string& config,
                     const Work& work, const std::vector<std::string>& command,
                     const std::function<int()>& left) {
    const int kills = std::getenv("DMARCATE_SUITE") != nullptr ? 12 : 4;
    int midway = 0;
    for (int i = 0; i < kills && left() > 0; ++i) {
      ASSERT_THAT(daemon_.Start(maildirs, config), IsOk());
      uint64_t ticks = i == 0 ? 1 : 1 + random_() % kMostTicks;
      work([&] {
        if (--ticks == 0) daemon_.Kill();
      });
      daemon_.Kill();
      midway += left() > 0 ? 1 : 0;
    }
    fmt::print("{} kills in the middle\n", midway);
    EXPECT_GT(midway, 0) << "it is too quick for this test";
    ASSERT_THAT(daemon_.Start(maildirs, config), IsOk());
    if (!command.empty()) {
      const auto finished = daemon_.Cli(command);
      ASSERT_THAT(finished, IsOk());
      EXPECT_EQ(finished->exit_code, 0) << finished->output;
    }
    EXPECT_TRUE(WaitUntil([&] { return left() == 0; }, absl::Seconds(60))) << left() << " left";
    const auto recount = daemon_.Cli({"server", "recount", "--verify"});
    ASSERT_THAT(recount, IsOk());
    EXPECT_EQ(recount->exit_code, 0) << recount->output;
    EXPECT_EQ(daemon_.Stop(), 0) << daemon_.log();
  }

  // A call that answers with a stream of progress.
  template <typename Request, typename Response>
  Work Call(std::unique_ptr<grpc::ClientReader<Response>> (v1::IntakeService::Stub::*method)(
                grpc::ClientContext*, const Request&),
            const Request& request) {
    return [this, method, request](const std::function<void()>& tick) {
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
      const auto stub = v1::IntakeService::NewStub(daemon_.channel());
      const auto reader = ((*stub).*method)(&context, request);
      Response response;
      while (reader->Read(&response)) tick();
      reader->Finish();
    };
  }

  Daemon daemon_;
  std::unique_ptr<RocksReportReader> reader_;
  std::mt19937_64 random_;
};

TEST_F(MidwayTest, AReplayOfTheQuarantine) {
  // What has several records cannot be read; and then it can, as after an upgrade.
  ASSERT_THAT(daemon_.Start({}, "[limits]\nrecords = 1\n"), IsOk());
  Fill();
  EXPECT_EQ(daemon_.Stop(), 0);
  Open();
  EXPECT_EQ(Look(kDomain), Stored());
  const auto left = [this] { return kReports - Look(kDomain).reports - Look(kOther).reports; };
  v1::ReplayQuarantinedMessagesRequest request;
  request.mutable_selector()->set_reason("too_many_records");
  KillAndFinish({}, "", Call(&v1::IntakeService::Stub::ReplayQuarantinedMessages, request),
                {"reports", "quarantine", "replay", "--reason", "too_many_records"}, left);
  EXPECT_EQ(Messages(kDomain), 6u * (kReports - kReports / 3));
  EXPECT_EQ(Messages(kOther), 6u * (kReports / 3));
}

TEST_F(MidwayTest, APurgeOfAnAddress) {
  ASSERT_THAT(daemon_.Start(), IsOk());
  Fill();
  EXPECT_EQ(daemon_.Stop(), 0);
  Open();
  EXPECT_EQ(Look(kOther), Stored({kReports / 3, kReports / 3}));
  const auto left = [this] { return Look(kDomain).from_second + Look(kOther).from_second; };
  v1::PurgeReportsRequest request;
  request.set_source_address("192.0.2.2");
  KillAndFinish({}, "", Call(&v1::IntakeService::Stub::PurgeReports, request),
                {"reports", "purge", "--address", "192.0.2.2", "--yes"}, left);
  EXPECT_EQ(Look(kOther), Stored({kReports / 3, 0}));
  EXPECT_EQ(Messages(kDomain), 4u * (kReports - kReports / 3));
  EXPECT_EQ(Messages(kOther), 4u * (kReports / 3));
}

TEST_F(MidwayTest, APurgeOfADomain) {
  ASSERT_THAT(daemon_.Start(), IsOk());
  Fill();
  EXPECT_EQ(daemon_.Stop(), 0);
  Open();
  const auto left = [this] { return Look(kDomain).reports; };
  v1::PurgeReportsRequest request;
  request.set_domain(fmt::format("domains/{}", kDomain));
  KillAndFinish({}, "", Call(&v1::IntakeService::Stub::PurgeReports, request),
                {"reports", "purge", "--domain", kDomain, "--yes"}, left);
  EXPECT_EQ(Messages(kDomain), 0u);
  EXPECT_EQ(Messages(kOther), 6u * (kReports / 3));
}

TEST_F(MidwayTest, ARetentionSweep) {
  // First those whose time will have passed, then the others. A mail's time is that of its file.
  const std::string maildir = daemon_.directory().File("mail");
  const std::string forever = "[retention]\ntotals = \"forever\"\n";
  for (const bool lately : {false, true}) {
    const absl::Duration age = absl::Hours(24 * (lately ? 1 : 40));
    const utimbuf times = {.actime = 0, .modtime = absl::ToTimeT(absl::Now() - age)};
    testing_support::MakeMaildir(maildir);
    for (int i = 0; i < kReports; ++i) {
      if ((i % 3 == 0) != lately) continue;
      const std::string name = std::to_string(i);
      testing_support::DeliverToMaildir(maildir, name, Xml(i));
      ASSERT_EQ(utime(fmt::format("{}/new/{}", maildir, name).c_str(), &times), 0);
    }
    ASSERT_THAT(daemon_.Start({"mail"}, forever), IsOk());
    EXPECT_TRUE(WaitUntil([&] { return std::filesystem::is_empty(maildir + "/new"); }));
    EXPECT_EQ(daemon_.Stop(), 0);
  }
  Open();
  ASSERT_EQ(Look(kDomain).reports, kReports - kReports / 3);
  const auto left = [this] { return Look(kDomain).reports; };
  const Work sweep = [&](const std::function<void()>& tick) {
    const int before = left();
    EXPECT_TRUE(WaitUntil([&] { return left() < before; }, absl::Seconds(60)));
    tick();
  };
  KillAndFinish({"mail"},
                forever +
                    "interval = \"1s\"\nfailure = \"30d\"\nraw = \"30d\"\nquarantine = \"30d\"\n"
                    "rows = \"30d\"\n",
                sweep, {}, left);
  EXPECT_EQ(Look(kOther).reports, kReports / 3);
  EXPECT_EQ(Messages(kDomain), 6u * (kReports - kReports / 3));
  EXPECT_EQ(Messages(kOther), 6u * (kReports / 3));
  EXPECT_THAT(reader_->ReadRaw(Sha256(Xml(0))), IsOk());
  EXPECT_EQ(reader_->ReadRaw(Sha256(Xml(1))).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dmarcate
