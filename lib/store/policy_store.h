// lib/store/policy_store.h
// What people decided and what was done about it: domains, decisions about sources, DNS providers,
// changes, and the memory of request ids. policyd owns it. Implementations: RocksDB
// (rocks_policy_store.h) and the fake in memory (fake_policy_store.h); one conformance suite runs
// on both. At rest the values are dmarcate.storage.v1 messages.
//
// Every Put is synced before it returns: a change's journal is only as good as that. Every record
// carries a revision that starts at 1 and grows by 1 with each Put; a Put must name the revision it
// was read at (0: must not exist yet).
//   kAborted         the record has another revision now
//   kAlreadyExists   revision 0 and it exists
//   kNotFound        no such record
//   kInvalidArgument a name or id is empty, or longer than kMaxPolicyKeyBytes
//   kDataLoss        stored bytes do not decode
//   kUnavailable, kResourceExhausted  disk; nothing was acknowledged, and from then on
//   kFailedPrecondition until the store is opened again

#ifndef DMARCATE_LIB_STORE_POLICY_STORE_H_
#define DMARCATE_LIB_STORE_POLICY_STORE_H_

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

#include "lib/mailauth/policy_ladder.h"

namespace dmarcate {

inline constexpr size_t kMaxPolicyKeyBytes = 1024;  // of a domain, id or caller
// How long the answer to a request id is remembered (AIP-155).
inline constexpr absl::Duration kRequestLifetime = absl::Hours(7 * 24);

// An SPF term that Dmarcate put into a record, and for whom. Everything else in the record is
// unmanaged.
struct ManagedTerm {
  std::string term;       // "include:sendgrid.net"
  std::string source_id;  // "sendgrid"; kFlattenedSourceId: leads to a child record of ours
  // The term does not stand in the record itself: what it let through when that was last written,
  // `networks`, stands in child records instead (policyd/plan/spf_compile.h).
  bool flattened = false;
  std::vector<std::string> networks = {};  // "192.0.2.0/24"; only of a flattened term
  // Of the term that leads to child records from the record itself: the whole record that is meant,
  // with every flattened term in its place.
  std::string stands_for = {};
  friend bool operator==(const ManagedTerm&, const ManagedTerm&) = default;
};

// Of the managed terms "include:_spf-0123456789ab.example.com" that lead to the child records. No
// source has that id.
inline constexpr std::string_view kFlattenedSourceId = "(flattened)";

// An address of Dmarcate's own at which the reports about one domain arrive.
struct ReportAddressRecord {
  std::string address;  // "r-0123456789abcdef@reports.example", lower case
  absl::Time create_time;
  absl::Time revoke_time = absl::InfiniteFuture();  // from then on its mail is refused
  bool revoked() const { return revoke_time != absl::InfiniteFuture(); }
  friend bool operator==(const ReportAddressRecord&, const ReportAddressRecord&) = default;
};

struct DomainRecord {
  std::string name;  // A-labels, lower case
  std::string uid;
  absl::Time create_time, update_time;
  std::string dns_provider;    // id, or empty
  std::string report_mailbox;  // chosen by the operator, or empty
  // Delegated mode: the operator's zone that its records stand in; empty: in its own.
  std::string delegation_zone;
  std::vector<ManagedTerm> managed_terms;
  std::vector<ReportAddressRecord> report_addresses;  // in the order in which they were made
  uint64_t revision = 0;
};

// The newest report address that is not revoked; null: none.
const ReportAddressRecord* CurrentReportAddress(const DomainRecord& record);
// Where a DMARC change sends the reports: report_mailbox or, without one, the current report
// address; empty: neither.
std::string MailboxForReports(const DomainRecord& record);

enum class SourceState : uint8_t { kPending = 1, kApproved = 2, kRejected = 3 };

struct AuthorizationSpec {
  enum class Kind : uint8_t {
    kUnspecified = 0,
    kDkimOnly = 1,
    kSpfInclude = 2,
    kSpfAddresses = 3,
    kAlreadyAuthorized = 4
  };
  Kind kind = Kind::kUnspecified;
  std::string include_domain;       // kSpfInclude
  std::vector<std::string> ranges;  // kSpfAddresses
  friend bool operator==(const AuthorizationSpec&, const AuthorizationSpec&) = default;
};

struct SourceDecision {
  std::string domain, source_id;
  SourceState state = SourceState::kPending;
  std::string decided_by, note, evidence_etag;
  absl::Time decide_time;
  AuthorizationSpec authorization;
  uint64_t revision = 0;
};

struct DnsProviderRecord {
  std::string id;
  std::string type;                             // "powerdns", "rfc2136"
  std::map<std::string, std::string> settings;  // by type: "api_url", "server", ... never a secret
  std::vector<std::string> zones;
  std::string secret_name;  // file in the secrets directory
  absl::Time create_time;
  uint64_t revision = 0;
};

enum class ChangeState : uint8_t {
  kPlanned = 1,
  kRefused = 2,
  kExpired = 3,
  kCancelled = 4,
  kApplying = 5,
  kVerifying = 6,
  kSucceeded = 7,
  kRollingBack = 8,
  kRolledBack = 9,
  kFailed = 10,
  kNeedsAttention = 11,
};
bool IsEndState(ChangeState state);  // all but kPlanned, kApplying, kVerifying, kRollingBack

enum class TermAction : uint8_t { kKeep = 1, kAdd = 2, kRemove = 3, kModify = 4 };
struct TermChangeRecord {
  TermAction action = TermAction::kKeep;
  std::string term, before, source_id;
  int32_t lookup_cost = 0;
  std::string flattened_into = {};  // the first child record, for a term that goes there
};
// One RRset. `before` and `after` are presentation form, one string a record, in the order read or
// to be written.
// In delegated mode: the name in the domain's own zone that leads to where the record stands.
struct AliasRecord {
  std::string name;               // "_dmarc.example.com"; empty: not delegated
  bool in_place = false;          // it leads there
  std::vector<std::string> held;  // while it does not: the TXT records at the name itself
  friend bool operator==(const AliasRecord&, const AliasRecord&) = default;
};
struct RecordChangeRecord {
  std::string zone, owner_name;
  std::string type = "TXT";
  std::vector<std::string> before, after;
  uint32_t ttl_before = 0, ttl_after = 0;
  std::vector<TermChangeRecord> term_changes;
  std::vector<std::string> untouched;
  int32_t lookups_before = 0, lookups_after = 0;
  AliasRecord alias;
};
enum class GuardVerdict : uint8_t { kPass = 1, kWarn = 2, kRefuse = 3 };
struct GuardRecord {
  std::string code;
  GuardVerdict verdict = GuardVerdict::kPass;
  std::string message;
  std::map<std::string, std::string> metadata;
};
// LEASED, READ, COMPARED, LINTED, JOURNALED, WRITING, UNKNOWN, READ_BACK, VERIFYING
struct StepRecord {
  std::string step, detail;
  absl::Time time;
};
struct VerificationRecord {
  std::string name_server, address, owner_name, detail;
  bool verified = false;
  absl::Time time;
};
// Whether SPF terms may be replaced by the addresses that they have now.
enum class FlattenMode : uint8_t {
  kIfNeeded = 1,  // only where the record would take more than 10 look-ups
  kNever = 2,
};
// One record is to be made of what receivers take for none, or for an error.
enum class RepairKind : uint8_t { kNone = 0, kSpf = 1, kDmarc = 2 };
enum class PolicyDirection : uint8_t {
  kUp = 1,    // what it does to failing mail becomes no weaker for anybody
  kDown = 2,  // may become weaker, and the plan names it
};
// Puts one ladder of the domain's DMARC record onto a stage. Only a rollout asks for it.
struct PolicyMove {
  PolicyScope scope = PolicyScope::kDomain;
  PolicyStage to = PolicyStage::kObserve;
  PolicyDirection direction = PolicyDirection::kUp;
  std::string rollout_id;
  friend bool operator==(const PolicyMove&, const PolicyMove&) = default;
};
// The record at _mta-sts for a policy file that is served already (RFC 8461 section 8.1).
struct StsAnnouncement {
  std::string file;             // byte for byte; empty: the record is taken away
  std::string id = {};          // under which; empty: the next one after the live one
  std::string rollout_id = {};  // of MTA-STS, that asked for it; empty: a person
  friend bool operator==(const StsAnnouncement&, const StsAnnouncement&) = default;
};
struct ChangeIntent {
  bool spf_from_decisions = false;
  bool dmarc_report_address = false;
  std::string rollback_of;  // change id
  FlattenMode flatten = FlattenMode::kIfNeeded;
  RepairKind repair = RepairKind::kNone;  // and nothing else
  std::string repair_keep = {};           // the record that stays, as it is live; empty: merged
  std::vector<std::string> prune = {};  // terms of the SPF record that go, as they are live; alone
  // Stands alone; with rollback_of: what the change did that is undone.
  std::optional<PolicyMove> policy = {};
  std::optional<StsAnnouncement> mta_sts = {};  // likewise
};

struct ChangeRecord {
  std::string domain, id;
  ChangeState state = ChangeState::kPlanned;
  ChangeIntent intent;
  std::vector<RecordChangeRecord> record_changes;
  std::vector<ManagedTerm> managed_before,
      managed_after;  // of the domain, when planned and when done
  std::string plan_digest;
  std::vector<GuardRecord> guards;
  std::string dns_provider;
  uint8_t provider_class = 0;  // 1 A to 4 D
  bool by_hand = false;        // no program writes it: a person does
  std::vector<StepRecord> steps;
  std::vector<VerificationRecord> verifications;
  std::string requested_by, applied_by;
  absl::Time create_time, apply_time = absl::InfinitePast(), end_time = absl::InfinitePast();
  absl::Time plan_expire_time;
  std::string rollback_of, rolled_back_by;  // change ids
  std::string error_reason, error_message;
  std::map<std::string, std::string> error_metadata;
  // Of a kPlanned change: it is applied then, by policyd itself, for applied_by. InfinitePast: it
  // waits for a person.
  absl::Time apply_after = absl::InfinitePast();
  std::string lease_holder;  // the engine that runs it, or ran it last
  uint64_t fence = 0;        // raised each time that it is begun or taken over
  uint64_t revision = 0;

