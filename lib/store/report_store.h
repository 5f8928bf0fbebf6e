// lib/store/report_store.h
// The reports store at the level of the domain model: ingestd writes it, policyd reads it.
// Implementations: RocksDB (rocks_report_store.h) and the fake in memory (fake_report_store.h); one
// conformance suite runs on both. The layout on disk is docs/store.md.
//
// Never lose, never double: Commit() makes everything in a batch durable together, and what is
// acknowledged to a sender has been through a Commit() with Sync::kYes. Re-reading a raw item
// replaces what it gave before.

#ifndef DMARCATE_LIB_STORE_REPORT_STORE_H_
#define DMARCATE_LIB_STORE_REPORT_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "lib/base/ip_address.h"
#include "lib/base/time.h"
#include "lib/report/model.h"
#include "lib/report/record_sink.h"
#include "lib/store/release.h"
#include "lib/store/trust_reason.h"

namespace dmarcate {

// Ordered worst to best is not implied; the numbers are at rest and never reused.
enum class TrustClass : uint8_t {
  kUnspecified = 0,
  kAnchored = 1,
  kAuthenticated = 2,
  kImported = 3,
  kUnverified = 4,
  kQuarantined = 5,
};
// Whether a report of this class is part of any number: what is unverified or quarantined is kept
// and shown, and counts nowhere (safety.md section 4.1).
constexpr bool IsCounted(TrustClass trust) {
  return trust != TrustClass::kUnverified && trust != TrustClass::kQuarantined;
}
enum class Channel : uint8_t {
  kUnspecified = 0,
  kMaildir = 1,
  kUpload = 2,
  kImport = 3,
  kSmtp = 4,
  kLmtp = 5,
  kImap = 6,
};
inline constexpr Channel kLastChannel = Channel::kImap;
std::string_view ChannelName(Channel channel);  // "maildir"; kUnspecified: ""

// A sequence number given by the writer at acceptance; orders everything, unlike clocks.
using ReceiptId = uint64_t;

// The SMTP session that brought a mail: what SPF is checked against (RFC 7208 section 2.4).
struct Envelope {
  IpAddress client;
  std::string helo;       // as said, valid UTF-8
  std::string mail_from;  // empty: the null reverse path
  std::vector<std::string> recipients;
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

// What was received, before anything is known about it.
struct Receipt {
  ReceiptId id = 0;
  std::string raw_sha256;  // 32 bytes; names the raw bytes in the store
  int64_t size_bytes = 0;
  absl::Time received_time;
  Channel channel = Channel::kUnspecified;
  std::string file_name;             // as sent, valid UTF-8, cut at 255 bytes; display only
  std::optional<Envelope> envelope;  // kSmtp only: of an LMTP client only the MTA is known
  bool processed = false;            // items are known
  bool raw_gone = false;             // the bytes were let go: expired, purged, or withheld
  // Of the mail, once processed and if any of its items is unreadable, for who looks at that one;
  // of the others they would be a tenth of what the report itself takes.
  std::string subject, from_domain;
};

inline constexpr std::string_view kAggregateKind = "aggregate";
inline constexpr std::string_view kFailureKind = "failure";
inline constexpr std::string_view kTlsKind = "tls";

// What became of one report inside a receipt.
struct ReceiptItem {
  Outcome outcome = Outcome::kQuarantined;
  std::string kind;  // kAggregateKind, kFailureKind, kTlsKind or empty
  std::string
      report_name;  // ReportKey::ToId() of the stored report, or of the first one for a duplicate
  std::string domain;
  // The reason is a stable code: why this is no report, why it counts nowhere; of a duplicate
  // kTrustRaised, or what the first one had. The detail says more; of what was repaired materially,
  // the repairs.
  std::string reason, detail;
  std::string file_name;
  int64_t records = 0, messages = 0, findings = 0;  // of a TLS report: policies, none, repairs
};

// Names one stored report: where it lies. Sorts by domain, then day.
struct ReportKey {
  std::string domain;  // policy domain, lower case
  DayNumber day = 0;   // midpoint day
  ReceiptId receipt = 0;
  uint16_t item = 0;  // ordinal within the receipt
  // "20251124-00000000000a3f01-0": the id in the API, DNS-safe; unique within the domain.
  std::string ToId() const;
  static std::optional<ReportKey> FromId(std::string_view domain, std::string_view id);
  friend auto operator<=>(const ReportKey&, const ReportKey&) = default;
};

// Message counts of one domain and day, over current reports whose trust counts (IsCounted).
// Provably equal to a recount. The counts stop at the largest number instead of wrapping around.
struct DayTotals {
  DayNumber day = 0;
  int64_t reports = 0, records = 0;
  uint64_t messages = 0, dmarc_pass = 0, dkim_aligned = 0, spf_aligned = 0, both_aligned = 0;
  uint64_t disposition_none = 0, quarantine = 0, reject = 0, pass = 0, disposition_unknown = 0;
  friend bool operator==(const DayTotals&, const DayTotals&) = default;
};
void AddToTotals(const AggregateReport& report, DayTotals* totals);
void AddToTotals(const AggregateRecord& record, DayTotals* totals);

// Records, repairs and extensions as a store writes them, and what a commit asks of them. Made by
// ReportWriter::Prepare().
struct PackedParts {
  std::string bytes;
  DayTotals totals;             // what the report adds to those of its day
  uint64_t expanded_bytes = 0;  // ExpandedBytes() of what was packed
};

// One aggregate report with all its rows: one compact value on disk.
struct StoredReport {
  ReportKey key;  // day lies in the years 1970 to 9999
  AggregateReport report;
  Outcome outcome = Outcome::kAccepted;
  std::vector<Repair> repairs;
  TrustClass trust = TrustClass::kImported;
  TrustReason reason = TrustReason::kNone;
  std::string reporter_key;     // report-quirks D1: who reports, for identity and statistics
  std::string document_sha256;  // 32 bytes
  absl::Time received_time;     // kept to the second; the receipt has it to the microsecond
  Channel channel = Channel::kUnspecified;
  bool current = true;  // false: a revision that another one supersedes (D4)
  std::optional<Release> release;
  // Of reports on their way into the store only. What has the records, if report.gone: made by
  // ReportWriter::MakeSink().
  std::shared_ptr<RecordSink> sink;
  // Instead of records, repairs and extensions, which then are empty; the counts below are those of
  // what was packed.
  std::optional<PackedParts> packed;
  // Filled by the store, ignored on writing; known also where the records are not loaded.
  int64_t record_count = 0;
  uint64_t message_count = 0;  // saturating
  int64_t repair_count = 0;
};

// The policies of one domain in a TLS report: one compact value on disk. A report about several
// domains is as many of these, so that each domain's owner sees what concerns it and nothing else.
struct StoredTlsReport {
  ReportKey key;  // domain: the policy domain; day: of the midpoint, in 1970 to 9999
  // The texts of the dates are not kept. PolicyResult::policy_domain is as sent.
  TlsReport report;
  Outcome outcome = Outcome::kAccepted;
  std::vector<Repair> repairs;
  TrustClass trust = TrustClass::kImported;
  TrustReason reason = TrustReason::kNone;
  std::string reporter_key;     // who reports: part of the identity
  std::string document_sha256;  // 32 bytes; differs between the domains of one report
  absl::Time received_time;     // kept to the second
  Channel channel = Channel::kUnspecified;
  bool current = true;  // false: a revision that another one supersedes
  // Filled by the store, ignored on writing; known also where the policies are not loaded. The sums
  // are saturating, and count a session once for each policy that counts it.
  int64_t policy_count = 0, detail_count = 0, repair_count = 0;
  uint64_t successful_sessions = 0, failed_sessions = 0;
};
// Fills what the store fills.
void CountParts(StoredTlsReport* stored);

// One failure report. It says nothing about totals and has no revisions: each is about one message.
struct StoredFailureReport {
  ReportKey key;  // domain: the reported domain; day: of Arrival-Date, else of receipt
  FailureReport report;
  Outcome outcome = Outcome::kAccepted;
  std::vector<Repair> repairs;
  TrustClass trust = TrustClass::kImported;
  TrustReason reason = TrustReason::kNone;
  std::string document_sha256;  // 32 bytes
  absl::Time received_time;     // kept to the second; retention counts from it
  Channel channel = Channel::kUnspecified;
  bool redacted = true;      // personal data was replaced before the first write
  int64_t repair_count = 0;  // filled by the store; known also where the repairs are not loaded
};

constexpr std::string_view KindOf(const StoredReport&) { return kAggregateKind; }
constexpr std::string_view KindOf(const StoredTlsReport&) { return kTlsKind; }
constexpr std::string_view KindOf(const StoredFailureReport&) { return kFailureKind; }

enum class Sync : uint8_t { kNo, kYes };

// What happens to one processed report; the store decides duplicate and revision by its index.
struct ProcessedItem {
  ReceiptItem item;
  // For the kAccepted* outcomes one of them, an aggregate one also for kQuarantined by trust; its
  // whole key is filled by the caller.
  std::optional<StoredReport> report;
  std::optional<StoredTlsReport> tls;
  std::optional<StoredFailureReport> failure;
  // Of a kDuplicate that was noticed before the store (in one mail): the store links it to the
  // report with this document, if there is one. 32 bytes, or empty.
  std::string document_sha256;
};

// What a person lets out of quarantine.
struct ReleasedReport {
  ReportKey report;
  Release release;
};
struct ReleaseResult {
  ReleaseOutcome outcome = ReleaseOutcome::kNotThere;
  StoredReport report;  // of kReleased and kAlready: as it is now
};

// One group of work, committed atomically.
struct CommitBatch {
  struct Accepted {
    Receipt receipt;  // id 0: the store gives one, ascending
    std::string raw;  // kept content-addressed: equal bytes are stored once
  };
  struct Processed {
    ReceiptId receipt = 0;
    std::string subject, from_domain;
    std::vector<ProcessedItem> items;
    // The raw bytes hold what must not stay: they go in this batch, and the file name with them.
    bool withhold_raw = false;
  };
  std::vector<Accepted> accepted;
  std::vector<Processed> processed;
  // Receipts whose unreadable items (ListUnreadable) are to be forgotten. What else came of them
  // stays, and the raw bytes with it; a receipt of which nothing stays goes, and the raw bytes
  // unless another receipt has the same.
  std::vector<ReceiptId> dropped;
  // Aggregate reports that are kQuarantined by trust. Each becomes kImported, moves the totals as
  // any report of this trust does, and is in nobody's quarantine any more. What cannot be released
  // is left as it is.
  std::vector<ReleasedReport> released;
};
struct DropResult {
  bool dropped = false;   // false: there is nothing unreadable, or it is still to be read
  int64_t raw_bytes = 0;  // that went with it
  friend bool operator==(const DropResult&, const DropResult&) = default;
};
struct CommitResult {
  std::vector<ReceiptId> accepted;  // as CommitBatch::accepted
  std::vector<bool> raw_known;      // as accepted: the same bytes had been received before
  std::vector<std::vector<ReceiptItem>>
      processed;                        // as CommitBatch::processed, outcome and report_name final
  std::vector<DropResult> dropped;      // as CommitBatch::dropped
  std::vector<ReleaseResult> released;  // as CommitBatch::released
};

// What has passed its time. Of messages by when they were received, so that history that is handed
// in stays as long as anything else. InfinitePast: nothing.
struct ExpiryCutoffs {
  // Failure reports, and the raw bytes of messages that have some.
  absl::Time failure = absl::InfinitePast();
  absl::Time raw = absl::InfinitePast();  // raw bytes, unless something in them is unreadable
  absl::Time quarantine = absl::InfinitePast();  // what is unreadable (CommitBatch::dropped)
  absl::Time rows = absl::InfinitePast();        // reports, and the receipt; their totals stay
  DayNumber totals = 0;                          // daily totals of days before, without reports
};
struct ExpiryResult {
  int64_t receipts = 0;     // forgotten
  int64_t raw = 0;          // messages that lost their bytes and are remembered
  int64_t quarantined = 0;  // messages with something unreadable, which was dropped
  int64_t reports = 0;
  int64_t days = 0;  // of totals
  int64_t raw_bytes = 0;
  bool more = false;  // the limit was reached: call again
  friend bool operator==(const ExpiryResult&, const ExpiryResult&) = default;
};

// One of the two. An address is looked for in the rows of aggregate reports and as the source of
// failure reports; texts are not searched.
struct PurgeTarget {
  std::string domain;
  std::optional<IpAddress> address;
};
enum class PurgeMode : uint8_t { kCount, kRemove };
struct PurgeResult {
  int64_t scanned = 0;  // receipts and reports looked at
  int64_t reports = 0;  // removed, or changed
  int64_t records = 0;
  uint64_t messages = 0;  // that the records counted
  int64_t receipts = 0;   // forgotten, changed, or without their bytes now
  int64_t raw_bytes = 0;
};

// The totals of a day, and what its rows come to with what has expired of them.
struct DayCheck {
  std::string domain;
  DayTotals total, recount;
};

// A receipt with what came of it.
struct StoredReceipt {
  Receipt receipt;
  std::vector<ReceiptItem> items;  // empty until processed
};

// One process writes. Thread-safe; commits go one by one.
class ReportWriter {
 public:
  virtual ~ReportWriter() = default;
  // All or nothing. Rules (report-quirks D2-D4, DESIGN section 5):
  //   same document_sha256 as a stored report  -> kDuplicate, linked, nothing added; where the copy
  //     arrived with more trust, the stored report takes its trust, the reason of that, and its
  //     reporter
  //   same (domain, reporter_key, report id, begin, end), other content -> both kept; the more
  //     trusted is current, at equal trust the later if it has at least as many records (of a TLS
  //     report: policies); totals move in the same batch. Beyond kMaxRevisions of one trust ->
  //     kOverLimit, not kept
  //   a receipt processed before -> what it gave then is taken out first; a document that it gives
  //     again keeps the trust (with its reason) and the reporter that it had, if that was more
  //   a report that trust had quarantined and to which a copy lends more, or that is released ->
  //     its item is accepted
  //   a release stays with its document, whatever a copy or a second reading says of its trust
  //   a failure report is stored unless one with the same document_sha256 is
  //   Accepted::receipt.raw_sha256 empty -> the store computes it; else it is believed
  // Errors, each with nothing written:
  //   kInvalidArgument    an item's report does not fit its place (key, hashes), is too large, or
  //                       was not prepared though its records are in a sink; or a receipt id was
  //                       given that is not above every earlier one
  //   kNotFound           no receipt with the id of Processed::receipt
  //   kDataLoss           a stored value that had to be read does not decode
  //   kUnavailable, kResourceExhausted  disk. What reached it is unknown then, so from here on
  //   kFailedPrecondition until the store is opened again (safety.md D2)
  virtual absl::StatusOr<CommitResult> Commit(CommitBatch batch, Sync sync) = 0;
  // What Commit() would make of releasing the report. Writes nothing. kDataLoss as Commit().
  virtual absl::StatusOr<ReleaseResult> CheckRelease(const ReleasedReport& released) = 0;
  // Does ahead of Commit() what does not depend on what is stored, on the caller's thread and
  // beside commits: reports are packed, which also frees their memory where it was taken. Optional;
  // what is stored is the same. The reports' keys must be final.
  virtual void Prepare(CommitBatch::Processed* processed) const { static_cast<void>(processed); }
  // For the records of a report that is too large to be held, which then must go through Prepare().
  // nullptr: this store takes it as a whole. Thread-safe.
  virtual std::shared_ptr<RecordSink> MakeSink(std::string_view policy_domain) const {
    static_cast<void>(policy_domain);
    return nullptr;
  }
  // Accepted and not yet processed, oldest first: the work after a restart. A receipt that does not
  // decode is left out and from then on shown by ListUnreadable(); it stays pending.
  virtual absl::StatusOr<std::vector<Receipt>> Pending(size_t limit) = 0;
  // What became of these bytes when they were received first; nullopt: never seen, or that receipt
  // is still pending, or it does not decode (which ListUnreadable() then shows). Receiving the
  // bytes again helps in all three cases.
  virtual absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FindByRaw(
      std::string_view raw_sha256) = 0;
  // kNotFound: no such receipt. kDataLoss: it does not decode.
  virtual absl::StatusOr<StoredReceipt> GetReceipt(ReceiptId id) = 0;
  // kNotFound, also where they were let go (the message says so); kDataLoss if the bytes do not
  // match their hash.
  virtual absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) = 0;
  // Names one item of a receipt; what is in doubt sorts by it.
  struct ItemPlace {
    ReceiptId receipt = 0;
    uint32_t ordinal = 0;  // among all items of the receipt
    friend bool operator==(const ItemPlace&, const ItemPlace&) = default;
  };
  struct UnreadableRow {
    Receipt receipt;
    ReceiptItem item;
    uint32_t ordinal = 0;
  };
  struct UnreadablePage {
    std::vector<UnreadableRow> rows;  // items that are no report: quarantined, over limit, ...
    std::optional<ItemPlace> next;    // pass as `from`
  };
  // Newest receipt first, its items in order; from `from` on, nullopt: the newest. At most `limit`
  // rows, and no further one once their texts take kUnreadablePageBytes.
  virtual absl::StatusOr<UnreadablePage> ListUnreadable(std::optional<ItemPlace> from,
                                                        size_t limit) = 0;
  // Lets go what has passed its time, each kind in a synced commit: at most about `limit` of it.
  // Killed at any moment and called again it comes to the same end. Rows that go leave daily totals
  // as they are, and their documents known: a copy that comes later is a duplicate. TLS and failure
  // reports have no totals, and nothing of them stays: a copy that comes later is a new one.
  virtual absl::StatusOr<ExpiryResult> Expire(const ExpiryCutoffs& cutoffs, size_t limit) = 0;
  // Removes what is stored about a domain, or the rows and failure reports with a source address,
  // with totals, index entries and the raw bytes of the messages concerned. In synced steps; after
  // each one `progress` is told the sum so far, and ends the purge by false. Killed or ended in the
  // middle and called again it comes to the same end. What is still to be read is not looked into.
  virtual absl::StatusOr<PurgeResult> Purge(
      const PurgeTarget& target, PurgeMode mode,
      const std::function<bool(const PurgeResult&)>& progress) = 0;
  // Counts the rows of every day of `domain` (empty: of all) again, each day at one moment between
  // two commits, and tells both numbers; ends when `visit` gives false.
  //   kDataLoss  something of the day does not decode
  virtual absl::Status VerifyTotals(std::string_view domain,
                                    const std::function<bool(const DayCheck&)>& visit) = 0;
};
inline constexpr size_t kUnreadablePageBytes = 1 << 20;

// Thread-safe. Sees what the writer had committed at the last CatchUp().
class ReportReader {
 public:
  virtual ~ReportReader() = default;
  // Follows the writer; cheap when nothing happened. policyd calls it on a timer.
  virtual absl::Status CatchUp() = 0;
  // Changes whenever CatchUp() saw new data; equal versions mean equal answers. For caches.
  virtual uint64_t version() const = 0;

