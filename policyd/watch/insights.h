// policyd/watch/insights.h
// What a look at a domain does to the insights that are kept of it. Pure.
//
//   found, and not kept        ACTIVE
//   found, and ACTIVE          stays, with what it says now
//   found, and decided about   stays so, unless it is worse: then ACTIVE, without the decision
//   found, and RESOLVED        ACTIVE again
//   not found                  RESOLVED, if the look would have found it; else it stays as it is
// Of two that one count gives (SPF_LOOKUP_MARGIN, SPF_LOOKUP_LIMIT) one is kept open: the larger
// resolves the smaller, and the smaller is not told of a count that is only a lower bound while the
// larger is open.
// Worse is a greater severity, a greater count, or another content.

#ifndef DMARCATE_POLICYD_WATCH_INSIGHTS_H_
#define DMARCATE_POLICYD_WATCH_INSIGHTS_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/insight_store.h"
#include "policyd/watch/insight_look.h"

namespace dmarcate {

struct InsightLimits {
  size_t open = 200;      // those that are not RESOLVED; the worst are kept, decided ones first
  size_t resolved = 200;  // the last that were
  absl::Duration resolved_age = absl::Hours(90 * 24);
  size_t unknown_names = 20;
};
// The time last seen is kept to this, so that a look that finds nothing new writes nothing.
inline constexpr absl::Duration kLastSeenGrain = absl::Hours(1);

// `stored` and `before` as they are kept of the domain. Nothing to write: an empty update.
InsightUpdate FoldInsights(const std::vector<InsightRecord>& stored,
                           const std::optional<InsightLookRecord>& before, const InsightLook& look,
                           absl::Time now, const InsightLimits& limits = {});

// `record` with a person's decision, kAccepted or kDismissed; the same one with another note is a
// decision, too. The same record: that was decided already, or it is RESOLVED and there is nothing
// to decide.
InsightRecord Decided(InsightRecord record, InsightState state, std::string_view by,
                      std::string_view note, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_INSIGHTS_H_
