#include "policyd/service/analysis_cache.h"

#include <utility>
#include <vector>

#include "lib/base/status_macros.h"
#include "policyd/service/handler.h"
#include "policyd/service/row_tables.h"

namespace dmarcate {
namespace {

constexpr int kAttempts = 3;  // to read reports while others expire

}  // namespace

AnalysisCache::AnalysisCache(const ReportFollower& reports, const Catalogue& catalogue,
                             const NetworkBook* network, GroupingStore* groupings,
                             size_t limit_bytes)
    : reports_(reports),
      catalogue_(catalogue),
      network_(network),
      groupings_(groupings),
      limit_bytes_(limit_bytes) {}
AnalysisCache::~AnalysisCache() = default;

std::shared_ptr<const LearnedForwarders> AnalysisCache::forwarders() const {
  static const auto* const nothing =
      new std::shared_ptr<const LearnedForwarders>(std::make_shared<const LearnedForwarders>());
  return network_ == nullptr ? *nothing : network_->Forwarders();
}

void AnalysisCache::KeepRows(const PublicSuffixList& suffixes) {
  rows_ = std::make_unique<RowTables>(catalogue_, suffixes);
}

absl::StatusOr<std::shared_ptr<const DomainStatistics>> AnalysisCache::Get(const Call& call,
                                                                           std::string_view domain,
                                                                           const DayRange& range,
                                                                           std::string_view source,
                                                                           KeepResult keep) {
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  const Key key{std::string(domain), range.first, range.last, std::string(source)};
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings grouped, Groupings(domain));
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      const Version version = VersionOf(*reader, network(), grouped, services());
      if (const auto it = index_.find(key); it != index_.end() && it->second->version == version) {
        entries_.splice(entries_.begin(), entries_, it->second);
        return it->second->statistics;
      }
      if (running_.size() < kMaxComputations && running_.insert(key).second) break;
      const auto until = absl::ToChronoTime(call.deadline());
      if (finished_.wait_until(lock, until) == std::cv_status::timeout || call.cancelled()) {
        return Cancelled();
      }
    }
    ++computations_;
  }
  // Read before the reports: what is committed meanwhile makes the next caller compute again.
  const NetworkView known = network();
  const CatalogueView by = services();
  const Version version = VersionOf(*reader, known, grouped, by);
  absl::StatusOr<std::shared_ptr<const DomainStatistics>> result = Compute(
      call, *reader, by, *known.evidence, *version.forwarders, Regrouping(grouped.rules), key);
  {
    const std::lock_guard lock(mutex_);
    running_.erase(key);
    if (result.ok() && keep == KeepResult::kYes) Keep(key, version, *result);
  }
  finished_.notify_all();
  return result;
}

absl::StatusOr<std::shared_ptr<const DomainStatistics>> AnalysisCache::Compute(
    const Call& call, ReportReader& reader, const CatalogueView& services,
    const NetworkEvidence& network, const LearnedForwarders& forwarders,
    const Regrouping& regrouping, const Key& key) {
  const auto& [domain, first, last, source] = key;
  // Rows that expire meanwhile would be in both reads, or in none.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> expired,
                              reader.ReadExpiredTotals(domain, first, last));
    StatisticsBuilder builder(domain, DayRange{first, last}, *services.catalogue, source, &network,
                              &regrouping);
    bool cancelled = false;
    DMARCATE_RETURN_IF_ERROR(
        reader.ForEachReport(domain, first, last, [&](const StoredReport& report) {
          cancelled = call.cancelled();
          if (!cancelled) builder.Add(report);
          return !cancelled;
        }));
    if (cancelled) return Cancelled();
    DMARCATE_ASSIGN_OR_RETURN(const std::vector<DayTotals> still,
                              reader.ReadExpiredTotals(domain, first, last));
    if (still != expired) continue;
    for (const DayTotals& day : expired) builder.AddExpired(day);
    // They point into the catalogue.
    struct Kept {
      std::shared_ptr<const Catalogue> catalogue;
      DomainStatistics statistics;
    };
    const auto kept = std::make_shared<Kept>(Kept{services.catalogue, builder.Finish()});
    ApplyLearned(forwarders, &kept->statistics);
    return std::shared_ptr<const DomainStatistics>(kept, &kept->statistics);
  }
  return absl::UnavailableError("reports are expiring; ask again in a minute");
}

absl::StatusOr<SourceGroupings> AnalysisCache::Groupings(std::string_view domain) const {
  return groupings_ == nullptr ? SourceGroupings() : groupings_->GetGroupings(domain);
}

absl::StatusOr<bool> AnalysisCache::WithRows(const Call& call, std::string_view domain,
                                             const DayRange& range,
                                             const std::function<void(const RowDays&)>& use) {
  if (rows_ == nullptr) return false;
  DMARCATE_ASSIGN_OR_RETURN(ReportReader* const reader, reports_.Reader());
  auto* const revisions = dynamic_cast<DayRevisionReader*>(reader);
  if (revisions == nullptr) return false;
  DMARCATE_ASSIGN_OR_RETURN(const RowAttribution attribution, AttributionOf(domain));
  return rows_->Use(call, {*reader, *revisions}, domain, range, attribution, use);
}

absl::StatusOr<RowAttribution> AnalysisCache::AttributionOf(std::string_view domain) const {
  NetworkView known = network();
  DMARCATE_ASSIGN_OR_RETURN(const SourceGroupings grouped, Groupings(domain));
  CatalogueView by = services();
  const RowAttribution::Version version = {known.version, grouped.revision, by.version};
  std::shared_ptr<const Catalogue> catalogue = by.catalogue;
  return RowAttribution{
      .version = version,
      .attribute =
          [domain = std::string(domain), regrouping = Regrouping(grouped.rules),
           known = std::move(known), by = std::move(by)](const AggregateRecord& record) {
            Attribution out = Attribute(record, domain, *by.catalogue, known.evidence.get());
            Regroup(record, *by.catalogue, &regrouping, &out);
            return out;
          },
      .catalogue = std::move(catalogue)};
}

void AnalysisCache::Freshen(absl::Time deadline) {
  const auto reader = reports_.Reader();
  if (rows_ == nullptr || !reader.ok()) return;
  auto* const revisions = dynamic_cast<DayRevisionReader*>(*reader);
  if (revisions == nullptr) return;
  rows_->Freshen(Call({"freshen"}, deadline), {**reader, *revisions},
                 [this](std::string_view domain) { return AttributionOf(domain); });
}

void AnalysisCache::Keep(const Key& key, const Version& version,
                         std::shared_ptr<const DomainStatistics> statistics) {
  if (version.catalogue < kept_catalogue_) return;
  if (version.catalogue >
      kept_catalogue_) {  // nothing is of use any more, and all holds the old one
    entries_.clear();
    index_.clear();
    bytes_ = 0;
    kept_catalogue_ = version.catalogue;
  }
  if (const auto it = index_.find(key); it != index_.end()) {
    bytes_ -= it->second->bytes;
    entries_.erase(it->second);
    index_.erase(it);
  }
  const size_t size = statistics->MemoryBytes();
  if (size > limit_bytes_ / 2) return;  // would throw out everything else
  entries_.push_front({key, version, size, std::move(statistics)});
  index_[key] = entries_.begin();
  bytes_ += size;
  while (bytes_ > limit_bytes_) {
    bytes_ -= entries_.back().bytes;
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

uint64_t AnalysisCache::computations() const {
  const std::lock_guard lock(mutex_);
  return computations_;
}

size_t AnalysisCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace dmarcate
