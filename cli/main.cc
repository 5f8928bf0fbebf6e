// dmarcate: the command line of Dmarcate. Every command that talks to a daemon is one RPC; `parse`
// and `check` need none.

#include <csignal>
#include <iostream>
#include <utility>

#include "fmt/format.h"
#include <CLI/CLI.hpp>

#include "cli/app.h"
#include "cli/catalogue.h"
#include "cli/fleet.h"
#include "cli/mta_sts.h"
#include "cli/server.h"
#include "lib/base/text.h"
#include "lib/base/version.h"

namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  dmarcate check example.com                what is live, is it right (no daemon)\n"
    "  dmarcate parse report.xml.gz              any report to a table (no daemon)\n"
    "  dmarcate domains add example.com          put a domain under management\n"
    "  dmarcate status example.com               where it stands, and what to type next\n"
    "  dmarcate sources list example.com         who sends as this domain\n"
    "  dmarcate changes plan example.com         what would be written\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 3 differences, 4 not allowed, 5 not found, 6 refused "
    "by a guard,\n"
    "7 changed underneath, 8 unavailable, 9 part failed, 10 written but not verified, 11 still "
    "running,\n130 and 143 interrupted.";

// The first example in the help of a command.
std::string ExampleOf(const CLI::App& command) {
  constexpr std::string_view kHead = "Examples:\n";
  const std::string footer = command.get_footer();
  const size_t at = footer.find(kHead);
  if (at == std::string::npos) return "";
  const size_t begin = at + kHead.size();
  // A line that ends in a backslash goes on in the next one.
  size_t end = footer.find('\n', begin);
  while (end != std::string::npos && footer[end - 1] == '\\') end = footer.find('\n', end + 1);
  return footer.substr(begin, end == std::string::npos ? end : end - begin) + "\n";
}

// Below `command` each group shows the first example of each of its commands.
void GiveExamples(CLI::App* command) {
  std::string examples;
  for (CLI::App* each : command->get_subcommands({})) {
    GiveExamples(each);
    examples += ExampleOf(*each);
  }
  if (command->get_parent() != nullptr && !examples.empty()) {
    command->footer("Examples:\n" + examples);
  }
}

// The first word that is an option, and none of `at` or of what it is below.
std::string UnknownOption(const CLI::App& at, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (!word.starts_with("--") || word.size() == 2) continue;
    const std::string name = word.substr(0, word.find('='));
    bool known = name == "--help";
    for (const CLI::App* app = &at; app != nullptr; app = app->get_parent()) {
      known = known || app->get_option_no_throw(name) != nullptr;
    }
    if (!known) return name;
  }
  return "";
}

std::vector<std::string> Subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

// The deepest command that the line reached.
const CLI::App* Selected(const CLI::App& root) {
  const CLI::App* at = &root;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return at;
}

// "sources list", as far as the line got.
std::string PathOf(const CLI::App* command) {
  std::string path;
  for (; command->get_parent() != nullptr; command = command->get_parent()) {
    std::string longer = command->get_name();
    if (!path.empty()) longer.append(" ").append(path);
    path = std::move(longer);
  }
  return path;
}

int Usage(const CLI::App& root, const CLI::ParseError& error, const std::vector<std::string>& words,
          dmarcate::cli::App* app) {
  const CLI::App* at = Selected(root);
  const std::string path = PathOf(at);
  const std::vector<std::string> known = Subcommands(*at);
  std::string why = error.what();
  std::vector<std::string> next;
  // A word where a command was expected is told better than that one is required.
  for (const std::string& word : words) {
    if (known.empty()) break;
    if (word.starts_with("-") || path.find(word) != std::string::npos) continue;
    why = fmt::format("there is no command '{}'", word);
    if (const std::string nearest = dmarcate::Nearest(word, known); !nearest.empty()) {
      next.push_back(fmt::format("dmarcate {}{}{}", path, path.empty() ? "" : " ", nearest));
    }
    break;
  }
  if (const std::string unknown = UnknownOption(*at, words); !unknown.empty()) {
    why = fmt::format("there is no option '{}'", unknown);
  }
  next.push_back(fmt::format("dmarcate {}{}--help", path, path.empty() ? "" : " "));
  app->TakeFormat(words);
  return app->Fail(dmarcate::cli::kUsage, "USAGE", path.empty() ? "command line" : path, why, next);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);
  CLI::App root("Dmarcate: from p=none to p=reject without losing a legitimate mail.", "dmarcate");
  root.footer(kFooter);
  root.set_version_flag("--version", std::string("dmarcate ") + dmarcate::kVersion);
  root.require_subcommand(1);
  root.fallthrough();
  dmarcate::cli::App app(&root);
  dmarcate::cli::AddStatus(&root, &app);
  dmarcate::cli::AddDomains(&root, &app);
  dmarcate::cli::AddSources(&root, &app);
  dmarcate::cli::AddCatalogue(&root, &app);
  dmarcate::cli::AddStats(&root, &app);
  dmarcate::cli::AddSimulate(&root, &app);
  dmarcate::cli::AddRecords(&root, &app);
  dmarcate::cli::AddInsights(&root, &app);
  dmarcate::cli::AddAlerts(&root, &app);
  dmarcate::cli::AddChanges(&root, &app);
  dmarcate::cli::AddFleet(&root, &app);
  dmarcate::cli::AddMtaSts(&root, &app);
  dmarcate::cli::AddRollout(&root, &app);
  dmarcate::cli::AddReports(&root, &app);
  dmarcate::cli::AddTls(&root, &app);
  dmarcate::cli::AddProviders(&root, &app);
  dmarcate::cli::AddServer(&root, &app);
  dmarcate::cli::AddParse(&root, &app);
  dmarcate::cli::AddCheck(&root, &app);
  GiveExamples(&root);
  try {  // CLI11 reports by exceptions; they end here
    root.parse(argc, argv);
  } catch (const CLI::Success& success) {
    const int exit_code = root.exit(success);
    return std::cout.flush() ? exit_code : static_cast<int>(dmarcate::cli::kFailed);
  } catch (const CLI::ParseError& error) {
    return Usage(root, error, {argv + 1, argv + argc}, &app);
  }
  return app.Run();
}
