#include "ingestd/intake/maildir.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/digest.h"
#include "lib/mailauth/public_suffix_list.h"
#include "tests/ingestd/fakes.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using ingest_testing::FakeUnpack;
using ingest_testing::ObservedStore;
using testing_support::WaitUntil;

struct NameCase {
  std::string name, file, seen;
  bool unseen = true;
};
const NameCase kNameCases[] = {
    {"New", "1.M1P2.host", "1.M1P2.host:2,S"},
    {"NoFlags", "1.host:2,", "1.host:2,S"},
    {"FlagsInOrder", "1.host:2,TF", "1.host:2,FST"},
    {"AlreadySeen", "1.host:2,RS", "1.host:2,RS", false},
    {"OtherInfo", "1.host:1,S", "1.host:1,S:2,S"},
    {"Hidden", ".dovecot", ".dovecot:2,S", false},
};
class MaildirNameTest : public testing::TestWithParam<NameCase> {};
TEST_P(MaildirNameTest, Case) {
  EXPECT_EQ(SeenName(GetParam().file), GetParam().seen);
  EXPECT_EQ(IsUnseenName(GetParam().file), GetParam().unseen);
}
INSTANTIATE_TEST_SUITE_P(All, MaildirNameTest, testing::ValuesIn(kNameCases),
                         [](const auto& instance) { return instance.param.name; });

class MaildirTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a/new", "a/cur", "a/tmp", "b/new", "b/cur", "b/tmp"}) {
      std::filesystem::create_directories(directory_.File(name));
    }
    crashes_ = *CrashJournal::Open(directory_.File("crashes"));
    pipeline_ = std::make_unique<Pipeline>(
        store_, *suffixes_, *crashes_, FakeUnpack, [](const absl::Status&) {}, PipelineOptions());
    ASSERT_TRUE(pipeline_->Start().ok());
  }
  void TearDown() override {
    if (watcher_) watcher_->Stop();
    pipeline_->Stop(absl::Seconds(20));
  }
  void Start(int64_t limit_bytes = 1000) {
    auto watcher = MaildirWatcher::Start({directory_.File("a"), directory_.File("b")}, limit_bytes,
                                         *pipeline_, budget_, gauge_, options_);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    watcher_ = *std::move(watcher);
  }
  // As a mail server does: write to tmp/, rename to new/.
  void Deliver(const std::string& maildir, const std::string& name, const std::string& content) {
    const std::string temporary = directory_.Write(maildir + "/tmp/" + name, content);
    std::filesystem::rename(temporary, directory_.File(maildir + "/new/" + name));
  }
  bool Exists(const std::string& name) { return std::filesystem::exists(directory_.File(name)); }
  bool Stored(const std::string& content) {
    const auto known = store_.FindByRaw(Sha256(content));
    return known.ok() && known->has_value();
  }

  testing_support::TempDir directory_;
  std::unique_ptr<PublicSuffixList> suffixes_ = BuiltinPublicSuffixList();
  ObservedStore store_;
  std::unique_ptr<CrashJournal> crashes_;
  SystemClock clock_;
  std::atomic<int> used_percent_ = 10;
  StorageGauge gauge_{clock_, {}, [this] { return used_percent_.load(); }};
  ByteBudget budget_{1 << 20};
  MaildirOptions options_{.retry_delay = absl::Milliseconds(20),
                          .settle_time = absl::Milliseconds(20)};
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<MaildirWatcher> watcher_;
};

TEST_F(MaildirTest, WhatLiesThereAndWhatArrivesIsTaken) {
  Deliver("a", "1", "report a.test 1");
  Start();
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
  Deliver("b", "2", "report b.test 2");
  EXPECT_TRUE(WaitUntil([&] { return Exists("b/cur/2:2,S"); }));
  EXPECT_FALSE(Exists("a/new/1"));
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test 1") && Stored("report b.test 2"); }));
}