  bool scheduled() const {
    return state == ChangeState::kPlanned && apply_after != absl::InfinitePast();
  }
};

// The first answer to a request id, kept for kRequestLifetime.
struct RequestRecord {
  std::string caller, request_id, method;
  std::string body_sha256;  // of the request
  std::string response;     // serialized
  absl::Time time;
};

// Thread-safe.
class PolicyStore {
 public:
  virtual ~PolicyStore() = default;

  virtual absl::StatusOr<DomainRecord> GetDomain(std::string_view name) = 0;
  // By name, after `after`.
  virtual absl::StatusOr<std::vector<DomainRecord>> ListDomains(std::string_view after,
                                                                size_t limit) = 0;
  virtual absl::StatusOr<DomainRecord> PutDomain(DomainRecord record) = 0;

  virtual absl::StatusOr<SourceDecision> GetDecision(std::string_view domain,
                                                     std::string_view source_id) = 0;
  virtual absl::StatusOr<std::vector<SourceDecision>> ListDecisions(std::string_view domain) = 0;
  virtual absl::StatusOr<SourceDecision> PutDecision(SourceDecision record) = 0;

  virtual absl::StatusOr<DnsProviderRecord> GetProvider(std::string_view id) = 0;
  virtual absl::StatusOr<std::vector<DnsProviderRecord>> ListProviders(std::string_view after,
                                                                       size_t limit) = 0;
  virtual absl::StatusOr<DnsProviderRecord> PutProvider(DnsProviderRecord record) = 0;

  virtual absl::StatusOr<ChangeRecord> GetChange(std::string_view domain, std::string_view id) = 0;
  // Newest first (ids sort by time); `domain` "-" means all. Strictly older than `before` (empty:
  // from the newest).
  virtual absl::StatusOr<std::vector<ChangeRecord>> ListChanges(std::string_view domain,
                                                                std::string_view before,
                                                                size_t limit) = 0;
  virtual absl::StatusOr<ChangeRecord> PutChange(ChangeRecord record) = 0;
  // Changes that are in no end state, and kPlanned only if scheduled: the work to resume after a
  // restart.
  virtual absl::StatusOr<std::vector<ChangeRecord>> OpenChanges() = 0;
  // The change and the domain in one atomic write: what a finished change does to managed_terms.
  virtual absl::Status PutChangeAndDomain(ChangeRecord change, DomainRecord domain) = 0;

  virtual absl::StatusOr<std::optional<RequestRecord>> FindRequest(std::string_view caller,
                                                                   std::string_view request_id) = 0;
  // kAlreadyExists: the caller has used the id, and less than kRequestLifetime before
  // `record.time`. Forgets some of the requests that are older than that.
  virtual absl::Status PutRequest(RequestRecord record) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_POLICY_STORE_H_
