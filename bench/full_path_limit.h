// bench/full_path_limit.h
// What the full path cannot beat with the libraries it is made of: GMime for the mail, libdeflate
// for the archive, pugixml for the document, and nothing else: no limits, no repairs, no model, no
// store.

#ifndef DMARCATE_BENCH_FULL_PATH_LIMIT_H_
#define DMARCATE_BENCH_FULL_PATH_LIMIT_H_

#include <cstdint>
#include <string>

namespace dmarcate::bench {

struct Counted {
  int64_t reports = 0, records = 0, messages = 0;
};
// Adds what one mail holds. Not thread-safe.
void CountByLibraries(const std::string& mail, Counted* counted);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_FULL_PATH_LIMIT_H_
