// lib/store/observation_store.h
// What was live at the names of each managed domain, and when: the history of its records. policyd
// looks and keeps it, beside the policy store. Implementations: RocksDB (rocks_policy_store.h) and
// the fake in memory (fake_observation_store.h); one conformance suite runs on both.
//
// policyd/watch decides what a look does to a history and how long it is kept; the store only
// keeps.
//   kInvalidArgument  a name is empty, or longer than kMaxPolicyKeyBytes
//   kDataLoss         stored bytes do not decode
//   kUnavailable, kResourceExhausted, kFailedPrecondition  disk, as in policy_store.h

#ifndef DMARCATE_LIB_STORE_OBSERVATION_STORE_H_
#define DMARCATE_LIB_STORE_OBSERVATION_STORE_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dmarcate {

// What a record is for; decides which DNS type is asked for (MX, else TXT). An included name is
// kSpf.
enum class RecordKind : uint8_t {
  kSpf = 1,
  kDmarc = 2,
  kDkim = 3,
  kMx = 4,
  kMtaSts = 5,
  kTlsRpt = 6,
};

// How a look ended. The first three are answers; the rest means that nothing was learned.
enum class ObservedOutcome : uint8_t {
  kRecords = 1,
  kNoData = 2,
  kNxDomain = 3,
  kServfail = 4,  // SERVFAIL, REFUSED, unreachable
  kTimeout = 5,
  kBogus = 6,  // DNSSEC validation failed
};
inline bool IsAnswer(ObservedOutcome outcome) { return outcome <= ObservedOutcome::kNxDomain; }

// kUnknown: the resolver, which validates, did not answer.
enum class DnssecState : uint8_t { kUnknown = 0, kInsecure = 1, kSecure = 2, kBogus = 3 };

// An authoritative server that said something else than most.
struct ObservedServer {
  std::string name_server, address;
  ObservedOutcome outcome = ObservedOutcome::kRecords;
  std::vector<std::string> values;
  friend bool operator==(const ObservedServer&, const ObservedServer&) = default;
};

struct ObservedName {
  std::string owner;  // A-labels, lower case
  RecordKind kind = RecordKind::kSpf;
  friend auto operator<=>(const ObservedName&, const ObservedName&) = default;
};

// What looks at one name found, from the first one that found it to the last.
struct Observation {
  ObservedOutcome outcome = ObservedOutcome::kRecords;
  std::string error;                // where nothing was learned
  std::vector<std::string> values;  // TXT: octets, strings joined; MX: "10 mx.example."; sorted
  std::string values_sha256;        // of all values, where some were left out; else empty
  uint32_t ttl_seconds = 0;
  bool from_servers = false;  // authoritative ones, so the TTL is the zone's; else a resolver
  std::vector<std::string> cname_chain;
  std::vector<ObservedServer> disagreeing;
  DnssecState dnssec = DnssecState::kUnknown;
  absl::Time first_seen, last_seen;
  friend bool operator==(const Observation&, const Observation&) = default;
};

// What becomes of the history of one name: entries are told apart by the time first seen.
struct HistoryUpdate {
  std::vector<Observation> put;    // new, or in place of the one with this time
  std::vector<absl::Time> forget;  // times first seen
  bool empty() const { return put.empty() && forget.empty(); }
};

// Thread-safe.
class ObservationStore {
 public:
  virtual ~ObservationStore() = default;
  // The names that have a history, by owner, then kind.
  virtual absl::StatusOr<std::vector<ObservedName>> ListObserved(std::string_view domain) = 0;
  // By time first seen, newest first.
  virtual absl::StatusOr<std::vector<Observation>> GetHistory(std::string_view domain,
                                                              const ObservedName& name) = 0;
  // All or nothing, not synced: what a power failure takes the next look finds again.
  virtual absl::Status UpdateHistory(std::string_view domain, const ObservedName& name,
                                     const HistoryUpdate& update) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_OBSERVATION_STORE_H_
