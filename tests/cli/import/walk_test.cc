#include "cli/import/walk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include "tests/testing/temp_dir.h"

namespace dmarcate::cli {
namespace {

using testing::ElementsAre;

class WalkTest : public testing::Test {
 protected:
  std::vector<std::string> Walk(const std::string& path, size_t wanted = SIZE_MAX) {
    std::vector<std::string> found;
    const absl::Status status = WalkFiles(
        path, {[&](const std::string& file, int64_t size) {
                 bytes_ += size;
                 found.push_back(file.substr(directory_.path().size() + 1));
                 return found.size() < wanted;
               },
               [&](const std::string& at, std::string_view) { unreadable_.push_back(at); }});
    EXPECT_TRUE(status.ok()) << status;
    return found;
  }
  testing_support::TempDir directory_;
  std::vector<std::string> unreadable_;
  int64_t bytes_ = 0;
};

TEST_F(WalkTest, InOrder) {
  for (const char* name : {"b/2", "a", "b/1", "c", "b/d/x", "Thumbs.db"})
    directory_.Write(name, "123");
  EXPECT_THAT(Walk(directory_.path()), ElementsAre("a", "b/1", "b/2", "b/d/x", "c"));
  EXPECT_EQ(bytes_, 15);
  EXPECT_THAT(Walk(directory_.path(), 2), ElementsAre("a", "b/1"));
  EXPECT_THAT(Walk(directory_.File("c")), ElementsAre("c"));
}

TEST_F(WalkTest, OfAMaildirOnlyDeliveredMail) {
  for (const char* name : {"m/new/1", "m/cur/2:2,S", "m/tmp/3", "m/dovecot.index", "m/.old/cur/4",
                           "m/.old/new/5", "m/.old/tmp/6", "m/.old/maildirfolder"}) {
    directory_.Write(name, "x");
  }
  EXPECT_THAT(Walk(directory_.File("m")),
              ElementsAre("m/.old/cur/4", "m/.old/new/5", "m/cur/2:2,S", "m/new/1"));
}

TEST_F(WalkTest, LinksToFilesAreFollowedAndLoopsAreNot) {
  directory_.Write("d/file", "x");
  std::filesystem::create_symlink("file", directory_.File("d/link"));
  std::filesystem::create_directory_symlink(".", directory_.File("d/loop"));
  std::filesystem::create_symlink("nothing", directory_.File("d/dangling"));
  ASSERT_EQ(mkfifo(directory_.File("d/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Walk(directory_.File("d")), ElementsAre("d/file", "d/link"));
}

TEST_F(WalkTest, UnreadableDirectoriesAreTold) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads everything";
  directory_.Write("d/closed/x", "x");
  directory_.Write("d/open", "x");
  chmod(directory_.File("d/closed").c_str(), 0);
  EXPECT_THAT(Walk(directory_.File("d")), ElementsAre("d/open"));
  EXPECT_THAT(unreadable_, ElementsAre(directory_.File("d/closed")));
  chmod(directory_.File("d/closed").c_str(), 0700);
}

TEST_F(WalkTest, MissingIsAnError) {
  const absl::Status status = WalkFiles(directory_.File("nothing"), {});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dmarcate::cli
