#include "lib/store/fake_report_store.h"

#include <algorithm>
#include <tuple>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

auto Identity(const StoredReport& report) {
  const ReportMetadata& metadata = report.report.metadata;
  return std::tie(report.key.domain, report.key.day, report.reporter_key, metadata.report_id,
                  metadata.begin, metadata.end);
}

StoredReport WithoutRows(const StoredReport& report) {
  StoredReport out = report;
  out.report.records.clear();
  out.report.extensions.clear();
  out.repairs.clear();
  return out;
}

}  // namespace

void FakeReportStore::FailNextCommit(absl::Status error) {
  const std::lock_guard lock(mutex_);
  next_error_ = std::move(error);
}

absl::StatusOr<CommitResult> FakeReportStore::Commit(CommitBatch batch, Sync /*sync*/) {
  const std::lock_guard lock(mutex_);
  if (!failed_.ok()) return failed_;
  if (!next_error_.ok()) {
    failed_ = MakeError(absl::StatusCode::kFailedPrecondition, "reports store: a commit failed");
    return std::exchange(next_error_, absl::OkStatus());
  }
  State state = written_;  // all or nothing
  CommitResult result;
  DMARCATE_RETURN_IF_ERROR(Accept(batch.accepted, state, result));
  for (CommitBatch::Processed& processed : batch.processed) {
    DMARCATE_RETURN_IF_ERROR(Process(processed, state, result));
  }
  for (const ReceiptId id : batch.dropped) result.dropped.push_back(Drop(id, state));
  written_ = std::move(state);
  ++written_version_;
  return result;
}

absl::Status FakeReportStore::Accept(std::vector<CommitBatch::Accepted>& accepted, State& state,
                                     CommitResult& result) {
  for (CommitBatch::Accepted& item : accepted) {
    Receipt& receipt = item.receipt;
    if (receipt.id == 0) receipt.id = state.last_receipt + 1;
    if (receipt.id <= state.last_receipt) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       fmt::format("receipt {}: not above {}", receipt.id, state.last_receipt));
    }
    state.last_receipt = receipt.id;
    if (receipt.raw_sha256.empty()) receipt.raw_sha256 = Sha256(item.raw);
    receipt.processed = false;
    state.first_receipt.emplace(receipt.raw_sha256, receipt.id);
    result.accepted.push_back(receipt.id);
    result.raw_known.push_back(!state.raw.emplace(receipt.raw_sha256, std::move(item.raw)).second);
    state.receipts[receipt.id] = {std::move(receipt), {}};
  }
  return absl::OkStatus();
}

absl::Status FakeReportStore::Process(CommitBatch::Processed& processed, State& state,
                                      CommitResult& result) {
  DMARCATE_RETURN_IF_ERROR(CheckProcessed(processed));
  const auto found = state.receipts.find(processed.receipt);
  if (found == state.receipts.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("receipt {}: unknown", processed.receipt));
  }
  auto& [receipt, items] = found->second;
  for (auto it = state.reports.begin(); it != state.reports.end();) {
    if (it->first.receipt != processed.receipt) {
      ++it;
      continue;
    }
    const StoredReport gone = std::move(it->second);
    it = state.reports.erase(it);
    Elect(gone, state);
  }
  items.clear();
  bool unreadable = false;
  for (ProcessedItem& item : processed.items) {
    if (item.report) {
      item.report->raw_sha256 = receipt.raw_sha256;
      Store(*std::move(item.report), item.item, state);
    } else if (item.item.outcome == Outcome::kDuplicate) {
      for (const auto& [key, other] : state.reports) {
        if (other.document_sha256 != item.document_sha256) continue;
        item.item.report_name = key.ToId();
        item.item.domain = key.domain;
      }
    }
    unreadable = unreadable || IsUnreadable(item.item.outcome);
    items.push_back(std::move(item.item));
  }
  receipt.processed = true;
  receipt.subject = unreadable ? std::move(processed.subject) : std::string();
  receipt.from_domain = unreadable ? std::move(processed.from_domain) : std::string();
  result.processed.push_back(items);
  return absl::OkStatus();
}

DropResult FakeReportStore::Drop(ReceiptId id, State& state) {
  const auto found = state.receipts.find(id);
  if (found == state.receipts.end() || !found->second.first.processed) return {};
  std::vector<ReceiptItem>& items = found->second.second;
  const auto gone =
      std::erase_if(items, [](const ReceiptItem& item) { return IsUnreadable(item.outcome); });
  if (gone == 0) return {};
  return {.dropped = true, .raw_bytes = items.empty() ? ForgetReceipt(id, state) : 0};
}

int64_t FakeReportStore::ForgetReceipt(ReceiptId id, State& state) {
  const std::string sha256 = state.receipts.at(id).first.raw_sha256;
  state.receipts.erase(id);
  for (const auto& [other, entry] : state.receipts) {
    if (entry.first.raw_sha256 != sha256) continue;
    if (state.first_receipt[sha256] == id) state.first_receipt[sha256] = other;
    return 0;
  }
  state.first_receipt.erase(sha256);
  const auto raw = state.raw.extract(sha256);
  return raw ? static_cast<int64_t>(raw.mapped().size()) : 0;
}

