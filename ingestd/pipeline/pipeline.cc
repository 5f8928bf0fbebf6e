#include "ingestd/pipeline/pipeline.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"

#include "ingestd/pipeline/convert.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/thread.h"
#include "lib/store/report_rules.h"
#include "lib/unpack/redact_failure_mail.h"

namespace dmarcate {
namespace {

// Whether the same bytes may be worth more than what came of them, now that they come by `channel`:
// somebody vouches for them, an SMTP session may authenticate them, or DNS may answer.
bool MayProveMore(const ReceiptItem& item, Channel channel) {
  if (item.reason == "dns_unreachable") return true;
  if (IsHandedIn(channel)) return IsUnverified(item);
  return channel == Channel::kSmtp && (IsUnverified(item) || item.reason == "content_ambiguous");
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
  NameThread("prepare");
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
  if (!crashes_.WhyParked(delivery.sha256).empty()) return;
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
  const std::string why = crashes_.WhyParked(task.receipt.raw_sha256);
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
  if (const std::string why = crashes_.WhyParked(receipt.raw_sha256); !why.empty()) {
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

}  // namespace dmarcate
