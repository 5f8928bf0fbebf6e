// policyd/service/row_domain.h
// The days of one domain as compact rows (analysis/day_rows.h), and how they are brought up to
// date. Only days that have changed since are made anew, by their revisions
// (lib/store/day_revisions.h), and what is new behind a day becomes a further part of it; all of
// them, when what rows are attributed by has changed.

#ifndef DMARCATE_POLICYD_SERVICE_ROW_DOMAIN_H_
#define DMARCATE_POLICYD_SERVICE_ROW_DOMAIN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/mailauth/alignment.h"
#include "lib/rpc/call.h"
#include "lib/store/day_revisions.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/day_rows_builder.h"
#include "policyd/analysis/row_sums.h"

namespace dmarcate {

inline constexpr int kMaxRowBuilds = 2;  // at once; each may decode a report of any size

// What the rows of a domain are attributed by.
struct RowAttribution {
  // Equal ones attribute alike.
  using Version = std::vector<uint64_t>;
  Version version;
  Attributor attribute;
  // Follows from the version, too; null: that of the workshop.
  std::shared_ptr<const Catalogue> catalogue = nullptr;
};

// What rows are made from. A view; both are the same store.
struct RowStore {
  ReportReader& reader;
  DayRevisionReader& revisions;
};

// What all domains share.
struct RowWorkshop {
  const Catalogue& catalogue;
  const PublicSuffixList& suffixes;
  std::counting_semaphore<kMaxRowBuilds> slots{kMaxRowBuilds};
  std::atomic<uint64_t> days_built = 0, days_extended = 0;  // ever
};

// Thread-safe.
class RowDomain {
 public:
  // `workshop` outlives this.
  RowDomain(std::string name, RowWorkshop& workshop)
      : name_(std::move(name)), workshop_(workshop) {}

  // As RowTables::Use(). `former`: a version of the store that will do as well as the present one,
  // unless days have to be made anew; 0: none. `refreshed` tells whether that was done.
  absl::StatusOr<bool> Use(const Call& call, const RowStore& store, uint64_t former,
                           const DayRange& range, const RowAttribution& attribution,
                           const std::function<void(const RowDays&)>& use, bool* refreshed);

  // Brings up to date what there is. Those who use it meanwhile are kept out for moments.
  absl::Status Freshen(const Call& call, const RowStore& store, const RowAttribution& attribution);

  void Clear();
  size_t MemoryBytes() const;

 private:
  // One behind the other, each much smaller than the one before.
  using Parts = std::vector<std::shared_ptr<const DayRows>>;
  struct Day {
    uint64_t revision = 0, rewritten = 0;  // DayRevision
    Parts parts;
  };
  using Days = std::map<DayNumber, Day>;

  bool Has(const DayRange& range, uint64_t version, const RowAttribution& by) const {
    return checked_ == version && attribution_ == by.version &&
           checked_range_.first <= range.first && range.last <= checked_range_.last;
  }
  RowDays View(const DayRange& range) const;

  // What follows: by the holder of `refreshing_`, which is not locked otherwise.
  // False: as Use().
  absl::StatusOr<bool> Refresh(const Call& call, const RowStore& store, const DayRange& range,
                               const RowAttribution& attribution);
  absl::Status Build(const Call& call, ReportReader& reader, const DayRange& run,
                     const std::map<DayNumber, DayRevision>& revisions,
                     const RowAttribution& attribution, Days* days, bool* fits);
  // Adds to a day what is new behind it.
  absl::Status Extend(const Call& call, DayRevisionReader& revisions, const DayRevision& revision,
                      const RowAttribution& attribution, Day* day, bool* fits);
  // Alone, for a moment.
  absl::StatusOr<std::unique_lock<std::shared_timed_mutex>> Alone(const Call& call) const;
  void ClearAlone();

  const std::string name_;
  RowWorkshop& workshop_;

  // Held by the one who brings it up to date, for long. Who changes what `mutex_` guards holds
  // both, that one alone; who reads it holds either.
  std::timed_mutex refreshing_;
  std::atomic<bool> rewriting_ = false;  // days are made anew: what there is will not do

  mutable std::shared_timed_mutex mutex_;  // guards what follows
  RowAttribution::Version attribution_;
  std::shared_ptr<const Catalogue> catalogue_;  // of that version
  std::unique_ptr<RowNames> names_ = std::make_unique<RowNames>();
  Days days_;
  uint64_t checked_ = 0;  // the version of the store of which `days_` has all of `checked_range_`
  DayRange checked_range_{1, 0};
  size_t gone_ = 0;  // days that were dropped or replaced since the names were begun
  bool unfit_ = false;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ROW_DOMAIN_H_
