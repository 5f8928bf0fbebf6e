#include "tests/cli/daemons.h"

#include <cstdlib>
#include <utility>

#include "fmt/format.h"
#include "gtest/gtest.h"

#include "lib/base/status_macros.h"

namespace dmarcate::cli_testing {

std::string Daemons::Program(const std::string& name) {
  const char* directory = std::getenv("DMARCATE_BIN");
  return fmt::format("{}/{}", directory != nullptr ? directory : "build/bin", name);
}

absl::Status Daemons::StartPolicyd(const std::string& more, const std::string& dns) {
  const std::string config = fmt::format(R"(
[listen]
socket = "{0}/policyd/socket"
[store]
directory = "{0}/policy"
[secrets]
directory = "{0}/secrets"
[dns]
{1}
[reports]
directory = "{0}/reports"
)",
                                         directory().path(), dns);
  const std::string path = directory().Write("policyd.toml", config + more);
  testing_support::ProcessOptions options;
  options.argv = {Program("policyd"), "--config", path};
  options.output_path = directory().File("policyd.log");
  DMARCATE_ASSIGN_OR_RETURN(policyd_, testing_support::Process::Start(options));
  const bool answers = testing_support::WaitUntil(
      [&] { return policyd_->Running() && Run({"domains", "list"}).exit_code == 0; });
  if (!answers) return MakeError(absl::StatusCode::kUnavailable, "policyd does not answer");
  return absl::OkStatus();
}

std::vector<std::string> Daemons::Command(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {Program("dmarcate"),
                                   "--server=unix:" + directory().File("policyd/socket"),
                                   "--ingest-server=unix:" + directory().File("run/socket")};
  for (std::string& argument : arguments) argv.push_back(std::move(argument));
  return argv;
}

testing_support::CommandResult Daemons::Run(std::vector<std::string> arguments) const {
  const auto result =
      testing_support::RunCommand(Command(std::move(arguments)), absl::Seconds(100));
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : testing_support::CommandResult{-1, ""};
}

}  // namespace dmarcate::cli_testing
