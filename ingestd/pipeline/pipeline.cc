#include "ingestd/pipeline/pipeline.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/report/model_budget.h"
#include "lib/store/report_rules.h"
#include "lib/unpack/redact_failure_mail.h"

namespace dmarcate {
namespace {

// So often content is not there for now before the sender is told.
constexpr int kFailuresUntilTold = 3;
constexpr absl::Duration kLongestRetryDelay = absl::Minutes(5);

// After these the store takes no more writes until it is opened again.
bool IsFatal(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kFailedPrecondition;
}

// So much of an import is committed at once.
constexpr size_t kBulkGroup = 128;

// Whether somebody waits for the answer before sending more.
bool HasWaitingSender(Channel channel) { return channel != Channel::kImport; }

// A row has about so much memory where models are held. What takes more counts as several rows, so
// that what waits, and what a commit has in memory, is bounded in bytes, too.
constexpr int64_t kRowBytes = 400;

int64_t RowsOf(const CommitBatch::Processed& processed) {
  int64_t rows = 1;
  for (const ProcessedItem& item : processed.items) {
    if (item.report) rows += item.item.records;
    if (item.report && item.report->packed) {
      rows += static_cast<int64_t>(item.report->packed->bytes.size()) / kRowBytes;
    }
    if (item.tls) rows += ModelBytes(item.tls->report) / kRowBytes;
  }
  return rows;
}

// Empty: these bytes may be read.
std::string WhyParked(const CrashJournal& journal, std::string_view sha256) {
  if (const int crashes = journal.Crashes(sha256); crashes >= kCrashesUntilParked) {
    return fmt::format("reading it ended the daemon {} times; parked", crashes);
  }
  if (const int attempts = journal.Unfinished(sha256); attempts >= kAttemptsUntilParked) {
    return fmt::format("the daemon ended {} times while reading it; parked", attempts);
  }
  return "";
}

// Whether the same bytes may be worth more than what came of them, now that they come by `channel`:
// somebody vouches for them, an SMTP session may authenticate them, or DNS may answer.
bool MayProveMore(const ReceiptItem& item, Channel channel) {
  if (item.reason == "dns_unreachable") return true;
  if (IsHandedIn(channel)) return IsUnverified(item);
  return channel == Channel::kSmtp && (IsUnverified(item) || item.reason == "content_ambiguous");
}

// The class of the most trusted aggregate report; kUnspecified without one.
TrustClass BestClass(const CommitBatch::Processed& processed) {
  std::optional<TrustClass> best;
  for (const ProcessedItem& item : processed.items) {
    if (!item.report) continue;
    if (!best || TrustRank(item.report->trust) > TrustRank(*best)) best = item.report->trust;
  }
  return best.value_or(TrustClass::kUnspecified);
}

// Who a TLS report says reports: as a rule with an address in angle brackets.
ReportMetadata ClaimOf(const TlsReport& report) {
  ReportMetadata claim;
  claim.org_name = report.organization_name;
  claim.email = report.contact_info;
  while (claim.email.ends_with('>')) claim.email.pop_back();
  return claim;
}

absl::Status StoppingError() {
  return MakeError(absl::StatusCode::kUnavailable, "the daemon is shutting down");
}

}  // namespace

Pipeline::Pipeline(ReportWriter& store, const PublicSuffixList& suffixes, CrashJournal& crashes,
                   Parser parser, std::function<void(const absl::Status&)> on_failure,
                   PipelineOptions options, Verification verification)
    : store_(store),
      suffixes_(suffixes),
      crashes_(crashes),
      parser_(std::move(parser)),
      on_failure_(std::move(on_failure)),
      options_(std::move(options)),
      verification_(std::move(verification)) {}

Pipeline::~Pipeline() { Stop(absl::ZeroDuration()); }

absl::Status Pipeline::Start() {
  DMARCATE_RETURN_IF_ERROR(QueuePending());
  threads_.emplace_back([this] { WriteLoop(); });
  threads_.emplace_back([this] { PrepareLoop(); });
  for (int i = 0; i < options_.parse_threads; ++i) threads_.emplace_back([this] { ParseLoop(); });
  const int checkers = verification_.checker ? verification_.threads : 0;
  for (int i = 0; i < checkers; ++i) threads_.emplace_back([this] { CheckLoop(); });
  return absl::OkStatus();
}

// Of each its number is kept. Their count is bounded: what waits for DNS by most_waiting, the rest
// by the budget of the intakes.
absl::Status Pipeline::QueuePending() {
  absl::StatusOr<std::vector<Receipt>> pending = store_.Pending(std::numeric_limits<size_t>::max());
  if (absl::IsDataLoss(pending.status())) {
    // One damaged value must not keep new mail out; what is pending stays so.
    LogError("pending_unreadable", {{"error", pending.status()}});
    return absl::OkStatus();
  }
  DMARCATE_RETURN_IF_ERROR(pending.status());
  if (!pending->empty()) LogInfo("resumed", {{"receipts", pending->size()}});
  for (const Receipt& receipt : *pending) {
    Waiting waiting;
    waiting.id = receipt.id;
    waiting.size_bytes = receipt.size_bytes;
    waiting.read = [](const auto&) {};
    if (crashes_.Unfinished(receipt.raw_sha256) > 0) waiting.company = Company::kAlone;
    resumed_.push_back(std::move(waiting));
  }
  return absl::OkStatus();
}

void Pipeline::Stop(absl::Duration limit) {
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    // An infinite limit would overflow in wait_for().
    idle_.wait_for(lock, absl::ToChronoMilliseconds(std::min(limit, absl::Hours(24 * 365))),
                   [this] { return threads_.empty() || IdleLocked(); });
    stopping_ = true;
  }
  for (auto* ready : {&prepare_ready_, &write_ready_, &parse_ready_, &check_ready_}) {
    ready->notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (auto* queue : {&preparing_, &accepting_}) {
    for (Accepting& item : std::exchange(*queue, {})) {
      item.durable(StoppingError());
      item.read(StoppingError());
    }
  }
  for (auto* queue : {&parsing_, &checking_}) {
    for (Parsing& task : std::exchange(*queue, {})) task.read(StoppingError());
  }
  for (Waiting& waiting : std::exchange(resumed_, {})) waiting.read(StoppingError());
  for (Schedule* schedule : {&put_off_, &unanswered_}) {
    for (auto& [due, waiting] : std::exchange(*schedule, {})) waiting.read(StoppingError());
  }
  for (Committing& task : std::exchange(committing_, {})) task.read(StoppingError());
}

bool Pipeline::IdleLocked() const {
  return preparing_.empty() && accepting_.empty() && resumed_.empty() && parsing_.empty() &&
         checking_.empty() && committing_.empty() && in_work_ == 0;
}

absl::StatusOr<std::optional<std::vector<ReceiptItem>>> Pipeline::FindKnown(std::string_view sha256,
                                                                            Channel channel) {
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> found = store_.FindByRaw(sha256);
  if (absl::IsDataLoss(found.status())) {
    LogError("receipt_unreadable", {{"sha256", ToHex(sha256)}, {"error", found.status()}});
    return std::nullopt;
  }
  DMARCATE_ASSIGN_OR_RETURN(auto items, std::move(found));
  if (!items.has_value()) return std::nullopt;
  if (std::ranges::any_of(
          *items, [channel](const ReceiptItem& item) { return MayProveMore(item, channel); })) {
    return std::nullopt;
  }
  return AsSeenBefore(*std::move(items));
}

void Pipeline::Submit(Delivery delivery, DurableCallback durable, ReadCallback read) {
  absl::Status refused;
  {
    std::unique_lock lock(mutex_);
    refused = closed_ ? StoppingError() : failure_;
    if (refused.ok()) {
      preparing_.push_back({std::move(delivery), std::move(durable), std::move(read)});
      lock.unlock();
      prepare_ready_.notify_one();
      return;
    }
  }
  durable(refused);
  read(refused);
}

void Pipeline::PrepareLoop() {
  pthread_setname_np(pthread_self(), "prepare");
  while (true) {
    Accepting item;
    {
      std::unique_lock lock(mutex_);
      prepare_ready_.wait(lock, [this] { return stopping_ || !preparing_.empty(); });
      if (stopping_) return;
      item = std::move(preparing_.front());
      preparing_.pop_front();
      ++in_work_;
    }
    Prepare(std::move(item));
    const std::lock_guard lock(mutex_);
    --in_work_;
    if (IdleLocked()) idle_.notify_all();
  }
}

// What costs time before the first write, so that those who take mail in need not wait for it.
void Pipeline::Prepare(Accepting item) {
  Delivery& delivery = item.delivery;
  // It waits with what it needs, not with what it might have needed.
  delivery.content.shrink_to_fit();
  delivery.reservation.ShrinkTo(static_cast<int64_t>(delivery.content.size()));
  if (delivery.sha256.empty()) delivery.sha256 = Sha256(delivery.content);
  if (options_.failure_tokens != nullptr) Redact(&item);
  absl::StatusOr<std::optional<std::vector<ReceiptItem>>> known =
      FindKnown(delivery.sha256, delivery.channel);
  absl::Status refused = known.status();
  if (refused.ok() && !known->has_value()) {
    refused = AdmitCheck(delivery);
    const std::lock_guard lock(mutex_);
    if (refused.ok()) refused = failure_;
    if (refused.ok()) {
      if (HasWaitingSender(item.delivery.channel)) ++urgent_;
      accepting_.push_back(std::move(item));
      write_ready_.notify_one();
      return;
    }
  }
  item.durable(refused);
  if (!refused.ok()) {
    item.read(refused);
  } else {
    item.read(**std::move(known));
  }
}

// A failure report in its usual form is never written as it came. The rest of them is recognised by
// being read, and withheld then. What ended the daemon here before is stored as it came, and parked
// when it would be read.
void Pipeline::Redact(Accepting* item) {
  Delivery& delivery = item->delivery;
  if (!WhyParked(crashes_, delivery.sha256).empty()) return;
  CrashJournal::Attempt attempt = crashes_.Begin(delivery.sha256);
  const CrashJournal::Scope scope(delivery.sha256);
  std::optional<std::string> redacted =
      RedactFailureMail(delivery.content, *options_.failure_tokens);
  attempt.Suspend();
  if (!redacted) return;
  delivery.content = *std::move(redacted);
  delivery.sha256 = Sha256(delivery.content);
  delivery.file_name.clear();
}

void Pipeline::Replay(ReceiptId id, Parked parked, ReadCallback read) {
  absl::StatusOr<StoredReceipt> stored = store_.GetReceipt(id);
  if (!stored.ok()) return read(stored.status());
  Parsing task;
  task.receipt = std::move(stored->receipt);
  task.replay = true;
  absl::Status refused;
  const std::string why = WhyParked(crashes_, task.receipt.raw_sha256);
  if (!task.receipt.processed) {
    refused = MakeError(absl::StatusCode::kFailedPrecondition,
                        fmt::format("receipt {}: still to be read", id));
  } else if (!why.empty() && parked == Parked::kStay) {
    refused = MakeError(absl::StatusCode::kFailedPrecondition, why);
  }
  if (!why.empty()) task.company = Company::kAlone;
  {
    const std::lock_guard lock(mutex_);
    if (refused.ok()) refused = closed_ ? StoppingError() : failure_;
    if (refused.ok()) {
      task.read = std::move(read);
      parsing_.push_back(std::move(task));
      parse_ready_.notify_one();
      return;
    }
  }
  read(refused);
}

absl::StatusOr<CommitResult> Pipeline::Apply(CommitBatch batch) {
  DMARCATE_RETURN_IF_ERROR(failure());
  absl::StatusOr<CommitResult> result = store_.Commit(std::move(batch), Sync::kYes);
  if (!result.ok()) ReportFatal(result.status());
  return result;
}

absl::StatusOr<ExpiryResult> Pipeline::Expire(const ExpiryCutoffs& cutoffs, size_t limit) {
  DMARCATE_RETURN_IF_ERROR(failure());
  absl::StatusOr<ExpiryResult> result = store_.Expire(cutoffs, limit);
  if (!result.ok()) ReportFatal(result.status());
  return result;
}

absl::StatusOr<PurgeResult> Pipeline::Purge(
    const PurgeTarget& target, PurgeMode mode,
    const std::function<bool(const PurgeResult&)>& progress) {
  DMARCATE_RETURN_IF_ERROR(failure());
  absl::StatusOr<PurgeResult> result = store_.Purge(target, mode, progress);
  if (!result.ok()) ReportFatal(result.status());
  return result;
}

absl::Status Pipeline::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

absl::StatusOr<Unpacked> Pipeline::Inspect(const Receipt& receipt) {
  if (const std::string why = WhyParked(crashes_, receipt.raw_sha256); !why.empty()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, why);
  }
  const std::lock_guard lock(inspect_mutex_);
  DMARCATE_ASSIGN_OR_RETURN(std::string content, store_.ReadRaw(receipt.raw_sha256));
  const CrashJournal::Attempt attempt = crashes_.Begin(receipt.raw_sha256);
  const CrashJournal::Scope scope(receipt.raw_sha256);
  return parser_(std::move(content), HintsFor(receipt));
}

