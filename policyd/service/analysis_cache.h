// policyd/service/analysis_cache.h
// Statistics of a domain and range of days, computed when asked for and kept for as long as the
// reports store holds the same and the same is known about addresses. Bounded by bytes; the least
// recently used goes first. One computation at a time for each key, kMaxComputations in all: who
// asks meanwhile waits.

#ifndef DMARCATE_POLICYD_SERVICE_ANALYSIS_CACHE_H_
#define DMARCATE_POLICYD_SERVICE_ANALYSIS_CACHE_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/rpc/call.h"
#include "lib/store/grouping_store.h"
#include "policyd/analysis/learned_forwarders.h"
#include "policyd/analysis/statistics.h"
#include "policyd/service/catalogue_book.h"
#include "policyd/service/network_book.h"
#include "policyd/service/report_follower.h"

namespace dmarcate {

class PublicSuffixList;
class RowTables;
struct RowAttribution;
struct RowDays;

inline constexpr size_t kAnalysisCacheBytes = 128 << 20;
inline constexpr absl::Duration kFreshenLimit = absl::Seconds(2);
inline constexpr size_t kMaxComputations = 2;  // at once; each may take much memory

// Whether a result may take the room of others. What works in the background leaves it to people.
enum class KeepResult : bool { kNo, kYes };

// Thread-safe.
class AnalysisCache {
 public:
  // `network`: what is known about addresses; `groupings`: what people did to sources; null:
  // nothing, ever.
  AnalysisCache(const ReportFollower& reports, const Catalogue& catalogue,
                const NetworkBook* network = nullptr, GroupingStore* groupings = nullptr,
                size_t limit_bytes = kAnalysisCacheBytes);
  ~AnalysisCache();

  // `source`: the days are those of this source alone; empty: of the domain. Stops early when the
  // call is cancelled.
  //   kUnavailable STARTING  as ReportFollower::Reader    kDeadlineExceeded  cancelled
  absl::StatusOr<std::shared_ptr<const DomainStatistics>> Get(const Call& call,
                                                              std::string_view domain,
                                                              const DayRange& range,
                                                              std::string_view source = {},
                                                              KeepResult keep = KeepResult::kYes);
  // From now on queries that can be answered from compact rows are (analysis_queries.h). Before
  // anybody asks. `suffixes` outlives this.
  void KeepRows(const PublicSuffixList& suffixes);
  // Calls `use` with the compact rows of the range. False, and `use` was not called: there are
  // none, and Get() or the reports have to do. Errors as Get().
  absl::StatusOr<bool> WithRows(const Call& call, std::string_view domain, const DayRange& range,
                                const std::function<void(const RowDays&)>& use);
  // Brings up to date the compact rows that were asked for lately, after the reports have been
  // followed; until `deadline` at the latest.
  void Freshen(absl::Time deadline);
  const RowTables* rows() const { return rows_.get(); }  // null without KeepRows()
  // As it is now. For as long as a call takes; who needs it for longer keeps the view.
  const Catalogue& catalogue() const { return *services().catalogue; }
  CatalogueView services() const {
    return book_ == nullptr ? CatalogueView{UnownedCatalogue(catalogue_)} : book_->Get();
  }
  // From now on the catalogue is that of `book`, which outlives this. Before the first call.
  void Follow(const CatalogueBook& book) { book_ = &book; }
  // What new statistics go by. Its evidence is never null.
  NetworkView network() const { return network_ == nullptr ? NothingKnown() : network_->Get(); }
  // Who forwards, as all domains show together. Never null.
  std::shared_ptr<const LearnedForwarders> forwarders() const;
  // How people group the sources of the domain now.
  absl::StatusOr<SourceGroupings> Groupings(std::string_view domain) const;
  // How often reports have been read, and what is kept; for tests and metrics.
  uint64_t computations() const;
  size_t bytes() const;

 private:
  using Key = std::tuple<std::string, DayNumber, DayNumber, std::string>;
  struct Version {
    uint64_t reports = 0, network = 0, groupings = 0, catalogue = 0;
    std::shared_ptr<const LearnedForwarders> forwarders;
    friend bool operator==(const Version&, const Version&) = default;
  };
  struct Entry {
    Key key;
    Version version;
    size_t bytes = 0;
    std::shared_ptr<const DomainStatistics> statistics;
  };

  absl::StatusOr<RowAttribution> AttributionOf(std::string_view domain) const;
  absl::StatusOr<std::shared_ptr<const DomainStatistics>> Compute(
      const Call& call, ReportReader& reader, const CatalogueView& services,
      const NetworkEvidence& network, const LearnedForwarders& forwarders,
      const Regrouping& regrouping, const Key& key);
  void Keep(const Key& key, const Version& version,
            std::shared_ptr<const DomainStatistics> statistics);

  // What a result depends on; read before the reports.
  Version VersionOf(const ReportReader& reader, const NetworkView& known,
                    const SourceGroupings& grouped, const CatalogueView& services) const {
    return {reader.version(), known.version, grouped.revision, services.version, forwarders()};
  }

  const ReportFollower& reports_;
  const Catalogue& catalogue_;
  const CatalogueBook* book_ = nullptr;
  const NetworkBook* const network_;
  GroupingStore* const groupings_;
  const size_t limit_bytes_;
  std::unique_ptr<RowTables> rows_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable finished_;
  std::list<Entry> entries_;  // the last used first
  std::map<Key, std::list<Entry>::iterator> index_;
  std::set<Key> running_;
  size_t bytes_ = 0;
  uint64_t computations_ = 0;
  uint64_t kept_catalogue_ = 0;  // the version that entries go by
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_ANALYSIS_CACHE_H_
