// The store against kill -9, a disk that fails and bits that flip (safety.md section 2).

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rocksdb/env.h"

#include "lib/base/digest.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/store/rocks_policy_store.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {
namespace {

using testing::AnyOf;
using testing::Eq;
using testing::SizeIs;

constexpr char kDomain[] = "example.com";
constexpr char kChildVariable[] = "DMARCATE_STORE_CRASH_CHILD";

// ---- kill -9 ----

// Runs in a process of its own until it is killed: accepts "raw N" and processes what it accepted
// before, in synced commits; a line in the ledger for each acknowledgement.
TEST(DISABLED_CrashChild, Commits) {
  const char* directory = std::getenv(kChildVariable);
  ASSERT_NE(directory, nullptr);
  auto writer = *RocksReportWriter::Open(std::string(directory) + "/reports");
  const int ledger =
      open((std::string(directory) + "/ledger").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0600);
  ASSERT_GE(ledger, 0);
  while (true) {
    const auto pending = writer->Pending(100);
    if (!pending.ok()) std::abort();
    CommitBatch batch;
    std::string lines;
    for (const Receipt& receipt : *pending) {
      const std::string text = std::to_string(receipt.id);
      batch.processed.push_back(Process(
          receipt.id, {MakeReport(kDomain, kTestDay + static_cast<DayNumber>(receipt.id % 3), text,
                                  "doc " + text, {receipt.id})}));
      lines += "processed " + text + "\n";
    }
    batch.accepted.push_back(Accept("raw " + std::to_string(getpid()) + " " +
                                    std::to_string(std::rand()) + std::string(3000, 'x')));
    const std::string hash = ToHex(batch.accepted[0].receipt.raw_sha256);
    const auto result = writer->Commit(std::move(batch), Sync::kYes);
    if (!result.ok()) std::abort();
    lines += "accepted " + std::to_string(result->accepted[0]) + " " + hash + "\n";
    if (write(ledger, lines.data(), lines.size()) < 0) std::abort();
  }
}

pid_t StartChild(const std::string& directory) {
  const pid_t child = fork();
  if (child != 0) return child;
  setenv(kChildVariable, directory.c_str(), 1);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, STDOUT_FILENO);
  execl("/proc/self/exe", "store_durability_test", "--gtest_filter=DISABLED_CrashChild.Commits",
        "--gtest_also_run_disabled_tests", nullptr);
  _exit(127);
}

size_t SizeOf(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<size_t>(size);
}

TEST(StoreDurability, KilledAtAnyMomentItHasWhatItAcknowledgedOnce) {
  const TempDir directory;
  const std::string ledger = directory.path("ledger");
  std::mt19937_64 random(std::random_device{}());
  for (int round = 0; round < 8; ++round) {
    const size_t before = SizeOf(ledger);
    const pid_t child = StartChild(directory.path(""));
    ASSERT_GT(child, 0);
    // Until it has acknowledged something, and then some moments more.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const size_t until = before + 200 + random() % 4000;
    while (SizeOf(ledger) < until && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
      usleep(200);
    }
    ASSERT_GE(SizeOf(ledger), until) << "the child does not commit";
    // A follower reads meanwhile, from another process than the writer's.
    auto reader = RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                            absl::Seconds(20));
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_TRUE((*reader)->CatchUp().ok());
    EXPECT_EQ(*(*reader)->ReadTotals(kDomain, 0, kTestDay + 9),
              *RecountTotals(**reader, kDomain, 0, kTestDay + 9));
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);

    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    std::ifstream lines(ledger);
    std::string what, hash;
    ReceiptId id = 0, last = 0;
    std::map<ReceiptId, bool> processed;
    while (lines >> what >> id) {
      if (what == "accepted") {
        lines >> hash;
        EXPECT_EQ(Sha256Hex(*writer->ReadRaw(FromHex(hash))), hash);
        EXPECT_TRUE(processed.emplace(id, false).second) << "two receipts " << id;
        last = id;
      } else {
        processed[id] = true;
      }
    }
    ASSERT_TRUE((*reader)->CatchUp().ok());
    // What is not pending has been counted, in both cases once: the message count of a report is
    // the number of its receipt.
    uint64_t want = 0, got = 0;
    const auto pending = *writer->Pending(1000);
    ASSERT_LE(pending.size(), 2u);  // the last one, and one that was committed but not acknowledged
    for (ReceiptId receipt = 1; receipt < pending.front().id; ++receipt) want += receipt;
    for (const auto& [receipt, done] : processed) {
      if (done) {
        EXPECT_LT(receipt, pending.front().id);
      }
    }
    EXPECT_GE(pending.back().id, last);
    const auto totals = *(*reader)->ReadTotals(kDomain, 0, kTestDay + 9);
    for (const DayTotals& day : totals) got += day.messages;
    EXPECT_EQ(got, want);
    EXPECT_EQ(*(*reader)->ReadTotals(kDomain, 0, kTestDay + 9),
              *RecountTotals(**reader, kDomain, 0, kTestDay + 9));
  }
}

// ---- A disk that fails ----

// What the log does while `fail` is set.
class FailingFile final : public rocksdb::WritableFileWrapper {
 public:
  FailingFile(std::unique_ptr<rocksdb::WritableFile> file, const std::atomic<int>& fail)
      : WritableFileWrapper(file.get()), file_(std::move(file)), fail_(fail) {}
  rocksdb::Status Append(const rocksdb::Slice& data) override {
    if (fail_ == 2) return rocksdb::Status::NoSpace("injected");
    return WritableFileWrapper::Append(data);
  }
  rocksdb::Status Sync() override {
    if (fail_ == 1) return rocksdb::Status::IOError("injected");
    return WritableFileWrapper::Sync();
  }
  rocksdb::Status Fsync() override { return Sync(); }

