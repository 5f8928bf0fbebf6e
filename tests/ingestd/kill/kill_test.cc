// B2: ingestd is killed at random moments while reports come in by every way at once: SMTP, LMTP,
// IMAP from a real Dovecot, a Maildir, uploads and import streams, some of them by two ways. What
// it acknowledged is there afterwards, once, and the totals are the sum of what was handed over.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "tests/ingestd/daemon.h"
#include "tests/ingestd/kill/gate.h"
#include "tests/ingestd/kill/ledger.h"
#include "tests/ingestd/kill/senders.h"
#include "tests/testing/dovecot.h"
#include "tests/testing/status_matchers.h"

namespace dmarcate {
namespace {

using ingest_testing::Daemon;
using ingest_testing::Gate;
using ingest_testing::kWays;
using ingest_testing::Ledger;
using ingest_testing::MailboxRoute;
using ingest_testing::MailClient;
using ingest_testing::Way;
using testing_support::IsOk;
using testing_support::RealDovecot;
using testing_support::WaitUntil;

constexpr DayNumber kLastDay = 40'000;
// Rounds take turns: a kill some moments after each of the ways had something acknowledged, one at
// any time, and one before the daemon answers.
constexpr int kTurns = static_cast<int>(kWays.size()) + 2;
constexpr int kMomentMillis = 60, kAnyTimeMillis = 800, kStartMillis = 150;
constexpr int kRoundsUntilCheck = 10;
constexpr absl::Duration kLongestStart = absl::Seconds(5);
constexpr size_t kLogEnd = 4000;  // bytes, of a log that explains a failure
constexpr int kSmtpSenders = 2, kLmtpSenders = 2;

std::string End(const std::string& log) {
  return log.substr(log.size() - std::min(log.size(), kLogEnd));
}

// Threads that are joined whatever happens.
class Threads {
 public:
  explicit Threads(Gate& gate) : gate_(gate) {}
  ~Threads() { Join(); }
  void Add(std::function<void()> run) { threads_.emplace_back(std::move(run)); }
  void Join() {
    gate_.End();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  Gate& gate_;
  std::vector<std::thread> threads_;
};

class KillTest : public testing::Test {
 protected:
  void SetUp() override {
    auto dovecot = RealDovecot::Start();
    ASSERT_THAT(dovecot, IsOk());
    dovecot_ = *std::move(dovecot);
    dovecot_->MakeFolder(".Reports");
    dovecot_->MakeFolder(".Done");
    daemon_.directory().Write("password", RealDovecot::kPassword);
  }

  std::string Config() const {
    // "localhost" and the address are two accounts for ingestd and one for the server.
    const auto account = [this](std::string_view host, std::string_view rest) {
      return fmt::format(
          "[[imap]]\nhost = \"{}\"\nport = {}\nca_file = \"{}\"\nuser = \"{}\"\npassword_file = "
          "\"{}\"\ninterval = \"1s\"\n{}\n",
          host, dovecot_->imaps_port(), dovecot_->certificate_file(), RealDovecot::kUser,
          daemon_.directory().File("password"), rest);
    };
    return fmt::format(
               "[smtp]\nlisten = [\"127.0.0.1:{0}\"]\nhostname = \"mx.reports.test\"\n"
               "recipients = [\"dmarc@reports.test\"]\nbudget_per_address = 0\n"
               "budget_per_domain = 0\nbudget_per_recipient = 0\n"
               "[lmtp]\nsocket = \"{1}/lmtp\"\n"
               "recipients = [\"dmarc@reports.test\", \"copy@reports.test\"]\n",
               smtp_port_, daemon_.directory().path()) +
           account("127.0.0.1", "folders = [\"INBOX\"]") +
           account("localhost", "folders = [\"Reports\"]\nafter = \"move\"\nmove_to = \"Done\"");
  }

  MailClient Smtp() const { return MailClient::Connect(smtp_port_); }
  MailClient Lmtp() const { return MailClient::ConnectUnix(daemon_.directory().File("lmtp")); }

  // Until every way in is open; how long that took.
  absl::StatusOr<absl::Duration> Start() {
    const absl::Time begin = absl::Now();
    DMARCATE_RETURN_IF_ERROR(daemon_.Start({"mail"}, Config()));
    if (!WaitUntil([this] { return Smtp().Reply() == "220" && Lmtp().Reply() == "220"; })) {
      return MakeError(absl::StatusCode::kUnavailable, "no SMTP:\n" + daemon_.log());
    }
    return absl::Now() - begin;
  }

