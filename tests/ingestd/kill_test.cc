// A4: ingestd is killed at random moments while reports come in over a stream and through a
// Maildir. What it acknowledged, a result on the stream or the flag S in the Maildir, is there
// afterwards, once.

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "tests/ingestd/daemon.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Import;
using ingest_testing::ImportItem;
using ingest_testing::MakeReportXml;

constexpr int kItemsPerStream = 400;
constexpr int kLongestRoundMillis = 500;
uint64_t RowsOf(int number) { return 1 + static_cast<uint64_t>(number) % 40; }

constexpr char kStreamDomain[] = "stream.test", kMailDomain[] = "mail.test";

// What report "s17" or "m3" counts, as it was made.
uint64_t MessagesOf(const std::string& id) {
  return id.starts_with('s') ? 2 * RowsOf(std::stoi(id.substr(1))) : 1 + 2 + 3;
}

// Report ids by how often the store holds them as current.
std::map<std::string, int> StoredIds(ReportReader& reader, std::string_view domain) {
  std::map<std::string, int> out;
  const absl::Status status =
      reader.ForEachReport(domain, 0, 40'000, [&](const StoredReport& stored) {
        ++out[stored.report.metadata.report_id];
        return true;
      });
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

TEST(Kill, WhatWasAcknowledgedIsThereOnce) {
  const char* given = std::getenv("DMARCATE_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  fmt::print("seed {} (DMARCATE_SEED repeats it)\n", seed);
  const int rounds = std::getenv("DMARCATE_SUITE") != nullptr ? 500 : 50;
  std::mt19937_64 random(seed);
  const auto up_to = [&random](int n) {
    return static_cast<int>(random() % static_cast<uint64_t>(n));
  };

  Daemon daemon;
  std::mutex mutex;
  std::set<std::string> acknowledged;  // report ids over the stream
  int next_item = 0, next_mail = 0, kills_in_work = 0;
  for (int round = 0; round < rounds; ++round) {
    const absl::Status started = daemon.Start({"mail"});
    ASSERT_TRUE(started.ok()) << "round " << round << ": " << started;
    std::atomic<bool> killed = false;
    std::vector<ImportItem> items;
    std::vector<std::string> ids;
    for (int i = 0; i < kItemsPerStream; ++i) {
      // Some were sent before: a client that heard nothing sends again.
      const int number = up_to(4) == 0 && next_item > 0 ? up_to(next_item) : next_item++;
      ids.push_back(fmt::format("s{}", number));
      items.push_back({ids.back() + ".xml", MakeReportXml(kStreamDomain, ids.back(),
                                                          std::vector<int>(RowsOf(number), 2))});
    }
    std::thread client([&, channel = daemon.channel()] {
      while (!killed) {
        Import(channel, items, [&](const v1::ItemResult& result) {
          ASSERT_EQ(result.items_size(), 1);
          const v1::ItemOutcome outcome = result.items(0).outcome();
          ASSERT_TRUE(outcome == v1::ITEM_OUTCOME_STORED || outcome == v1::ITEM_OUTCOME_DUPLICATE)
              << result.DebugString();
          const std::lock_guard lock(mutex);
          acknowledged.insert(ids[static_cast<size_t>(result.item_id())]);
        });
      }
    });
    std::thread mailer([&] {
      while (!killed) {
        const std::string id = fmt::format("m{}", next_mail++);
        const std::string temporary =
            daemon.directory().Write("mail/tmp/" + id, MakeReportXml(kMailDomain, id, {1, 2, 3}));
        std::filesystem::rename(temporary, daemon.directory().File("mail/new/" + id));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // a mail server's pace
      }
    });
    size_t before = 0;
    {
      const std::lock_guard lock(mutex);
      before = acknowledged.size();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(up_to(kLongestRoundMillis)));
    daemon.Kill();
    killed = true;
    client.join();
    mailer.join();
    const std::lock_guard lock(mutex);
    kills_in_work += acknowledged.size() > before ? 1 : 0;
  }
  EXPECT_GT(kills_in_work, rounds / 3) << "the daemon was mostly killed before it did anything";

  std::set<std::string> mails_acknowledged;
  for (const auto& entry :
       std::filesystem::directory_iterator(daemon.directory().File("mail/cur"))) {
    const std::string name = entry.path().filename();
    if (name.ends_with(":2,S")) mails_acknowledged.insert(name.substr(0, name.size() - 4));
  }
  // What was accepted and not read yet is read now.
  const absl::Status started = daemon.Start({"mail"});
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_TRUE(testing_support::WaitUntil(
      [&] { return std::filesystem::is_empty(daemon.directory().File("mail/new")); }));
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();

  const auto reader = daemon.Reader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto streamed = StoredIds(**reader, kStreamDomain),
             mailed = StoredIds(**reader, kMailDomain);
  fmt::print("{} kills, {} in work; {} acknowledged of {} streamed, {} of {} mailed\n", rounds,
             kills_in_work, acknowledged.size(), next_item, mails_acknowledged.size(), next_mail);
  for (const std::string& id : acknowledged) EXPECT_TRUE(streamed.contains(id)) << id << " is lost";
  for (const std::string& id : mails_acknowledged) {
    EXPECT_TRUE(mailed.contains(id)) << id << " is lost";
  }
  EXPECT_EQ(mailed.size(), static_cast<size_t>(next_mail)) << "mail left in the Maildir";
  for (const auto* ids : {&streamed, &mailed}) {
    for (const auto& [id, times] : *ids) EXPECT_EQ(times, 1) << id;
  }
  for (const auto& [domain, ids] :
       {std::pair(kStreamDomain, &streamed), std::pair(kMailDomain, &mailed)}) {
    const auto totals = (*reader)->ReadTotals(domain, 0, 40'000);
    const auto recount = RecountTotals(**reader, domain, 0, 40'000);
    ASSERT_TRUE(totals.ok() && recount.ok());
    EXPECT_EQ(*totals, *recount) << domain;
    // Against what was sent: a report that is counted twice looks right to a recount.
    uint64_t want = 0, got = 0;
    for (const auto& [id, times] : *ids) want += MessagesOf(id);
    for (const DayTotals& day : *totals) got += day.messages;
    EXPECT_EQ(got, want) << domain;
  }
}

}  // namespace
}  // namespace dmarcate