// Large reports are packed for the store while they are read.
UnpackHints Pipeline::HintsFor(const Receipt& receipt) const {
  return {.file_name = receipt.file_name,
          .received_time = receipt.received_time,
          .handed_in = IsHandedIn(receipt.channel),
          .make_sink = [this](std::string_view domain) { return store_.MakeSink(domain); }};
}

void Pipeline::WriteLoop() {
  pthread_setname_np(pthread_self(), "write");
  Group group;
  while (TakeGroup(&group)) {
    Commit(std::move(group));
    group = Group();
    const std::lock_guard lock(mutex_);
    in_work_ = in_work_ - 1;
    if (IdleLocked()) idle_.notify_all();
  }
}

bool Pipeline::IsUrgent(const Committing& read) {
  return read.replay || HasWaitingSender(read.receipt.channel);
}

// Each sync takes time in which the processor could parse. So while parsers have work, what nobody
// waits for comes together: rows, and deliveries of a bulk import. Whoever makes MayParseLocked()
// false wakes the writer.
bool Pipeline::MayWriteLocked() const {
  if (stopping_) return true;
  if (accepting_.empty() && committing_.empty()) return false;
  return !MayParseLocked() || urgent_ > 0 || accepting_.size() >= kBulkGroup ||
         committing_.size() >= kBulkGroup;
}

