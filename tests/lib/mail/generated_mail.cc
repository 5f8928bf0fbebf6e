#include "tests/lib/mail/generated_mail.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "tests/testing/process.h"

namespace dmarcate {
namespace {

constexpr char kGenerator[] = "../shared/tools/gen_reports.py";

}  // namespace

bool HaveReportGenerator() {
  return std::filesystem::exists(kGenerator) && !testing_support::FindProgram("python3").empty();
}

void GenerateReports(const testing_support::TempDir& directory, int reports,
                     const std::vector<std::string>& more_arguments) {
  std::vector<std::string> argv = {
      "python3", kGenerator, "--out",  directory.path(), "--reports", std::to_string(reports),
      "--kind",  "mix",      "--seed", "20261124",       "--format",  "eml,attachments,mbox"};
  argv.insert(argv.end(), more_arguments.begin(), more_arguments.end());
  const auto result = testing_support::RunCommand(argv, absl::Seconds(120));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->exit_code, 0) << result->output;
}

std::vector<std::string> FilesBelow(const std::string& root, const std::string& suffix) {
  std::vector<std::string> out;
  if (!std::filesystem::exists(root)) return out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    std::string path = entry.path().string();
    if (entry.is_regular_file() && path.ends_with(suffix)) out.push_back(std::move(path));
  }
  std::ranges::sort(out);
  return out;
}

}  // namespace dmarcate