void FakeReportStore::Store(StoredReport report, ReceiptItem& item, State& state) {
  for (auto& [key, other] : state.reports) {
    if (other.document_sha256 != report.document_sha256) continue;
    item.outcome = Outcome::kDuplicate;
    item.report_name = key.ToId();
    item.domain = key.domain;
    if (TrustRank(report.trust) > TrustRank(other.trust)) {
      const StoredReport before = other;
      other.trust = report.trust;
      other.reporter_key = report.reporter_key;
      Elect(before, state);
      Elect(other, state);
    }
    return;
  }
  report.record_count = static_cast<int64_t>(report.report.records.size());
  report.message_count = report.report.messages();
  report.repair_count = static_cast<int64_t>(report.repairs.size());
  item.report_name = report.key.ToId();
  item.domain = report.key.domain;
  const ReportKey key = report.key;
  const StoredReport& stored = state.reports[key] = std::move(report);
  Elect(stored, state);
}

void FakeReportStore::Elect(const StoredReport& report, State& state) {
  std::vector<Revision> revisions;
  std::vector<StoredReport*> same;
  for (auto& [key, other] : state.reports) {
    if (Identity(other) != Identity(report)) continue;
    same.push_back(&other);
    revisions.push_back({key.receipt, key.item, other.trust, other.record_count});
  }
  if (same.empty()) return;
  const StoredReport* current = same[ElectCurrent(revisions)];
  for (StoredReport* other : same) other->current = other == current;
}

absl::StatusOr<std::vector<Receipt>> FakeReportStore::Pending(size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<Receipt> out;
  for (const auto& [id, entry] : written_.receipts) {
    if (out.size() >= limit) break;
    if (!entry.first.processed) out.push_back(entry.first);
  }
  return out;
}

absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FakeReportStore::FindByRaw(
    std::string_view raw_sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.first_receipt.find(raw_sha256);
  if (found == written_.first_receipt.end()) return std::nullopt;
  const auto& [receipt, items] = written_.receipts.at(found->second);
  if (!receipt.processed) return std::nullopt;
  return items;
}

absl::StatusOr<StoredReceipt> FakeReportStore::GetReceipt(ReceiptId id) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.receipts.find(id);
  if (found == written_.receipts.end()) {
    return MakeError(absl::StatusCode::kNotFound, fmt::format("receipt {}: unknown", id));
  }
  return StoredReceipt{found->second.first, found->second.second};
}

absl::StatusOr<std::string> FakeReportStore::ReadRaw(std::string_view raw_sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.raw.find(raw_sha256);
  if (found == written_.raw.end()) return MakeError(absl::StatusCode::kNotFound, "raw: unknown");
  if (Sha256(found->second) != raw_sha256) {
    return MakeError(absl::StatusCode::kDataLoss, "raw: the bytes do not match their hash");
  }
  return found->second;
}

absl::StatusOr<ReportWriter::UnreadablePage> FakeReportStore::ListUnreadable(
    std::optional<ItemPlace> from, size_t limit) {
  const std::lock_guard lock(mutex_);
  UnreadablePage page;
  for (auto it = written_.receipts.rbegin(); it != written_.receipts.rend(); ++it) {
    const auto& [receipt, items] = it->second;
    if (from && receipt.id > from->receipt) continue;
    const uint32_t first = from && receipt.id == from->receipt ? from->ordinal : 0;
    if (!AddUnreadable(receipt, items, first, limit, &page)) break;
  }
  return page;
}

FakeReportStore::State FakeReportStore::Seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

absl::Status FakeReportStore::CatchUp() {
  const std::lock_guard lock(mutex_);
  seen_ = written_;
  seen_version_ = written_version_;
  return absl::OkStatus();
}

uint64_t FakeReportStore::version() const {
  const std::lock_guard lock(mutex_);
  return seen_version_;
}

absl::Status FakeReportStore::ForEachReport(std::string_view domain, DayNumber first,
                                            DayNumber last,
                                            const std::function<bool(const StoredReport&)>& visit) {
  for (const auto& [key, report] : Seen().reports) {
    if (key.domain != domain || key.day < first || key.day > last || !report.current) continue;
    StoredReport copy = report;
    copy.raw_sha256.clear();
    if (!visit(copy)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DayTotals>> FakeReportStore::ReadTotals(std::string_view domain,
                                                                   DayNumber first,
                                                                   DayNumber last) {
  std::map<DayNumber, DayTotals> days;
  DMARCATE_RETURN_IF_ERROR(ForEachReport(domain, first, last, [&days](const StoredReport& report) {
    DayTotals& totals = days[report.key.day];
    totals.day = report.key.day;
    AddToTotals(report.report, &totals);
    return true;
  }));
  std::vector<DayTotals> out;
  for (const auto& [day, totals] : days) out.push_back(totals);
  return out;
}

absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> FakeReportStore::ListDomains(
    std::string_view after, size_t limit) {
  std::map<std::string, DayNumber> last_days;  // keys come by day
  for (const auto& [key, report] : Seen().reports) {
    if (key.domain > after) last_days[key.domain] = key.day;
  }
  std::vector<std::pair<std::string, DayNumber>> out(last_days.begin(), last_days.end());
  if (out.size() > limit) out.resize(limit);
  return out;
}

absl::StatusOr<ReportReader::ReportPage> FakeReportStore::ListReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  const State state = Seen();
  ReportPage page;
  for (auto it = state.reports.rbegin(); it != state.reports.rend(); ++it) {
    const ReportKey& key = it->first;
    if (key.domain != domain || key.day < first || key.day > last || (from && key > *from)) {
      continue;
    }
    if (page.reports.size() >= limit) {
      page.next = key;
      break;
    }
    page.reports.push_back(WithoutRows(it->second));
  }
  return page;
}

absl::StatusOr<StoredReport> FakeReportStore::GetReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.reports.find(key);
  if (found == state.reports.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

}  // namespace dmarcate
