#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lib/base/file.h"
#include "tests/testing/ends_with_us.h"
#include "tests/testing/golden.h"
#include "tests/testing/process.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/test_data.h"

namespace dmarcate::testing_support {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Process, GivesExitCodeAndOutput) {
  DMARCATE_ASSERT_OK_AND_ASSIGN(const CommandResult result,
                                RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"}));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\nerr\n");
}

TEST(Process, AddedEnvironmentReplacesOurs) {
  ProcessOptions options;
  options.environment = {"HOME=/nowhere"};
  EXPECT_THAT(RunCommand({"sh", "-c", "echo $HOME"}, absl::Seconds(20), options),
              IsOkAndHolds(testing::Field(&CommandResult::output, "/nowhere\n")));
}

TEST(Process, UnknownProgramIsNotFound) {
  EXPECT_THAT(RunCommand({"no-such-program-here"}), StatusIs(absl::StatusCode::kNotFound));
}

TEST(Process, OneThatHangsIsStopped) {
  EXPECT_THAT(RunCommand({"sleep", "100"}, absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("sleep")));
}

TEST(Process, OneThatIgnoresSigtermIsKilled) {
  const TempDir directory;
  DMARCATE_ASSERT_OK_AND_ASSIGN(
      Process process,
      Process::Start({.argv = {"sh", "-c",
                               "trap '' TERM; echo ready > " + directory.File("ready") +
                                   "; while :; do sleep 0.05; done"}}));
  ASSERT_TRUE(WaitUntil([&] { return std::filesystem::exists(directory.File("ready")); }));
  EXPECT_EQ(process.Stop(absl::Milliseconds(50)), 128 + 9);
  EXPECT_FALSE(process.Running());
}

std::string StatusOf(pid_t pid, const std::string& file) {
  return ReadFile("/proc/" + std::to_string(pid) + "/" + file, 4096).value_or("");
}

// Ended; its new parent may not have asked for its exit code yet.
bool HasEnded(pid_t pid) {
  const std::string stat = StatusOf(pid, "stat");
  return stat.empty() || stat.find(") Z ") != std::string::npos;
}

// In a process of its own: starts a program that lost its parent-death signal, tells its id, and
// stays.
void StartAndStay(EndsWithUs* (*watch)(pid_t), int tell) {
  absl::StatusOr<Process> program =
      Process::Start({.argv = {"setpriv", "--pdeathsig", "clear", "sleep", "600"}});
  if (!program.ok()) _exit(1);
  const pid_t pid = program->pid();
  if (!WaitUntil([&] { return StatusOf(pid, "comm") == "sleep\n"; })) _exit(1);
  watch(pid);
  if (write(tell, &pid, sizeof pid) != sizeof pid) _exit(1);
  while (true) pause();
}

// The program that is left, or has ended, after `signal` ended who started it.
pid_t ProgramOfOneEndedBy(int signal, EndsWithUs* (*watch)(pid_t)) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd hear(ends[0]);
  UniqueFd tell(ends[1]);
  const pid_t starter = fork();
  if (starter == 0) StartAndStay(watch, tell.get());
  tell.Reset();
  pid_t program = -1;
  EXPECT_EQ(read(hear.get(), &program, sizeof program), ssize_t{sizeof program});
  kill(starter, signal);
  int status = 0;
  EXPECT_EQ(waitpid(starter, &status, 0), starter);
  EXPECT_EQ(WTERMSIG(status), signal);
  return program;
}

EndsWithUs* Watch(pid_t pid) { return new EndsWithUs(*EndsWithUs::Watch(pid)); }

TEST(EndsWithUs, AProgramEndsHoweverWeEnd) {
  for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
    const pid_t program = ProgramOfOneEndedBy(signal, Watch);
    ASSERT_GT(program, 0);
    EXPECT_TRUE(WaitUntil([&] { return HasEnded(program); })) << signal;
  }
}

TEST(EndsWithUs, ItGoesOnOnceItIsNotWatchedAnyMore) {
  const pid_t program = ProgramOfOneEndedBy(SIGKILL, [](pid_t pid) -> EndsWithUs* {
    delete Watch(pid);
    return nullptr;
  });
  ASSERT_GT(program, 0);
  EXPECT_FALSE(WaitUntil([&] { return HasEnded(program); }, absl::Milliseconds(200)));
  kill(program, SIGKILL);
}

TEST(FreePort, NeverTheSameTwice) { EXPECT_NE(FreePort(), FreePort()); }

TEST(TempDir, GoesWithAllItHolds) {
  std::string path;
  {
    const TempDir directory;
    path = directory.path();
    directory.Write("a/b/c", "x");
    EXPECT_EQ(ReadWholeFile(directory.File("a/b/c")), "x");
  }
  EXPECT_EQ(std::filesystem::exists(path), std::getenv("DMARCATE_KEEP_TEMP") != nullptr);
}

TEST(Golden, NamesFileAndLine) {
  EXPECT_THAT(std::string("one\ntwo\n"), MatchesGolden("testing/golden.txt"));
  if (std::getenv("DMARCATE_UPDATE_GOLDEN") != nullptr) GTEST_SKIP() << "would be rewritten";
  EXPECT_THAT(CompareWithGolden("one\nthree\n", "testing/golden.txt"),
              AllOf(HasSubstr("line 2"), HasSubstr("want: two"), HasSubstr("got:  three")));
  EXPECT_THAT(CompareWithGolden("", "testing/missing.txt"), HasSubstr("DMARCATE_UPDATE_GOLDEN"));
}

TEST(StatusMatchers, Match) {
  const absl::Status failed = absl::NotFoundError("no zone");
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kNotFound, HasSubstr("zone")));
  EXPECT_THAT(failed, Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(3), IsOkAndHolds(testing::Gt(2)));
  EXPECT_THAT(absl::StatusOr<int>(failed), Not(IsOkAndHolds(3)));
}

}  // namespace
}  // namespace dmarcate::testing_support
