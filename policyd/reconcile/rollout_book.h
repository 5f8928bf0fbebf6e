// policyd/reconcile/rollout_book.h
// Rollouts as they are kept: read with their state decoded, written at the revision that they were
// read at together with what is to be said about it. Decides nothing and publishes nothing.

#ifndef DMARCATE_POLICYD_RECONCILE_ROLLOUT_BOOK_H_
#define DMARCATE_POLICYD_RECONCILE_ROLLOUT_BOOK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/store/rollout_store.h"
#include "policyd/rollout/state.h"

namespace dmarcate {

// Who the log names for what is done without a person.
inline constexpr std::string_view kRolloutPolicyd = "policyd";

// A rollout with its state decoded.
struct Rollout {
  RolloutRecord record;
  RolloutState state;
};
// kDataLoss: the state does not decode.
absl::StatusOr<Rollout> ToRollout(RolloutRecord record);

// Thread-safe. `store` and `clock` outlive it.
class RolloutBook {
 public:
  RolloutBook(RolloutStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  //   kNotFound RESOURCE_NOT_FOUND
  //   kAborted ETAG_MISMATCH        `revision` is neither 0 nor the one it has now
  absl::StatusOr<Rollout> Get(std::string_view domain, std::string_view id, uint64_t revision = 0);
  // The first `limit` after (`after_domain`, `after_id`), of one domain or of all ("-"), undecoded:
  // one that does not decode must not hide the others.
  absl::StatusOr<std::vector<RolloutRecord>> List(std::string_view domain,
                                                  std::string_view after_domain,
                                                  std::string_view after_id, size_t limit);
  // Writes the state, and `log` with it in one write. Returns it with its new revision.
  //   kAborted ETAG_MISMATCH  it has gone on since `rollout` was read
  absl::StatusOr<Rollout> Put(Rollout rollout, std::vector<RolloutLogRecord> log);
  // A line of the log, of now.
  RolloutLogRecord Entry(RolloutEvent event, std::string_view who, std::string text) const;

 private:
  RolloutStore& store_;
  const Clock& clock_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_ROLLOUT_BOOK_H_
