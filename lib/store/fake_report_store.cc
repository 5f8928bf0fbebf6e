#include "lib/store/fake_report_store.h"

#include <algorithm>
#include <tuple>
#include <type_traits>

#include "fmt/format.h"
#include "fmt/ranges.h"

#include "lib/base/digest.h"
#include "lib/base/status_macros.h"
#include "lib/store/report_rules.h"

namespace dmarcate {
namespace {

template <typename Stored>
constexpr bool kHasRevisions = !std::is_same_v<Stored, StoredFailureReport>;

auto Identity(const StoredReport& report) {
  const ReportMetadata& metadata = report.report.metadata;
  return std::tie(report.key.domain, report.key.day, report.reporter_key, metadata.report_id,
                  metadata.begin, metadata.end);
}

auto Identity(const StoredTlsReport& stored) {
  const TlsReport& report = stored.report;
  return std::tie(stored.key.domain, stored.key.day, stored.reporter_key, report.report_id,
                  report.begin, report.end);
}

std::string IdentityText(const StoredReport& report) {
  return fmt::format("{}", fmt::join(Identity(report), "\n"));
}

int64_t Records(const StoredReport& report) { return report.record_count; }
int64_t Records(const StoredTlsReport& report) { return report.policy_count; }

void CountRows(StoredReport* report) {
  report->record_count = static_cast<int64_t>(report->report.records.size());
  report->message_count = report->report.messages();
  report->repair_count = static_cast<int64_t>(report->repairs.size());
}
void CountRows(StoredTlsReport* report) { CountParts(report); }

StoredTlsReport WithoutRows(const StoredTlsReport& report) {
  StoredTlsReport out = report;
  out.report.policies = std::vector<TlsReport::PolicyResult>();
  out.repairs = std::vector<Repair>();
  return out;
}

void CountRows(StoredFailureReport* report) {
  report->repair_count = static_cast<int64_t>(report->repairs.size());
}

StoredFailureReport WithoutRows(const StoredFailureReport& report) {
  StoredFailureReport out = report;
  out.repairs.clear();
  return out;
}

template <typename Stored>
std::vector<Revision> AsRevisions(const std::vector<Stored*>& same) {
  std::vector<Revision> revisions;
  for (const Stored* report : same) {
    revisions.push_back({report->key.receipt, report->key.item, report->trust, Records(*report)});
  }
  return revisions;
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

StoredReport WithoutRows(const StoredReport& report) {
  StoredReport out = report;
  out.report.metadata.errors.clear();
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

template <typename Stored>
std::vector<Stored*> FakeReportStore::RevisionsOf(const Stored& report,
                                                  std::map<ReportKey, Stored>& reports) {
  std::vector<Stored*> same;
  for (auto& [key, other] : reports) {
    if (Identity(other) == Identity(report)) same.push_back(&other);
  }
  return same;
}

template <typename Stored>
std::vector<Stored> FakeReportStore::Remove(ReceiptId receipt,
                                            std::map<ReportKey, Stored>& reports) {
  std::vector<Stored> out;
  for (auto it = reports.begin(); it != reports.end();) {
    if (it->first.receipt != receipt) {
      ++it;
      continue;
    }
    out.push_back(std::move(it->second));
    it = reports.erase(it);
    if constexpr (kHasRevisions<Stored>) Elect(out.back(), reports);
  }
  return out;
}

template <typename Stored>
void FakeReportStore::Elect(const Stored& report, std::map<ReportKey, Stored>& reports) {
  const std::vector<Stored*> same = RevisionsOf(report, reports);
  const std::vector<Revision> revisions = AsRevisions(same);
  if (same.empty()) return;
  const Stored* current = same[ElectCurrent(revisions)];
  for (Stored* other : same) other->current = other == current;
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

absl::StatusOr<int64_t> FakeReportStore::CountPending(int64_t limit) {
  DMARCATE_ASSIGN_OR_RETURN(const std::vector<Receipt> pending,
                            Pending(static_cast<size_t>(std::max<int64_t>(limit, 0))));
  return static_cast<int64_t>(pending.size());
}

absl::StatusOr<std::optional<std::vector<ReceiptItem>>> FakeReportStore::FindByRaw(
    std::string_view raw_sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.first_receipt.find(raw_sha256);
  if (found == written_.first_receipt.end()) return std::nullopt;
  for (auto it = written_.receipts.rbegin(); it != written_.receipts.rend(); ++it) {
    const auto& [receipt, items] = it->second;
    if (receipt.raw_sha256 == raw_sha256 && HasRaisedTrust(items)) return items;
  }
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
  if (found == written_.raw.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     written_.first_receipt.contains(raw_sha256) ? "raw: expired" : "raw: unknown");
  }
  if (Sha256(found->second) != raw_sha256) {
    return MakeError(absl::StatusCode::kDataLoss, "raw: the bytes do not match their hash");
  }
  return found->second;
}

absl::StatusOr<std::string> FakeReportStore::ReadRawOf(ReceiptId receipt) {
  DMARCATE_ASSIGN_OR_RETURN(const StoredReceipt stored, GetReceipt(receipt));
  return ReadRaw(stored.receipt.raw_sha256);
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
    if (!visit(report)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DayTotals>> FakeReportStore::ReadTotals(std::string_view domain,
                                                                   DayNumber first,
                                                                   DayNumber last) {
  std::map<DayNumber, DayTotals> days;
  DMARCATE_ASSIGN_OR_RETURN(const auto expired, ReadExpiredTotals(domain, first, last));
  for (const DayTotals& totals : expired) {
    if (totals.reports > 0) days[totals.day] = totals;
  }
  DMARCATE_RETURN_IF_ERROR(ForEachReport(domain, first, last, [&days](const StoredReport& report) {
    if (!IsCounted(report.trust)) return true;
    DayTotals& totals = days[report.key.day];
    totals.day = report.key.day;
    AddToTotals(report.report, &totals);
    return true;
  }));
  std::vector<DayTotals> out;
  for (const auto& [day, totals] : days) out.push_back(totals);
  return out;
}

absl::StatusOr<std::vector<DayRevision>> FakeReportStore::ReadDayRevisions(std::string_view domain,
                                                                           DayNumber first,
                                                                           DayNumber last) {
  const uint64_t revision = version() + 1;  // all days change with any
  DMARCATE_ASSIGN_OR_RETURN(const auto totals, ReadTotals(domain, first, last));
  std::vector<DayRevision> out;
  for (const DayTotals& day : totals) out.push_back({day.day, revision, revision});
  return out;
}

absl::Status FakeReportStore::ForEachReportAfter(
    const ReportKey& key, const std::function<bool(const StoredReport&)>& visit) {
  return ForEachReport(key.domain, key.day, key.day, [&](const StoredReport& report) {
    return report.key <= key || visit(report);
  });
}

absl::StatusOr<std::vector<std::pair<std::string, DayNumber>>> FakeReportStore::ListDomains(
    std::string_view after, size_t limit) {
  std::map<std::string, DayNumber> last_days;  // keys come by day
  const State seen = Seen();
  for (const auto& [key, totals] : seen.expired) {
    if (key.first > after && totals.reports > 0) last_days[key.first] = key.second;
  }
  for (const auto& [key, report] : seen.reports) {
    if (!report.current || !IsCounted(report.trust)) continue;
    if (key.domain > after) last_days[key.domain] = std::max(last_days[key.domain], key.day);
  }
  std::vector<std::pair<std::string, DayNumber>> out(last_days.begin(), last_days.end());
  if (out.size() > limit) out.resize(limit);
  return out;
}

template <typename Stored>
std::pair<std::vector<Stored>, std::optional<ReportKey>> FakeReportStore::List(
    const std::map<ReportKey, Stored>& reports, std::string_view domain, DayNumber first,
    DayNumber last, const std::optional<ReportKey>& from, size_t limit) {
  std::pair<std::vector<Stored>, std::optional<ReportKey>> page;
  for (auto it = reports.rbegin(); it != reports.rend(); ++it) {
    const ReportKey& key = it->first;
    if (key.domain != domain || key.day < first || key.day > last || (from && key > *from)) {
      continue;
    }
    if (page.first.size() >= limit) {
      page.second = key;
      break;
    }
    page.first.push_back(WithoutRows(it->second));
  }
  return page;
}

absl::StatusOr<ReportReader::ReportPage> FakeReportStore::ListReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().reports, domain, first, last, from, limit);
  return ReportPage{std::move(reports), std::move(next)};
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

absl::StatusOr<std::vector<DayTotals>> FakeReportStore::ReadExpiredTotals(std::string_view domain,
                                                                          DayNumber first,
                                                                          DayNumber last) {
  std::vector<DayTotals> out;
  for (const auto& [key, totals] : Seen().expired) {
    if (key.first == domain && key.second >= first && key.second <= last) out.push_back(totals);
  }
  return out;
}

absl::Status FakeReportStore::VerifyTotals(std::string_view domain,
                                           const std::function<bool(const DayCheck&)>& visit) {
  const std::lock_guard lock(mutex_);
  std::map<std::pair<std::string, DayNumber>, DayTotals> days = written_.expired;
  for (const auto& [key, report] : written_.reports) {
    DayTotals& totals = days[{key.domain, key.day}];
    totals.day = key.day;
    if (report.current && IsCounted(report.trust)) AddToTotals(report.report, &totals);
  }
  for (const auto& [key, totals] : days) {
    if (!domain.empty() && key.first != domain) continue;
    if (!visit({key.first, totals, totals})) break;  // there are no others than what is counted
  }
  return absl::OkStatus();
}

absl::Status FakeReportStore::ForEachTlsReport(
    std::string_view domain, DayNumber first, DayNumber last,
    const std::function<bool(const StoredTlsReport&)>& visit) {
  for (const auto& [key, report] : Seen().tls) {
    if (key.domain != domain || key.day < first || key.day > last || !report.current) continue;
    if (!visit(report)) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<ReportReader::TlsReportPage> FakeReportStore::ListTlsReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().tls, domain, first, last, from, limit);
  return TlsReportPage{std::move(reports), std::move(next)};
}

absl::StatusOr<StoredTlsReport> FakeReportStore::GetTlsReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.tls.find(key);
  if (found == state.tls.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("TLS report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

absl::StatusOr<ReportReader::FailureReportPage> FakeReportStore::ListFailureReports(
    std::string_view domain, DayNumber first, DayNumber last, const std::optional<ReportKey>& from,
    size_t limit) {
  auto [reports, next] = List(Seen().failures, domain, first, last, from, limit);
  return FailureReportPage{std::move(reports), std::move(next)};
}

absl::StatusOr<StoredFailureReport> FakeReportStore::GetFailureReport(const ReportKey& key) {
  State state = Seen();
  const auto found = state.failures.find(key);
  if (found == state.failures.end()) {
    return MakeError(absl::StatusCode::kNotFound,
                     fmt::format("failure report {} of {}: unknown", key.ToId(), key.domain));
  }
  return std::move(found->second);
}

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
