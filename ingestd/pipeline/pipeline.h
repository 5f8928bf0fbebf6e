// ingestd/pipeline/pipeline.h
// From received bytes to counted rows, in the order that loses nothing (safety.md section 2.1):
//
//   Submit -> preparer: redacted, known or not -> writer: raw bytes, WAL synced -> `durable`
//          -> parsers -> writer: rows, totals, receipt done -> `read`
//
// with a queue before each. Mail takes a detour on its way to the parsers: checkers find out who
// sent it, by DKIM, SPF and DMARC. While DNS does not answer it waits, pending in the store, and is
// checked again.
//
// One writer thread commits whatever waits as one batch of each kind, rows first, with one WAL
// sync; groups form by themselves under load and there is no timer. Rows are not synced for
// themselves: after a power failure their receipt is still pending and is read again, with the same
// result. What the store refuses of a group it is asked to take one by one.
//
// Memory is bounded by the reservations that come with the deliveries, by the rows that wait, by
// PipelineOptions::check_bytes, and by Verification::most_waiting: of what waits long no more than
// its number in the store is kept here.

#ifndef DMARCATE_INGESTD_PIPELINE_PIPELINE_H_
#define DMARCATE_INGESTD_PIPELINE_PIPELINE_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "ingestd/pipeline/byte_budget.h"
#include "ingestd/pipeline/crash_journal.h"
#include "ingestd/pipeline/trust.h"
#include "ingestd/pipeline/verification.h"
#include "lib/base/log_limiter.h"
#include "lib/mailauth/alignment.h"
#include "lib/report/address_tokens.h"
#include "lib/store/report_store.h"
#include "lib/unpack/unpack.h"

namespace dmarcate {

// What an intake hands over.
struct Delivery {
  std::string content;
  std::string sha256;     // 32 bytes, of `content`; empty: not known yet
  std::string file_name;  // valid UTF-8, at most 255 bytes
  Channel channel = Channel::kUnspecified;
  absl::Time received_time;
  std::optional<Envelope> envelope;     // kSmtp only
  ByteBudget::Reservation reservation;  // kept until the delivery is read
};
// Called once: the bytes are on disk (OK), or nothing was kept and the sender must keep them. Now
// the sender may be told. May be called within Submit(); else on a thread of the pipeline: do not
// block. kUnavailable, kResourceExhausted: later it may be possible.
using DurableCallback = std::function<void(const absl::Status&)>;
// Called once, after `durable`, with what was found in the bytes. An error does not mean that the
// bytes are lost: durable ones are read after the next start.
using ReadCallback = std::function<void(const absl::StatusOr<std::vector<ReceiptItem>>&)>;
// Whether that error says so because the DNS does not answer: durable, not read, and read by itself
// once it does.
bool IsWaitingForDns(const absl::Status& status);
// lib/unpack, or a fake. Thread-safe.
using Parser = std::function<Unpacked(std::string, const UnpackHints&)>;

struct PipelineOptions {
  int parse_threads = 2;
  size_t group_items = 512;       // at most so many deliveries in one commit,
  int64_t group_bytes = 4 << 20;  // and so many bytes, or one
  int64_t group_rows = 20'000;    // rows that wait before parsers pause
  // Larger content is not kept in memory while it waits to be parsed but read back from the store.
  int64_t keep_bytes = 256 << 10;
  // So many bytes of mail are being checked at a time, or one mail.
  int64_t check_bytes = 16 << 20;
  // Content that the store cannot read back now is asked for again after this time, then after
  // twice as long, and so on.
  absl::Duration retry_delay = absl::Seconds(1);
  // Asked before anything is read: an error puts it off, as content that is not there now.
  std::function<absl::Status()> admit_rows;
  // Failure reports lose the persons in them before the first write; null: they are kept as sent.
  // Outlives the pipeline.
  const AddressTokens* failure_tokens = nullptr;
};

// Thread-safe but for Start() and Stop().
class Pipeline {
 public:
  // What is given by reference outlives the pipeline. `on_failure` is called once, on the writer
  // thread, when the store stops taking writes: from then on only a restart helps.
  Pipeline(ReportWriter& store, const PublicSuffixList& suffixes, CrashJournal& crashes,
           Parser parser, std::function<void(const absl::Status&)> on_failure,
           PipelineOptions options, Verification verification = {});
  ~Pipeline();