// Whatever waits, up to the limits of a group. False at the end.
bool Pipeline::TakeGroup(Group* group) {
  std::unique_lock lock(mutex_);
  write_ready_.wait(lock, [this] { return MayWriteLocked(); });
  if (accepting_.empty() && committing_.empty()) return false;
  int64_t bytes = 0, rows = 0;
  while (!committing_.empty() && rows < options_.group_rows) {
    const bool alone = committing_.front().company == Company::kAlone;
    if (alone && !group->committing.empty()) break;
    rows += committing_.front().rows;
    committing_rows_ -= committing_.front().rows;
    if (IsUrgent(committing_.front())) --urgent_;
    group->committing.push_back(std::move(committing_.front()));
    committing_.pop_front();
    if (alone) {
      ++in_work_;
      return true;
    }
  }
  while (!accepting_.empty() && group->accepting.size() < options_.group_items) {
    bytes += static_cast<int64_t>(accepting_.front().delivery.content.size());
    if (!group->accepting.empty() && bytes > options_.group_bytes) break;
    if (HasWaitingSender(accepting_.front().delivery.channel)) --urgent_;
    group->accepting.push_back(std::move(accepting_.front()));
    accepting_.pop_front();
  }
  ++in_work_;
  if (MayParseLocked()) parse_ready_.notify_all();  // they may have waited for rows to go
  return true;
}

