// policyd/service/row_tables.h
// The days of domains as compact rows (row_domain.h): made from the reports when somebody asks for
// them, and kept. Bounded by bytes; the least recently used domain goes first.
//
// Whoever has the store followed has Freshen() bring up to date what is asked for these days, so
// that those who ask need not.

#ifndef DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_
#define DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "lib/rpc/call.h"
#include "policyd/service/row_domain.h"

namespace dmarcate {

inline constexpr size_t kRowTableBytes = 192 << 20;
inline constexpr size_t kMaxFreshened = 32;     // domains at a time
inline constexpr uint64_t kFreshenedFor = 300;  // times after somebody has asked for one

// Thread-safe.
class RowTables {
 public:
  // All outlive it.
  RowTables(const Catalogue& catalogue, const PublicSuffixList& suffixes,
            size_t limit_bytes = kRowTableBytes)
      : limit_bytes_(limit_bytes), workshop_{catalogue, suffixes} {}

  // Calls `use` with the days as the store has them at present; while Freshen() is at work, perhaps
  // as it had them when that was called the time before. False, and `use` was not called: that
  // cannot be done for this domain, and the reports have to be read.
  //   kDeadlineExceeded  cancelled, or others took too long; else as ReportReader
  absl::StatusOr<bool> Use(const Call& call, const RowStore& store, std::string_view domain,
                           const DayRange& range, const RowAttribution& attribution,
                           const std::function<void(const RowDays&)>& use);

  // Brings up to date what was asked for lately, until the deadline of `call`. Each time the store
  // has been caught up with, by one thread. Errors are left to those who ask.
  void Freshen(
      const Call& call, const RowStore& store,
      const std::function<absl::StatusOr<RowAttribution>(std::string_view domain)>& attribution_of);

  size_t bytes() const;
  // Ever; for tests and measurements.
  uint64_t days_built() const { return workshop_.days_built; }        // from all of their reports
  uint64_t days_extended() const { return workshop_.days_extended; }  // by new reports

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<RowDomain> domain;
    size_t bytes = 0;
    uint64_t asked = 0;  // `freshened_` when somebody asked for it last
  };

  std::shared_ptr<RowDomain> Find(std::string_view domain);
  // Takes note of what the domain takes.
  void Account(std::string_view name, const std::shared_ptr<RowDomain>& domain);

  const size_t limit_bytes_;
  RowWorkshop workshop_;
  std::atomic<uint64_t> former_version_ = 0;  // of the store, that will do as well; 0: none

  mutable std::mutex mutex_;  // guards what follows
  std::list<Entry> entries_;  // the last used first
  std::map<std::string, std::list<Entry>::iterator, std::less<>> index_;
  size_t bytes_ = 0;
  uint64_t freshened_ = 0;     // times
  uint64_t last_version_ = 0;  // of the store, when that was begun last
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_