  // Queues what was accepted before and was not read yet, and starts the threads.
  absl::Status Start();
  // Finishes what is in work, for at most `limit`; what then is left stays pending in the store.
  void Stop(absl::Duration limit);

  void Submit(Delivery delivery, DurableCallback durable, ReadCallback read);
  // Reads a receipt once more that was read before: what comes of it replaces what it gave then.
  // `read` is told of it as of a delivery; of an error, with everything as it was before:
  //   kNotFound            no such receipt, or its bytes have expired
  //   kFailedPrecondition  it is still to be read for the first time, or it is parked
  // The result is on disk after the next Apply().
  enum class Parked : uint8_t { kStay, kTryAgain };  // what ended the daemon before
  void Replay(ReceiptId id, Parked parked, ReadCallback read);
  // Commits what is no delivery, synced, on the caller's thread. Errors as of ReportWriter.
  absl::StatusOr<CommitResult> Apply(CommitBatch batch);
  // ReportWriter::Expire() and Purge(), on the caller's thread.
  absl::StatusOr<ExpiryResult> Expire(const ExpiryCutoffs& cutoffs, size_t limit);
  absl::StatusOr<PurgeResult> Purge(const PurgeTarget& target, PurgeMode mode,
                                    const std::function<bool(const PurgeResult&)>& progress);
  // What reading the bytes of `receipt` says now; changes nothing. One at a time. For a person to
  // look at what is in quarantine.
  //   kNotFound, kDataLoss, kUnavailable  the bytes are not there
  //   kFailedPrecondition                 reading them ended the daemon before
  absl::StatusOr<Unpacked> Inspect(const Receipt& receipt);
  // What came of these bytes, if they were received and read before and the store can still tell.
  // Nothing if they were not verified and `channel` may do so now: handed in, an operator vouches
  // for them; an SMTP session may authenticate them. Then they are read once more.
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FindKnown(std::string_view sha256,
                                                                    Channel channel);

 private:
  struct Accepting {
    Delivery delivery;
    DurableCallback durable;
    ReadCallback read;
  };
  // kAlone: read and committed while nothing else is, since the last time, in company, the commit
  // failed or the process ended.
  enum class Company { kGroup, kAlone };
  struct CheckedCarrier {
    CarrierAuth auth;
    bool one_reading = false;
  };
  struct Parsing {
    Receipt receipt;
    std::string content;                    // empty: read it from the store
    std::string parked;                     // why it is not to be read; empty: it is
    absl::Status lost;                      // why there never will be content
    int failures = 0;                       // of reading it back
    std::optional<CheckedCarrier> carrier;  // once checked
    int unreachable = 0;                    // checks that DNS left open
    absl::Time first_check = absl::InfinitePast();
    CrashJournal::Attempt attempt;
    ByteBudget::Reservation reservation;
    ReadCallback read;
    Company company = Company::kGroup;
    bool replay = false;  // not pending: where it fails, what it gave before stays
    // It is read from the store when it is needed.
    void DropContent() {
      std::string().swap(content);
      reservation.Release();
    }
  };
  // What stays here of a message that waits long: the rest is in the store.
  struct Waiting {
    ReceiptId id = 0;
    int64_t size_bytes = 0;
    int failures = 0;
    int unreachable = 0;
    absl::Time first_check = absl::InfinitePast();
    Company company = Company::kGroup;
    ReadCallback read;
  };
  using Schedule = std::multimap<std::chrono::steady_clock::time_point, Waiting>;
  struct Committing {
    Receipt receipt;
    CommitBatch::Processed processed;
    CrashJournal::Attempt attempt;
    int64_t rows = 1;
    ByteBudget::Reservation reservation;
    ReadCallback read;
    Company company = Company::kGroup;
    bool replay = false;
  };
  struct Group {
    std::vector<Accepting> accepting;
    std::vector<Committing> committing;
  };

