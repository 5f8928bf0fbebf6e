// tests/lib/store/both_stores.h
// The fake, and RocksDB with a follower, behind one face: what the conformance suites run on.

#ifndef DMARCATE_TESTS_LIB_STORE_BOTH_STORES_H_
#define DMARCATE_TESTS_LIB_STORE_BOTH_STORES_H_

#include <memory>
#include <ostream>
#include <string>

#include "absl/time/time.h"

#include "lib/store/fake_report_store.h"
#include "lib/store/report_store.h"
#include "lib/store/rocks_report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {

// One store with both its ends.
class Store {
 public:
  virtual ~Store() = default;
  virtual ReportWriter& writer() = 0;
  virtual ReportReader& reader() = 0;
};

class FakeStore final : public Store {
 public:
  ReportWriter& writer() override { return store_; }
  ReportReader& reader() override { return store_; }

 private:
  FakeReportStore store_;
};

class RocksStore final : public Store {
 public:
  RocksStore()
      : writer_(*RocksReportWriter::Open(directory_.path("reports"))),
        reader_(*RocksReportReader::Follow(directory_.path("reports"), directory_.path("follower"),
                                           absl::Seconds(10))) {}
  ReportWriter& writer() override { return *writer_; }
  ReportReader& reader() override { return *reader_; }

 private:
  TempDir directory_;
  std::unique_ptr<RocksReportWriter> writer_;
  std::unique_ptr<RocksReportReader> reader_;
};

struct StoreParam {
  std::string name;
  std::unique_ptr<Store> (*make)();
};
inline void PrintTo(const StoreParam& param, std::ostream* out) { *out << param.name; }
inline const StoreParam kBothStores[] = {
    {"Fake", [] { return std::unique_ptr<Store>(std::make_unique<FakeStore>()); }},
    {"RocksDb", [] { return std::unique_ptr<Store>(std::make_unique<RocksStore>()); }}};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_STORE_BOTH_STORES_H_
