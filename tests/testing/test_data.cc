#include "tests/testing/test_data.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <gtest/gtest.h>

namespace dmarcate::testing_support {

std::string DataPath(std::string_view name) { return "tests/data/" + std::string(name); }

std::string ReadWholeFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  if (!in) ADD_FAILURE() << "cannot read " << path;
  return std::move(out).str();
}

std::string ReadData(std::string_view name) { return ReadWholeFile(DataPath(name)); }

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream in(ReadWholeFile(path));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> ListData(std::string_view directory, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(DataPath(directory), error)) {
    std::string name = entry.path().filename();
    if (!name.ends_with(suffix)) continue;
    name.resize(name.size() - suffix.size());
    names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::optional<std::string> CorpusPath(std::string_view name) {
  const char* const configured = std::getenv("DMARCATE_CORPORA");
  std::string path = configured != nullptr ? configured : "../shared/corpora";
  path += "/";
  path += name;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  return path;
}

}  // namespace dmarcate::testing_support
