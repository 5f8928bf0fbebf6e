// policyd/analysis/statistics.h
// Everything that the reports of one domain say about a range of days, gathered in one pass:
// sources with their addresses and days, the domain's days, and breakdowns. Pure.
//
// Exact: the counts of the sources add up to the total, as do those of the days, the addresses of
// a source, and each breakdown. Reports of the classes UNVERIFIED and QUARANTINED count nowhere.
//
// Where the rows of reports have expired (docs/retention.md), the day's totals are what is left of
// them: they stand beside those sums, never in them, as nobody can tell any more whose mail it was.
//
// Bounded: at most kMaxSources sources (source_places.h: strangers cannot take those that believed
// reports need), kMaxAddresses addresses and kMaxKeys keys of a breakdown are kept apart; what
// comes after them is counted in one that stands for the rest, so that the sums stay exact whatever
// a hostile report holds.

#ifndef DMARCATE_POLICYD_ANALYSIS_STATISTICS_H_
#define DMARCATE_POLICYD_ANALYSIS_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/ip_address.h"
#include "lib/base/time.h"
#include "lib/store/report_store.h"
#include "policyd/analysis/attribution.h"
#include "policyd/analysis/catalogue.h"
#include "policyd/analysis/counts.h"
#include "policyd/analysis/regroup.h"
#include "policyd/analysis/selector_tally.h"
#include "policyd/analysis/source_places.h"
#include "policyd/analysis/spread.h"

namespace dmarcate {

inline constexpr size_t kMaxAddresses = 500'000;   // over all its sources
inline constexpr size_t kMaxKeys = 10'000;         // of one breakdown
inline constexpr size_t kMaxReportersListed = 20;  // of one address
inline constexpr size_t kMaxSelectorsKept = 16;    // of one source
inline constexpr size_t kMaxHeaderFromKept = 20;   // of one source
inline constexpr std::string_view kOverflowSourceId = "other-senders";
inline constexpr std::string_view kOverflowKey = "(others)";

enum class SourceKind : uint8_t {
  kSender,      // a catalogued service, or one that signs as us with a key of its own
  kForwarder,   // passes on what others wrote
  kUnknown,     // has an identity that passes, and nothing shows that it is ours
  kInternal,    // our own servers: our signature or our envelope domain, and no service's
  kSuspicious,  // claims to be us, and nothing supports it
};
std::string_view ToString(SourceKind kind);  // "sender"

struct AddressStats {
  std::optional<IpAddress> address;  // absent: none that could be read, or beyond kMaxAddresses
  Counts counts;
  DayNumber first_day = 0, last_day = 0;
  std::vector<uint32_t> reporters;  // into DomainStatistics::reporters; at most kMaxReportersListed
};

struct DayStats {
  DayNumber day = 0;
  Counts counts;
  int32_t reports = 0;          // whose midpoint lies in the day, empty ones included
  bool estimated = false;       // part of it was spread
  Counts expired;               // of the domain, by the midpoint; not in `counts`
  int32_t expired_reports = 0;  // not in `reports`
};

inline constexpr size_t kTrustClasses = 6;  // by the number of TrustClass
inline constexpr size_t kReasonTypes = 8;   // by the number of ReasonType

// What one anchor says of a source: its reports are ANCHORED (safety: report poisoning).
struct AnchorCounts {
  uint32_t reporter = 0;  // into DomainStatistics::reporters
  Counts counts;
  // Messages with an identity that nobody can borrow: a DKIM pass of a catalogued service's domain
  // or selector, or of our own; or a name of the service, confirmed both ways.
  int64_t proved = 0;
  DayNumber first_day = 0, last_day = 0;
};
inline constexpr size_t kMaxAnchorsKept = 16;  // of one source, the first; anchors are few
// Whether mail that is attributed by it counts as proved.
bool ProvesIdentity(Rule rule);
// Whether kinds may follow from reports of the class.
constexpr bool IsBelieved(TrustClass trust) {
  return trust == TrustClass::kAnchored || trust == TrustClass::kImported;
}

// What a kind follows from, of the reports that it may follow from: those of anchors, and those
// that the operator handed in. What others claim is counted beside it.
struct KindGrounds {
  int64_t messages = 0, dmarc_pass = 0;
  int64_t forwarded_by_override = 0, own_envelope_denied = 0, own_signature = 0;  // as below
  int64_t own_dkim = 0;                    // messages attributed by Rule::kOwnDkim
  std::vector<std::string> own_selectors;  // sorted, at most kMaxSelectorsKept
  bool own_selectors_known = true;         // false: more than that
};

struct BreakdownEntry {
  std::string key;
  Counts counts;
};

struct SourceStatistics {
  std::string id;
  SourceKind kind = SourceKind::kUnknown;
  size_t learned_at = 0;  // other domains that show it to be of that kind; 0: its own mail does
  Rule rule = Rule::kAddress;  // the strongest that any row was attributed by
  std::string value;           // what that rule saw
  const MailService* service = nullptr;