TEST_F(MaildirTest, AFileIsNotMovedBeforeItsBytesAreDurable) {
  store_.Hold();
  Start();
  Deliver("a", "1", "report a.test 1");
  store_.AwaitHeld();
  EXPECT_TRUE(Exists("a/new/1"));
  store_.Release();
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
}

// As when a later step of the start fails: the pipeline answers after the watcher is gone.
TEST_F(MaildirTest, AnAnswerThatComesAfterTheWatcherStillMarksTheFile) {
  store_.Hold();
  Start();
  Deliver("a", "1", "report a.test 1");
  store_.AwaitHeld();
  watcher_.reset();
  store_.Release();
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
}

TEST_F(MaildirTest, AFileThatIsBeingWrittenInPlaceIsTakenWhole) {
  options_.settle_time = absl::Hours(1);
  std::ofstream file(directory_.File("a/new/1"));
  file << "report a.test" << std::flush;
  Start();
  EXPECT_TRUE(WaitUntil([&, i = 0]() mutable {  // an event is looked at after the first scan
    Deliver("b", fmt::format("{}", ++i), fmt::format("report b.test {}", i));
    return !std::filesystem::is_empty(directory_.File("b/cur"));
  }));
  file << " whole" << std::flush;
  file.close();
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test whole"); }));
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
  EXPECT_FALSE(Stored("report a.test"));
}

TEST_F(MaildirTest, AFileThatChangedAfterItWasTakenIsTakenAgain) {
  store_.Hold();
  Start();
  Deliver("a", "1", "report a.test 1");
  store_.AwaitHeld();
  std::ofstream(directory_.File("a/new/1"), std::ios::app) << "23";
  store_.Release();
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test 123"); }));
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
}

TEST_F(MaildirTest, AFailedCommitLeavesTheFile) {
  store_.FailIf([](const CommitBatch&) { return true; }, absl::UnavailableError("disk"));
  Start();
  Deliver("a", "1", "report a.test 1");
  EXPECT_TRUE(WaitUntil([&] { return !store_.seen().empty(); }));
  watcher_->Stop();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_TRUE(Exists("a/new/1"));
}

TEST_F(MaildirTest, AFileThatVanishesIsNoTrouble) {
  store_.Hold();
  Start();
  Deliver("a", "1", "report a.test 1");
  store_.AwaitHeld();
  // A mail reader opens the mailbox: new/1 becomes cur/1:2, under our hands.
  std::filesystem::rename(directory_.File("a/new/1"), directory_.File("a/cur/1:2,"));
  store_.Release();
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test 1"); }));
}

TEST_F(MaildirTest, SeenMailAndThingsThatAreNoMailStay) {
  directory_.Write("a/cur/1:2,S", "report a.test seen");
  directory_.Write("a/new/.hidden", "report a.test hidden");
  std::filesystem::create_directory(directory_.File("a/new/directory"));
  std::filesystem::create_symlink(directory_.Write("secret", "report a.test secret"),
                                  directory_.File("a/new/link"));
  ASSERT_EQ(mkfifo(directory_.File("a/new/fifo").c_str(), 0600), 0);
  Start();
  Deliver("a", "last", "report a.test last");
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test last"); }));
  watcher_->Stop();
  for (const char* other : {"seen", "hidden", "secret"}) {
    EXPECT_FALSE(Stored(fmt::format("report a.test {}", other))) << other;
  }
}

TEST_F(MaildirTest, AFileAboveTheLimitIsHandedOverCut) {
  Start(100);
  Deliver("a", "big", std::string(500, 'x'));
  EXPECT_TRUE(WaitUntil([&] { return Stored(std::string(101, 'x')); }));
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/big:2,S"); }));
}

