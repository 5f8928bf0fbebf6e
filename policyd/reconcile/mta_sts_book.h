// policyd/reconcile/mta_sts_book.h
// MTA-STS rollouts as they are kept: read with their state decoded, written at the revision that
// they were read at together with what is to be said about it. Decides nothing and publishes
// nothing.

#ifndef DMARCATE_POLICYD_RECONCILE_MTA_STS_BOOK_H_
#define DMARCATE_POLICYD_RECONCILE_MTA_STS_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/store/rollout_store.h"
#include "policyd/mta_sts/state.h"
#include "policyd/reconcile/rollout_book.h"

namespace dmarcate {

// A rollout with its state decoded.
struct StsRollout {
  RolloutRecord record;
  StsState state;
};
// kDataLoss: the state does not decode.
absl::StatusOr<StsRollout> ToStsRollout(RolloutRecord record);

// Thread-safe. `store` (that of MTA-STS) and `clock` outlive it.
class MtaStsBook {
 public:
  MtaStsBook(RolloutStore& store, const Clock& clock)
      : store_(store), clock_(clock), log_(store, clock) {}

  // As RolloutBook.
  absl::StatusOr<StsRollout> Get(std::string_view domain, std::string_view id,
                                 uint64_t revision = 0);
  absl::StatusOr<std::vector<RolloutRecord>> List(std::string_view domain,
                                                  std::string_view after_domain,
                                                  std::string_view after_id, size_t limit) {
    return log_.List(domain, after_domain, after_id, limit);
  }
  // The last one of the domain, which alone may be moving, and whose file is served; nothing: it
  // never had one.
  absl::StatusOr<std::optional<StsRollout>> Last(std::string_view domain);
  absl::StatusOr<StsRollout> Put(StsRollout rollout, std::vector<RolloutLogRecord> log);
  RolloutLogRecord Entry(RolloutEvent event, std::string_view who, std::string text) const {
    return log_.Entry(event, who, std::move(text));
  }

 private:
  RolloutStore& store_;
  const Clock& clock_;
  RolloutBook log_;
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_RECONCILE_MTA_STS_BOOK_H_
