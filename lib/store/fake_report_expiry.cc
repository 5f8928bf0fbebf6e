// What the fake forgets: what has expired, and what is purged.

#include <algorithm>

#include "fmt/format.h"

#include "lib/base/status_macros.h"
#include "lib/store/fake_report_model.h"
#include "lib/store/fake_report_store.h"
#include "lib/store/report_rules.h"

namespace dmarcate {

absl::StatusOr<ExpiryResult> FakeReportStore::Expire(const ExpiryCutoffs& cutoffs,
                                                     size_t /*limit*/) {
  const std::lock_guard lock(mutex_);
  if (!failed_.ok()) return failed_;
  State state = written_;
  ExpiryResult result;
  std::vector<ReceiptId> ids;
  for (const auto& [id, entry] : state.receipts) ids.push_back(id);
  const auto unreadable = [](const ReceiptItem& item) { return IsUnreadable(item.outcome); };
  const auto failure = [](const ReceiptItem& item) { return item.kind == "failure"; };
  // In the order of arrival, up to one that is still to be read.
  for (const ReceiptId id : ids) {
    auto& [receipt, items] = state.receipts.at(id);
    if (!receipt.processed) break;
    const absl::Time received = receipt.received_time;
    if (received < cutoffs.raw) state.raw_passed = id;
    const bool raw = received < cutoffs.raw && std::ranges::none_of(items, unreadable);
    const bool late = received < cutoffs.failure && std::ranges::any_of(items, failure);
    if (raw || late) LetRawGo(receipt, state, result);
    if (late) {
      result.reports += static_cast<int64_t>(std::erase_if(
          state.failures, [&](const auto& entry) { return entry.first.receipt == id; }));
    }
    if (received < cutoffs.rows) ExpireRows(id, state, result);
  }
  for (const ReceiptId id : ids) {
    const auto found = state.receipts.find(id);
    if (found == state.receipts.end()) continue;
    const absl::Time received = found->second.first.received_time;
    if (received >= cutoffs.quarantine) continue;
    const DropResult dropped = Drop(id, state);
    if (!dropped.dropped) continue;
    ++result.quarantined;
    result.raw_bytes += dropped.raw_bytes;
    const auto rest = state.receipts.find(id);
    if (rest != state.receipts.end() && received < cutoffs.raw) {
      LetRawGo(rest->second.first, state, result);
    }
  }
  std::erase_if(state.expired, [&](const auto& entry) {
    const auto& key = entry.first;
    const bool rows = std::ranges::any_of(state.reports, [&key](const auto& report) {
      return report.first.domain == key.first && report.first.day == key.second;
    });
    if (key.second >= cutoffs.totals || rows) return false;
    ++result.days;
    const auto of_day = [&key](const auto& known) {
      return known.second.domain == key.first && known.second.day == key.second;
    };
    std::erase_if(state.expired_documents, of_day);
    std::erase_if(state.expired_identities, of_day);
    return true;
  });
  written_ = std::move(state);
  ++written_version_;
  return result;
}

void FakeReportStore::LetRawGo(Receipt& receipt, State& state, ExpiryResult& result) {
  if (receipt.raw_gone) return;
  receipt.raw_gone = true;
  if (state.first_receipt[receipt.raw_sha256] != receipt.id) return;
  const auto raw = state.raw.extract(receipt.raw_sha256);
  if (!raw) return;
  ++result.raw;
  result.raw_bytes += static_cast<int64_t>(raw.mapped().size());
}

void FakeReportStore::ExpireRows(ReceiptId id, State& state, ExpiryResult& result) {
  std::vector<ReportKey> keys;
  for (const auto& [key, report] : state.reports) {
    if (key.receipt == id) keys.push_back(key);
  }
  // What has counted stays known.
  const auto let_go = [&](const ReportKey& key) {
    const StoredReport& report = state.reports.at(key);
    if (IsCounted(report.trust)) state.expired_documents[report.document_sha256] = key;
    state.reports.erase(key);
    ++result.reports;
  };
  for (const ReportKey& key : keys) {
    const auto found = state.reports.find(key);
    if (found == state.reports.end()) continue;
    const StoredReport report = found->second;
    let_go(key);
    if (!IsCounted(report.trust)) {
      Elect(report, state.reports);
      continue;
    }
    DayTotals& expired = state.expired[{key.domain, key.day}];
    expired.day = key.day;
    if (!report.current) continue;
    DayTotals own;
    AddToTotals(report.report, &own);
    AddTotals(own, &expired);
    state.expired_identities[IdentityText(report)] = key;
    std::vector<ReportKey> others;
    for (const auto& [other, revision] : state.reports) {
      if (Identity(revision) == Identity(report)) others.push_back(other);
    }
    for (const ReportKey& other : others) let_go(other);
  }
  const size_t before = state.tls.size() + state.failures.size();
  std::vector<StoredTlsReport> tls;
  for (const auto& [key, report] : state.tls) {
    if (key.receipt == id) tls.push_back(report);
  }
  for (const StoredTlsReport& report : tls) {
    std::erase_if(state.tls, [&report](const auto& entry) {
      return entry.first == report.key ||
             (report.current && Identity(entry.second) == Identity(report));
    });
  }
  Remove(id, state.failures);
  result.reports += static_cast<int64_t>(before - state.tls.size() - state.failures.size());
  result.raw_bytes += ForgetReceipt(id, state);
  ++result.receipts;
}

absl::StatusOr<PurgeResult> FakeReportStore::Purge(
    const PurgeTarget& target, PurgeMode mode,
    const std::function<bool(const PurgeResult&)>& progress) {
  const std::lock_guard lock(mutex_);
  if (!failed_.ok()) return failed_;
  if (target.domain.empty() == !target.address.has_value()) {
    return MakeError(absl::StatusCode::kInvalidArgument, "purge: want a domain or an address");
  }
  State state = written_;
  PurgeResult result;
  if (target.address) {
    PurgeAddress(*target.address, state, result);
  } else {
    PurgeDomain(target.domain, state, result);
  }
  static_cast<void>(progress(result));
  if (mode == PurgeMode::kCount) return result;
  written_ = std::move(state);
  ++written_version_;
  return result;
}

void FakeReportStore::PurgeDomain(const std::string& domain, State& state, PurgeResult& result) {
  std::erase_if(state.reports, [&](const auto& entry) {
    if (entry.first.domain != domain) return false;
    ++result.reports;
    result.records += entry.second.record_count;
    result.messages += entry.second.message_count;
    return true;
  });
  const auto about_it = [&domain](const auto& entry) { return entry.first.domain == domain; };
  result.reports += static_cast<int64_t>(std::erase_if(state.tls, about_it) +
                                         std::erase_if(state.failures, about_it));
  std::vector<ReceiptId> gone;
  for (auto& [id, entry] : state.receipts) {
    ++result.scanned;
    const auto about = [&](const ReceiptItem& item) { return item.domain == domain; };
    if (std::erase_if(entry.second, about) == 0) continue;
    ++result.receipts;
    entry.first.file_name.clear();
    entry.first.subject.clear();
    entry.first.from_domain.clear();
    ExpiryResult raw;
    LetRawGo(entry.first, state, raw);
    result.raw_bytes += raw.raw_bytes;
    if (entry.second.empty()) gone.push_back(id);
  }
  for (const ReceiptId id : gone) ForgetReceipt(id, state);
  std::erase_if(state.expired, [&](const auto& entry) { return entry.first.first == domain; });
  const auto named = [&](const auto& entry) { return entry.second.domain == domain; };
  std::erase_if(state.expired_documents, named);
  std::erase_if(state.expired_identities, named);
}

void FakeReportStore::LetRawOfReportGo(const ReportKey& key, State& state, PurgeResult& result) {
  for (auto& [id, entry] : state.receipts) {
    const auto names_it = [&](const ReceiptItem& item) {
      return item.domain == key.domain && item.report_name == key.ToId();
    };
    if (entry.first.raw_gone || std::ranges::none_of(entry.second, names_it)) continue;
    ++result.receipts;
    ExpiryResult raw;
    LetRawGo(entry.first, state, raw);
    result.raw_bytes += raw.raw_bytes;
  }
}

void FakeReportStore::PurgeAddress(const IpAddress& address, State& state, PurgeResult& result) {
  for (auto& [key, report] : state.reports) {
    ++result.scanned;
    int64_t removed = 0;
    std::erase_if(report.report.records, [&](const AggregateRecord& record) {
      if (record.source_ip != address) return false;
      ++removed;
      result.messages += record.count;
      return true;
    });
    if (removed == 0) continue;
    ++result.reports;
    result.records += removed;
    report.record_count = static_cast<int64_t>(report.report.records.size());
    report.message_count = report.report.messages();
    LetRawOfReportGo(key, state, result);
  }
  for (auto it = state.failures.begin(); it != state.failures.end();) {
    ++result.scanned;
    if (!IsFrom(it->second, address)) {
      ++it;
      continue;
    }
    ++result.reports;
    LetRawOfReportGo(it->first, state, result);
    it = state.failures.erase(it);
  }
  const std::map<ReportKey, StoredReport> reports = state.reports;
  for (const auto& [key, report] : reports) Elect(report, state.reports);
}

}  // namespace dmarcate
