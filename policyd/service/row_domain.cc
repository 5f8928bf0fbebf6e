#include "policyd/service/row_domain.h"

#include <algorithm>
#include <optional>

#include "absl/time/time.h"

#include "lib/base/status_macros.h"
#include "policyd/service/convert.h"
#include "policyd/service/handler.h"

namespace dmarcate {
namespace {

constexpr int kAttempts = 4;  // to have all days of one moment while the store goes on
// Names of days that are gone stay. Once so many days went, all are begun anew.
constexpr size_t kMostGoneDays = 20'000;

// Both, if they touch each other and that is no more than anybody may ask for at once.
DayRange Joined(const DayRange& a, const DayRange& b) {
  if (b.first > b.last || a.first > b.last + 1 || b.first > a.last + 1) return a;
  const DayRange both{std::min(a.first, b.first), std::max(a.last, b.last)};
  return both.days() <= kMaxRangeDays ? both : a;
}

// What it costs to read the part, and to join it with another.
size_t WeightOf(const DayRows& part) { return 16 + part.sources.size() + part.cells.size(); }

class BuildSlot {
 public:
  explicit BuildSlot(std::counting_semaphore<kMaxRowBuilds>& slots) : slots_(slots) {}
  ~BuildSlot() {
    if (taken_) slots_.release();
  }
  BuildSlot(const BuildSlot&) = delete;
  BuildSlot& operator=(const BuildSlot&) = delete;
  bool Take(absl::Time deadline) {
    if (!taken_) taken_ = slots_.try_acquire_until(absl::ToChronoTime(deadline));
    return taken_;
  }

 private:
  std::counting_semaphore<kMaxRowBuilds>& slots_;
  bool taken_ = false;
};

}  // namespace

absl::StatusOr<bool> RowDomain::Use(const Call& call, const RowStore& store, uint64_t former,
                                    const DayRange& range, const RowAttribution& attribution,
                                    const std::function<void(const RowDays&)>& use,
                                    bool* refreshed) {
  const auto until = absl::ToChronoTime(call.deadline());
  std::shared_lock lock(mutex_, until);
  if (!lock.owns_lock()) return Cancelled();
  if (!Has(range, store.reader.version(), attribution) &&
      (former == 0 || rewriting_ || !Has(range, former, attribution))) {
    lock.unlock();
    const std::unique_lock refreshing(refreshing_, until);
    if (!refreshing.owns_lock()) return Cancelled();
    if (!Has(range, store.reader.version(), attribution)) {
      DMARCATE_ASSIGN_OR_RETURN(const bool has, Refresh(call, store, range, attribution));
      if (!has) return false;
      *refreshed = true;
    }
    if (!lock.try_lock_until(until)) return Cancelled();
  }
  if (unfit_) return false;
  use(View(range));
  return true;
}

absl::Status RowDomain::Freshen(const Call& call, const RowStore& store,
                                const RowAttribution& attribution) {
  const std::unique_lock refreshing(refreshing_, absl::ToChronoTime(call.deadline()));
  if (!refreshing.owns_lock()) return Cancelled();
  const DayRange range = checked_range_;
  if (range.first > range.last || Has(range, store.reader.version(), attribution)) {
    return absl::OkStatus();
  }
  return Refresh(call, store, range, attribution).status();
}

absl::StatusOr<std::unique_lock<std::shared_timed_mutex>> RowDomain::Alone(const Call& call) const {
  std::unique_lock lock(mutex_, absl::ToChronoTime(call.deadline()));
  if (!lock.owns_lock()) return Cancelled();
  return lock;
}

absl::StatusOr<bool> RowDomain::Refresh(const Call& call, const RowStore& store,
                                        const DayRange& range, const RowAttribution& attribution) {
  if (attribution_ != attribution.version || gone_ > kMostGoneDays) {
    DMARCATE_ASSIGN_OR_RETURN(const auto alone, Alone(call));
    ClearAlone();
    unfit_ = false;
    attribution_ = attribution.version;
    catalogue_ = attribution.catalogue;
  }
  // All days at once that are looked at together: whoever asks for others of them next, finds them.
  const DayRange all = Joined(range, checked_range_);
  BuildSlot slot(workshop_.slots);
  struct Rewriting {
    std::atomic<bool>& flag;
    ~Rewriting() { flag = false; }
  } rewriting{rewriting_};
  Days days = days_;
  size_t gone = 0;
  bool fits = !unfit_;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const uint64_t version = store.reader.version();  // first: what comes later is seen next time
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayRevision> found,
                              store.revisions.ReadDayRevisions(name_, all.first, all.last));
    std::map<DayNumber, DayRevision> wanted;
    for (const DayRevision& day : found) wanted[day.day] = day;
    std::vector<DayRevision> longer;
    for (auto it = days.lower_bound(all.first); it != days.end() && it->first <= all.last;) {
      const auto day = wanted.find(it->first);
      if (day == wanted.end() || day->second.rewritten != it->second.rewritten) {
        it = days.erase(it);
        ++gone;
        continue;
      }
      if (day->second.revision != it->second.revision) longer.push_back(day->second);
      wanted.erase(day);
      ++it;
    }
    if (!wanted.empty()) rewriting.flag = true;
    if (fits && !(wanted.empty() && longer.empty()) && !slot.Take(call.deadline())) {
      return Cancelled();
    }
    for (auto day = longer.begin(); fits && day != longer.end(); ++day) {
      DMARCATE_RETURN_IF_ERROR(
          Extend(call, store.revisions, *day, attribution, &days.at(day->day), &fits));
    }
    // Runs of days, each read at once.
    for (auto first = wanted.begin(); fits && first != wanted.end();) {
      auto last = first;
      while (std::next(last) != wanted.end() && std::next(last)->first == last->first + 1) ++last;
      DMARCATE_RETURN_IF_ERROR(Build(call, store.reader, {first->first, last->first}, wanted,
                                     attribution, &days, &fits));
      first = std::next(last);
    }
    if (store.reader.version() != version) continue;
    DMARCATE_ASSIGN_OR_RETURN(const auto alone, Alone(call));
    days_.swap(days);  // what was there goes when nobody has to wait for that
    if (!fits) days_.clear();
    unfit_ = !fits;
    gone_ += gone;
    checked_range_ = all;
    checked_ = version;
    return true;
  }
  return false;
}