// Two batches, so that what the store refuses of one kind does not touch the other; the sync of the
// second covers the first.
void Pipeline::Commit(Group group) {
  const size_t read = group.committing.size();
  const bool alone = read > 0 && group.committing.front().company == Company::kAlone;
  CommitRead(std::move(group.committing));
  {
    const std::lock_guard lock(mutex_);
    reading_ -= read;
    if (alone) alone_ = false;
    if (MayParseLocked()) parse_ready_.notify_all();
  }
  CommitReceived(std::move(group.accepting));
}

void Pipeline::CommitReceived(std::vector<Accepting> group) {
  if (group.empty()) return;
  const bool alone = group.size() == 1;  // then nobody needs the bytes for another try
  CommitBatch batch;
  for (Accepting& item : group) {
    Delivery& delivery = item.delivery;
    CommitBatch::Accepted& accepted = batch.accepted.emplace_back();
    accepted.receipt.raw_sha256 = delivery.sha256;
    accepted.receipt.size_bytes = static_cast<int64_t>(delivery.content.size());
    accepted.receipt.received_time = delivery.received_time;
    accepted.receipt.channel = delivery.channel;
    accepted.receipt.file_name = delivery.file_name;
    accepted.receipt.envelope = delivery.envelope;
    if (alone && accepted.receipt.size_bytes > options_.keep_bytes) {
      accepted.raw = std::exchange(delivery.content, std::string());
    } else {
      accepted.raw = delivery.content;
    }
  }
  std::vector<Receipt> receipts;
  for (const CommitBatch::Accepted& accepted : batch.accepted) receipts.push_back(accepted.receipt);
  const absl::StatusOr<CommitResult> result = store_.Commit(std::move(batch), Sync::kYes);
  if (!result.ok() && !IsFatal(result.status()) && !alone) {
    // One of them is what the store cannot take.
    for (Accepting& item : group) {
      std::vector<Accepting> one;
      one.push_back(std::move(item));
      CommitReceived(std::move(one));
    }
    return;
  }
  if (!result.ok()) {
    LogError("commit_failed", {{"error", result.status()}, {"accepting", group.size()}});
    for (Accepting& item : group) {
      item.durable(result.status());
      item.read(result.status());
    }
    ReportFatal(result.status());
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < receipts.size(); ++i) {
      Parsing task;
      task.receipt = std::move(receipts[i]);
      task.receipt.id = result->accepted[i];
      if (task.receipt.size_bytes <= options_.keep_bytes) {
        task.content = std::move(group[i].delivery.content);
      }
      task.reservation = std::move(group[i].delivery.reservation);
      task.read = std::move(group[i].read);
      parsing_.push_back(std::move(task));
    }
  }
  for (const Accepting& item : group) item.durable(absl::OkStatus());
  if (alone) {
    parse_ready_.notify_one();
  } else {
    parse_ready_.notify_all();
  }
}

