// The file that policyd writes for ingestd: what is in it, and what a crash leaves of it.

#include "policyd/service/snapshot_publisher.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "lib/base/file.h"
#include "lib/snapshot/snapshot.h"
#include "lib/store/fake_policy_store.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kOld[] = "r-0000000000000000@reports.example";
constexpr char kNew[] = "r-1111111111111111@reports.example";

class SnapshotPublisherTest : public testing::Test {
 protected:
  void Put(const std::string& name, const std::vector<ReportAddressRecord>& addresses) {
    DomainRecord record;
    record.name = name;
    record.report_addresses = addresses;
    if (const auto known = policies_.GetDomain(name); known.ok()) record.revision = known->revision;
    ASSERT_TRUE(policies_.PutDomain(record).ok());
  }
  std::string Text() const { return ReadFile(file_, 1 << 20).value_or("none"); }
  std::vector<std::string> Files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      out.push_back(entry.path().filename());
    }
    std::ranges::sort(out);
    return out;
  }
  ino_t Inode() const {
    struct stat info = {};
    return stat(file_.c_str(), &info) == 0 ? info.st_ino : 0;
  }

  testing_support::TempDir directory_;
  const std::string file_ = directory_.File("ingestd");
  FakePolicyStore policies_;
};

TEST_F(SnapshotPublisherTest, SaysWhatIsStored) {
  Put("example.com", {{kOld, absl::UnixEpoch(), absl::UnixEpoch()}, {kNew, absl::UnixEpoch()}});
  Put("example.net", {});
  SnapshotPublisher publisher(policies_, policies_, file_);
  ASSERT_TRUE(publisher.Publish().ok());
  EXPECT_EQ(Text(),
            "dmarcate snapshot 1\ndomain example.com\ndomain example.net\n"
            "address r-1111111111111111@reports.example example.com\nend 3\n");
  EXPECT_TRUE(publisher.Says(kNew, true));
  EXPECT_TRUE(publisher.Says(kOld, false)) << "revoked";
  struct stat info = {};
  ASSERT_EQ(stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u) << "for the group";
}

TEST_F(SnapshotPublisherTest, WritesOnlyWhatIsNotThereYet) {
  Put("example.com", {});
  SnapshotPublisher publisher(policies_, policies_, file_);
  ASSERT_TRUE(publisher.Publish().ok());
  const ino_t first = Inode();
  ASSERT_TRUE(publisher.Publish().ok());
  ASSERT_TRUE(SnapshotPublisher(policies_, policies_, file_).Publish().ok()) << "a restart";
  EXPECT_EQ(Inode(), first);
  // What somebody else did to it is put right.
  directory_.Write("ingestd", "dmarcate snapshot 1\nend 0\n");
  ASSERT_TRUE(publisher.Publish().ok());
  EXPECT_EQ(Text(), "dmarcate snapshot 1\ndomain example.com\nend 1\n");
  std::filesystem::remove(file_);
  ASSERT_TRUE(publisher.Publish().ok());
  EXPECT_EQ(Text(), "dmarcate snapshot 1\ndomain example.com\nend 1\n");
}