  // Whether somebody waits for the answer before sending more.
  static bool HasWaitingSender(Channel channel) { return channel != Channel::kImport; }
  bool IdleLocked() const;

  // pipeline.cc
  absl::Status QueuePending();
  void PrepareLoop();
  void Prepare(Accepting item);
  void Redact(Accepting* item);
  absl::Status failure();
  UnpackHints HintsFor(const Receipt& receipt) const;

  // pipeline_write.cc
  void WriteLoop();
  static bool IsUrgent(const Committing& read);
  bool MayWriteLocked() const;
  bool TakeGroup(Group* group);
  void Commit(Group group);
  void CommitReceived(std::vector<Accepting> group);
  void CommitRead(std::vector<Committing> group);
  void FailRead(std::vector<Committing> group, const absl::Status& error);
  void ReportFatal(const absl::Status& error);

  // pipeline_read.cc
  void ParseLoop();
  void Read(Parsing task);
  bool AwaitTaskLocked(std::unique_lock<std::mutex>& lock);
  bool MayParseLocked() const;
  static Waiting ToWaiting(Parsing task);
  absl::StatusOr<Parsing> Load(Waiting* waiting) const;
  void PutOff(Waiting waiting, const absl::Status& error);
  absl::Status Fetch(Parsing* task) const;
  absl::Duration NextFetch(int* failures) const;
  void PutOff(Parsing task, const absl::Status& error);
  void GiveUp(Parsing task, const absl::Status& error);
  void FinishReadingLocked();
  Committing Parse(Parsing task) const;
  TrustVerdict Judge(const Parsing& task, const UnpackedReport& report,
                     const CarrierInfo& mail) const;

  // pipeline_check.cc
  bool MustCheck(const Parsing& task) const;
  absl::Status AdmitCheck(const Delivery& delivery);
  void SendToCheck(Parsing task);
  void CheckLoop();
  bool MayCheckLocked(int64_t size_bytes) const;
  bool MayCheckAgainLocked() const;
  void BeginCheckLocked(int64_t bytes);
  void EndCheckLocked(int64_t bytes);
  void CheckAgain(Waiting waiting);
  void Check(Parsing task);
  absl::Status Verify(Parsing* task) const;
  bool IsTimeUp(Parsing* task) const;
  void WaitForDns(Parsing task, const absl::Status& why, absl::Duration delay);
  void WaitForDns(Waiting waiting, absl::Duration delay);

  ReportWriter& store_;
  const PublicSuffixList& suffixes_;
  CrashJournal& crashes_;
  const Parser parser_;
  const std::function<void(const absl::Status&)> on_failure_;
  const PipelineOptions options_;
  const Verification verification_;

  std::mutex mutex_;
  std::condition_variable prepare_ready_, write_ready_, parse_ready_, check_ready_, idle_;
  std::deque<Accepting> preparing_;
  std::deque<Accepting> accepting_;
  size_t urgent_ = 0;            // of those and of committing_: somebody waits for it
  std::deque<Waiting> resumed_;  // to be read before what comes new
  std::deque<Parsing> parsing_;
  Schedule put_off_;  // whose content was not there, by when to read it again
  std::deque<Parsing> checking_;
  Schedule unanswered_;          // by DNS, by when to check again
  int64_t checked_bytes_ = 0;    // of mail that is being checked
  int rechecks_ = 0;             // that are under way
  LogLimiter put_off_lines_{1};  // strangers decide how much mail their DNS leaves open
  std::deque<Committing> committing_;
  int64_t committing_rows_ = 0;
  size_t reading_ = 0;     // taken from parsing_ and neither committed nor put elsewhere yet
  bool alone_ = false;     // one of these wants no company
  size_t in_work_ = 0;     // taken from a queue and not in the next one yet
  bool closed_ = false;    // nothing new
  bool stopping_ = false;  // threads end
  absl::Status failure_;   // of the store; sticky
  std::mutex inspect_mutex_;
  std::vector<std::thread> threads_;
};

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_PIPELINE_H_
