// tests/testing/test_data.h
// Where test data lies. Tests run in the project's root (dmarcate_test sees to it).

#ifndef DMARCATE_TESTS_TESTING_TEST_DATA_H_
#define DMARCATE_TESTS_TESTING_TEST_DATA_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarcate::testing_support {

// "tests/data/NAME".
std::string DataPath(std::string_view name);
// Its content. Fails the test and returns nothing if it is not there.
std::string ReadData(std::string_view name);
// Names of the files in tests/data/DIRECTORY that end in `suffix`, without it, sorted.
std::vector<std::string> ListData(std::string_view directory, std::string_view suffix);

// A file or directory of the shared corpora: $DMARCATE_CORPORA, by default ../shared/corpora.
// Nothing if it is not there: they are not part of the project, and a test that wants one skips
// itself then.
std::optional<std::string> CorpusPath(std::string_view name);
// Any file, whole; fails the test if it cannot be read.
std::string ReadWholeFile(const std::string& path);
std::vector<std::string> ReadLines(const std::string& path);

}  // namespace dmarcate::testing_support

// Declares `path`, or skips the test and says why.
#define DMARCATE_CORPUS_OR_SKIP(path, name)                                     \
  const auto path##_or = ::dmarcate::testing_support::CorpusPath(name);         \
  if (!path##_or) GTEST_SKIP() << "shared corpus " << (name) << " is not here"; \
  const std::string& path = *path##_or

#endif  // DMARCATE_TESTS_TESTING_TEST_DATA_H_