  void StartSenders(Threads& threads, Gate& gate, Ledger& ledger) {
    for (int i = 0; i < kSmtpSenders; ++i) {
      threads.Add([&] {
        SendMail({Way::kSmtp, [this] { return Smtp(); }, {"dmarc@reports.test"}}, gate, ledger);
      });
    }
    for (int i = 0; i < kLmtpSenders; ++i) {
      threads.Add([&] {
        SendMail(
            {Way::kLmtp, [this] { return Lmtp(); }, {"dmarc@reports.test", "copy@reports.test"}},
            gate, ledger);
      });
    }
    const MailboxRoute mailboxes[] = {
        {Way::kMaildir, daemon_.directory().File("mail"), MailboxRoute::Sign::kFlag, ""},
        {Way::kImapFlag, dovecot_->Maildir(""), MailboxRoute::Sign::kFlag, ""},
        {Way::kImapMove, dovecot_->Maildir(".Reports"), MailboxRoute::Sign::kMove,
         dovecot_->Maildir(".Done")}};
    for (const MailboxRoute& route : mailboxes) {
      threads.Add([&gate, &ledger, route] { FillMailbox(route, gate, ledger); });
    }
    threads.Add([&] { Upload(gate, ledger); });
    threads.Add([&] { StreamImports(gate, ledger); });
  }

  // What the store says against the ledger, between two runs of the daemon. How many reports it
  // has.
  int Check(Ledger& ledger) {
    const auto reader = daemon_.Reader();
    EXPECT_THAT(reader, IsOk());
    if (!reader.ok()) return -1;
    for (const auto& [report, way] : ledger.TakeAcknowledged()) {
      EXPECT_THAT((*reader)->ReadRaw(Sha256(ContentOf(report, way))), IsOk())
          << "lost: report " << report << ", " << NameOf(way);
    }
    const int handed_over = ledger.reports();
    int stored = 0;
    for (const std::string& domain : ingest_testing::AllDomains()) {
      std::map<std::string, int> times;
      uint64_t want = 0, got = 0;
      EXPECT_THAT((*reader)->ForEachReport(domain, 0, kLastDay,
                                           [&](const StoredReport& report) {
                                             ++times[report.report.metadata.report_id];
                                             return true;
                                           }),
                  IsOk());
      for (int report = 0; report < handed_over; ++report) {
        if (ingest_testing::DomainOf(report) != domain) continue;
        const auto found = times.find(ingest_testing::IdOf(report));
        if (found == times.end()) continue;
        EXPECT_EQ(found->second, 1) << "report " << report << " is there twice";
        want += ingest_testing::MessagesOf(report);
        ++stored;
        times.erase(found);
      }
      EXPECT_TRUE(times.empty()) << times.begin()->first << " was never handed over";
      const auto totals = (*reader)->ReadTotals(domain, 0, kLastDay);
      const auto recount = RecountTotals(**reader, domain, 0, kLastDay);
      EXPECT_TRUE(totals.ok() && recount.ok()) << totals.status() << recount.status();
      if (!totals.ok() || !recount.ok()) continue;
      EXPECT_EQ(*totals, *recount) << domain;
      for (const DayTotals& day : *totals) got += day.messages;
      EXPECT_EQ(got, want) << domain;
    }
    return stored;
  }

  // Reports that count by now, from the totals.
  int64_t Counted() {
    const auto reader = daemon_.Reader();
    if (!reader.ok()) return -1;
    int64_t reports = 0;
    for (const std::string& domain : ingest_testing::AllDomains()) {
      const auto totals = (*reader)->ReadTotals(domain, 0, kLastDay);
      if (!totals.ok()) return -1;
      for (const DayTotals& day : *totals) reports += day.reports;
    }
    return reports;
  }

