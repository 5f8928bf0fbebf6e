// ParseScenario of scenario.h.

#include <algorithm>
#include <array>

#include "fmt/format.h"

#include "lib/base/text.h"
#include "tests/simulation/scenario.h"

namespace dmarcate::simulation {
namespace {

constexpr std::array kVerbs = {
    "row",     "domain",  "mode",  "target",   "begin", "policyds", "sender",  "reporter",
    "approve", "reject",  "start", "after",    "until", "intake",   "key",     "record",
    "spf",     "include", "dns",   "provider", "clock", "suspend",  "release", "disk",
    "proof",   "reports", "kill",  "revive",   "pause", "resume",   "advance", "abort",
    "mark",    "expect",  "two",   "freeze",   "thaw"};

// Words and quoted texts, up to a comment.
absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ' ' || line[i] == '\t') {
      ++i;
    } else if (line[i] == '#') {
      break;
    } else if (line[i] == '"') {
      const size_t end = line.find('"', i + 1);
      if (end == std::string_view::npos) return absl::InvalidArgumentError("a quote is not closed");
      words.emplace_back(line.substr(i + 1, end - i - 1));
      i = end + 1;
    } else {
      const size_t end = std::min(line.find_first_of(" \t", i), line.size());
      words.emplace_back(line.substr(i, end - i));
      i = end;
    }
  }
  return words;
}

}  // namespace

absl::StatusOr<Scenario> ParseScenario(std::string_view name, std::string_view text) {
  Scenario scenario;
  int number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    const auto at = [&](std::string_view why) {
      return absl::InvalidArgumentError(fmt::format("{}:{}: {}", name, number, why));
    };
    absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
    if (!words.ok()) return at(std::string(words.status().message()));
    if (words->empty()) continue;
    if (std::ranges::find(kVerbs, words->front()) == kVerbs.end()) {
      return at(fmt::format("unknown statement '{}'", TrimAscii(line)));
    }
    if (words->front() == "row") {
      if (words->size() != 2) return at("row takes one text in quotes");
      scenario.row = words->at(1);
      continue;
    }
    scenario.statements.push_back({number, std::string(TrimAscii(line)), *std::move(words)});
  }
  if (scenario.statements.empty()) {
    return absl::InvalidArgumentError(fmt::format("{}: no statement", name));
  }
  return scenario;
}

}  // namespace dmarcate::simulation
