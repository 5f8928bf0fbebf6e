// lib/store/insight_store.h
// What a person should know about each managed domain, and what people said about it. policyd finds
// it and keeps it, beside the policy store. Implementations: RocksDB (rocks_policy_store.h) and the
// fake in memory (fake_insight_store.h); one conformance suite runs on both.
//
// policyd/watch decides what a look does to an insight and how long one is kept; the store only
// keeps. Who reads, decides and writes holds a lock of its own (policyd/service/insight_book.h).
//   kInvalidArgument  a domain or id is empty, or longer than kMaxPolicyKeyBytes
//   kDataLoss         stored bytes do not decode
//   kUnavailable, kResourceExhausted, kFailedPrecondition  disk, as in policy_store.h

#ifndef DMARCATE_LIB_STORE_INSIGHT_STORE_H_
#define DMARCATE_LIB_STORE_INSIGHT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/lint.h"

namespace dmarcate {

enum class InsightState : uint8_t { kActive = 1, kAccepted = 2, kDismissed = 3, kResolved = 4 };

struct InsightRecord {
  std::string id;    // follows from code and subject
  std::string code;  // one of lint_code or drift_code
  Severity severity = Severity::kWarning;
  InsightState state = InsightState::kActive;
  std::string scope;    // what has to be learned before its absence means anything
  std::string subject;  // owner name
  std::string path;     // "spf/include:a.test"
  std::string message, fix_hint, evidence_command, reference;
  std::map<std::string, std::string> metadata;
  std::string content;  // digest of what it says; another one is another thing to know
  int64_t weight = 0;   // larger is worse, where `content` is the same: a count
  absl::Time first_seen, last_seen;
  absl::Time resolve_time = absl::InfiniteFuture();  // of kResolved
  uint32_t active_count = 1;                         // how often it became kActive
  // The last decision; its time is InfinitePast: none since it became active. It stays when the
  // insight is resolved.
  InsightState decision = InsightState::kAccepted;  // or kDismissed
  std::string decided_by, note;
  absl::Time decide_time = absl::InfinitePast();
  uint64_t revision = 1;  // grows with all but last_seen
  friend bool operator==(const InsightRecord&, const InsightRecord&) = default;
};

// How far the insights of a domain can be believed.
struct InsightLookRecord {
  absl::Time time;                         // when they were last decided about
  std::vector<std::string> unknown_names;  // sorted; about which nothing was learned
  uint32_t left_out = 0;                   // findings that were over the limit
  uint32_t unknown_names_left_out = 0;     // of that kind beside `unknown_names`
  // Insights that made room for worse ones while nobody knew whether they are gone, since the last
  // look that learned everything.
  uint32_t forgotten_unknown = 0;
  friend bool operator==(const InsightLookRecord&, const InsightLookRecord&) = default;
};

struct InsightUpdate {
  std::vector<InsightRecord> put;   // new, or in place of the one with this id
  std::vector<std::string> forget;  // ids
  std::optional<InsightLookRecord> look;
  bool empty() const { return put.empty() && forget.empty() && !look; }
};

// kLater: what a power failure takes the next look finds again. kSynced: a person's decision.
enum class InsightSync : bool { kLater, kSynced };

// Thread-safe.
class InsightStore {
 public:
  virtual ~InsightStore() = default;
  // By id.
  virtual absl::StatusOr<std::vector<InsightRecord>> ListInsights(std::string_view domain) = 0;
  // kNotFound
  virtual absl::StatusOr<InsightRecord> GetInsight(std::string_view domain,
                                                   std::string_view id) = 0;
  // Nothing: nobody has looked.
  virtual absl::StatusOr<std::optional<InsightLookRecord>> GetInsightLook(
      std::string_view domain) = 0;
  // All or nothing.
  virtual absl::Status UpdateInsights(std::string_view domain, const InsightUpdate& update,
                                      InsightSync sync) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_INSIGHT_STORE_H_
