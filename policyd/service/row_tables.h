// policyd/service/row_tables.h
// The days of domains as compact rows (analysis/day_rows.h): made from the reports when somebody
// asks for them, and kept. Only days that have changed since are made anew, by their revisions
// (lib/store/day_revisions.h); all of a domain, when what its rows are attributed by has changed.
// Bounded by bytes; the least recently used domain goes first.

#ifndef DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_
#define DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"
#include "lib/rpc/call.h"
#include "lib/store/day_revisions.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/row_sums.h"

namespace dmarcate {

inline constexpr size_t kRowTableBytes = 192 << 20;
inline constexpr int kMaxRowBuilds = 2;  // at once; each may decode a report of any size

// What the rows of a domain are attributed by.
struct RowAttribution {
  // Equal ones attribute alike.
  using Version = std::vector<uint64_t>;
  Version version;
  Attributor attribute;  // used during the call alone
  // Follows from the version, too; null: that of the tables.
  std::shared_ptr<const Catalogue> catalogue = nullptr;
};

// Thread-safe.
class RowTables {
 public:
  // All outlive it.
  RowTables(const Catalogue& catalogue, const PublicSuffixList& suffixes,
            size_t limit_bytes = kRowTableBytes)
      : catalogue_(catalogue), suffixes_(suffixes), limit_bytes_(limit_bytes) {}

  // Calls `use` with the days as the store has them at present. False, and `use` was not called:
  // that cannot be done for this domain, and the reports have to be read. `revisions` is an aspect
  // of `reader`.
  //   kDeadlineExceeded  cancelled, or others took too long; else as ReportReader
  absl::StatusOr<bool> Use(const Call& call, ReportReader& reader, DayRevisionReader& revisions,
                           std::string_view domain, const DayRange& range,
                           const RowAttribution& attribution,
                           const std::function<void(const RowDays&)>& use);

  size_t bytes() const;
  uint64_t days_built() const;  // ever; for tests and measurements

 private:
  struct Day {
    uint64_t revision = 0;
    DayRows rows;
  };
  struct Domain {
    std::shared_timed_mutex mutex;  // guards what follows
    RowAttribution::Version attribution;
    std::shared_ptr<const Catalogue> catalogue;
    std::unique_ptr<RowNames> names = std::make_unique<RowNames>();
    std::map<DayNumber, Day> days;
    uint64_t checked = 0;  // the version of the store of which `days` has all of `checked_range`
    DayRange checked_range{1, 0};
    size_t gone = 0;  // days that were dropped or replaced since the names were begun
    bool unfit = false;

    bool Has(const DayRange& range, uint64_t version, const RowAttribution& by) const {
      return checked == version && attribution == by.version &&
             checked_range.first <= range.first && range.last <= checked_range.last;
    }
    void Clear();
    size_t MemoryBytes() const;
  };
  struct Entry {
    std::string name;
    std::shared_ptr<Domain> domain;
    size_t bytes = 0;
  };

  std::shared_ptr<Domain> Find(std::string_view domain);
  // Under the lock of `domain`, which then has `range`. False: as Use().
  absl::StatusOr<bool> Refresh(const Call& call, ReportReader& reader, DayRevisionReader& revisions,
                               std::string_view name, const DayRange& range,
                               const RowAttribution& attribution, Domain* domain);
  absl::Status Build(const Call& call, ReportReader& reader, std::string_view name,
                     const DayRange& run, const std::map<DayNumber, uint64_t>& revisions,
                     const RowAttribution& attribution, Domain* domain);
  RowDays View(std::string_view name, const DayRange& range, const Domain& domain) const;
  void Account(std::string_view name, const std::shared_ptr<Domain>& domain, size_t bytes);

  const Catalogue& catalogue_;
  const PublicSuffixList& suffixes_;
  const size_t limit_bytes_;
  std::counting_semaphore<kMaxRowBuilds> builds_{kMaxRowBuilds};

  mutable std::mutex mutex_;  // guards what follows
  std::list<Entry> entries_;  // the last used first
  std::map<std::string, std::list<Entry>::iterator, std::less<>> index_;
  size_t bytes_ = 0;
  uint64_t days_built_ = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROW_TABLES_H_