absl::Status RowDomain::Build(const Call& call, ReportReader& reader, const DayRange& run,
                              const std::map<DayNumber, DayRevision>& revisions,
                              const RowAttribution& attribution, Days* days, bool* fits) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> expired,
                            reader.ReadExpiredTotals(name_, run.first, run.last));
  std::optional<DayRowsBuilder> builder;
  DayNumber day = run.first;
  const auto begin = [&] {
    builder.emplace(name_, day, attribution.attribute, workshop_.suffixes, &*names_);
  };
  const auto finish = [&]() -> absl::Status {
    for (const DayTotals& totals : expired) builder->AddExpired(totals);
    const DayRevision& known = revisions.at(day);
    DMARCATE_ASSIGN_OR_RETURN(const auto alone, Alone(call));
    (*days)[day] = {
        known.revision, known.rewritten, {std::make_shared<const DayRows>(builder->Finish())}};
    ++workshop_.days_built;
    return absl::OkStatus();
  };
  begin();
  absl::Status status;
  DMARCATE_RETURN_IF_ERROR(
      reader.ForEachReport(name_, run.first, run.last, [&](const StoredReport& report) {
        while (status.ok() && day < report.key.day) {
          status = finish();
          ++day;
          begin();
        }
        if (status.ok() && call.cancelled()) status = Cancelled();
        if (!status.ok()) return false;
        const auto alone = Alone(call);
        status = alone.status();
        if (status.ok()) *fits = builder->Add(report);
        return status.ok() && *fits;
      }));
  DMARCATE_RETURN_IF_ERROR(status);
  for (;; begin()) {
    DMARCATE_RETURN_IF_ERROR(finish());
    if (++day > run.last) break;
  }
  return absl::OkStatus();
}

absl::Status RowDomain::Extend(const Call& call, DayRevisionReader& revisions,
                               const DayRevision& revision, const RowAttribution& attribution,
                               Day* day, bool* fits) {
  Parts& parts = day->parts;
  const ReportKey last{.domain = name_,
                       .day = revision.day,
                       .receipt = parts.back()->last_receipt,
                       .item = parts.back()->last_item};
  DayRowsBuilder builder(name_, revision.day, attribution.attribute, workshop_.suffixes, &*names_);
  absl::Status status;
  bool any = false;
  DMARCATE_RETURN_IF_ERROR(revisions.ForEachReportAfter(last, [&](const StoredReport& report) {
    const auto alone = Alone(call);
    status = call.cancelled() ? Cancelled() : alone.status();
    if (!status.ok()) return false;
    any = true;
    *fits = builder.Add(report);
    return *fits;
  }));
  DMARCATE_RETURN_IF_ERROR(status);
  day->revision = revision.revision;
  ++workshop_.days_extended;
  if (!any) return absl::OkStatus();
  const auto add = [&](DayRows part) {
    parts.push_back(std::make_shared<const DayRows>(std::move(part)));
  };
  {
    DMARCATE_ASSIGN_OR_RETURN(const auto alone, Alone(call));
    add(builder.Finish());
  }
  // So a row is joined with others a few times only, and a day has few parts.
  while (parts.size() > 1 && WeightOf(*parts.end()[-2]) <= 2 * WeightOf(*parts.back())) {
    DMARCATE_ASSIGN_OR_RETURN(const auto alone, Alone(call));
    DayRows joined = JoinDayRows(*parts.end()[-2], *parts.back(), &*names_);
    parts.resize(parts.size() - 2);
    add(std::move(joined));
  }
  return absl::OkStatus();
}

RowDays RowDomain::View(const DayRange& range) const {
  const Catalogue& catalogue = catalogue_ == nullptr ? workshop_.catalogue : *catalogue_;
  RowDays out{name_, range, *names_, catalogue, {}};
  for (auto it = days_.lower_bound(range.first); it != days_.end() && it->first <= range.last;
       ++it) {
    for (const auto& part : it->second.parts) out.days.push_back(&*part);
  }
  return out;
}

void RowDomain::Clear() {
  const std::lock_guard refreshing(refreshing_);
  const std::lock_guard lock(mutex_);
  ClearAlone();
}

void RowDomain::ClearAlone() {
  days_.clear();
  names_ = std::make_unique<RowNames>();
  checked_ = 0;
  checked_range_ = {1, 0};
  gone_ = 0;
}

size_t RowDomain::MemoryBytes() const {
  const std::shared_lock lock(mutex_);
  size_t bytes = sizeof(*this) + names_->MemoryBytes();
  for (const auto& [number, day] : days_) {
    bytes += 96;
    for (const auto& part : day.parts) bytes += part->MemoryBytes() + 48;
  }
  return bytes;
}

}  // namespace dmarcate
