#include "tests/ingestd/fakes.h"

#include <utility>

#include "lib/base/digest.h"
#include "lib/base/text.h"

namespace dmarcate::ingest_testing {

Unpacked FakeUnpack(std::string content, const UnpackHints& /*hints*/) {
  Unpacked out;
  UnpackedReport& found = out.reports.emplace_back();
  const std::vector<std::string_view> words = Split(content, ' ');
  if (words.size() != 3 || words[0] != "report") {
    found.reason = "not_understood";
    return out;
  }
  found.kind = ReportKind::kAggregate;
  found.outcome = Outcome::kAccepted;
  found.document_sha256 = Sha256(content);
  AggregateReport& report = found.aggregate.emplace();
  report.policy.domain = words[1];
  report.metadata.report_id = words[2];
  report.metadata.email = "dmarc@mail.reporter.test";
  report.metadata.begin = 1'700'000'000;
  report.metadata.end = 1'700'086'399;
  report.records.emplace_back().count = 1;
  return out;
}

Delivery MakeDelivery(std::string content) {
  Delivery out;
  out.sha256 = Sha256(content);
  out.content = std::move(content);
  out.channel = Channel::kUpload;
  out.received_time = absl::FromUnixSeconds(1'700'100'000);
  return out;
}

void ObservedStore::Hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void ObservedStore::Release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

void ObservedStore::AwaitHeld() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_; });
}

std::vector<ObservedStore::Seen> ObservedStore::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void ObservedStore::FailIf(std::function<bool(const CommitBatch&)> predicate, absl::Status error) {
  const std::lock_guard lock(mutex_);
  fails_ = std::move(predicate);
  error_ = std::move(error);
}

void ObservedStore::FailReading(int times, absl::Status error) {
  const std::lock_guard lock(mutex_);
  failing_reads_ = times;
  read_error_ = std::move(error);
}

absl::StatusOr<std::string> ObservedStore::ReadRaw(std::string_view raw_sha256) {
  {
    const std::lock_guard lock(mutex_);
    if (failing_reads_ > 0) {
      --failing_reads_;
      return read_error_;
    }
  }
  return fake_.ReadRaw(raw_sha256);
}

absl::StatusOr<CommitResult> ObservedStore::Commit(CommitBatch batch, Sync sync) {
  {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
    waiting_ = false;
    seen_.push_back({batch.accepted.size(), batch.processed.size(), sync});
    if (fails_ && fails_(batch)) return error_;
  }
  return fake_.Commit(std::move(batch), sync);
}

}  // namespace dmarcate::ingest_testing