TEST_F(MaildirTest, AFileOfTheSameNameInCurIsNotOverwritten) {
  directory_.Write("a/cur/1:2,S", "somebody's mail");
  Start();
  Deliver("a", "1", "report a.test 1");
  EXPECT_TRUE(WaitUntil([&] { return Stored("report a.test 1"); }));
  watcher_->Stop();
  pipeline_->Stop(absl::Seconds(20));
  EXPECT_EQ(std::filesystem::file_size(directory_.File("a/cur/1:2,S")), 15u);
  EXPECT_FALSE(Exists("a/new/1"));
  size_t kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.File("a/cur"))) {
    const std::string name = entry.path().filename();
    kept += name.starts_with("1-") && name.ends_with(":2,S") ? 1 : 0;
  }
  EXPECT_EQ(kept, 1u);
}

TEST_F(MaildirTest, ANameWithoutRoomForTheFlagIsShortened) {
  const std::string name(255, 'n');
  Start();
  Deliver("a", name, "report a.test 1");
  EXPECT_TRUE(WaitUntil([&] { return !Exists("a/new/" + name); }));
  for (const auto& entry : std::filesystem::directory_iterator(directory_.File("a/cur"))) {
    EXPECT_TRUE(entry.path().filename().string().ends_with(":2,S")) << entry.path();
  }
  EXPECT_FALSE(std::filesystem::is_empty(directory_.File("a/cur")));
}

TEST_F(MaildirTest, AFullDiskPausesAndLaterGoesOn) {
  used_percent_ = 95;
  Deliver("a", "1", "report a.test 1");
  Start();
  Deliver("a", "2", "report a.test 2");
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/new/2"); }));
  EXPECT_TRUE(store_.seen().empty());
  used_percent_ = 10;
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S") && Exists("a/cur/2:2,S"); }));
}

TEST_F(MaildirTest, AMaildirThatIsReplacedIsWatchedAgain) {
  Start();
  Deliver("a", "1", "report a.test 1");
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/1:2,S"); }));
  std::filesystem::rename(directory_.File("a/new"), directory_.File("a/old"));
  std::filesystem::create_directory(directory_.File("a/new"));
  Deliver("a", "2", "report a.test 2");
  EXPECT_TRUE(WaitUntil([&] { return Exists("a/cur/2:2,S"); }));
}

TEST_F(MaildirTest, WhatIsNoMaildirIsAnErrorAtStart) {
  EXPECT_EQ(MaildirWatcher::Start({directory_.File("nowhere")}, 1000, *pipeline_, budget_, gauge_)
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST(StorageGauge, ImportIsRefusedBeforeEverythingElse) {
  FakeClock clock(absl::UnixEpoch());
  int percent = 84;
  StorageGauge gauge(clock, {}, [&] { return percent; });
  EXPECT_TRUE(gauge.Admit(Channel::kImport).ok());
  percent = 85;
  EXPECT_TRUE(gauge.Admit(Channel::kImport).ok()) << "asked once a second";
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(gauge.Admit(Channel::kImport).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(gauge.Admit(Channel::kUpload).ok());
  percent = 92;
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(gauge.Admit(Channel::kUpload).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(gauge.Admit(Channel::kMaildir).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(gauge.AdmitRows().ok());
  percent = 97;
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(gauge.AdmitRows().code(), absl::StatusCode::kResourceExhausted);
}

TEST(StorageGauge, WithoutAMeasurementTheLastOneHolds) {
  FakeClock clock(absl::UnixEpoch());
  std::optional<int> percent;
  StorageGauge gauge(clock, {}, [&] { return percent; });
  EXPECT_EQ(gauge.Admit(Channel::kUpload).code(), absl::StatusCode::kResourceExhausted);
  for (const auto& [measured, admitted] :
       {std::pair{95, false}, std::pair{-1, false}, std::pair{50, true}, std::pair{-1, true}}) {
    percent = measured < 0 ? std::nullopt : std::optional(measured);
    clock.Advance(absl::Seconds(1));
    EXPECT_EQ(gauge.Admit(Channel::kUpload).ok(), admitted) << measured;
  }
  EXPECT_FALSE(UsedPercent("/nowhere").has_value());
}

}  // namespace
}  // namespace dmarcate
