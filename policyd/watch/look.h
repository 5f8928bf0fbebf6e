// policyd/watch/look.h
// What was seen at a name, from both views of it, as an entry of a history. Pure.

#ifndef DMARCATE_POLICYD_WATCH_LOOK_H_
#define DMARCATE_POLICYD_WATCH_LOOK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "lib/inspect/posture.h"
#include "lib/store/observation_store.h"

namespace dmarcate {

// Of all values of one look; what is beyond is left out, and its hash is kept. The largest TXT
// RRset that mail needs has a tenth of it.
inline constexpr size_t kMaxObservedBytes = 16 << 10;
inline constexpr size_t kMaxObservedServers = 16;  // that disagree
inline constexpr size_t kMaxObservedErrorBytes = 300;
// Where servers have been silent for longer, the resolver is believed: nobody caches for so long.
inline constexpr absl::Duration kServersWord = absl::Hours(24);

// The authoritative servers count, if they were asked and one answered: what most of them say, and
// of equally many what the resolver says, too. They have no cache, so a change is seen when it is
// made. Otherwise the resolver counts, unless servers answered within kServersWord: they are silent
// now, and what a cache still has may be older than what they said. If the resolver says bogus,
// nothing is known: receivers that validate see nothing.
// `known`: the newest answer in the history; null: none.
Observation ObserveView(const RecordView& view, const Observation* known, absl::Time now);

// kDeadlineExceeded: kTimeout. kDataLoss: kBogus. Else kServfail.
ObservedOutcome OutcomeOf(const absl::Status& error);
// The values of an answer as a history keeps them.
std::vector<std::string> ValuesOf(const DnsAnswer& answer);

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_WATCH_LOOK_H_
