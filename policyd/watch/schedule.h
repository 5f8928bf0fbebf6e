// policyd/watch/schedule.h
// When a name is looked at again. Pure: a function of what was seen last and of the interval, so
// that a restart neither looks twice nor forgets.

#ifndef DMARCATE_POLICYD_WATCH_SCHEDULE_H_
#define DMARCATE_POLICYD_WATCH_SCHEDULE_H_

#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/observation_store.h"

namespace dmarcate {

// The shortest pause after a look that learned nothing.
inline constexpr absl::Duration kFirstRetry = absl::Minutes(1);

// InfinitePast: never looked at. After an answer the interval, whatever its TTL: a resolver that
// still has it in its cache is asked for nothing. After a look that learned nothing as long as that
// has lasted so far, from kFirstRetry to the interval: so pauses double. A tenth more or less of
// it, by name and time: names that were looked at together drift apart. `now` if the last look is
// later than that: the clock was wrong.
absl::Time NextLook(const std::vector<Observation>& history, std::string_view domain,
                    const ObservedName& name, absl::Duration interval, absl::Time now);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_SCHEDULE_H_
