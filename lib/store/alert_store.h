// Whom people are told about insights through, what is to be told, and what was told: channels, the
// journal of deliveries, and a memory of each insight that was told of. policyd keeps it beside the
// policy store. Implementations: RocksDB (rocks_policy_store.h) and the fake in memory
// (fake_alert_store.h); one conformance suite runs on both.
//
// policyd/alert decides what is told; the store only keeps. Errors as in insight_store.h, and
//   kAborted, kAlreadyExists  a channel's revision, as in policy_store.h

#ifndef DMARCATE_LIB_STORE_ALERT_STORE_H_
#define DMARCATE_LIB_STORE_ALERT_STORE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/mailauth/lint.h"

namespace dmarcate {

enum class AlertChannelKind : uint8_t { kWebhook = 1, kMail = 2, kSyslog = 3 };

struct AlertChannelRecord {
  std::string id;
  AlertChannelKind kind = AlertChannelKind::kWebhook;
  std::string url;                      // kWebhook
  std::string secret_name;              // kWebhook: file with the key of its signatures
  std::vector<std::string> recipients;  // kMail: addresses
  Severity min_severity = Severity::kWarning;
  std::vector<std::string> domains;  // empty: all
  std::vector<std::string> codes;    // empty: all
  bool cleared = true;               // it is told, too, that something is no longer so
  bool digest = false;               // the weekly one goes there
  absl::Time create_time;
  std::string created_by;
  uint64_t revision = 0;
  friend bool operator==(const AlertChannelRecord&, const AlertChannelRecord&) = default;
};

enum class AlertEvent : uint8_t { kFired = 1, kWorse = 2, kCleared = 3 };

struct AlertRecord {
  AlertEvent event = AlertEvent::kFired;
  std::string domain, insight, code;
  Severity severity = Severity::kWarning;
  std::string message, fix_hint, evidence_command;
  absl::Time since;  // it has been so; of kCleared: it no longer is
  friend bool operator==(const AlertRecord&, const AlertRecord&) = default;
};

enum class DeliveryState : uint8_t { kPending = 1, kDelivered = 2, kFailed = 3 };

struct DeliveryRecord {
  absl::Time create_time;
  std::string id;  // the idempotency key: the same however often it is sent
  std::string channel;
  DeliveryState state = DeliveryState::kPending;
  std::vector<AlertRecord> alerts;        // none: a digest or a test
  std::string subject, text, html, json;  // as they are sent, each time the same
  uint32_t attempts = 0;
  absl::Time next_attempt;  // of kPending
  std::string last_error;   // of the last attempt; empty: it went well, or there was none
  absl::Time end_time = absl::InfiniteFuture();
  friend bool operator==(const DeliveryRecord&, const DeliveryRecord&) = default;
};

// What people were told about one insight of one domain.
struct ToldRecord {
  std::string domain, insight;
  bool open = false;  // that it is so, and not yet that it is no longer
  Severity severity = Severity::kWarning;
  // Since when it has been active, as far as was seen; InfiniteFuture: it is not.
  absl::Time seen = absl::InfiniteFuture();
  absl::Time told = absl::InfinitePast();  // the last time
  uint32_t firings = 0;                    // since `window`
  absl::Time window;
  uint32_t held_back = 0;  // firings that nobody was told of, since the last one that was told
  friend bool operator==(const ToldRecord&, const ToldRecord&) = default;
};

struct AlertUpdate {
  std::vector<DeliveryRecord> put = {};  // new, or in place of the one with this time and id
  std::vector<DeliveryRecord> forget = {};
  std::vector<ToldRecord> told = {};
  std::vector<std::pair<std::string, std::string>> forget_told = {};  // domain, insight
  std::optional<absl::Time> digest = {};                              // when the last one was made
  bool empty() const {
    return put.empty() && forget.empty() && told.empty() && forget_told.empty() && !digest;
  }
};

// Thread-safe.
class AlertStore {
 public:
  virtual ~AlertStore() = default;
  // By id.
  virtual absl::StatusOr<std::vector<AlertChannelRecord>> ListAlertChannels() = 0;
  // kNotFound
  virtual absl::StatusOr<AlertChannelRecord> GetAlertChannel(std::string_view id) = 0;
  virtual absl::StatusOr<AlertChannelRecord> PutAlertChannel(AlertChannelRecord record) = 0;
  // kNotFound, kAborted
  virtual absl::Status DeleteAlertChannel(std::string_view id, uint64_t revision) = 0;

  // Newest first, strictly before `before` (time, id); nullopt: from the newest.
  virtual absl::StatusOr<std::vector<DeliveryRecord>> ListDeliveries(
      const std::optional<std::pair<absl::Time, std::string>>& before, size_t limit) = 0;
  // By domain and insight.
  virtual absl::StatusOr<std::vector<ToldRecord>> ListTold() = 0;
  // When the last weekly digest was made; nothing: none was.
  virtual absl::StatusOr<std::optional<absl::Time>> LastDigest() = 0;
  // All or nothing, synced.
  virtual absl::Status UpdateAlerts(const AlertUpdate& update) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_ALERT_STORE_H_