  Daemon daemon_;
  std::unique_ptr<RealDovecot> dovecot_;
  const uint16_t smtp_port_ = testing_support::FreePort();
};

TEST_F(KillTest, WhatWasAcknowledgedByAnyWayIsThereOnce) {
  const char* given = std::getenv("DMARCATE_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  fmt::print("seed {} (DMARCATE_SEED repeats its choices)\n", seed);
  const int rounds = std::getenv("DMARCATE_SUITE") != nullptr ? 500 : 50;
  std::mt19937_64 random(seed);
  const auto up_to = [&random](int n) {
    return static_cast<int>(random() % static_cast<uint64_t>(n));
  };
  const auto moment = [&](int longest_millis) {
    std::this_thread::sleep_for(std::chrono::milliseconds(up_to(longest_millis)));
  };

  ASSERT_THAT(daemon_.Launch({"mail"}, Config()), IsOk());  // makes the Maildir
  daemon_.Kill();
  Ledger ledger(random());
  Gate gate;
  Threads senders(gate);
  StartSenders(senders, gate, ledger);
  absl::Duration slowest;
  int kills = 0;
  std::map<Way, int> at_work;  // rounds in which a way got something acknowledged
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    SCOPED_TRACE(fmt::format("round {} of {}, seed {}", round, rounds, seed));
    const size_t turn = static_cast<size_t>(round % kTurns);
    if (turn == kWays.size()) {
      ASSERT_THAT(daemon_.Launch({"mail"}, Config()), IsOk());
      moment(kStartMillis);
      daemon_.Kill();
      ++kills;
      continue;
    }
    const auto took = Start();
    ASSERT_THAT(took, IsOk());
    slowest = std::max(slowest, *took);
    std::map<Way, size_t> before;
    for (const Way way : kWays) before[way] = ledger.acknowledged(way);
    gate.Open(daemon_.channel());
    if (turn < kWays.size()) {
      const Way way = kWays[turn];
      EXPECT_TRUE(WaitUntil([&] { return ledger.acknowledged(way) > before[way]; }))
          << NameOf(way) << ": nothing is acknowledged\n"
          << End(daemon_.log()) << "\ndovecot:\n"
          << End(dovecot_->log());
    }
    moment(turn < kWays.size() ? kMomentMillis : kAnyTimeMillis);
    gate.Close();
    daemon_.Kill();
    ++kills;
    for (const Way way : kWays) at_work[way] += ledger.acknowledged(way) > before[way] ? 1 : 0;
    if (round % kRoundsUntilCheck == 0) Check(ledger);
  }
  EXPECT_LT(slowest, kLongestStart);

  // Everything that is on its way arrives now, and is read.
  const auto took = Start();
  ASSERT_THAT(took, IsOk());
  ledger.Close();
  gate.Open(daemon_.channel());
  EXPECT_TRUE(WaitUntil([&] { return ledger.unacknowledged() == 0; }, absl::Seconds(60)))
      << ledger.unacknowledged() << " not acknowledged\n";
  senders.Join();
  const auto all_are_counted = [&] { return Counted() >= ledger.reports(); };
  if (!WaitUntil(all_are_counted, absl::Seconds(30))) {
    // What was being read at three kills is taken for their cause, and waits until it is asked for.
    const auto listed = daemon_.Cli({"reports", "quarantine", "list"});
    const auto replay =
        daemon_.Cli({"reports", "quarantine", "replay", "--reason", "parser_crashed"});
    ASSERT_THAT(listed, IsOk());
    ASSERT_THAT(replay, IsOk());
    EXPECT_TRUE(WaitUntil(all_are_counted, absl::Seconds(60)))
        << Counted() << " of " << ledger.reports() << " are counted\n"
        << listed->output << replay->output;
  }
  const auto recount = daemon_.Cli({"server", "recount", "--verify"});
  ASSERT_THAT(recount, IsOk());
  EXPECT_EQ(recount->exit_code, 0) << recount->output;
  EXPECT_EQ(daemon_.Stop(), 0);
  const int stored = Check(ledger);
  EXPECT_EQ(stored, ledger.reports());
  EXPECT_THAT(daemon_.log(), testing::Not(testing::HasSubstr(RealDovecot::kPassword)));

  EXPECT_EQ(kills, rounds) << "ended by a failure";
  fmt::print("{} kills of {}; slowest start {}\n", kills, rounds, absl::FormatDuration(slowest));
  for (const Way way : kWays) {
    fmt::print("{:14} {:7} acknowledged, in {} rounds\n", NameOf(way), ledger.acknowledged(way),
               at_work[way]);
  }
  fmt::print("{} reports, {} of them by two ways or more; {} stored; {}\n", ledger.reports(),
             ledger.shared(), stored, recount->output);
}

}  // namespace
}  // namespace dmarcate
