// policyd/watch/history.h
// What a look at a name does to its history. A look that finds what the last one found moves its
// time last seen and nothing else; another answer is a new entry. A look that learned nothing
// (SERVFAIL, time-out, bogus) never touches what was known: it is an entry of its own, which is
// dropped soon. Pure.

#ifndef DMARCATE_POLICYD_WATCH_HISTORY_H_
#define DMARCATE_POLICYD_WATCH_HISTORY_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

#include "lib/store/observation_store.h"

namespace dmarcate {

// Of the history of one name. The newest answer is kept in any case.
struct HistoryLimits {
  size_t entries = 400;
  absl::Duration age = absl::Hours(400 * 24);  // since last seen
  // Answers with the records of the one before: another TTL, or other servers that disagree.
  size_t minor_entries = 40;
  size_t bytes = 512 << 10;     // of all texts; a stranger writes an included record
  size_t unknown_entries = 20;  // those that learned nothing
  absl::Duration unknown_age = absl::Hours(14 * 24);
};

// What a text costs to keep: an answer may hold thousands of empty ones.
inline size_t ObservedBytes(std::string_view text) { return text.size() + 32; }

// In all functions `history` is newest first, as the store gives it.

// The newest entry that is an answer; null: there has been none.
const Observation* LatestAnswer(const std::vector<Observation>& history);
// The entry of the last look, whatever it learned; null: nobody has looked.
const Observation* LastLook(const std::vector<Observation>& history);

// Whether `look` found what `entry` says. What one of the two could not see (the servers' own TTL
// and disagreement, DNSSEC) is no difference.
bool FoundTheSame(const Observation& entry, const Observation& look);

// What to do with `look`, whose times are both the time of looking. After a clock was set back the
// time last seen goes back, too, but not before the time first seen, and no two entries have one
// time.
HistoryUpdate Observe(const std::vector<Observation>& history, Observation look,
                      const HistoryLimits& limits = {});
// What is over the limits at `now`. Of a name that is still looked at (`watched`) the newest answer
// stays.
enum class Watched : bool { kNo, kYes };
HistoryUpdate Expire(const std::vector<Observation>& history, absl::Time now, Watched watched,
                     const HistoryLimits& limits = {});
// The history after `update`.
std::vector<Observation> Apply(std::vector<Observation> history, const HistoryUpdate& update);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_HISTORY_H_