// Not synced: after a power failure the receipts are pending and are read again.
void Pipeline::CommitRead(std::vector<Committing> group) {
  if (group.empty()) return;
  CommitBatch batch;
  for (Committing& item : group) batch.processed.push_back(std::move(item.processed));
  const absl::StatusOr<CommitResult> result = store_.Commit(std::move(batch), Sync::kNo);
  if (!result.ok()) {
    FailRead(std::move(group), result.status());
    return;
  }
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].reservation.Release();
    group[i].read(result->processed[i]);
  }
}

// Nothing of the group was written.
void Pipeline::FailRead(std::vector<Committing> group, const absl::Status& error) {
  LogError("commit_failed", {{"error", error}, {"committing", group.size()}});
  for (Committing& item : group) {
    if (IsFatal(error)) {
      item.read(error);  // its receipt stays pending
      continue;
    }
    if (item.company == Company::kAlone && item.replay) {
      item.read(error);
      continue;
    }
    if (item.company == Company::kAlone) {
      // This very report is what the store cannot take.
      CommitBatch batch;
      batch.processed.push_back(ToQuarantined(item.receipt, "store_refused", MessageOf(error)));
      auto result = store_.Commit(std::move(batch), Sync::kNo);
      if (result.ok()) {
        item.read(std::move(result->processed[0]));
      } else {
        item.read(result.status());
        ReportFatal(result.status());
      }
      continue;
    }
    Parsing again;
    again.receipt = std::move(item.receipt);
    again.reservation = std::move(item.reservation);
    again.read = std::move(item.read);
    again.company = Company::kAlone;
    again.replay = item.replay;
    const std::lock_guard lock(mutex_);
    parsing_.push_back(std::move(again));
  }
  ReportFatal(error);
}

// Nothing more is taken after an error that only a restart ends.
void Pipeline::ReportFatal(const absl::Status& error) {
  if (!IsFatal(error)) return;
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
    failure_ = error;
  }
  on_failure_(error);
}

void Pipeline::ParseLoop() {
  pthread_setname_np(pthread_self(), "parse");
  while (true) {
    std::optional<Waiting> resumed;
    Parsing task;
    {
      std::unique_lock lock(mutex_);
      if (!AwaitTaskLocked(lock)) return;
      if (!resumed_.empty()) {
        resumed = std::move(resumed_.front());
        resumed_.pop_front();
        alone_ = resumed->company == Company::kAlone;
      } else {
        task = std::move(parsing_.front());
        parsing_.pop_front();
        alone_ = task.company == Company::kAlone;
      }
      ++in_work_;
      ++reading_;
      if (!MayParseLocked()) write_ready_.notify_one();  // MayWriteLocked()
    }
    if (resumed) {
      absl::StatusOr<Parsing> loaded = Load(&*resumed);
      if (!loaded.ok()) {
        if (absl::IsNotFound(loaded.status()) || absl::IsDataLoss(loaded.status())) {
          resumed->read(loaded.status());
        } else {
          PutOff(*std::move(resumed), loaded.status());
        }
        const std::lock_guard lock(mutex_);
        FinishReadingLocked();
        continue;
      }
      task = *std::move(loaded);
    }
    Read(std::move(task));
  }
}

