// The writing half of the fake: what a commit does.

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/store/fake_report_model.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

void CountRows(StoredReport* report) {
  report->record_count = static_cast<int64_t>(report->report.records.size());
  report->message_count = report->report.messages();
  report->repair_count = static_cast<int64_t>(report->repairs.size());
}
void CountRows(StoredTlsReport* report) { CountParts(report); }

void CountRows(StoredFailureReport* report) {
  report->repair_count = static_cast<int64_t>(report->repairs.size());
}

// A duplicate that was noticed before the store, to the report with that document.
template <typename Stored>
void Link(std::string_view document_sha256, const std::map<ReportKey, Stored>& reports,
          ReceiptItem& item) {
  for (const auto& [key, report] : reports) {
    if (report.document_sha256 != document_sha256) continue;
    item.report_name = key.ToId();
    item.domain = key.domain;
  }
}

// A document that a receipt gives again keeps what it was in `before`, if that was more.
template <typename Stored>
bool KeepTrust(const std::vector<Stored>& before, Stored& report) {
  const auto same =
      std::ranges::find(before, report.document_sha256,
                        [](const Stored& s) -> const std::string& { return s.document_sha256; });
  if (same == before.end()) return false;
  if constexpr (requires { report.release; }) report.release = same->release;
  if (TrustRank(same->trust) <= TrustRank(report.trust)) return false;
  report.trust = same->trust;
  report.reason = same->reason;
  if constexpr (kHasRevisions<Stored>) report.reporter_key = same->reporter_key;
  return true;
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
  for (ReleasedReport& released : batch.released) {
    result.released.push_back(Release(std::move(released), state));
  }
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
    const bool added = state.raw.emplace(receipt.raw_sha256, std::move(item.raw)).second;
    if (added) state.first_receipt[receipt.raw_sha256] = receipt.id;
    result.accepted.push_back(receipt.id);
    result.raw_known.push_back(!added);
    const ReceiptId id = receipt.id;
    state.receipts[id].first = std::move(receipt);
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
  const auto reports = Remove(processed.receipt, state.reports);
  const auto tls = Remove(processed.receipt, state.tls);
  const auto failures = Remove(processed.receipt, state.failures);
  items.clear();
  std::vector<ReportKey> lent;
  for (ProcessedItem& item : processed.items) {
    if (item.report) {
      if (KeepTrust(reports, *item.report) && item.item.outcome == Outcome::kQuarantined) {
        SettleQuarantined(&item.item);
      }
      if (const auto known = FindExpired(*item.report, state)) {
        item.item.outcome = Outcome::kDuplicate;
        item.item.report_name = known->ToId();
        item.item.domain = known->domain;
      } else {
        // As what it is now known, it has expired: it lends nothing.
        if (state.expired_identities.contains(IdentityText(*item.report))) {
          item.report->trust = TrustClass::kUnspecified;
        }
        const auto key = Store(*std::move(item.report), item.item, state.reports);
        if (key) lent.push_back(*key);
      }
    } else if (item.tls) {
      KeepTrust(tls, *item.tls);
      Store(*std::move(item.tls), item.item, state.tls);
    } else if (item.failure) {
      KeepTrust(failures, *item.failure);
      Store(*std::move(item.failure), item.item, state.failures);
    } else if (item.item.outcome == Outcome::kDuplicate) {
      if (item.item.kind == kTlsKind) {
        Link(item.document_sha256, state.tls, item.item);
      } else if (item.item.kind == kFailureKind) {
        Link(item.document_sha256, state.failures, item.item);
      } else {
        Link(item.document_sha256, state.reports, item.item);
      }
    }
    items.push_back(std::move(item.item));
  }
  for (const ReportKey& key : lent) {
    for (ReceiptItem& item : state.receipts.at(key.receipt).second) {
      if (item.outcome == Outcome::kQuarantined && ReportOf(key.receipt, item) == key) {
        SettleQuarantined(&item);
      }
    }
    if (key.receipt != processed.receipt) Settled(key.receipt, state);
  }
  const bool unreadable = HasUnreadable(items);
  receipt.processed = true;
  receipt.subject = unreadable ? std::move(processed.subject) : std::string();
  receipt.from_domain = unreadable ? std::move(processed.from_domain) : std::string();
  if (processed.withhold_raw) {
    receipt.file_name.clear();
    const bool needed = std::ranges::any_of(state.receipts, [&](const auto& each) {
      return each.second.first.raw_sha256 == receipt.raw_sha256 && !each.second.first.processed;
    });
    if (!needed) {
      state.raw.erase(receipt.raw_sha256);
      receipt.raw_gone = true;
      state.receipts.at(state.first_receipt.at(receipt.raw_sha256)).first.raw_gone = true;
    }
  }
  result.processed.push_back(items);
  return absl::OkStatus();
}

