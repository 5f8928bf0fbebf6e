// lib/store/fake_report_model.h
// What the parts of the fake share: which reports are revisions of one another, and which of them
// counts. Only for fake_report_*.cc.

#ifndef DMARCATE_LIB_STORE_FAKE_REPORT_MODEL_H_
#define DMARCATE_LIB_STORE_FAKE_REPORT_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"

#include "lib/store/fake_report_store.h"
#include "lib/store/report_rules.h"

namespace dmarcate {

template <typename Stored>
inline constexpr bool kHasRevisions = !std::is_same_v<Stored, StoredFailureReport>;

inline auto Identity(const StoredReport& report) {
  const ReportMetadata& metadata = report.report.metadata;
  return std::tie(report.key.domain, report.key.day, report.reporter_key, metadata.report_id,
                  metadata.begin, metadata.end);
}

inline auto Identity(const StoredTlsReport& stored) {
  const TlsReport& report = stored.report;
  return std::tie(stored.key.domain, stored.key.day, stored.reporter_key, report.report_id,
                  report.begin, report.end);
}

inline std::string IdentityText(const StoredReport& report) {
  return fmt::format("{}", fmt::join(Identity(report), "\n"));
}

inline int64_t Records(const StoredReport& report) { return report.record_count; }
inline int64_t Records(const StoredTlsReport& report) { return report.policy_count; }

template <typename Stored>
std::vector<Revision> AsRevisions(const std::vector<Stored*>& same) {
  std::vector<Revision> revisions;
  for (const Stored* report : same) {
    revisions.push_back({report->key.receipt, report->key.item, report->trust, Records(*report)});
  }
  return revisions;
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

}  // namespace dmarcate

#endif  // DMARCATE_LIB_STORE_FAKE_REPORT_MODEL_H_