  // Current reports of every trust class whose midpoint day lies in [first, last], by day. `visit`
  // returns false to stop. The reference is valid during the call only. kDataLoss at the first
  // report that does not decode: a sum without it would be a wrong number.
  virtual absl::Status ForEachReport(std::string_view domain, DayNumber first, DayNumber last,
                                     const std::function<bool(const StoredReport&)>& visit) = 0;
  virtual absl::StatusOr<std::vector<DayTotals>> ReadTotals(std::string_view domain,
                                                            DayNumber first, DayNumber last) = 0;
  // Of ReadTotals(), what belongs to rows that have expired.
  virtual absl::StatusOr<std::vector<DayTotals>> ReadExpiredTotals(std::string_view domain,
                                                                   DayNumber first,
                                                                   DayNumber last) = 0;
  // Domains that have reports that count, with the last day of those; sorted by name, at most
  // `limit` after `after`.
  virtual absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> ListDomains(
      std::string_view after, size_t limit) = 0;
  struct ReportPage {
    std::vector<StoredReport> reports;  // without records, repairs and extensions
    std::optional<ReportKey> next;      // pass as `from`
  };
  // Newest day first, within [first, last], revisions included.
  virtual absl::StatusOr<ReportPage> ListReports(std::string_view domain, DayNumber first,
                                                 DayNumber last,
                                                 const std::optional<ReportKey>& from,
                                                 size_t limit) = 0;
  virtual absl::StatusOr<StoredReport> GetReport(const ReportKey& key) = 0;  // kNotFound, kDataLoss
  virtual absl::StatusOr<std::string> ReadRaw(std::string_view raw_sha256) = 0;
  // What a report of whatever kind came in: `receipt` of its key. As ReadRaw(); kDataLoss also if
  // the receipt does not decode.
  virtual absl::StatusOr<std::string> ReadRawOf(ReceiptId receipt) = 0;