std::optional<ReportKey> FakeReportStore::FindExpired(const StoredReport& report,
                                                      const State& state) {
  const auto document = state.expired_documents.find(report.document_sha256);
  if (document != state.expired_documents.end()) return document->second;
  const bool known = std::ranges::any_of(state.reports, [&report](const auto& entry) {
    return entry.second.document_sha256 == report.document_sha256;
  });
  const auto identity = state.expired_identities.find(IdentityText(report));
  if (known || identity == state.expired_identities.end()) return std::nullopt;
  return identity->second;
}

ReleaseResult FakeReportStore::Release(ReleasedReport released, State& state) {
  const ReportKey& key = released.report;
  ReleaseResult result;
  const auto found = state.reports.find(key);
  const auto receipt = state.receipts.find(key.receipt);
  if (found == state.reports.end() || receipt == state.receipts.end()) return result;
  StoredReport& report = found->second;
  if (report.trust != TrustClass::kQuarantined) {
    if (report.release) result = {ReleaseOutcome::kAlready, report};
    return result;
  }
  std::vector<ReceiptItem>& items = receipt->second.second;
  const auto item = std::ranges::find_if(items, [&key](const ReceiptItem& each) {
    return each.outcome == Outcome::kQuarantined && ReportOf(key.receipt, each) == key;
  });
  if (item == items.end()) return result;
  if (IsImpossible(report, *item)) {
    result.outcome = ReleaseOutcome::kImpossible;
  } else if (!HasRoom(AsRevisions(RevisionsOf(report, state.reports)), kReleasedTrust)) {
    result.outcome = ReleaseOutcome::kNoRoom;
  } else {
    ApplyRelease(std::move(released.release), &report);
    Elect(report, state.reports);
    SettleQuarantined(&*item);
    Settled(key.receipt, state);
    result = {ReleaseOutcome::kReleased, report};
  }
  return result;
}

void FakeReportStore::Settled(ReceiptId id, State& state) {
  auto& [receipt, items] = state.receipts.at(id);
  if (HasUnreadable(items)) return;
  receipt.subject.clear();
  receipt.from_domain.clear();
  ExpiryResult ignored;
  if (id <= state.raw_passed) LetRawGo(receipt, state, ignored);
}

absl::StatusOr<ReleaseResult> FakeReportStore::CheckRelease(const ReleasedReport& released) {
  const std::lock_guard lock(mutex_);
  State state = written_;
  return Release(released, state);
}

DropResult FakeReportStore::Drop(ReceiptId id, State& state) {
  const auto found = state.receipts.find(id);
  if (found == state.receipts.end() || !found->second.first.processed) return {};
  std::vector<ReceiptItem>& items = found->second.second;
  const auto unreadable = [](const ReceiptItem& item) { return IsUnreadable(item.outcome); };
  if (std::ranges::none_of(items, unreadable)) return {};
  std::vector<ReceiptItem> left;
  for (ReceiptItem& item : items) {
    const bool stays = !unreadable(item);
    const auto key = stays ? std::nullopt : ReportOf(id, item);
    if (const auto report = key ? state.reports.find(*key) : state.reports.end();
        report != state.reports.end()) {
      const StoredReport removed = std::move(report->second);
      state.reports.erase(report);
      Elect(removed, state.reports);
    }
    if (stays) left.push_back(std::move(item));
  }
  items = std::move(left);
  found->second.first.subject.clear();
  found->second.first.from_domain.clear();
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

template <typename Stored>
std::optional<ReportKey> FakeReportStore::Store(Stored report, ReceiptItem& item,
                                                std::map<ReportKey, Stored>& reports) {
  for (auto& [key, other] : reports) {
    if (other.document_sha256 != report.document_sha256) continue;
    item.outcome = Outcome::kDuplicate;
    item.report_name = key.ToId();
    item.domain = key.domain;
    if (TrustRank(report.trust) <= TrustRank(other.trust)) return std::nullopt;
    const Stored before = other;
    if constexpr (kHasRevisions<Stored>) {
      Stored lent = other;
      lent.reporter_key = report.reporter_key;
      if (!HasRoom(AsRevisions(RevisionsOf(lent, reports)), report.trust)) return std::nullopt;
    }
    other.trust = report.trust;
    other.reason = report.reason;
    if constexpr (kHasRevisions<Stored>) {
      other.reporter_key = report.reporter_key;
      Elect(before, reports);
      Elect(other, reports);
      NoteRaise(before, other, &item);
    }
    if (before.trust == TrustClass::kQuarantined) return key;
    return std::nullopt;
  }
  if constexpr (kHasRevisions<Stored>) {
    const std::vector<Revision> revisions = AsRevisions(RevisionsOf(report, reports));
    if (!HasRoom(revisions, report.trust)) {
      const Revision& current = revisions[ElectCurrent(revisions)];
      RefuseRevision({report.key.domain, report.key.day, current.receipt, current.item}, &item);
      return std::nullopt;
    }
  }
  CountRows(&report);
  item.report_name = report.key.ToId();
  item.domain = report.key.domain;
  const ReportKey key = report.key;
  const Stored& stored = reports[key] = std::move(report);
  if constexpr (kHasRevisions<Stored>) Elect(stored, reports);
  return std::nullopt;
}

}  // namespace dmarcate
