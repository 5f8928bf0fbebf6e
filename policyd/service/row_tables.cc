#include "policyd/service/row_tables.h"

#include <algorithm>
#include <optional>

#include "lib/base/status_macros.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr int kAttempts = 4;  // to have all days of one moment while the store goes on
// Names of days that are gone stay. Once so many days went, all are begun anew.
constexpr size_t kMostGoneDays = 20'000;

struct ReleaseOne {
  void operator()(std::counting_semaphore<kMaxRowBuilds>* slots) const { slots->release(); }
};

}  // namespace

void RowTables::Domain::Clear() {
  days.clear();
  names = std::make_unique<RowNames>();
  checked = 0;
  checked_range = {1, 0};
  gone = 0;
}

size_t RowTables::Domain::MemoryBytes() const {
  size_t bytes = sizeof(*this) + names->MemoryBytes();
  for (const auto& [number, day] : days) bytes += day.rows.MemoryBytes() + 80;
  return bytes;
}

absl::StatusOr<bool> RowTables::Use(const Call& call, ReportReader& reader,
                                    DayRevisionReader& revisions, std::string_view domain,
                                    const DayRange& range, const RowAttribution& attribution,
                                    const std::function<void(const RowDays&)>& use) {
  const std::shared_ptr<Domain> kept = Find(domain);
  const auto until = absl::ToChronoTime(call.deadline());
  {
    const std::shared_lock lock(kept->mutex, until);
    if (!lock.owns_lock()) return Cancelled();
    if (kept->Has(range, reader.version(), attribution)) {
      if (kept->unfit) return false;
      use(View(domain, range, *kept));
      return true;
    }
  }
  size_t bytes = 0;
  bool fit = false;
  {
    const std::unique_lock lock(kept->mutex, until);
    if (!lock.owns_lock()) return Cancelled();
    if (!kept->Has(range, reader.version(), attribution)) {
      DMARCATE_ASSIGN_OR_RETURN(
          const bool has, Refresh(call, reader, revisions, domain, range, attribution, &*kept));
      if (!has) return false;
    }
    fit = !kept->unfit;
    if (fit) use(View(domain, range, *kept));
    bytes = kept->MemoryBytes();
    if (bytes > limit_bytes_) {
      kept->Clear();
      bytes = 0;
    }
  }
  Account(domain, kept, bytes);
  return fit;
}

absl::StatusOr<bool> RowTables::Refresh(const Call& call, ReportReader& reader,
                                        DayRevisionReader& revisions, std::string_view name,
                                        const DayRange& range, const RowAttribution& attribution,
                                        Domain* domain) {
  if (domain->attribution != attribution.version || domain->gone > kMostGoneDays) {
    domain->Clear();
    domain->unfit = false;
    domain->attribution = attribution.version;
    domain->catalogue = attribution.catalogue;
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const uint64_t version = reader.version();  // first: what comes after it is seen next time
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayRevision> found,
                              revisions.ReadDayRevisions(name, range.first, range.last));
    std::map<DayNumber, uint64_t> wanted;
    for (const DayRevision& day : found) wanted[day.day] = day.revision;
    for (auto it = domain->days.lower_bound(range.first);
         it != domain->days.end() && it->first <= range.last;) {
      const auto day = wanted.find(it->first);
      if (day != wanted.end() && day->second == it->second.revision) {
        wanted.erase(day);
        ++it;
      } else {
        it = domain->days.erase(it);
        ++domain->gone;
      }
    }
    // Runs of days, each read at once.
    for (auto first = wanted.begin(); first != wanted.end();) {
      auto last = first;
      while (std::next(last) != wanted.end() && std::next(last)->first == last->first + 1) ++last;
      DMARCATE_RETURN_IF_ERROR(
          Build(call, reader, name, {first->first, last->first}, wanted, attribution, domain));
      first = std::next(last);
    }
    if (reader.version() != version) continue;
    const bool joins = domain->checked == version &&
                       range.first <= domain->checked_range.last + 1 &&
                       domain->checked_range.first <= range.last + 1;
    domain->checked_range = joins ? DayRange{std::min(range.first, domain->checked_range.first),
                                             std::max(range.last, domain->checked_range.last)}
                                  : range;
    domain->checked = version;
    return true;
  }
  return false;
}

absl::Status RowTables::Build(const Call& call, ReportReader& reader, std::string_view name,
                              const DayRange& run, const std::map<DayNumber, uint64_t>& revisions,
                              const RowAttribution& attribution, Domain* domain) {
  if (!builds_.try_acquire_until(absl::ToChronoTime(call.deadline()))) return Cancelled();
  const std::unique_ptr<std::counting_semaphore<kMaxRowBuilds>, ReleaseOne> slot(&builds_);
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> expired,
                            reader.ReadExpiredTotals(name, run.first, run.last));
  std::optional<DayRowsBuilder> builder;
  DayNumber day = run.first;
  uint64_t built = 0;
  const auto begin = [&] {
    builder.emplace(name, day, attribution.attribute, suffixes_, &*domain->names);
  };
  const auto finish = [&] {
    for (const DayTotals& totals : expired) builder->AddExpired(totals);
    domain->days[day] = {revisions.at(day), builder->Finish()};
    ++built;
  };
  begin();
  bool cancelled = false;
  DMARCATE_RETURN_IF_ERROR(
      reader.ForEachReport(name, run.first, run.last, [&](const StoredReport& report) {
        cancelled = call.cancelled();
        if (cancelled) return false;
        while (day < report.key.day) {
          finish();
          ++day;
          begin();
        }
        if (!builder->Add(report)) domain->unfit = true;
        return !domain->unfit;
      }));
  if (cancelled) return Cancelled();
  for (;; begin()) {
    finish();
    if (++day > run.last) break;
  }
  const std::lock_guard lock(mutex_);
  days_built_ += built;
  return absl::OkStatus();
}

RowDays RowTables::View(std::string_view name, const DayRange& range, const Domain& domain) const {
  const Catalogue& catalogue = domain.catalogue == nullptr ? catalogue_ : *domain.catalogue;
  RowDays out{name, range, *domain.names, catalogue, {}};
  for (auto it = domain.days.lower_bound(range.first);
       it != domain.days.end() && it->first <= range.last; ++it) {
    out.days.push_back(&it->second.rows);
  }
  return out;
}

std::shared_ptr<RowTables::Domain> RowTables::Find(std::string_view domain) {
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(domain); found != index_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->domain;
  }
  entries_.push_front({std::string(domain), std::make_shared<Domain>(), 0});
  index_.emplace(std::string(domain), entries_.begin());
  return entries_.front().domain;
}

void RowTables::Account(std::string_view name, const std::shared_ptr<Domain>& domain,
                        size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(name);
  if (found == index_.end() || found->second->domain != domain) return;  // evicted meanwhile
  bytes_ += bytes - found->second->bytes;
  found->second->bytes = bytes;
  // Who uses an evicted one holds it until then.
  while (bytes_ > limit_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().bytes;
    index_.erase(entries_.back().name);
    entries_.pop_back();
  }
}

size_t RowTables::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

uint64_t RowTables::days_built() const {
  const std::lock_guard lock(mutex_);
  return days_built_;
}

}  // namespace dmarcate