void Pipeline::Read(Parsing task) {
  if (!task.replay) task.parked = WhyParked(crashes_, task.receipt.raw_sha256);
  if (task.parked.empty()) task.attempt = crashes_.Begin(task.receipt.raw_sha256);
  absl::Status fetched = options_.admit_rows ? options_.admit_rows() : absl::OkStatus();
  if (fetched.ok()) fetched = Fetch(&task);
  if (task.replay) {
    if (fetched.ok()) fetched = task.lost;
    if (!fetched.ok()) return GiveUp(std::move(task), fetched);
  }
  if (!fetched.ok()) return PutOff(std::move(task), fetched);
  if (MustCheck(task)) return SendToCheck(std::move(task));
  Committing parsed = Parse(std::move(task));
  {
    const std::lock_guard lock(mutex_);
    committing_rows_ += parsed.rows;
    if (IsUrgent(parsed)) ++urgent_;
    committing_.push_back(std::move(parsed));
    --in_work_;
  }
  write_ready_.notify_one();
}

// Until there is something to parse and room for its rows. False at the end.
bool Pipeline::AwaitTaskLocked(std::unique_lock<std::mutex>& lock) {
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    while (!put_off_.empty() && put_off_.begin()->first <= now) {
      resumed_.push_back(std::move(put_off_.begin()->second));
      put_off_.erase(put_off_.begin());
    }
    if (MayParseLocked()) return true;
    write_ready_.notify_one();  // MayWriteLocked()
    if (put_off_.empty()) {
      parse_ready_.wait(lock);
    } else {
      const auto due = put_off_.begin()->first;  // a copy: others may take the entry meanwhile
      parse_ready_.wait_until(lock, due);
    }
  }
  return false;
}

bool Pipeline::MayParseLocked() const {
  if (resumed_.empty() && parsing_.empty()) return false;
  if (committing_rows_ >= options_.group_rows || alone_) return false;
  const Company company = resumed_.empty() ? parsing_.front().company : resumed_.front().company;
  return company == Company::kGroup || reading_ == 0;
}

Pipeline::Waiting Pipeline::ToWaiting(Parsing task) {
  Waiting out;
  out.id = task.receipt.id;
  out.size_bytes = task.receipt.size_bytes;
  out.failures = task.failures;
  out.unreachable = task.unreachable;
  out.first_check = task.first_check;
  out.company = task.company;
  out.read = std::move(task.read);
  return out;
}

// Takes `read` along. kNotFound: nothing is to be done any more. kDataLoss: the receipt is damaged
// and stays pending.
absl::StatusOr<Pipeline::Parsing> Pipeline::Load(Waiting* waiting) const {
  absl::StatusOr<StoredReceipt> stored = store_.GetReceipt(waiting->id);
  if (stored.ok() && stored->receipt.processed) {
    return MakeError(absl::StatusCode::kNotFound, "it has been read meanwhile");
  }
  if (!stored.ok()) {
    LogError("receipt_unreadable", {{"receipt", waiting->id}, {"error", stored.status()}});
    return stored.status();
  }
  Parsing out;
  out.receipt = std::move(stored->receipt);
  out.failures = waiting->failures;
  out.unreachable = waiting->unreachable;
  out.first_check = waiting->first_check;
  out.company = waiting->company;
  out.read = std::move(waiting->read);
  return out;
}

