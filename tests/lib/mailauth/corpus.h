// tests/lib/mailauth/corpus.h
// Reads the corpora beside the project, where they are there. Tests skip when they are not; the
// project's own cases must then suffice.

#ifndef DMARCATE_TESTS_LIB_MAILAUTH_CORPUS_H_
#define DMARCATE_TESTS_LIB_MAILAUTH_CORPUS_H_

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace dmarcate {

inline std::string CorpusPath(const std::string& name) { return "../shared/corpora/" + name; }

inline std::string ReadCorpus(const std::string& name) {
  std::ifstream file(CorpusPath(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// One JSON value a line; empty if the file is not there.
inline std::vector<nlohmann::json> ReadCorpusLines(const std::string& name) {
  std::ifstream file(CorpusPath(name));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_MAILAUTH_CORPUS_H_
