// Programs that do not do what they should: every one of them ends, in time, with nothing left
// behind.

#include "policyd/provider/exec/program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/time/clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace dmarcate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::StatusIs;

class RunProgramTest : public testing::Test {
 protected:
  std::string Script(const std::string& text, mode_t mode = 0755) {
    const std::string path = directory_.Write("program", "#!/bin/sh\n" + text + "\n");
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  ProgramEnd Run(const std::string& text, ProgramRun run = {}) {
    run.argv.insert(run.argv.begin(), Script(text));
    const absl::StatusOr<ProgramEnd> end = RunProgram(run);
    EXPECT_TRUE(end.ok()) << end.status();
    return end.ok() ? *end : ProgramEnd{};
  }
  testing_support::TempDir directory_;
};

TEST_F(RunProgramTest, GetsItsInputAndArgumentsAndNothingElse) {
  const std::string input(300'000, 'x');
  const ProgramEnd end =
      Run("cat; printf '|%s|%s' \"$1\" \"$2\" >&2; env | sort >&2; pwd >&2; "
          "ls /proc/self/fd | wc -l >&2",
          {.argv = {"a b", "$(id);`id`"}, .environment = {"X=1"}, .input = input});
  EXPECT_EQ(end.how, ProgramEnd::How::kExited);
  EXPECT_EQ(end.code, 0);
  EXPECT_EQ(end.output, input);
  EXPECT_THAT(end.error, testing::StartsWith("|a b|$(id);`id`"));
  EXPECT_THAT(end.error, HasSubstr("X=1\n"));
  EXPECT_THAT(end.error, HasSubstr("\n/\n"));
  EXPECT_THAT(end.error, Not(HasSubstr("HOME=")));
  // 0, 1, 2 and the one by which ls reads.
  EXPECT_THAT(end.error, testing::EndsWith("\n4\n"));
}

TEST_F(RunProgramTest, ReadsItsSecretFromADescriptorAsOftenAsItLikes) {
  const ProgramEnd end =
      Run("cat <&3; cat /dev/fd/3; tr '\\0' ' ' </proc/$$/cmdline; tr '\\0' ' ' </proc/$$/environ",
          {.secret = "s3cret\n"});
  EXPECT_THAT(end.output, testing::StartsWith("s3cret\ns3cret\n/bin/sh"));
  EXPECT_THAT(end.output.substr(14), Not(HasSubstr("s3cret")));
  EXPECT_NE(Run("cat <&3").code, 0) << "there is no descriptor 3 without a secret";
}

TEST_F(RunProgramTest, SaysHowItEnded) {
  const ProgramRun run;
  ProgramEnd end = Run("echo why >&2; exit 3");
  EXPECT_EQ(DescribeEnd(end, run), "exit status 3");
  EXPECT_EQ(end.error, "why\n");
  end = Run("kill -SEGV $$");
  EXPECT_EQ(end.how, ProgramEnd::How::kSignalled);
  EXPECT_EQ(end.code, SIGSEGV);
}

TEST_F(RunProgramTest, OneThatHangsIsKilledWithItsChildren) {
  const std::string pid_file = directory_.path() + "/pid";
  const absl::Time begin = absl::Now();
  const ProgramEnd end =
      Run("trap '' TERM INT HUP; sleep 1000 & echo $! >" + pid_file + "; sleep 1000",
          {.time_limit = absl::Milliseconds(300)});
  EXPECT_EQ(end.how, ProgramEnd::How::kTimedOut);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  pid_t child = 0;
  std::ifstream(pid_file) >> child;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(testing_support::WaitUntil([&] {
    std::string state;
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::getline(stat, state);
    return !stat || state.find(") Z ") != std::string::npos;
  })) << "a child is left";
}

TEST_F(RunProgramTest, AChildThatKeepsTheOutputOpenHoldsNothingUp) {
  const absl::Time begin = absl::Now();
  const ProgramEnd end = Run("sleep 1000 & echo done");
  EXPECT_EQ(end.how, ProgramEnd::How::kExited);
  EXPECT_EQ(end.output, "done\n");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

TEST_F(RunProgramTest, AChildThatLeavesTheGroupHoldsNothingUpEither) {
  const absl::Time begin = absl::Now();
  const ProgramEnd end = Run("setsid sleep 15 & echo done");
  EXPECT_EQ(end.output, "done\n");
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

TEST_F(RunProgramTest, AFloodIsCut) {
  ProgramEnd end = Run("exec cat /dev/zero", {.output_limit_bytes = 100'000});
  EXPECT_EQ(end.how, ProgramEnd::How::kFlooded);
  EXPECT_LE(end.output.size(), 100'000u);
  end = Run("exec cat /dev/zero >&2");
  EXPECT_EQ(end.how, ProgramEnd::How::kFlooded);
  EXPECT_EQ(end.error.size(), ProgramEnd::kErrorLimitBytes);
  EXPECT_TRUE(end.error_was_cut);
  // As much as it may.
  end = Run("head -c 100000 /dev/zero", {.output_limit_bytes = 100'000});
  EXPECT_EQ(end.how, ProgramEnd::How::kExited);
  EXPECT_EQ(end.output.size(), 100'000u);
}

TEST_F(RunProgramTest, OneThatReadsNothingIsNoTrouble) {
  const std::string input(size_t{8} << 20, 'x');
  EXPECT_EQ(Run("exec <&-; echo fine", {.input = input}).output, "fine\n");
}

TEST_F(RunProgramTest, OneThatClosesItsOutputIsWaitedFor) {
  const ProgramEnd end = Run("exec >&- 2>&-; sleep 0.3; exit 7");
  EXPECT_EQ(end.how, ProgramEnd::How::kExited);
  EXPECT_EQ(end.code, 7);
}

TEST_F(RunProgramTest, RefusesWhatOthersCanChangeAndWhatIsNoProgram) {
  const auto refused = [](const std::string& path) {
    return RunProgram({.argv = {path}}).status();
  };
  EXPECT_THAT(refused("program"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("absolute")));
  EXPECT_THAT(refused("/nowhere/program"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(refused("/"), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("regular")));
  EXPECT_THAT(refused(Script("exit 0", 0775)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod go-w")));
  EXPECT_THAT(refused(Script("exit 0", 0757)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(refused(Script("exit 0", 0644)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("run")));
  // Its interpreter is not there.
  const std::string path = directory_.Write("program", "#!/nowhere/interpreter\n");
  ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  EXPECT_THAT(refused(path), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("run")));
  EXPECT_THAT(RunProgram({}), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RunProgramTest, RefusesAPlaceWhereOthersCanPutAnotherOne) {
  const std::string path = directory_.Write("open/program", "#!/bin/sh\nexit 0\n");
  const std::string open = directory_.File("open");
  ASSERT_EQ(chmod(path.c_str(), 0755), 0);
  const auto run = [](const std::string& program) {
    return RunProgram({.argv = {program}}).status();
  };
  EXPECT_TRUE(run(path).ok()) << run(path);
  for (const mode_t mode : {0775, 0757}) {
    ASSERT_EQ(chmod(open.c_str(), mode), 0);
    EXPECT_THAT(run(path), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("others can change " + open)));
    // A link that only its owner can change leads there.
    const std::string link = directory_.File("link");
    (void)unlink(link.c_str());
    ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
    EXPECT_THAT(run(link), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(open)));
  }
  ASSERT_EQ(chmod(open.c_str(), 01777), 0);  // as /tmp is: nobody else's files go there
  EXPECT_TRUE(run(path).ok()) << run(path);
}

TEST_F(RunProgramTest, NoDescriptorIsLeft) {
  const auto count = [] {
    size_t n = 0;
    for (int fd = 0; fd < 1000; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return n;
  };
  Run("exit 0");
  const size_t before = count();
  for (int i = 0; i < 20; ++i) Run("echo x; exit 1", {.secret = "s"});
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace dmarcate
