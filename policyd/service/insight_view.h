// policyd/service/insight_view.h
// An Insight of the API.

#ifndef DMARCATE_POLICYD_SERVICE_INSIGHT_VIEW_H_
#define DMARCATE_POLICYD_SERVICE_INSIGHT_VIEW_H_

#include <string_view>

#include "absl/time/time.h"

#include "dmarcate/v1/insight.pb.h"
#include "lib/store/insight_store.h"

namespace dmarcate {

inline constexpr std::string_view kInsights = "insights";
// Where the watch runs, a look is written down every hour or so; after that nothing is known.
inline constexpr absl::Duration kStaleLook = absl::Hours(24);

v1::Insight::State ToMessage(InsightState state);
v1::Insight MakeInsight(std::string_view domain, const InsightRecord& record);
// The order within a domain: the worst first.
bool ComesBefore(const InsightRecord& a, const InsightRecord& b);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_INSIGHT_VIEW_H_