 private:
  std::unique_ptr<rocksdb::WritableFile> file_;
  const std::atomic<int>& fail_;
};

class FailingEnv final : public rocksdb::EnvWrapper {
 public:
  FailingEnv() : EnvWrapper(rocksdb::Env::Default()) {}
  rocksdb::Status NewWritableFile(const std::string& name,
                                  std::unique_ptr<rocksdb::WritableFile>* result,
                                  const rocksdb::EnvOptions& options) override {
    rocksdb::Status status = EnvWrapper::NewWritableFile(name, result, options);
    if (status.ok() && name.ends_with(".log")) {
      *result = std::make_unique<FailingFile>(std::move(*result), fail);
    }
    return status;
  }
  std::atomic<int> fail = 0;  // 1: sync fails, 2: the disk is full
};

TEST(StoreDurability, AfterAFailedWriteNothingIsAcknowledgedUntilItIsOpenedAgain) {
  const std::pair<int, absl::StatusCode> cases[] = {{1, absl::StatusCode::kUnavailable},
                                                    {2, absl::StatusCode::kResourceExhausted}};
  for (const auto& [fail, want] : cases) {
    SCOPED_TRACE(fail);
    const TempDir directory;
    FailingEnv env;
    const auto batch = [](const std::string& raw) {
      CommitBatch out;
      out.accepted.push_back(Accept(raw));
      return out;
    };
    {
      auto opened = RocksReportWriter::Open(directory.path("reports"), &env);
      ASSERT_TRUE(opened.ok()) << opened.status();
      auto& writer = **opened;
      ASSERT_TRUE(writer.Commit(batch("good"), Sync::kYes).ok());
      env.fail = fail;
      EXPECT_EQ(writer.Commit(batch("bad"), Sync::kYes).status().code(), want);
      env.fail = 0;
      EXPECT_EQ(writer.Commit(batch("later"), Sync::kYes).status().code(),
                absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(writer.Commit(batch("later"), Sync::kNo).status().code(),
                absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(*writer.ReadRaw(Sha256("good")), "good");
    }
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    EXPECT_EQ(*writer->ReadRaw(Sha256("good")), "good");
    EXPECT_TRUE(writer->Commit(batch("later"), Sync::kYes).ok());
    EXPECT_EQ(writer->ReadRaw(Sha256("later")).status(), absl::OkStatus());
  }
}

TEST(StoreDurability, PolicyIsNotAcknowledgedWithoutASync) {
  const TempDir directory;
  FailingEnv env;
  DomainRecord domain;
  domain.name = kDomain;
  {
    auto store = *RocksPolicyStore::Open(directory.path("policy"), &env);
    domain = *store->PutDomain(domain);
    env.fail = 1;
    EXPECT_EQ(store->PutDomain(domain).status().code(), absl::StatusCode::kUnavailable);
    env.fail = 0;
    EXPECT_EQ(store->PutDomain(domain).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  auto store = *RocksPolicyStore::Open(directory.path("policy"));
  EXPECT_GE(store->GetDomain(kDomain)->revision, 1u);
}

// ---- Bits that flip ----

TEST(StoreDurability, AFlippedByteInAFileIsAnErrorAndNeverAnotherNumber) {
  const TempDir directory;
  std::mt19937_64 random(42);
  std::string want;
  std::vector<std::string> raws;
  {
    auto writer = *RocksReportWriter::Open(directory.path("reports"));
    for (int i = 0; i < 60; ++i) {
      std::string raw = std::to_string(i);
      for (int k = 0; k < 200; ++k) raw += std::to_string(random());
      raws.push_back(raw);
      ASSERT_TRUE(AcceptAndProcess(*writer, raw, {RandomReport(random)}).ok());
    }
    ASSERT_TRUE(writer->Compact().ok());
    auto reader = *RocksReportReader::Follow(directory.path("reports"), directory.path("follower"),
                                             absl::Seconds(20));
    want = *Dump(*reader);
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path("reports"))) {
    const std::string extension = entry.path().extension();
    if (extension == ".sst") files.push_back(entry.path().filename());
  }
  ASSERT_GE(files.size(), 4u);
  const auto noticed = AnyOf(Eq(absl::StatusCode::kDataLoss), Eq(absl::StatusCode::kUnavailable),
                             Eq(absl::StatusCode::kFailedPrecondition));
  int errors = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string copy = directory.path("copy");
    std::filesystem::remove_all(copy);
    std::filesystem::copy(directory.path("reports"), copy);
    const std::filesystem::path file = copy / files[static_cast<size_t>(i) % files.size()];
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(random() % std::filesystem::file_size(file));
    stream.seekg(at);
    const int byte = stream.get();
    stream.seekp(at);
    stream.put(static_cast<char>(byte ^ (1 << (random() % 8))));
    stream.close();
    SCOPED_TRACE(file.string() + " at " + std::to_string(at));

    auto reader = RocksReportReader::Follow(copy, directory.path("follower 2"), absl::Seconds(0));
    if (!reader.ok()) {
      ++errors;
      continue;
    }
    const auto got = Dump(**reader);
    if (got.ok()) {
      EXPECT_EQ(*got, want);
    } else {
      EXPECT_THAT(got.status().code(), noticed) << got.status();
      ++errors;
    }
    for (const std::string& raw : raws) {
      const auto bytes = (*reader)->ReadRaw(Sha256(raw));
      if (bytes.ok()) {
        EXPECT_EQ(*bytes, raw);
      } else {
        EXPECT_THAT(bytes.status().code(), noticed) << bytes.status();
        ++errors;
      }
    }
  }
  EXPECT_GT(errors, 20);  // most bytes matter
}

}  // namespace
}  // namespace dmarcate
