// The parsers: from the bytes of a receipt to the rows that are to be committed.

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "ingestd/pipeline/convert.h"
#include "ingestd/pipeline/pipeline.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/text.h"
#include "lib/base/thread.h"
#include "lib/report/model_budget.h"
#include "lib/store/report_rules.h"
#include "lib/unpack/redact_failure_mail.h"

namespace dmarcate {
namespace {

// So often content is not there for now before the sender is told.
constexpr int kFailuresUntilTold = 3;
constexpr absl::Duration kLongestRetryDelay = absl::Minutes(5);

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

}  // namespace

void Pipeline::ParseLoop() {
  NameThread("parse");
  GiveWay();  // to those who take in the next mail: its sender waits
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
  if (!task.replay) task.parked = crashes_.WhyParked(task.receipt.raw_sha256);
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
