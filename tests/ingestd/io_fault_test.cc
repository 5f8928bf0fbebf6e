// B3: every writing call of the store fails once in turn, is torn, or fails from then on; the disk
// is full at 20 levels; the power fails at each of these points. What the pipeline acknowledged is
// there afterwards, once, and the totals are what the reports add up to.

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "ingestd/pipeline/crash_journal.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/mailauth/public_suffix_list.h"
#include "lib/store/rocks_report_store.h"
#include "tests/ingestd/fakes.h"
#include "tests/lib/store/fault_env.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::MakeDelivery;
using store_testing::FaultEnv;

constexpr int kRounds = 2;  // of the store's life: open, take in, compact, close
constexpr int kReports = 4;
constexpr char kDomain[] = "a.test";

// What was told to senders.
struct Ledger {
  std::mutex mutex;
  std::set<std::string> durable, counted;
};

class IoFault : public testing::Test {
 protected:
  // Hands `count` reports from number `first` on to a store over `env`, each with an id of its own.
  // One is so large that the store cuts it into pieces.
  void TakeIn(int first, rocksdb::Env* env, Ledger* ledger) {
    auto store = RocksReportWriter::Open(Store(), env);
    auto crashes = CrashJournal::Open(directory_->File("crashes"));
    if (!store.ok() || !crashes.ok()) return;  // the daemon does not start; nothing is taken in
    PipelineOptions options;
    options.parse_threads = 1;
    options.group_items = 2;
    options.retry_delay = absl::Milliseconds(1);
    Pipeline pipeline(
        **store, *suffixes_, **crashes,
        [](const std::string& content, const UnpackHints& hints) {
          return FakeUnpack(content.substr(0, content.find('\n')), hints);
        },
        [](const absl::Status&) {}, options);
    if (!pipeline.Start().ok()) return;
    for (int number = first; number < first + kReports; ++number) {
      const std::string id = std::to_string(number);
      pipeline.Submit(
          MakeDelivery(fmt::format("report {} {}\n{}", kDomain, id, number == 1 ? Padding() : "")),
          [ledger, id](const absl::Status& status) {
            const std::lock_guard lock(ledger->mutex);
            if (status.ok()) ledger->durable.insert(id);
          },
          [ledger, id](const absl::StatusOr<std::vector<ReceiptItem>>& items) {
            const std::lock_guard lock(ledger->mutex);
            if (items.ok()) ledger->counted.insert(id);
          });
      if (number == first + kReports / 2) static_cast<void>((*store)->Compact());
    }
    pipeline.Stop(absl::Seconds(5));
  }

  // Runs the store's life over `env`, loses the power, and looks at what is left.
  void Check(FaultEnv* env, bool lose_power) {
    Ledger ledger;
    for (int round = 0; round < kRounds; ++round) TakeIn(round * kReports, env, &ledger);
    if (lose_power) env->LosePower();

    Ledger after;
    FaultEnv sound;
    TakeIn(1000, &sound, &after);  // reads what was left pending, and works
    EXPECT_EQ(after.counted.size(), static_cast<size_t>(kReports));
    auto reader =
        RocksReportReader::Follow(Store(), directory_->File("follower"), absl::Seconds(20));
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::map<std::string, int> found;
    ASSERT_TRUE((*reader)
                    ->ForEachReport(kDomain, 0, 100'000,
                                    [&](const StoredReport& stored) {
                                      ++found[stored.report.metadata.report_id];
                                      return true;
                                    })
                    .ok());
    for (const auto* told : {&ledger.durable, &ledger.counted, &after.durable}) {
      for (const std::string& id : *told) EXPECT_EQ(found[id], 1) << id << " is lost";
    }
    for (const auto& [id, times] : found) EXPECT_EQ(times, 1) << id;
    const auto totals = (*reader)->ReadTotals(kDomain, 0, 100'000);
    const auto recount = RecountTotals(**reader, kDomain, 0, 100'000);
    ASSERT_TRUE(totals.ok() && recount.ok()) << totals.status() << recount.status();
    EXPECT_EQ(*totals, *recount);
    uint64_t messages = 0;
    for (const DayTotals& day : *totals) messages += day.messages;
    EXPECT_EQ(messages, found.size()) << "each report is of one message";
  }

  // In a directory of its own.
  void CheckAnew(FaultEnv* env, bool lose_power) {
    directory_ = std::make_unique<testing_support::TempDir>();
    Check(env, lose_power);
  }

  static const std::string& Padding() {
    static const std::string padding(5 << 18, 'x');
    return padding;
  }
  std::string Store() const { return directory_->File("reports"); }

  std::unique_ptr<testing_support::TempDir> directory_ =
      std::make_unique<testing_support::TempDir>();
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
};

TEST_F(IoFault, EveryCallFailingOnceNeverMakesAFalseAcknowledgement) {
  FaultEnv untouched;
  CheckAnew(&untouched, false);
  const int64_t calls = untouched.calls();
  ASSERT_GT(calls, 100);
  // All three kinds of fault at each call take minutes; in everyday runs every fifth call meets one
  // of them, in turn.
  const bool all = std::getenv("DMARCATE_SUITE") != nullptr;
  constexpr FaultEnv::Fault kFaults[] = {FaultEnv::Fault::kOnce, FaultEnv::Fault::kTorn,
                                         FaultEnv::Fault::kForever};
  int hits = 0, runs = 0;
  for (int64_t call = 1; call <= calls; ++call) {
    for (const FaultEnv::Fault fault : kFaults) {
      if (!all && (call % 5 != 0 || fault != kFaults[call / 5 % 3])) continue;
      SCOPED_TRACE(fmt::format("call {} of {}, fault {}", call, calls, static_cast<int>(fault)));
      FaultEnv env;
      env.FailCall(call, fault);
      CheckAnew(&env, true);
      ++runs;
      hits += env.hit() ? 1 : 0;
      if (HasFailure()) return;
    }
  }
  fmt::print("{} calls, {} runs, {} faults met\n", calls, runs, hits);
  EXPECT_GE(hits, runs * 9 / 10) << "threads vary the number of calls, but not so much";
}

TEST_F(IoFault, ADiskThatIsFullNeverMakesAFalseAcknowledgement) {
  FaultEnv untouched;
  CheckAnew(&untouched, false);
  constexpr int kLevels = 20;
  for (int level = 0; level < kLevels; ++level) {
    for (const bool lose_power : {false, true}) {
      SCOPED_TRACE(fmt::format("level {} of {}, power {}", level, kLevels, !lose_power));
      FaultEnv env;
      env.SetCapacity(untouched.bytes() * level / kLevels);
      CheckAnew(&env, lose_power);
      EXPECT_TRUE(env.hit());
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace dmarcate