// Reads the content back if it was not kept. Not OK: the store could not say now; what it will
// never say again stays without content.
absl::Status Pipeline::Fetch(Parsing* task) const {
  if (!task->content.empty() || !task->parked.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> content = store_.ReadRaw(task->receipt.raw_sha256);
  if (content.ok()) {
    task->content = *std::move(content);
    return absl::OkStatus();
  }
  LogError("raw_unreadable", {{"receipt", task->receipt.id}, {"error", content.status()}});
  if (!absl::IsDataLoss(content.status()) && !absl::IsNotFound(content.status())) {
    return content.status();
  }
  task->lost = content.status();
  return absl::OkStatus();
}

// Until content that was not there is asked for again.
absl::Duration Pipeline::NextFetch(int* failures) const {
  constexpr int kMostDoublings = 20;
  return std::min(options_.retry_delay * (int64_t{1} << std::min((*failures)++, kMostDoublings)),
                  kLongestRetryDelay);
}

// Its receipt stays pending.
void Pipeline::PutOff(Parsing task, const absl::Status& error) {
  task.attempt.Suspend();
  PutOff(ToWaiting(std::move(task)), error);
  const std::lock_guard lock(mutex_);
  FinishReadingLocked();
}

// The sender does not wait for ever.
void Pipeline::PutOff(Waiting waiting, const absl::Status& error) {
  const absl::Duration delay = NextFetch(&waiting.failures);
  if (waiting.failures == kFailuresUntilTold) {
    std::exchange(waiting.read, [](const auto&) {})(error);
  }
  const std::lock_guard lock(mutex_);
  put_off_.emplace(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay),
                   std::move(waiting));
  parse_ready_.notify_all();  // of when it is due
}

// A parser has put its task elsewhere.
void Pipeline::FinishReadingLocked() {
  --in_work_;
  --reading_;
  alone_ = false;
  if (MayParseLocked()) parse_ready_.notify_all();
  if (IdleLocked()) idle_.notify_all();
}

// A replay without content.
void Pipeline::GiveUp(Parsing task, const absl::Status& error) {
  task.attempt.End();
  task.read(error);
  const std::lock_guard lock(mutex_);
  FinishReadingLocked();
}

Pipeline::Committing Pipeline::Parse(Parsing task) const {
  Committing out;
  out.replay = task.replay;
  out.reservation = std::move(task.reservation);
  out.read = std::move(task.read);
  out.company = task.company;
  out.attempt = std::move(task.attempt);
  const Receipt& receipt = task.receipt;
  if (!task.parked.empty()) {
    LogError("parked", {{"receipt", receipt.id}, {"sha256", ToHex(receipt.raw_sha256)}});
    out.processed = ToQuarantined(receipt, "parser_crashed", task.parked);
  } else if (!task.lost.ok()) {
    out.processed = ToQuarantined(receipt, "raw_unreadable", MessageOf(task.lost));
  } else {
    const CrashJournal::Scope scope(receipt.raw_sha256);
    FailurePrivacy privacy{.tokens = options_.failure_tokens};
    if (privacy.tokens != nullptr && IsRedactedFailureMail(task.content, *privacy.tokens)) {
      privacy.raw = FailurePrivacy::Raw::kRedacted;
    }
    out.processed = ToProcessed(
        receipt, parser_(std::move(task.content), HintsFor(receipt)),
        [&](const UnpackedReport& report, const CarrierInfo& mail) {
          return Judge(task, report, mail);
        },
        privacy);
    if (verification_.verified && task.carrier && receipt.envelope) {
      verification_.verified(*receipt.envelope, task.carrier->auth, BestClass(out.processed));
    }
    store_.Prepare(&out.processed);
    out.rows = RowsOf(out.processed);
    if (const absl::Status fits = CheckProcessed(out.processed); !fits.ok()) {
      out.processed = ToQuarantined(receipt, "store_refused", MessageOf(fits));
    }
  }
  out.receipt = std::move(task.receipt);
  return out;
}

TrustVerdict Pipeline::Judge(const Parsing& task, const UnpackedReport& report,
                             const CarrierInfo& mail) const {
  ReportMetadata claim;
  if (report.tls) claim = ClaimOf(*report.tls);
  if (!verification_.checker) {
    AggregateReport bare;
    bare.metadata = std::move(claim);
    return JudgeUnverified(report.aggregate ? *report.aggregate : bare, suffixes_);
  }
  CarrierEvidence evidence;
  evidence.is_mail = mail.is_mail;
  evidence.channel = task.receipt.channel;
  evidence.received_time = task.receipt.received_time;
  evidence.file_name = report.file_name;
  evidence.subject = mail.subject;
  evidence.is_tls_report = report.tls.has_value();
  evidence.is_enclosed = IsEnclosed(report);
  if (task.carrier && mail.is_mail) {
    evidence.auth = task.carrier->auth;
    evidence.one_reading = task.carrier->one_reading;
  }
  const absl::Time now = verification_.clock->Now();
  if (!report.aggregate) return JudgeMail(evidence, claim, suffixes_, now);
  return JudgeTrust(evidence, *report.aggregate, verification_.anchors, suffixes_, now);
}

}  // namespace dmarcate
