#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