// A disk that is not mounted, a back-up: the addresses are in the DNS, and their reports are not to
// be refused because of it.
TEST_F(SnapshotPublisherTest, AStoreThatHasNeverKnownWhatIsThereDoesNotReplaceIt) {
  Put("example.com", {{kOld, absl::UnixEpoch()}, {kNew, absl::UnixEpoch()}});
  ASSERT_TRUE(SnapshotPublisher(policies_, policies_, file_).Publish().ok());
  const std::string text = Text();

  FakePolicyStore empty;
  SnapshotPublisher without(empty, empty, file_);
  const absl::Status refused = without.Publish();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(refused.message().find("example.com"), std::string_view::npos) << refused;

  Put("example.com", {{kOld, absl::UnixEpoch()}});
  SnapshotPublisher older(policies_, policies_, file_);
  EXPECT_EQ(older.Publish().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(older.Says(kNew, true)) << "it still takes them";
  EXPECT_EQ(Text(), text);

  Put("example.com", {{kOld, absl::UnixEpoch()}, {kNew, absl::UnixEpoch(), absl::UnixEpoch()}});
  EXPECT_TRUE(older.Publish().ok()) << "revoked is known";
  EXPECT_TRUE(older.Says(kNew, false));
  std::filesystem::remove(file_);
  EXPECT_TRUE(without.Publish().ok()) << "as the message says";
}

TEST_F(SnapshotPublisherTest, AFailureTellsWhatTheFileStillSays) {
  Put("example.com", {{kOld, absl::UnixEpoch()}});
  ASSERT_TRUE(SnapshotPublisher(policies_, policies_, file_).Publish().ok());
  Put("example.com", {{kOld, absl::UnixEpoch(), absl::UnixEpoch()}});
  SnapshotPublisher publisher(policies_, policies_, directory_.File("away/ingestd"));
  EXPECT_FALSE(publisher.Publish().ok());
  EXPECT_FALSE(publisher.Says(kOld, false)) << "not known";
  EXPECT_FALSE(publisher.Says(kOld, true));
}

TEST_F(SnapshotPublisherTest, WhatTheGroupMayNotReadIsWrittenAnew) {
  Put("example.com", {});
  SnapshotPublisher publisher(policies_, policies_, file_);
  ASSERT_TRUE(publisher.Publish().ok());
  std::filesystem::permissions(file_, std::filesystem::perms::owner_read);
  ASSERT_TRUE(publisher.Publish().ok());
  struct stat info = {};
  ASSERT_EQ(stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
}

TEST_F(SnapshotPublisherTest, WithoutAFileNothingIsPublished) {
  Put("example.com", {{kNew, absl::UnixEpoch()}});
  SnapshotPublisher publisher(policies_, policies_, "");
  EXPECT_TRUE(publisher.Publish().ok());
  EXPECT_FALSE(publisher.Says(kNew, true));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SnapshotPublisherTest, WithoutItsDirectoryNothingIsPublished) {
  Put("example.com", {{kNew, absl::UnixEpoch()}});
  SnapshotPublisher publisher(policies_, policies_, directory_.File("absent/ingestd"));
  EXPECT_EQ(publisher.Publish().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(publisher.Says(kNew, true));
}

// From now on this process ends at its next call of `number`. False: the kernel does not let us.
bool DieAt(long number) {
  const sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {static_cast<unsigned short>(std::size(code)),
                              const_cast<sock_filter*>(code)};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct Step {
  std::string name;
  long number;
};
#ifdef SYS_rename
constexpr long kRename = SYS_rename;
#else
constexpr long kRename = SYS_renameat;
#endif
const Step kSteps[] = {{"Open", SYS_openat}, {"Mode", SYS_fchmod}, {"Write", SYS_write},
                       {"Sync", SYS_fsync},  {"Rename", kRename},  {"Directory", SYS_getdents64}};

// A policyd that is killed at any step of a write leaves the old snapshot or the new one, and the
// next one publishes what was stored.
class KilledPublisherTest : public SnapshotPublisherTest,
                            public testing::WithParamInterface<Step> {};
TEST_P(KilledPublisherTest, LosesNothing) {
  Put("example.com", {{kOld, absl::UnixEpoch()}});
  ASSERT_TRUE(SnapshotPublisher(policies_, policies_, file_).Publish().ok());
  const std::string before = Text();
  Put("example.com", {{kOld, absl::UnixEpoch()}, {kNew, absl::UnixEpoch()}});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr int kNotAllowed = 7;
    if (!DieAt(GetParam().number)) _exit(kNotAllowed);
    SnapshotPublisher(policies_, policies_, file_).Publish().IgnoreError();
    _exit(0);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 7) GTEST_SKIP() << "no seccomp here";
  ASSERT_TRUE(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGSYS) << ended;
  EXPECT_EQ(Text(), before) << "none of these steps comes after the rename";

  SnapshotPublisher after(policies_, policies_, file_);
  ASSERT_TRUE(after.Publish().ok());
  const auto snapshot = ParseSnapshot(Text());
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->addresses.size(), 2u);
  EXPECT_TRUE(after.Says(kNew, true));
  EXPECT_THAT(Files(), ElementsAre("ingestd")) << "no temporary file is left";
}
INSTANTIATE_TEST_SUITE_P(All, KilledPublisherTest, testing::ValuesIn(kSteps),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace dmarcate
