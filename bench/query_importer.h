// bench/query_importer.h
// The benchmark once more, as a process of its own that imports into the store.

#ifndef DMARCATE_BENCH_QUERY_IMPORTER_H_
#define DMARCATE_BENCH_QUERY_IMPORTER_H_

#include <sys/types.h>

#include <string>

#include "bench/query_data.h"

namespace dmarcate::bench {

// Imports from now on until it is destroyed.
class Importer {
 public:
  // `work` holds "reports", with data of `scale`.
  Importer(const std::string& work, const QueryScale& scale);
  ~Importer();
  Importer(const Importer&) = delete;
  Importer& operator=(const Importer&) = delete;
  bool running() const;

 private:
  pid_t pid_ = -1;
};

// What that process does (--import-into WORK): late reports about any domain and day, half of the
// time, until SIGTERM. Returns its exit code.
int Import(const std::string& work, const QueryScale& scale);

}  // namespace dmarcate::bench

#endif  // DMARCATE_BENCH_QUERY_IMPORTER_H_
