// Which insights people are told of, and when: each once when it comes, once more when it gets
// worse, and once when it is gone, however often policyd looks, restarts, or a server comes and
// goes. Pure.
//
//   ACTIVE, not told      told once it has been so for `settle`; an error at once
//   ACTIVE, told          told again if its severity has risen
//   RESOLVED, told        told once it has been gone for `clear_after`; until then it may come
//                         back, and nothing is told. Not if a person had dismissed it
//   ACCEPTED, DISMISSED   nothing: a person knows. ACTIVE again it is told as worse: it is, or it
//                         says something else than what was decided about
// A clock that is set back makes nothing wait for what lies ahead. What comes and goes is told
// most_firings times in `window`, then no more until that is over.

#ifndef DMARCATE_POLICYD_ALERT_DECIDE_H_
#define DMARCATE_POLICYD_ALERT_DECIDE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/alert_store.h"
#include "lib/store/insight_store.h"

namespace dmarcate {

struct AlertRules {
  absl::Duration settle = absl::Minutes(10);
  absl::Duration clear_after = absl::Hours(1);
  uint32_t most_firings = 3;
  absl::Duration window = absl::Hours(24);
};

struct Telling {
  std::vector<AlertRecord> alerts;                          // in the order of the insights
  std::vector<ToldRecord> told;                             // that changed
  std::vector<std::pair<std::string, std::string>> forget;  // domain, insight
};

// `insights` of one domain, all that are kept; `told` of the same domain, by insight.
Telling DecideAlerts(std::string_view domain, const std::vector<InsightRecord>& insights,
                     const std::map<std::string, ToldRecord>& told, absl::Time now,
                     const AlertRules& rules = {});

// Whether the channel wants to be told of it.
bool Wants(const AlertChannelRecord& channel, const AlertRecord& alert);

// When a delivery that failed `attempts` times is tried again: 30 s, 1 min, 2 min, ... 1 h.
absl::Duration BackoffAfter(uint32_t attempts);
// After that nobody tries any more.
inline constexpr absl::Duration kGiveUpAfter = absl::Hours(24);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_ALERT_DECIDE_H_
