// The weekly digest: of each domain how much mail passed, beside the week before, what is new about
// its sources, and what is open. As text and as HTML that loads nothing and in which nothing of
// what strangers wrote is markup. Pure.

#ifndef DMARCATE_POLICYD_ALERT_DIGEST_H_
#define DMARCATE_POLICYD_ALERT_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/alert_store.h"
#include "lib/store/insight_store.h"
#include "policyd/analysis/health.h"
#include "policyd/analysis/statistics.h"

namespace dmarcate {

inline constexpr size_t kMaxDigestDomains = 200;
inline constexpr size_t kMaxDigestNews = 5;       // of one domain
inline constexpr size_t kMaxDigestInsights = 10;  // of one domain

struct DigestDomain {
  std::string name;
  bool known = true;  // false: its reports could not be read
  // By what can be believed (IsBelieved); where nobody who can be has seen mail, by what is
  // claimed.
  Counts now, before;
  bool only_claimed = false;
  int64_t claimed = 0;            // messages of the week beside `now`, which only others claim
  std::vector<std::string> news;  // sentences, the gravest first
  size_t news_left_out = 0;
  std::vector<InsightRecord> open;  // ACTIVE, the worst first
  size_t open_left_out = 0;
};
DigestDomain SummarizeDomain(const std::string& name, const DomainStatistics& now,
                             const DomainStatistics& before,
                             const std::vector<InsightRecord>& insights);

struct Digest {
  DayRange week;
  std::vector<DigestDomain> domains = {};  // what needs attention first, then most mail
  size_t domains_left_out = 0;
  size_t open = 0;  // insights, of those left out, too
};
// Those that need attention first; at most kMaxDigestDomains.
Digest MakeDigest(const DayRange& week, std::vector<DigestDomain> domains);

std::string DigestSubject(const Digest& digest);
std::string DigestText(const Digest& digest);
std::string DigestHtml(const Digest& digest);
DeliveryRecord ComposeDigest(const AlertChannelRecord& channel, const Digest& digest,
                             absl::Time now);

// When it is made: "monday 07:00", UTC.
struct DigestTime {
  int weekday = 1;  // 0 is Sunday
  int hour = 7, minute = 0;
  friend bool operator==(const DigestTime&, const DigestTime&) = default;
};
std::optional<DigestTime> ParseDigestTime(std::string_view text);
// The last time at or before `now` at which one is due.
absl::Time LastDigestSlot(const DigestTime& when, absl::Time now);

// For text and for quoted attributes.
std::string EscapeHtml(std::string_view text);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ALERT_DIGEST_H_
