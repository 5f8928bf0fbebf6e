// bench/corpus.h
// The mails a benchmark runs over, in memory, and what they add up to.

#ifndef DMARCATE_BENCH_CORPUS_H_
#define DMARCATE_BENCH_CORPUS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate::bench {

struct Corpus {
  std::vector<std::string> mails;
  int64_t bytes = 0;
  int64_t memory_before = 0;  // of the process, before the mails were read
  // Of ReadTruth(); 0 without it.
  int64_t reports = 0, records = 0, messages = 0;
};

// The mails in DIRECTORY/eml. If the directory is missing it is made with the report generator:
// t20k, 20,000 reports about 1,000 domains over 90 days, always the same.
absl::StatusOr<Corpus> LoadCorpus(const std::string& directory);

// What truth.json, if it is there, says of it. Takes twice the memory of the mails for a moment.
void ReadTruth(const std::string& directory, Corpus* corpus);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_CORPUS_H_