  Counts counts;
  std::array<Counts, kTrustClasses> by_trust;
  std::vector<AnchorCounts> anchors;              // by reporter; none of Rule::kOverflow
  KindGrounds believed;                           // without messages: there are none
  std::array<int64_t, kReasonTypes> overrides{};  // messages
  std::array<int64_t, kRuleCount> by_rule{};      // messages
  int64_t forwarded_by_override = 0, forwarded_by_broken_spf = 0;  // messages
  int64_t own_envelope_denied = 0;         // messages; Attribution::own_envelope_denied
  int64_t own_signature = 0;               // messages that carry our own passing signature
  std::vector<std::string> own_selectors;  // of those; sorted, at most kMaxSelectorsKept
  bool own_selectors_known = true;         // false: more than that
  std::vector<uint32_t> reporters;         // sorted
  std::vector<AddressStats> addresses;     // most messages first
  size_t address_count = 0;                // of addresses, also where those are left out
  // By the name in From; left out where addresses are. At most kMaxHeaderFromKept and kOverflowKey.
  std::vector<BreakdownEntry> by_header_from;
  DayNumber first_day = 0, last_day = 0;
};

std::string_view DispositionKey(Disposition disposition);  // "none"

struct DomainStatistics {
  std::string domain;
  DayRange range;
  Counts total;
  Counts expired;                           // of reports without rows; in nothing else here
  std::vector<SourceStatistics> sources;    // most messages first, then by id
  std::vector<DayStats> days;               // every day of the range; of one source, if asked for
  std::vector<std::string> reporters;       // organisations, by the index used above
  std::vector<BreakdownEntry> by_reporter;  // each breakdown: most messages first, then by key
  std::vector<BreakdownEntry> by_address;
  std::vector<BreakdownEntry> by_header_from;
  std::vector<BreakdownEntry>
      by_disposition;  // "none", "quarantine", "reject", "pass", "unspecified"
  std::array<Counts, kTrustClasses> by_trust;
  std::optional<DayNumber> last_report_day;  // empty reports included
  std::vector<std::string> selectors;        // our own, that passed; sorted, bounded
  // False: a source has more than are kept of it, a signature was reported without its selector, or
  // rows of these days have expired.
  bool selectors_known = true;
  SelectorTally by_selector;  // signatures whose d= is the domain itself

  const SourceStatistics* FindSource(std::string_view id) const;
  size_t MemoryBytes() const;  // estimated, for the cache
};

// Not thread-safe. Add() each report of the range and AddExpired() each day once, in any order;
// then Finish().
class StatisticsBuilder {
 public:
  // `catalogue` outlives the result, `network` and `regrouping` this (null: nothing is known,
  // nobody has grouped anything). `series_of`: the days are those of this source alone, reports
  // that do not name it left out; empty: of the domain.
  StatisticsBuilder(std::string_view domain, const DayRange& range, const Catalogue& catalogue,
                    std::string_view series_of = {}, const NetworkEvidence* network = nullptr,
                    const Regrouping* regrouping = nullptr);
  ~StatisticsBuilder();
  StatisticsBuilder(const StatisticsBuilder&) = delete;
  StatisticsBuilder& operator=(const StatisticsBuilder&) = delete;

  // `report.key.day` lies in the range; anything else is left out.
  void Add(const StoredReport& report);
  // What ReportReader::ReadExpiredTotals gives of one day.
  void AddExpired(const DayTotals& totals);
  DomainStatistics Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ANALYSIS_STATISTICS_H_
