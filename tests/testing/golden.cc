#include "tests/testing/golden.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lib/base/text.h"
#include "tests/testing/test_data.h"

namespace dmarcate::testing_support {

std::string CompareWithGolden(std::string_view got, const std::string& name) {
  const std::string path = DataPath(name);
  const char* const update = std::getenv("DMARCATE_UPDATE_GOLDEN");
  if (update != nullptr && std::string_view(update) == "1") {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(got.data(), static_cast<std::streamsize>(got.size()));
    return out.flush() ? "" : "cannot write " + path;
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return path + " is missing; DMARCATE_UPDATE_GOLDEN=1 writes it";
  std::ostringstream content;
  content << in.rdbuf();
  const std::string want = std::move(content).str();
  if (want == got) return "";
  const auto want_lines = Split(want, '\n');
  const auto got_lines = Split(got, '\n');
  size_t line = 0;
  while (line < want_lines.size() && line < got_lines.size() &&
         want_lines[line] == got_lines[line]) {
    ++line;
  }
  const auto at = [line](const std::vector<std::string_view>& lines) {
    return line < lines.size() ? EscapeForTerminal(lines[line]) : std::string("(end)");
  };
  return "differs from " + path + " at line " + std::to_string(line + 1) +
         "\n  want: " + at(want_lines) + "\n  got:  " + at(got_lines) +
         "\nIf the new one is right: DMARCATE_UPDATE_GOLDEN=1, and review the diff.";
}

}  // namespace dmarcate::testing_support
