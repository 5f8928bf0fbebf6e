#include "ingestd/intake/snapshot_watcher.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "lib/base/file.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Snapshot Of(std::string domain) { return {{std::move(domain)}, {}}; }

class SnapshotWatcherTest : public testing::Test {
 protected:
  void Publish(const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(file_, text, 0640).ok());
  }
  // What is logged while `act` runs.
  template <typename Act>
  std::string Logged(Act act) {
    testing::internal::CaptureStderr();
    act();
    return testing::internal::GetCapturedStderr();
  }
  testing_support::TempDir directory_;
  const std::string file_ = directory_.File("snapshot");
};

TEST_F(SnapshotWatcherTest, ReadsWhatIsNew) {
  SnapshotWatcher watcher(file_);
  EXPECT_EQ(watcher.Look(), std::nullopt);
  Publish(RenderSnapshot(Of("a.example")));
  EXPECT_EQ(watcher.Look(), Of("a.example"));
  EXPECT_EQ(watcher.Look(), std::nullopt) << "not again";
  Publish(RenderSnapshot(Of("b.example")));  // as long as the one before
  EXPECT_EQ(watcher.Look(), Of("b.example"));
  EXPECT_EQ(SnapshotWatcher("").Look(), std::nullopt);
}

TEST_F(SnapshotWatcherTest, WhatDoesNotParseIsToldOnceAndSkipped) {
  SnapshotWatcher watcher(file_);
  Publish(RenderSnapshot(Of("a.example")));
  EXPECT_NE(watcher.Look(), std::nullopt);
  Publish("dmarcate snapshot 1\ndomain b.exa");
  const std::string first = Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); });
  EXPECT_THAT(first, HasSubstr("event=snapshot_unusable"));
  EXPECT_THAT(first, HasSubstr(file_ + ": line 2: is cut off"));
  EXPECT_THAT(first, HasSubstr("that were read before"));
  EXPECT_EQ(Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); }), "") << "once";
  Publish(RenderSnapshot(Of("b.example")));
  EXPECT_EQ(watcher.Look(), Of("b.example"));
}

TEST_F(SnapshotWatcherTest, AMissingOneIsToldOnce) {
  SnapshotWatcher watcher(file_);
  EXPECT_THAT(Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); }),
              testing::AllOf(HasSubstr("event=snapshot_missing"), HasSubstr("450")));
  EXPECT_EQ(Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); }), "");
  Publish(RenderSnapshot(Of("a.example")));
  EXPECT_EQ(watcher.Look(), Of("a.example"));
  std::filesystem::remove(file_);
  EXPECT_THAT(Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); }),
              testing::AllOf(HasSubstr("event=snapshot_missing"), Not(HasSubstr("450"))));
  Publish(RenderSnapshot(Of("a.example")));
  EXPECT_EQ(watcher.Look(), Of("a.example"));
}

TEST_F(SnapshotWatcherTest, OneThatMayNotBeReadIsReadWhenItMay) {
  SnapshotWatcher watcher(file_);
  // A directory is nothing that root could read, either.
  std::filesystem::create_directory(file_);
  EXPECT_THAT(Logged([&] { EXPECT_EQ(watcher.Look(), std::nullopt); }),
              HasSubstr("event=snapshot_unusable"));
  std::filesystem::remove(file_);
  Publish(RenderSnapshot(Of("a.example")));
  EXPECT_EQ(watcher.Look(), Of("a.example"));
}

TEST_F(SnapshotWatcherTest, WatchesUntilItIsStopped) {
  Publish(RenderSnapshot(Of("a.example")));
  SnapshotWatcher watcher(file_);
  EXPECT_NE(watcher.Look(), std::nullopt);
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto domains = [&] {
    const std::lock_guard lock(mutex);
    return seen;
  };
  watcher.Watch(absl::Milliseconds(1), [&](const Snapshot& snapshot) {
    const std::lock_guard lock(mutex);
    seen.push_back(snapshot.domains.at(0));
  });
  Publish(RenderSnapshot(Of("b.example")));
  EXPECT_TRUE(testing_support::WaitUntil([&] { return domains().size() == 1; }));
  Publish(RenderSnapshot(Of("c.example")));
  EXPECT_TRUE(testing_support::WaitUntil([&] { return domains().size() == 2; }));
  watcher.Stop();
  EXPECT_THAT(domains(), ElementsAre("b.example", "c.example"));
}

}  // namespace
}  // namespace dmarcate
