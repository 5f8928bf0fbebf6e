#include "lib/rpc/daemon.h"

#include <cstdio>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "lib/base/status_macros.h"
#include "lib/base/toml_config.h"
#include "lib/base/version.h"
#include "lib/rpc/signals.h"

namespace dmarcate {

LogConfig ReadLogConfig(TomlConfig& file) {
  LogConfig out;
  out.format = file.OneOf<LogFormat>(
      "log.format", {{"logfmt", LogFormat::kLogfmt}, {"json", LogFormat::kJson}}, out.format);
  out.level = file.OneOf<LogLevel>("log.level",
                                   {{"debug", LogLevel::kDebug},
                                    {"info", LogLevel::kInfo},
                                    {"warn", LogLevel::kWarn},
                                    {"error", LogLevel::kError}},
                                   out.level);
  return out;
}

namespace {

int Check(const DaemonProgram& program, const std::string& path) {
  const StartCheck found = program.check();
  for (const std::string& note : found.notes()) {
    fmt::print(stderr, "{}: note: {}: {}\n", program.name, path, note);
  }
  for (const std::string& error : found.errors()) {
    fmt::print(stderr, "{}: {}: {}\n", program.name, path, error);
  }
  if (!found.errors().empty()) return 1;
  fmt::print("{}: ok\n", path);
  return 0;
}

}  // namespace

int RunDaemon(int argc, char** argv, const DaemonProgram& program) {
  CLI::App app(program.purpose, program.name);
  std::string path = program.config_file;
  bool check = false;
  app.add_option("--config", path, "configuration file")->capture_default_str();
  app.add_flag("--check", check,
               "read the configuration, look at the files it names, say what is wrong, and end");
  app.set_version_flag("--version", fmt::format("{} {}", program.name, kVersion));
  try {  // CLI11 reports by exceptions; they end here
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  BlockSignals();
  const absl::StatusOr<LogConfig> log = program.load(path);
  if (!log.ok()) {
    fmt::print(stderr, "{}: {}\n", program.name, MessageOf(log.status()));
    return 1;
  }
  if (check) return Check(program, path);
  ConfigureLog(log->format, log->level);
  if (const absl::Status status = program.run(); !status.ok()) {
    LogError("failed", {{"error", status}});
    fmt::print(stderr, "{}: {}\n", program.name, MessageOf(status));
    return 1;
  }
  return 0;
}

}  // namespace dmarcate
