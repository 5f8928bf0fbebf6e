// policyd/reconcile/rollout_memory.h
// What this process last asked and said about each rollout of one kind (DMARC, MTA-STS), so that a
// question is asked again when its answer can be another one, and the same answer is not written
// down with each tick. In memory alone: a restart asks and says everything once more.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_MEMORY_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_MEMORY_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"

#include "lib/base/clock.h"
#include "lib/store/rollout_store.h"
#include "policyd/reconcile/rollout_book.h"

namespace dmarcate {

// Thread-safe. `clock` outlives it.
class RolloutMemory {
 public:
  static constexpr absl::Duration kAfterFailure = absl::Minutes(10);
  static constexpr absl::Duration kLongestPause = absl::Hours(6);

  explicit RolloutMemory(const Clock& clock) : clock_(clock) {}

  // A person waits for what failed: it is tried again each kAfterFailure.
  enum class Haste : bool { kNo, kPersonWaits };

  // Whether the question is to be asked: never asked, asked of another revision, or it is time. A
  // clock that was set back does not keep from asking.
  bool IsDue(const RolloutRecord& rollout);
  // The question was asked of this revision; the answer may be another one at `again`.
  void Asked(const RolloutRecord& rollout, absl::Time again);
  // What was decided of this revision came to nothing: it is asked again after a pause that doubles
  // each time in a row, from kAfterFailure to kLongestPause.
  void Failed(const RolloutRecord& rollout, Haste haste);
  // It was done: the next failure is the first one.
  void Succeeded(const RolloutRecord& rollout);
  // Whether `what` is what was said last, less than `within` ago.
  bool HasSaid(const RolloutRecord& rollout, std::string_view what, absl::Duration within);
  // `what` was written down, which made this revision; nothing else changed with it.
  void Said(const RolloutRecord& rollout, std::string what);

  // The same of a DMARC rollout; somebody waits for an abort.
  bool IsDue(const Rollout& rollout) { return IsDue(rollout.record); }
  void Asked(const Rollout& rollout, absl::Time again) { Asked(rollout.record, again); }
  void Failed(const Rollout& rollout) {
    Failed(rollout.record, rollout.state.abort_to.has_value() ? Haste::kPersonWaits : Haste::kNo);
  }
  void Succeeded(const Rollout& rollout) { Succeeded(rollout.record); }
  bool HasSaid(const Rollout& rollout, std::string_view what, absl::Duration within) {
    return HasSaid(rollout.record, what, within);
  }
  void Said(const Rollout& rollout, std::string what) { Said(rollout.record, std::move(what)); }

 private:
  using Key = std::pair<std::string, std::string>;  // domain, id
  struct Seen {
    uint64_t revision = 0;
    absl::Time at, again;
    int failures = 0;  // in a row
    std::string said;
    absl::Time said_at = absl::InfinitePast();
  };
  static Key KeyOf(const RolloutRecord& rollout) { return {rollout.domain, rollout.id}; }

  const Clock& clock_;
  std::mutex mutex_;
  std::map<Key, Seen> seen_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_MEMORY_H_
