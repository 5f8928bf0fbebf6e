// policyd/service/insight_book.h
// The insights of all domains: the watcher writes down what it found, and people decide about it.
// Both read, decide and write under one lock, so that a look never takes back a decision.

#ifndef DMARCATE_POLICYD_SERVICE_INSIGHT_BOOK_H_
#define DMARCATE_POLICYD_SERVICE_INSIGHT_BOOK_H_

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "lib/base/clock.h"
#include "lib/store/insight_store.h"
#include "policyd/watch/insight_look.h"

namespace dmarcate {

struct InsightDecisionRequest {
  std::string domain, id;
  std::string etag;
  InsightState state = InsightState::kAccepted;  // or kDismissed
  std::string decided_by, note;
  bool validate_only = false;
};

// What a client saw: the revision, and of what. A revision alone begins anew where an insight was
// forgotten and is found again, and then says something else.
std::string InsightEtag(const InsightRecord& record);

// Thread-safe.
class InsightBook {
 public:
  InsightBook(InsightStore& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Errors are the store's. A stored look that does not decode is written anew.
  absl::Status Fold(const std::string& domain, const InsightLook& look);
  // Ids of those that are there and not RESOLVED.
  absl::StatusOr<std::set<std::string>> OpenIds(const std::string& domain);
  // The last look; nothing: nobody has looked. kDataLoss: it does not decode, which is logged once
  // until it does again. Other errors are the store's.
  absl::StatusOr<std::optional<InsightLookRecord>> LastLook(const std::string& domain);
  // The insight as it is then.
  //   kNotFound   no such insight
  //   kInvalidArgument ETAG_REQUIRED, kAborted ETAG_MISMATCH
  absl::StatusOr<InsightRecord> Decide(const InsightDecisionRequest& request);

 private:
  InsightStore& store_;
  const Clock& clock_;
  std::mutex mutex_;  // from reading to having written
  std::mutex unreadable_mutex_;
  std::set<std::string> unreadable_;  // domains whose look does not decode, and that was logged
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_SERVICE_INSIGHT_BOOK_H_