  // TLS reports, as the three above.
  virtual absl::Status ForEachTlsReport(
      std::string_view domain, DayNumber first, DayNumber last,
      const std::function<bool(const StoredTlsReport&)>& visit) = 0;
  struct TlsReportPage {
    std::vector<StoredTlsReport> reports;  // without policies and repairs
    std::optional<ReportKey> next;         // pass as `from`
  };
  virtual absl::StatusOr<TlsReportPage> ListTlsReports(std::string_view domain, DayNumber first,
                                                       DayNumber last,
                                                       const std::optional<ReportKey>& from,
                                                       size_t limit) = 0;
  virtual absl::StatusOr<StoredTlsReport> GetTlsReport(const ReportKey& key) = 0;

  struct FailureReportPage {
    std::vector<StoredFailureReport> reports;  // without repairs
    std::optional<ReportKey> next;             // pass as `from`
  };
  // Newest day first, within [first, last].
  virtual absl::StatusOr<FailureReportPage> ListFailureReports(std::string_view domain,
                                                               DayNumber first, DayNumber last,
                                                               const std::optional<ReportKey>& from,
                                                               size_t limit) = 0;
  virtual absl::StatusOr<StoredFailureReport> GetFailureReport(const ReportKey& key) = 0;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_REPORT_STORE_H_
